defmodule BeamScope.PatternTest.Macros do
  defmacro pattern(expr), do: BeamScope.Pattern.compile(expr, __CALLER__)
end

defmodule BeamScope.PatternTest do
  use ExUnit.Case, async: true

  import Bitwise, only: [&&&: 2]
  import ExUnit.CaptureIO

  alias BeamScope.Pattern

  doctest BeamScope.Pattern

  defmacrop pattern(expr), do: Pattern.compile(expr, __CALLER__)
  defmacrop data(expr), do: quote(do: unquote(Pattern.compile(expr, __CALLER__)).data)

  defmodule Point do
    defstruct [:x, y: 0]
  end

  @limit 3
  @subset %{a: 1}
  @in_body Pattern.from_term(@subset)

  defguard is_even(n) when is_integer(n) and rem(n, 2) == 0

  # A macro with a variable of its own, which is not the user's variable of that name.
  defmacro boxed(inner), do: quote(do: {x, unquote(inner), x})

  describe "heads" do
    test "literals, variables and wildcards" do
      assert data({:ok, 1, -2, 1.5, "text", ~c"ab", []}) ==
               {:pattern,
                {:tuple,
                 [
                   lit: :ok,
                   lit: 1,
                   lit: -2,
                   lit: 1.5,
                   lit: "text",
                   list: [lit: ?a, lit: ?b],
                   lit: []
                 ]}, nil}

      assert data({x, x, _, _y}) == {:pattern, {:tuple, [{:var, :x}, {:var, :x}, :any, {:var, :_y}]}, nil}
      assert pattern({b, a, _, _y, b}).vars == [:b, :a]
    end

    test "pins are taken when the pattern is made" do
      ref = make_ref()
      opts = %{limit: 5}
      assert data({^ref, ^opts.limit}) == {:pattern, {:tuple, [lit: ref, lit: 5]}, nil}
    end

    test "lists with tails" do
      assert data([1, a | rest]) == {:pattern, {:cons, [{:lit, 1}, {:var, :a}], {:var, :rest}}, nil}
      assert data([:a, :b] ++ rest) == {:pattern, {:cons, [lit: :a, lit: :b], {:var, :rest}}, nil}
      assert data([] ++ rest) == {:pattern, {:var, :rest}, nil}
    end

    test "maps and structs by subset, with expanded aliases" do
      key = "k"

      assert data(%{^key => v, {:a, 1} => 2, "b" => _}) ==
               {:pattern, {:map, [{"k", {:var, :v}}, {{:a, 1}, {:lit, 2}}, {"b", :any}]}, nil}

      assert data(%Point{x: 1}) == {:pattern, {:map, __struct__: {:lit, Point}, x: {:lit, 1}}, nil}
      assert data(%_{}) == {:pattern, {:map, __struct__: :atom}, nil}
      assert data(%name{}) == {:pattern, {:map, __struct__: {:as, {:var, :name}, :atom}}, nil}
    end

    test "attributes, sigils, aliases and macros" do
      assert data(@limit) == {:pattern, {:lit, 3}, nil}
      assert data(@subset) == {:pattern, {:map, a: {:lit, 1}}, nil}
      assert data(~w(a b)a) == {:pattern, {:list, [lit: :a, lit: :b]}, nil}
      assert data(Point) == {:pattern, {:lit, Point}, nil}
      assert {:pattern, {:map, [{:__struct__, {:lit, Date}} | _]}, nil} = data(~D[2020-01-01])
      assert @in_body.data == {:pattern, {:map, a: {:lit, 1}}, nil}
    end

    test "a macro's variable is not the user's" do
      assert {:pattern, {:tuple, [{:var, first}, {:var, :x}, {:var, first}]}, nil} =
               data(boxed(x)) |> rename()

      assert first != :x
    end

    # The user's `x` may be met second; what counts is that the two differ.
    defp rename({:pattern, {:tuple, [{:var, :x}, {:var, other}, {:var, :x}]}, nil}) do
      {:pattern, {:tuple, [{:var, other}, {:var, :x}, {:var, other}]}, nil}
    end

    defp rename(data), do: data
  end

  describe "binaries" do
    test "types, sizes, units, signs and endianness" do
      assert data(<<n::8, s::binary-size(n), f::float-little, i::signed-(4 * 8), _::bits>>) ==
               {:pattern,
                {:bin,
                 [
                   {:seg, {:var, :n}, :integer, {:lit, 8}, 1, :unsigned, :big},
                   {:seg, {:var, :s}, :binary, {:var, :n}, 8, :unsigned, :big},
                   {:seg, {:var, :f}, :float, {:lit, 64}, 1, :unsigned, :little},
                   {:seg, {:var, :i}, :integer, {:lit, 4}, 8, :signed, :big},
                   {:seg, :any, :binary, nil, 1, :unsigned, :big}
                 ]}, nil}
    end

    test "prefixes and nested binaries become one" do
      expected =
        {:pattern,
         {:bin,
          [
            {:seg, {:lit, "id:"}, :binary, {:lit, 3}, 8, :unsigned, :big},
            {:seg, {:var, :c}, :utf8, nil, 1, :unsigned, :big},
            {:seg, {:var, :rest}, :binary, nil, 8, :unsigned, :big}
          ]}, nil}

      assert data("id:" <> <<c::utf8, rest::binary>>) == expected
      assert data(<<"id:", c::utf8, rest::binary>>) == expected
    end

    test "sizes from around the pattern" do
      size = 3

      assert data(<<a::size(size)>>) ==
               {:pattern, {:bin, [{:seg, {:var, :a}, :integer, {:lit, 3}, 1, :unsigned, :big}]}, nil}
    end
  end

  describe "guards" do
    test "keep Elixir's meaning under Erlang's names" do
      max = 10
      assert guard(data(x when x <= max)) == {:op, :"=<", [var: :x, lit: 10]}
      assert guard(data(x when x !== 1)) == {:op, :"=/=", [var: :x, lit: 1]}

      assert guard(data(x when elem(x, 0) == :a)) ==
               {:op, :==, [{:op, :element, [lit: 1, var: :x]}, {:lit, :a}]}

      assert guard(data(x when is_map_key(x, :k))) == {:op, :is_map_key, [lit: :k, var: :x]}
      assert guard(data(x when x.a == 1)) == {:op, :==, [{:op, :map_get, [lit: :a, var: :x]}, {:lit, 1}]}
      assert guard(data(x when (x &&& 3) == 0)) == {:op, :==, [{:op, :band, [var: :x, lit: 3]}, {:lit, 0}]}
      assert guard(data(x when x == self())) == {:op, :==, [var: :x, lit: self()]}
    end

    test "macros, guards of one's own and several whens" do
      assert guard(data(x when is_even(x))) ==
               {:op, :andalso,
                [{:op, :is_integer, [var: :x]}, {:op, :==, [{:op, :rem, [var: :x, lit: 2]}, {:lit, 0}]}]}

      assert guard(data(x when is_nil(x) when is_atom(x))) ==
               {:op, :when, [{:op, :==, [var: :x, lit: nil]}, {:op, :is_atom, [var: :x]}]}
    end

    test "membership in lists and ranges, written out or not" do
      list = [1, :b]
      range = 1..3
      in_range = guard(data(x when x in 1..3))
      assert guard(data(x when x in [1, :b])) == {:op, :in, [var: :x, lit: 1, lit: :b]}
      assert guard(data(x when x in list)) == {:op, :in, [var: :x, lit: 1, lit: :b]}
      assert guard(data(x when x in range)) == in_range
      assert guard(data(x when x not in 1..3)) == {:op, :not, [in_range]}
    end

    defp guard({:pattern, _, guard}), do: guard
  end

  describe "what cannot be data" do
    for {code, message} <- [
          {"foo(x)", "foo(x) cannot stand in a pattern: allowed are"},
          {"%{a | b: 1}", "a map update cannot stand in a pattern"},
          {"x when y > 1", ~s(undefined variable "y" in the guard)},
          {"x when String.length(x) > 1", "cannot stand in the guard of a pattern: allowed are"},
          {"%URI{nope: 1}", "unknown key :nope for struct URI"},
          {"%{x => 1}", "the keys of a map pattern must be literals or pinned, x is neither"},
          {"<<a::binary, b>>", "only allowed at the end"},
          {"x when {x, 1} == 1", "cannot build a term from the variable x"},
          {"fn -> 1 end", "cannot stand in a pattern"},
          {"%NoSuch{}", "NoSuch"}
        ] do
      test "#{code} is refused at its line" do
        code = "require BeamScope.PatternTest.Macros, as: M\n\nM.pattern(#{unquote(code)})"
        error = catch_compile_error(code)
        assert Exception.message(error) =~ unquote(message)
        assert error.line == 3
      end
    end

    defp catch_compile_error(code) do
      capture_io(:stderr, fn -> send(self(), assert_raise(CompileError, fn -> Code.eval_string(code) end)) end)

      assert_received %CompileError{} = error
      error
    end
  end

  describe "from_term/1" do
    test "maps by subset, :_ for anything, the rest exactly" do
      assert {:pattern, {:map, pairs}, nil} = Pattern.from_term(%{a: %{b: [1, :_]}, c: {1, 2}}).data
      assert Enum.sort(pairs) == [a: {:map, b: {:list, [{:lit, 1}, :any]}}, c: {:lit, {1, 2}}]

      assert Pattern.from_term([:_ | :tail]).data == {:pattern, {:cons, [:any], {:lit, :tail}}, nil}
      set = MapSet.new([1])
      assert Pattern.from_term(set).data == {:pattern, {:lit, set}, nil}
    end

    test "a pattern stays a pattern, a fun is refused" do
      pattern = pattern({:a, _})
      assert Pattern.from_term(pattern) == pattern
      assert_raise ArgumentError, ~r/a fun cannot be matched/, fn -> Pattern.from_term({:cb, fn -> 1 end}) end
    end
  end

  test "a pattern prints as it was written" do
    assert inspect(pattern(%{count: n} when n > 2)) == "BeamScope.pattern(%{count: n} when n > 2)"
    assert inspect(Pattern.from_term({:a, :_})) == "BeamScope.pattern({:a, :_})"
  end
end
