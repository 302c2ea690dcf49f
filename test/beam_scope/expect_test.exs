defmodule BeamScope.ExpectTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false
  doctest BeamScope.Expect

  require BeamScope
  import BeamScope, only: [pattern: 1]

  alias BeamScope.{Error, Event, Expect, Transition}
  alias BeamScope.Expect.Result
  alias BeamScope.Servers.Tally

  setup do
    on_exit(fn -> BeamScope.clear() end)
    {:ok, tally} = GenServer.start(Tally, [])
    %{tally: tally}
  end

  defp record(tally, fun, opts \\ []) do
    {_, rec} = BeamScope.record([trace: tally] ++ opts, fun)
    rec
  end

  defp one(rec, check) do
    assert {:ok, [%Result{} = result]} = Expect.run(rec, [check])
    result
  end

  defp count(step, bounds), do: Map.merge(%{check: :count, steps: [step]}, Map.new(bounds))

  describe "count" do
    test "messages, with bindings and ends", %{tally: tally} do
      rec = record(tally, fn -> for n <- [3, 4], do: Tally.add(tally, n) end)
      sent = %{what: :received, to: tally, pattern: pattern({:add, n} when n > 0)}
      result = one(rec, count(sent, min: 2, max: 2))
      assert %{verdict: :held, count: 2, bindings: %{n: 3}, first: %Event{kind: :receive}} = result
      assert result.first.from == self()

      assert %{verdict: :broken, violation: %Event{message: {_, _, {:add, 4}}}} =
               one(rec, count(sent, max: 1))

      assert %{verdict: :broken, count: 2} = one(rec, count(sent, min: 3))
    end

    test "states", %{tally: tally} do
      rec = record(tally, fn -> for n <- [3, 4], do: Tally.add(tally, n) end)
      state = %{what: :state, process: tally, pattern: pattern(%{count: c} when c > 2)}

      assert %{verdict: :held, count: 2, bindings: %{c: 3}, first: %Transition{}} =
               one(rec, count(state, min: 1))

      none = %{state | pattern: pattern(%{count: 9})}
      assert %{verdict: :broken, count: 0, seen: seen} = one(rec, count(none, min: 1))
      assert seen >= 2
    end

    test "what was not recorded is no proof", %{tally: tally} do
      rec = record(tally, fn -> :ok end)
      assert %{verdict: :empty, seen: 0} = one(rec, count(%{what: :sent, from: tally, pattern: nil}, max: 0))
    end
  end

  describe "every" do
    test "transitions by their message, and never", %{tally: tally} do
      rec = record(tally, fn -> for n <- [3, 4], do: Tally.add(tally, n) end)

      step = %{
        what: :transition,
        process: tally,
        pattern: pattern({%{count: a}, %{count: b}, _} when b == a + 3)
      }

      all = %{check: :every, steps: [step], scope: pattern({:add, _})}

      assert %{verdict: :broken, count: 1, seen: 2, violation: %Transition{content: {:add, 4}}} =
               one(rec, all)

      assert %{verdict: :held, seen: 1} = one(rec, %{all | scope: pattern({:add, 3})})
      assert %{verdict: :empty} = one(rec, %{all | scope: pattern({:add, 7})})

      never = %{
        check: :every,
        negate: true,
        steps: [%{what: :state, process: tally, pattern: pattern(%{count: 7})}]
      }

      assert %{verdict: :broken, violation: %Transition{to: %{count: 7}}} = one(rec, never)
    end
  end

  test "unknown processes are refused by name", %{tally: tally} do
    rec = record(tally, fn -> :ok end)
    check = count(%{what: :state, process: NoSuchServer, pattern: nil}, min: 1)
    assert {:error, %Error{reason: :no_such_process}} = Expect.run(rec, [check])
    assert {:error, %Error{reason: :invalid_recording}} = Expect.run(:nope, [check])
    assert {:error, %Error{reason: :invalid_option}} = Expect.run(rec, [%{check: :some, steps: []}])
    assert {:error, %Error{reason: :unknown_option}} = Expect.run(rec, [Map.put(check, :mni, 1)])
  end
end
