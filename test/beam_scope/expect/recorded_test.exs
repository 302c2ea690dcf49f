defmodule BeamScope.Expect.RecordedTest do
  use ExUnit.Case, async: true

  alias BeamScope.Error
  alias BeamScope.Expect.Recorded

  test "what is as it was holds" do
    assert Recorded.decide!(:ok, nil) == nil
  end

  test "a new file is told" do
    assert Recorded.decide!({:new, "a.golden"}, nil) == "new golden execution written: a.golden"
    assert Recorded.decide!({:updated, "a.golden"}, nil) == "golden execution updated: a.golden"
  end

  test "an error is raised" do
    assert_raise Error, fn -> Recorded.decide!({:error, Error.new(:file, "no such file")}, nil) end
  end

  test "what went another way is an assertion's failure, with the first two that differ" do
    entries = [%{kind: :matched, expected: 1, actual: 1}, %{kind: :different, expected: 2, actual: 3}]

    difference = %{
      message: ["Till answered 3; ", "2 was expected.\n\n"],
      align: [{Till, %{entries: entries}}]
    }

    expr = quote(do: assert_recording(rec, "x"))

    error = assert_raise(ExUnit.AssertionError, fn -> Recorded.decide!({:different, difference}, expr) end)

    assert {error.message, error.left, error.right, error.expr} ==
             {"Till answered 3; 2 was expected.", 2, 3, expr}
  end
end
