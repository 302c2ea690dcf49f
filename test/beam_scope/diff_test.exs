defmodule BeamScope.DiffTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Diff, Redacted, Truncated}
  alias BeamScope.Terminal.Style

  doctest BeamScope.Diff

  defmodule User do
    defstruct [:name, tags: [], age: 1]
  end

  defmodule Other do
    defstruct [:name]
  end

  defp changes(a, b), do: Diff.changes(Diff.diff(a, b))
  defp text(a, b, opts \\ []), do: a |> Diff.diff(b) |> Diff.lines(style(opts)) |> Style.render(style(opts))
  defp style(opts), do: Style.new(Keyword.merge([width: 60, ansi: false, unicode: true], opts))

  describe "changes/1" do
    test "maps and structs by key, sorted by it" do
      assert changes(%{b: 1, a: 1, c: 1}, %{b: 2, a: 1, d: 1}) ==
               [{[:b], {:changed, 1, 2}}, {[:c], {:removed, 1}}, {[:d], {:added, 1}}]

      assert changes(%User{name: "a"}, %User{name: "b"}) == [{[:name], {:changed, "a", "b"}}]
      assert [{[], {:changed, %User{}, %Other{}}}] = changes(%User{name: "a"}, %Other{name: "a"})

      assert changes(%{1 => :a}, %{1.0 => :a}) |> Enum.sort() ==
               [{[1], {:removed, :a}}, {[1.0], {:added, :a}}] |> Enum.sort()
    end

    test "keyword lists as maps of their keys" do
      assert changes([a: 1, b: 2], a: 1, b: 3, c: 4) == [{[:b], {:changed, 2, 3}}, {[:c], {:added, 4}}]
      assert changes([a: 1, b: 2], b: 2, a: 1) == [{[], :reordered}]
      assert changes([a: 1, a: 2], a: 1, a: 3) == [{[1, 1], {:changed, 2, 3}}]
    end

    test "lists by alignment, with nearly equal elements as one that changed" do
      assert changes([1, 2, 3], [0, 1, 2, 3]) == [{[0], {:added, 0}}]
      assert changes([1, 2, 3, 4], [1, 3, 4, 5]) == [{[1], {:removed, 2}}, {[3], {:added, 5}}]
      users = for n <- 1..3, do: %User{name: "user #{n}", age: n}
      changed = List.update_at(users, 1, &%{&1 | age: 40})
      assert changes(users, changed) == [{[1, :age], {:changed, 2, 40}}]
      assert changes([1 | 2], [1 | 3]) == [{[], {:changed, [1 | 2], [1 | 3]}}]
    end

    test "strings as a whole, with the parts in the print" do
      assert changes("the quick fox", "the slow fox") == [{[], {:changed, "the quick fox", "the slow fox"}}]

      assert changes(<<0, 255, 1, 2>>, <<0, 255, 1, 3>>) == [
               {[], {:changed, <<0, 255, 1, 2>>, <<0, 255, 1, 3>>}}
             ]
    end

    test "sets by member, tuples by position, to any depth" do
      assert changes(MapSet.new([1, 2]), MapSet.new([2, 3])) == [{[], {:removed, 1}}, {[], {:added, 3}}]
      assert changes({:a, 1, %{b: {1, 2}}}, {:a, 1, %{b: {1, 3}}}) == [{[2, :b, 1], {:changed, 2, 3}}]
      deep = fn value -> Enum.reduce(1..50, value, fn _, inner -> %{in: inner} end) end
      assert [{path, {:changed, 1, 2}}] = changes(deep.(1), deep.(2))
      assert path == List.duplicate(:in, 50)
    end

    test "large maps by key" do
      map = Map.new(1..100_000, &{&1, &1})
      assert changes(map, %{map | 77 => :x}) == [{[77], {:changed, 77, :x}}]
    end

    test "numbers are compared exactly" do
      assert changes(1, 1.0) == [{[], {:changed, 1, 1.0}}]
      assert [{[], {:changed, _, _}}] = changes(0.0, -0.0)
    end
  end

  describe "what was not captured" do
    test "is never the same, not even as itself" do
      for hidden <- [
            %Truncated{kind: :list, size: 9, known: [1]},
            %Truncated{kind: :map, size: 9},
            %Truncated{kind: :binary, size: 9, known: "ab"},
            %Redacted{kind: :binary, size: 9}
          ] do
        diff = Diff.diff(%{a: hidden, b: 1}, %{a: hidden, b: 1})
        refute Diff.equal?(diff)
        assert [{[:a], {:unknown, _}}] = Diff.changes(diff)
      end
    end

    test "is told beside what is known" do
      old = %Truncated{kind: :map, size: 50, known: %{a: 1, b: 2}}
      new = %Truncated{kind: :map, size: 50, known: %{a: 5, b: 2}}
      assert changes(old, new) == [{[:a], {:changed, 1, 5}}, {[], {:unknown, :truncated}}]
      assert text(old, new) =~ "more is unknown (truncated)"
    end

    test "differs for sure where its size does" do
      assert [{[], {:changed, %Truncated{size: 9}, %Truncated{size: 10}}}] =
               changes(%Truncated{kind: :list, size: 9}, %Truncated{kind: :list, size: 10})
    end
  end

  describe "printing" do
    test "shows changed keys only, and how many are not" do
      assert text(%{count: 1, name: "a", x: 1}, %{count: 2, name: "a", x: 1}) == """
             - count: 1
             + count: 2  … 2 unchanged\
             """

      assert text(%{user: %User{name: "a"}, n: 1}, %{user: %User{name: "b", tags: [:x]}, n: 1}) ==
               """
                 user: %BeamScope.DiffTest.User{}
               -   name: "a"
               +   name: "b"
               +   tags[0]: :x
                   … 2 unchanged  … 1 unchanged\
               """
               |> String.replace("  … 1 unchanged", "")
    end

    test "runs the path on where there is one change" do
      assert text(%{a: %{"b" => [1, {:x, 2}]}}, %{a: %{"b" => [1, {:x, 3}]}}) == """
             - a["b"][1].elem(1): 2
             + a["b"][1].elem(1): 3  … 1 unchanged\
             """
    end

    test "elides long lists and strings" do
      lines = text(Enum.to_list(1..10), Enum.to_list(1..1_010))
      assert lines =~ "+ … 996 more added"
      assert lines =~ "… 10 unchanged"
      long = String.duplicate("lorem ipsum ", 50)
      shown = text(long <> "old" <> long, long <> "new" <> long)
      assert shown =~ ~r/- "….*old.*…"/
      assert shown =~ ~r/\+ "….*new.*…"/
    end

    test "never exceeds the width" do
      wide = fn n ->
        %{String.duplicate("日本語", 20) => Enum.to_list(1..100), k: String.duplicate("x#{n}", 200)}
      end

      for width <- [20, 40, 80] do
        lines = text(wide.(1), %{wide.(2) | k: "y"}, width: width) |> String.split("\n")
        assert Enum.all?(lines, &(Style.width(&1) <= width))
      end
    end

    test "is coloured only where colours are on" do
      diff = Diff.diff(1, 2)
      refute inspect(diff) =~ "\e["
      coloured = inspect(diff, syntax_colors: [number: :blue])
      # NO_COLOR in the environment of the tests wins.
      if System.get_env("NO_COLOR", "") == "", do: assert(coloured =~ IO.ANSI.red() <> "- ")
    end

    test "says when there is no difference" do
      assert text(:a, :a) == "no difference"
    end

    test "control characters do not reach the terminal" do
      refute text("a\e[31m", "b\e[32m") =~ "\e"
    end
  end

  test "a diff is enumerable" do
    diff = Diff.diff(%{a: 1, b: 1}, %{a: 2, b: 2})
    assert Enum.count(diff) == 2
    assert Enum.map(diff, fn {path, _} -> path end) == [[:a], [:b]]
  end
end
