defmodule BeamScope.Recorder.ProfileTest do
  use BeamScope.Test.RecorderCase, async: false

  alias BeamScope.Recorder.{Modules, Plan, Profile}
  alias BeamScope.Recorder.Profile.{Callbacks, Probes, SelfTest}

  defmodule MyLoop do
    def start(state), do: spawn(fn -> loop(nil, state) end)

    def loop(_message, state) do
      receive do
        {:add, n} = message -> loop(message, state + n)
      end
    end
  end

  # The way third-party servers do it: gen's start, a loop of their own, gen_server's callbacks.
  defmodule OtherServer do
    def start(module), do: :gen.start(__MODULE__, :nolink, module, 0, [])

    def init_it(starter, _parent, _name, module, arguments, _options) do
      {:ok, state} = module.init(arguments)
      :proc_lib.init_ack(starter, {:ok, self()})
      loop(module, state)
    end

    def loop(module, state) do
      receive do
        {:"$gen_call", {pid, tag} = from, request} ->
          {:reply, reply, state} = module.handle_call(request, from, state)
          send(pid, {tag, reply})
          loop(module, state)
      end
    end
  end

  describe "on this release" do
    test "every behaviour's loop passes its test" do
      assert %{gen_server: {:loop, _, _}, gen_statem: {:loop, _, _}, gen_event: {:loop, _, _}} =
               Profile.check().behaviours
    end

    test "a variant with wrong positions does not pass" do
      for behaviour <- Profile.behaviours() do
        {:loop, _, points} = Profile.current(:checked).behaviours[behaviour]

        for %{point: point} = wrong when point in [:handled, :loop, :step, :read, :end] <- points do
          broken = for p <- points, do: if(p == wrong, do: shift(p), else: p)
          rare? = wrong.mfa == {:gen_server, :handle_msg, 7}
          assert SelfTest.passes?(behaviour, broken) == rare?
        end
      end
    end

    defp shift(point),
      do: %{point | fields: for({field, [_ | rest]} <- point.fields, do: {field, [4 | rest] ++ [:hd]})}

    test "a variant of another release does not exist here" do
      existing = for {_, points} <- Profile.variants(:gen_server), Profile.exists?(points), do: points
      assert length(existing) == 1
    end
  end

  describe "paths" do
    test "go into tuples and lists, and leave out what is not there" do
      point = %{fields: [a: [1], b: [2, {:elem, 2}], c: [3, :tl, :hd], d: [3, {:elem, 1}], e: [9]]}
      assert Profile.see(point, [:x, {1, 2}, [1, 2]]) == %{a: :x, b: 2, c: 2}
    end
  end

  describe "plans" do
    defp points, do: Profile.points(Profile.current(:checked))

    test "crashes know only ends, messages no states" do
      assert Enum.all?(Plan.new(:crashes, points(), [], :spawn).points, &(&1.point == :end))

      assert %{points: [], flags: [:procs, :send, :receive, :set_on_spawn]} =
               Plan.new(:messages, points(), [], :spawn)

      assert %{flags: [:procs, :call], receives: false} = Plan.new(:states, points(), [], false)
      assert %{flags: [], patterns: patterns} = Plan.new(:off, points(), [{Enum, :map, 2}], :spawn)
      assert patterns == %{}
    end

    test "loops never have their returns traced" do
      plan = Plan.new(:full, points(), [{Enum, :map, 2}], :spawn)
      assert plan.patterns[{Enum, :map, 2}] == :outcomes
      assert plan.patterns |> Map.delete({Enum, :map, 2}) |> Map.values() |> Enum.uniq() == [:plain]
    end

    test "calls are expanded, and mistakes found" do
      assert {:ok, mfas} = Plan.expand_calls([Counter, {Counter, :increment, :_}])
      assert {Counter, :increment, 1} in mfas and {Counter, :start, 0} in mfas
      refute Enum.any?(mfas, &match?({_, :module_info, _}, &1))
      assert {:error, %Error{reason: :no_such_function}} = Plan.expand_calls([{Counter, :increment, 7}])
    end
  end

  describe "a loop of the user's own" do
    test "is recorded by its profile", %{collector: collector} do
      pid = MyLoop.start(1)
      recording = record_into!(collector, pid, profiles: [{MyLoop, :loop, 2, message: 1, state: 2}])
      send(pid, {:add, 2})
      assert eventually(fn -> {pid, MyLoop, :loop, [{:add, 2}, 3]} in calls(collector) end)
      point = Enum.find(FakeNative.seen(collector).config.points, &(&1.behaviour == MyLoop))
      assert %{point: :step, fields: [message: [1], after: [2]]} = point
      Recorder.stop(recording)
    end
  end

  describe "the fallback" do
    test "watches callbacks and their returns", %{collector: collector} do
      {:ok, counter} = Counter.start()
      recording = record_into!(collector, counter, profile: :fallback)
      Counter.increment(counter)
      Recorder.stop(recording)

      assert Enum.any?(
               calls(collector),
               &match?({^counter, Counter, :handle_call, [:increment, _, %{count: 0}]}, &1)
             )

      assert Enum.any?(
               trace(collector),
               &match?(
                 {:trace, ^counter, :return_from, {Counter, :handle_call, 3}, {:reply, 1, %{count: 1}}},
                 &1
               )
             )

      refute Enum.any?(calls(collector), &match?({_, :gen_server, _, _}, &1))
      {:ok, info} = Recorder.info(recording)
      assert info.profile.gen_server =~ "fallback"
      assert Enum.any?(info.notes, &(&1 =~ "fallback"))
    end

    test "knows modules that are loaded before their processes start", %{collector: collector} do
      fun = fn ->
        {:ok, pid} = Counter.start()
        Counter.increment(pid)
        pid
      end

      {pid, _} = Recorder.record(FakeNative.options(collector) ++ [profile: :fallback], fun)
      assert Enum.any?(calls(collector), &match?({^pid, Counter, :init, [0]}, &1))
    end

    test "serves loops of third parties without being asked to", %{collector: collector} do
      {:ok, before} = OtherServer.start(Counter)
      recording = record_into!(collector, [before, :new])
      Counter.increment(before)
      assert Enum.any?(calls(collector), &match?({^before, Counter, :handle_call, _}, &1))

      assert Modules.of_spawn(
               {:proc_lib, :init_p,
                [self(), [], :gen, :init_it, [OtherServer, self(), :self, Counter, 0, []]]}
             ) == {Counter, nil}

      Recorder.stop(recording)
    end

    test "has points for each behaviour's callbacks" do
      assert [%{point: :callback, mfa: {Counter, :init, 1}}, %{point: :returned}] =
               for(%{mfa: {_, :init, _}} = point <- Callbacks.points(:gen_server, Counter), do: point)

      machine = Callbacks.points(:gen_statem, Probes.Machine)
      assert Enum.any?(machine, &(&1.mfa == {Probes.Machine, :handle_event, 4} and &1.point == :callback))
      handler = Callbacks.points(:gen_event, Probes.Handler)
      assert Enum.all?(handler, &(&1.fields[:handler] == {:literal, {Probes.Handler, false}}))
      assert Callbacks.points(:gen_server, :no_such_module) == []
    end
  end
end
