defmodule BeamScope.Lines.OrderTest do
  use ExUnit.Case, async: true

  alias BeamScope.Lines.Order

  # A function's body 0 of three expressions; in its second one a case (bodies 1 and 2), in its third a try (3), its catch (4) and after
  # (5); in the first a fun (6) with a body of two, which has a case (7 and 8).
  @bodies %{
    0 => %{kind: :function, construct: 0, size: 3},
    1 => %{kind: :case, construct: 1, size: 1},
    2 => %{kind: :case, construct: 1, size: 2},
    3 => %{kind: :try, construct: 2, size: 1},
    4 => %{kind: :catch, construct: 3, size: 1},
    5 => %{kind: :finally, construct: 4, size: 1},
    6 => %{kind: :fun, construct: 5, size: 2},
    7 => %{kind: :case, construct: 6, size: 1},
    8 => %{kind: :case, construct: 6, size: 1}
  }

  defp next?(from, to), do: Order.next?(from, to, @bodies)

  test "later expressions come after earlier ones, and bodies inside of an expression after it" do
    assert next?([{0, 0}], [{0, 1}])
    assert next?([{0, 0}], [{0, 2}])
    assert next?([{0, 1}], [{0, 1}, {2, 0}])
    assert next?([{0, 1}, {2, 0}], [{0, 1}, {2, 1}])
    assert next?([{0, 1}, {1, 0}], [{0, 2}])
  end

  test "nothing comes again, and of a case one clause is taken" do
    refute next?([{0, 1}], [{0, 0}])
    refute next?([{0, 1}], [{0, 1}])
    refute next?([{0, 1}, {2, 1}], [{0, 1}, {2, 0}])
    refute next?([{0, 1}, {1, 0}], [{0, 1}, {2, 0}])
    refute next?([{0, 1}, {1, 0}], [{0, 1}])
  end

  test "a try goes on to its catch and its after, and never back" do
    assert next?([{0, 2}, {3, 0}], [{0, 2}, {4, 0}])
    assert next?([{0, 2}, {4, 0}], [{0, 2}, {5, 0}])
    assert next?([{0, 2}, {3, 0}], [{0, 2}, {5, 0}])
    refute next?([{0, 2}, {5, 0}], [{0, 2}, {3, 0}])
  end

  test "in a loop everything comes again" do
    assert next?([{0, 0}, {6, 1}], [{0, 0}, {6, 0}])
    assert next?([{0, 0}, {6, 0}], [{0, 0}, {6, 0}])
    assert next?([{0, 0}, {6, 1}, {7, 0}], [{0, 0}, {6, 1}, {8, 0}])
    refute next?([{0, 1}], [{0, 0}, {6, 0}])
  end

  test "the last expression is the last, but where something may still come of it" do
    assert Order.last?([{0, 2}], @bodies)
    refute Order.last?([{0, 1}], @bodies)
    refute Order.last?([{0, 2}, {3, 0}], @bodies)
    assert Order.last?([{0, 2}, {5, 0}], @bodies)
    refute Order.last?([{0, 0}, {6, 1}], @bodies)
    assert Order.loops([{0, 0}, {6, 1}, {7, 0}], @bodies) == [6]
  end
end
