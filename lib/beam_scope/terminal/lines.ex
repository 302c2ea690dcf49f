defmodule BeamScope.Terminal.Lines do
  @moduledoc """
  Runs of instrumented functions: the source, and beside each line what its variables became.
  """

  alias BeamScope.Lines
  alias BeamScope.Lines.Run
  alias BeamScope.Terminal.Lines.{Binding, Loops, View}
  alias BeamScope.Terminal.{Processes, Style, Term}

  @most_lines 400
  @least_values 24

  @doc "All runs, as far as they fit a screen or a few."
  @spec all(Lines.t(), Style.t()) :: [Style.line()]
  def all(%Lines{runs: []} = lines, style),
    do:
      [[{:heading, "No lines of #{target(lines.target)}"}, ": no recorded process ran it"]] ++
        cut_note(lines, style)

  def all(%Lines{runs: runs} = lines, style) do
    {shown, rest} = fitting(runs, style, @most_lines, [])

    more =
      if rest == 0,
        do: [],
        else: [[{:warn, "… #{Style.count(rest, "more run")}"}, {:dim, ": Enum.at(lines, n) shows one"}]]

    Enum.intersperse(shown, [[]]) |> Enum.concat() |> Kernel.++(more) |> Kernel.++(cut_note(lines, style))
  end

  defp fitting([], _style, _left, shown), do: {Enum.reverse(shown), 0}

  defp fitting([run | rest] = runs, style, left, shown) do
    lines = run(run, style)

    if length(lines) > left and shown != [],
      do: {Enum.reverse(shown), length(runs)},
      else: fitting(rest, style, left - length(lines), [lines | shown])
  end

  defp cut_note(%{more: false}, _style), do: []

  defp cut_note(_lines, style),
    do:
      Style.wrap(
        [{:warn, "There is more"}, " than was asked for: give limit:, process:, since: or until:"],
        style.width,
        2
      )

  defp target({m, f, a}) when is_integer(a), do: Exception.format_mfa(m, f, a)
  defp target({m, f, _}), do: "#{inspect(m)}.#{f}"
  defp target({m, f}), do: "#{inspect(m)}.#{f}"
  defp target(%BeamScope.Event{mfa: {m, f, arguments}}), do: Exception.format_mfa(m, f, length(arguments))
  defp target(module), do: inspect(module)

  @doc "One run."
  @spec run(Run.t(), Style.t()) :: [Style.line()]
  def run(%Run{} = run, style) do
    view = View.of(run)
    gutter = view.last |> Integer.to_string() |> String.length()
    column = column(view, gutter, style)
    body = Enum.flat_map(view.shown, &numbered(&1, view, gutter, column, style))
    [heading(run)] ++ notes(run, style) ++ body ++ ending(run, style)
  end

  @doc "A run that is under way: so many lines around the one that it has come to."
  @spec up_to(Run.t(), Style.t(), non_neg_integer) :: [Style.line()]
  def up_to(%Run{steps: steps} = run, style, rows) do
    lines = run(%{run | ended: {:at, List.last(steps).line}}, style)
    here = Enum.find_index(lines, &match?([{:moment, "▶ "} | _], &1)) || 0
    first = (here - div(rows, 2)) |> min(length(lines) - rows) |> max(0)
    Enum.slice(lines, first, rows)
  end

  defp heading(run) do
    {m, f, a} = run.function
    clauses = length(run.table.functions[{f, a}].clauses)

    [
      {:heading, Exception.format_mfa(m, f, a)},
      if(clauses > 1, do: {:dim, "  clause #{run.clause + 1} of #{clauses}"}, else: ""),
      "  ",
      {:name, Processes.who(run.pid, run.name)},
      {:time, "  #{Style.time(run.at_ns)}"},
      {:moment, "  ##{run.moment.seq}"},
      if(run.parent,
        do: {:dim, "  run #{run.number}, called by run #{run.parent}"},
        else: {:dim, "  run #{run.number}"}
      )
    ]
  end

  defp notes(run, style) do
    texts = [
      caller(run),
      unless(run.entered,
        do:
          "its beginning was not seen here: recorded from the middle, or a fun that ran outside of its function"
      ),
      if(run.lost > 0,
        do: "#{Style.count(run.lost, "event")} of its process were lost meanwhile: lines may be missing"
      ),
      unless(run.table.source,
        do:
          "its source is not at hand (#{run.table.file || "no file is known"}): these are its lines as debug information tells them"
      )
    ]

    for text <- texts, text, line <- Style.wrap([{:warn, "note"}, " ", text], style.width, 3), do: line
  end

  # With `stack: true`. Who called a run that is shown itself is said already.
  defp caller(%{parent: nil, steps: [%{stack: [_own, {module, name, arity, location} | _]} | _]}) do
    at = if location[:line], do: " (#{location[:file]}:#{location[:line]})", else: ""
    "called by #{Exception.format_mfa(module, name, arity)}#{at}"
  end

  defp caller(_run), do: nil

  defp ending(%{ended: nil}, _style), do: []
  defp ending(%{ended: {:at, _line}}, _style), do: []

  defp ending(%{ended: {:returned, value}}, style),
    do: [["  ", {:ok, "→ " <> Term.text(value, style.width - 6)}]]

  defp ending(%{ended: {:exception, class, reason}}, style),
    do: [["  ", {:error, "✗ #{class} "}, {:error, Term.text(reason, style.width - 12)}]]

  defp ending(%{ended: {:exit, reason, _line}}, style),
    do: Style.wrap(["  ", {:error, "✗ its process ended here: " <> Processes.reason(reason)}], style.width, 4)

  defp ending(%{ended: :left}, _style),
    do: [
      ["  ", {:error, "✗ it did not go on from here"}, {:dim, ": an exception or a throw went through it"}]
    ]

  # Lines on the screen

  defp column(view, gutter, style) do
    longest = view.text |> Map.values() |> Enum.map(&Style.width/1) |> Enum.max(fn -> 0 end)
    min(longest + 2, max(style.width - gutter - 5 - @least_values, 10))
  end

  defp numbered(n, view, gutter, column, style) do
    text = Map.get(view.text, n, "")
    number = n |> Integer.to_string() |> String.pad_leading(gutter)
    beside = beside(n, view)
    start = [mark(n, view), {:moment, number}, {:dim, " │ "}]
    code = [code(text, n, view)]
    room = style.width - gutter - 5 - column

    if beside == [] do
      [start ++ code]
    else
      fits? = Style.width(code) <= column and Style.width(beside) <= room

      line =
        if fits?,
          do: [start ++ Style.pad(code, column) ++ beside],
          else: [start ++ code] ++ below(beside, text, gutter, style)

      line
    end ++ Enum.flat_map(Map.get(view.loops, n, []), &Loops.table(&1, gutter + 5 + Style.indent(text), style))
  end

  defp mark(n, %{failed: n}), do: {:error, "✗ "}
  defp mark(n, %{run: %{ended: {:at, n}}}), do: {:moment, "▶ "}
  defp mark(n, view), do: if(is_map_key(view.visited, n), do: {:bar, "▸ "}, else: "  ")

  # Not taken: there is a place on the line, and the run did not come to it.
  defp code(text, n, view) do
    cond do
      n == view.failed -> {:error, text}
      view.verdicts[n] in [:no_match, :guard, :unknown] -> {:dim, text}
      is_map_key(view.visited, n) -> text
      n in view.possible -> {:dim, text}
      true -> text
    end
  end

  defp beside(n, view) do
    values =
      view.values
      |> Map.get(n, [])
      |> Enum.map(&Binding.line(&1, 48))
      |> Enum.intersperse([", "])
      |> Enum.concat()

    why = verdict(view.verdicts[n])
    times = if n in view.looped, do: [{:dim, "×#{view.visited[n]}"}], else: []

    [why, values, times] |> Enum.reject(&(&1 == [])) |> Enum.intersperse(["  "]) |> Enum.concat()
  end

  defp verdict(:no_match), do: [{:old, "✗ no match"}]
  defp verdict(:guard), do: [{:old, "✗ guard failed"}]
  defp verdict(:taken), do: [{:ok, "✓"}]
  defp verdict(_), do: []

  defp below(beside, text, gutter, style) do
    indent = gutter + 5 + Style.indent(text)
    [first | rest] = Style.wrap(beside, max(style.width - indent - 2, 20), 4)
    pad = String.duplicate(" ", indent)
    [[pad, {:dim, "↳ "} | first] | Enum.map(rest, &[pad, "  " | &1])]
  end
end
