defmodule BeamScope.Recorder.BaselineTest do
  use BeamScope.Test.RecorderCase, async: false

  alias BeamScope.Recorder.{Baseline, Behaviour, Facts, Profile}

  defp behaviour(pid) do
    [{^pid, _, behaviour}] = Baseline.gather([pid])
    behaviour
  end

  describe "facts" do
    test "tell name, origin, family and links", %{collector: collector} do
      {:ok, counter} = Counter.start_link(name: :baseline_counter)
      record_into!(collector, counter)
      assert [{:baseline, ^counter, [facts]}] = FakeNative.seen(collector).injected
      me = self()

      assert %{
               name: :baseline_counter,
               initial_call: {Counter, :init, 1},
               module: Counter,
               parent: ^me,
               links: [^me]
             } = facts
    end

    test "name processes of other registries as they were named", %{collector: collector} do
      {:ok, _} = Registry.start_link(keys: :unique, name: BaselineRegistry)
      via = {:via, Registry, {BaselineRegistry, 1}}
      {:ok, counter} = Counter.start(name: via)
      record_into!(collector, via)
      assert [{:baseline, ^counter, [%{name: ^via}]}] = FakeNative.seen(collector).injected
    end
  end

  describe "the behaviour of a process" do
    test "is known for idle loops" do
      {:ok, agent} = Agent.start_link(fn -> 0 end)
      {:ok, supervisor} = DynamicSupervisor.start_link(strategy: :one_for_one)
      {:ok, event} = :gen_event.start_link()
      {:ok, machine} = Profile.Probes.start(:gen_statem)
      assert behaviour(agent) == :gen_server
      assert behaviour(supervisor) == :gen_server
      assert behaviour(event) == :gen_event
      assert behaviour(machine) == :gen_statem
    end

    test "is known for a busy server and a hibernating one" do
      {:ok, busy} = Counter.start()
      GenServer.cast(busy, {:wait, 1_000})
      {:ok, asleep} = GenServer.start(Counter, 0, hibernate_after: 1)
      Process.sleep(20)
      assert behaviour(busy) == :gen_server
      assert behaviour(asleep) == :gen_server
    end

    test "is nothing for plain processes, tasks, and clients that wait for a server" do
      {:ok, busy} = Counter.start()
      GenServer.cast(busy, {:wait, 1_000})
      plain = spawn(fn -> Process.sleep(:infinity) end)
      task = Task.async(fn -> Process.sleep(:infinity) end)
      client = spawn(fn -> :gen_server.call(busy, :increment) end)
      proc_lib_client = :proc_lib.spawn(fn -> :gen_server.call(busy, :increment) end)
      Process.sleep(20)
      for pid <- [plain, task.pid, client, proc_lib_client, self()], do: assert(behaviour(pid) == nil)
    end

    test "names the callback module" do
      assert Behaviour.callback_module(%{"$initial_call": {Counter, :init, 1}}) == Counter
      assert Behaviour.callback_module(%{"$initial_call": {:supervisor, My.Sup, 1}}) == My.Sup
      assert Behaviour.callback_module(%{}) == nil
    end
  end

  describe "states of before" do
    test "are shown by OTP loops and asked of nobody else", %{collector: collector} do
      {:ok, counter} = Counter.start()
      plain = spawn(fn -> Process.sleep(:infinity) end)
      record_into!(collector, [counter, plain])
      read = fn -> for {^counter, :sys, :handle_system_msg, args} <- calls(collector), do: args end
      assert eventually(fn -> read.() != [] end)
      [arguments] = read.()
      {:loop, _, points} = Profile.current(:checked).behaviours.gen_server
      point = Enum.find(points, &(&1.point == :read))
      assert %{after: %{count: 0}} = Profile.see(point, arguments)
      assert {:messages, []} = Process.info(plain, :messages)
    end

    test "do not hold up the start; who does not answer is named", %{collector: collector} do
      {:ok, busy} = Counter.start()
      GenServer.cast(busy, {:wait, 3_000})
      {us, recording} = :timer.tc(fn -> record_into!(collector, busy) end)
      assert us < 2_000_000
      Recorder.stop(recording)
      {:ok, info} = Recorder.info(recording)
      assert Enum.any?(info.notes, &(&1 =~ "unknown until their first message" and &1 =~ inspect(busy)))
    end

    test "are not asked for where no states are recorded", %{collector: collector} do
      {:ok, counter} = Counter.start()
      record_into!(collector, counter, level: :messages)
      Counter.increment(counter)
      refute Enum.any?(trace(collector), &match?({:trace, ^counter, :receive, {:system, _, _}, _}, &1))
    end
  end

  describe "facts of many" do
    test "leave out who does not answer" do
      {:ok, counter} = Counter.start()
      dead = spawn(fn -> :ok end)
      eventually(fn -> not Process.alive?(dead) end)
      facts = Facts.of([counter, dead, self()], [:registered_name])
      assert %{^counter => [registered_name: []], ^dead => nil} = facts
      assert is_list(facts[self()])

      assert Facts.dictionaries([counter], [:"$initial_call"]) == %{
               counter => %{"$initial_call": {Counter, :init, 1}}
             }
    end
  end
end
