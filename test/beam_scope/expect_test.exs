defmodule BeamScope.ExpectTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false
  doctest BeamScope.Expect

  require BeamScope
  import BeamScope, only: [pattern: 1]

  alias BeamScope.{Error, Event, Expect, Transition}
  alias BeamScope.Expect.Result
  alias BeamScope.Servers.{Echo, Tally}

  defmodule Shop do
    @moduledoc "Functions to be traced: one that returns, one that fails, one whose last call is another."
    def price(n), do: n * 2
    def fail(n), do: raise(ArgumentError, "no #{n}")
    def outer(n), do: inner(n + 1)
    def inner(n), do: n
    def down(0), do: :done
    def down(n), do: {n, down(n - 1)}
  end

  setup do
    on_exit(fn -> BeamScope.clear() end)
    {:ok, tally} = GenServer.start(Tally, [])
    %{tally: tally}
  end

  defp record(targets, fun, opts \\ []) do
    {_, rec} = BeamScope.record([trace: targets] ++ opts, fun)
    rec
  end

  defp one(rec, check) do
    assert {:ok, [%Result{} = result]} = Expect.run(rec, [check])
    result
  end

  defp count(step, bounds), do: Map.merge(%{check: :count, steps: [step]}, Map.new(bounds))

  defp add(tally, numbers), do: for(n <- numbers, do: Tally.add(tally, n))

  describe "count" do
    test "messages, with bindings and ends", %{tally: tally} do
      rec = record(tally, fn -> add(tally, [3, 4]) end)
      got = %{what: :received, to: tally, pattern: pattern({:add, n} when n > 0)}
      result = one(rec, count(got, min: 2, max: 2))
      assert %{verdict: :held, count: 2, bindings: %{n: 3}, first: %Event{kind: :receive}} = result
      assert result.first.from == self()

      assert %{verdict: :broken, violation: %Event{content: {:add, 4}}} = one(rec, count(got, max: 1))
      assert %{verdict: :broken, count: 2} = one(rec, count(got, min: 3))
      assert %{verdict: :broken, count: 0} = one(rec, count(%{got | pattern: pattern({:add, 9})}, min: 1))
    end

    test "states", %{tally: tally} do
      rec = record(tally, fn -> add(tally, [3, 4]) end)
      state = %{what: :state, process: tally, pattern: pattern(%{count: c} when c > 2)}

      assert %{verdict: :held, count: 2, bindings: %{c: 3}, first: %Transition{}} =
               one(rec, count(state, min: 1))

      none = one(rec, count(%{state | pattern: pattern(%{count: 9})}, min: 1))
      assert %{verdict: :broken, count: 0, nearest: %Transition{to: %{count: 7}}} = none
      assert none.seen >= 2
    end

    test "what was not recorded is no proof", %{tally: tally} do
      rec = record(tally, fn -> :ok end)
      assert %{verdict: :empty, seen: 0} = one(rec, count(%{what: :sent, from: tally, pattern: nil}, max: 0))
    end

    @tag :capture_log
    test "crashes, by the reason without its stacktrace too", %{tally: tally} do
      rec =
        record(tally, fn ->
          ref = Process.monitor(tally)
          GenServer.cast(tally, :crash)
          assert_receive {:DOWN, ^ref, _, _, _}
        end)

      crash = %{what: :crashed, process: tally, pattern: nil}
      assert %{verdict: :held, count: 1, seen: 1} = one(rec, count(crash, min: 1, max: 1))
      assert %{verdict: :broken, violation: violation} = one(rec, count(crash, max: 0))
      assert match?(%Event{kind: :exit}, violation) or match?(%Transition{result: {:crash, _, _}}, violation)
      assert %{verdict: :held} = one(rec, count(%{crash | pattern: :badarith}, min: 1))
      assert %{verdict: :broken} = one(rec, count(%{crash | pattern: :other}, min: 1))
    end

    test "a process that ended as it should has not crashed", %{tally: tally} do
      rec =
        record(tally, fn ->
          Tally.get(tally)
          GenServer.stop(tally)
        end)

      assert %{verdict: :empty} = one(rec, count(%{what: :crashed, process: tally, pattern: nil}, max: 0))
    end
  end

  describe "every" do
    test "transitions by their message, and never", %{tally: tally} do
      rec = record(tally, fn -> add(tally, [3, 4]) end)
      grown = pattern({%{count: a}, %{count: b}, _} when b == a + 3)
      step = %{what: :transition, process: tally, pattern: grown}
      all = %{check: :every, steps: [step], scope: pattern({:add, _})}

      assert %{verdict: :broken, count: 1, seen: 2, violation: %Transition{content: {:add, 4}}} =
               one(rec, all)

      assert %{verdict: :held, seen: 1} = one(rec, %{all | scope: pattern({:add, 3})})
      assert %{verdict: :empty} = one(rec, %{all | scope: pattern({:add, 7})})

      never = %{check: :every, negate: true, steps: [%{what: :state, process: tally, pattern: %{count: 7}}]}
      assert %{verdict: :broken, violation: %Transition{to: %{count: 7}}} = one(rec, never)
    end

    test "a later guard uses what an earlier pattern binds", %{tally: tally} do
      rec = record(tally, fn -> add(tally, [3, 4]) end)
      {:pattern, head, nil} = pattern({%{count: a}, %{count: b}, _}).data
      sum = {:op, :"=:=", [{:var, :b}, {:op, :+, [{:var, :a}, {:var, :n}]}]}
      step = %{what: :transition, process: tally, pattern: {:pattern, head, sum}}
      all = %{check: :every, steps: [step], scope: pattern({:add, n})}
      assert %{verdict: :held, count: 2} = one(rec, all)
    end

    test "what does not fit into the budget decides nothing", %{tally: tally} do
      big = String.duplicate("x", 5_000)

      note = fn ->
        send(tally, {:note, big})
        Tally.get(tally)
      end

      rec = record(tally, note, budget: [bytes: 256])
      step = %{what: :received, process: tally, pattern: {:note, big <> "y"}}
      assert %{verdict: :held} = one(rec, %{check: :every, negate: true, steps: [step]})
      step = %{step | pattern: {:note, big}}

      assert %{verdict: :unknown, unknown: 1, nearest: %Event{}} =
               one(rec, %{check: :every, negate: true, steps: [step]})
    end
  end

  describe "calls" do
    test "by function, arguments and value", %{tally: tally} do
      shop = fn ->
        Shop.price(3)
        catch_error(Shop.fail(1))
        Shop.outer(4)
        Shop.down(3)
      end

      rec = record([tally, self()], shop, calls: [Shop])
      called = fn function, pattern -> %{what: :called, mfa: {Shop, function, :_}, pattern: pattern} end

      price = one(rec, count(called.(:price, pattern({[n], value} when value == n * 2)), min: 1, max: 1))

      assert %{
               verdict: :held,
               bindings: %{n: 3, value: 6},
               first: %Event{kind: :call, mfa: {Shop, :price, [3]}}
             } = price

      assert price.first.value == 6

      fail = one(rec, count(called.(:fail, pattern({[1], _})), min: 1))
      assert %{verdict: :held, count: 1} = fail

      assert %{verdict: :broken, seen: 1} =
               one(rec, count(called.(:fail, pattern({_, _v})), min: 1) |> with_value())

      assert %{bindings: %{v: 5}} = one(rec, count(called.(:outer, pattern({[4], v})), min: 1))
      assert %{count: 4} = one(rec, count(called.(:down, pattern({_, v} when v != nil)), min: 4, max: 4))
      assert %{count: 1} = one(rec, count(called.(:down, pattern({[n], {n, {2, {1, :done}}}})), min: 1))
      assert %{verdict: :empty} = one(rec, count(called.(:other, nil), max: 0))
    end

    defp with_value(%{steps: [step]} = check),
      do: %{check | steps: [%{step | pattern: {:pattern, {:tuple, [:any, {:var, :v}]}, nil}}]}
  end

  describe "several steps" do
    setup do
      {:ok, echo} = GenServer.start(Echo, [])
      %{echo: echo}
    end

    test "a flow that is not found tells what its best attempt bound", %{tally: tally, echo: echo} do
      client = self()

      {_, rec} =
        BeamScope.record([trace: [tally, echo]], fn -> GenServer.call(tally, {:ask, echo, {:echo, :one}}) end)

      ask = %{what: :sent, from: client, to: tally, pattern: pattern({:ask, _, {:echo, what}})}
      other = %{what: :sent, from: tally, to: echo, pattern: pattern({:other, _})}
      flow = one(rec, %{check: :flow, steps: [ask, other]})
      assert %{verdict: :broken, failed_step: 1, bindings: %{what: :one}} = flow

      assert %{verdict: :broken, failed_step: 0, bindings: none} =
               one(rec, %{check: :flow, steps: [other, ask]})

      assert none == %{}
    end

    test "a flow through three processes", %{tally: tally, echo: echo} do
      client = self()

      rec =
        record([client, tally, echo], fn ->
          GenServer.call(tally, {:ask, echo, {:echo, :one}})
          GenServer.call(tally, {:ask, echo, {:echo, :two}})
        end)

      ask = %{what: :sent, from: client, to: tally, pattern: pattern({:ask, _, {:echo, what}})}
      echoed = %{what: :sent, from: tally, to: echo, pattern: pattern({:echo, what})}
      answer = %{what: :sent, from: echo, to: tally, pattern: pattern({_tag, what})}
      flow = one(rec, %{check: :flow, steps: [ask, echoed, answer]})
      assert %{verdict: :held, bindings: %{what: :one}, failed_step: nil} = flow
      assert [%Event{kind: :send, from: ^client}, %Event{to: ^echo}, %Event{to: ^tally}] = flow.steps

      back =
        one(rec, %{
          check: :flow,
          steps: [
            %{answer | pattern: pattern({_tag, :two})},
            %{ask | pattern: pattern({:ask, _, {:echo, :two}})}
          ]
        })

      assert %{
               verdict: :broken,
               failed_step: 1,
               steps: [%Event{}, nil],
               nearest: %Event{content: {:ask, _, {:echo, :two}}}
             } = back
    end

    test "one thing leads to another, each effect has its cause", %{tally: tally} do
      client = self()

      rec =
        record([client, tally], fn ->
          add(tally, [1, 2])
          GenServer.cast(tally, {:grow, 1})

          # The cast has been handled before the recording ends. Asked by another process: the client has its own answers only.
          Task.await(Task.async(fn -> :sys.get_state(tally) end))
        end)

      asked = %{what: :sent, from: client, to: tally, pattern: pattern({:"$gen_call", {_, tag}, {:add, n}})}
      answered = %{what: :sent, from: tally, to: client, pattern: pattern({tag, _})}
      leads = one(rec, %{check: :leads_to, within_ms: 5_000, steps: [asked, answered]})
      assert %{verdict: :held, count: 2, open: 0, bindings: %{n: 1}} = leads

      assert %{verdict: :held, count: 2} =
               one(rec, %{check: :causality, strict: true, steps: [asked, answered]})

      grow = %{what: :sent, to: tally, pattern: pattern({:"$gen_cast", {:grow, n}})}
      grown = %{what: :state, process: tally, pattern: pattern(%{count: n, big: _})}
      missing = one(rec, %{check: :leads_to, steps: [grow, grown]})
      assert %{verdict: :broken, violation: %Event{content: {:grow, 1}}} = missing
      assert %Transition{to: %{count: 3}} = missing.nearest
    end
  end

  describe "moments" do
    test "only what happened in between counts", %{tally: tally} do
      rec = record(tally, fn -> add(tally, [3, 4, 5]) end)
      {:ok, second} = BeamScope.find_state(rec, tally, %{count: 7})
      got = %{what: :received, process: tally, pattern: pattern({:add, _})}
      assert %{count: 1} = one(rec, Map.put(count(got, min: 0), :since, second))
      assert %{count: 2} = one(rec, Map.put(count(got, min: 0), :until, second))

      assert {:error, %Error{reason: :outside_recording}} =
               Expect.run(rec, [Map.put(count(got, min: 0), :since, {:ms, 1.0e9})])

      # The state that stands when the span begins is one of it.
      zero = %{what: :state, process: tally, pattern: %{count: 7}}
      assert %{verdict: :broken} = one(rec, %{check: :every, negate: true, since: second, steps: [zero]})
    end

    test "after a limit nothing is known to be absent", %{tally: tally} do
      {:ok, rec} = BeamScope.start(tally, level: :messages, limits: [events: 4])
      add(tally, [1, 2, 3, 4])
      Process.sleep(50)
      BeamScope.stop(rec)
      never = %{check: :every, negate: true, steps: [%{what: :received, process: tally, pattern: {:add, 9}}]}
      assert %{verdict: :gap, gap: %{count: lost}} = one(rec, never)
      assert lost > 0
    end
  end

  describe "monitor" do
    test "tells each check once, as soon as it is decided", %{tally: tally} do
      {:ok, rec} = BeamScope.start(tally, level: :full)
      Tally.add(tally, 1)
      state = fn pattern -> %{what: :state, process: tally, pattern: pattern} end
      never = %{check: :every, negate: true, steps: [state.(pattern(%{count: n} when n > 5))]}
      reached = count(state.(%{count: 1}), min: 1)
      {:ok, monitor} = Expect.monitor(rec, [never, reached])

      assert {:ok, %{events: [{1, :held, %Result{first: %Transition{to: %{count: 1}}}}], next: nil}} =
               poll(monitor)

      assert {:ok, %{events: []}} = Expect.poll(monitor)
      began = System.monotonic_time(:millisecond)
      Tally.add(tally, 7)

      assert {:ok, %{events: [{0, :broken, %Result{violation: %Transition{to: %{count: 8}}}}]}} =
               poll(monitor)

      assert System.monotonic_time(:millisecond) - began < 500
      assert {:ok, [%{verdict: :broken}, %{verdict: :held}]} = Expect.finish(monitor)
    end

    test "time alone breaks what waits, and names may come", %{tally: tally} do
      {:ok, rec} = BeamScope.start([tally, self()], level: :full)
      later = :expect_test_later
      asked = %{what: :sent, to: tally, pattern: pattern({:note, n})}

      check = %{
        check: :leads_to,
        within_ms: 40,
        steps: [asked, %{what: :received, process: later, pattern: pattern({:note, n})}]
      }

      {:ok, monitor} = Expect.monitor(rec, [check])
      send(tally, {:note, 1})
      Process.sleep(5)
      assert {:ok, %{events: [], next: next}} = poll_until(monitor, &(&1.next != nil))
      assert next in 1..100
      assert {:ok, %{events: [{0, :broken, %Result{violation: %Event{message: {:note, 1}}}}]}} = poll(monitor)
    end

    test "ends with its recording", %{tally: tally} do
      {:ok, rec} = BeamScope.start(tally)
      {:ok, monitor} = Expect.monitor(rec, [count(%{what: :state, process: tally, pattern: nil}, min: 1)])
      BeamScope.close(rec)
      assert {:error, %Error{reason: :closed}} = Expect.poll(monitor)
    end

    defp poll(monitor), do: poll_until(monitor, &(&1.events != []))

    defp poll_until(monitor, done?, tries \\ 100) do
      {:ok, answer} = Expect.poll(monitor)

      if done?.(answer) or tries == 0 do
        {:ok, answer}
      else
        Process.sleep(5)
        poll_until(monitor, done?, tries - 1)
      end
    end
  end

  test "a saved recording answers as the live one did", %{tally: tally} do
    rec = record([tally, self()], fn -> add(tally, [3, 4]) end, calls: [Shop])
    sent = %{what: :sent, pattern: pattern({:add, n})}
    state = %{what: :state, pattern: pattern(%{count: c} when c > 3)}

    checks = [
      count(sent, min: 1),
      count(state, min: 1),
      %{check: :flow, steps: [sent, %{sent | what: :received}]}
    ]

    path = Path.join(System.tmp_dir!(), "expect-#{System.unique_integer([:positive])}.bscope")
    on_exit(fn -> File.rm(path) end)
    {:ok, live} = Expect.run(rec, checks)
    :ok = BeamScope.save(rec, path)
    {:ok, loaded} = BeamScope.load(path)
    {:ok, again} = Expect.run(loaded, checks)
    short = fn all -> for one <- all, do: {one.verdict, one.count, one.seen, one.bindings} end
    assert short.(again) == short.(live)
    assert [{:held, _, _, %{n: 3}}, {:held, _, _, %{c: 7}}, {:held, 2, _, %{n: 3}}] = short.(live)
  end

  describe "what makes no sense" do
    test "is refused by name", %{tally: tally} do
      rec = record(tally, fn -> :ok end)
      check = count(%{what: :state, process: NoSuchServer, pattern: nil}, min: 1)
      assert {:error, %Error{reason: :no_such_process}} = Expect.run(rec, [check])
      assert {:error, %Error{reason: :invalid_recording}} = Expect.run(:nope, [check])
      assert {:error, %Error{reason: :invalid_option}} = Expect.run(rec, [%{check: :some, steps: []}])
      assert {:error, %Error{reason: :invalid_option}} = Expect.run(rec, :nope)
      assert {:error, %Error{reason: :unknown_option}} = Expect.run(rec, [Map.put(check, :mni, 1)])
      step = %{what: :transition, process: tally, pattern: pattern({_, _})}
      assert {:error, %Error{reason: :bad_check} = error} = Expect.run(rec, [count(step, min: 1)])
      assert Exception.message(error) =~ "tuple of 3"
      step = %{what: :state, process: tally, pattern: {:pattern, :any, {:var, :nobody}}}
      assert {:error, %Error{reason: :bad_pattern}} = Expect.run(rec, [count(step, min: 1)])

      assert {:error, %Error{reason: :bad_check}} =
               Expect.run(rec, [%{check: :leads_to, steps: [step]} |> fix()])
    end

    defp fix(%{steps: [step]} = check), do: %{check | steps: [%{step | pattern: nil}]}
  end
end
