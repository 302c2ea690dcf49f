defmodule Mix.Tasks.BeamScope.DemoTest do
  # What the demo prints is computed from facts; the test asks for both.
  use ExUnit.Case, async: false

  @moduletag :capture_log

  alias BeamScope.Terminal.Style
  alias Mix.Tasks.BeamScope.Demo

  setup_all do
    %{demo: Demo.load(), style: Style.new(width: 100, ansi: true, unicode: true)}
  end

  test "the counter's history shows the number that was not added", %{demo: demo, style: style} do
    %{facts: facts, lines: lines} = demo.counter(style)

    assert {facts.count, facts.sum} == {6, 8}
    assert [%{content: {:add, 2}, from: %{count: 3} = state, to: state}] = facts.ignored
    assert_account(facts.info)

    text = printed(lines, style)

    for part <- ["CounterEcho.Supervisor", "CounterServer", "EchoServer", "CALL {:add, 2}", "CALL {:echo, 1}"] do
      assert text =~ part
    end
  end

  test "WorkerA's state when its count became 2, and the message that made it so", %{demo: demo, style: style} do
    %{facts: facts, lines: lines} = demo.workers(style)

    assert facts.found.to == %{count: 2, packed: [{"glass", 5}, {"books", 5}]}
    assert facts.found.message == {:packed, "glass", 5}
    assert facts.found.from_name == WorkerB
    assert_account(facts.info)
    assert printed(lines, style) =~ ~s({:packed, "glass", 5})
  end

  test "every request to OTP's web server is found and matched to its reply", %{demo: demo, style: style} do
    %{facts: facts, lines: lines} = demo.web(style, 1_000)

    assert facts.answered == 1_000
    assert facts.counts == %{asked: 1_000, received: 1_000, replied: 1_000, matched: 1_000}
    assert facts.handlers != []

    assert Enum.all?(
             facts.handlers,
             &(&1.parent != nil and &1.initial_call == {:httpd_request_handler, :init, 1})
           )

    assert_account(facts.info)
    assert facts.info.events.dropped == 0
    refute printed(lines, style) =~ "≠"
  end

  test "an unknown part is refused by name" do
    assert_raise Mix.Error, ~r/unknown part "weather"; there are: counter, workers, web/, fn ->
      Demo.run(["weather"])
    end
  end

  defp assert_account(%{events: events}) do
    assert events.offered == events.stored + events.dropped
    assert events.offered > 0
  end

  # Within 100 columns, in colour or without.
  defp printed(lines, style) do
    assert Style.render(lines, style) =~ "\e["
    text = Style.render(lines, %{style | ansi?: false})
    refute text =~ "\e["
    for line <- String.split(text, "\n"), do: assert(Style.width(line) <= 100)
    text
  end
end
