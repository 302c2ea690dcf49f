# OTP's own web server and its client, inets' httpd and httpc: nothing here is written for BeamScope.

defmodule WebDemo do
  @moduledoc "Starts httpd on a free port of this machine and has httpc ask it for files."

  alias BeamScope.Event

  @files 100

  @doc "Starts the server on a directory of its own. Returns what `stop/1` and `ask/3` need."
  def start do
    {:ok, _} = Application.ensure_all_started(:inets)
    root = Path.join(System.tmp_dir!(), "beam_scope_demo_#{System.unique_integer([:positive])}")
    File.mkdir_p!(root)
    for n <- 0..(@files - 1), do: File.write!(Path.join(root, "#{n}.txt"), "file #{n}")

    {:ok, server} =
      :inets.start(:httpd,
        port: 0,
        # Without it every answer waits 40 ms for the client's acknowledgement of its head.
        socket_type: {:ip_comm, nodelay: true},
        bind_address: {127, 0, 0, 1},
        server_name: ~c"demo",
        server_root: String.to_charlist(root),
        document_root: String.to_charlist(root),
        modules: [:mod_alias, :mod_get]
      )

    %{server: server, root: root, port: :httpd.info(server)[:port]}
  end

  @doc "Stops the server and removes its files."
  def stop(web) do
    :ok = :inets.stop(:httpd, web.server)
    File.rm_rf!(web.root)
    :ok
  end

  @doc """
  Sends `requests` requests from `clients` processes. Returns how many answers said 200 and held the right file:
  the client's own count, to compare a recording with.
  """
  def ask(web, requests, clients) do
    0..(requests - 1)
    |> Enum.group_by(&rem(&1, clients))
    |> Task.async_stream(fn {_client, numbers} -> Enum.count(numbers, &answered?(web, &1)) end,
      max_concurrency: clients,
      timeout: 60_000
    )
    |> Enum.reduce(0, fn {:ok, right}, sum -> sum + right end)
  end

  defp answered?(web, n) do
    url = ~c"http://127.0.0.1:#{web.port}/#{rem(n, @files)}.txt?n=#{n}"
    body = "file #{rem(n, @files)}"
    match?({:ok, {200, ^body}}, :httpc.request(:get, {url, []}, [], body_format: :binary, full_result: false))
  end

  @doc """
  What a recording of `inets` knows of each request, by its number: the event in which httpc's manager was asked, the one
  in which a handler of httpd received it from its socket, and the one in which httpc sent the reply to who had asked.

  The first two carry the number in their URL. The manager answers the asking process with the id of the request, and
  that id comes back with the reply.
  """
  def exchanges(rec) do
    asked = Map.new(messages(rec, :receive, {:"$gen_call", :_, {:request, :_}}), &asked/1)

    ids =
      Map.new(messages(rec, :send, {:_, {:ok, :_}}), &{Event.tag(&1.message), elem(elem(&1.message, 1), 1)})

    received = Map.new(messages(rec, :receive, {:tcp, :_, :_}), &{number(elem(&1.message, 2)), &1})
    replied = Map.new(messages(rec, :send, {:http, {:_, :_}}), &replied/1)

    for {n, {tag, event}} <- asked, into: %{} do
      reply = Map.get(replied, ids[tag])
      {n, %{asked: event, received: received[n], replied: reply && right_file(reply, n)}}
    end
  end

  @doc "The processes that answered requests for httpd."
  def handlers(rec) do
    rec |> BeamScope.processes() |> Enum.filter(&match?({:httpd_request_handler, _, _}, &1.initial_call))
  end

  defp messages(rec, kind, match) do
    rec |> BeamScope.messages(match: match, limit: 1_000_000) |> Enum.filter(&(&1.kind == kind))
  end

  # httpc's #request{}: the query stands after scheme, address and path.
  defp asked(%{message: {:"$gen_call", _, {:request, request}}} = event),
    do: {number(elem(request, 7)), {Event.tag(event.message), event}}

  defp replied(%{message: {:http, {id, _}}} = event), do: {id, event}

  defp right_file(%{message: {:http, {_, answer}}} = event, n),
    do: if(status_and_body(answer) == {200, "file #{rem(n, @files)}"}, do: event)

  # From OTP 27 on httpc's process already leaves out what its client did not ask for.
  defp status_and_body({:ok, answer}), do: status_and_body(answer)
  defp status_and_body({{_version, status, _reason}, _headers, body}), do: {status, body}
  defp status_and_body(answer), do: answer

  defp number(text) do
    case Regex.run(~r/\?n=(\d+)/, to_string(text)) do
      [_, n] -> String.to_integer(n)
      nil -> nil
    end
  end
end
