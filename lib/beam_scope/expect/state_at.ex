defmodule BeamScope.Expect.StateAt do
  @moduledoc false
  # The state of a process at one moment, against a pattern.

  alias BeamScope.{Error, Pattern, Transition}
  alias BeamScope.Expect.{Assertion, Excerpt, Failure, Limits, Names, Nearest, Report, Words}
  alias BeamScope.Terminal.{Style, Term}

  @doc "The state and the bindings, or the failure."
  @spec hold!(BeamScope.Recording.t(), Assertion.t()) :: {term, map}
  def hold!(rec, %Assertion{steps: [step], at: at} = a) do
    case BeamScope.state_at(rec, step.process, at) do
      {:ok, state} ->
        against!(rec, a, state)

      {:error, %Error{reason: reason}} when reason in [:not_alive, :unknown_state] ->
        fail!(rec, a, gone(rec, a, reason))

      {:error, error} ->
        raise error
    end
  end

  defp against!(rec, %Assertion{steps: [step]} = a, state) do
    case Pattern.match(%Pattern{data: step.pattern, source: step.source}, state) do
      {:match, bindings} -> {state, bindings}
      :nomatch -> fail!(rec, a, other(rec, a, state))
      {:unknown, why} -> fail!(rec, a, undecided(rec, a, why))
    end
  end

  @spec fail!(BeamScope.Recording.t(), Assertion.t(), Report.t()) :: no_return
  defp fail!(rec, a, report), do: Failure.raise!(rec, a, report)

  # ---- reports ----

  defp other(rec, %Assertion{steps: [step]} = a, state) do
    report(rec, a, "#{who(rec, a)} #{was(a)} #{Term.text(state, 60)}; #{Words.source(step)} was expected.", %{
      nearest: Nearest.new(step, %Transition{to: state}),
      itself: true,
      notes: elsewhere(rec, step)
    })
  end

  defp gone(rec, a, :not_alive),
    do: report(rec, a, "#{who(rec, a)} was not alive#{at(a)}: it has no state.", %{})

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
    lines = Excerpt.changes_before(rec, step.process, at, Style.new(width: 93))
    struct!(%Report{sentence: sentence, lines: [{:lines, lines}]}, more)
  end

  # A state that came and went is a common surprise.
  defp elsewhere(rec, step) do
    case BeamScope.find_state(rec, step.process, %Pattern{data: step.pattern, source: step.source}) do
      {:ok, %Transition{moment: moment}} -> ["It matched at ##{moment.seq} (#{Style.time(moment.at_ns)})."]
      {:error, _} -> []
    end
  end

  defp who(rec, %Assertion{steps: [step], test: test}), do: Names.selector(Names.new(rec, test), step.process)

  defp was(%Assertion{at: :end}), do: "ended with"
  defp was(a), do: "had#{at(a)} the state"

  defp at(%Assertion{at: at}) when at in [:start, :end], do: " at the #{at}"
  defp at(%Assertion{at: {:ms, n}}), do: " at #{n} ms"
  defp at(%Assertion{at: %{moment: moment}}), do: " at ##{moment.seq}"
  defp at(%Assertion{at: %{seq: seq}}), do: " at ##{seq}"
end
