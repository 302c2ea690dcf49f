defmodule BeamScope.Recorder.Profile.SelfTest do
  @moduledoc """
  Checks a variant of a profile against a private process whose states are known.

  It uses a tracer process of its own, so that it needs no native code, and a session or classic flags of its own on
  the probe alone. Before OTP 27 its patterns are global for some milliseconds; where another tool has a
  pattern on one of the functions nothing is touched and the test does not pass.
  """

  alias BeamScope.Recorder.Profile
  alias BeamScope.Recorder.Profile.Probes
  alias BeamScope.Recorder.Session
  alias BeamScope.Recorder.Session.Ledger

  @timeout_ms 2_000

  @doc "Whether these points show what a probe of the behaviour holds."
  @spec passes?(atom(), [Profile.point()]) :: boolean()
  def passes?(behaviour, points) do
    task = fn -> exit({:seen, run(behaviour, points)}) end

    # On a system with more work than schedulers others would let it wait for longer than anybody waits for it.
    {pid, monitor} = :erlang.spawn_opt(task, [:monitor, priority: :high])

    receive do
      {:DOWN, ^monitor, _, _, {:seen, seen}} -> right?(behaviour, seen)
      {:DOWN, ^monitor, _, _, _} -> false
    after
      @timeout_ms ->
        Process.exit(pid, :kill)
        Process.demonitor(monitor, [:flush])
        false
    end
  end

  defp run(behaviour, points) do
    {:ok, probe} = Probes.start(behaviour)
    {undo, delivered} = trace(probe, points)

    try do
      :ok = Probes.bump_twice(behaviour, probe)
      {:ok, _} = :sys.log(probe, :get)
      :ok = Probes.stop(behaviour, probe)
      delivered.()
      collect(points, probe, [])
    after
      undo.()
    end
  end

  defp trace(probe, points) do
    mfas = points |> Enum.map(& &1.mfa) |> Enum.uniq()
    if Session.sessions?(), do: by_session(probe, mfas), else: by_classic(probe, mfas)
  end

  defp by_session(probe, mfas) do
    {:ok, session} = Session.Trace.open(System.unique_integer([:positive]), self())
    for mfa <- mfas, do: {:ok, 1} = Session.Trace.pattern(session, mfa, :plain)
    [] = Session.Trace.trace(session, [probe], [:call])
    {fn -> Session.Trace.close(session) end, fn -> Session.Trace.delivered(session) end}
  end

  defp by_classic(probe, mfas) do
    tracer = self()
    request = fn ledger, request -> Session.Classic.perform(ledger, 0, tracer, request) end

    ledger =
      Enum.reduce(mfas, %Ledger{}, fn mfa, ledger ->
        {{:ok, 1}, ledger} = request.(ledger, {:pattern, mfa, :plain})
        ledger
      end)

    {[], ledger} = request.(ledger, {:trace, [probe], [:call]})
    {fn -> request.(ledger, :close) end, fn -> :erlang.trace_delivered(:all) end}
  end

  # Trace messages of one tracee come in order and before what it does later, its end included.
  defp collect(points, probe, seen) do
    receive do
      {:trace, ^probe, :call, {m, f, arguments}} ->
        collect(points, probe, see(points, {m, f, arguments}) ++ seen)

      {:trace_delivered, _, _} ->
        Enum.reverse(seen)
    after
      @timeout_ms -> Enum.reverse(seen)
    end
  end

  defp see(points, {m, f, arguments}) do
    for %{mfa: {^m, ^f, arity}} = point <- points, arity == length(arguments), applies?(point, arguments) do
      {point.point, Profile.see(point, arguments)}
    end
  end

  defp applies?(%{when: nil}, _), do: true
  defp applies?(%{when: {at, atom}}, arguments), do: Enum.at(arguments, at - 1) == atom

  # What must have been seen: states 0, 1 and 2, a call and a cast, a reading, an end.
  defp right?(:gen_statem = behaviour, seen) do
    steps = for {:step, fields} <- seen, do: fields

    match?([_, _], steps) and messages?(behaviour, steps) and
      Enum.zip_with(steps, [1, 2], fn step, n ->
        Probes.held(behaviour, n - 1, step[:before]) and Probes.held(behaviour, n, step[:after])
      end) == [true, true] and rest?(behaviour, seen)
  end

  defp right?(behaviour, seen) do
    handled = for {:handled, fields} <- seen, do: fields
    loops = for {:loop, fields} <- seen, do: fields[:after]

    match?([_, _ | _], handled) and messages?(behaviour, handled) and
      Probes.held(behaviour, 0, hd(handled)[:before]) and
      Probes.held(behaviour, 1, Enum.at(handled, 1)[:before]) and
      match?([_, _ | _], loops) and Probes.held(behaviour, 1, hd(loops)) and
      Probes.held(behaviour, 2, Enum.at(loops, 1)) and rest?(behaviour, seen)
  end

  defp messages?(:gen_server, [
         %{message: {:"$gen_call", {_, _}, :bump}},
         %{message: {:"$gen_cast", :bump}} | _
       ]),
       do: true

  defp messages?(:gen_statem, [%{message: {{:call, _}, :bump}}, %{message: {:cast, :bump}}]), do: true

  defp messages?(:gen_event, [%{message: {_, _, {:call, _, :bump}}}, %{message: {:notify, :bump}} | _]),
    do: true

  defp messages?(_, _), do: false

  defp rest?(behaviour, seen) do
    Enum.any?(seen, fn {point, fields} -> point == :read and Probes.held(behaviour, 2, fields[:after]) end) and
      Enum.any?(seen, fn {point, fields} ->
        point == :end and Probes.held(behaviour, 2, fields[:before]) and fields[:reason] == :normal
      end)
  end
end
