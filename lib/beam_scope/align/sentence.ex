defmodule BeamScope.Align.Sentence do
  @moduledoc """
  The one sentence that says where expected and actual went apart.

      iex> alias BeamScope.Align.Step
      iex> step = &%Step{what: :call, role: Counter, message: {:increment, 1}, reply: {:ok, {:ok, &1}}}
      iex> align = BeamScope.Align.align(Enum.map([1, 2], step), Enum.map([1, 3], step))
      iex> BeamScope.Align.Sentence.say(align)
      "Counter answered {:ok, 3} to the second {:increment, 1}; {:ok, 2} was expected."

  It has words for `BeamScope.Align.Step`, and for the events and transitions of a recording, which it makes steps of. Other
  terms are told by their place.
  """

  alias BeamScope.{Align, Diff}
  alias BeamScope.Align.{Entry, Step}
  alias BeamScope.Terminal.Term

  @width 60
  @handled [
    :call,
    :cast,
    :info,
    :event,
    :continue,
    :timeout,
    :state_timeout,
    :internal,
    :enter,
    :got,
    :start,
    :changed
  ]
  @ordinals ~w(first second third fourth fifth sixth seventh eighth ninth tenth)

  @doc """
  The sentence, or `nil` where everything matched. `who:` is whose sequence it is, for entries that do not say; `text:` a
  function from a term and a width to its text.
  """
  @spec say(Align.t(), keyword) :: String.t() | nil
  def say(%Align{} = align, opts \\ []) do
    opts = Keyword.validate!(opts, who: nil, text: &Term.text/2)
    if entry = Align.first(align), do: tell(entry, align, opts)
  end

  defp tell(%Entry{} = entry, align, opts) do
    at = %{align: align, entry: entry, who: opts[:who], text: opts[:text]}

    case {Step.new(entry.expected), Step.new(entry.actual)} do
      {nil, nil} -> plain(entry, at)
      {%Step{} = expected, nil} -> missing(expected, at)
      {nil, %Step{} = actual} -> unexpected(actual, at)
      {expected, actual} when entry.kind == :out_of_order -> out_of_order(expected, actual, at)
      {expected, actual} -> different(expected, actual, at)
    end
  end

  # ---- any terms ----

  defp plain(%Entry{kind: :different} = e, at) do
    if unknown?(e.diff),
      do:
        "Whether #{text(e.actual, at)} is the #{text(e.expected, at)} expected as entry #{e.expected_at + 1} is not known.",
      else: "#{text(e.actual, at)} came as entry #{e.actual_at + 1}; #{text(e.expected, at)} was expected."
  end

  defp plain(%Entry{kind: :missing} = e, at),
    do: "#{text(e.expected, at)} was expected as entry #{e.expected_at + 1} and is missing."

  defp plain(%Entry{kind: :unexpected} = e, at),
    do: "#{text(e.actual, at)} came as entry #{e.actual_at + 1} and was not expected."

  defp plain(%Entry{kind: :out_of_order} = e, at),
    do:
      "#{text(e.actual, at)} came as entry #{e.actual_at + 1}; it was expected as entry #{e.expected_at + 1}."

  defp unknown?(diff),
    do: Enum.all?(Diff.changes(diff), &match?({_path, {:unknown, _why}}, &1))

  # ---- steps ----

  defp missing(%Step{what: :exit} = step, at),
    do: "#{who(step, at)} did not end; it was expected to, with #{text(step.message, at)}."

  defp missing(step, at), do: "#{who(step, at)} never #{did(step, at, :expected)}, which was expected."

  defp unexpected(step, at), do: "#{who(step, at)} #{did(step, at, :actual)}, which was not expected."

  defp out_of_order(expected, actual, at) do
    %Entry{expected_at: e, actual_at: a} = at.entry
    early = if a < e, do: "too early", else: "too late"
    "#{who(actual, at)} #{did(expected, at, :actual)} #{early}: as step #{a + 1}, expected as step #{e + 1}."
  end

  defp different(%Step{what: what} = expected, %Step{what: what} = actual, at) do
    cond do
      expected.message != actual.message -> message(expected, actual, at)
      expected.to != actual.to -> ends(:to, expected, actual, at)
      expected.from != actual.from -> ends(:from, expected, actual, at)
      expected.reply != actual.reply -> reply(expected, actual, at)
      expected.state != actual.state -> state(expected, actual, at)
      true -> "Whether #{who(actual, at)} did the same in step #{at.entry.actual_at + 1} is not known."
    end
  end

  defp different(expected, actual, at) do
    "#{who(actual, at)} #{did(actual, at, :actual)}; it was expected that it #{did(expected, at, :expected)}."
  end

  defp message(%Step{what: :exit} = expected, actual, at),
    do:
      "#{who(actual, at)} ended with #{text(actual.message, at)}; #{text(expected.message, at)} was expected."

  defp message(expected, actual, at),
    do:
      "#{who(actual, at)} #{verb(actual)} #{text(actual.message, at)}#{party(actual, at)}; #{text(expected.message, at)} was expected."

  defp ends(:to, expected, actual, at),
    do: "#{who(actual, at)} #{did(actual, at, :actual)}; #{role(expected.to, at)} was expected to get it."

  defp ends(:from, expected, actual, at),
    do: "#{who(actual, at)} #{did(actual, at, :actual)}; it was expected from #{role(expected.from, at)}."

  defp reply(%Step{what: :ask} = expected, actual, at) do
    "#{who(actual, at)} got #{answer(actual.reply, at)} from #{role(actual.to, at)} for #{which(actual, at, :actual)}; " <>
      "#{answer(expected.reply, at)} was expected."
  end

  defp reply(%Step{what: :invoke} = expected, actual, at) do
    "#{who(actual, at)} got #{answer(actual.reply, at)} from #{which(actual, at, :actual)}; " <>
      "#{answer(expected.reply, at)} was expected."
  end

  defp reply(expected, %Step{reply: nil} = actual, at),
    do:
      "#{who(actual, at)} did not answer #{which(actual, at, :actual)}; #{answer(expected.reply, at)} was expected."

  defp reply(expected, actual, at) do
    "#{who(actual, at)} answered #{answer(actual.reply, at)} to #{which(actual, at, :actual)}; " <>
      "#{answer(expected.reply, at)} was expected."
  end

  defp state(expected, %Step{state: nil} = actual, at),
    do: "#{who(actual, at)} kept its state #{since(actual, at)}; #{state_text(expected, at)} was expected."

  defp state(%Step{state: nil}, actual, at),
    do:
      "#{who(actual, at)} changed its state to #{state_text(actual, at)} #{since(actual, at)}, which was not expected."

  # Of a state, the first thing that differs.
  defp state(%Step{state: {:ok, old}} = expected, %Step{state: {:ok, new}} = actual, at) do
    case Diff.changes(Diff.diff(old, new)) do
      [{[_ | _] = path, change} | _] ->
        "#{who(actual, at)} had #{part(path, change, at)} #{since(actual, at)}."

      _ ->
        "#{who(actual, at)} was in state #{text(new, at)} #{since(actual, at)}; #{state_text(expected, at)} was expected."
    end
  end

  defp part(path, {:changed, old, new}, at), do: "#{path(path)}: #{text(new, at)} instead of #{text(old, at)}"
  defp part(path, {:added, new}, at), do: "#{path(path)}: #{text(new, at)}, which was not expected,"
  defp part(path, {:removed, old}, at), do: "no #{path(path)}: #{text(old, at)}, which was expected,"
  defp part(path, {:unknown, why}, _at), do: "an unknown #{path(path)} (#{why})"
  defp part(path, :reordered, _at), do: "the keys of #{path(path)} in another order"

  defp path(path), do: Enum.map_join(path, ".", &if(is_atom(&1), do: Atom.to_string(&1), else: inspect(&1)))

  defp since(%Step{what: :start}, _at), do: "at the start"
  defp since(step, at), do: "after #{which(step, at, :actual)}"

  defp state_text(%Step{state: {:ok, state}}, at), do: text(state, at)

  # ---- parts of sentences ----

  defp did(%Step{what: :exit} = step, at, _side), do: "ended with #{text(step.message, at)}"
  defp did(%Step{what: :start}, _at, _side), do: "started"
  defp did(step, at, side), do: "#{verb(step)} #{which(step, at, side)}#{party(step, at)}"

  defp verb(%Step{what: what}) when what in @handled, do: "got"
  defp verb(%Step{what: :ask}), do: "asked"
  defp verb(%Step{what: :answer}), do: "answered"
  defp verb(%Step{what: :invoke}), do: "called"
  defp verb(%Step{}), do: "sent"

  defp party(%Step{what: :ask, to: to}, at) when to != nil, do: " of #{role(to, at)}"
  defp party(%Step{to: to}, at) when to != nil, do: " to #{role(to, at)}"
  defp party(%Step{from: from}, at) when from != nil, do: " from #{role(from, at)}"
  defp party(_step, _at), do: ""

  # `{:increment, 1}`, or `the second {:increment, 1}` where there are several.
  defp which(step, at, side) do
    text = text(step.message, at)

    case position(step, at, side) do
      {_n, 1} -> text
      {n, _of} -> "the #{ordinal(n)} #{text}"
    end
  end

  defp position(step, at, side) do
    {field, place} = if side == :actual, do: {:actual_at, :actual}, else: {:expected_at, :expected}
    here = Map.fetch!(at.entry, field)

    same =
      for entry <- at.align.entries,
          n = Map.fetch!(entry, field),
          alike?(Step.new(Map.fetch!(entry, place)), step),
          do: n

    {Enum.count(same, &(&1 <= here)), length(same)}
  end

  defp alike?(%Step{what: what, message: message, to: to}, %Step{what: what, message: message, to: to}),
    do: true

  defp alike?(_other, _step), do: false

  defp ordinal(n) when n in 1..10, do: Enum.at(@ordinals, n - 1)

  defp ordinal(n) when rem(n, 100) in 11..13, do: "#{n}th"
  defp ordinal(n), do: "#{n}#{Enum.at(~w(th st nd rd th th th th th th), rem(n, 10))}"

  defp answer({:ok, value}, at), do: text(value, at)
  defp answer({:error, value}, at), do: "the failure #{text(value, at)}"
  defp answer(nil, _at), do: "no answer"

  defp who(%Step{role: nil}, %{who: nil}), do: "The process"
  defp who(%Step{role: nil}, %{who: who} = at), do: role(who, at)
  defp who(%Step{role: role}, at), do: role(role, at)

  defp role(nil, _at), do: "the runtime"
  defp role(role, _at) when is_binary(role), do: role
  defp role(role, at), do: text(role, at)

  defp text(term, at), do: at.text.(term, @width)
end
