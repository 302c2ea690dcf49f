defmodule BeamScope.EnduranceTest do
  # A supervised tree of 200 servers under load, with crashes and restarts throughout, recorded at :full: nothing is lost,
  # nothing is left behind, and the servers say what they say untraced. A few seconds in every run; a minute nightly.
  use ExUnit.Case, async: false

  alias BeamScope.Test.{Estate, Leftovers}

  @servers 200
  # An operation is 4 events on average: a call is received, handled, answered and looped over, a cast is not answered.
  @rate 14_000

  setup do
    # Thousands of crash reports are not news here.
    level = Logger.level()
    Logger.configure(level: :none)
    on_exit(fn -> Logger.configure(level: level) end)
  end

  test "200 servers for some seconds" do
    assert record_estate(3 * @rate) > 0
  end

  @tag :endurance
  @tag timeout: 600_000
  test "200 servers for a minute, at 50,000 events a second" do
    assert record_estate(62 * @rate) >= 50_000
  end

  # Answers the events a second.
  defp record_estate(operations) do
    untraced = with_estate(fn -> Estate.load(@servers, operations) end)

    {traced, rec} =
      with_estate(fn ->
        limits = [events: 100_000_000, bytes: 1_024 * 1_024 * 1_024, ms: 600_000]
        {:ok, rec} = BeamScope.start(Estate.names(@servers), level: :full, limits: limits)
        traced = Estate.load(@servers, operations, rate: @rate)
        {:ok, rec} = BeamScope.stop(rec)
        {traced, rec}
      end)

    assert traced == untraced

    info = BeamScope.info(rec)
    assert {info.status, info.stop_reason} == {:stopped, :requested}
    assert info.events.dropped == 0
    assert info.events.offered == info.events.stored
    assert Leftovers.settle() == Leftovers.none()

    followed(rec, traced)
    BeamScope.close(rec)
    round(info.events.stored / (info.duration_ns / 1.0e9))
  end

  # Each name is one process more than it had crashes, each crash an end, and no operation is missing.
  defp followed(rec, loads) do
    lives = rec |> BeamScope.processes() |> Enum.group_by(& &1.name)
    assert Enum.sum(for {_, _, _, crashes} <- loads, do: crashes) > 0

    for {name, _hash, _count, crashes} <- loads do
      list = Map.get(lives, name, [])
      assert {name, length(list)} == {name, crashes + 1}
      assert {name, Enum.count(list, &match?({%RuntimeError{}, _}, &1.exit_reason))} == {name, crashes}
    end

    # One server's history whole: every operation is one transition of it.
    {name, _hash, count, crashes} = Enum.max_by(loads, &elem(&1, 3))
    history = BeamScope.history(rec, name, limit: 10_000_000)
    assert Enum.count(history, &match?({:add, _}, &1.content)) == count - crashes
    assert Enum.count(history, &match?({:crash, :error, _}, &1.result)) == crashes
  end

  defp with_estate(fun) do
    start_supervised!({Estate, @servers})

    try do
      fun.()
    after
      stop_supervised!(Estate)
    end
  end
end
