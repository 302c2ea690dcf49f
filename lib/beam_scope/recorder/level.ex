defmodule BeamScope.Recorder.Level do
  @moduledoc """
  What it takes to change the level of a recording that runs.
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.{Follow, Session, Setup}

  @flush_ms 2_000

  @doc "Changes the level of a running recording. The processes of `except` have no flags, and get none."
  @spec change(Setup.state(), atom(), [pid()]) :: {:ok, Setup.state()} | {:error, Error.t()}
  def change(state, level, except \\ []) do
    old = state.plan
    new = Setup.plan_for(state, level)
    # To ask the virtual machine who has flags means to ask every process: those that are known come first.
    known = if old.flags == [], do: MapSet.to_list(state.follow.members), else: Follow.everyone(state.follow)
    traced = known -- except

    with :ok <-
           Setup.set_patterns(
             state,
             Map.reject(new.patterns, fn {place, want} -> old.patterns[place] == want end)
           ) do
      # Events are told apart when they are drained: those of before must not meet the wants of after.
      _ = state.native.recording_flush(state.data, @flush_ms)

      # Until all have their new flags, not everything that moves terms is seen: no state is recorded by what changed.
      wants = %{kinds: new.kinds, points: new.points, calls: new.calls, whole_bytes: 0}
      _ = state.native.recording_update(state.data, wants)
      change_flags(state, traced, old.flags, new.flags)
      # Children born while the flags changed have their parents' old ones.
      if old.flags != [],
        do: change_flags(state, Session.traced(state.session) -- traced, old.flags, new.flags)

      for {mfa, _} <- Map.drop(old.patterns, Map.keys(new.patterns)),
          do: Session.unpattern(state.session, mfa)

      if states?(old) and not states?(new),
        do:
          Setup.unseen(
            state,
            traced,
            "its states are not recorded from here on: the level is #{inspect(level)}"
          )

      state = if old.receives != new.receives, do: Setup.senders(state, new.receives), else: state

      {:ok, state} = Setup.remember(%{state | plan: new})

      {:ok, Setup.note(state, "the level changed from #{inspect(old.level)} to #{inspect(level)}")}
    end
  end

  # More than the last state of all.
  defp states?(plan), do: Enum.any?(plan.points, &(&1.point != :end))

  defp change_flags(state, pids, old, new) do
    if new -- old != [], do: Session.trace(state.session, pids, new -- old)
    if old -- new != [], do: Session.untrace(state.session, pids, old -- new)
    if state.targets.scope != :listed, do: change_new(state, new)
  end

  defp change_new(state, []), do: Session.untrace_new(state.session)

  defp change_new(state, flags) do
    Session.untrace_new(state.session)
    Session.trace_new(state.session, flags)
  end
end
