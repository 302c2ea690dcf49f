defmodule BeamScope.Terminal.TermTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Terminal.Term

  alias BeamScope.Terminal.{Style, Term}

  alias BeamScope.Samples.{Fussy, Secretive}

  test "reads like inspect for terms that are small" do
    for term <- [
          nil,
          :a,
          :"a b",
          1,
          1.5,
          "text",
          {1, 2},
          [],
          {},
          [1, 2],
          [a: 1, b: 2],
          %{a: 1},
          %{"a" => 1},
          [1 | 2],
          %{},
          1..3,
          <<1, 2>>
        ] do
      assert Term.text(term, 80) == inspect(term)
    end
  end

  test "maps with other keys than atoms are valid Elixir" do
    assert Term.text(%{:a => 1, String => 2}, 80) == "%{String => 2, :a => 1}"
  end

  test "structs show their name, and custom Inspect implementations are respected" do
    assert Term.text(%URI{host: "x"}, 80) =~ "%URI{"
    refute Term.text(%Secretive{}, 200) =~ "hunter2"
    refute Term.text([%{user: %Secretive{}}], 200) =~ "hunter2"
  end

  test "an Inspect implementation that raises on a truncated field hurts nobody" do
    assert Term.text(%Fussy{list: %BeamScope.Truncated{kind: :list, size: 10}}, 80) =~
             "#BeamScope.Samples.Fussy<"
  end

  test "what is not whole never looks whole" do
    assert Term.text(%BeamScope.Truncated{kind: :list, size: 12_000, known: [1]}, 80) ==
             "#truncated<list of 12,000: [1]>"

    assert Term.text(%BeamScope.Truncated{kind: :map, size: 0}, 80) == "#truncated<map>"
    assert Term.text(%{a: %BeamScope.Redacted{kind: :binary, size: 3}}, 80) == "%{a: #redacted<binary, 3>}"
    assert Term.text(%BeamScope.Unknown{reason: :gap}, 80) == "#unknown<gap>"
  end

  test "long binaries, lists, maps and sets are elided with their counts" do
    assert Term.text(String.duplicate("é", 500), 200) =~ "… (1,000 bytes)"
    assert Term.text(Enum.to_list(1..50), 200) =~ "… 38 more]"
    assert Term.text(Map.new(1..50, &{&1, &1}), 200) =~ "… 38 more}"
    assert Term.text(MapSet.new(1..50), 200) =~ "… 38 more])"
    assert Term.text(List.to_tuple(Enum.to_list(1..50)), 200) =~ "… 38 more}"
  end

  test "lists of a few small numbers are numbers, longer text is text" do
    assert Term.text([65, 66], 80) == "[65, 66]"
    assert Term.text(~c"hello", 80) == ~s(~c"hello")
  end

  test "never takes more columns than asked for, nor much time" do
    wide = Enum.reduce(1..30, 1, fn _, acc -> List.duplicate(acc, 12) end)
    deep = Enum.reduce(1..100_000, 1, fn _, acc -> [acc] end)

    for term <- [wide, deep, Map.new(1..10_000, &{&1, wide}), "日本語", 2 ** 50_000], width <- [1, 7, 80] do
      {micros, text} = :timer.tc(fn -> Term.text(term, width) end)
      assert Style.width(text) <= width
      assert micros < 500_000
    end
  end
end
