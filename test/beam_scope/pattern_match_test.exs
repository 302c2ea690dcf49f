defmodule BeamScope.PatternMatchTest do
  @moduledoc "The core's evaluation against the VM's own: each pattern below is asked of each term both ways."
  use ExUnit.Case, async: true

  import Bitwise
  require BeamScope

  alias BeamScope.{Pattern, Redacted, Truncated}

  defmacrop both(pattern) do
    {head, guard} =
      case pattern do
        {:when, _, [head, guard]} -> {head, guard}
        head -> {head, true}
      end

    vars = head |> vars() |> Enum.uniq()
    result = Enum.map(vars, fn {name, _, _} = var -> {name, var} end)

    quote generated: true do
      {BeamScope.pattern(unquote(pattern)),
       fn
         unquote(head) when unquote(guard) -> {:match, Map.new(unquote(result))}
         _ -> :nomatch
       end}
    end
  end

  # Variables of a head: not pinned, not underscored, not the modifiers of a binary.
  defp vars({:^, _, _}), do: []
  defp vars({:"::", _, [value, _]}), do: vars(value)

  defp vars({name, _, context} = var) when is_atom(name) and is_atom(context) do
    if match?("_" <> _, Atom.to_string(name)), do: [], else: [var]
  end

  defp vars({_, _, args}) when is_list(args), do: vars(args)
  defp vars({left, right}), do: vars(left) ++ vars(right)
  defp vars(list) when is_list(list), do: Enum.flat_map(list, &vars/1)
  defp vars(_), do: []

  # -0.0 is left out: patterns mean what they mean on OTP 27 and later.
  defp terms do
    big = 1 <<< 70

    [
      1,
      1.0,
      0,
      -1,
      2,
      3.7,
      -2.5,
      big,
      -big,
      big + 0.0,
      :a,
      :b,
      true,
      false,
      nil,
      "",
      "a",
      "ab",
      "abc",
      "id:7",
      "é",
      <<1::3>>
    ] ++
      [<<5, "hello", 1, 2>>, <<255, 254>>, <<1.5::float>>, <<0xD800::16>>, "日本", <<0x7FF0000000000000::64>>] ++
      [
        [],
        [1],
        [1, 2],
        [1, 1],
        [1, 2, 3],
        [1 | 2],
        [1, 2 | :t],
        ~c"abc",
        [a: 1],
        {},
        {1},
        {1, 1},
        {1, 1.0},
        {:ok, 1}
      ] ++
      [
        {:ok, %{a: 1}},
        {1, 2, 3},
        {big, -1},
        %{},
        %{a: 1},
        %{a: 2, b: 1},
        %{a: %{b: 1}},
        %{1 => :a, 1.0 => :b}
      ] ++
      [%{"k" => [1]}, ~D[2020-01-01], %ArgumentError{message: "m"}, MapSet.new([1]), 1..3, self(), make_ref()] ++
      [&String.length/1, &Enum.map/2, {[1], %{}}, [{1, "a"}, {2, "b"}], [[1, [2]], 3], %{a: nil}, {:a, :b}]
  end

  defp patterns do
    one = 1
    big = 1 <<< 70
    list = [1, :a, "ab"]

    [
      both(x),
      both(1),
      both(1.0),
      both(^one),
      both(^big),
      both({x, x}),
      both({x, y}),
      both({x, y} when x == y),
      both({x, y} when x === y),
      both({x, y} when x < y),
      both([h | t]),
      both([_, b | t]),
      both([1, 2]),
      both([]),
      both(a: x),
      both(%{}),
      both(%{a: x}),
      both(%{a: %{b: x}}),
      both(%{1 => x}),
      both(%{a: x} = y),
      both(%_{}),
      both(%name{}),
      both(%Date{year: x}),
      both("id:" <> rest),
      both("a" <> _),
      both(<<x::8>>),
      both(<<x::3>>),
      both(<<x::signed-8, y::bits>>),
      both(<<x::little-16, rest::binary>>),
      both(<<x::little-signed-13, rest::bitstring>>),
      both(<<n::8, s::binary-size(n), rest::binary>>),
      both(<<x::utf8, rest::binary>>),
      both(<<x::utf16, _::bits>>),
      both(<<x::float>>),
      both(<<_::binary>>),
      both(<<x::4*2, y::binary>>),
      both(x when x > 1),
      both(x when x >= 1.0),
      both(x when x < :b),
      both(x when x != 1),
      both(x when x !== 1),
      both(x when x in [1, :a, "ab"]),
      both(x when x in 1..3),
      both(x when is_integer(x) and x + 1 == 2),
      both(x when x + 1 > 0 or is_atom(x)),
      both(x when is_atom(x) or x + 1 > 0),
      both(x when not is_number(x)),
      both(x when not (x > 1)),
      both(x when is_nil(x)),
      both(x when is_boolean(x)),
      both(x when is_binary(x)),
      both(x when is_bitstring(x)),
      both(x when is_list(x) and length(x) == 2),
      both(x when length(x) >= 1),
      both(x when hd(x) == 1),
      both(x when tl(x) == []),
      both(x when elem(x, 0) == 1),
      both(x when tuple_size(x) == 2),
      both(x when map_size(x) > 0),
      both(x when is_map_key(x, :a)),
      both(x when x.a == 1),
      both(x when x.a.b == 1),
      both(x when is_struct(x)),
      both(x when is_struct(x, Date)),
      both(x when is_exception(x)),
      both(x when is_function(x)),
      both(x when is_function(x, 1)),
      both(x when is_pid(x) or is_reference(x)),
      both(x when byte_size(x) == 2),
      both(x when bit_size(x) == 3),
      both(x when abs(x) == 1),
      both(x when round(x) == 4),
      both(x when trunc(x) == -2),
      both(x when floor(x) == -3),
      both(x when ceil(x) == 4),
      both(x when div(x, 2) == 1),
      both(x when rem(x, 2) == -1),
      both(x when x / 2 == 0.5),
      both(x when x * 2 == 2),
      both(x when x - 1 == 0),
      both(x when -x == 1),
      both(x when (x &&& 1) == 1),
      both(x when (x ||| 2) == 3),
      both(x when bxor(x, 1) == 0),
      both(x when x <<< 2 == 4),
      both(x when x >>> 1 == 1),
      both(x when bnot(x) == -2),
      both(x when hd(x) in [1, ?a]),
      both({:ok, %{a: x}} when x in 0..9//1),
      both(x when binary_part(x, 0, 1) == "a")
    ]
    |> Enum.reject(&is_nil/1)
    |> Kernel.++(in_runtime(list))
  end

  defp in_runtime(list) do
    [{BeamScope.pattern(x when x in list), fn x -> if x in list, do: {:match, %{x: x}}, else: :nomatch end}]
  end

  test "every pattern answers of every term what the VM answers" do
    wrong =
      for {pattern, reference} <- patterns(),
          term <- terms(),
          Pattern.match(pattern, term) !== reference.(term) do
        {pattern, term, Pattern.match(pattern, term), reference.(term)}
      end

    assert wrong == []
  end

  test "comparisons follow the VM's order of all terms" do
    wrong =
      for a <- terms(), b <- terms(), pattern <- [BeamScope.pattern({x, y} when x < y)] do
        case Pattern.match(pattern, {a, b}) do
          {:match, _} ->
            if a < b, do: nil, else: {a, b, :match}

          :nomatch ->
            if a < b, do: {a, b, :nomatch}

          # The order of funs and the like is the VM's own.
          {:unknown, :unsupported} ->
            if Enum.all?([a, b], &(is_function(&1) or is_pid(&1) or is_reference(&1))),
              do: nil,
              else: {a, b, :unknown}
        end
      end

    assert Enum.reject(wrong, &is_nil/1) == []
  end

  test "what is hidden is unknown only where it decides" do
    cut = %Truncated{kind: :list, size: 1_000, known: [1, 2, 3]}
    state = %{password: %Redacted{kind: :binary, size: 8}, items: cut, count: 3}

    assert {:match, %{n: 3}} = Pattern.match(BeamScope.pattern(%{count: n, password: _} when n > 2), state)
    assert :nomatch = Pattern.match(BeamScope.pattern(%{count: 4, password: "secret!!"}), state)
    assert {:unknown, :redacted} = Pattern.match(BeamScope.pattern(%{password: "secret!!"}), state)
    assert :nomatch = Pattern.match(BeamScope.pattern(%{password: "longer than that"}), state)
    assert {:match, %{h: 1}} = Pattern.match(BeamScope.pattern(%{items: [h | _]}), state)
    assert {:match, _} = Pattern.match(BeamScope.pattern(%{items: l} when length(l) == 1_000), state)
    assert {:unknown, :truncated} = Pattern.match(BeamScope.pattern(%{items: [_, _, _, 4 | _]}), state)
    assert :nomatch = Pattern.match(%{items: [1, 2, 3]}, state)
  end

  test "terms match by subset" do
    assert {:match, %{}} = Pattern.match(%{a: %{b: :_}}, %{a: %{b: 1, c: 2}, d: 3})
    assert :nomatch = Pattern.match(%{a: [1]}, %{a: [1, 2]})
  end

  test "data that is no pattern is refused by name" do
    assert {:error, {:bad_pattern, _}} = BeamScope.Native.match({:pattern, {:nope, 1}, nil}, 1)
  end
end
