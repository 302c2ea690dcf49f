defmodule BeamScope.Recorder.Governor.Hands do
  @moduledoc """
  What the recorder does when its governor has decided: changes levels, and which processes have flags. Each step is a note on the
  timeline, with its reason and its figures, and in `info/1`.
  """

  alias BeamScope.Recorder.{Facts, Follow, Governor, Level, Session, Setup}

  @typedoc "How far down a recording is; part of the recorder's state. `nil`: nobody governs it."
  @type t :: %{
          pid: pid() | nil,
          budget: float(),
          rung: Governor.Control.rung(),
          watched: %{reference() => pid()},
          names: MapSet.t(atom()),
          steps: non_neg_integer(),
          last: map() | nil
        }

  @doc """
  Starts the governor of a recording with `level: :auto`, before the first process is traced: what it decides meanwhile is done when
  all is set up.
  """
  @spec start(Setup.state()) :: {:ok, Setup.state()}
  def start(%{floors: nil} = state), do: {:ok, state}

  def start(state) do
    arguments = %{
      native: state.native,
      data: state.data,
      level: state.plan.level,
      overhead: state.options.overhead,
      memory: state.options.memory,
      recover: state.options.recover,
      floors: state.floors
    }

    govern = %{
      pid: nil,
      budget: state.options.overhead,
      rung: {:level, state.plan.level},
      watched: %{},
      names: MapSet.new(),
      steps: 0,
      last: nil
    }

    case Governor.start(arguments) do
      {:ok, pid} ->
        govern = Map.put(govern, :monitor, Process.monitor(pid))
        _ = state.native.recording_update(state.data, %{schedule_ns: state.floors.schedule})
        {:ok, Setup.update_meta(%{state | govern: %{govern | pid: pid}})}

      {:error, error} ->
        {:ok, Setup.note(state, "nobody watches what this recording costs: #{Exception.message(error)}")}
    end
  end

  @doc "Measures what an event costs, before anything is traced. A fake library has nothing to measure."
  @spec measure(Setup.state()) :: {:ok, Setup.state()}
  def measure(%{options: %{auto: true, internal: internal}} = state) when not is_map_key(internal, :native),
    do: {:ok, %{state | floors: Governor.floors()}}

  def measure(state), do: {:ok, state}

  @doc "Ends the governor."
  @spec stop(Setup.state()) :: Setup.state()
  def stop(%{govern: %{pid: pid}} = state) when is_pid(pid) do
    Governor.stop(pid)
    put_in(state.govern.pid, nil)
  end

  def stop(state), do: state

  @doc "The level was set by hand."
  @spec set(Setup.state(), atom()) :: Setup.state()
  def set(%{govern: %{pid: pid}} = state, level) when is_pid(pid) do
    Governor.set(pid, level)
    Setup.update_meta(put_in(state.govern.rung, {:level, level}))
  end

  def set(state, _level), do: state

  @doc "What `info/1` tells."
  @spec summary(Setup.state()) :: map() | nil
  def summary(%{govern: nil}), do: nil

  def summary(%{govern: govern}) do
    %{
      budget: govern.budget,
      at: govern.rung,
      watched: map_size(govern.watched),
      steps: govern.steps,
      last: govern.last,
      # Of watched processes: what nobody can ask the recording for.
      unseen: if(govern.watched == %{}, do: [], else: [:states, :messages, :names, :links, :children])
    }
  end

  @doc "Takes a step."
  @spec act(Setup.state(), Governor.Control.action()) :: Setup.state()
  def act(state, {:rung, from, to, why}) do
    hush(state, to)

    case rung(state, to) do
      {:ok, state} ->
        put_in(state.govern.rung, to) |> said(from, to, why)

      {:error, error} ->
        Setup.note(
          state,
          "the governor could not go from #{name(from)} to #{name(to)}: #{Exception.message(error)}"
        )
    end
  end

  def act(state, {:watch, pids, why}) do
    Session.untrace(state.session, pids, [:all])

    text =
      "only its end is recorded from here on, not its names, its links or what it starts: tracing it cost too much"

    Setup.unseen(state, pids, text)
    state = put_in(state.govern.names, MapSet.union(state.govern.names, names(pids)))
    state |> monitor(pids) |> said({:processes, pids, :recorded}, {:processes, pids, :watched}, why)
  end

  def act(state, {:restore, pids, why}) do
    {back, watched} = Enum.split_with(state.govern.watched, fn {_, pid} -> pid in pids end)
    for {monitor, _} <- back, do: Process.demonitor(monitor, [:flush])
    pids = for {_, pid} <- back, do: pid
    state = put_in(state.govern.names, MapSet.difference(state.govern.names, names(pids)))
    # A new generation: what was told of them before counts no more.
    state.native.recording_add_members(state.data, pids)
    Session.trace(state.session, Enum.filter(pids, &chosen?(state, &1)), state.plan.flags)
    for pid <- pids, not chosen?(state, pid), do: Session.trace(state.session, [pid], few(state.plan.flags))

    put_in(state.govern.watched, Map.new(watched))
    |> said({:processes, pids, :watched}, {:processes, pids, :recorded}, why)
  end

  defp names(pids), do: for(pid <- pids, name = Facts.name(pid), into: MapSet.new(), do: name)

  defp monitor(state, pids) do
    put_in(
      state.govern.watched,
      for(pid <- pids, into: state.govern.watched, do: {Process.monitor(pid), pid})
    )
  end

  # On a system with more work than schedulers all that follows takes its time, and flags cost until they are gone.
  defp hush(state, {:level, level}) do
    left = state.plan.flags -- Setup.plan_for(state, level).flags
    if left != [], do: Session.untrace(state.session, known(state), left)
  end

  defp hush(state, {:sampled, level, share}) do
    others = Enum.reject(known(state), &(rem(:erlang.phash2(&1), share) == 0))
    Session.untrace(state.session, others, state.plan.flags -- few(state.plan.flags))
    left = state.plan.flags -- Setup.plan_for(state, level).flags
    if left != [], do: Session.untrace(state.session, known(state) -- others, left)
  end

  # Rungs

  # Down: nobody gets flags for a moment that are to go.
  defp rung(state, {:level, level}) when level in [:crashes, :off],
    do: Level.change(put_in(state.govern.rung, {:level, level}), level, bare(state))

  defp rung(state, {:level, level}) do
    with {:ok, state} <- everybody(state), do: Level.change(state, level, bare(state))
  end

  defp rung(state, {:sampled, level, share}) do
    with {:ok, state} <- at_level(state, level, share) do
      state = put_in(state.govern.rung, {:sampled, level, share})
      others = Enum.reject(known(state), &chosen?(state, &1))
      Session.untrace(state.session, others, state.plan.flags -- few(state.plan.flags))

      Setup.unseen(
        state,
        others,
        "its states and messages are not recorded from here on: those of one process in #{share} are"
      )

      {:ok, state}
    end
  end

  defp at_level(%{plan: %{level: level}, govern: %{rung: {:sampled, level, above}}} = state, level, share)
       when share > above,
       do: {:ok, state}

  defp at_level(%{plan: %{level: level}} = state, level, _share), do: everybody(state)
  defp at_level(state, level, _share), do: rung(state, {:level, level})

  # Back from a share to all, or to a larger one: who had lost flags gets them again.
  defp everybody(%{govern: %{rung: {:sampled, _, _}}} = state) do
    others = Enum.reject(known(state), &chosen?(state, &1))
    state = put_in(state.govern.rung, {:level, state.plan.level})
    state.native.recording_add_members(state.data, others)
    Session.trace(state.session, others, state.plan.flags)
    {:ok, state}
  end

  defp everybody(state), do: {:ok, state}

  defp known(state), do: Follow.everyone(state.follow) -- bare(state)

  @doc "Processes that have no flags any more."
  @spec bare(Setup.state()) :: [pid()]
  def bare(%{govern: nil}), do: []
  def bare(%{govern: govern}), do: Map.values(govern.watched)

  # Always the same ones, and of a smaller share those of the larger one.
  defp chosen?(%{govern: %{rung: {:sampled, _, share}}}, pid), do: rem(:erlang.phash2(pid), share) == 0
  defp chosen?(_state, _pid), do: true

  defp few(flags), do: Enum.filter(flags, &(&1 in [:procs, :set_on_spawn]))

  # What happens

  @doc "A new process inherits its parent's flags, chosen or not."
  @spec born(Setup.state(), pid()) :: Setup.state()
  def born(%{govern: %{rung: {:sampled, _, _}}} = state, pid) do
    unless chosen?(state, pid),
      do: Session.untrace(state.session, [pid], state.plan.flags -- few(state.plan.flags))

    state
  end

  def born(state, _pid), do: state

  @doc "A process bears a name: where the one before it was only watched, it is too, from its beginning."
  @spec named(Setup.state(), pid(), term()) :: Setup.state()
  def named(%{govern: %{names: names, pid: governor}} = state, pid, name) when is_pid(governor) do
    if name in names and pid in state.follow.members and pid not in bare(state) do
      Session.untrace(state.session, [pid], [:all])
      Setup.unseen(state, [pid], "only its end is recorded from here on, as of the process before it")
      Governor.follows(governor, pid)
      monitor(state, [pid])
    else
      state
    end
  end

  def named(state, _pid, _name), do: state

  @doc "A process that is only watched has ended: nobody else tells."
  @spec ended(Setup.state(), reference(), term()) :: {:ok, Setup.state()} | :error
  def ended(%{govern: %{watched: watched}} = state, monitor, reason) when is_map_key(watched, monitor) do
    {pid, watched} = Map.pop(watched, monitor)
    _ = state.native.recording_inject(state.data, :exit, pid, [reason])
    if state.govern.pid, do: Governor.gone(state.govern.pid, pid)
    state = put_in(state.govern.watched, watched)
    {:ok, %{state | follow: Follow.leave(state.follow, pid)}}
  end

  def ended(%{govern: %{monitor: monitor, pid: pid}} = state, monitor, reason) when is_pid(pid) do
    state = put_in(state.govern.pid, nil)

    {:ok,
     Setup.note(state, "nobody watches any more what this recording costs: #{inspect(reason, limit: 5)}")}
  end

  def ended(_state, _monitor, _reason), do: :error

  # Words

  defp said(state, from, to, why) do
    detail = %{governor: Map.merge(why, %{from: from, to: to})}
    govern = %{state.govern | steps: state.govern.steps + 1, last: detail.governor}
    Setup.note(%{state | govern: govern}, text(from, to, why), detail)
  end

  defp text({:processes, pids, _}, {:processes, _, :watched}, why) do
    "the governor records only the end of #{some(pids)} from here on, not their names, links or children: #{because(why)}"
  end

  defp text({:processes, pids, _}, {:processes, _, :recorded}, why),
    do: "the governor records #{some(pids)} again: #{because(why)}"

  defp text(from, {:level, :off}, why),
    do:
      "the governor went from #{name(from)} to :off and switched everything off; it does not switch it on again: #{because(why)}"

  defp text(from, to, why), do: "the governor went from #{name(from)} to #{name(to)}: #{because(why)}"

  defp some(pids) when length(pids) <= 3, do: Enum.map_join(pids, ", ", &inspect/1)
  defp some(pids), do: Enum.map_join(Enum.take(pids, 3), ", ", &inspect/1) <> " and #{length(pids) - 3} more"

  defp name({:level, level}), do: inspect(level)
  defp name({:sampled, level, share}), do: "#{inspect(level)} of one process in #{share}"

  defp because(%{reason: :overhead} = why),
    do: "tracing took #{percent(why.share)} of the schedulers' time, the budget is #{percent(why.budget)}"

  defp because(%{reason: :run_queue} = why),
    do:
      "tracing took #{percent(why.share)} of the schedulers' time, and with #{why.figures[:run_queue]} processes waiting to run " <>
        "the budget is #{percent(why.budget)}"

  defp because(%{reason: :process} = why),
    do: "tracing took #{percent(why.worst)} of the time of one process, the budget is #{percent(why.budget)}"

  defp because(%{reason: :memory} = why), do: "the system holds #{why.figures[:memory]} bytes"

  defp because(%{reason: :rings} = why),
    do: "events came faster than they could be kept (#{why.figures[:dropped]} dropped)"

  defp because(%{reason: :mailbox}), do: "its mailbox grew while it was traced"
  defp because(%{reason: :recovered} = why), do: "tracing took #{percent(why.share)} for a while"
  defp because(why), do: inspect(why.reason)

  defp percent(share), do: "#{Float.round(share * 100, 1)} %"
end
