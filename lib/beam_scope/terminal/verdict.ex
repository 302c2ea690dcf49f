defmodule BeamScope.Terminal.Verdict do
  @moduledoc """
  A verdict on expectations: one line each, then what broke, the earliest first, and what cannot be said.
  """

  alias BeamScope.Expect.Printer
  alias BeamScope.Terminal.Style
  alias BeamScope.Verdict
  alias BeamScope.Verdict.Expectation

  @marks %{held: {:ok, "✓"}, broken: {:error, "✗"}, never_exercised: {:dim, "·"}, unknown: {:warn, "?"}}
  # Who reads more than this looks at one of them: `verdict.expectations`.
  @reports 5
  @hints 3

  @doc "The whole verdict."
  @spec lines(Verdict.t(), Style.t()) :: [Style.line()]
  def lines(%Verdict{expectations: all} = verdict, style) do
    [title(verdict)] ++ Enum.map(all, &line(&1, style)) ++ hints(all, style) ++ reports(verdict, style)
  end

  defp title(%Verdict{module: module, expectations: all}) do
    [{:heading, inspect(module)}, "  " | all |> Enum.frequencies_by(& &1.verdict) |> counts()]
  end

  defp counts(counts) do
    [broken: :error, unknown: :warn, never_exercised: :dim, held: :ok]
    |> Enum.filter(fn {verdict, _} -> is_map_key(counts, verdict) end)
    |> Enum.map(fn {verdict, role} -> {role, "#{counts[verdict]} #{word(verdict)}"} end)
    |> Enum.intersperse(", ")
  end

  defp word(:never_exercised), do: "never exercised"
  defp word(verdict), do: Atom.to_string(verdict)

  # ---- one line each ----

  defp line(%Expectation{verdict: :held, name: name}, style), do: fit([@marks.held, " ", name], style)

  defp line(%Expectation{verdict: verdict, name: name} = one, style) do
    fit(
      [@marks[verdict], " ", name, "  ", {elem(@marks[verdict], 0), word(verdict) <> at(one.moment)}] ++
        why(one),
      style
    )
  end

  defp at(nil), do: ""
  defp at(moment), do: " at ##{moment.seq} (#{Style.time(moment.at_ns)})"

  # What broke is told below, whole.
  defp why(%Expectation{sentence: sentence}), do: [{:dim, ": " <> sentence}]

  defp fit(line, style), do: Style.fit(line, style.width)

  # What to do about those that nothing put to the test, once.
  defp hints(all, style) do
    all
    |> Enum.filter(&(&1.verdict == :never_exercised))
    |> Enum.flat_map(& &1.report.notes)
    |> Enum.uniq()
    |> Enum.take(@hints)
    |> Enum.flat_map(&Style.wrap([{:dim, "  " <> &1}], style.width, 4))
  end

  # ---- what broke, and what cannot be said ----

  defp reports(verdict, style) do
    unknown = Enum.filter(verdict.expectations, &(&1.verdict == :unknown))
    {shown, hidden} = Enum.split(Verdict.broken(verdict) ++ unknown, @reports)
    Enum.flat_map(shown, &report(&1, style)) ++ more(hidden)
  end

  defp report(%Expectation{verdict: verdict, report: report, source: {file, line}} = one, style) do
    inner = %{style | width: style.width - 2}

    [[], fit([@marks[verdict], " ", {:heading, one.name}, {:dim, "  #{file}:#{line}"}], style)] ++
      for(line <- Printer.lines(report, inner), do: ["  " | line])
  end

  defp more([]), do: []

  defp more(hidden),
    do: [[], [{:dim, "… and #{length(hidden)} more: look at their report"}]]
end
