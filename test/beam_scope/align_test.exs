defmodule BeamScope.AlignTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Align, Diff, Redacted, Truncated}

  doctest BeamScope.Align

  defp kinds(expected, actual, opts \\ []),
    do: for(entry <- Align.align(expected, actual, opts), do: entry.kind)

  describe "align/3" do
    test "takes any enumerable" do
      assert kinds(1..3, Stream.map([1, 3], & &1)) == [:matched, :missing, :matched]
      assert kinds([], []) == []
      assert Align.equal?(Align.align([], MapSet.new()))
    end

    test "gives back the entries themselves, with their places" do
      ref = make_ref()
      fun = fn -> :ok end
      assert [one, two, three] = Align.align([ref, {:a, 1}], [ref, {:a, 2}, fun]).entries
      assert {one.expected, one.actual, one.expected_at, one.actual_at} == {ref, ref, 0, 0}
      assert {two.kind, two.expected, two.actual} == {:different, {:a, 1}, {:a, 2}}
      assert {three.kind, three.actual, three.actual_at, three.expected_at} == {:unexpected, fun, 2, nil}
    end

    test "a pair that differs has the difference" do
      expected = [%{state: %{count: 1, name: "a"}}, :between, :others]
      actual = [%{state: %{count: 3, name: "a"}}, :between, :others]
      assert [different | _] = Align.align(expected, actual).entries
      assert Diff.changes(different.diff) == [{[:state, :count], {:changed, 1, 3}}]
    end

    test "one too many at the front is one too many, not many that differ" do
      replies = for n <- 1..30, do: {:ok, n}
      assert [:unexpected | rest] = kinds(replies, [{:ok, 0} | replies])
      assert Enum.uniq(rest) == [:matched]
    end

    test "what moved is out of order" do
      align = Align.align([:a, :b, :c, :d], [:a, :d, :b, :c])
      assert %{kind: :out_of_order, expected_at: 3, actual_at: 1} = Align.first(align)
      assert align.counts == %{matched: 3, out_of_order: 1, different: 0, missing: 0, unexpected: 0}
    end

    test "groups keep entries apart, `by:` says what is compared" do
      assert kinds([{:x, 1}], [{:y, 1}], by: &elem(&1, 1)) == [:matched]
      assert kinds([{:x, 1}], [{:y, 1}], by: &elem(&1, 1), group: &elem(&1, 0)) == [:missing, :unexpected]
      assert kinds([{:x, 1}], [{:x, 2}], group: &elem(&1, 0)) == [:different]
    end

    test "what was truncated or redacted does not match for sure" do
      for hidden <- [%Truncated{kind: :list, size: 9}, %Redacted{kind: :binary, size: 3}] do
        align = Align.align([:a, {:state, hidden}], [:a, {:state, hidden}])
        refute Align.equal?(align)
        assert %{kind: :different, diff: diff} = Align.first(align)
        assert [{[1], {:unknown, _}}] = Diff.changes(diff)
        assert Align.sentence(align) =~ "is not known"
      end
    end

    test "large terms are compared whole" do
      large = Map.new(1..20_000, &{&1, &1})
      assert [%{kind: :different} = one] = Align.align([large], [%{large | 77 => :x}]).entries
      assert Diff.changes(one.diff) == [{[77], {:changed, 77, :x}}]
    end

    test "without time it is coarse, and says so" do
      numbers = Enum.to_list(1..2_000)
      align = Align.align(numbers, Enum.shuffle(numbers), deadline: 0)
      refute align.exact?
      assert length(align.entries) == 2_000
    end

    test "wrong options are refused" do
      assert_raise ArgumentError, fn -> Align.align([], [], grup: & &1) end

      assert_raise BeamScope.Error, ~r/:deadline must be milliseconds/, fn ->
        Align.align([], [], deadline: -1)
      end
    end
  end

  test "an alignment is enumerable" do
    align = Align.align([1, 2], [1])
    assert Enum.count(align) == 2
    assert Enum.member?(align, Align.first(align))
    assert Enum.at(align, 0).kind == :matched
  end
end
