defmodule BeamScope.Recorder.FollowTest do
  use BeamScope.Test.RecorderCase, async: false

  alias BeamScope.Recorder.{Follow, Session, Targets}

  defp supervisor(children, options \\ []) do
    # A killed supervisor starts again faster than its child gives its name back: each failed attempt counts.
    {:ok, pid} = Supervisor.start_link(children, [strategy: :one_for_one, max_restarts: 1_000_000] ++ options)
    on_exit(fn -> Process.exit(pid, :kill) end)
    pid
  end

  defp child(name), do: %{id: name, start: {Counter, :start_link, [[name: name]]}}

  defp restart(name) do
    old = Process.whereis(name)
    Process.exit(old, :kill)
    eventually(fn -> (pid = Process.whereis(name)) != old && pid end)
  end

  defp traced(recording), do: Session.traced(:sys.get_state(recording.pid).session)
  defp loops(collector, pid), do: for({^pid, :gen_server, :loop, args} <- calls(collector), do: args)

  describe "a name" do
    test "is followed through restarts, from the new process's first state on", %{collector: collector} do
      supervisor([child(:followed), child(:sibling)])
      recording = record_into!(collector, :followed)

      for _ <- 1..3 do
        pid = restart(:followed)
        assert Counter.increment(pid) == 1
        assert eventually(fn -> length(loops(collector, pid)) >= 2 end)
        assert eventually(fn -> pid in :sys.get_state(recording.pid).follow.members end)
      end

      {:ok, info} = Recorder.info(recording)
      assert Enum.count(info.notes, &(&1 =~ ":followed was started again")) == 3
    end

    test "has siblings that are let go", %{collector: collector} do
      supervisor([child(:followed), child(:sibling)])
      recording = record_into!(collector, :followed)
      refute Process.whereis(:sibling) in traced(recording)
      sibling = restart(:sibling)
      assert eventually(fn -> sibling not in traced(recording) end)
      followed = restart(:followed)
      assert eventually(fn -> followed in :sys.get_state(recording.pid).follow.members end)
      assert followed in traced(recording)
    end

    test "is followed when its supervisor starts again too", %{collector: collector} do
      inner = %{
        id: :inner,
        type: :supervisor,
        start:
          {Supervisor, :start_link,
           [[child(:followed), child(:sibling)], [strategy: :one_for_one, name: :inner]]}
      }

      supervisor([inner])
      recording = record_into!(collector, :followed)
      old = Process.whereis(:followed)
      Process.exit(Process.whereis(:inner), :kill)
      pid = eventually(fn -> (pid = Process.whereis(:followed)) != old && pid end)
      assert eventually(fn -> pid in :sys.get_state(recording.pid).follow.members end)
      # And once more, by the new supervisor.
      pid = restart(:followed)
      assert eventually(fn -> pid in :sys.get_state(recording.pid).follow.members end)
      assert Counter.increment(pid) == 1
      assert eventually(fn -> length(loops(collector, pid)) >= 2 end)
    end

    test "of another registry is followed as well", %{collector: collector} do
      {:ok, _} = Registry.start_link(keys: :unique, name: FollowRegistry)
      via = {:via, Registry, {FollowRegistry, :it}}
      supervisor([%{id: 1, start: {Counter, :start_link, [[name: via]]}}])
      recording = record_into!(collector, via)
      old = GenServer.whereis(via)
      Process.exit(old, :kill)
      pid = eventually(fn -> (pid = GenServer.whereis(via)) not in [old, nil] && pid end)
      assert eventually(fn -> pid in :sys.get_state(recording.pid).follow.members end)
    end

    test "without follow keeps its own children out", %{collector: collector} do
      supervisor([child(:followed)])
      recording = record_into!(collector, :followed, follow: false)
      pid = restart(:followed)
      assert eventually(fn -> pid in :sys.get_state(recording.pid).follow.members end)
      grandchild = GenServer.call(pid, {:spawn, fn -> Process.sleep(:infinity) end})
      assert pid in traced(recording)
      refute grandchild in traced(recording)
    end
  end

  describe "a tree" do
    test "is all below a supervisor, grandchildren and later ones too", %{collector: collector} do
      top = supervisor([child(:one), child(:two)])
      worker = Process.whereis(:one)
      grandchild = GenServer.call(worker, {:spawn, fn -> Process.sleep(:infinity) end})
      recording = record_into!(collector, {:tree, top})
      assert Enum.sort([top, worker, Process.whereis(:two), grandchild]) == Enum.sort(traced(recording))
      {:ok, later} = Supervisor.start_child(top, child(:three))
      assert eventually(fn -> later in traced(recording) end)
      assert [_ | _] = loops(collector, later)
    end
  end

  describe "an application" do
    test "is all processes of it", %{collector: collector} do
      recording = record_into!(collector, {:app, :logger})
      master = :application_controller.get_master(:logger)
      {top, _} = :application_master.get_child(master)
      traced = traced(recording)
      assert top in traced and Process.whereis(Logger.Supervisor) in traced
      refute master in traced
    end
  end

  describe "all and new" do
    test "leave BeamScope and the way to the terminal out", %{collector: collector} do
      recording = record_into!(collector, [:all, self()], force: true, level: :crashes)
      other = record_into!(if(Session.sessions?(), do: FakeNative.start(), else: collector), self())
      traced = traced(recording)
      assert self() in traced and length(traced) > 20

      for pid <- [
            recording.pid,
            other.pid,
            Process.whereis(Recorder.Hub),
            Process.whereis(:user),
            Process.group_leader()
          ] do
        refute pid in traced
      end

      Recorder.close(other)
      pid = spawn(fn -> Process.sleep(:infinity) end)
      assert eventually(fn -> pid in traced(recording) end)
    end

    test "new is every process from now on", %{collector: collector} do
      recording = record_into!(collector, :new)
      {:ok, pid} = Counter.start()
      Counter.increment(pid)
      Recorder.stop(recording)
      assert [_, _ | _] = loops(collector, pid)
      refute Enum.any?(trace(collector), &match?({:trace, pid, _, _} when pid == self(), &1))
    end
  end

  describe "record" do
    test "follows what a task supervisor starts for the function", %{collector: collector} do
      {:ok, tasks} = Task.Supervisor.start_link()
      me = self()

      fun = fn ->
        work = fn ->
          send(me, {:task, self()})
          Process.sleep(200)
        end

        Task.await(Task.Supervisor.async(tasks, work))
      end

      {_, recording} = Recorder.record(FakeNative.options(collector), fun)
      assert_received {:task, pid}
      assert Enum.any?(trace(collector), &match?({:trace, ^pid, :exit, :normal}, &1))
      assert {:ok, %{status: :stopped}} = Recorder.info(recording)
    end

    test "lets go what others have started meanwhile", %{collector: collector} do
      me = self()

      spawn(fn ->
        send(me, DynamicSupervisor.start_link(strategy: :one_for_one))
        Process.sleep(:infinity)
      end)

      assert_receive {:ok, dynamic}
      spec = %{id: 1, start: {Counter, :start_link, []}}

      other =
        spawn_link(fn -> receive do: (:go -> send(me, DynamicSupervisor.start_child(dynamic, spec))) end)

      fun = fn ->
        send(other, :go)
        assert_receive {:ok, pid}
        recorder = Recorder.last().pid
        assert eventually(fn -> pid not in Session.traced(:sys.get_state(recorder).session) end)
      end

      {true, _} = Recorder.record(FakeNative.options(collector), fun)
    end
  end

  test "supervisors above a process, the nearest first" do
    top = supervisor([child(:deep)])
    assert [^top] = Follow.supervisors(Process.whereis(:deep))
    assert Follow.supervisors(self()) == []
  end

  test "a process spawned by a companion waits for its verdict" do
    top = supervisor([child(:waiting)])
    {:ok, targets} = Targets.resolve(:waiting, [])
    follow = Follow.new(targets, Targets.pids(targets))
    assert top in follow.companions
    assert {%{pending: pending} = follow, :pending} = Follow.spawned(follow, top, self())
    assert self() in pending
    assert Follow.name_of(follow, Process.whereis(:waiting)) == :waiting
    assert Follow.name_of(follow, self()) == nil
    assert {%{members: members}, :member} = Follow.spawned(follow, hd(Targets.pids(targets)), self())
    assert self() in members
  end

  test "names that nobody bears yet are awaited, if asked for, and found to be borne once" do
    assert {:error, %Error{reason: :unknown_name}} = Targets.resolve([:not_yet], [])
    names = [:not_yet, No.Such.Module, {:tree, No.Such.Supervisor}, {:global, :not_yet}]
    assert {:ok, targets} = Targets.resolve(names, absent: :await)
    assert Enum.sort(targets.awaited) == Enum.sort(names)

    for mistake <- [{:via, No.Such.Registry, 1}, "text", {:app, :no_such_app}],
        do: assert({:error, %Error{}} = Targets.resolve([mistake], absent: :await))

    follow = Follow.new(targets, [])
    assert Enum.sort(follow.names) == Enum.sort(names)
    assert {follow, true} = Follow.appear(follow, :not_yet)
    assert {follow, false} = Follow.appear(follow, :not_yet)
    assert {_, true} = Follow.appear(follow, No.Such.Supervisor)
  end

  test "a stranger is nobody's until it joins, or starts processes for others" do
    follow = Follow.strange(%Follow{}, self())
    assert self() in follow.strangers and self() not in follow.members
    assert Follow.everyone(follow) == [self()]
    assert %{strangers: none, members: members} = Follow.join(follow, self())
    assert self() in members and MapSet.size(none) == 0
    assert %{starters: starters} = follow = Follow.start_for_others(follow, self())
    assert self() in starters and Follow.everyone(follow) == [self()]
    assert Follow.everyone(Follow.leave(follow, self())) == []
  end
end
