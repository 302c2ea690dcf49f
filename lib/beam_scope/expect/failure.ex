defmodule BeamScope.Expect.Failure do
  @moduledoc false
  # A report as text, and as the exception that ExUnit, editors and formatters know.

  alias BeamScope.{Diff, Error}
  alias BeamScope.Expect.{Assertion, Excerpt, Left, Nearest, Report, Words}
  alias BeamScope.Terminal.Style

  # ExUnit indents what it prints of a failure by five columns.
  @sentence_lines 6
  @diff_lines 14
  @around_lines 24

  @exception ExUnit.AssertionError

  @doc "Raises `ExUnit.AssertionError`; where ExUnit is not there, a `BeamScope.Error` with the same words."
  @spec raise!(BeamScope.Recording.t(), Assertion.t(), Report.t()) :: no_return
  def raise!(rec, %Assertion{} = a, %Report{} = report) do
    raise exception([message: text(rec, report), expr: a.expr] ++ Left.fields(a, report))
  end

  @doc "The exception, with the fields of `ExUnit.AssertionError`."
  @spec exception(keyword) :: Exception.t()
  def exception(fields) do
    if Code.ensure_loaded?(@exception),
      do: struct!(@exception, fields),
      else: Error.new(:assertion_failed, fields[:message])
  end

  # ---- text ----

  @doc "The message: the sentence, the difference, the steps, what went on around it."
  @spec text(BeamScope.Recording.t(), Report.t()) :: String.t()
  def text(rec, %Report{} = report) do
    style = Style.for_message()

    [
      Style.wrap([Words.sentence(report.sentence)], style.width, @sentence_lines),
      Enum.flat_map(report.notes, &Style.wrap([{:dim, &1}], style.width, 4)),
      nearest(report, style),
      Enum.flat_map(report.lines, &listed(&1, style)),
      around(rec, report, style)
    ]
    |> Enum.reject(&(&1 == []))
    |> Enum.intersperse([[""]])
    |> Enum.concat()
    |> Style.render(style)
  end

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
  defp listed({:lines, lines}, _style), do: lines
  defp listed({:flow, steps}, style), do: Enum.flat_map(steps, &step(&1, style))

  defp step({mark, text, subject}, style) do
    {role, sign} = Map.fetch!(%{matched: {:ok, "✓ "}, failed: {:error, "✗ "}, open: {:dim, "· "}}, mark)
    at = if subject && mark != :failed, do: [{:moment, "  ##{subject.moment.seq}"}], else: []
    room = style.width - 2 - Style.width(at)
    [[{role, sign}] ++ Style.fit([text], room) ++ at]
  end

  defp around(_rec, %Report{around: nil}, _style), do: []

  defp around(rec, %Report{around: subject}, style),
    do: rec |> Excerpt.around(subject, %{style | width: style.width - 2}) |> Enum.take(@around_lines)
end
