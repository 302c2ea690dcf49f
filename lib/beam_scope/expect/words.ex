defmodule BeamScope.Expect.Words do
  @moduledoc false
  # What was expected, in words: "message matching {:inc, by} when by > 0", "was sent from a to b".

  alias BeamScope.Expect.{Names, Step}
  alias BeamScope.Terminal.Style

  @source 90

  @doc "A thing of the step's kind that matches, as `{singular, plural}`."
  def things(%Step{what: what} = step, _names) when what in [:sent, :received],
    do: both("message", "messages", matching(step))

  def things(%Step{what: :called} = step, _names),
    do: both("call", "calls", matching(step) <> returning(step))

  def things(%Step{what: :state} = step, names),
    do: both("state", "states", of(step, names) <> matching(step))

  def things(%Step{what: :transition} = step, names),
    do: both("transition", "transitions", of(step, names) <> matching(step))

  def things(%Step{what: :crashed} = step, names),
    do: both("crash", "crashes", of(step, names) <> matching(step))

  def things(%Step{what: :exited} = step, names),
    do: both("end", "ends", of(step, names) <> matching(step))

  defp both(singular, plural, rest), do: {singular <> rest, plural <> rest}

  defp matching(%Step{source: "_"}), do: ""
  defp matching(step), do: " matching " <> source(step)

  defp returning(%Step{parts: [_, {:result, source, _}]}) when source != nil,
    do: " that returned #{flat(source)}"

  defp returning(_step), do: ""

  defp of(%Step{process: nil}, _names), do: ""
  defp of(%Step{process: process}, names), do: " of " <> Names.selector(names, process)

  @doc "What becomes of such a thing, and where: sent from a to b."
  def happened(%Step{what: :sent} = step, names), do: "sent" <> ends(step, names)
  def happened(%Step{what: :received} = step, names), do: "delivered" <> ends(step, names)
  def happened(%Step{what: :called, process: nil}, _names), do: "made"

  def happened(%Step{what: :called, process: process}, names),
    do: "made by " <> Names.selector(names, process)

  def happened(%Step{}, _names), do: "seen"

  defp ends(%Step{from: from, to: to}, names), do: part(" from ", from, names) <> part(" to ", to, names)

  defp part(_word, nil, _names), do: ""
  defp part(word, process, names), do: word <> Names.selector(names, process)

  @doc "All things of the kind, whether they match or not."
  def kind(%Step{what: :called, mfa: mfa} = step, names),
    do: {"call of #{mfa(mfa)}#{by(step, names)}", "calls of #{mfa(mfa)}#{by(step, names)}"}

  def kind(%Step{what: :transition, parts: [_, _, {_, on, _}]} = step, names) when on != nil,
    do: both("transition", "transitions", of(step, names) <> " on " <> flat(on))

  def kind(%Step{} = step, names), do: things(%{step | source: "_"}, names)

  defp by(%Step{process: nil}, _names), do: ""
  defp by(%Step{process: process}, names), do: " by " <> Names.selector(names, process)

  @doc "A function."
  def mfa({module, function, arity}) when is_integer(arity), do: Exception.format_mfa(module, function, arity)
  def mfa({module, function, _}), do: "#{inspect(module)}.#{function}"

  @doc "One step as one line, as it was written."
  def step(%Step{what: :called} = step, names),
    do: "called #{source(step)}#{returning(step)}#{by(step, names)}"

  def step(%Step{what: what} = step, names) when what in [:sent, :received],
    do: "#{what} #{source(step)}#{ends(step, names)}"

  def step(%Step{what: :transition, parts: [{:from, nil, _}, {:to, nil, _} | _]} = step, names),
    do: "handled #{source(step)}#{by(step, names)}"

  def step(%Step{what: what, process: process} = step, names),
    do: "#{what}#{part(" ", process, names)} #{source(step)}"

  @doc "The pattern as it was written, on one line that is not too long."
  def source(%Step{source: source}), do: flat(source)

  @doc "Text on one line that is not too long."
  def flat(text, width \\ @source) do
    [text |> String.split() |> Enum.join(" ")] |> Style.fit(width) |> hd()
  end

  @doc "How many were expected."
  def times(nil), do: "at least one was"
  def times(%Range{first: same, last: same}), do: times(same)
  def times(%Range{first: first, last: last}), do: "#{first} to #{last} were"
  def times(1), do: "1 was"
  def times(n), do: "#{n} were"

  @doc "Text that begins a sentence."
  def sentence(<<first::utf8, rest::binary>>), do: String.upcase(<<first::utf8>>) <> rest
end
