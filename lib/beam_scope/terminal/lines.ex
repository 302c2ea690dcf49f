defmodule BeamScope.Terminal.Lines do
  @moduledoc """
  Runs of instrumented functions: the source, and beside each line what its variables became.
  """

  alias BeamScope.Lines
  alias BeamScope.Lines.{Explain, Order, Run}
  alias BeamScope.Terminal.{Processes, Style, Term}

  @most_lines 400
  # A loop's iterations from the beginning and from the end.
  @first 8
  @last 3
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
    view = view(run)
    gutter = view.last |> Integer.to_string() |> String.length()
    column = column(view, gutter, style)
    body = Enum.flat_map(view.shown, &numbered(&1, view, gutter, column, style))
    [heading(run)] ++ notes(run, view, style) ++ body ++ ending(run, style)
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

  defp notes(run, view, style) do
    texts = [
      unless(run.entered,
        do:
          "its beginning was not seen here: recorded from the middle, or a fun that ran outside of its function"
      ),
      if(run.lost > 0,
        do: "#{Style.count(run.lost, "event")} of its process were lost meanwhile: lines may be missing"
      ),
      unless(view.source, do: "its source is not at hand: #{run.table.file || "no file is known"}")
    ]

    for text <- texts, text, line <- Style.wrap([{:warn, "note"}, " ", text], style.width, 3), do: line
  end

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

  # What is on each line

  defp view(run) do
    {first, last} = span(run)

    source =
      run.table.source && run.table.source |> String.split("\n") |> Enum.slice(first - 1, last - first + 1)

    verdicts = verdicts(run)
    visited = run.steps |> Enum.map(& &1.line) |> Enum.frequencies()
    heads = for {line, _} <- verdicts, line < first, do: line

    %{
      run: run,
      source: source,
      first: first,
      last: last,
      shown: Enum.sort(Enum.uniq(heads)) ++ Enum.to_list(first..last//1),
      text: texts(run.table.source, first, last, heads),
      visited: visited,
      possible: possible(run),
      values: values(run),
      tables: loops(run),
      verdicts: Map.new(verdicts),
      failed: failed(run)
    }
  end

  # From the head of the clause to before the next one, or to the last line that can run and what closes it.
  defp span(run) do
    {_, name, arity} = run.function
    heads = run.table.functions[{name, arity}].clauses
    first = Enum.at(heads, run.clause) || hd(heads)

    lines =
      for {_, %{function: {^name, ^arity}, clause: clause, line: line}} <- run.table.sites,
          clause == run.clause,
          do: line

    last = Enum.max([first | lines])
    {min(first, Enum.min([last | lines])), closing(run.table.source, first, last)}
  end

  defp closing(nil, _first, last), do: last

  defp closing(source, first, last) do
    lines = String.split(source, "\n")
    indent = lines |> Enum.at(first - 1, "") |> indent()

    lines
    |> Enum.drop(last)
    |> Enum.take(40)
    |> Enum.with_index(last + 1)
    |> Enum.find_value(last, fn {text, n} ->
      cond do
        indent(text) == indent and String.trim(text) == "end" -> n
        String.trim(text) != "" and indent(text) <= indent -> n - 1
        true -> nil
      end
    end)
    |> then(&trim(lines, last, &1))
  end

  defp trim(lines, last, n) when n > last do
    if lines |> Enum.at(n - 1, "") |> String.trim() == "", do: trim(lines, last, n - 1), else: n
  end

  defp trim(_lines, last, _n), do: last

  defp indent(text), do: String.length(text) - String.length(String.trim_leading(text))

  defp texts(nil, _first, _last, _heads), do: %{}

  defp texts(source, first, last, heads) do
    for {text, n} <- source |> String.split("\n") |> Enum.with_index(1),
        n in first..last//1 or n in heads,
        into: %{},
        do: {n, text}
  end

  defp possible(%{function: {_, name, arity}} = run) do
    for {_, %{function: {^name, ^arity}, clause: clause, line: line}} <- run.table.sites,
        clause == run.clause,
        into: MapSet.new(),
        do: line
  end

  # Of what ran once. What a loop bound is in its table.
  defp values(run) do
    for step <- run.steps, loop(run, step) == nil, binding <- step.bindings, reduce: %{} do
      lines -> Map.update(lines, max(binding.line, 0), [binding], &(&1 ++ [binding]))
    end
  end

  defp loop(run, step), do: run.table.sites[step.site].path |> Order.loops(run.table.bodies) |> List.first()

  # By the last line of each loop: its lines, its names and the values of each iteration.
  defp loops(run) do
    run.steps
    |> Enum.group_by(&loop(run, &1))
    |> Map.delete(nil)
    |> Enum.map(fn {body, steps} ->
      {steps |> Enum.map(& &1.line) |> Enum.max(), iterations(run, body, steps)}
    end)
    |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
  end

  # The first place of the body that is seen begins each iteration.
  defp iterations(run, body, steps) do
    start = Enum.min_by(steps, &index(run, &1, body)).site

    rows =
      steps
      |> Enum.chunk_while([], &chunk(&1, &2, start), &{:cont, Enum.reverse(&1), []})
      |> Enum.reject(&(&1 == []))
      |> Enum.map(fn steps -> Enum.flat_map(steps, & &1.bindings) end)

    %{names: rows |> Enum.concat() |> Enum.filter(&shown?/1) |> Enum.map(&label/1) |> Enum.uniq(), rows: rows}
  end

  defp index(run, step, body),
    do: run.table.sites[step.site].path |> Enum.find(&(elem(&1, 0) == body)) |> elem(1)

  defp chunk(%{site: start} = step, [], start), do: {:cont, [step]}
  defp chunk(%{site: start} = step, steps, start), do: {:cont, Enum.reverse(steps), [step]}
  defp chunk(step, steps, _start), do: {:cont, [step | steps]}

  # A clause is tried again in each iteration of a loop: the first time is shown.
  defp verdicts(run) do
    run.steps |> Enum.flat_map(&Explain.clauses(run, &1)) |> Enum.reverse() |> Map.new() |> Enum.sort()
  end

  defp failed(%{ended: {:exit, _reason, line}}) when is_integer(line), do: line
  defp failed(%{ended: {:exception, _, _}, steps: steps}), do: List.last(steps).line
  defp failed(%{ended: :left, steps: steps}), do: List.last(steps).line
  defp failed(_run), do: nil

  # Lines on the screen

  defp column(view, gutter, style) do
    longest = view.text |> Map.values() |> Enum.map(&String.length/1) |> Enum.max(fn -> 0 end)
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
    end ++ Enum.flat_map(Map.get(view.tables, n, []), &table(&1, text, gutter, style))
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
      |> Enum.filter(&shown?/1)
      |> Enum.map(&value(&1, 48))
      |> Enum.intersperse([", "])
      |> Enum.concat()

    why = verdict(view.verdicts[n])

    times =
      if Map.get(view.visited, n, 0) > 1 and looped?(view, n),
        do: [{:dim, "×#{view.visited[n]}"}],
        else: []

    [why, values, times] |> Enum.reject(&(&1 == [])) |> Enum.intersperse(["  "]) |> Enum.concat()
  end

  # What the source says it does not use.
  defp shown?(%{name: name}), do: not String.starts_with?(Atom.to_string(name), "_")

  defp looped?(view, n), do: Enum.any?(view.run.steps, &(&1.line == n and loop(view.run, &1) != nil))

  defp verdict(:no_match), do: [{:old, "✗ no match"}]
  defp verdict(:guard), do: [{:old, "✗ guard failed"}]
  defp verdict(:taken), do: [{:ok, "✓"}]
  defp verdict(_), do: []

  defp value(binding, width),
    do: [{:name, label(binding)}, {:dim, " = "}, {:new, Term.text(binding.value, width)}]

  # A name that is bound again is told from the one before.
  defp label(%{name: name, nth: 1}), do: to_string(name)
  defp label(%{name: name, nth: n}), do: "#{name}##{n}"

  defp below(beside, text, gutter, style) do
    indent = gutter + 5 + indent(text)
    [first | rest] = Style.wrap(beside, max(style.width - indent - 2, 20), 4)
    pad = String.duplicate(" ", indent)
    [[pad, {:dim, "↳ "} | first] | Enum.map(rest, &[pad, "  " | &1])]
  end

  # Iterations

  defp table(%{names: names, rows: rows}, text, gutter, style) do
    pad = String.duplicate(" ", gutter + 5 + indent(text))
    shown = shown(rows)
    cells = for {_, row} <- shown, row != :more, do: Map.new(row, &{label(&1), Term.text(&1.value, 24)})

    widths =
      for name <- names,
          do:
            {name,
             cells
             |> Enum.map(&Style.width(Map.get(&1, name, "")))
             |> Enum.max(fn -> 0 end)
             |> max(Style.width(name))}

    digits = rows |> length() |> Integer.to_string() |> String.length()

    head = [
      pad,
      {:dim, "↻ "},
      String.duplicate(" ", digits)
      | for({name, width} <- widths, do: {:name, "  " <> String.pad_trailing(name, width)})
    ]

    body =
      for {n, row} <- shown do
        if row == :more,
          do: [pad, "  ", {:warn, "… #{Style.count(n, "more iteration")}"}],
          else: [pad, "  ", {:dim, String.pad_leading("#{n}", digits)} | cells(row, widths)]
      end

    Enum.map([head | body], &Style.fit(&1, style.width))
  end

  defp cells(row, widths) do
    values = Map.new(row, &{label(&1), Term.text(&1.value, 24)})
    for {name, width} <- widths, do: {:new, "  " <> String.pad_trailing(Map.get(values, name, ""), width)}
  end

  defp shown(rows) do
    numbered = Enum.with_index(rows, 1) |> Enum.map(fn {row, n} -> {n, row} end)
    hidden = length(rows) - @first - @last

    if hidden > 1,
      do: Enum.take(numbered, @first) ++ [{hidden, :more}] ++ Enum.take(numbered, -@last),
      else: numbered
  end
end
