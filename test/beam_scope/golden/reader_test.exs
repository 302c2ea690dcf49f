defmodule BeamScope.Golden.ReaderTest do
  use ExUnit.Case, async: true

  alias BeamScope.Align.Step
  alias BeamScope.Golden.{Mark, Print, Reader, Text}

  doctest BeamScope.Golden.Mark

  defp back(steps) do
    story = %{level: :full, roles: [{Counter, Enum.map(steps, &%{&1 | role: Counter})}]}
    text = Text.render(story)
    assert Reader.parse(text, "x.golden") == {:ok, story}, text
    text
  end

  @terms [
           nil,
           true,
           :atom,
           :"odd atom",
           Counter,
           :"Elixir.Odd name",
           0,
           -1,
           123_456_789_012_345_678_901_234_567_890,
           1.5,
           -1.0e-10,
           1.0e30,
           "",
           "text \"quoted\" \#{x} \e\n",
           "日本",
           <<1, 255>>,
           <<1, 2::3>>,
           :binary.copy(<<200, 1>>, 100),
           [],
           [1, 2],
           [1 | 2],
           [1, 2 | :c],
           [a: 1, b: [c: 2]],
           [{:a, 1}, {"b", 2}],
           [{Counter, 1}],
           ~c"charlist \"x\" \#{y}",
           [?a, ?b],
           {},
           {1},
           {:a, "b"},
           {:a, 1, {2, [3]}},
           %{},
           %{a: 1, b: %{"c" => 2}},
           %{1 => :int, 1.0 => :float, {1, 2} => :tuple, nil => :nil_key, "odd key": 1},
           %URI{path: "x"},
           %{__struct__: :erlang_struct, a: 1},
           &String.length/1,
           &:lists.map/2,
           Mark.new(:pid, [Counter]),
           Mark.new(:pid, ["MyApp.Sup/:a"]),
           Mark.new(:pid, [{:via, Registry, {R, "x"}}]),
           Mark.new(:ref, [1]),
           Mark.new(:port),
           Mark.new(:fun, ["Counter"]),
           Mark.new(:time),
           Mark.new(:any),
           Mark.new(:unknown),
           Mark.new(:stacktrace),
           Mark.new(:truncated, [:list, 12]),
           Mark.new(:redacted, [:binary]),
           Mark.new(:set, [[1, 2]]),
           Mark.new(:text, ["#User<name: \"x\">"])
         ]
         |> Enum.map(&Macro.escape/1)

  test "what is written is read, on one line and on several" do
    terms = unquote(@terms)
    wide = for {term, n} <- Enum.with_index(terms), do: {String.duplicate("x", n * 3), term}

    for term <- terms ++ [terms, wide, Map.new(wide), List.to_tuple(wide)] do
      back([
        %Step{what: :start, state: {:ok, term}},
        %Step{what: :call, message: term, from: "caller", reply: {:ok, term}, state: {:ok, term}},
        %Step{what: :cast, message: term, order: :any},
        %Step{what: :info, message: {term, term}, order: :any},
        %Step{what: :state, state: {:ok, term}},
        %Step{what: :ask, message: term, to: {:global, :x}, reply: {:error, term}},
        %Step{what: :event, message: term, handler: {Counter, term}},
        %Step{what: :exit, message: term}
      ])
    end
  end

  test "random terms are read as well" do
    :rand.seed(:exsss, {1, 2, 3})
    for _ <- 1..300, do: back([%Step{what: :call, message: random(4), state: {:ok, random(5)}}])
  end

  defp random(0), do: Enum.random([1, -2, 2.5, :a, nil, "b", <<255>>, Counter, Mark.new(:ref, [1])])

  defp random(depth) do
    some = for _ <- 0..:rand.uniform(4), do: random(depth - 1)

    case :rand.uniform(6) do
      1 -> some
      2 -> List.to_tuple(some)
      3 -> Map.new(Enum.with_index(some), fn {term, n} -> {:"key#{n}", term} end)
      4 -> Map.new(some, &{&1, random(0)})
      5 -> Enum.with_index(some, fn term, n -> {:"key#{n}", term} end)
      6 -> random(0)
    end
  end

  test "lines are no longer than a page is wide, where there is a place to break them" do
    text =
      back([%Step{what: :call, message: %{list: Enum.to_list(1..200)}, state: {:ok, Enum.to_list(1..50)}}])

    assert Enum.all?(String.split(text, "\n"), &(String.length(&1) <= 98))
  end

  test "maps are in the order of their keys, on every release" do
    assert Print.flat(%{b: 1, a: 2, c: 3}) == "%{a: 2, b: 1, c: 3}"
    assert Print.flat(Map.new(1..40, &{&1, 0})) =~ ~r/^%\{1 => 0, 2 => 0, 3 => 0.* 40 => 0\}$/
  end

  test "nothing of a file is run" do
    for code <- [
          "send(self(), :run)",
          "System.halt()",
          "fn -> 1 end",
          "@x",
          "x",
          "~U[2020-01-01 00:00:00Z]",
          "1 + 1"
        ] do
      text = Text.render(%{level: :full, roles: [{C, [%Step{what: :exit, message: :here, role: C}]}]})
      text = String.replace(text, "exit :here", "exit #{code}")
      assert {:error, %BeamScope.Error{reason: :golden_damaged} = error} = Reader.parse(text, "x.golden")
      assert Exception.message(error) =~ "line 7"
    end
  end

  test "arbitrary damage is an error, never an exception" do
    :rand.seed(:exsss, {4, 5, 6})

    story = %{
      level: :full,
      roles: [{C, [%Step{what: :call, message: {:a, "b"}, state: {:ok, %{c: [1]}}, role: C}]}]
    }

    text = Text.render(story)

    for _ <- 1..500 do
      at = :rand.uniform(byte_size(text)) - 1
      {before, rest} = {binary_part(text, 0, at), binary_part(text, at + 1, byte_size(text) - at - 1)}
      damaged = before <> Enum.random(["", "(", "\"", " ", "x", <<255>>, "]", "do ", "#", "\n"]) <> rest
      result = Reader.parse(damaged, "x.golden")
      assert match?({:ok, %{}}, result) or match?({:error, %BeamScope.Error{}}, result)
    end
  end
end
