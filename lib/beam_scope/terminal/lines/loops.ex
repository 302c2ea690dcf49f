defmodule BeamScope.Terminal.Lines.Loops do
  @moduledoc """
  Loops of a run, folded: funs and comprehensions whose body ran more than once become a table with a row for each time.
  """

  alias BeamScope.Lines.{Order, Run, Step}
  alias BeamScope.Terminal.Lines.Binding
  alias BeamScope.Terminal.{Style, Term}

  # Iterations from the beginning and from the end.
  @first 8
  @last 3

  @typedoc "Its body, the last line of it that ran, the names that were bound in it, and the bindings of each iteration."
  @type loop :: %{body: non_neg_integer, line: pos_integer, names: [String.t()], rows: [[map]]}

  @doc "The body of the innermost loop that a step is in, or `nil`."
  @spec body(Run.t(), Step.t()) :: non_neg_integer | nil
  def body(run, step), do: run.table.sites[step.site].path |> Order.loops(run.table.bodies) |> List.last()

  @doc "The loops of a run that went round more than once, by the last line of each."
  @spec of(Run.t()) :: [loop]
  def of(run) do
    run.steps
    |> Enum.group_by(&body(run, &1))
    |> Map.delete(nil)
    |> Enum.map(fn {body, steps} ->
      run |> iterations(body, steps) |> Map.merge(%{body: body, line: last(steps)})
    end)
    |> Enum.reject(&match?([_], &1.rows))
  end

  defp last(steps), do: steps |> Enum.map(& &1.line) |> Enum.max()

  # The first place of the body that is seen begins each iteration.
  defp iterations(run, body, steps) do
    start = Enum.min_by(steps, &index(run, &1, body)).site

    rows =
      steps
      |> Enum.chunk_while([], &chunk(&1, &2, start), &{:cont, Enum.reverse(&1), []})
      |> Enum.reject(&(&1 == []))
      |> Enum.map(fn steps -> Enum.flat_map(steps, & &1.bindings) end)

    %{
      names:
        rows |> Enum.concat() |> Enum.filter(&Binding.shown?/1) |> Enum.map(&Binding.label/1) |> Enum.uniq(),
      rows: rows
    }
  end

  defp index(run, step, body),
    do: run.table.sites[step.site].path |> Enum.find(&(elem(&1, 0) == body)) |> elem(1)

  defp chunk(%{site: start} = step, [], start), do: {:cont, [step]}
  defp chunk(%{site: start} = step, steps, start), do: {:cont, Enum.reverse(steps), [step]}
  defp chunk(step, steps, _start), do: {:cont, [step | steps]}

  @doc "A loop as a table, so many columns from the left."
  @spec table(loop, non_neg_integer, Style.t()) :: [Style.line()]
  def table(%{names: []}, _indent, _style), do: []

  def table(%{names: names, rows: rows}, indent, style) do
    pad = String.duplicate(" ", indent)
    shown = shown(rows)

    cells =
      for {_, row} <- shown, row != :more, do: Map.new(row, &{Binding.label(&1), Term.text(&1.value, 24)})

    widths = for name <- names, do: {name, width(name, cells)}
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

  defp width(name, cells),
    do: Enum.max([Style.width(name) | Enum.map(cells, &Style.width(Map.get(&1, name, "")))])

  defp cells(row, widths) do
    values = Map.new(row, &{Binding.label(&1), Term.text(&1.value, 24)})
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
