defmodule BeamScope.Tui.Outline do
  @moduledoc """
  A term as rows of which the parts can be unfolded: maps by key, tuples and lists by place, structs by field.

  Nothing is walked but what is unfolded, and of that the first 100 parts until more are asked for. A path names keys, not
  rows, so what was unfolded stays so from one state to the next.
  """

  alias BeamScope.{Opaque, Redacted, Truncated, Unknown}
  alias BeamScope.Terminal.{Style, Term}

  @page 100

  @type path :: [term]
  @type row :: %{
          path: path,
          depth: non_neg_integer,
          label: String.t(),
          term: term,
          fold: :leaf | :open | :closed | :more
        }

  @doc """
  The rows. `unfolded` tells for paths how many pages of their parts are shown.

      iex> rows = BeamScope.Tui.Outline.rows(%{a: {1, 2}}, %{[] => 1})
      iex> for row <- rows, do: {row.depth, row.label, row.fold}
      [{0, "", :open}, {1, "a: ", :closed}]
  """
  @spec rows(term, %{path => pos_integer}) :: [row]
  def rows(term, unfolded), do: [] |> add([], 0, "", term, unfolded) |> Enum.reverse()

  defp add(rows, path, depth, label, term, unfolded) do
    pages = Map.get(unfolded, path, 0)
    row = %{path: path, depth: depth, label: label, term: term, fold: fold(term, pages)}
    if row.fold == :open, do: parts([row | rows], row, pages, unfolded), else: [row | rows]
  end

  defp fold(term, pages) do
    cond do
      not foldable?(term) -> :leaf
      pages > 0 -> :open
      true -> :closed
    end
  end

  defp parts(rows, %{path: path, depth: depth, term: term}, pages, unfolded) do
    {parts, more} = first(term, pages * @page)

    rows =
      Enum.reduce(parts, rows, fn {key, label, part}, rows ->
        add(rows, path ++ [key], depth + 1, label, part, unfolded)
      end)

    if more, do: [%{path: path, depth: depth + 1, label: "", term: nil, fold: :more} | rows], else: rows
  end

  # What prints itself may hide something: it stays whole.
  defp foldable?(%module{}) when module in [Opaque, Redacted, Unknown], do: false
  defp foldable?(%Truncated{known: known}), do: known not in [nil, [], "", %{}] and foldable?(known)
  defp foldable?(%MapSet{map: map}) when is_map(map), do: map_size(map) > 0
  defp foldable?(%_{} = struct), do: Inspect.impl_for(struct) == Inspect.Any
  defp foldable?(map) when is_map(map), do: map_size(map) > 0
  defp foldable?(tuple) when is_tuple(tuple), do: tuple_size(tuple) > 0
  defp foldable?([_ | _]), do: true
  defp foldable?(_), do: false

  defp first(%Truncated{known: known}, limit), do: first(known, limit)

  defp first(%MapSet{map: map}, limit),
    do: map |> pairs(limit) |> cut(limit, fn {{member, _}, _n} -> {member, "", member} end)

  defp first(%_{} = struct, limit), do: struct |> Map.from_struct() |> first(limit)

  defp first(map, limit) when is_map(map),
    do: map |> pairs(limit) |> cut(limit, fn {{key, value}, _n} -> {key, key(key), value} end)

  defp first(tuple, limit) when is_tuple(tuple) do
    shown = for n <- 0..(min(tuple_size(tuple), limit + 1) - 1), do: elem(tuple, n)
    cut(shown, limit, fn {part, n} -> {n, "#{n}: ", part} end)
  end

  defp first(list, limit), do: list |> proper(limit + 1) |> cut(limit, &element/1)

  # Small maps in order; of large ones only the first pairs are read.
  defp pairs(map, _limit) when map_size(map) <= @page, do: map |> Map.to_list() |> Enum.sort()
  defp pairs(map, limit), do: map |> :maps.iterator() |> :maps.next() |> next_pairs(limit + 1)

  defp next_pairs({key, value, next}, left) when left > 0,
    do: [{key, value} | next_pairs(:maps.next(next), left - 1)]

  defp next_pairs(_end, _left), do: []

  # The tail of an improper list is its last part.
  defp proper([first | rest], left) when left > 0, do: [first | proper(rest, left - 1)]
  defp proper(end_or_more, left) when end_or_more == [] or left == 0, do: []
  defp proper(tail, _left), do: [tail]

  defp cut(parts, limit, fun) do
    {shown, rest} = Enum.split(parts, limit)
    {shown |> Enum.with_index() |> Enum.map(fun), rest != []}
  end

  defp element({{key, value}, n}) when is_atom(key), do: {n, key(key), value}
  defp element({part, n}), do: {n, "#{n}: ", part}

  defp key(key) when is_atom(key) do
    case inspect(key) do
      ":" <> name -> name <> ": "
      name -> name <> " => "
    end
  end

  defp key(key), do: Term.text(key, 40) <> " => "

  @doc "What a key on the row does: folds, unfolds, or shows the next parts."
  @spec toggle(%{path => pos_integer}, row) :: %{path => pos_integer}
  def toggle(unfolded, %{fold: :closed, path: path}), do: Map.put(unfolded, path, 1)
  def toggle(unfolded, %{fold: :open, path: path}), do: Map.delete(unfolded, path)
  def toggle(unfolded, %{fold: :more, path: path}), do: Map.update(unfolded, path, 1, &(&1 + 1))
  def toggle(unfolded, _leaf), do: unfolded

  @doc "A row as a line of at most `width` columns."
  @spec line(row, pos_integer) :: Style.line()
  def line(%{fold: :more, depth: depth}, _width), do: [indent(depth), {:dim, "… more (Enter)"}]

  def line(%{depth: depth, label: label, term: term, fold: fold}, width) do
    before = [indent(depth), {:dim, mark(fold)}, {:name, label}]
    before ++ [Term.text(term, max(width - Style.width(before), 10))]
  end

  # Deep down the indentation would leave no room.
  defp indent(depth), do: String.duplicate("  ", min(depth, 12))

  defp mark(:closed), do: "▸ "
  defp mark(:open), do: "▾ "
  defp mark(:leaf), do: "  "
end
