defmodule BeamScope.Expect.Printer do
  @moduledoc false
  # A report as lines, for the message of a failed test and for the terminal.

  alias BeamScope.Diff
  alias BeamScope.Expect.{Excerpt, Nearest, Report, Words}
  alias BeamScope.Terminal.Style

  @sentence_lines 6
  @diff_lines 14
  @around_lines 24

  @doc "The sentence, the difference, the steps, what went on around it."
  @spec lines(Report.t(), Style.t()) :: [Style.line()]
  def lines(%Report{} = report, style) do
    paragraphs([
      Style.wrap([Words.sentence(report.sentence)], style.width, @sentence_lines) | details(report, style)
    ])
  end

  @doc "All but the sentence."
  @spec more(Report.t(), Style.t()) :: [Style.line()]
  def more(%Report{} = report, style), do: report |> details(style) |> paragraphs()

  defp details(report, style) do
    [
      Enum.flat_map(report.notes, &Style.wrap([{:dim, &1}], style.width, 4)),
      nearest(report, style),
      Enum.flat_map(report.lines, &listed(&1, style)),
      around(report, style)
    ]
  end

  defp paragraphs(blocks), do: blocks |> Enum.reject(&(&1 == [])) |> Enum.intersperse([[""]]) |> Enum.concat()

  # ---- the difference ----

  defp nearest(%Report{nearest: nil}, _style), do: []
  defp nearest(%Report{nearest: %Nearest{failed: nil}}, _style), do: []

  defp nearest(%Report{nearest: %Nearest{unknown: why} = nearest} = report, _style) when why != nil,
    do: [[{:warn, begin(report, "#{part(nearest)} is unknown (#{why})")}]]

  defp nearest(%Report{nearest: %Nearest{failed: :guard} = nearest} = report, style),
    do: Style.wrap([{:warn, begin(report, Nearest.guard_text(nearest))}], style.width, 3)

  defp nearest(%Report{nearest: %Nearest{diff: diff} = nearest} = report, style) do
    {shown, hidden} = diff |> Diff.lines(%{style | width: style.width - 2}) |> Enum.split(@diff_lines)
    more = if hidden == [], do: [], else: [[{:dim, "… #{Style.count(length(hidden), "more line")}"}]]

    [[begin(report, "#{part(nearest)} differs"), {:dim, " (- expected, + actual)"}]] ++
      Enum.map(shown ++ more, &["  " | &1])
  end

  defp begin(%Report{itself: true}, text), do: Words.sentence(text)

  defp begin(%Report{nearest: %Nearest{subject: subject}}, text),
    do: "The nearest is ##{subject.moment.seq}: #{text}"

  defp part(%Nearest{failed: :from}), do: "the state before"
  defp part(%Nearest{failed: :to}), do: "the state after"
  defp part(%Nearest{failed: :args}), do: "the list of arguments"
  defp part(%Nearest{failed: :result}), do: "what it returned"
  defp part(%Nearest{failed: :message}), do: "the message"
  defp part(%Nearest{failed: :reason}), do: "the reason"
  defp part(%Nearest{}), do: "the state"

  # ---- lists ----

  defp listed({:events, []}, _style), do: []
  defp listed({:events, events}, style), do: Excerpt.list(events, style)
  defp listed({:states, transitions}, style), do: Excerpt.states(transitions, style)
  defp listed({:flow, steps}, style), do: Enum.flat_map(steps, &step(&1, style))

  defp step({mark, text, subject}, style) do
    {role, sign} = Map.fetch!(%{matched: {:ok, "✓ "}, failed: {:error, "✗ "}, open: {:dim, "· "}}, mark)
    at = if subject && mark != :failed, do: [{:moment, "  ##{subject.moment.seq}"}], else: []
    room = style.width - 2 - Style.width(at)
    [[{role, sign}] ++ Style.fit([text], room) ++ at]
  end

  defp around(%Report{excerpt: nil}, _style), do: []

  defp around(%Report{excerpt: excerpt}, style),
    do: excerpt |> Excerpt.lines(%{style | width: style.width - 2}) |> Enum.take(@around_lines)
end
