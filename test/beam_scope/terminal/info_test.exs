defmodule BeamScope.Terminal.InfoTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Info, Samples}

  defp info(fields \\ []) do
    Info.from_native(
      Map.merge(
        %{
          id: 3,
          status: :stopped,
          stop_reason: :events,
          level: :full,
          targets: [CounterServer],
          bytes: 2_097_152,
          duration_ns: 1_500_000_000,
          events: %{offered: 1_010, stored: 1_000, dropped: 10, truncated: 2, redacted: 0},
          by_kind: %{send: 600, receive: 400, exit: 0},
          losses: [%{pid: Samples.pid(100), from_ns: 1_000, to_ns: 2_000_000, count: 10}],
          notes: ["PartisanServer did not answer: its state is unknown until its first message"],
          chunks: 4
        },
        Map.new(fields)
      )
    )
  end

  test "the account adds up and shows what was lost" do
    text = inspect(info(), width: 100)
    assert text =~ "Recording 3  stopped (events)"
    assert text =~ "1,010 offered = 1,000 stored + 10 dropped  2 truncated"
    assert text =~ "send 600, receive 400"
    assert text =~ "lost 10 events of <0.100.0> between 1.0 µs and 2.000 ms"
    assert text =~ "note PartisanServer did not answer"
    assert text =~ "2.0 MB"
  end

  test "what the core reports beyond the documented fields is kept" do
    assert info().extra == %{chunks: 4}
  end

  test "a running recording" do
    assert inspect(info(status: :running, stop_reason: nil, losses: [], notes: []), width: 100) =~
             "Recording 3  running"
  end

  test "no line is wider than asked for" do
    for line <- info() |> inspect(width: 30) |> String.split("\n"), do: assert(String.length(line) <= 30)
  end
end
