defmodule BeamScope.Tui.ForestTest do
  use ExUnit.Case, async: true

  alias BeamScope.Terminal.Style
  alias BeamScope.{Samples, Tree}
  alias BeamScope.Tui.Forest

  defp tree, do: Tree.from_native(Samples.tree(), :end)
  defp shown(rows), do: for(row <- rows, do: row |> Forest.line(0, :none) |> Enum.map_join(&Style.text/1))

  test "draws branches, which fold" do
    rows = Forest.rows(tree(), MapSet.new())

    assert shown(rows) == [
             "▾ My.Supervisor",
             "├   CounterServer ↻2",
             "└ ▾ EchoServer",
             "  └   Echo.loop/1 <0.103.0>"
           ]

    [root, _, echo | _] = rows
    assert rows |> hd() |> Map.fetch!(:fold) == :open
    assert "└ ▸ EchoServer (1 below)" in shown(Forest.rows(tree(), MapSet.new([echo.track])))
    assert shown(Forest.rows(tree(), MapSet.new([root.track]))) == ["▸ My.Supervisor (3 below)"]
    assert Forest.index(rows, echo.track) == 2
    assert Forest.index(rows, 99) == nil
  end

  test "a row says what waits and what the state is" do
    [row | _] = Forest.rows(tree(), MapSet.new())
    assert row |> Forest.line(1_200, {:ok, %{n: 1}}) |> Enum.map_join(&Style.text/1) =~ "✉ 1,200 = %{n: 1}"
    lost = {:error, %BeamScope.Error{reason: :unknown_state}}
    assert row |> Forest.line(0, lost) |> Enum.map_join(&Style.text/1) =~ " = ?"
  end
end
