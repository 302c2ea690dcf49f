defmodule BeamScope.Recorder.GovernorTest do
  # The whole way: flags, library, recording.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  alias BeamScope.Native
  alias BeamScope.Recorder.Governor.Cost
  alias BeamScope.Recorder.Session
  alias BeamScope.Test.{Counter, Leftovers}
  import BeamScope.Test.RecorderCase, only: [eventually: 1]
  import ExUnit.CaptureLog

  defmodule Bulk do
    @moduledoc false
    use GenServer

    @impl true
    def init(count), do: {:ok, count}
    @impl true
    def handle_call({:fill, _binary}, _from, count), do: {:reply, count + 1, count + 1}
  end

  setup :none_after

  setup do
    {:ok, counter} = Counter.start()
    %{counter: counter}
  end

  defp state(rec), do: :sys.get_state(rec.pid)
  defp traced(rec), do: Session.traced(state(rec).session)
  defp step(rec, action), do: GenServer.call(rec.pid, {:govern, action})
  defp why, do: %{reason: :overhead, share: 0.1, worst: 0.0, budget: 0.05, figures: %{run_queue: 0}}

  defp notes(rec), do: for(%{detail: %{governor: detail}} <- BeamScope.events(rec, kind: :note), do: detail)
  defp flags(rec, pid), do: flags(state(rec).session.module, state(rec).session.handle, pid)
  defp flags(Session.Classic, _, pid), do: pid |> :erlang.trace_info(:flags) |> elem(1) |> Enum.sort()
  defp flags(_, session, pid), do: :trace |> apply(:info, [session, pid, :flags]) |> elem(1) |> Enum.sort()

  defp crash(server) do
    monitor = Process.monitor(server)

    capture_log(fn ->
      GenServer.cast(server, :crash)
      assert_receive {:DOWN, ^monitor, _, _, _}, 5_000
    end)
  end

  defp kill(server) do
    monitor = Process.monitor(server)
    Process.exit(server, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}, 5_000
  end

  defp saturate(server) do
    spawn(fn ->
      Process.monitor(server)
      hammer(server)
    end)
  end

  defp hammer(server) do
    Counter.increment(server)
    hammer(server)
  catch
    :exit, _ -> :ok
  end

  describe "at :crashes" do
    @tag skip:
           BeamScope.Recorder.Profile.wanted(nil) == :fallback &&
             "callbacks and their returns are other calls"
    test "no process has the call flag, and ends are seen all the same", %{counter: counter} do
      rec = BeamScope.start!(counter, level: :crashes)
      refute :call in flags(rec, counter)
      Counter.increment(counter)
      crash(counter)

      assert %{result: {:stop, :planned}, message: {:"$gen_cast", :crash}, from: %{count: 1}} =
               last(rec, counter)
    end

    test "the end of a process that is not recorded is not either", %{counter: counter} do
      {:ok, stranger} = Counter.start()
      rec = BeamScope.start!(counter, level: :crashes)
      crash(stranger)
      crash(counter)
      BeamScope.stop(rec)
      pids = for %{pid: pid} <- BeamScope.processes(rec), do: pid
      assert counter in pids and stranger not in pids
      assert [_] = Enum.to_list(BeamScope.events(rec, kind: :state))
    end

    test "children of recorded processes are, whoever starts them", %{counter: counter} do
      rec = BeamScope.start!(counter, level: :crashes)
      test = self()
      GenServer.call(counter, {:spawn, fn -> send(test, Counter.start()) end})
      assert_receive {:ok, child}
      crash(child)
      assert %{result: {:stop, :planned}} = last(rec, child)
    end
  end

  defp last(rec, pid),
    do: rec |> BeamScope.history(pid, limit: :infinity) |> Map.fetch!(:transitions) |> List.last()

  describe "a saturated server" do
    @describetag timeout: 120_000
    @tag skip:
           BeamScope.Recorder.Profile.wanted(nil) == :fallback &&
             "callbacks and their returns are other calls"
    test "costs what it may, by being watched only; its end is recorded with all there is", %{
      counter: counter
    } do
      {:ok, other} = Counter.start()
      rec = BeamScope.start!([counter, other], overhead: 0.01)
      for server <- [counter, other], do: saturate(server)
      assert eventually(fn -> BeamScope.info(rec).governor.steps > 0 and :call not in flags(rec, counter) end)

      assert [%{reason: reason, share: share, budget: budget, figures: %{counts: _, wall_ns: _}} | _] =
               notes(rec)

      assert reason in [:overhead, :process, :run_queue, :mailbox, :rings]
      assert share > 0 and budget <= 0.01
      # Its state was seen before; of what it is now nobody knows.
      assert {:error, %{reason: _}} = BeamScope.state_at(rec, counter, :end)
      crash(counter)
      kill(other)

      assert %{result: {:stop, :planned}, message: {:"$gen_cast", :crash}, from: %{count: n}} =
               last(rec, counter)

      assert n > 0

      assert eventually(fn ->
               match?(
                 [_, _],
                 for(%{exit_reason: reason} <- BeamScope.processes(rec), reason != nil, do: reason)
               )
             end)

      reasons = for %{pid: pid, exit_reason: reason} <- BeamScope.processes(rec), into: %{}, do: {pid, reason}
      assert reasons[counter] == :planned and reasons[other] == :killed
      assert inspect(BeamScope.info(rec)) =~ "governor"
    end

    test "with a level that was named is left alone", %{counter: counter} do
      rec = BeamScope.start!(counter, level: :states, overhead: 0.001, limits: [events: 10_000_000])
      saturate(counter)
      Process.sleep(500)
      assert BeamScope.info(rec).governor == nil
      assert :call in flags(rec, counter)
    end
  end

  describe "each step" do
    setup %{counter: counter} do
      others = for _ <- 1..15, do: elem(Counter.start(), 1)
      rec = BeamScope.start!([counter | others])
      %{rec: rec, all: [counter | others]}
    end

    test "of the rung is a note with its reason, and off is off", %{rec: rec, all: all} do
      step(rec, {:rung, {:level, :states}, {:sampled, :states, 4}, why()})
      chosen = for pid <- all, rem(:erlang.phash2(pid), 4) == 0, do: pid
      for pid <- all, do: assert(:call in flags(rec, pid) == pid in chosen)
      for pid <- all, do: Counter.increment(pid)

      for pid <- all,
          do: assert(match?({:ok, %{count: 1}}, BeamScope.state_at(rec, pid, :end)) == pid in chosen)

      step(rec, {:rung, {:sampled, :states, 4}, {:level, :crashes}, why()})
      for pid <- all, do: refute(:call in flags(rec, pid))
      assert BeamScope.info(rec).level == :crashes

      step(rec, {:rung, {:level, :crashes}, {:level, :off}, why()})
      assert traced(rec) == []
      assert %{status: :running, governor: %{at: {:level, :off}, steps: 3}} = info = BeamScope.info(rec)
      assert Enum.any?(info.notes, &(&1 =~ "does not switch it on again"))

      assert [{:sampled, :states, 4}, {:level, :crashes}, {:level, :off}] =
               for(%{to: to} <- notes(rec), do: to)
    end

    test "back up brings back what it took", %{rec: rec, all: all} do
      before = for pid <- all, do: flags(rec, pid)
      step(rec, {:rung, {:level, :states}, {:sampled, :states, 8}, why()})
      step(rec, {:rung, {:sampled, :states, 8}, {:level, :crashes}, why()})
      step(rec, {:rung, {:level, :crashes}, {:sampled, :states, 8}, %{why() | reason: :recovered}})
      step(rec, {:rung, {:sampled, :states, 8}, {:level, :states}, %{why() | reason: :recovered}})
      assert for(pid <- all, do: flags(rec, pid)) == before
      for pid <- all, do: Counter.increment(pid)
      for pid <- all, do: assert({:ok, %{count: 1}} = BeamScope.state_at(rec, pid, :end))
    end

    test "a process that is watched has no flags, and its state is unknown until it is recorded again", %{
      rec: rec,
      all: [one | _]
    } do
      before = flags(rec, one)
      Counter.increment(one)
      assert {:ok, %{count: 1}} = BeamScope.state_at(rec, one, :end)
      step(rec, {:watch, [one], why()})
      assert flags(rec, one) == []
      Counter.increment(one)
      assert {:error, %BeamScope.Error{}} = BeamScope.state_at(rec, one, :end)
      step(rec, {:restore, [one], %{why() | reason: :recovered}})
      assert flags(rec, one) == before
      Counter.increment(one)
      assert {:ok, %{count: 3}} = BeamScope.state_at(rec, one, :end)
      assert %{watched: 0, steps: 2} = BeamScope.info(rec).governor
    end

    test "who bears a watched process's name after it is watched as well", %{rec: first} do
      BeamScope.close(first)
      children = [%{id: Counter, start: {Counter, :start_link, [[name: :governed_counter]]}}]
      {:ok, tree} = Supervisor.start_link(children, strategy: :one_for_one)
      rec = BeamScope.start!({:tree, tree})
      old = Process.whereis(:governed_counter)
      step(rec, {:watch, [old], why()})
      kill(old)

      new =
        eventually(fn ->
          with(pid when pid not in [nil, old] <- Process.whereis(:governed_counter), do: pid)
        end)

      assert eventually(fn -> flags(rec, new) == [] end)
      crash(new)
      assert %{result: {:stop, :planned}, from: %{count: 0}} = last(rec, new)
      reasons = for %{pid: pid, exit_reason: reason} <- BeamScope.processes(rec), into: %{}, do: {pid, reason}
      assert eventually(fn -> BeamScope.info(rec).governor.watched <= 1 end)
      assert reasons[old] == :killed
      Supervisor.stop(tree)
    end

    test "a level that is set by hand is where it goes on", %{rec: rec, all: [one | _]} do
      step(rec, {:watch, [one], why()})
      {:ok, _} = BeamScope.set_level(rec, :messages)
      assert flags(rec, one) == []
      assert BeamScope.info(rec).governor.at == {:level, :messages}
    end
  end

  test "a governor that is killed leaves a recording that says so", %{counter: counter} do
    rec = BeamScope.start!(counter)
    Process.exit(state(rec).govern.pid, :kill)
    assert eventually(fn -> Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "nobody watches any more")) end)
    Counter.increment(counter)
    assert {:ok, %{count: 1}} = BeamScope.state_at(rec, counter, :end)
  end

  test "what an event costs is measured in a moment" do
    Native.abi_version()
    {us, floors} = :timer.tc(fn -> Cost.calibrate() end)
    assert us < 2_000_000
    assert Map.keys(floors) |> Enum.sort() == Enum.sort(Cost.deeds())
    for {deed, ns} <- floors, do: assert(ns in div(Cost.known()[deed], 3)..(Cost.known()[deed] * 4))
  end

  @tag skip:
         BeamScope.Recorder.Profile.wanted(nil) == :fallback && "callbacks and their returns are other calls"
  test "the library counts what the virtual machine calls for, and who caused it", %{counter: counter} do
    rec = BeamScope.start!(counter, level: :full)
    _ = Native.recording_noise(rec.native, 4, 200)
    before = Native.recording_load(rec.native)
    for _ <- 1..300, do: Counter.increment(counter)
    load = Native.recording_load(rec.native)
    assert load.call - before.call == 600
    assert load.send - before.send == 300
    assert load.receive - before.receive == 300
    assert (load.schedule - before.schedule - (load.call - before.call)) in 100..400
    assert load.callback_ns > before.callback_ns
    assert [{^counter, events, _} | _] = Native.recording_noise_of_many(rec.native, 4, 200)
    assert events in 1_200..1_210
    assert Native.recording_noise_of_many(rec.native, 4, 200) == []
    BeamScope.stop(rec)
    assert {:error, {:stopped, _}} = Native.recording_load(rec.native)
  end

  describe "a limit" do
    # Where time is to be what ends it, there must be room for what comes until then.
    for {name, limits} <- [
          events: [events: 50],
          bytes: [bytes: 16 * 1024 * 1024],
          ms: [ms: 400, bytes: 1024 * 1024 * 1024],
          rate: [rate: {50, 10_000}]
        ] do
      test "of #{name} stops the recording, tracing really off, and info names it" do
        {:ok, bulk} = GenServer.start(Bulk, 0)

        rec = BeamScope.start!(bulk, level: :states, limits: unquote(limits), budget: [bytes: 64 * 1024])

        session = state(rec).session
        filler = spawn(fn -> fill(bulk, 1) end)
        assert eventually(fn -> not Process.alive?(rec.pid) end)
        assert %{status: :stopped, stop_reason: unquote(name)} = BeamScope.info(rec)
        assert without_flags?(session, bulk)
        assert eventually(fn -> Leftovers.find() == Leftovers.none() end)
        # It lives on, and works as before.
        assert GenServer.call(bulk, {:fill, ""}) > 0
        for pid <- [filler, bulk], do: Process.exit(pid, :kill)
      end
    end
  end

  defp fill(bulk, i) do
    GenServer.call(bulk, {:fill, :crypto.strong_rand_bytes(20_000)})
    fill(bulk, i + 1)
  catch
    :exit, _ -> :ok
  end

  defp without_flags?(%{module: Session.Classic}, pid), do: :erlang.trace_info(pid, :flags) == {:flags, []}

  # The session is gone.
  defp without_flags?(%{handle: session}, pid) do
    match?({:flags, []}, apply(:trace, :info, [session, pid, :flags]))
  rescue
    ArgumentError -> true
  end
end
