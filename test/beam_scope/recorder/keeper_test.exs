defmodule BeamScope.Recorder.KeeperTest do
  # Not async: flags, patterns and the hub are looked at VM-wide.
  use ExUnit.Case, async: false

  alias BeamScope.Recorder
  alias BeamScope.Recorder.{Hub, Keeper, Session}
  alias BeamScope.Test.{Counter, Leftovers}
  import BeamScope.Test.RecorderCase, only: [eventually: 1]

  setup do
    # What other tests have left on the shelf is not looked at here.
    Recorder.clear()

    on_exit(fn ->
      Recorder.clear()
      assert Leftovers.settle() == Leftovers.none()
    end)

    owner = spawn(fn -> Process.sleep(:infinity) end)
    on_exit(fn -> Process.exit(owner, :kill) end)
    {:ok, counter} = Counter.start()
    %{owner: owner, counter: counter}
  end

  # A turn as a test has it.
  defp turn(owner, options, fun) do
    {:ok, rec, entry} = Recorder.enter([keeper: owner] ++ options)
    fun.()
    Recorder.leave(rec, entry)
    {:ok, rec} = Recorder.stop(rec)
    rec
  end

  defp keeper(owner) do
    {:ok, keeper} = Hub.keeper(owner)
    keeper
  end

  defp counts(rec, pid), do: for(%{to: %{count: n}} <- BeamScope.history(rec, pid), uniq: true, do: n)

  # With the second reply, what came of the first is there.
  defp increment(counter) do
    n = Counter.increment(counter)
    _ = :sys.get_state(counter)
    n
  end

  test "recordings take turns, each with what was done in its own", %{owner: owner, counter: counter} do
    for n <- 1..5 do
      rec = turn(owner, [trace: counter], fn -> increment(counter) end)
      assert List.last(counts(rec, counter)) == n
      # What happens between two turns is nobody's.
      assert [_] =
               for(%{message: {:"$gen_call", _, :increment}} <- BeamScope.messages(rec, to: counter), do: n)

      BeamScope.close(rec)
    end

    assert Process.alive?(keeper(owner))
    assert Recorder.list() == []
  end

  test "what one turn leaves running is no part of the next", %{owner: owner} do
    rec = turn(owner, [], fn -> Counter.start(name: :left_by_a_turn) end)
    left = Process.whereis(:left_by_a_turn)
    assert counts(rec, left) == [0]

    later = turn(owner, [], fn -> increment(:left_by_a_turn) end)
    assert left not in Enum.map(BeamScope.processes(later), & &1.pid)
    assert [_] = for(%{message: {_, _, :increment}} <- BeamScope.messages(later), do: :sent)
    Enum.each([rec, later], &BeamScope.close/1)
    GenServer.stop(left)
  end

  test "other levels, calls and targets than the one before", %{owner: owner, counter: counter} do
    turns = [
      [level: :full, calls: [{Counter, :increment, 1}]],
      [level: :messages],
      [level: :states],
      [level: :crashes],
      [level: :off],
      [level: :full]
    ]

    for options <- turns ++ Enum.reverse(turns) do
      rec = turn(owner, [trace: counter] ++ options, fn -> increment(counter) end)
      kinds = rec |> BeamScope.events(process: counter) |> Enum.map(& &1.kind) |> Enum.uniq()
      level = options[:level]
      assert {level, :receive in kinds} == {level, level in [:messages, :full]}
      assert {level, :state in kinds} == {level, level in [:states, :full]}
      assert {options, Enum.count(BeamScope.calls(rec)) > 0} == {options, is_list(options[:calls])}
      BeamScope.close(rec)
    end
  end

  test "two at a time, one of them without what is kept", %{owner: owner, counter: counter} do
    rec =
      turn(owner, [trace: counter], fn ->
        inner = turn(owner, [trace: counter], fn -> increment(counter) end)
        assert List.last(counts(inner, counter)) == 1
        BeamScope.close(inner)
        increment(counter)
      end)

    assert List.last(counts(rec, counter)) == 2
    BeamScope.close(rec)
  end

  test "it ends with its owner, and nothing stays", %{owner: owner, counter: counter} do
    BeamScope.close(turn(owner, [trace: counter], fn -> increment(counter) end))
    keeper = keeper(owner)
    Process.exit(owner, :kill)
    assert eventually(fn -> not Process.alive?(keeper) end)
    assert Leftovers.settle() == Leftovers.none()
  end

  test "a recorder that is killed with what it borrowed", %{owner: owner, counter: counter} do
    {:ok, rec, _} = Recorder.enter(trace: counter, keeper: owner)
    Process.exit(rec.pid, :kill)
    assert eventually(fn -> not Process.alive?(rec.pid) end)
    assert {:ok, %{status: :stopped}} = eventually(fn -> stopped(rec) end)
    again = turn(owner, [trace: counter], fn -> increment(counter) end)
    assert List.last(counts(again, counter)) == 1
    Enum.each([rec, again], &BeamScope.close/1)
  end

  defp stopped(rec) do
    with {:ok, %{status: :running}} <- Recorder.info(rec), do: nil
  end

  test "a keeper that is killed", %{owner: owner, counter: counter} do
    BeamScope.close(turn(owner, [], fn -> :ok end))
    keeper = keeper(owner)
    Process.exit(keeper, :kill)
    assert eventually(fn -> not Process.alive?(keeper) end)
    assert eventually(fn -> Leftovers.find().patterns == [] end)
    again = turn(owner, [trace: counter], fn -> increment(counter) end)
    assert List.last(counts(again, counter)) == 1
    BeamScope.close(again)
  end

  test "the hub takes it along", %{owner: owner, counter: counter} do
    BeamScope.close(turn(owner, [trace: counter], fn -> increment(counter) end))
    keeper = keeper(owner)
    Process.exit(Process.whereis(Hub), :kill)
    assert eventually(fn -> not Process.alive?(keeper) end)
    assert Leftovers.settle() == Leftovers.none()
  end

  test "a set-up that fails spoils nothing", %{owner: owner, counter: counter} do
    assert {:error, %{reason: :no_such_function}} = Recorder.enter(calls: [{Enum, :mpa, 2}], keeper: owner)
    assert {:error, %{reason: :unknown_name}} = Recorder.enter(trace: :nobody_here, keeper: owner)
    rec = turn(owner, [trace: counter], fn -> increment(counter) end)
    assert List.last(counts(rec, counter)) == 1
    BeamScope.close(rec)
  end

  test "supervisors are known, new ones when the borrower names them", %{owner: owner} do
    keeper = keeper(owner)
    {:ok, old} = DynamicSupervisor.start_link(strategy: :one_for_one)
    Process.sleep(120)
    assert %{supervisors: found, patterns: patterns} = Keeper.borrow(keeper, [])
    assert old in found
    assert patterns == %{} == not Session.sessions?()
    if Session.sessions?(), do: assert(Keeper.borrow(keeper, []) == nil)
    Keeper.give_back(keeper, patterns, true)
    {:ok, new} = DynamicSupervisor.start_link(strategy: :one_for_one)
    assert %{supervisors: found} = Keeper.borrow(keeper, [new, self()])
    assert new in found and self() not in found
  end
end
