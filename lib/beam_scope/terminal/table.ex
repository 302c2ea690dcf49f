defmodule BeamScope.Terminal.Table do
  @moduledoc """
  Columns that line up: rows of cells, where a cell is a line of spans. The last column takes what is left.
  """

  alias BeamScope.Terminal.Style

  @gap "  "

  @doc """
  Rows as lines. `:align` lists `:left` or `:right` by column (left by default), `:max` the most that a column may take.

      iex> BeamScope.Terminal.Table.lines([[["a"], ["1"], ["x"]], [["bbb"], ["22"], ["y"]]], align: [:left, :right])
      [["a", "  ", "  ", " ", "1", "  ", "x"], ["bbb", "  ", "22", "  ", "y"]]
  """
  @spec lines([[Style.line()]], keyword) :: [Style.line()]
  def lines(rows, opts \\ []) do
    widths = widths(rows, Keyword.get(opts, :max, []))
    align = Keyword.get(opts, :align, [])
    Enum.map(rows, &row(&1, widths, align))
  end

  @doc "How wide each column but the last becomes."
  @spec widths([[Style.line()]], [pos_integer | nil]) :: [non_neg_integer]
  def widths(rows, max) do
    columns = rows |> Enum.map(&length/1) |> Enum.max(fn -> 0 end)
    for n <- 0..(columns - 2)//1, do: min(column_width(rows, n), Enum.at(max, n) || :infinity)
  end

  defp column_width(rows, n) do
    rows |> Enum.map(&(&1 |> Enum.at(n, []) |> Style.width())) |> Enum.max(fn -> 0 end)
  end

  defp row(cells, widths, align) do
    {columns, last} = Enum.split(cells, length(widths))

    columns
    |> Enum.zip(widths)
    |> Enum.with_index(fn {cell, width}, n -> cell(cell, width, Enum.at(align, n)) ++ [@gap] end)
    |> Enum.concat()
    |> Kernel.++(Enum.concat(last))
  end

  defp cell(cell, width, :right), do: cell |> Style.fit(width) |> Style.pad(width, :left)
  defp cell(cell, width, _left), do: cell |> Style.fit(width) |> Style.pad(width)
end
