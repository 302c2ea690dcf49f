defmodule Mix.Tasks.BeamScope.FaultsTest do
  # The twenty systems of priv/faults, a few times each; `mix beam_scope.faults --runs 200` is the proof.
  # Not async: they bear names, and on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias Mix.Tasks.BeamScope.Faults

  @moduletag :capture_log
  @runs 3

  setup_all do
    level = Logger.level()
    Logger.configure(level: :none)
    on_exit(fn -> Logger.configure(level: level) end)
    Faults.load()
  end

  test "every fault is caught and named, and no healthy system raises an alarm", %{
    source: source,
    table: table
  } do
    files = source.files()
    assert length(files) == 20
    rows = Enum.map(files, &table.row(&1, @runs))
    assert table.perfect?(rows), rows |> table.failures() |> Enum.join("\n")
    assert rows |> Enum.map(& &1.title) |> Enum.uniq() |> length() == 20
  end

  test "the variants of a system differ in a line or two", %{source: source} do
    for file <- source.files() do
      changes = file |> File.read!() |> String.split(~r/\bvariant\(/) |> length() |> Kernel.-(1)
      assert changes in 1..2, "#{file} has #{changes} changes"
      refute source.code(file, :healthy) == source.code(file, :faulty)
    end
  end

  test "the table counts what went another way, and shows it", %{source: source, table: table} do
    row = source.files() |> hd() |> table.row(1)
    assert table.perfect?([row])
    missed = %{row | named: 0, bad: [{"nothing broke", %{verdict: :verdict}}]}
    refute table.perfect?([row, missed])
    assert [row.name <> ": nothing broke\n:verdict\n"] == table.failures([row, missed])
    for bad <- [%{row | caught: 0}, %{row | alarms: 1}], do: refute(table.perfect?([bad]))
  end

  test "the task prints a line for each system that was named, and a verdict where asked" do
    assert capture_io(fn -> Faults.run(["lost_update", "--runs", "1"]) end) =~
             ~r/lost update between two calls +lost_update +1\/1 +1\/1 +0\/1/

    shown = capture_io(fn -> Faults.run(["priv/faults/lost_update.ex", "--show"]) end)

    assert shown |> String.split() |> Enum.join(" ") =~
             "LostUpdate.Account went from %{balance: 10, version: 1} to %{balance: 20, version: 2} on {:write, 20, 0}"

    assert_raise Mix.Error, ~r/unknown fault "weather"; there are: after_timeout, /, fn ->
      Faults.run(["weather"])
    end

    assert_raise Mix.Error, ~r/--runs takes a positive number/, fn -> Faults.run(["--runs", "0"]) end
  end
end
