defmodule BeamScope.Tui.OutlineTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Redacted, Truncated}
  alias BeamScope.Terminal.Style
  alias BeamScope.Tui.Outline

  doctest Outline

  defmodule Plain do
    defstruct [:a, :b]
  end

  defp labels(term, unfolded \\ %{[] => 1}), do: for(row <- Outline.rows(term, unfolded), do: row.label)

  test "unfolds maps, structs, keywords, tuples, lists and their tails" do
    assert labels(%{"x" => 1, 2 => 3}) == ["", "2 => ", ~s("x" => )]
    assert labels(%Plain{}) == ["", "a: ", "b: "]
    assert labels(a: 1, b: 2) == ["", "a: ", "b: "]
    assert labels({:ok, 1}) == ["", "0: ", "1: "]
    assert labels([1 | 2]) == ["", "0: ", "1: "]
    assert labels(MapSet.new([1, 2])) == ["", "", ""]
    assert labels(%{}) == [""]
  end

  test "what was unfolded stays so in another state" do
    unfolded = Outline.toggle(%{[] => 1}, %{fold: :closed, path: [:account]})
    assert labels(%{account: %{log: []}, n: 1}, unfolded) == ["", "account: ", "log: ", "n: "]
    assert labels(%{a: 1, account: %{log: []}}, unfolded) == ["", "a: ", "account: ", "log: "]
    assert labels(:other, unfolded) == [""]
    assert labels(%{account: %{log: []}}, Outline.toggle(unfolded, %{fold: :open, path: []})) == [""]
  end

  test "of many parts a hundred are there, and a hundred more each time" do
    for term <- [Enum.to_list(1..250), Map.new(1..250, &{&1, &1}), List.to_tuple(Enum.to_list(1..250))] do
      rows = Outline.rows(term, %{[] => 1})
      assert length(rows) == 102 and List.last(rows).fold == :more
      unfolded = %{[] => 1} |> Outline.toggle(List.last(rows)) |> Outline.toggle(List.last(rows))
      assert length(Outline.rows(term, unfolded)) == 251
    end
  end

  test "what hides something stays whole; of what was truncated the known part unfolds" do
    assert [%{fold: :leaf}] = Outline.rows(~D[2024-02-29], %{[] => 1})
    assert [%{fold: :leaf}] = Outline.rows(%Redacted{kind: :map, size: 0}, %{[] => 1})
    assert [%{fold: :leaf}] = Outline.rows(%Truncated{kind: :list, size: 9}, %{[] => 1})
    assert labels(%Truncated{kind: :map, size: 9, known: %{a: 1}}) == ["", "a: "]
  end

  test "a line is as wide as it may be, however deep and long" do
    deep = Enum.reduce(1..40, String.duplicate("日", 1_000), &%{&1 => &2})
    unfolded = Map.new(0..40, fn n -> {Enum.take(Enum.to_list(40..1//-1), n), 1} end)
    rows = Outline.rows(deep, unfolded)
    assert length(rows) == 41
    for row <- rows, do: assert(row |> Outline.line(50) |> Style.fit(50) |> Style.width() <= 50)
  end
end
