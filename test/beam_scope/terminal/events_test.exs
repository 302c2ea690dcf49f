defmodule BeamScope.Terminal.EventsTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Event, Events, Mailbox, Samples}

  defp events(fields \\ []) do
    struct(%Events{events: Enum.map(Samples.conversation(), &Event.from_native/1)}, fields)
  end

  defp shown(data, opts \\ []), do: inspect(data, Keyword.put_new(opts, :width, 100))

  test "a message reads sender → receiver, its label and what it carries" do
    assert shown(events()) =~ ~r/CounterServer → EchoServer +CALL \{:echo, "hi"\}/
    assert shown(events()) =~ ~r/CounterServer → EchoServer +CAST :reset/
    assert shown(events()) =~ ~r/CounterServer ← the runtime +INFO \{:timeout, /
  end

  test "a reply says which call it answers and how long that took" do
    assert shown(events()) =~ ~r/EchoServer → CounterServer +REPLY "hi"  \(to #1, 2\.408 ms\)/
  end

  test "DOWN and EXIT say who and why" do
    assert shown(events()) =~ "DOWN <0.102.0> :killed"
    assert shown(events()) =~ "EXIT <0.102.0> :badarith in Counter.div/2"
  end

  test "messages to the dead say so" do
    assert shown(events()) =~ "INFO :hello  nobody there"
  end

  test "losses are said where they happened" do
    lines = shown(events()) |> String.split("\n")
    at = Enum.find_index(lines, &(&1 =~ "3 events of CounterServer lost here"))
    assert Enum.at(lines, at + 1) =~ "INFO :tick"
  end

  test "calls, returns and exceptions" do
    assert shown(events()) =~ ~s|calls Base.encode16("a")|
    assert shown(events()) =~ ~s|returns from Base.encode16/1: "61"|
    assert shown(events()) =~ ~s|error from Base.decode16!/1: %ArgumentError{|
  end

  test "an event with a truncated term is marked" do
    assert shown(events()) =~ "‹truncated›"
  end

  test "the limit of inspect cuts the list and says how much is left" do
    assert shown(events(), limit: 3) =~ "… 17 more events"
    refute shown(events(), limit: 3) =~ "calls Base"
  end

  test "what the query cut or could not decide is said" do
    assert shown(events(more: true)) =~ "there are more"
    assert shown(events(unknown: 2)) =~ "2 further events could not be decided"
    assert shown(%Events{hint: "use level: :messages"}) =~ "No events"
    assert shown(%Events{hint: "use level: :messages"}) =~ "use level: :messages"
  end

  test "no line is wider than asked for" do
    for width <- [20, 40, 60, 80, 100], line <- String.split(shown(events(), width: width), "\n") do
      assert String.length(line) <= width
    end
  end

  test "one event is one line" do
    for event <- events(), do: refute(shown(event) =~ "\n")
  end

  test "events are enumerable" do
    assert Enum.count(events()) == 20
    assert %Event{kind: :send} = Enum.at(events(), 0)
    assert [%Event{kind: :exit}] = Enum.filter(events(), &(&1.kind == :exit))
    assert Enum.slice(events(), 2, 2) |> length() == 2
  end

  test "a mailbox shows its messages, and says when it is an estimate" do
    assert shown(%Mailbox{messages: [:tick, {:"$gen_cast", :go}], exact: true}) =~
             "2 messages waiting\n  INFO :tick\n  CAST :go"

    assert shown(%Mailbox{messages: [], exact: false}) =~ "an estimate"
  end
end
