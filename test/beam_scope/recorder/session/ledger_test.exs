defmodule BeamScope.Recorder.Session.LedgerTest do
  use ExUnit.Case, async: true

  alias BeamScope.Recorder.Session.Ledger

  # The ledger never looks into what stands for a process.
  @pid :a_process
  @mfa {:lists, :map, 2}

  test "flags of two recordings are the union, and go with the last who wants them" do
    {ledger, [{:flags, @pid, true, [:procs]}]} = Ledger.want_flags(%Ledger{}, 1, @pid, [:procs])
    {ledger, [{:flags, @pid, true, [:send]}]} = Ledger.want_flags(ledger, 2, @pid, [:procs, :send])
    {ledger, []} = Ledger.want_flags(ledger, 3, @pid, [:send])
    {ledger, []} = Ledger.release(ledger, 1)
    {ledger, [{:flags, @pid, false, [:procs]}]} = Ledger.release(ledger, 2)
    {ledger, [{:flags, @pid, false, [:send]}]} = Ledger.release(ledger, 3)
    assert ledger == %Ledger{}
  end

  test "what needs no step makes none" do
    {ledger, _} = Ledger.want_flags(%Ledger{}, 1, @pid, [:procs])
    assert {^ledger, []} = Ledger.want_flags(ledger, 1, @pid, [:procs])
    assert {^ledger, []} = Ledger.drop_flags(ledger, 2, @pid, [:all])
    ledger = Ledger.adopt(ledger, 1, self(), [:procs])
    assert {_, [{:flags, pid, false, [:procs]}]} = Ledger.drop_flags(ledger, 1, self(), [:all])
    assert pid == self()
    assert Ledger.wanted(Ledger.forget(ledger, self()), 1) == [@pid]
  end

  test "the strongest want of a pattern is set" do
    {ledger, [{:pattern, @mfa, :plain}]} = Ledger.want_pattern(%Ledger{}, 1, @mfa, :plain)
    {ledger, [{:pattern, @mfa, :outcomes}]} = Ledger.want_pattern(ledger, 2, @mfa, :outcomes)
    {ledger, []} = Ledger.want_pattern(ledger, 3, @mfa, :returns)
    {ledger, [{:pattern, @mfa, :returns}]} = Ledger.drop_pattern(ledger, 2, @mfa)
    {ledger, [{:pattern, @mfa, :plain}]} = Ledger.release(ledger, 3)
    {ledger, [{:pattern, @mfa, :off}]} = Ledger.release(ledger, 1)
    assert ledger == %Ledger{}
  end

  test "new processes and receives are counted too" do
    {ledger, [{:flags, :new, true, [:procs]}]} = Ledger.want_new(%Ledger{}, 1, [:procs])
    {ledger, [{:receives, true}]} = Ledger.want_receives(ledger, 1, true)
    {ledger, []} = Ledger.want_receives(ledger, 2, true)
    {ledger, []} = Ledger.want_receives(ledger, 1, false)
    {ledger, [{:flags, :new, false, [:procs]}]} = Ledger.release(ledger, 1)
    assert {%Ledger{} = empty, [{:receives, false}]} = Ledger.release(ledger, 2)
    assert empty == %Ledger{}
  end

  test "any sequence of wants ends with the union of what is wanted, and with nothing when all are released" do
    :rand.seed(:exsss, {1, 2, 3})

    for _ <- 1..200 do
      {ledger, machine} =
        Enum.reduce(1..30, {%Ledger{}, %{}}, fn _, {ledger, machine} ->
          {ledger, steps} = random_change(ledger)
          machine = Enum.reduce(steps, machine, &perform/2)
          assert machine == union(ledger)
          {ledger, machine}
        end)

      {ledger, machine} =
        Enum.reduce(1..3, {ledger, machine}, fn id, {ledger, machine} ->
          {ledger, steps} = Ledger.release(ledger, id)
          {ledger, Enum.reduce(steps, machine, &perform/2)}
        end)

      assert {ledger, machine} == {%Ledger{}, %{}}
    end
  end

  defp random_change(ledger) do
    id = :rand.uniform(3)
    pid = Enum.random([:one, :two, :three])
    flags = Enum.take_random([:procs, :send, :call], :rand.uniform(3))
    mfa = {:m, :f, :rand.uniform(2)}

    case :rand.uniform(6) do
      1 -> Ledger.want_flags(ledger, id, pid, flags)
      2 -> Ledger.drop_flags(ledger, id, pid, Enum.random([[:all], flags]))
      3 -> Ledger.want_pattern(ledger, id, mfa, Enum.random([:plain, :returns, :outcomes]))
      4 -> Ledger.drop_pattern(ledger, id, mfa)
      5 -> Ledger.want_new(ledger, id, Enum.random([[], flags]))
      6 -> Ledger.release(ledger, id)
    end
  end

  # A virtual machine of one line: what is on.
  defp perform({:flags, who, true, flags}, machine),
    do: Map.update(machine, who, Enum.sort(flags), &Enum.sort(flags ++ &1))

  defp perform({:flags, who, false, flags}, machine) do
    case Map.fetch!(machine, who) -- flags do
      [] -> Map.delete(machine, who)
      left -> Map.put(machine, who, left)
    end
  end

  defp perform({:pattern, mfa, :off}, machine), do: Map.delete(machine, mfa)
  defp perform({:pattern, mfa, want}, machine), do: Map.put(machine, mfa, want)

  defp union(ledger) do
    flags = for {pid, wants} <- ledger.flags, into: %{}, do: {pid, all(wants)}
    new = if ledger.new == %{}, do: %{}, else: %{new: all(ledger.new)}
    strength = [:plain, :returns, :outcomes]

    patterns =
      for {mfa, wants} <- ledger.patterns, into: %{} do
        {mfa, Enum.max_by(Map.values(wants), fn want -> Enum.find_index(strength, &(&1 == want)) end)}
      end

    flags |> Map.merge(new) |> Map.merge(patterns)
  end

  defp all(wants), do: wants |> Map.values() |> Enum.concat() |> Enum.uniq() |> Enum.sort()
end
