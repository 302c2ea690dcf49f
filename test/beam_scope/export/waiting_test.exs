defmodule BeamScope.Export.WaitingTest do
  use ExUnit.Case, async: true

  alias BeamScope.Export.Waiting

  test "what is overdue goes, what is not stays" do
    waiting =
      Enum.reduce(
        1..50_000,
        Waiting.put(%Waiting{}, :end, :for_ever, :infinity, 0),
        &Waiting.put(&2, &1, &1, &1 + 10, &1)
      )

    assert map_size(waiting.kept) < 6_000
    assert Waiting.get(waiting, :end) == :for_ever
    for n <- 49_990..50_000, do: assert({^n, _} = Waiting.pop(waiting, n))
    assert {nil, _} = Waiting.pop(waiting, 1)
  end

  test "what is on its way stays, however much it is" do
    waiting = Enum.reduce(1..50_000, %Waiting{}, &Waiting.put(&2, &1, &1, 60_000, &1))
    assert map_size(waiting.kept) == 50_000
    assert {1, waiting} = Waiting.pop(waiting, 1)
    assert {nil, _} = Waiting.pop(waiting, 1)
  end
end
