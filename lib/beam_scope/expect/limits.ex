defmodule BeamScope.Expect.Limits do
  @moduledoc false
  # What a recording cannot say, and what to do so that it can: nothing of the kind recorded, events lost, terms cut off.

  alias BeamScope.Expect.{Names, Nearest, Report, Step, Words}
  alias BeamScope.Terminal.Style

  @messages [:sent, :received]

  @doc "The report on an assertion that was not put to the test, or cannot be decided."
  @spec report(atom, map) :: Report.t()
  def report(why, context)

  def report(:empty, %{a: a} = c) do
    step = hd(a.steps)

    %Report{
      sentence: "#{nothing(step, c)}, so this could not have failed.",
      notes: hints(step, c) ++ [allow_empty()]
    }
  end

  # Nothing that the assertion speaks of happened, though other things of the kind did.
  def report(:idle, %{a: a, result: result} = c) do
    step = spoken_of(a)
    {one, _} = Words.things(step, c.names)

    %Report{
      sentence: "No #{one} was #{Words.happened(step, c.names)}, so this could not have failed.",
      notes: [allow_empty()],
      nearest: result.nearest && Nearest.new(step, result.nearest),
      around: result.nearest
    }
  end

  def report(:gap, %{a: a, result: %{gap: gap}} = c) do
    %Report{
      sentence: "It cannot be said #{claim(a, c)}: #{lost(gap, c)}.",
      notes: [lose_less(c.rec)]
    }
  end

  def report(:unknown, %{a: a, result: result} = c) do
    step = undecided(a, result)
    nearest = result.nearest && Nearest.new(step, result.nearest, result.bindings)
    why = (nearest && nearest.unknown) || :truncated

    %Report{
      sentence: "It cannot be said #{claim(a, c)}: #{cut(why, step, result, c)}.",
      notes: [keep_more(why)],
      around: result.nearest
    }
  end

  @doc "What to say where nothing was to happen."
  def allow_empty, do: "If that is meant, say allow_empty: true."

  # Of a pair, the one that must be there for the other to be asked for.
  defp spoken_of(%{check: check, steps: [_cause, effect]}) when check in [:causality, :precedes], do: effect
  defp spoken_of(%{steps: [step | _]}), do: step

  defp undecided(%{steps: steps}, %{failed_step: n}) when is_integer(n), do: Enum.at(steps, n)
  defp undecided(%{steps: steps}, _result), do: hd(steps)

  @doc "That nothing of the kind of a step was recorded."
  def nothing(step, c) do
    {one, _} = Words.kind(step, c.names)
    "No #{one} was #{Words.happened(step, c.names)} at all#{span(c.a)}"
  end

  defp span(%{since: nil, until: nil}), do: ""
  defp span(_assertion), do: " in that span"

  @doc "Why there may be nothing of the kind: what was recorded at all."
  def hints(%Step{what: what}, %{rec: %{level: level}})
      when what in @messages and level in [:off, :crashes, :states],
      do: ["At level #{inspect(level)} messages are not recorded as such: use level: :messages or :full."]

  def hints(%Step{what: :received}, _c), do: []

  def hints(%Step{what: :sent, from: from}, _c) when from != nil,
    do: ["Only what recorded processes send is seen; BeamScope.processes/1 lists them."]

  def hints(%Step{what: :called, mfa: {module, _, _}}, _c),
    do: ["Functions are recorded when they were asked for: calls: [#{inspect(module)}]."]

  def hints(%Step{what: what}, %{rec: %{level: level}})
      when what in [:state, :transition] and level in [:off, :crashes, :messages],
      do: ["At level #{inspect(level)} states are not recorded: use level: :states or :full."]

  def hints(_step, _c), do: []

  # ---- what cannot be said ----

  defp claim(%{steps: [%Step{what: :crashed, process: nil}]}, _c), do: "that nothing crashed"

  defp claim(%{steps: [%Step{what: :crashed, process: process}]}, c),
    do: "that #{Names.selector(c.names, process)} did not crash"

  defp claim(%{check: :count, times: 0, steps: [step]}, c), do: "that #{none(step, c)}"
  defp claim(%{check: :every, negate: true, steps: [step]}, c), do: "that #{none(step, c)}"

  defp claim(%{check: :every, steps: [step]}, c) do
    {one, _} = Words.kind(step, c.names)
    "that every #{one} matches #{Words.source(step)}"
  end

  defp claim(%{check: :state_at, steps: [step]}, _c), do: "whether the state matches #{Words.source(step)}"
  defp claim(%{check: :count, times: nil, steps: [step]}, c), do: "whether a #{happened(step, c)}"
  defp claim(%{check: :count, steps: [step]}, c), do: "how often a #{happened(step, c)}"
  defp claim(%{check: :flow, steps: steps}, _c), do: "whether these #{length(steps)} steps happened"

  defp claim(%{check: :excludes, steps: [first, second | _]}, _c),
    do: "that #{Words.source(second)} does not follow #{Words.source(first)}"

  defp claim(%{steps: [first, second | _]}, _c),
    do: "whether #{Words.source(first)} and #{Words.source(second)} belong together"

  defp none(step, c), do: "no #{happened(step, c)}"

  defp happened(step, c) do
    {one, _} = Words.things(step, c.names)
    "#{one} was #{Words.happened(step, c.names)}"
  end

  defp lost(%{count: count, from_ns: from, to_ns: to} = gap, c) do
    whose = if is_pid(gap[:pid]), do: " of " <> Names.pid(c.names, gap.pid), else: ""
    "#{Style.count(count, "event")}#{whose} were lost between #{Style.time(from)} and #{Style.time(to)}"
  end

  defp cut(:redacted, step, result, c),
    do: "#{undecided_ones(step, result, c)} redacted, and what decides is not there"

  defp cut(reason, step, result, c) when reason in [:truncated, :unsupported],
    do: "#{undecided_ones(step, result, c)} truncated, and what decides was cut off"

  defp cut(_reason, step, result, c), do: "#{undecided_ones(step, result, c)} not known"

  defp undecided_ones(step, result, c) do
    {one, several} = Words.kind(step, c.names)
    if result.unknown > 1, do: "#{Style.number(result.unknown)} #{several} were", else: "one #{one} was"
  end

  @limits [:events, :bytes, :ms, :rate]

  defp lose_less(rec) do
    case BeamScope.info(rec) do
      %{stop_reason: limit} when limit in @limits ->
        "The recording had stopped at its limit of #{limit}: raise limits: [#{limit}: …], or look at a span before that with until:."

      _ ->
        "A recording that loses nothing can say it: record fewer processes, or at a lower level; or look at a span without " <>
          "loss with since: and until:. BeamScope.info/1 lists the losses."
    end
  end

  @doc "How to record so that it can be said."
  def keep_more(:redacted),
    do: "The recording's redact: option says what is kept out; redact: false keeps all."

  def keep_more(why) when why in [:truncated, :unsupported],
    do:
      "Record with a larger budget, such as budget: [bytes: 262_144], or match a part of the term that is kept."

  def keep_more(_unknown),
    do: "A state is unknown until the first one is seen, and after a loss until the next one."
end
