defmodule BeamScope.ErrorTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Error

  alias BeamScope.Error

  test "every documented reason has a message that says what to do" do
    details = %{
      unknown_option: %{key: :a, suggestion: nil, known: [:level]},
      invalid_option: %{key: [:limits, :ms], value: 0, expected: "an integer"},
      already_traced: %{pid: self(), tracer: self()},
      pattern_in_use: {:gen_server, :loop, 7},
      no_such_function: {Foo, :bar, :_},
      no_such_module: Foo,
      remote_pid: self(),
      unknown_app: :app
    }

    {:ok, types} = Code.Typespec.fetch_types(Error)
    {:type, {:reason, {:type, _, :union, members}, _}} = Enum.find(types, &match?({_, {:reason, _, _}}, &1))
    reasons = for {:atom, _, reason} <- members, do: reason
    assert length(reasons) > 20

    for reason <- reasons do
      message = Exception.message(Error.new(reason, Map.get(details, reason, :x)))
      assert String.length(message) > 10
      assert is_binary(message)
    end
  end

  test "a mistake with a function names the function" do
    assert Exception.message(Error.new(:no_such_function, {:lists, :mpa, 2})) =~
             ":lists.mpa/2 matches no function"

    assert Exception.message(Error.new(:no_such_function, {:lists, :mpa, :_})) =~
             ":lists.mpa matches no function"
  end

  test "it is returned and raised" do
    assert_raise Error, ~r/force: true/, fn -> raise Error.new(:needs_force, :all) end
  end

  test "native errors keep their reason" do
    assert %Error{reason: :not_alive, detail: 1} = Error.from_native({:not_alive, 1})
    assert %Error{reason: :busy, detail: nil} = Error.from_native(:busy)
    assert Exception.message(Error.from_native({:some_thing, "why"})) == "some thing: why"
  end
end
