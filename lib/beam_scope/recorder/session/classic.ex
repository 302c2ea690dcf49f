defmodule BeamScope.Recorder.Session.Classic do
  @moduledoc """
  The trace flags of OTP 25 and 26, shared by all recordings.

  A process has one tracer there and patterns are global, so one process, the hub, holds the ledger of who wants what
  and is the only one to change anything. The functions of the behaviour ask the hub; `perform/4` and `release/3` are
  the hub's half.

  Where another tool traces a process or has a pattern on a function that is needed, the answer is a refusal:
  to go on would take its events away.
  """

  @behaviour BeamScope.Recorder.Session

  alias BeamScope.Error
  alias BeamScope.Recorder.{Hub, Session}
  alias BeamScope.Recorder.Session.Ledger

  # Asked: the recorder's half

  @impl true
  def open(id, tracer), do: {:ok, {id, tracer, Process.whereis(Hub)}}

  @impl true
  def trace(session, pids, flags), do: ask(session, {:trace, pids, flags})

  @impl true
  def untrace(session, pids, flags), do: ask(session, {:untrace, pids, flags}, :ok)

  @impl true
  def trace_new(session, flags), do: ask(session, {:trace_new, flags})

  @impl true
  def untrace_new(session), do: ask(session, {:trace_new, []}, :ok)

  @impl true
  def pattern(session, mfa, want), do: ask(session, {:pattern, mfa, want})

  @impl true
  def unpattern(session, mfa), do: ask(session, {:unpattern, mfa}, :ok)

  @impl true
  def receives(session, on), do: ask(session, {:receives, on}, :ok)

  @impl true
  def traced(session), do: ask(session, :traced, [])

  @impl true
  def clear(session), do: close(session)

  # Without the look at every process that `close/1` takes.
  @impl true
  def forget(session), do: ask(session, :forget, :ok)

  @impl true
  def close(session), do: ask(session, :close, :ok)

  @doc "Processes and functions that are wanted and that somebody else has switched off since."
  @spec taken(term()) :: {non_neg_integer(), non_neg_integer()}
  def taken(session), do: ask(session, :taken, {0, 0})

  @impl true
  def adopt(session, pids, flags), do: ask(session, {:adopt, pids, flags}, :ok)

  # With a default the hub may be gone: then its end has undone everything already.
  defp ask({id, tracer, hub}, request), do: Hub.classic(hub, id, tracer, request)

  defp ask(session, request, default) do
    ask(session, request)
  catch
    :exit, _ -> default
  end

  # Done: the hub's half

  @doc "Performs one request of a recording on the ledger."
  @spec perform(Ledger.t(), non_neg_integer(), Session.tracer(), term()) :: {term(), Ledger.t()}
  def perform(ledger, id, tracer, {:trace, pids, flags}) do
    Enum.reduce(pids, {[], ledger}, fn pid, {refused, ledger} ->
      case usable(pid, tracer) do
        :ok -> {refused, run(Ledger.want_flags(ledger, id, pid, flags), tracer)}
        refusal -> {[{pid, refusal} | refused], ledger}
      end
    end)
  end

  def perform(ledger, id, tracer, {:untrace, pids, flags}) do
    ledger = Enum.reduce(pids, ledger, &run(Ledger.drop_flags(&2, id, &1, flags), tracer))
    Enum.each(pids, &sweep_one(&1, ledger, tracer))
    {:ok, ledger}
  end

  def perform(ledger, id, _tracer, {:adopt, pids, flags}),
    do: {:ok, Enum.reduce(pids, ledger, &Ledger.adopt(&2, id, &1, flags))}

  def perform(ledger, id, tracer, {:trace_new, flags}),
    do: {:ok, run(Ledger.want_new(ledger, id, flags), tracer)}

  def perform(ledger, id, tracer, {:pattern, mfa, want}) do
    case {Map.has_key?(ledger.patterns, mfa), pattern_of_others(mfa)} do
      {true, _} -> {{:ok, 1}, run(Ledger.want_pattern(ledger, id, mfa, want), tracer)}
      {false, :none} -> {{:ok, 1}, run(Ledger.want_pattern(ledger, id, mfa, want), tracer)}
      {false, :missing} -> {{:ok, 0}, ledger}
      {false, :taken} -> {{:error, Error.new(:pattern_in_use, Session.function(mfa))}, ledger}
    end
  end

  def perform(ledger, id, tracer, {:unpattern, mfa}),
    do: {:ok, run(Ledger.drop_pattern(ledger, id, mfa), tracer)}

  def perform(ledger, id, tracer, :traced) do
    wanted = Ledger.wanted(ledger, id)
    {wanted ++ untold(ledger, id, MapSet.new(wanted), tracer), ledger}
  end

  def perform(ledger, id, tracer, :taken) do
    pids =
      for pid <- Ledger.wanted(ledger, id),
          tracer_of(pid) not in [{:tracer, tracer}, :undefined],
          alive?(pid),
          do: pid

    mfas =
      for {{_, f, a} = mfa, %{^id => _}} <- ledger.patterns,
          :_ not in [f, a],
          pattern_of_others(mfa) == :none,
          do: mfa

    {{length(pids), length(mfas)}, ledger}
  end

  def perform(ledger, id, tracer, {:receives, on}) do
    if on and ledger.receives == %{} and :erlang.trace_info(:receive, :match_spec) != {:match_spec, true},
      do: {{:error, Error.new(:pattern_in_use, :receive)}, ledger},
      else: {:ok, run(Ledger.want_receives(ledger, id, on), tracer)}
  end

  def perform(ledger, _id, tracer, {:exclude, pid}) do
    if tracer_of(pid) == {:tracer, tracer}, do: step({:flags, pid, false, [:all]}, tracer)
    {:ok, ledger}
  end

  # The virtual machine has dropped the patterns of a module whose code was replaced.
  def perform(ledger, _id, tracer, {:reloaded, module}),
    do: {:ok, run({ledger, Ledger.steps_on(ledger, module)}, tracer)}

  def perform(ledger, id, tracer, :forget), do: {:ok, run(Ledger.release(ledger, id), tracer)}
  def perform(ledger, id, tracer, :close), do: {:ok, release(ledger, id, tracer)}

  @doc "Undoes all that one recording wanted, children that nobody told us of included."
  @spec release(Ledger.t(), pos_integer(), Session.tracer()) :: Ledger.t()
  def release(ledger, id, tracer) do
    ledger = run(Ledger.release(ledger, id), tracer)
    sweep(ledger, tracer)
    ledger
  end

  @doc "Clears the flags of every process that has our tracer though nobody in the ledger wants it."
  @spec sweep(Ledger.t(), Session.tracer()) :: :ok
  def sweep(ledger, tracer), do: Enum.each(Process.list(), &sweep_one(&1, ledger, tracer))

  @doc "Undoes everything of ours that a killed hub left."
  @spec undo_all(Session.tracer(), [Session.place()], boolean()) :: :ok
  def undo_all(tracer, patterns, receives) do
    if receives, do: :erlang.trace_pattern(:receive, true, [])
    step({:flags, :new, false, [:all]}, tracer)
    undo_orphans(%Ledger{}, tracer, patterns)
  end

  @doc "Undoes what was set for a recording and is in no ledger."
  @spec undo_orphans(Ledger.t(), Session.tracer(), [Session.place()]) :: :ok
  def undo_orphans(ledger, tracer, patterns) do
    orphans = for place <- patterns, not is_map_key(ledger.patterns, place), do: {:pattern, place, :off}
    _ = run({ledger, orphans}, tracer)
    sweep(ledger, tracer)
  end

  defp sweep_one(pid, ledger, tracer) do
    ours? = tracer_of(pid) == {:tracer, tracer}

    if ours? and not Map.has_key?(ledger.flags, pid) and not inherited?(pid, ledger),
      do: step({:flags, pid, false, [:all]}, tracer)

    :ok
  end

  # A child of a wanted process may not have been told of yet.
  defp inherited?(_pid, %Ledger{flags: flags, new: new}) when flags == %{}, do: new != %{}

  defp inherited?(pid, ledger) do
    ledger.new != %{} or Map.has_key?(ledger.flags, parent(pid))
  end

  # Children that inherited a recording's flags and that nobody told the ledger of.
  defp untold(ledger, id, wanted, tracer) do
    for pid <- Process.list(),
        not Map.has_key?(ledger.flags, pid),
        tracer_of(pid) == {:tracer, tracer},
        Map.has_key?(ledger.new, id) or parent(pid) in wanted,
        do: pid
  end

  defp parent(pid) do
    with {:parent, parent} <- Process.info(pid, :parent), do: parent
  end

  defp usable(pid, tracer) do
    case tracer_of(pid) do
      {:tracer, []} -> :ok
      {:tracer, ^tracer} -> :ok
      {:tracer, other} -> {:already_traced, other}
      :undefined -> :not_alive
    end
  end

  # Who has just ended has no tracer either.
  defp alive?(pid), do: Process.alive?(pid)

  defp tracer_of(pid) do
    :erlang.trace_info(pid, :tracer)
  rescue
    ArgumentError -> :undefined
  end

  defp pattern_of_others({:end, mfa}) do
    case :erlang.trace_info(mfa, :meta) do
      {:meta, false} -> :none
      {:meta, :undefined} -> :missing
      {:meta, _} -> :taken
    end
  end

  # One of them stands for all: they are set together.
  defp pattern_of_others({m, f, :_}) do
    case for({^f, a} <- m.module_info(:exports), do: a) do
      [] -> :missing
      [arity | _] -> pattern_of_others({m, f, arity})
    end
  end

  defp pattern_of_others(mfa) do
    case :erlang.trace_info(mfa, :traced) do
      {:traced, false} -> :none
      {:traced, :undefined} -> :missing
      {:traced, _} -> :taken
    end
  end

  defp run({ledger, steps}, tracer) do
    Enum.each(steps, &step(&1, tracer))
    ledger
  end

  defp step({:flags, who, true, flags}, tracer),
    do: quietly(fn -> :erlang.trace(who, true, [tracer_flag(tracer) | flags]) end)

  defp step({:flags, who, false, flags}, _), do: quietly(fn -> :erlang.trace(who, false, flags) end)

  defp step({:pattern, {:end, mfa}, :off}, _),
    do: quietly(fn -> :erlang.trace_pattern(mfa, false, [:meta]) end)

  defp step({:pattern, {:end, mfa}, _want}, tracer),
    do: quietly(fn -> :erlang.trace_pattern(mfa, true, [meta(tracer)]) end)

  defp step({:pattern, mfa, :off}, _), do: quietly(fn -> :erlang.trace_pattern(mfa, false, [:local]) end)

  defp step({:pattern, mfa, want}, _),
    do: quietly(fn -> :erlang.trace_pattern(mfa, Session.match_spec(want, mfa), [:local]) end)

  defp step({:receives, true}, _),
    do: quietly(fn -> :erlang.trace_pattern(:receive, Session.receive_spec(), []) end)

  defp step({:receives, false}, _), do: quietly(fn -> :erlang.trace_pattern(:receive, true, []) end)

  defp tracer_flag({module, state}), do: {:tracer, module, state}
  defp tracer_flag(pid), do: {:tracer, pid}

  defp meta({module, state}), do: {:meta, module, state}
  defp meta(pid), do: {:meta, pid}

  # The process may have ended between two steps.
  defp quietly(step) do
    step.()
  rescue
    ArgumentError -> 0
  end
end
