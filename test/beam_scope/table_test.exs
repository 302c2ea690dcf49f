defmodule BeamScope.TableTest do
  # Not async: on some releases recordings of the same built-in functions get in each other's way, and say so.
  use ExUnit.Case, async: false
  import BeamScope.Test.Reloaded

  doctest BeamScope.Table
  alias BeamScope.{Error, Replay, Table, World}

  defp sorted(table), do: Enum.sort(table.objects)

  test "a table has a history like a state" do
    table = :ets.new(:table_test_a, [:named_table, :public])
    :ets.insert(table, [{:old, 0}, {:gone, 1}])

    {_, rec} =
      BeamScope.record([ets: [table]], fn ->
        :ets.insert(table, {:a, 1})
        :ets.insert(table, [{:b, 2}, {:c, 3}])
        :ets.insert_new(table, {:a, 99})
        :ets.update_counter(table, :a, 5)
        :ets.update_counter(table, :n, [{2, 1}, {3, 2}], {:n, 10, 20})
        :ets.update_element(table, :b, {2, :two})
        :ets.delete(table, :gone)
        :ets.take(table, :c)
        :ets.match_delete(table, {:old, :_})
        :ets.select_replace(table, [{{:b, :_}, [], [{{:b, :three}}]}])
        # What fails writes nothing.
        assert_raise ArgumentError, fn -> :ets.update_counter(table, :nobody, 1) end
      end)

    {:ok, at_end} = BeamScope.table(rec, table)
    assert sorted(at_end) == Enum.sort(:ets.tab2list(table))
    assert at_end.mismatches == [] and at_end.failed == 0 and at_end.unknown == 0
    functions = Enum.map(at_end.writes, & &1.function)

    assert functions ==
             ~w(insert insert insert_new update_counter update_counter update_element delete take match_delete select_replace)a

    assert Enum.map(at_end.writes, & &1.keys) == [
             [:a],
             [:b, :c],
             [:a],
             [:a],
             [:n],
             [:b],
             [:gone],
             [:c],
             :all,
             :all
           ]

    # At every moment what the writes by then have made.
    for {write, n} <- Enum.with_index(at_end.writes, 1) do
      then = BeamScope.table!(rec, table, write.moment)
      assert length(then.writes) == n
    end

    {:ok, start} = BeamScope.table(rec, table, hd(at_end.writes).began)
    assert sorted(start) == [gone: 1, old: 0]
    assert [%{function: :insert}] = start.in_progress
    assert inspect(at_end) =~ "Table :table_test_a" and inspect(at_end) =~ "update_counter(:a, 5) → 6"

    loaded = reloaded(rec)
    assert sorted(BeamScope.table!(loaded, table)) == sorted(at_end)
  end

  test "every type of table, by name and by reference, private and ones to come" do
    for type <- [:set, :ordered_set, :bag, :duplicate_bag] do
      table = :ets.new(:unnamed, [type, :public, keypos: 2])
      :ets.insert(table, [{1, :a}, {2, :a}, {1, :a}])

      {_, rec} =
        BeamScope.record([ets: [table]], fn ->
          for n <- 1..4, do: :ets.insert(table, {n, Enum.at([:a, :b], rem(n, 2))})
          :ets.delete_object(table, {1, :a})
          :ets.insert(table, {7, :z})
        end)

      found = BeamScope.table!(rec, table)
      assert {type, sorted(found)} == {type, Enum.sort(:ets.tab2list(table))}
      assert found.mismatches == []
    end

    {:ok, owner} = Agent.start_link(fn -> :ets.new(:table_test_private, [:named_table, :private]) end)
    Agent.get(owner, fn _ -> :ets.insert(:table_test_private, {:k, 1}) end)

    {_, rec} =
      BeamScope.record([trace: owner, ets: [:table_test_private, :table_test_later]], fn ->
        Agent.get(owner, fn _ -> :ets.insert(:table_test_private, {:l, 2}) end)
        :ets.new(:table_test_later, [:named_table, :bag])
        :ets.insert(:table_test_later, [{1, 1}, {1, 2}])
      end)

    private = BeamScope.table!(rec, :table_test_private)
    assert {private.objects, private.unknown} == {[l: 2], 1}
    later = BeamScope.table!(rec, :table_test_later)
    assert {sorted(later), later.type} == {[{1, 1}, {1, 2}], :bag}
    assert {:error, %Error{reason: :no_such_table} = error} = BeamScope.table(rec, :nowhere)
    assert Exception.message(error) =~ ":table_test_private, :table_test_later"
    assert {:error, %Error{reason: :no_such_table}} = BeamScope.start(self(), ets: [make_ref()])
  end

  test "what others write shows as a mismatch" do
    table = :ets.new(:table_test_b, [:public])
    test = self()

    stranger =
      spawn_link(fn ->
        receive do: (:write -> :ets.insert(table, {:mine, :theirs}))
        send(test, :written)
      end)

    {_, rec} =
      BeamScope.record([ets: [table]], fn ->
        :ets.insert(table, [{:mine, 1}, {:other, 2}])
        send(stranger, :write)
        receive do: (:written -> :ok)
      end)

    found = BeamScope.table!(rec, table)
    assert found.mismatches == [%{key: :mine, recorded: [mine: 1], actual: [mine: :theirs]}]
    assert inspect(found) =~ "held something else"
    assert BeamScope.table!(rec, table, List.last(found.writes)).mismatches == nil
  end

  test "writes whose calls overlap are unordered, until one comes that overlaps with none" do
    write = fn track, began, ended ->
      moment = &%BeamScope.Moment{seq: &1, at_ns: &1}

      %Table.Write{
        function: :insert,
        arguments: [{:k, track}],
        track: track,
        began: moment.(began),
        moment: moment.(ended)
      }
    end

    unordered = fn writes ->
      scratch = Table.Scratch.new(%{type: :set, keypos: 1}, [])

      Enum.reduce(writes, scratch, fn write, scratch -> scratch |> Table.Scratch.apply(write) |> elem(0) end)
      |> Table.Scratch.unordered()
    end

    assert unordered.([write.(1, 0, 3), write.(2, 2, 5)]) == [:k]
    assert unordered.([write.(1, 0, 3), write.(2, 4, 5)]) == []
    assert unordered.([write.(1, 0, 3), write.(2, 2, 5), write.(1, 6, 7)]) == []
    assert unordered.([write.(1, 0, 3), write.(1, 2, 5)]) == []
    all = %{write.(2, 2, 5) | function: :delete_all_objects, arguments: []}
    assert unordered.([write.(1, 0, 3), all]) == [:k]
  end

  test "many processes at once: the writes that are known make what is there" do
    table = :ets.new(:table_test_c, [:public, write_concurrency: true])

    {_, rec} =
      BeamScope.record([ets: [table]], fn ->
        1..8
        |> Enum.map(fn n ->
          Task.async(fn ->
            for k <- 1..50 do
              :ets.update_counter(table, :sum, 1, {:sum, 0})
              :ets.insert(table, {{n, k}, k})
            end
          end)
        end)
        |> Task.await_many()
      end)

    found = BeamScope.table!(rec, table)
    assert length(found.writes) == 800
    # Only what is unordered may be otherwise.
    assert found.mismatches |> Enum.map(& &1.key) |> Enum.reject(&(&1 in found.unordered)) == []
    assert Enum.count(found.objects) == 401
  end

  test "a release on which sessions get in each other's way says so" do
    table = :ets.new(:table_test_f, [:public])
    {_, rec} = BeamScope.record([ets: [table]], fn -> :ets.insert(table, {:a, 1}) end)
    said = Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "erlang/otp#10349"))
    assert said == not BeamScope.Recorder.Session.Builtins.independent?()
    {_, rec} = BeamScope.record([calls: [Base]], fn -> Base.encode16("a") end)
    refute Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "erlang/otp#10349"))
  end

  test "large tables are bounded, and say so" do
    table = :ets.new(:table_test_d, [:public])
    :ets.insert(table, for(n <- 1..20_000, do: {n, n}))
    {_, rec} = BeamScope.record([ets: [table]], fn -> :ets.insert(table, {:new, 1}) end)
    found = BeamScope.table!(rec, table)
    assert found.unknown >= 9_000
    assert length(found.objects) + found.unknown == 20_001
    assert inspect(found) =~ "of its beginning are not in the recording"
  end

  test "process dictionaries are followed" do
    Process.put(:before, 1)
    {:ok, agent} = Agent.start_link(fn -> Process.put(:own, :a) end)

    {_, rec} =
      BeamScope.record([trace: agent, pdict: true], fn ->
        Process.put(:seat, 7)
        Process.delete(:before)
        Agent.update(agent, fn s -> Process.put(:own, :b) && s end)
        Task.await(Task.async(fn -> Process.put(:born, true) && self() end))
      end)

    mine = BeamScope.dictionary!(rec, self())
    assert mine[:seat] == 7 and not is_map_key(mine, :before)
    assert BeamScope.dictionary!(rec, self(), :start)[:before] == 1
    assert BeamScope.dictionary!(rec, agent)[:own] == :b
    born = rec |> BeamScope.processes() |> Enum.find(&(&1.known == :spawned))
    assert %{born: true, "$callers": [_ | _]} = BeamScope.dictionary!(rec, born)
    world = Replay.world(Replay.open!(rec, at: :end))
    assert World.member(world, agent).dictionary[:own] == :b

    {_, other} = BeamScope.record([], fn -> :ok end)
    assert {:error, %Error{reason: :unknown_state}} = BeamScope.dictionary(other, self())
  end

  test "a world has the tables that were asked for" do
    table = :ets.new(:table_test_e, [:named_table, :public])
    {_, rec} = BeamScope.record([ets: [table]], fn -> for n <- 1..3, do: :ets.insert(table, {:n, n}) end)
    second = BeamScope.table!(rec, table).writes |> Enum.at(1)
    world = Replay.world(Replay.open!(rec, at: second.moment))
    assert world.tables[table].objects == [n: 2]
    assert inspect(world) =~ "Table :table_test_e"
  end
end
