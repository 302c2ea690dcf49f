defmodule BeamScope.Terminal.HistoryTest do
  use ExUnit.Case, async: true

  alias BeamScope.{History, Samples, Transition}

  defp history(fields \\ []) do
    process = BeamScope.Process.from_native(Samples.process(1, name: CounterServer, behaviour: :gen_server))
    transitions = Enum.map(Samples.transitions(), &Transition.from_native/1)
    struct(%History{process: process, processes: [process], transitions: transitions}, fields)
  end

  defp shown(data, opts \\ []), do: inspect(data, Keyword.put_new(opts, :width, 100))

  test "the heading names the process and counts transitions and losses" do
    assert shown(history()) =~ "History of CounterServer  gen_server  4 transitions  1 gap, 12 events lost"
  end

  test "a transition has moment, time, message, sender and reply" do
    assert shown(history()) =~ ~r/#5 +6\.020 ms  CALL :increment  from <0\.99\.0>  → 1/
  end

  test "what the runtime sent is marked so" do
    assert shown(history()) =~ "INFO :tick  from the runtime"
  end

  test "a gap is shown where it is" do
    assert shown(history()) =~ "GAP  12 events lost"
  end

  test "an end says what it died of and at which message" do
    assert shown(history()) =~ "END on CAST :boom"
    assert shown(history()) =~ "✗ error :badarith in Counter.handle_cast/2"
  end

  test "several lives are told apart" do
    first = history().process
    second = %{first | track: 7, pid: Samples.pid(300)}
    begins = Transition.from_native(Samples.transition(20, :init, track: 7, to: {:ok, 1}))
    text = shown(history(processes: [first, second], transitions: [begins]))
    assert text =~ "2 lives"
    assert text =~ "<0.300.0> begins"
  end

  test "no line is wider than asked for" do
    for width <- [20, 40, 60, 80, 100], line <- String.split(shown(history(), width: width), "\n") do
      assert String.length(line) <= width
    end
  end

  test "the limit of inspect cuts it" do
    assert shown(history(), limit: 2) =~ "… 3 more transitions"
    assert shown(history(more: true)) =~ "raise limit:"
  end

  test "states are plain values, or say that they are unknown" do
    [init, call, gap | _] = history().transitions
    assert init.from == nil
    assert call.to == %{count: 1}
    assert %BeamScope.Unknown{} = gap.to
    assert call.content == :increment
  end
end
