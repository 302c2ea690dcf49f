defmodule BeamScope.Tui.TimelineTest do
  use ExUnit.Case, async: true

  alias BeamScope.Terminal.Style
  alias BeamScope.Test.Shop
  alias BeamScope.Tui.Timeline

  doctest Timeline

  @moduletag :capture_log

  test "every event is in one bucket, and crashes are marked where they were" do
    rec = Shop.recorded(:timeline_till)

    for rec <- [rec, Shop.reloaded(rec)] do
      info = BeamScope.info(rec)
      density = Timeline.density(rec, info)
      assert Enum.sum(density.counts) == info.events.stored
      assert length(density.counts) == 120

      timeline = Timeline.crashes(density, rec)
      crash = BeamScope.Replay.seek!(BeamScope.Replay.open!(rec), crash: true)
      assert crash.moment.at_ns in timeline.crashes
      refute timeline.more
    end
  end

  test "bar and marks are as wide as asked for" do
    timeline = %Timeline{
      from_ns: 100,
      to_ns: 1_100,
      counts: Enum.to_list(0..119),
      gaps: [{500, 600}, {1_500, 1_600}],
      crashes: [100, 1_100]
    }

    for width <- [1, 2, 7, 80, 119, 120, 121, 400], at <- [0, 100, 600, 1_100, 9_999] do
      assert [{:bar, bar}] = Timeline.bar(timeline, width)
      assert String.length(bar) == width
      assert Style.width(Timeline.marks(timeline, at, width)) == width
    end
  end

  test "the cursor stands over a crash, a crash over a gap" do
    timeline = %Timeline{from_ns: 0, to_ns: 100, counts: [1], gaps: [{20, 50}], crashes: [30, 90]}
    assert timeline |> Timeline.marks(95, 10) |> Enum.map_join(&Style.text/1) == "  ░✗░░   ▲"
    assert {:exit, "▲"} = timeline |> Timeline.marks(95, 10) |> List.last()
  end

  test "heights do not jump between columns of one bucket and of two" do
    flat = %Timeline{counts: List.duplicate(10, 120)}
    assert [{:bar, bar}] = Timeline.bar(flat, 100)
    assert bar == String.duplicate("█", 100)
  end

  test "nothing is shown of a recording that cannot be asked" do
    assert Timeline.bar(%Timeline{}, 10) == [{:dim, "…"}]
  end
end
