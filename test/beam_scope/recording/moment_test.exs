defmodule BeamScope.MomentTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Moment

  alias BeamScope.{Event, Moment, Samples}

  test "events and transitions stand for their moments" do
    event = Event.from_native(hd(Samples.conversation()))
    assert Moment.to_native(event) == {:ok, {:seq, 1}}
  end

  test "what is no moment is refused, and the message says what is one" do
    for bad <- [nil, 5, {:ms, -1}, {:s, 1}, :middle] do
      assert {:error, %BeamScope.Error{reason: :invalid_moment} = error} = Moment.to_native(bad)
      assert Exception.message(error) =~ "{:ms, n}"
    end
  end

  test "a moment prints so that it can be pasted" do
    assert inspect(%Moment{seq: 1, at_ns: 2}) == "%BeamScope.Moment{seq: 1, at_ns: 2}"
  end
end
