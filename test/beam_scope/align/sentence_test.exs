defmodule BeamScope.Align.SentenceTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Align, Event, Transition}
  alias BeamScope.Align.Step

  doctest BeamScope.Align.Sentence
  doctest BeamScope.Align.Step

  defp say(expected, actual, opts \\ []), do: expected |> Align.align(actual) |> Align.sentence(opts)
  defp step(what, fields), do: struct!(%Step{what: what, role: Counter}, fields)
  defp call(n, reply), do: step(:call, message: {:increment, n}, from: "client", reply: {:ok, reply})

  test "nothing is said of what matched" do
    assert say([1, 2], [1, 2]) == nil
  end

  test "an answer that is wrong names which request it was for" do
    assert say([call(1, {:ok, 1}), call(1, {:ok, 2})], [call(1, {:ok, 1}), call(1, {:ok, 3})]) ==
             "Counter answered {:ok, 3} to the second {:increment, 1}; {:ok, 2} was expected."

    assert say([call(1, 1)], [%{call(1, 1) | reply: nil}]) ==
             "Counter did not answer {:increment, 1}; 1 was expected."
  end

  test "of a state, what differs in it" do
    state = &step(:cast, message: :inc, state: {:ok, %{count: &1, name: "a"}})
    assert say([state.(1)], [state.(2)]) == "Counter had count: 2 instead of 1 after :inc."
    plain = &step(:cast, message: :inc, state: {:ok, &1})

    assert say([plain.(1), plain.(2)], [plain.(1), plain.(3)]) ==
             "Counter was in state 3 after the second :inc; 2 was expected."
  end

  test "messages that were sent, and to whom" do
    send = &step(:send, message: &1, to: &2)

    assert say([send.({:x, 1}, Echo)], [send.({:x, 2}, Echo)]) ==
             "Counter sent {:x, 2} to Echo; {:x, 1} was expected."

    assert say([send.(:x, Echo)], [send.(:x, Other)]) ==
             "Counter sent :x to Other; Echo was expected to get it."

    assert say([send.(:x, Echo)], []) == "Counter never sent :x to Echo, which was expected."

    assert say([], [send.(:x, Echo), send.(:x, Echo)]) ==
             "Counter sent the first :x to Echo, which was not expected."
  end

  test "requests, with their answers" do
    ask = &step(:ask, message: :get, to: Store, reply: &1)
    assert say([ask.({:ok, 1})], [ask.({:ok, 2})]) == "Counter got 2 from Store for :get; 1 was expected."
    assert say([ask.({:ok, 1})], [ask.(nil)]) == "Counter got no answer from Store for :get; 1 was expected."
  end

  test "ends" do
    exit = &step(:exit, message: &1)
    assert say([exit.(:a)], [exit.(:b)]) == "Counter ended with :b; :a was expected."
    assert say([], [exit.(:boom)]) == "Counter ended with :boom, which was not expected."
    assert say([exit.(:boom)], []) == "Counter did not end; it was expected to, with :boom."
  end

  test "what came too early or too late" do
    assert say([call(1, 1), call(2, 3), call(3, 6)], [call(3, 6), call(1, 1), call(2, 3)]) ==
             "Counter got {:increment, 3} from client too early: as step 1, expected as step 3."
  end

  test "something else altogether" do
    assert say([step(:send, message: :x, to: Echo)], [step(:exit, message: :boom)]) ==
             "Counter ended with :boom; it was expected that it sent :x to Echo."
  end

  test "events and transitions of a recording are steps too" do
    event = &%Event{kind: :send, label: :info, content: &1, from_name: A, to_name: B}
    assert say([event.({:x, 1})], [event.({:x, 2})]) == "A sent {:x, 2} to B; {:x, 1} was expected."
    transition = &%Transition{kind: :call, content: :get, reply: {:ok, &1}, to: 0}

    assert say([transition.(1)], [transition.(2)], who: Counter) ==
             "Counter answered 2 to :get; 1 was expected."
  end

  test "other terms by their place" do
    assert say([:a], [{:b, 1}, :a]) == "{:b, 1} came as entry 1 and was not expected."
    assert say([:a, :b], [:a]) == ":b was expected as entry 2 and is missing."
    assert say([:a, :b, :c], [:a, :c, :b]) == ":b came as entry 3; it was expected as entry 2."
  end
end
