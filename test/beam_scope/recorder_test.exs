defmodule BeamScope.RecorderTest do
  # Not async: flags, patterns and the hub are looked at VM-wide.
  use BeamScope.Test.RecorderCase, async: false

  alias BeamScope.Recorder.{Hub, Session}

  setup do
    {:ok, counter} = Counter.start()
    %{counter: counter}
  end

  defp start(targets, collector, options \\ []), do: record_into(collector, targets, options)
  defp start!(targets, collector, options \\ []), do: record_into!(collector, targets, options)

  defp reason(result) do
    assert {:error, %Error{reason: reason} = error} = result
    assert Exception.message(error) =~ ~r/\w/
    reason
  end

  describe "start and stop" do
    test "the states of a server reach the tracer, and nothing after the stop", %{
      collector: collector,
      counter: counter
    } do
      recording = start!(counter, collector)
      assert 1 = Counter.increment(counter)
      assert {:ok, ^recording} = Recorder.stop(recording)
      seen = length(calls(collector))
      assert Enum.count(calls(collector), &match?({^counter, :gen_server, :loop, _}, &1)) >= 1
      assert 2 = Counter.increment(counter)
      assert length(calls(collector)) == seen
      assert %{status: {:stopped, :requested}} = FakeNative.seen(collector)
    end

    test "nothing is left behind at any level", %{collector: collector, counter: counter} do
      for level <- BeamScope.Options.levels() do
        recording = start!([counter, :new], collector, level: level, calls: [Counter])
        spawn(fn -> :ok end)
        Counter.increment(counter)
        assert {:ok, _} = Recorder.stop(recording)
        assert Leftovers.settle() == Leftovers.none()
        assert :ok = Recorder.close(recording)
      end
    end

    # Up to OTP 25 to make a large map on a thread of ours killed the virtual machine.
    test "processes that begin with large maps are recorded" do
      big = Map.new(1..300, &{&1, &1})

      {pid, rec} =
        BeamScope.record([], fn ->
          {:ok, pid} = Agent.start(Map, :merge, [big, %{{:key, big} => big}])
          Agent.update(pid, &Map.put(&1, :a, 1))
          Process.exit(pid, {:shutdown, big})
          pid
        end)

      assert BeamScope.processes(rec) |> Enum.any?(&(&1.pid == pid))
      spawned = rec |> BeamScope.events(kind: :spawned) |> Enum.at(0)
      assert inspect(spawned.mfa, limit: :infinity) =~ "300 => 300"
    end

    test "stopping twice is fine, closing frees, and then it is closed", %{
      collector: collector,
      counter: counter
    } do
      recording = start!(counter, collector)
      assert {:ok, _} = Recorder.stop(recording)
      assert {:ok, _} = Recorder.stop(recording)
      assert recording in Recorder.list() and Recorder.last() == recording
      assert :ok = Recorder.close(recording)
      refute recording in Recorder.list()
      assert :closed = reason(Recorder.stop(recording))
      assert :closed = reason(Recorder.info(recording))
      assert :closed = reason(Recorder.set_level(recording, :full))
    end

    test "info tells what was asked for and how it is done", %{collector: collector, counter: counter} do
      recording = start!(counter, collector, meta: %{ticket: 7}, level: :full)
      assert {:ok, info} = Recorder.info(recording)
      assert %{status: :running, level: :full, targets: ^counter, id: id} = info
      assert id == recording.id and info.meta.ticket == 7 and info.owner == self()
      assert %{gen_server: _, gen_statem: _, gen_event: _} = info.profile
      Recorder.stop(recording)
      assert {:ok, %{status: :stopped, stop_reason: :requested, profile: %{}}} = Recorder.info(recording)
    end

    test "the messages level has senders", %{collector: collector, counter: counter} do
      recording = start!(counter, collector, level: :messages)
      Counter.increment(counter)
      Recorder.stop(recording)
      me = self()

      assert Enum.any?(trace(collector), fn event ->
               match?({:trace, ^counter, :receive, {:"$gen_call", _, :increment}, {_, ^me}}, event)
             end)

      assert calls(collector) == []
    end

    test "calls asked for come with returns and exceptions", %{collector: collector} do
      pid =
        spawn(fn ->
          receive do
            :go ->
              URI.parse(inspect(self()))
              Counter.increment(:nobody)
          end
        end)

      recording = start!(pid, collector, calls: [{URI, :parse, 1}, {Counter, :increment, :_}])
      send(pid, :go)
      assert eventually(fn -> not Process.alive?(pid) end)
      Recorder.stop(recording)
      trace = trace(collector)
      assert Enum.any?(trace, &match?({:trace, ^pid, :return_from, {URI, :parse, 1}, %URI{}}, &1))

      assert Enum.any?(
               trace,
               &match?({:trace, ^pid, :exception_from, {Counter, :increment, 1}, {:exit, _}}, &1)
             )
    end

    test "children are followed, unless told otherwise", %{collector: collector, counter: counter} do
      recording = start!(counter, collector)
      child = GenServer.call(counter, {:spawn, fn -> Process.sleep(:infinity) end})
      assert eventually(fn -> child in Session.traced(:sys.get_state(recording.pid).session) end)
      Recorder.stop(recording)
      recording = start!(counter, collector, follow: false)
      child = GenServer.call(counter, {:spawn, fn -> Process.sleep(:infinity) end})
      refute child in Session.traced(:sys.get_state(recording.pid).session)
    end
  end

  describe "whatever dies" do
    test "the owner", %{collector: collector, counter: counter} do
      owner = spawn(fn -> Process.sleep(:infinity) end)
      recording = start!(counter, collector, owner: owner)
      Process.exit(owner, :kill)
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert %{status: {:stopped, :owner_down}} = FakeNative.seen(collector)
      assert Leftovers.settle() == Leftovers.none()
    end

    test "the caller is the owner", %{collector: collector, counter: counter} do
      {pid, monitor} = spawn_monitor(fn -> start!(counter, collector) end)
      assert_receive {:DOWN, ^monitor, _, ^pid, :normal}, 5_000
      assert eventually(fn -> FakeNative.seen(collector).status == {:stopped, :owner_down} end)
    end

    test "the recorder, brutally", %{collector: collector, counter: counter} do
      recording = start!([counter, :new], collector, level: :full)
      Process.exit(recording.pid, :kill)
      assert Leftovers.settle() == Leftovers.none()
      assert %{status: {:stopped, :recorder_down}} = FakeNative.seen(collector)
      assert {:ok, %{status: :stopped}} = Recorder.info(recording)
    end

    test "the hub, brutally", %{collector: collector, counter: counter} do
      recording = start!([counter, :new], collector, level: :full)
      Process.exit(Process.whereis(Hub), :kill)
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert Leftovers.settle() == Leftovers.none()
      assert %{status: {:stopped, :hub_down}} = FakeNative.seen(collector)
    end

    test "the hub and the recorder at once", %{collector: collector, counter: counter} do
      recording = start!(counter, collector, level: :full)
      Process.exit(Process.whereis(Hub), :kill)
      Process.exit(recording.pid, :kill)
      # The next hub tidies up.
      assert eventually(fn -> not Process.alive?(recording.pid) and Process.whereis(Hub) == nil end)
      other = start!(counter, collector)
      Recorder.close(other)
      assert Leftovers.settle() == Leftovers.none()
    end

    test "a tracee", %{collector: collector, counter: counter} do
      recording = start!(counter, collector)
      Process.exit(counter, :kill)
      assert {:ok, _} = Recorder.stop(recording)
    end

    test "the time", %{collector: collector, counter: counter} do
      recording = start!(counter, collector, limits: [ms: 20])
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert {:ok, %{stop_reason: :ms}} = Recorder.info(recording)
      assert :stopped = reason(Recorder.set_level(recording, :full))
    end

    test "a limit of the library turns tracing off", %{collector: collector, counter: counter} do
      recording = start!(counter, collector)
      FakeNative.notify(collector, {:limit, :events})
      assert eventually(fn -> not Process.alive?(recording.pid) end)
      assert Leftovers.settle() == Leftovers.none()
      assert {:ok, %{stop_reason: :events}} = Recorder.info(recording)
    end
  end

  describe "mistakes" do
    test "each has its reason", %{collector: collector, counter: counter} do
      dead = spawn(fn -> :ok end)
      eventually(fn -> not Process.alive?(dead) end)
      remote = :erlang.binary_to_term(<<131, 88, 100, 0, 5, "a@b.c", 1::32, 0::32, 1::32>>)

      for {target, expected} <- [
            {:nobody_is_here, :unknown_name},
            {Enum, :unknown_name},
            {No.Such.Module, :no_such_module},
            {dead, :not_alive},
            {remote, :remote_pid},
            {[], :no_targets},
            {"counter", :invalid_target},
            {[counter | counter], :invalid_target},
            {nil, :invalid_target},
            {{:via, Registry, {NoSuchRegistry, 1}}, :unknown_name},
            {{:via, No.Such.Registry, 1}, :no_such_module},
            {{:global, :nobody}, :unknown_name},
            {{:tree, counter}, :not_a_supervisor},
            {{:tree, :nobody_is_here}, :unknown_name},
            {{:app, :no_such_app}, :unknown_app},
            {{:app, :stdlib}, :no_processes},
            {:all, :needs_force},
            {[counter, :all], :needs_force}
          ] do
        assert {target, expected} == {target, reason(start(target, collector))}
      end

      assert :no_such_function = reason(start(counter, collector, calls: [{Enum, :mpa, 2}]))
      assert :no_such_module = reason(start(counter, collector, calls: [No.Such.Module]))
      assert :no_such_function = reason(start(counter, collector, profiles: [{Enum, :loop, 2, state: 1}]))
      assert :unknown_option = reason(start(counter, collector, lvl: 1))
      assert Leftovers.settle() == Leftovers.none()
      assert Recorder.list() == []
    end

    test "BeamScope's own processes are refused", %{collector: collector, counter: counter} do
      recording = start!(counter, collector)
      assert :own_process = reason(start(recording.pid, FakeNative.start()))
      assert :own_process = reason(start(Hub, FakeNative.start()))
    end

    test "an error leaves what runs alone", %{collector: collector, counter: counter} do
      recording = start!(counter, collector)
      assert :unknown_name = reason(start(:nobody_is_here, FakeNative.start()))
      assert Process.alive?(recording.pid)
      assert :invalid_option = reason(Recorder.set_level(recording, :everything))
    end
  end

  describe "levels" do
    test "go up and down while recording, children included", %{collector: collector, counter: counter} do
      recording = start!([counter, :new], collector, level: :crashes)
      child = GenServer.call(counter, {:spawn, fn -> receive do: (_ -> :ok) end})
      Counter.increment(counter)
      refute Enum.any?(calls(collector), &match?({_, _, :loop, _}, &1))
      assert {:ok, %{level: :full}} = Recorder.set_level(recording, :full)
      Counter.increment(counter)
      assert eventually(fn -> Enum.any?(calls(collector), &match?({^counter, _, :loop, _}, &1)) end)
      send(child, :go)

      assert eventually(fn -> Enum.any?(trace(collector), &match?({:trace, ^child, :receive, :go, _}, &1)) end)

      assert {:ok, %{level: :off}} = Recorder.set_level(recording, :off)
      seen = length(trace(collector))
      Counter.increment(counter)
      assert length(trace(collector)) == seen
      assert {:ok, _} = Recorder.set_level(recording, :states)
      Counter.increment(counter)
      assert eventually(fn -> length(trace(collector)) > seen end)
      {:ok, info} = Recorder.info(recording)
      assert info.level == :states
      assert Enum.any?(info.notes, &(&1 =~ "changed from :full to :off"))
    end
  end

  describe "recordings side by side" do
    test "one may end while the other goes on", %{collector: collector, counter: counter} do
      other = if Session.sessions?(), do: FakeNative.start(), else: collector
      one = start!(counter, collector, level: :states)
      two = start!(counter, other, level: :full)
      Recorder.stop(two)
      Counter.increment(counter)
      assert Enum.any?(calls(collector), &match?({^counter, _, :loop, _}, &1))
      Recorder.stop(one)
      assert Leftovers.settle() == Leftovers.none()
    end
  end

  describe "record" do
    test "answers the result, with what the function started", %{collector: collector} do
      me = self()

      fun = fn ->
        {:ok, pid} = Counter.start()
        Counter.increment(pid)
        send(me, {:pid, pid})
        :result
      end

      assert {:result, recording} = Recorder.record(FakeNative.options(collector), fun)
      assert_received {:pid, pid}
      refute Process.alive?(recording.pid)
      assert Recorder.last() == recording
      assert Enum.any?(calls(collector), &match?({^pid, :gen_server, :loop, _}, &1))

      if Session.sessions?() do
        refute Enum.any?(trace(collector), &match?({:trace, ^me, :send, {_, _, {:stop, _}}, _}, &1))
        refute Enum.any?(trace(collector), &match?({:trace, ^me, :receive, {_, {:ok, _, _}}, _}, &1))
      end
    end

    test "the function's exception goes on with its stacktrace", %{collector: collector} do
      stack =
        try do
          Recorder.record(FakeNative.options(collector), fn -> raise "planned" end)
        rescue
          error in RuntimeError ->
            assert error.message == "planned"
            __STACKTRACE__
        end

      assert match?([{__MODULE__, _, _, _} | _], stack)
      assert {:ok, %{status: :stopped}} = Recorder.info(Recorder.last())
      assert :thrown = catch_throw(Recorder.record(FakeNative.options(collector), fn -> throw(:thrown) end))
      assert :left = catch_exit(Recorder.record(FakeNative.options(collector), fn -> exit(:left) end))
    end

    test "mistakes raise before the function runs", %{collector: collector} do
      assert_raise Error, ~r/registered as :nobody_is_here/, fn ->
        Recorder.record([trace: :nobody_is_here] ++ FakeNative.options(collector), fn -> flunk("ran") end)
      end
    end
  end
end
