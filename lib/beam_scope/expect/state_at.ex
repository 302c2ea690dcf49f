defmodule BeamScope.Expect.StateAt do
  @moduledoc false
  # The state of a process at one moment, against a pattern.

  alias BeamScope.{Error, Pattern, Transition}
  alias BeamScope.Expect.{Assertion, Excerpt, Failure, Limits, Names, Nearest, Report, Words}
  alias BeamScope.Terminal.{Style, Term}

  @doc "The state and the bindings, or the failure."
  @spec hold!(BeamScope.Recording.t(), Assertion.t()) :: {term, map}
  def hold!(rec, %Assertion{} = a) do
    case ask(rec, a) do
      {:ok, state, bindings} -> {state, bindings}
      {:no, _why, report} -> Failure.raise!(rec, a, report)
      {:error, error} -> raise error
    end
  end

  @doc "The state and the bindings where it matches; else why not, or why that cannot be said."
  @spec ask(BeamScope.Recording.t(), Assertion.t()) ::
          {:ok, term, map} | {:no, :broken | :unknown, Report.t()} | {:error, Error.t()}
  def ask(rec, %Assertion{steps: [step], at: at} = a) do
    case BeamScope.state_at(rec, step.process, at) do
      {:ok, state} -> against(rec, a, state)
      {:error, %Error{reason: :not_alive}} -> {:no, :broken, gone(rec, a, :not_alive)}
      {:error, %Error{reason: :unknown_state}} -> {:no, :unknown, gone(rec, a, :unknown_state)}
      {:error, error} -> {:error, error}
    end
  end

  defp against(rec, %Assertion{steps: [step]} = a, state) do
    case Pattern.match(%Pattern{data: step.pattern, source: step.source}, state) do
      {:match, bindings} -> {:ok, state, bindings}
      :nomatch -> {:no, :broken, other(rec, a, state)}
      {:unknown, why} -> {:no, :unknown, undecided(rec, a, why)}
    end
  end

  # ---- reports ----

  defp other(rec, %Assertion{steps: [step]} = a, state) do
    report(rec, a, "#{who(rec, a)} #{was(a)} #{Term.text(state, 60)}; #{Words.source(step)} was expected.", %{
      nearest: Nearest.new(step, %Transition{to: state}),
      itself: true,
      notes: elsewhere(rec, step)
    })
  end

  defp gone(rec, a, :not_alive),
    do: report(rec, a, "#{who(rec, a)} was not alive#{at(a)}: it has no state.", %{at: ended(rec, a)})

  defp gone(rec, %Assertion{steps: [step]} = a, :unknown_state) do
    hints = Limits.hints(step, %{rec: rec})
    notes = if hints == [], do: [Limits.keep_more(:unknown)], else: hints
    report(rec, a, "The state of #{who(rec, a)}#{at(a)} is not known.", %{notes: notes})
  end

  defp undecided(rec, %Assertion{steps: [step]} = a, why) do
    sentence =
      "It cannot be said whether the state of #{who(rec, a)}#{at(a)} matches #{Words.source(step)}: it was #{why}, and what " <>
        "decides is not there."

    report(rec, a, sentence, %{notes: [Limits.keep_more(why)]})
  end

  defp report(rec, %Assertion{steps: [step], at: at}, sentence, more) do
    changes = Excerpt.changes_before(rec, step.process, at)
    struct!(%Report{sentence: sentence, at: List.last(changes), lines: [{:states, changes}]}, more)
  end

  # Where it began later, nothing has ended.
  defp ended(rec, %Assertion{steps: [step], at: at}) do
    BeamScope.events(rec, process: step.process, kind: :exit, until: at, order: :desc, limit: 1) |> Enum.at(0)
  end

  # A state that came and went is a common surprise.
  defp elsewhere(rec, step) do
    case BeamScope.find_state(rec, step.process, %Pattern{data: step.pattern, source: step.source}) do
      {:ok, %Transition{moment: moment}} -> ["It matched at ##{moment.seq} (#{Style.time(moment.at_ns)})."]
      {:error, _} -> []
    end
  end

  defp who(rec, %Assertion{steps: [step]} = a), do: Names.selector(Names.new(rec, a), step.process)

  defp was(%Assertion{at: :end}), do: "ended with"
  defp was(a), do: "had#{at(a)} the state"

  defp at(%Assertion{at: at}) when at in [:start, :end], do: " at the #{at}"
  defp at(%Assertion{at: {:ms, n}}), do: " at #{n} ms"
  defp at(%Assertion{at: %{moment: moment}}), do: " at ##{moment.seq}"
  defp at(%Assertion{at: %{seq: seq}}), do: " at ##{seq}"
end
