defmodule BeamScope.Terminal.TableTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Terminal.Table

  test "no rows, no lines" do
    assert BeamScope.Terminal.Table.lines([]) == []
  end

  test "columns are cut at their most" do
    assert [line] = BeamScope.Terminal.Table.lines([[["abcdef"], ["x"]]], max: [3])
    assert Enum.join(line) == "ab…  x"
  end
end
