defmodule BeamScope.EventTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Event

  alias BeamScope.{Event, Samples}

  test "both ends of a message are filled in, whichever of them it happened to" do
    [sent, received | _] = Enum.map(Samples.conversation(), &Event.from_native/1)
    assert {sent.from, sent.from_name, sent.to} == {received.from, received.from_name, received.to}
    assert received.to_track == 2
  end

  test "labels" do
    ref = make_ref()
    assert Event.classify({:system, {self(), ref}, :get_state}) == {:system, :get_state}
    assert Event.classify({self(), {self(), ref}, :which_handlers}) == {:call, :which_handlers}
    assert Event.classify({[:alias | ref], :ok}) == {:reply, :ok}
    assert Event.classify({:notify, :e}) == {:cast, :e}
    assert Event.classify({:tcp, :port, "x"}) == {:info, {:tcp, :port, "x"}}
    assert Event.classify({:EXIT, self(), :normal}) == {:exit, {self(), :normal}}
    assert Event.classify({:DOWN, ref, :process, self(), :noproc}) == {:down, {self(), :noproc}}
    assert Event.classify({:pair, 1}) == {:info, {:pair, 1}}

    # As a recording of another system has it.
    there = %BeamScope.Opaque{kind: :reference, text: "#Reference<0.1.2.3>"}
    assert Event.classify({:DOWN, there, :process, self(), :noproc}) == {:down, {self(), :noproc}}
  end
end
