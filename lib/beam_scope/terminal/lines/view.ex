defmodule BeamScope.Terminal.Lines.View do
  @moduledoc """
  What is to be seen of a run: which lines of its source, and what goes with each.
  """

  alias BeamScope.Lines.{Explain, Run}
  alias BeamScope.Terminal.Lines.{Binding, Loops}
  alias BeamScope.Terminal.Style

  @type t :: map

  @doc "All that is shown of a run, by line."
  @spec of(Run.t()) :: t
  def of(run) do
    loops = Loops.of(run)
    folded = MapSet.new(loops, & &1.body)

    {first, last} = span(run)

    verdicts = verdicts(run)
    visited = run.steps |> Enum.map(& &1.line) |> Enum.frequencies()
    heads = for {line, _} <- verdicts, line < first, do: line

    text = texts(run.table, first, last, heads)

    %{
      run: run,
      last: last,
      shown: shown(run.table, text, heads, first, last),
      text: text,
      visited: visited,
      possible: possible(run),
      values: values(run, folded),
      loops: Enum.group_by(loops, & &1.line),
      looped: for(step <- run.steps, Loops.body(run, step) in folded, into: MapSet.new(), do: step.line),
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
    indent = lines |> Enum.at(first - 1, "") |> Style.indent()

    lines
    |> Enum.drop(last)
    |> Enum.take(40)
    |> Enum.with_index(last + 1)
    |> Enum.find_value(last, fn {text, n} ->
      cond do
        Style.indent(text) == indent and String.trim(text) == "end" -> n
        String.trim(text) != "" and Style.indent(text) <= indent -> n - 1
        true -> nil
      end
    end)
    |> then(&trim(lines, last, &1))
  end

  defp trim(lines, last, n) when n > last do
    if lines |> Enum.at(n - 1, "") |> String.trim() == "", do: trim(lines, last, n - 1), else: n
  end

  defp trim(_lines, last, _n), do: last

  # Without the source there is nothing between what can run.
  defp shown(%{source: nil}, text, heads, _first, _last), do: Enum.sort(Enum.uniq(heads ++ Map.keys(text)))

  defp shown(_table, _text, heads, first, last),
    do: Enum.sort(Enum.uniq(heads)) ++ Enum.to_list(first..last//1)

  defp texts(%{source: nil, texts: texts}, first, last, heads),
    do: Map.filter(texts, fn {n, _} -> n in first..last//1 or n in heads end)

  defp texts(%{source: source}, first, last, heads) do
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
  defp values(run, folded) do
    for step <- run.steps,
        Loops.body(run, step) not in folded,
        binding <- step.bindings,
        Binding.shown?(binding),
        reduce: %{} do
      lines -> Map.update(lines, max(binding.line, 0), [binding], &(&1 ++ [binding]))
    end
  end

  # A clause is tried again in each iteration of a loop: the first time is shown.
  defp verdicts(run) do
    run.steps |> Enum.flat_map(&Explain.clauses(run, &1)) |> Enum.reverse() |> Map.new() |> Enum.sort()
  end

  defp failed(%{ended: {:exit, _reason, line}}) when is_integer(line), do: line
  defp failed(%{ended: {:exception, _, _}, steps: steps}), do: List.last(steps).line
  defp failed(%{ended: :left, steps: steps}), do: List.last(steps).line
  defp failed(_run), do: nil
end
