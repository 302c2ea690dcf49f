defmodule BeamScope.Recorder.VitalsTest do
  # One node has one system monitor.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  doctest BeamScope.Recorder.Vitals.Warnings
  doctest BeamScope.Recorder.Vitals.Shared
  doctest BeamScope.Recorder.Vitals.Observer

  alias BeamScope.Error
  alias BeamScope.Recorder.Vitals.{Monitor, Observer}
  alias BeamScope.Test.Leftovers
  import BeamScope.Test.RecorderCase, only: [eventually: 1]

  @tag_shared if Code.ensure_loaded?(:trace) and function_exported?(:trace, :system, 3),
                do: :skip,
                else: :shared
  # What nothing in these tests reaches.
  @quiet [
    every: 60_000,
    long_gc: 100_000,
    long_schedule: 100_000,
    large_heap: 1_000_000_000,
    long_message_queue: false
  ]

  setup :none_after

  setup do
    {:ok, agent} = Agent.start(fn -> 0 end)
    %{agent: agent}
  end

  defp start!(targets, system, options \\ []) do
    assert {:ok, rec} = BeamScope.start(targets, [system: system] ++ options)
    rec
  end

  defp helper(rec), do: :sys.get_state(rec.pid).vitals

  defp told(rec, what), do: rec |> BeamScope.events(kind: :system, match: what) |> Enum.to_list()

  # A process with a heap that takes its time to collect.
  defp grow(n) do
    spawn(fn ->
      list = Enum.to_list(1..n)
      Enum.sum(list ++ list)
    end)
    |> wait()
  end

  defp wait(pid) do
    ref = Process.monitor(pid)
    assert_receive {:DOWN, ^ref, _, _, _}, 30_000
    pid
  end

  describe "samples" do
    test "tell schedulers, memory, counts and the busiest processes", %{agent: agent} do
      {:ok, idle} = Agent.start(fn -> 0 end)
      rec = start!([agent, idle], every: 100)
      for _ <- 1..200, do: Agent.update(agent, &(&1 + 1))
      assert eventually(fn -> match?({:ok, %{n: n}} when n > 2, BeamScope.system(rec)) end)
      for _ <- 1..200, do: Agent.update(agent, &(&1 + 1))
      BeamScope.stop(rec)
      {:ok, system} = BeamScope.system(rec)

      assert system.memory.total > 1_000_000 and system.memory.ets > 0
      assert {processes, limit} = system.counts.processes
      assert processes > 10 and limit > processes
      assert system.schedulers.normal >= 0.0 and system.schedulers.normal <= 1.0
      assert length(system.schedulers.each) == System.schedulers_online()
      assert %{normal: _, dirty_cpu: _, dirty_io: _} = system.run_queue
      assert [%{pid: ^agent}, %{pid: ^idle}] = system.processes
      samples = told(rec, :processes)
      work = for %{detail: %{list: list}} <- samples, {^agent, reductions, _, _} <- list, do: reductions
      # The first sample has nothing to compare with.
      assert hd(work) == 0 and Enum.sum(work) > 1_000
    end

    test "at the start there is one already, and one at the end", %{agent: agent} do
      {_, rec} = BeamScope.record([trace: agent, system: true], fn -> :ok end)
      assert [%{detail: %{n: 1}}, %{detail: %{n: 2}}] = told(rec, :sample)
      assert {:ok, %{n: 1}} = BeamScope.system(rec, hd(told(rec, :sample)).moment)
      assert {:error, %Error{reason: :no_system}} = BeamScope.system(rec, :start)
    end

    test "show so many processes at most, and none where none is wanted" do
      pids = for _ <- 1..300, do: spawn(fn -> Process.sleep(:infinity) end)
      rec = start!(pids, every: 60_000, processes: 200)
      assert {:ok, %{processes: shown, looked_at: 300, of: 300}} = BeamScope.system(rec)
      assert length(shown) == 200
      assert Enum.all?(told(rec, :processes), &(:truncated not in &1.flags))
      none = start!(pids, every: 60_000, processes: 0)
      assert {:ok, %{processes: []}} = BeamScope.system(none)
      for pid <- pids, do: Process.exit(pid, :kill)
    end

    test "are theirs, not the users': no rule hides them", %{agent: agent} do
      rec = start!(agent, [observer: true], redact: [:memory, :schedulers, :kernel, :list])
      BeamScope.stop(rec)
      assert {:ok, %{memory: %{total: _}, schedulers: %{normal: _}} = system} = BeamScope.system(rec)
      assert {:kernel, "" <> _} = List.keyfind(system.applications, :kernel, 0)
    end

    test "are whole within the smallest budget", %{agent: agent} do
      rec = start!(agent, [observer: true], budget: [bytes: 64, depth: 1])
      BeamScope.stop(rec)
      assert {:ok, %{tables: %{list: [_ | _]}}} = BeamScope.system(rec)
      assert Enum.all?(BeamScope.events(rec, kind: :system), &(:truncated not in &1.flags))
    end

    test "make nobody a process of the recording, and say nothing where nobody asked", %{agent: agent} do
      # A note would, as that of the fallback.
      rec = start!(agent, true, profile: :checked)
      BeamScope.stop(rec)
      assert [agent] == for(process <- BeamScope.processes(rec), do: process.pid)
      assert Enum.all?(BeamScope.events(rec, kind: :system), &(&1.pid == nil))
      {:ok, plain} = BeamScope.start(agent)
      assert :sys.get_state(plain.pid).vitals == nil
      assert {:error, %Error{reason: :no_system} = error} = BeamScope.system(plain)
      assert Exception.message(error) =~ "system: true"
    end

    test "go on while a recording of nothing else is paused", %{agent: agent} do
      rec = start!(agent, [every: 100], level: :off)
      assert eventually(fn -> match?({:ok, %{n: n}} when n > 1, BeamScope.system(rec)) end)
    end

    @tag :tmp_dir
    test "are the same in a file", %{agent: agent, tmp_dir: dir} do
      rec = start!(agent, [every: 100, observer: true, long_gc: 1], profile: :checked)
      grow(1_000_000)
      Process.sleep(150)
      BeamScope.stop(rec)
      path = Path.join(dir, "vitals.beamscope")
      :ok = BeamScope.save(rec, path)
      {:ok, loaded} = BeamScope.load(path)
      assert BeamScope.system(loaded) == BeamScope.system(rec)
      assert BeamScope.info(loaded).by_kind == BeamScope.info(rec).by_kind
      assert BeamScope.info(rec).by_kind.system > 3
      assert Enum.to_list(BeamScope.events(loaded)) == Enum.to_list(BeamScope.events(rec))
      assert Enum.map(BeamScope.processes(loaded), & &1.pid) == [agent]
    end

    test "print within the terminal", %{agent: agent} do
      rec = start!(agent, observer: true, long_gc: 1)
      grow(500_000)
      BeamScope.stop(rec)

      for text <- [
            inspect(BeamScope.system!(rec)),
            inspect(BeamScope.events(rec, kind: :system), limit: :infinity)
          ],
          line <- String.split(text, "\n"),
          do: assert(String.length(line) <= 80)

      assert inspect(BeamScope.system!(rec)) =~ "Largest ETS tables"
    end
  end

  describe "warnings" do
    test "of long garbage collections and large heaps", %{agent: agent} do
      rec = start!(agent, every: 60_000, long_gc: 1, large_heap: 200_000)
      pid = grow(2_000_000)

      assert eventually(fn ->
               Enum.any?(told(rec, :long_gc), &(&1.detail.pid == pid and &1.detail.ms >= 1))
             end)

      assert [%{detail: detail} | _] = Enum.filter(told(rec, :large_heap), &(&1.detail.pid == pid))
      assert detail.heap_block_size + detail.old_heap_block_size >= 200_000
      BeamScope.stop(rec)
      assert {:ok, %{warnings: %{long_gc: n}}} = BeamScope.system(rec)
      assert n >= length(told(rec, :long_gc))
    end

    test "of processes that keep a scheduler, with where they were", %{agent: agent} do
      rec = start!(agent, every: 60_000, long_schedule: 1)
      pid = wait(spawn(fn -> :erlang.md5(:binary.copy("x", 30_000_000)) end))
      assert eventually(fn -> Enum.any?(told(rec, :long_schedule), &(&1.detail[:pid] == pid)) end)
      [event | _] = Enum.filter(told(rec, :long_schedule), &(&1.detail[:pid] == pid))
      assert event.detail.ms >= 1 and is_map_key(event.detail, :in)
      assert inspect(event) =~ ~r/long_schedule .* for \d+ ms/
    end

    test "of a port that does not read, by its command only", %{agent: agent} do
      rec = start!(agent, every: 60_000)
      {test, sleep} = {self(), System.find_executable("sleep")}

      writer =
        spawn(fn ->
          port = Port.open({:spawn, "#{sleep} 1000"}, [:binary])
          send(test, Port.info(port, :os_pid))
          send_all(port, 20)
        end)

      assert eventually(fn -> told(rec, :busy_port) != [] end)

      assert [%{detail: %{pid: ^writer, port: "#Port<" <> _, port_name: "sleep"}} = event | _] =
               told(rec, :busy_port)

      assert inspect(event) =~ "busy_port"
      # The port of a killed owner waits until all is written, and the virtual machine for the port.
      assert_receive {:os_pid, os_pid}
      {_, 0} = System.cmd("kill", [to_string(os_pid)])
    end

    test "of long queues, and when they are short again", %{agent: agent} do
      deaf =
        spawn(fn ->
          receive do: (:read -> :ok)
          drain()
          Process.sleep(:infinity)
        end)

      rec = start!([agent, deaf], every: 100, long_message_queue: 1_000)
      for n <- 1..1_500, do: send(deaf, {:unread, n})
      queues = fn -> for %{detail: %{pid: ^deaf, long: long}} <- told(rec, :long_message_queue), do: long end
      assert eventually(fn -> queues.() == [true] end)
      send(deaf, :read)
      assert eventually(fn -> queues.() == [true, false] end)
      Process.exit(deaf, :kill)
    end

    test "in a storm are counted, and not looked at until the next sample", %{agent: agent} do
      rec = start!(agent, Keyword.put(@quiet, :busy_port, true))
      helper = helper(rec)
      storm = fn -> for _ <- 1..3_000, do: send(helper, {:monitor, agent, :busy_port, hd(Port.list())}) end
      storm.()
      assert eventually(fn -> :sys.get_state(helper).warnings.total == 3_000 end)
      assert :sys.get_state(helper).monitor.paused
      unless Monitor.sessions?(), do: assert(eventually(fn -> :erlang.system_monitor() == :undefined end))
      send(helper, :tick)
      assert eventually(fn -> told(rec, :not_shown) != [] end)
      assert [%{detail: %{counts: %{busy_port: 2_950}, paused: true}} = event] = told(rec, :not_shown)
      assert length(told(rec, :busy_port)) == 50
      assert inspect(event) =~ "2,950 more busy_port not shown"
      refute :sys.get_state(helper).monitor.paused

      unless Monitor.sessions?() do
        assert eventually(fn ->
                 match?({_, _}, :erlang.system_monitor()) and :busy_port in elem(:erlang.system_monitor(), 1)
               end)
      end
    end

    test "are all off where nobody wants any", %{agent: agent} do
      off =
        for kind <- [:long_gc, :long_schedule, :large_heap, :long_message_queue, :busy_port, :busy_dist_port],
            do: {kind, false}

      rec = start!(agent, off)
      assert :sys.get_state(helper(rec)).monitor.how == :none
      assert :erlang.system_monitor() == :undefined
    end
  end

  describe "what is left" do
    test "when the helper is killed: the recording goes on and says so", %{agent: agent} do
      rec = start!(agent, true)
      Process.exit(helper(rec), :kill)
      assert eventually(fn -> Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "no longer watched")) end)
      assert eventually(fn -> :erlang.system_monitor() == :undefined end)
      Agent.update(agent, &(&1 + 1))
      {:ok, _} = BeamScope.stop(rec)
      assert {:ok, 1} = BeamScope.state_at(rec, agent, :end)
    end

    @tag :capture_log
    test "when the recorder, or the hub, is killed: nothing", %{agent: agent} do
      rec = start!(agent, true)
      Process.exit(rec.pid, :kill)
      assert eventually(fn -> Leftovers.find() == Leftovers.none() end)
      _rec = start!(agent, true)
      Process.exit(Process.whereis(BeamScope.Recorder.Hub), :kill)
      assert eventually(fn -> Leftovers.find() == Leftovers.none() end)
    end

    test "when the set-up fails: nothing" do
      assert {:error, %Error{}} = BeamScope.start(NoSuch.Name, system: true)
      assert Leftovers.settle() == Leftovers.none()
    end
  end

  describe "a node's one system monitor" do
    @describetag @tag_shared

    setup do
      test = self()

      owner =
        spawn(fn ->
          :erlang.system_monitor(self(), [:busy_port, {:long_gc, 3_000}])
          send(test, :set)
          tell(test)
        end)

      assert_receive :set

      on_exit(fn ->
        ref = Process.monitor(owner)
        Process.exit(owner, :kill)
        assert_receive {:DOWN, ^ref, _, _, _}
      end)

      %{owner: owner, theirs: :erlang.system_monitor()}
    end

    defp tell(test) do
      receive do
        message -> send(test, {:owner, message})
      end

      tell(test)
    end

    defp ours?(owner), do: match?({pid, _} when pid != owner, :erlang.system_monitor())

    test "is taken over, and given back as it was", %{agent: agent, owner: owner, theirs: theirs} do
      rec = start!(agent, every: 60_000, long_gc: 1, busy_port: false)
      assert {pid, options} = :erlang.system_monitor()
      assert pid != owner and {:long_gc, 1} in options and :busy_port in options
      assert Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "was taken over"))

      # What only the recording asked for, the former owner does not get; what it asked for, it gets unchanged.
      grown = grow(1_000_000)
      assert eventually(fn -> Enum.any?(told(rec, :long_gc), &(&1.detail.pid == grown)) end)
      refute_receive {:owner, _}, 20

      info = [
        timeout: 4_000,
        old_heap_block_size: 0,
        heap_block_size: 1,
        mbuf_size: 0,
        stack_size: 1,
        old_heap_size: 0,
        heap_size: 1
      ]

      message = {:monitor, agent, :long_gc, info}
      send(pid, message)
      assert_receive {:owner, ^message}
      busy = {:monitor, agent, :busy_port, hd(Port.list())}
      send(pid, busy)
      assert_receive {:owner, ^busy}
      BeamScope.stop(rec)
      assert :erlang.system_monitor() == theirs
      assert told(rec, :busy_port) == []
    end

    test "serves several recordings", %{agent: agent, owner: owner, theirs: theirs} do
      one = start!(agent, Keyword.merge(@quiet, long_gc: 500))
      two = start!(agent, Keyword.merge(@quiet, long_gc: 50, large_heap: 777_777))
      assert {pid, options} = :erlang.system_monitor()
      assert {:long_gc, 50} in options and {:large_heap, 777_777} in options
      send(pid, {:monitor, agent, :long_gc, [timeout: 100, heap_block_size: 1, old_heap_block_size: 0]})
      assert eventually(fn -> length(told(two, :long_gc)) == 1 end)
      assert told(one, :long_gc) == []
      BeamScope.stop(two)
      assert {^pid, options} = :erlang.system_monitor()
      assert {:long_gc, 500} in options and pid != owner
      BeamScope.stop(one)
      assert :erlang.system_monitor() == theirs
    end

    @tag :capture_log
    test "is given back whoever is killed", %{agent: agent, theirs: theirs, owner: owner} do
      for victim <- [:helper, :recorder, :hub, :shared] do
        rec = start!(agent, @quiet)
        assert ours?(owner)

        case victim do
          :helper -> Process.exit(helper(rec), :kill)
          :recorder -> Process.exit(rec.pid, :kill)
          :hub -> Process.exit(Process.whereis(BeamScope.Recorder.Hub), :kill)
          :shared -> Process.exit(Process.whereis(BeamScope.Recorder.Vitals.Shared), :kill)
        end

        assert eventually(fn -> :erlang.system_monitor() == theirs end), "after #{victim}"

        if victim == :shared,
          do: assert(eventually(fn -> Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "was killed")) end))

        BeamScope.clear()
        assert :erlang.system_monitor() == theirs
        assert eventually(fn -> Process.whereis(BeamScope.Recorder.Hub) == nil end)
      end
    end

    if System.otp_release() |> String.to_integer() >= 27 do
      test "keeps its owner's threshold for queues, of which there can be one; ours come from samples", %{
        agent: agent,
        owner: owner
      } do
        :erlang.system_monitor(owner, [{:long_message_queue, {10, 100}}])
        theirs = :erlang.system_monitor()
        deaf = spawn(fn -> Process.sleep(:infinity) end)
        rec = start!([agent, deaf], every: 100, long_message_queue: 1_000)
        assert {_, options} = :erlang.system_monitor()
        assert {:long_message_queue, {10, 100}} in options
        for n <- 1..200, do: send(deaf, n)
        assert_receive {:owner, {:monitor, ^deaf, :long_message_queue, true}}, 2_000
        assert told(rec, :long_message_queue) == []
        for n <- 1..1_000, do: send(deaf, n)
        assert eventually(fn -> match?([%{detail: %{pid: ^deaf}}], told(rec, :long_message_queue)) end)
        BeamScope.stop(rec)
        assert :erlang.system_monitor() == theirs
        Process.exit(deaf, :kill)
      end
    end

    test "is nobody's when its owner has ended", %{agent: agent, owner: owner} do
      rec = start!(agent, @quiet)
      Process.exit(owner, :kill)
      assert eventually(fn -> :sys.get_state(BeamScope.Recorder.Vitals.Shared).former == nil end)
      assert {_, options} = :erlang.system_monitor()
      assert {:long_gc, 100_000} in options
      BeamScope.stop(rec)
      assert :erlang.system_monitor() == :undefined
    end

    test "is left to who sets it meanwhile", %{agent: agent} do
      rec = start!(agent, @quiet)
      other = spawn(fn -> Process.sleep(:infinity) end)
      :erlang.system_monitor(other, [{:long_gc, 9_000}])

      assert eventually(fn ->
               Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "has set the system monitor meanwhile"))
             end)

      BeamScope.stop(rec)
      assert {^other, [{:long_gc, 9_000}]} = :erlang.system_monitor()
      # The next recording takes it over from there.
      again = start!(agent, @quiet)
      assert ours?(other)
      BeamScope.stop(again)
      assert {^other, [{:long_gc, 9_000}]} = :erlang.system_monitor()
      Process.exit(other, :kill)
      assert eventually(fn -> :erlang.system_monitor() == :undefined end)
    end
  end

  describe "a monitor of our own" do
    @describetag if @tag_shared == :skip, do: :own, else: :skip

    test "leaves the node's alone", %{agent: agent} do
      owner = spawn(fn -> Process.sleep(:infinity) end)
      :erlang.system_monitor(owner, [:busy_port])
      theirs = :erlang.system_monitor()
      rec = start!(agent, every: 60_000, long_gc: 1)
      assert :erlang.system_monitor() == theirs
      grown = grow(1_000_000)
      assert eventually(fn -> Enum.any?(told(rec, :long_gc), &(&1.detail.pid == grown)) end)
      BeamScope.stop(rec)
      assert :erlang.system_monitor() == theirs
      Process.exit(owner, :kill)
      assert eventually(fn -> :erlang.system_monitor() == :undefined end)
    end
  end

  describe "observer's view" do
    test "is attached at the start and at the end", %{agent: agent} do
      rec = start!(agent, every: 60_000, observer: true)
      table = :ets.new(:vitals_secret, [:public])
      :ets.insert(table, {:password, "hush"})
      at_start = BeamScope.system!(rec)
      refute Enum.any?(at_start.tables.list, &(&1.name == :vitals_secret))
      BeamScope.stop(rec)
      system = BeamScope.system!(rec)
      me = self()

      assert %{name: :vitals_secret, size: 1, owner: ^me, protection: :public} =
               Enum.find(system.tables.list, &(&1.name == :vitals_secret))

      assert {:kernel, _} = List.keyfind(system.applications, :kernel, 0)
      assert system.runtime.otp_release == System.otp_release()
      assert Enum.any?(system.ports.list, &(&1.name == "forker"))

      refute inspect(Enum.to_list(BeamScope.events(rec, limit: :infinity)),
               limit: :infinity,
               printable_limit: :infinity
             ) =~ "hush"
    end

    test "is the same without runtime_tools" do
      # Mix takes applications that nobody asked for off the path.
      [path] = Path.wildcard("#{:code.lib_dir()}/runtime_tools-*/ebin")
      Code.append_path(path)
      on_exit(fn -> Code.delete_path(path) end)

      for what <- [:tables, :ports, :applications] do
        [backend, own] = for by <- [:observer_backend, :own], do: names(Observer.view(:start, by), what)
        assert backend != [] and backend == own
      end
    end

    defp names(view, what) do
      for({^what, %{list: list}} <- view, one <- list, do: elem(one, 0)) |> Enum.sort()
    end
  end

  # Until its port ends.
  defp send_all(port, times) do
    for _ <- 1..times, do: Port.command(port, :binary.copy("x", 1_000_000))
  rescue
    ArgumentError -> :ended
  end

  defp drain do
    receive do
      _ -> drain()
    after
      0 -> :ok
    end
  end
end
