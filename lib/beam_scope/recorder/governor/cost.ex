defmodule BeamScope.Recorder.Governor.Cost do
  @moduledoc """
  What an event costs the virtual machine, besides the time in our callback: two thirds of the whole.

  It is measured once in the life of a virtual machine, on processes of its own and with a tracer that does nothing, in some tens of
  milliseconds. Where another tool is in the way, and for kinds that cannot be measured alone, figures stand in that were measured
  elsewhere.
  """

  alias BeamScope.Recorder.Session

  @typedoc "What the virtual machine calls the library for."
  @type deed :: :lifecycle | :send | :receive | :call | :return | :collection | :schedule

  @typedoc "Nanoseconds for one of each."
  @type t :: %{deed() => pos_integer()}

  @typedoc "How many there were of each."
  @type counts :: %{deed() => non_neg_integer()}

  @deeds [:lifecycle, :send, :receive, :call, :return, :collection, :schedule]

  # Medians of three releases. A measured figure far from these is noise: another program had the processor.
  @known %{
    lifecycle: 300,
    send: 230,
    receive: 230,
    call: 270,
    return: 300,
    collection: 150,
    schedule: 170
  }

  @key {__MODULE__, :floors}
  @times 1_000
  @rounds 7

  @doc "The kinds of calls, in the order of their names in `t:counts/0`."
  @spec deeds() :: [deed()]
  def deeds, do: @deeds

  @doc "Figures that were measured elsewhere."
  @spec known() :: t()
  def known, do: @known

  @doc "What so many events cost, the time in callbacks aside."
  @spec ns(t(), counts()) :: non_neg_integer()
  def ns(floors, counts) do
    Enum.reduce(@deeds, 0, fn deed, sum -> sum + Map.get(counts, deed, 0) * Map.fetch!(floors, deed) end)
  end

  @doc "The floors of this virtual machine, measured at the first call."
  @spec floors() :: t()
  def floors do
    case :persistent_term.get(@key, nil) do
      nil -> tap(calibrate(), &:persistent_term.put(@key, &1))
      floors -> floors
    end
  end

  @doc "Measures. No process but two of its own is traced, and those only while it lasts."
  @spec calibrate() :: t()
  def calibrate do
    {pid, monitor} = spawn_monitor(__MODULE__, :measure, [self()])

    receive do
      {^pid, measured} ->
        Process.demonitor(monitor, [:flush])
        Map.merge(@known, Map.new(measured, fn {deed, ns} -> {deed, plausible(deed, ns)} end))

      {:DOWN, ^monitor, :process, ^pid, _reason} ->
        @known
    end
  end

  defp plausible(deed, ns), do: ns |> round() |> max(div(@known[deed], 3)) |> min(@known[deed] * 4)

  @doc false
  def measure(asker) do
    Process.flag(:priority, :high)
    tracing = open()

    measured = %{
      call: alone(tracing, [:call], fn -> calls(@times) end),
      send: alone(tracing, [:send], fn -> sends(@times) end),
      receive: alone(tracing, [:receive], fn -> sends(@times) end),
      schedule: alone(tracing, [:procs], &ping/0)
    }

    close(tracing)
    send(asker, {self(), measured})
  end

  # The difference that a flag makes to a process of its own that does `@times` of something: the least of some rounds each, since
  # whatever else happens can only add to it.
  defp alone(tracing, flags, work) do
    worker = :erlang.spawn_opt(fn -> work_loop(work) end, [:link, priority: :high])
    _ = time(worker)
    rounds = for _ <- 1..@rounds, do: {time(worker), traced(tracing, worker, flags)}
    Process.unlink(worker)
    Process.exit(worker, :kill)
    {without, with_flags} = Enum.unzip(rounds)
    max(Enum.min(with_flags) - Enum.min(without), 1) / @times
  end

  defp traced(tracing, worker, flags) do
    set(tracing, worker, true, flags)
    ns = time(worker)
    set(tracing, worker, false, flags)
    ns
  end

  defp time(worker) do
    send(worker, {:work, self()})

    receive do
      {^worker, ns} -> ns
    end
  end

  defp work_loop(work) do
    receive do
      {:work, asker} ->
        began = :erlang.monotonic_time(:nanosecond)
        work.()
        send(asker, {self(), :erlang.monotonic_time(:nanosecond) - began})
        work_loop(work)
    end
  end

  defp calls(0), do: :ok

  defp calls(n) do
    probe(n)
    calls(n - 1)
  end

  @doc false
  @compile {:no_inline, probe: 1}
  def probe(n), do: n

  defp sends(0), do: :ok

  defp sends(n) do
    send(self(), n)

    receive do
      ^n -> sends(n - 1)
    end
  end

  # Scheduled in as often as the other one answers.
  defp ping do
    me = self()
    other = :erlang.spawn_opt(fn -> pong(me) end, [:link, priority: :high])
    ping(other, @times)
    Process.unlink(other)
    Process.exit(other, :kill)
  end

  defp ping(_other, 0), do: :ok

  defp ping(other, n) do
    send(other, n)

    receive do
      ^n -> ping(other, n - 1)
    end
  end

  defp pong(other) do
    receive do
      n ->
        send(other, n)
        pong(other)
    end
  end

  # A tracer of the library that does nothing at all.
  @tracer {BeamScope.Native, :floor}
  @probe {__MODULE__, :probe, 1}

  defp open do
    if Session.sessions?() do
      session = apply(:trace, :session_create, [:beam_scope_floor, @tracer, []])
      apply(:trace, :function, [session, @probe, true, [:local]])
      session
    else
      :erlang.trace_pattern(@probe, true, [:local])
      nil
    end
  end

  defp close(nil), do: :erlang.trace_pattern(@probe, false, [:local])
  defp close(session), do: apply(:trace, :session_destroy, [session])

  defp set(nil, pid, on, flags) do
    {module, state} = @tracer
    :erlang.trace(pid, on, if(on, do: [{:tracer, module, state} | flags], else: flags))
  end

  defp set(session, pid, on, flags), do: apply(:trace, :process, [session, pid, on, flags])
end
