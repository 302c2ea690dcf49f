defmodule BeamScope.Recorder.LiveTest do
  # The whole way: flags, library, recording.
  use ExUnit.Case, async: false

  alias BeamScope.{Native, Recorder}
  alias BeamScope.Test.{Counter, Leftovers}
  import BeamScope.Test.RecorderCase, only: [eventually: 1]

  setup do
    on_exit(fn ->
      Recorder.clear()
      assert Leftovers.settle() == Leftovers.none()
    end)

    {:ok, counter} = Counter.start()
    %{counter: counter}
  end

  defp start!(targets, options \\ []) do
    # What is asserted here is what loops show; the fallback has its own tests.
    assert {:ok, recording} = Recorder.start(targets, Keyword.put_new(options, :profile, :checked))
    recording
  end

  defp events(recording, kinds, track \\ nil) do
    query = %{
      kinds: kinds,
      track: track && {:pid, track},
      from: nil,
      to: nil,
      since: nil,
      until: nil,
      match: nil,
      mfa: nil,
      limit: nil,
      order: :asc
    }

    case Native.query(recording.native, query) do
      {:ok, %{events: events}} -> events
      {:error, {:no_such_process, _}} -> []
    end
  end

  defp info(recording) do
    assert {:ok, info} = Recorder.info(recording)
    assert info.events.offered == info.events.stored + info.events.dropped
    info
  end

  # The states that loops, steps, readings and callbacks' returns tell, the same ones in a row once.
  defp states(recording, pid) do
    for(event <- events(recording, [:state], pid), state = state(event), do: state) |> Enum.dedup()
  end

  defp state(%{after: state}), do: state
  defp state(%{returned: {:reply, _, state}}), do: state
  defp state(%{returned: {_, state}}), do: state
  defp state(_), do: nil

  describe "a server" do
    test "alive before shows its state, and each later one", %{counter: counter} do
      Counter.increment(counter)
      recording = start!(counter)
      for _ <- 1..3, do: Counter.increment(counter)
      Recorder.stop(recording)
      assert for(%{count: n} <- states(recording, counter), do: n) == [1, 2, 3, 4]
      assert %{status: :stopped, stop_reason: :requested} = info(recording)
      seen = info(recording).events.offered
      Counter.increment(counter)
      assert info(recording).events.offered == seen
    end

    test "started while recording shows its first state" do
      recording = start!(:new)
      {:ok, pid} = Counter.start()
      Counter.increment(pid)
      Recorder.stop(recording)
      assert for(%{count: n} <- states(recording, pid), do: n) == [0, 1]
    end

    test "tells nothing of the recorder's own requests", %{counter: counter} do
      recording = start!(counter, level: :full)
      Counter.increment(counter)
      Recorder.stop(recording)
      me = self()
      assert [%{from: ^me, message: {:"$gen_call", _, :increment}}] = events(recording, [:receive], counter)
      assert [%{message: {_, 1}}] = events(recording, [:send], counter)
    end

    test "under the fallback shows the same states", %{counter: counter} do
      recording = start!(counter, profile: :fallback)
      for _ <- 1..3, do: Counter.increment(counter)
      Recorder.stop(recording)
      assert for(%{count: n} <- states(recording, counter), do: n) == [1, 2, 3]
      assert info(recording).profile.gen_server =~ "fallback"
    end

    test "that crashes at level :crashes shows why, what it handled and its last state", %{counter: counter} do
      Counter.increment(counter)
      recording = start!(counter, level: :crashes)
      Counter.increment(counter)
      monitor = Process.monitor(counter)

      ExUnit.CaptureLog.capture_log(fn ->
        GenServer.cast(counter, :crash)
        assert_receive {:DOWN, ^monitor, _, _, _}
      end)

      Recorder.stop(recording)

      assert [%{point: :end, reason: :planned, before: %{count: 2}, message: {:"$gen_cast", :crash}}] =
               events(recording, [:state], counter)

      assert [%{reason: :planned}] = events(recording, [:exit], counter)
    end
  end

  describe "record" do
    test "has the function's messages and processes, and nothing of the recorder", %{counter: counter} do
      me = self()

      {pid, recording} =
        Recorder.record([trace: counter], fn ->
          1 = Counter.increment(counter)
          {:ok, pid} = Counter.start()
          1 = Counter.increment(pid)
          pid
        end)

      sends = events(recording, [:send], me)
      assert [%{to: ^counter}, %{to: ^pid}] = Enum.filter(sends, &match?({:"$gen_call", _, _}, &1.message))
      assert length(sends) == 2
      assert for(%{count: n} <- states(recording, pid), do: n) == [0, 1]
      assert [%{child: ^pid}] = events(recording, [:spawn], me)
    end

    test "follows what supervisors start for the function, and nobody else's" do
      me = self()
      {:ok, dynamic} = outside(fn -> DynamicSupervisor.start_link(strategy: :one_for_one) end)
      {:ok, tasks} = outside(fn -> Task.Supervisor.start_link() end)
      spec = %{id: 1, start: {Counter, :start_link, []}}

      other =
        spawn_link(fn ->
          receive do: (:go -> send(me, {:theirs, DynamicSupervisor.start_child(dynamic, spec)}))
        end)

      {{mine, theirs}, recording} =
        Recorder.record([], fn ->
          {:ok, mine} = DynamicSupervisor.start_child(dynamic, spec)
          send(other, :go)
          assert_receive {:theirs, {:ok, theirs}}
          Task.await(Task.Supervisor.async(tasks, fn -> send(me, {:task, self()}) end))
          Process.sleep(150)
          Counter.increment(mine)
          Counter.increment(theirs)
          {mine, theirs}
        end)

      assert_received {:task, task}
      assert for(%{count: n} <- states(recording, mine), do: n) == [0, 1]
      refute %{count: 1} in states(recording, theirs)
      assert [%{reason: :normal}] = events(recording, [:exit], task)
    end

    # Started by a process that no recording knows.
    defp outside(start) do
      me = self()

      spawn(fn ->
        send(me, {:started, start.()})
        Process.sleep(:infinity)
      end)

      receive do: ({:started, started} -> started)
    end
  end

  describe "a name" do
    test "is one history through restarts" do
      child = %{id: 1, start: {Counter, :start_link, [[name: :live_followed]]}}
      {:ok, _} = Supervisor.start_link([child], strategy: :one_for_one)
      recording = start!(:live_followed)

      pids =
        for _ <- 1..3 do
          pid = Process.whereis(:live_followed)
          Counter.increment(pid)
          Process.exit(pid, :kill)
          eventually(fn -> Process.whereis(:live_followed) not in [nil, pid] end)
          pid
        end

      last = Process.whereis(:live_followed)
      Counter.increment(last)
      Recorder.stop(recording)
      for pid <- pids ++ [last], do: assert(for(%{count: n} <- states(recording, pid), do: n) == [0, 1])
      assert Enum.count(info(recording).notes, &(&1 =~ "started again")) == 3
    end
  end

  describe "limits" do
    test "of events stop the recording and turn tracing off", %{counter: counter} do
      recording = start!(counter, limits: [events: 50])
      for _ <- 1..200, do: Counter.increment(counter)
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert %{status: :stopped, stop_reason: :events, events: %{stored: stored}} = info(recording)
      assert stored <= 50
      assert Leftovers.settle() == Leftovers.none()
    end

    test "of rate do too", %{counter: counter} do
      recording = start!(counter, limits: [rate: {20, 10_000}])
      for _ <- 1..200, do: Counter.increment(counter)
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert %{stop_reason: :rate} = info(recording)
    end

    test "of time", %{counter: counter} do
      recording = start!(counter, limits: [ms: 30])
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert %{stop_reason: :ms} = info(recording)
    end
  end

  describe "two recordings of one process" do
    test "each have what they asked for, and one ends without the other", %{counter: counter} do
      one = start!(counter, level: :states)
      two = start!(counter, level: :messages)
      Counter.increment(counter)
      Recorder.stop(two)
      Counter.increment(counter)
      Recorder.stop(one)
      assert for(%{count: n} <- states(one, counter), do: n) == [0, 1, 2]
      assert events(one, [:receive], counter) == []
      assert events(two, [:state], counter) == []
      assert [%{message: {:"$gen_call", _, :increment}}] = events(two, [:receive], counter)
    end
  end

  describe "killed" do
    test "the hub with a recorder: the recording ends, nothing stays on, and the next one gets its patterns" do
      {:ok, server} = BeamScope.Servers.Tally.start_link()
      calls = [{:lists, :reverse, 2}]
      {:ok, rec} = BeamScope.start(server, level: :full, calls: calls)
      hub = Process.whereis(Recorder.Hub)
      for pid <- [rec.pid, hub], do: Process.exit(pid, :kill)
      for pid <- [rec.pid, hub], do: BeamScope.Test.Tracing.await_end(pid)

      {:ok, next} = BeamScope.start(server, level: :full, calls: calls)
      BeamScope.Servers.Tally.add(server, 1)
      assert %{status: :stopped, stop_reason: :recorder_down} = BeamScope.info(rec)
      {:ok, next} = BeamScope.stop(next)
      assert [_ | _] = BeamScope.events(next, kind: :receive) |> Enum.to_list()
      for one <- [rec, next], do: BeamScope.close(one)
      assert BeamScope.Test.Leftovers.settle() == BeamScope.Test.Leftovers.none()
      assert {:traced, false} = :erlang.trace_info({:lists, :reverse, 2}, :traced)
    end

    test "the hub while a helper is asked for: an answer, no exit" do
      {:ok, server} = BeamScope.Servers.Tally.start_link()
      {:ok, rec} = BeamScope.start(server)
      hub = Process.whereis(Recorder.Hub)
      :sys.suspend(hub)
      asked = Task.async(fn -> BeamScope.subscribe(rec) end)

      assert BeamScope.Test.Tracing.eventually(fn ->
               Process.info(hub, :message_queue_len) != {:message_queue_len, 0}
             end)

      Process.exit(hub, :kill)
      assert {:error, %BeamScope.Error{reason: :setup_failed}} = Task.await(asked)
      BeamScope.close(rec)
    end

    test "recorders leave nothing on and their data readable", %{counter: counter} do
      recording = start!([counter, :new], level: :full)
      Counter.increment(counter)
      Process.exit(recording.pid, :kill)
      assert Leftovers.settle() == Leftovers.none()
      assert %{status: :stopped, stop_reason: :recorder_down} = info(recording)
      assert %{count: 1} in states(recording, counter)
    end

    test "the hub takes all along", %{counter: counter} do
      recording = start!(counter)
      Process.exit(Process.whereis(Recorder.Hub), :kill)
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert Leftovers.settle() == Leftovers.none()
      assert %{status: :stopped} = info(recording)
    end
  end

  test "levels change while recording", %{counter: counter} do
    recording = start!(counter, level: :crashes)
    Counter.increment(counter)
    assert {:ok, _} = Recorder.set_level(recording, :full)
    Counter.increment(counter)
    assert {:ok, _} = Recorder.set_level(recording, :messages)
    Counter.increment(counter)
    Recorder.stop(recording)
    assert for(%{count: n} <- states(recording, counter), do: n) == [2]
    assert length(events(recording, [:receive], counter)) == 2
    assert [%{text: "the level changed from :crashes to :full"} | _] = events(recording, [:note])
  end

  test "calls asked for have arguments, results and exceptions", %{counter: counter} do
    {_, recording} =
      Recorder.record([trace: counter, calls: [{Counter, :increment, 1}], level: :states], fn ->
        Counter.increment(counter)
        catch_exit(Counter.increment(:nobody))
      end)

    assert [%{mfa: {Counter, :increment, [^counter]}}, %{mfa: {Counter, :increment, [:nobody]}}] =
             events(recording, [:call])

    assert [%{value: 1}] = events(recording, [:return])
    assert [%{class: :exit}] = events(recording, [:exception])
  end

  # On OTP 25 and 26 patterns are the whole VM's, and a process has one tracer.
  test "recordings side by side have the calls that each asked for, of its own process", %{counter: counter} do
    {:ok, other} = Counter.start()

    ask = fn asker, fun ->
      Task.async(fn ->
        assert_receive :go
        for i <- 1..100, do: fun.(asker, i)
      end)
    end

    both = fn _asker, i -> {URI.encode("a b #{i}"), Base.encode16("#{i}")} end
    tasks = for pid <- [counter, other], do: ask.(pid, both)
    [first, second] = Enum.map(tasks, & &1.pid)
    uri = start!(first, calls: [{URI, :encode, 1}])
    base = start!(second, calls: [{Base, :encode16, 1}])
    for pid <- [first, second], do: send(pid, :go)
    Enum.each(tasks, &Task.await/1)
    for rec <- [uri, base], do: Recorder.stop(rec)

    calls = fn rec ->
      for event <- events(rec, [:call]), uniq: true, do: {event.pid, Tuple.delete_at(event.mfa, 2)}
    end

    assert calls.(uri) == [{first, {URI, :encode}}]
    assert calls.(base) == [{second, {Base, :encode16}}]
    for rec <- [uri, base], do: assert(length(events(rec, [:call])) == 100)
    for rec <- [uri, base], do: assert(length(events(rec, [:return])) == 100)
  end

  test "closing frees and typed errors follow", %{counter: counter} do
    recording = start!(counter)
    assert :ok = Recorder.close(recording)
    assert {:error, %BeamScope.Error{reason: :closed}} = Recorder.stop(recording)
    assert {:error, %BeamScope.Error{reason: :closed}} = Recorder.info(recording)
    assert Recorder.list() == []
  end
end
