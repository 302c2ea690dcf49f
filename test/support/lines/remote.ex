defmodule BeamScope.Test.Lines.Remote do
  @moduledoc false
  # What runs in a peer: calls of functions, each in a process of its own with an end to its time and memory, and what came of them in a
  # form that two virtual machines can be compared by.

  alias BeamScope.Test.Lines.Outcome

  @doc "Makes atoms in a given order: the order of keys in a map hangs on it from OTP 26 on."
  def atoms(texts) do
    for text <- texts, do: _ = :erlang.binary_to_atom(text, :utf8)
    :ok
  end

  @doc "Has warnings go nowhere."
  def quiet do
    true = :erlang.unregister(:standard_error)
    true = :erlang.register(:standard_error, spawn(fn -> sink() end))
    :ok
  end

  @doc "Has the double of `BeamScope.Line` count, with room for so many probes."
  def count(double, sites) do
    :persistent_term.put(BeamScope.Line, :counters.new(sites + 1, []))
    {:module, BeamScope.Line} = :code.load_binary(BeamScope.Line, ~c"double", double)
    :ok
  end

  @doc "Loads object code from files under the names of the modules' own files."
  def load(modules) do
    for {module, own, file} <- modules do
      {:ok, binary} = :file.read_file(file)
      {:module, ^module} = :code.load_binary(module, own, binary)
    end

    :ok
  end

  @doc "How often the probe of each number ran."
  def counts(sites) do
    counters = :persistent_term.get(BeamScope.Line)
    for site <- 0..(sites - 1), count = :counters.get(counters, site + 1), count > 0, do: {site, count}
  end

  @doc """
  The outcome of each of some calls `{module, function, arguments}`: its fingerprint, or itself when `whole?`, or `:limit` where time (ms)
  or memory (words) ran out.
  """
  def batch(calls, time, words, whole?) do
    sink = spawn(fn -> sink() end)
    outcomes = for call <- calls, do: one(call, time, words, whole?, sink)
    Process.exit(sink, :kill)
    outcomes
  end

  defp one(call, time, words, whole?, sink) do
    heap = %{size: words, kill: true, error_logger: false}
    me = self()
    done = make_ref()

    {pid, monitor} =
      :erlang.spawn_opt(
        fn ->
          :erlang.group_leader(sink, self())
          outcome = Outcome.of(call)
          send(me, {done, if(whole?, do: outcome, else: fingerprint(outcome))})
        end,
        [:monitor, max_heap_size: heap]
      )

    outcome =
      receive do
        {^done, outcome} -> outcome
        {:DOWN, ^monitor, _, _, :killed} -> :limit
        {:DOWN, ^monitor, _, _, reason} -> {:ended, Outcome.plain(reason)}
      after
        time -> :limit
      end

    :erlang.exit(pid, :kill)
    :erlang.demonitor(monitor, [:flush])

    receive do
      {^done, _} -> :ok
    after
      0 -> :ok
    end

    outcome
  end

  defp fingerprint(outcome), do: :erlang.md5(:erlang.term_to_binary(outcome))

  # What is printed goes nowhere.
  defp sink do
    receive do
      {:io_request, from, reference, request} ->
        send(from, {:io_reply, reference, reply(request)})
        sink()
    end
  end

  defp reply(request) when elem(request, 0) in [:get_line, :get_chars, :get_until, :get_password], do: :eof
  defp reply(:getopts), do: []
  defp reply({:get_geometry, _}), do: {:error, :enotsup}
  defp reply(_request), do: :ok
end
