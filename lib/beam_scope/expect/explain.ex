defmodule BeamScope.Expect.Explain do
  @moduledoc false
  # Why an assertion does not hold, in words: one sentence that says what came instead, then what helps to understand it.

  alias BeamScope.Expect.{Assertion, Candidates, Limits, Names, Nearest, Report, Step, Story, Words}
  alias BeamScope.Terminal.{Style, Term}

  @listed 6

  @doc """
  The report on a result that does not satisfy. `why` is the verdict, or `:idle` where nothing put the assertion to the test.
  """
  @spec report(BeamScope.Recording.t(), Assertion.t(), atom, map) :: Report.t()
  def report(rec, %Assertion{} = a, why, result) do
    context = %{rec: rec, a: a, result: result, names: Names.new(rec, a)}
    if why == :broken, do: broken(a.check, a.steps, context), else: Limits.report(why, context)
  end

  # ---- how many ----

  defp broken(:count, [step], %{a: %{times: times}, result: %{count: n}} = c) do
    cond do
      n == 0 -> missing(step, c)
      at_most(times) == 0 -> unwanted(step, n, c)
      n < at_least(times) -> %{number(step, n, c) | nearest: nearest(step, c)}
      true -> number(step, n, c)
    end
  end

  # ---- every one ----

  defp broken(:every, [step], %{a: a, result: %{violation: violation}} = c) do
    nearest = Nearest.new(step, violation)
    expected = if a.negate, do: "was never to be", else: "was expected #{always(step)}"
    pattern = if a.negate, do: Words.source(step), else: Nearest.source(nearest)

    %Report{
      sentence: "#{tell(step, violation, c)}; #{pattern} #{expected}.",
      nearest: nearest,
      itself: true,
      at: violation,
      around: violation
    }
  end

  # ---- several steps ----

  defp broken(:flow, steps, %{result: result} = c) do
    failed = result.failed_step || 0
    {step, before} = {Enum.at(steps, failed), before(steps, failed, result)}
    c = %{c | result: %{result | bindings: bound(before), seen: 0}}
    report = early(step, before, c) || missing(step, c, since: before |> Enum.map(&elem(&1, 1)) |> latest())
    latest = latest(result.steps)

    %{
      report
      | lines: [{:flow, flow(steps, failed, c)}],
        at: report.at || latest,
        around: report.around || latest
    }
  end

  defp broken(:leads_to, [first, second], %{a: a, result: result} = c) do
    c = alone(first, c)

    %Report{
      sentence:
        "#{tell(first, result.violation, c)}, and #{none(second, c)} after it#{within(a.within)}#{known(second, c)}.",
      nearest: nearest(second, c, since: result.violation),
      notes: looked_at(result),
      at: result.violation,
      around: result.violation
    }
  end

  defp broken(:causality, [cause, effect], %{result: %{violation: violation} = result} = c) do
    {one, other, words} =
      if Nearest.fits?(effect, violation), do: {effect, cause, :cause}, else: {cause, effect, :effect}

    c = alone(one, c)

    %Report{
      sentence: "#{tell(one, violation, c)} #{without(words, other, c)}#{known(other, c)}.",
      notes: looked_at(result),
      at: violation,
      around: violation
    }
  end

  # What the one that is alone binds is what the other would have to have.
  defp alone(step, %{result: result} = c),
    do: %{c | result: %{result | bindings: Nearest.new(step, result.violation).bindings}}

  defp without(:cause, cause, c),
    do: "without a cause of its own, a #{one(cause, c)} #{Words.happened(cause, c.names)} before it"

  defp without(:effect, effect, c),
    do: "without an effect of its own, a #{one(effect, c)} #{Words.happened(effect, c.names)} after it"

  defp looked_at(%{count: n}) when n > 1,
    do: ["Of #{Style.number(n)} that were looked at, this is the first without."]

  defp looked_at(_result), do: []

  defp within(nil), do: ""
  defp within(ms), do: " within #{ms} ms"

  # ---- what is missing ----

  # What came instead, where that can be told; else that nothing of the kind came.
  defp missing(step, %{result: result} = c, span \\ []) do
    nearest = nearest(step, c, span)
    instead = instead(step, nearest, c)

    %Report{
      sentence: instead || nothing(step, c),
      nearest: nearest,
      at: instead && nearest.subject,
      notes: if(nearest == nil and result.seen == 0, do: Limits.hints(step, c), else: []),
      around: nearest && nearest.subject
    }
  end

  # The engine knows of one; the one that a person would compare with may be another.
  defp nearest(step, %{result: result, a: a} = c, span \\ []) do
    span = [since: span[:since] || a.since, until: a.until]
    Candidates.nearest(c.rec, step, span, result.bindings, result.nearest)
  end

  defp instead(_step, nil, _c), do: nil

  defp instead(step, nearest, c) do
    if in_place?(step, nearest) and Nearest.kin?(nearest) do
      "#{tell(step, nearest.subject, c)}; #{Nearest.source(nearest)} was expected#{known(step, c)}."
    end
  end

  # Only of these one can say that the one came in place of the other.
  defp in_place?(%Step{what: :sent}, %{subject: %{label: :reply}}), do: true
  defp in_place?(%Step{what: :called}, %{failed: :result}), do: true
  defp in_place?(%Step{what: :transition}, %{failed: failed}), do: failed in [:to, :guard]
  defp in_place?(_step, _nearest), do: false

  defp nothing(step, %{result: result} = c) do
    others = max(result.seen - result.count, 0)
    "#{none(step, c)}#{known(step, c)}#{but(others)}."
  end

  defp none(step, c), do: "no #{one(step, c)} was #{Words.happened(step, c.names)}"

  defp but(0), do: ""
  defp but(1), do: "; one other was"
  defp but(n), do: "; #{Style.number(n)} others were"

  # What variables of earlier steps came to mean.
  defp known(step, %{result: %{bindings: bindings}}) do
    {heads, guard} = Step.heads(step)
    names = [heads, guard] |> Nearest.variables() |> Enum.uniq() |> Enum.filter(&is_map_key(bindings, &1))

    if names == [],
      do: "",
      else: " (#{Enum.map_join(names, ", ", &"#{&1} = #{Term.text(bindings[&1], 40)}")})"
  end

  # ---- too many, too few ----

  defp unwanted(step, n, %{result: result} = c) do
    %Report{
      sentence: "#{tell(step, result.first, c)}; #{no_more(step, c)}.",
      notes: if(n > 1, do: ["This is the first of #{Style.number(n)}."], else: []),
      nearest: Nearest.new(step, result.first),
      itself: true,
      at: result.first,
      around: result.first
    }
  end

  defp no_more(%Step{what: :crashed}, _c), do: "nothing was to crash"
  defp no_more(step, c), do: "no #{one(step, c)} was expected"

  defp number(step, n, %{a: a, names: names, result: result} = c) do
    {one, several} = Words.things(step, names)
    counted = if n == 1, do: "1 #{one} was", else: "#{Style.number(n)} #{several} were"

    %Report{
      sentence: "#{counted} #{Words.happened(step, names)}; #{Words.times(a.times)} expected.",
      at: result.violation,
      lines: matches(step, c)
    }
  end

  # Which they were.
  defp matches(%Step{what: what} = step, %{rec: rec, a: a}) when what in [:sent, :received] do
    kinds = if what == :sent, do: [:send, :send_to_dead], else: [:receive]
    match = %BeamScope.Pattern{data: step.pattern, source: step.source}
    given = [since: a.since, until: a.until, from: step.from, to: step.to]
    filters = for {key, value} <- given, value != nil, do: {key, value}
    [{:events, BeamScope.events(rec, [kind: kinds, match: match, limit: @listed] ++ filters).events}]
  rescue
    BeamScope.Error -> []
  end

  defp matches(_step, _c), do: []

  # ---- flows ----

  # The steps before the one that failed, with what they matched.
  defp before(steps, failed, result),
    do:
      for(
        {step, subject} <- steps |> Enum.zip(result.steps) |> Enum.take(failed),
        subject != nil,
        do: {step, subject}
      )

  defp bound(matched),
    do: Enum.reduce(matched, %{}, fn {step, subject}, known -> Nearest.new(step, subject, known).bindings end)

  defp latest(subjects), do: subjects |> Enum.reject(&is_nil/1) |> Enum.max_by(& &1.moment.seq, fn -> nil end)

  # It did happen, but before what it should have come after.
  defp early(_step, _before, %{result: %{nearest: nil}}), do: nil

  defp early(step, before, %{result: %{nearest: subject, bindings: known}} = c) do
    later = Enum.find_index(before, fn {_, other} -> other.moment.seq > subject.moment.seq end)
    taken? = Enum.any?(before, fn {_, other} -> other.moment.seq == subject.moment.seq end)

    if later != nil and not taken? and Nearest.new(step, subject, known).failed == nil do
      at = before |> Enum.at(later) |> elem(1) |> then(& &1.moment.seq)

      %Report{
        sentence: "#{tell(step, subject, c)}, but that was before step #{later + 1} (##{at}).",
        at: subject,
        around: subject
      }
    end
  end

  # Every step with what it matched, a mark at the one that failed.
  defp flow(steps, failed, %{result: result, names: names}) do
    for {step, n} <- Enum.with_index(steps) do
      mark = if n == failed, do: :failed, else: if(Enum.at(result.steps, n), do: :matched, else: :open)
      {mark, "#{n + 1}. #{Words.step(step, names)}", Enum.at(result.steps, n)}
    end
  end

  # ---- words ----

  defp one(step, c), do: step |> Words.things(c.names) |> elem(0)
  defp tell(step, subject, c), do: Story.tell(c.rec, c.names, step.what, subject)

  defp always(%Step{what: :transition, parts: [_, _, {_, on, _}]}) when on != nil,
    do: "on every #{Words.flat(on)}"

  defp always(%Step{what: :transition}), do: "of every transition"
  defp always(_step), do: "of every state"

  defp at_least(nil), do: 1
  defp at_least(%Range{first: first}), do: first
  defp at_least(n), do: n

  defp at_most(nil), do: nil
  defp at_most(%Range{last: last}), do: last
  defp at_most(n), do: n
end
