defmodule BeamScope.TruncatedTest do
  # What a small budget cut is unknown: questions about it are answered by an error, never by an exception of another kind.
  use ExUnit.Case, async: false

  alias BeamScope.Error

  test "tables and dictionaries whose beginning was cut" do
    table = :ets.new(:truncated_test, [:named_table, :public])
    :ets.insert(table, {1, %{deep: %{er: [1, 2, 3]}}})

    pid =
      spawn(fn ->
        Process.put({:a, :key}, %{deep: %{er: 1}})
        receive do: (:stop -> :ok)
      end)

    Process.sleep(10)
    {:ok, rec} = BeamScope.start(pid, ets: [table], pdict: true, budget: [bytes: 64, depth: 2])
    {:ok, rec} = BeamScope.stop(rec)
    assert {:error, %Error{reason: :unknown_state} = error} = BeamScope.table(rec, table)
    assert Exception.message(error) =~ "truncated"
    assert {:error, %Error{reason: :unknown_state} = error} = BeamScope.dictionary(rec, pid)
    assert Exception.message(error) =~ "truncated"
    BeamScope.close(rec)
    send(pid, :stop)
  end

  test "each term has the bytes of the budget, though a record may have several" do
    twice = fn -> receive do: (_ -> receive(do: (_ -> Process.sleep(:infinity)))) end
    pid = spawn(twice)
    {:ok, rec} = BeamScope.start(pid, level: :messages, budget: [bytes: 512])
    send(pid, Enum.to_list(1..20_000))
    send(pid, {:bin, :binary.copy("ab", 20_000)})
    {:ok, rec} = BeamScope.stop(rec)

    assert [%BeamScope.Truncated{kind: :list} = list, {:bin, binary}] =
             for(m <- BeamScope.messages(rec), do: m.content)

    assert length(list.known) in 50..512
    assert :erlang.external_size(binary) in 256..1_024
    BeamScope.close(rec)
    Process.exit(pid, :kill)
  end

  test "a session makes no atom: a node that records again and again would run out of them" do
    {:ok, agent} = Agent.start_link(fn -> 0 end)
    record = fn -> agent |> BeamScope.start!() |> BeamScope.close() end
    for _ <- 1..3, do: record.()
    atoms = :erlang.system_info(:atom_count)
    for _ <- 1..20, do: record.()
    assert :erlang.system_info(:atom_count) - atoms < 20
  end
end
