defmodule BeamScope.Recorder.Reloaded do
  @moduledoc """
  What a recording does when code is replaced under it: by the loader of lines, for itself or for another recording.

  The loader carries the trace patterns of the module over (`BeamScope.Lines.Loader.Patterns`). One that was set while it did so is set
  again here, and one that was removed is removed again.
  """

  alias BeamScope.Recorder.{Lines, Session, Setup}
  alias BeamScope.Recorder.Session.{Classic, Trace}

  @doc """
  Sets the patterns of this recording on a module again, and says that some of its calls may be missing, unless the code was replaced for
  this recording itself: then it had not begun.
  """
  @spec again(module(), pid() | nil, Setup.state()) :: Setup.state()
  def again(_module, _by, %{session: nil} = state), do: state

  def again(module, by, state) do
    patterns = for {place, want} <- state.plan.patterns, on?(place, module), do: {place, want}
    set(patterns, module, state.session)

    if patterns == [] or by == self(),
      do: state,
      else:
        Setup.note(
          state,
          "the code of #{inspect(module)} was replaced (its lines are recorded, or no longer): its calls in that moment, about a " <>
            "millisecond, may be missing"
        )
  end

  defp on?(place, module), do: match?({^module, _, _}, Session.function(place))

  # Before OTP 27 they are the hub's, which has done so.
  defp set(_patterns, _module, %Session{module: Classic}), do: :ok

  defp set(patterns, module, session) do
    for {place, want} <- patterns, do: Session.pattern(session, place, want)
    wanted = for {place, _} <- patterns, do: Session.function(place)
    for mfa <- Trace.patterned(session.handle, module) -- wanted, do: Session.unpattern(session, mfa)
    :ok
  end

  @doc "What the loader tells an owner; see `BeamScope.Lines.Loader`."
  @spec told(term(), Setup.state()) :: Setup.state()
  def told({:lost, module, why}, %{session: session} = state) when session != nil,
    do: Setup.note(state, "lines of #{inspect(module)} are recorded no longer: " <> words(why))

  def told({:table, table}, %{session: session} = state) when session != nil, do: Lines.again(state, table)
  def told(_what, state), do: state

  defp words(:loaded), do: "somebody else has loaded or removed the module"
  defp words(:stopped), do: "the application :beam_scope was stopped"
end
