# A recording of a real server: httpd of Erlang/OTP serves requests, one of which makes its handler fail.
#
#     MIX_ENV=test mix run test/bench/httpd.exs [REQUESTS] [DIRECTORY]
#
# Writes good.beamscope, in which all requests succeed, and bad.beamscope, in which one fails, walks from the crash back to the
# message that caused it, and compares the two.
defmodule BeamScope.Bench.Httpd do
  defmodule Handler do
    # mod_esi: /erl/Elixir.BeamScope.Bench.Httpd.Handler:hello
    def hello(session, _env, input) do
      body = "hello #{BeamScope.Bench.Httpd.Store.visit(to_string(input))}"
      :mod_esi.deliver(session, ["content-type: text/plain\r\n\r\n", body])
    end
  end

  defmodule Store do
    use GenServer
    def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
    def visit(who), do: GenServer.call(__MODULE__, {:visit, who})
    @impl true
    def init(_), do: {:ok, %{visits: 0, last: nil}}
    @impl true
    def handle_call({:visit, "poison"}, _from, state), do: {:reply, 1 / (state.visits - state.visits), state}

    def handle_call({:visit, who}, _from, state),
      do: {:reply, state.visits + 1, %{state | visits: state.visits + 1, last: who}}
  end

  def run(requests, port, poison, path) do
    {:ok, _} = Application.ensure_all_started(:inets)
    root = System.tmp_dir!() |> to_charlist()
    {:ok, supervisor} = Supervisor.start_link([Store], strategy: :one_for_one)

    {:ok, server} =
      :inets.start(:httpd,
        port: port,
        bind_address: {127, 0, 0, 1},
        server_name: ~c"bench",
        server_root: root,
        document_root: root,
        modules: [:mod_esi],
        erl_script_alias: {~c"/erl", [Handler]}
      )

    rec =
      BeamScope.start!([{:tree, supervisor}, {:app, :inets}],
        level: :full,
        to: {BeamScope.Sink.File, path: path, overwrite: true},
        limits: [events: 50_000_000, ms: 600_000]
      )

    codes = for n <- 1..requests, do: get(port, if(n == poison, do: "poison", else: "client#{n}"))
    Process.sleep(100)
    BeamScope.stop!(rec)
    :inets.stop(:httpd, server)
    Supervisor.stop(supervisor)
    IO.puts("#{Path.basename(path)}: #{inspect(Enum.frequencies(codes))}")
    rec
  end

  defp get(port, who) do
    url = ~c"http://127.0.0.1:#{port}/erl/Elixir.BeamScope.Bench.Httpd.Handler:hello?#{who}"

    case :httpc.request(:get, {url, [{~c"connection", ~c"close"}]}, [timeout: 5_000], []) do
      {:ok, {{_, code, _}, _, _}} -> code
      {:error, reason} -> reason
    end
  end
end

{requests, directory} =
  case System.argv() do
    [n, dir | _] -> {String.to_integer(n), dir}
    [n] -> {String.to_integer(n), System.tmp_dir!()}
    [] -> {1_000, System.tmp_dir!()}
  end

alias BeamScope.{Bench.Httpd, Replay}
Logger.configure(level: :none)
# The same port for both: it is part of names and states.
{:ok, socket} = :gen_tcp.listen(0, [])
{:ok, port} = :inet.port(socket)
:gen_tcp.close(socket)
good = Httpd.run(requests, port, nil, Path.join(directory, "good.beamscope"))
bad = Httpd.run(requests, port, div(requests, 2), Path.join(directory, "bad.beamscope"))
for rec <- [good, bad], do: IO.inspect(BeamScope.info(rec))
loaded = BeamScope.load!(Path.join(directory, "bad.beamscope"))

{time, crash} =
  :timer.tc(fn ->
    loaded |> Replay.open!(at: :end) |> Replay.seek!([crash: true, process: Httpd.Store], :backward)
  end)

IO.inspect(crash, label: "the crash (#{div(time, 1000)} ms)")
IO.inspect(Replay.transition!(crash))
{time, world} = :timer.tc(fn -> Replay.world(crash) end)
IO.puts("the world then: #{length(world.members)} processes, #{div(time, 1000)} ms")

{time, comparison} =
  :timer.tc(fn -> BeamScope.compare(BeamScope.load!(Path.join(directory, "good.beamscope")), loaded) end)

IO.inspect(comparison, label: "compared in #{div(time, 1000)} ms")
