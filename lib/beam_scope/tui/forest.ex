defmodule BeamScope.Tui.Forest do
  @moduledoc """
  A tree of processes as rows of which branches can be folded.

  A row is cheap: what it looks like is worked out only for those on the screen.
  """

  alias BeamScope.Terminal.{Processes, Style, Term}
  alias BeamScope.Tree

  @type row :: %{
          track: non_neg_integer,
          process: BeamScope.Process.t(),
          restarts: non_neg_integer,
          prefix: String.t(),
          fold: :leaf | :open | {:closed, pos_integer}
        }

  @doc "The rows, without what is below the processes in `folded`."
  @spec rows(Tree.t(), MapSet.t()) :: [row]
  def rows(%Tree{roots: roots}, folded) do
    roots |> Enum.reduce([], &add(&1, "", "", folded, &2)) |> Enum.reverse()
  end

  defp add(%{process: process, children: children} = node, prefix, below, folded, rows) do
    fold = fold(process.track, children, folded)

    row = %{
      track: process.track,
      process: process,
      restarts: node.restarts,
      prefix: prefix,
      fold: fold
    }

    if fold == :open, do: children(children, below, folded, [row | rows]), else: [row | rows]
  end

  defp fold(_track, [], _folded), do: :leaf

  defp fold(track, children, folded),
    do: if(track in folded, do: {:closed, count(children)}, else: :open)

  defp count(nodes), do: Enum.reduce(nodes, 0, &(1 + count(&1.children) + &2))

  defp children([last], below, folded, rows), do: add(last, below <> "└ ", below <> "  ", folded, rows)

  defp children([child | rest], below, folded, rows),
    do: children(rest, below, folded, add(child, below <> "├ ", below <> "│ ", folded, rows))

  @doc "The place of a process among the rows, or `nil`."
  @spec index([row], non_neg_integer | nil) :: non_neg_integer | nil
  def index(rows, track), do: Enum.find_index(rows, &(&1.track == track))

  @doc "A row as a line: who, how many messages wait, which state."
  @spec line(row, non_neg_integer, {:ok, term} | term) :: Style.line()
  def line(row, waiting, state) do
    [{:dim, row.prefix <> mark(row.fold)}, {:name, Processes.label(row.process)}] ++
      folded(row.fold) ++ restarts(row.restarts) ++ mail(waiting) ++ state(state)
  end

  defp mark(:leaf), do: "  "
  defp mark(:open), do: "▾ "
  defp mark({:closed, _}), do: "▸ "

  defp folded({:closed, n}), do: [{:warn, " (#{Style.number(n)} below)"}]
  defp folded(_), do: []

  defp restarts(0), do: []
  defp restarts(n), do: [{:warn, " ↻#{n}"}]

  defp mail(0), do: []
  defp mail(n), do: [{:moment, " ✉ #{Style.number(n)}"}]

  defp state({:ok, state}), do: [{:dim, " = "}, Term.text(state, 160)]
  defp state({:error, %{reason: :unknown_state}}), do: [{:warn, " = ?"}]
  defp state(_none), do: []
end
