defmodule BeamScope.ReplayTest do
  use ExUnit.Case, async: true
  import BeamScope.Test.Reloaded

  require BeamScope
  alias BeamScope.{Error, Replay, World}

  # Under the fallback lives are not run again.
  doctest BeamScope.Replay,
    except: if(BeamScope.Recorder.Profile.wanted(nil) == :fallback, do: [what_if: 4], else: [])

  defmodule Till do
    use GenServer
    def start_link(name), do: GenServer.start_link(__MODULE__, nil, name: name)
    @impl true
    def init(_), do: {:ok, %{balance: 0, account: %{owner: "eve", log: []}}}
    @impl true
    def handle_call({:pay, n}, _from, s),
      do: {:reply, :ok, put_in(s.account.log, [n | s.account.log]) |> Map.update!(:balance, &(&1 + n))}

    def handle_call(:balance, _from, s), do: {:reply, s.balance, s}
    @impl true
    def handle_cast({:rename, to}, s), do: {:noreply, put_in(s.account.owner, to)}
    @impl true
    def handle_info({:divide, n}, s), do: {:noreply, %{s | balance: div(s.balance, n)}}
  end

  defp recorded(name) do
    BeamScope.record([level: :full], fn ->
      Process.flag(:trap_exit, true)
      {:ok, till} = Till.start_link(name)
      for n <- 1..5, do: GenServer.call(till, {:pay, n})
      GenServer.cast(till, {:rename, "adam"})
      5 = GenServer.call(till, {:pay, 0}) && GenServer.call(till, :balance) |> rem(10)
      send(till, {:divide, 0})
      receive do: ({:EXIT, ^till, _} -> till)
    end)
  end

  @moduletag :capture_log

  test "walks from a crash back to the message that caused it, and to the last change of a key" do
    {till, rec} = recorded(:till_a)

    for rec <- [rec, reloaded(rec)] do
      cursor = Replay.open!(rec, at: :end)
      crash = Replay.seek!(cursor, [crash: true], :backward)
      transition = Replay.transition!(crash)
      assert transition.message == {:divide, 0}
      assert {:crash, :error, reason} = transition.result
      assert reason == :badarith or match?({:badarith, _stack}, reason)

      paid = Replay.seek!(crash, [process: :till_a, changed: :balance], :backward)
      assert Replay.transition!(paid).to.balance == 15

      assert {:call, {:pay, 5}} =
               paid |> Replay.transition!() |> Map.fetch!(:message) |> BeamScope.Event.classify()

      renamed = Replay.seek!(crash, [process: :till_a, changed: [:account, :owner]], :backward)
      assert Replay.transition!(renamed).to.account.owner == "adam"

      start = Replay.open!(rec)
      second = Replay.seek!(start, process: :till_a, state: BeamScope.pattern(%{balance: n} when n > 2))
      assert Replay.transition!(second).to.balance == 3

      sent = Replay.seek!(start, kind: :send, match: {:pay, 4})
      assert sent.event.kind == :send and sent.event.content == {:pay, 4}
      assert {:error, %Error{reason: :not_found}} = Replay.seek(start, match: {:pay, 99})
      assert {:error, %Error{reason: :not_found}} = Replay.seek(start, [crash: true], :backward)
    end

    refute Process.alive?(till)
  end

  test "steps back over what it stepped over forward" do
    {_, rec} = recorded(:till_b)

    for opts <- [
          [],
          [by: :message],
          [by: :state],
          [by: :event, process: :till_b],
          [by: :state, process: :till_b]
        ] do
      start = Replay.open!(rec)

      there =
        Stream.iterate({:ok, start}, fn {:ok, c} -> Replay.next(c, opts) end)
        |> Enum.take_while(&match?({:ok, _}, &1))

      seqs = for {:ok, c} <- there, do: c.moment.seq
      {:ok, last} = List.last(there)

      back =
        Stream.iterate({:ok, last}, fn {:ok, c} -> Replay.prev(c, opts) end)
        |> Enum.take_while(&match?({:ok, _}, &1))

      again = for {:ok, c} <- back, do: c.moment.seq
      assert length(seqs) > 3
      assert Enum.sort(again) -- [hd(seqs)] == tl(seqs)
    end

    assert {:error, %Error{reason: :invalid_option}} = Replay.next(Replay.open!(rec), by: :day)
    assert {:error, %Error{reason: :unknown_option}} = Replay.next(Replay.open!(rec), bye: :event)
    assert {:error, %Error{reason: :no_such_process}} = Replay.next(Replay.open!(rec), process: :nobody)
  end

  test "shows the world at every event: who lives, with which state, and what is on its way" do
    {_, rec} = recorded(:till_c)
    sent = rec |> BeamScope.events(kind: :send, match: {:divide, 0}) |> Enum.at(0)
    before = Replay.world(Replay.open!(rec, at: sent))
    till = World.member(before, :till_c)
    assert {:ok, %{balance: 15}} = till.state
    assert Enum.any?(before.in_flight, &(&1.sent == sent.moment.seq and &1.message == {:divide, 0}))
    assert inspect(before) =~ "On their way"

    got = rec |> BeamScope.events(kind: :receive, match: {:divide, 0}) |> Enum.at(0)
    world = Replay.world(Replay.open!(rec, at: got))
    assert World.member(world, :till_c).mailbox.messages == [{:divide, 0}]
    assert World.member(world, :till_c).waiting == 1
    assert inspect(world) =~ "✉ 1 waiting: INFO {:divide, 0}"
    refute Enum.any?(world.in_flight, &(&1.message == {:divide, 0}))

    final = Replay.world(Replay.open!(rec, at: :end))
    assert World.member(final, :till_c) == nil

    for cursor <- Stream.iterate(Replay.open!(rec), &next_or_nil/1) |> Enum.take_while(& &1) do
      world = Replay.world(cursor)
      assert world.moment.seq == cursor.moment.seq

      for %{process: process, state: {:ok, state}} <- world,
          do: assert(BeamScope.state_at!(rec, process.track, cursor.moment) == state)
    end
  end

  test "a cursor stands where it is told to" do
    {_, rec} = recorded(:till_d)
    [first | _] = events = Enum.to_list(BeamScope.events(rec))
    last = List.last(events)
    assert Replay.open!(rec).moment == first.moment
    cursor = Replay.open!(rec, at: :end)
    assert cursor.moment == last.moment
    middle = Enum.at(events, 20)
    assert Replay.at!(cursor, middle).event.moment == middle.moment
    assert Replay.at!(cursor, {:ms, middle.at_ns / 1_000_000}).moment.at_ns == middle.at_ns
    assert {:error, %Error{reason: :outside_recording}} = Replay.at(cursor, {:ms, 100_000})
    assert {:error, %Error{reason: :invalid_moment}} = Replay.at(cursor, :noon)
    assert inspect(cursor) =~ "#BeamScope.Replay<at ##{last.moment.seq}"
  end

  defp next_or_nil(cursor) do
    case Replay.next(cursor) do
      {:ok, cursor} -> cursor
      {:error, _} -> nil
    end
  end
end
