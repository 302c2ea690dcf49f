defmodule BeamScope.GoldenTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  alias BeamScope.{Error, Golden}
  alias BeamScope.Servers.{Echo, Tally}
  alias BeamScope.Test.InnerSuite

  doctest BeamScope.Golden

  defmodule Counter do
    @moduledoc "Counts; from the second on wrongly, if told so."
    use GenServer

    def start_link(opts), do: GenServer.start_link(__MODULE__, opts, Keyword.take(opts, [:name]))
    @impl true
    def init(opts), do: {:ok, %{count: 0, wrong: opts[:wrong] || false}}

    @impl true
    def handle_call({:increment, n}, _from, %{wrong: true, count: count} = state) when count > 0,
      do: {:reply, {:ok, count + n + 1}, %{state | count: count + n}}

    def handle_call({:increment, n}, _from, state),
      do: {:reply, {:ok, state.count + n}, %{state | count: state.count + n}}

    def handle_call(:get, _from, state), do: {:reply, state.count, state}

    @impl true
    def handle_cast({:keep, term}, state), do: {:noreply, Map.put(state, :kept, term)}

    def handle_cast({:tell, to, message}, state),
      do: {:noreply, tap(state, fn _ -> GenServer.cast(to, message) end)}

    @impl true
    def handle_info(:beat, state), do: {:noreply, Map.update(state, :beats, 1, &(&1 + 1))}
    def handle_info(_other, state), do: {:noreply, state}
  end

  defmodule Sum do
    @moduledoc "A handler that adds up."
    @behaviour :gen_event

    @impl true
    def init(n), do: {:ok, n}
    @impl true
    def handle_event(k, n), do: {:ok, n + k}
    @impl true
    def handle_call(:get, n), do: {:ok, n, n}
  end

  setup do
    dir = Path.join(System.tmp_dir!(), "beam_scope_golden_#{System.unique_integer([:positive])}")
    on_exit(fn -> [File.rm_rf!(dir), BeamScope.clear()] end)
    %{dir: dir, path: Path.join(dir, "one.golden")}
  end

  # Runs `fun` with a counter and records both. The counter has another pid each time.
  defp record(fun, opts \\ []) do
    {:ok, counter} = Counter.start_link([name: :golden_counter] ++ opts)
    {_, rec} = BeamScope.record([trace: counter], fun)
    GenServer.stop(counter)
    rec
  end

  defp call(message), do: GenServer.call(:golden_counter, message)
  defp cast(message), do: GenServer.cast(:golden_counter, message)

  defp text!(rec, opts \\ []) do
    assert {:ok, text} = Golden.text(rec, opts)
    text
  end

  defp section(text, role) do
    [_, section | _] = String.split(text, "role #{role} do\n")
    section |> String.split("\nend\n") |> hd() |> String.split("\n") |> Enum.map(&String.trim/1)
  end

  defp twice(opts \\ []) do
    record(
      fn ->
        call({:increment, 1})
        call({:increment, 1})
      end,
      opts
    )
  end

  describe "text/2" do
    test "has a section for each role, in the words of the documentation" do
      assert text!(twice()) == """
             # BeamScope golden execution, version 1
             # What the processes did, by role. BEAM_SCOPE_UPDATE=1 writes it anew; see BeamScope.Golden.

             level :full

             role :golden_counter do
               start %{count: 0, wrong: false}
               call {:increment, 1}, from: "caller", reply: {:ok, 1}, state: %{count: 1, wrong: false}
               call {:increment, 1}, from: "caller", reply: {:ok, 2}, state: %{count: 2, wrong: false}
             end

             role "caller" do
               ask {:increment, 1}, to: :golden_counter, reply: {:ok, 1}
               ask {:increment, 1}, to: :golden_counter, reply: {:ok, 2}
             end

             # end
             """
    end

    test "what is another in every run is marked" do
      rec =
        record(fn ->
          me = self()
          ref = make_ref()
          cast({:keep, {me, ref, ref, make_ref(), spawn(fn -> :ok end), fn -> me end, hd(Port.list())}})
          cast({:keep, [DateTime.utc_now(), System.system_time(:millisecond), :os.timestamp()]})
          cast({:keep, [~U[2020-01-01 00:00:00Z], 1_577_836_800, System.monotonic_time()]})
          cast({:keep, %{password: "x", set: MapSet.new([self(), :a])}})
          cast({:keep, %{big: String.duplicate("x", 100_000)}})
          call(:get)
        end)

      text = text!(rec)

      assert text =~
               ~r/cast \{\s+:keep,\s+\{\s+pid\("caller"\),\s+ref\(1\),\s+ref\(1\),\s+ref\(2\),\s+pid\("BeamScope.GoldenTest"\),\s+fun\("BeamScope.GoldenTest"\),\s+port\(\)\s+\}/

      assert text =~ "cast {:keep, [time(), time(), time()]}"
      assert text =~ ~s/cast {:keep, [text("~U[2020-01-01 00:00:00Z]"), 1577836800, time()]}/
      assert text =~ ~r/password: redacted\(:binary\)/
      assert text =~ ~r/set: set\(\[:a, pid\("caller"\)\]\)/
      assert text =~ ~r/big: truncated\(:binary, 100000\)/
      refute text =~ ~r/#PID|#Ref|#Fun/
    end

    test "roles are names, children of supervisors, or modules in order of birth" do
      {:ok, sup} = BeamScope.Servers.start_supervisor(:golden_sup, :golden_tally, :golden_echo)
      {:ok, pool} = DynamicSupervisor.start_link(name: :golden_pool, strategy: :one_for_one)

      {_, rec} =
        BeamScope.record([trace: [{:tree, sup}, pool]], fn ->
          Supervisor.start_child(sup, %{id: :extra, start: {Tally, :start_link, []}})
          for _ <- 1..2, do: DynamicSupervisor.start_child(pool, {Echo, []})
          [_, {_, one, _, _}] = DynamicSupervisor.which_children(pool)
          Process.exit(one, :kill)
          Process.sleep(50)
          Agent.start_link(fn -> 0 end)
          Task.await(Task.async(fn -> GenServer.call(:golden_tally, :get) end))
          GenServer.call(:golden_echo, {:echo, 1})
        end)

      Supervisor.stop(sup)
      DynamicSupervisor.stop(pool)
      text = text!(rec)
      roles = for [_, role] <- Regex.scan(~r/^role (.*) do$/m, text), do: role

      assert roles == [
               ":golden_echo",
               ":golden_pool",
               ~s(":golden_pool/BeamScope.Servers.Echo"),
               ~s(":golden_pool/BeamScope.Servers.Echo 2"),
               ":golden_sup",
               ~s(":golden_sup/:extra"),
               ":golden_tally",
               ~s("Agent"),
               ~s("Task"),
               ~s("caller")
             ]

      # A supervisor starts it again: the same role goes on.
      assert Enum.any?(["Echo", "Echo 2"], fn echo ->
               section(text, ~s(":golden_pool/BeamScope.Servers.#{echo}")) == [
                 "start 0",
                 "exit :killed",
                 "start 0"
               ]
             end)

      # What a supervisor's state looks like is OTP's business.
      refute text =~ "max_restarts"
    end

    test "a timer that changes nothing is left out, one that changes something is not" do
      rec =
        record(fn ->
          for n <- 1..3, do: Process.send_after(:golden_counter, :nothing, n)
          Process.send_after(:golden_counter, :beat, 5)
          Process.sleep(30)
          call(:get)
        end)

      assert section(text!(rec), ":golden_counter") == [
               "start %{count: 0, wrong: false}",
               "info :beat, state: %{beats: 1, count: 0, wrong: false}",
               ~s(call :get, from: "caller", reply: 0)
             ]

      # What it changed shows in the next step, unless that is told to be left out too.
      without = &if(is_map(&1) and is_map_key(&1, :beats), do: Map.delete(&1, :beats), else: &1)

      assert section(text!(rec, ignore: [:beat], normalize: without), ":golden_counter") == [
               "start %{count: 0, wrong: false}",
               ~s(call :get, from: "caller", reply: 0)
             ]
    end

    test "what a handler sends stands behind the message" do
      {:ok, tally} = Tally.start_link(name: :golden_tally)

      {_, rec} =
        BeamScope.record([trace: tally], fn ->
          {:ok, counter} = Counter.start_link([])
          GenServer.cast(counter, {:tell, :golden_tally, :reset})
          GenServer.call(counter, :get)
          GenServer.call(tally, :get)
        end)

      GenServer.stop(tally)

      assert section(text!(rec), ~s("BeamScope.GoldenTest.Counter")) == [
               "start %{count: 0, wrong: false}",
               ~s(cast {:tell, :golden_tally, :reset}, from: "caller"),
               "tell :reset, to: :golden_tally",
               ~s(call :get, from: "caller", reply: 0)
             ]
    end

    test "an answer to what was asked before the recording is left out" do
      ref = make_ref()
      stranger = spawn(fn -> receive(do: ({:go, to} -> send(to, {ref, :an_answer}))) end)

      rec =
        record(fn ->
          send(stranger, {:go, self()})
          receive(do: ({^ref, :an_answer} -> call(:get)))
        end)

      text = text!(rec)
      assert text =~ ~s(send {:go, pid\("caller"\)}, to: "other 1")
      refute text =~ "an_answer"
    end

    test "normalize: is asked of every part of every term" do
      rec = record(fn -> [cast({:keep, %{id: "a81f", n: 1}}), call(:get)] end)
      text = text!(rec, normalize: &if(match?(%{id: _}, &1), do: %{&1 | id: :some_id}, else: &1))
      assert text =~ "cast {:keep, %{id: :some_id, n: 1}}"
      assert text =~ "kept: %{id: :some_id, n: 1}"
      refute text =~ "a81f"
    end

    test "only: chooses roles" do
      text = text!(twice(), only: [:golden_counter])
      assert text =~ "role :golden_counter"
      refute text =~ ~s(role "caller")
    end

    test "roles: names processes that have another name in every run" do
      texts =
        for _ <- 1..2 do
          name = :"counter_#{System.unique_integer([:positive])}"
          {:ok, pid} = Counter.start_link(name: name)
          {_, rec} = BeamScope.record([trace: pid], fn -> GenServer.call(name, {:increment, 1}) end)
          GenServer.stop(pid)
          assert text!(rec, roles: [counter: pid]) == text!(rec, roles: [counter: name])
          text!(rec, roles: [counter: pid])
        end

      assert [text] = Enum.uniq(texts)
      assert text =~ "role :counter do"
      assert text =~ "ask {:increment, 1}, to: :counter"
    end

    # Callbacks do not tell a handler's id, so two handlers of one module cannot be told apart by them.
    if System.get_env("BEAM_SCOPE_PROFILE") == "fallback", do: @tag(:skip)

    test "a gen_event tells what each of its handlers was left in" do
      {:ok, manager} = :gen_event.start_link({:local, :golden_events})
      for {id, n} <- [a: 0, b: 100], do: :gen_event.add_handler(manager, {BeamScope.GoldenTest.Sum, id}, n)

      {_, rec} =
        BeamScope.record([trace: manager], fn ->
          for n <- [1, 2], do: :gen_event.sync_notify(manager, n)
        end)

      :gen_event.stop(manager)
      section = section(text!(rec), ":golden_events")
      assert Enum.count(section, &(&1 =~ "event 2, handler: {BeamScope.GoldenTest.Sum, :")) == 2
      assert Enum.any?(section, &(&1 =~ "handler: {BeamScope.GoldenTest.Sum, :a}" and &1 =~ "state: 3"))
      assert Enum.any?(section, &(&1 =~ "handler: {BeamScope.GoldenTest.Sum, :b}" and &1 =~ "state: 103"))
    end

    test "calls that were recorded stand where they were made" do
      {_, rec} =
        BeamScope.record([calls: [{Base, :decode16!, 1}, {Base, :encode16, 1}]], fn ->
          Base.encode16("a")

          try do
            Base.decode16!("x")
          rescue
            ArgumentError -> :ok
          end
        end)

      assert [
               ~s(invoke {Base, :encode16, ["a"]}, reply: "61"),
               ~s(invoke {Base, :decode16!, ["x"]},),
               "failed: {" | _
             ] = section(text!(rec), ~s("caller"))
    end

    # Through the VM's interface alone, pids of a loaded recording cannot be told apart.
    @tag :raw
    test "a saved recording gives the same text", %{dir: dir} do
      rec = record(fn -> [cast({:keep, self()}), call({:increment, 1})] end)
      text = text!(rec)
      File.mkdir_p!(dir)
      path = Path.join(dir, "rec")
      :ok = BeamScope.save(rec, path)
      {:ok, loaded} = BeamScope.load(path)
      assert text!(loaded) == text
    end

    test "wrong options are refused" do
      rec = twice()
      assert {:error, %Error{reason: :unknown_option}} = Golden.text(rec, ignored: [])
      assert {:error, %Error{reason: :invalid_option}} = Golden.text(rec, normalize: :all)
      assert {:error, %Error{reason: :invalid_option}} = Golden.text(rec, order: :time)
      assert {:error, %Error{reason: :invalid_option}} = Golden.text(rec, only: :golden_counter)
      assert {:error, %Error{reason: :invalid_recording}} = Golden.text(:no_recording)
    end

    test "a recording that was cut short is refused" do
      {:ok, counter} = Counter.start_link(name: :golden_counter)
      {:ok, rec} = BeamScope.start(counter, limits: [events: 20])
      for _ <- 1..100, do: call({:increment, 1})
      BeamScope.stop(rec)
      GenServer.stop(counter)
      assert {:error, %Error{reason: :golden_incomplete} = error} = Golden.text(rec)
      assert Exception.message(error) =~ "stopped by its limit"
    end
  end

  describe "in every run the same" do
    # Three clients that come to a tally in another order each time, and timers that change nothing.
    defp concurrent(seed) do
      {:ok, sup} = BeamScope.Servers.start_supervisor(:golden_sup, :golden_tally, :golden_echo)

      {_, rec} =
        BeamScope.record([trace: {:tree, sup}], fn ->
          :rand.seed(:exsss, {seed, seed, seed})
          for n <- 1..5, do: Process.send_after(:golden_tally, :nothing_to_do, :rand.uniform(3) * n)

          tasks =
            for {client, pause} <- Enum.zip(1..3, Enum.shuffle(0..2)) do
              Task.async(fn ->
                Process.sleep(2 * pause)
                for n <- 1..3, do: GenServer.call(:golden_tally, {:add, client * n})
                GenServer.call(:golden_tally, {:ask, :golden_echo, {:echo, {client, make_ref(), self()}}})
              end)
            end

          Task.await_many(tasks)
          GenServer.call(:golden_tally, :get)
          GenServer.call(:golden_echo, {:echo, :done})
        end)

      Supervisor.stop(sup)
      rec
    end

    defp sorted(%{history: history} = state), do: %{state | history: Enum.sort(history)}
    defp sorted(other), do: other

    test "whatever the pids, references, times and interleavings" do
      recs = for seed <- 1..50, do: concurrent(seed)
      texts = Enum.map(recs, &text!(&1, normalize: fn term -> sorted(term) end))
      assert [text] = Enum.uniq(texts)

      # They were not the same runs.
      arrivals = Enum.map(recs, &text!(&1, order: :arrival))
      assert arrivals |> Enum.uniq() |> length() > 1

      # What has an order is told in it, with states; the state after the race is there.
      assert [_start, "unordered do" | rest] = section(text, ":golden_tally")
      assert [_state, get] = Enum.take(rest, -2)
      assert get =~ ~s(call :get, from: "caller", reply: 36)
      assert text =~ ~s(call {:add, 1}, from: "Task", reply: any\(\))
      assert text =~ ~s(ask :get, to: :golden_tally, reply: 36)
    end

    test "messages that were sent because of each other keep their order" do
      rec =
        record(fn ->
          for n <- 1..3, do: Task.await(Task.async(fn -> call({:increment, n}) end))
          call(:get)
        end)

      assert [
               "start" <> _,
               ~s(call {:increment, 1}, from: "Task", reply: {:ok, 1}) <> _,
               ~s(call {:increment, 2}, from: "Task 2", reply: {:ok, 3}) <> _,
               ~s(call {:increment, 3}, from: "Task 3", reply: {:ok, 6}) <> _,
               ~s(call :get, from: "caller", reply: 6)
             ] = section(text!(rec), ":golden_counter")
    end

    test "so do those that a server sent before it answered" do
      {:ok, tally} = Tally.start_link(name: :golden_tally)

      recs =
        for _ <- 1..5 do
          {:ok, counter} = Counter.start_link(name: :golden_counter)

          {_, rec} =
            BeamScope.record([trace: [tally, counter]], fn ->
              # The counter passes it on: once it has answered, the tally has it before what we say.
              cast({:tell, :golden_tally, :reset})
              call(:get)
              GenServer.call(tally, {:add, 1})
              cast({:tell, :golden_tally, :reset})
              :sys.get_state(counter)
              GenServer.call(tally, :get)
            end)

          GenServer.stop(counter)
          rec
        end

      GenServer.stop(tally)
      assert [text] = recs |> Enum.map(&text!/1) |> Enum.uniq()
      refute text =~ "unordered"

      assert [
               "start" <> _,
               "cast :reset, from: :golden_counter",
               "call {:add, 1}," | _
             ] = section(text, ":golden_tally")
    end

    test "children that several clients ask for at the same time are told apart by their clients" do
      {:ok, pool} = DynamicSupervisor.start_link(name: :golden_pool, strategy: :one_for_one)

      recs =
        for _ <- 1..10 do
          {_, rec} =
            BeamScope.record([trace: pool], fn ->
              for {client, pause} <- Enum.zip(1..3, Enum.shuffle(0..2)) do
                Task.async(fn ->
                  Process.sleep(pause)
                  {:ok, pid} = DynamicSupervisor.start_child(:golden_pool, {Tally, []})
                  GenServer.call(pid, {:add, client})
                  :ok = DynamicSupervisor.terminate_child(:golden_pool, pid)
                end)
              end
              |> Task.await_many()
            end)

          rec
        end

      DynamicSupervisor.stop(pool)
      assert [text] = recs |> Enum.map(&text!/1) |> Enum.uniq()

      assert Enum.at(section(text, ~s(":golden_pool/BeamScope.Servers.Tally for Task 2")), 1) =~
               "call {:add, 2},"
    end

    test "at every level that has something to tell" do
      for level <- [:crashes, :states, :messages] do
        texts =
          for _ <- 1..3 do
            {:ok, counter} = Counter.start_link(name: :golden_counter)
            {:ok, rec} = BeamScope.start([counter, self()], level: level)
            call({:increment, 1})
            Task.await(Task.async(fn -> call({:increment, 2}) end))
            call(:get)
            BeamScope.stop(rec)
            GenServer.stop(counter)
            text!(rec)
          end

        assert [text] = Enum.uniq(texts)
        assert text =~ "level #{inspect(level)}\n"
        if level == :states, do: assert(text =~ "call {:increment, 2}")
        if level == :messages, do: assert(text =~ "ask {:increment, 2}, to: :golden_counter, reply: {:ok, 3}")
      end
    end

    test "unordered: leaves out all that depends on the order" do
      recs = for seed <- 1..10, do: concurrent(seed)
      assert [text] = recs |> Enum.map(&text!(&1, unordered: [:golden_tally])) |> Enum.uniq()
      section = section(text, ":golden_tally")
      assert ~s(call :get, from: "caller", reply: any\(\)) in section
      refute Enum.any?(section, &(&1 =~ "history: [1"))
      assert text =~ "ask :get, to: :golden_tally, reply: any()"
    end
  end

  describe "compare/3" do
    test "the same is :ok, also of another run and after whitespace was touched", %{path: path} do
      :ok = Golden.write(twice(), path)
      assert Golden.compare(twice(), path) == :ok

      File.write!(
        path,
        path |> File.read!() |> String.replace("  call", "      call") |> String.replace("\n\n", "\n\n\n")
      )

      assert Golden.compare(twice(), path) == :ok
    end

    test "says in one sentence where it went another way", %{path: path} do
      :ok = Golden.write(twice(), path)
      assert {:different, difference} = Golden.compare(twice(wrong: true), path, normalize: &right/1)

      assert difference.sentence ==
               ":golden_counter answered {:ok, 3} to the second {:increment, 1}; {:ok, 2} was expected."

      message = IO.iodata_to_binary(difference.message)
      assert message |> String.split() |> Enum.join(" ") =~ difference.sentence
      assert message =~ "- reply: {:ok, 2}" or message =~ "reply.elem(1): 2"
      assert message =~ path
      assert message =~ "BEAM_SCOPE_UPDATE=1"
      assert [{:golden_counter, align}, {"caller", _}] = difference.align
      assert BeamScope.Align.first(align).kind == :different
      assert difference.expected =~ "reply: {:ok, 2}"
      assert difference.actual =~ "reply: {:ok, 3}"
    end

    defp right(%{wrong: _} = state), do: %{state | wrong: false}
    defp right(other), do: other

    test "missing and unexpected steps and roles", %{path: path} do
      :ok = Golden.write(twice(), path)
      once = record(fn -> call({:increment, 1}) end)
      assert {:different, %{sentence: sentence}} = Golden.compare(once, path)
      assert sentence =~ "never"
      assert sentence =~ "the second {:increment, 1}"

      more =
        record(fn ->
          for _ <- 1..2, do: call({:increment, 1})
          Task.await(Task.async(fn -> call(:get) end))
        end)

      assert {:different, %{align: align}} = Golden.compare(more, path)
      assert {"Task", task} = List.keyfind(align, "Task", 0)
      assert task.counts.unexpected == length(task.entries)
    end

    test "a file that cannot be read is an error and stays as it is", %{path: path} do
      rec = twice()
      assert {:error, %Error{reason: :file}} = Golden.compare(rec, path)
      :ok = Golden.write(rec, path)
      good = File.read!(path)

      for {damage, reason} <- [
            {"", :golden_damaged},
            {"something else\n", :golden_damaged},
            {<<255, 254>>, :golden_damaged},
            {String.replace(good, "# end\n", ""), :golden_damaged},
            {binary_part(good, 0, div(byte_size(good), 2)), :golden_damaged},
            {String.replace(good, "level :full\n", ""), :golden_damaged},
            {String.replace(good, "reply: {:ok, 2}", "reply: {:ok, 2"), :golden_damaged},
            {String.replace(good, "reply: {:ok, 2}", "reply: System.halt(1)"), :golden_damaged},
            {String.replace(good, "reply: {:ok, 2}", "repyl: {:ok, 2}"), :golden_damaged},
            {String.replace(good, "  call ", "  clal "), :golden_damaged},
            {String.replace(good, "role ", "<<<<<<< HEAD\nrole ", global: false), :golden_damaged},
            {String.replace(good, "version 1", "version 2"), :golden_version},
            {String.replace(good, "level :full", "level :states"), :golden_level}
          ] do
        File.write!(path, damage)
        assert {:error, %Error{reason: ^reason} = error} = Golden.compare(rec, path)
        assert Exception.message(error) =~ path

        assert {:error, %Error{reason: ^reason}} =
                 Golden.check(rec, "one", dir: Path.dirname(path), update?: false)

        assert File.read!(path) == damage
      end
    end
  end

  describe "assert_recording in a suite" do
    defp run_suite(dir, added, env \\ []),
      do: InnerSuite.run("golden", dir, [CI: nil, BEAM_SCOPE_UPDATE: nil, ADDED: added] ++ env)

    @tag timeout: 120_000
    test "is written, holds, fails with what went another way, and is updated", %{dir: dir} do
      path = Path.join(dir, "test/golden/counter.golden")

      assert {output, 2} = run_suite(dir, 2, CI: true)
      assert output =~ "counter.golden"
      refute File.exists?(path)

      assert {output, 0} = run_suite(dir, 2)
      assert output =~ "BeamScope: new golden execution written: test/golden/counter.golden"
      good = File.read!(path)

      assert {output, 0} = run_suite(dir, 2, CI: true)
      refute output =~ "golden"

      assert {output, 2} = run_suite(dir, 5)
      {_, failure} = InnerSuite.failure(output, "goes as it did")
      words = failure |> String.split() |> Enum.join(" ")
      assert words =~ "{:add, 2}"
      assert words =~ "{:add, 5}"
      assert words =~ "BEAM_SCOPE_UPDATE=1"
      assert File.read!(path) == good

      assert {output, 0} = run_suite(dir, 5, BEAM_SCOPE_UPDATE: 1)
      assert output =~ "BeamScope: golden execution updated: test/golden/counter.golden"
      assert {_, 0} = run_suite(dir, 5)
      assert File.read!(path) != good
    end
  end

  describe "check/3" do
    test "a missing one is written, and compared with from then on", %{dir: dir, path: path} do
      assert Golden.check(twice(), "one", dir: dir, ci?: false, update?: false) == {:new, path}
      assert Golden.check(twice(), "one", dir: dir, ci?: false, update?: false) == :ok
      assert Golden.check(twice(), "one", dir: dir, ci?: true, update?: false) == :ok
      once = record(fn -> call({:increment, 1}) end)
      assert {:different, %{path: ^path}} = Golden.check(once, "one", dir: dir, update?: false)
      assert File.ls!(dir) == ["one.golden"]
    end

    test "with CI a missing one is an error and is not written", %{dir: dir, path: path} do
      assert {:error, %Error{reason: :golden_missing, detail: ^path}} =
               Golden.check(twice(), "one", dir: dir, ci?: true, update?: false)

      refute File.exists?(dir)
    end

    test "an update writes what differs, and only that", %{dir: dir, path: path} do
      assert Golden.check(twice(), "one", dir: dir, update?: true) == {:new, path}
      File.touch!(path, 1_000_000_000)
      assert Golden.check(twice(), "one", dir: dir, update?: true) == :ok
      assert File.stat!(path, time: :posix).mtime == 1_000_000_000
      once = record(fn -> call({:increment, 1}) end)
      assert Golden.check(once, "one", dir: dir, update?: true) == {:updated, path}
      assert Golden.check(once, "one", dir: dir, update?: false) == :ok
    end

    test "an update mends a damaged one, but writes over nothing that is not ours", %{dir: dir, path: path} do
      rec = twice()
      Golden.check(rec, "one", dir: dir, update?: true)
      good = File.read!(path)
      File.write!(path, binary_part(good, 0, 300))
      assert Golden.check(rec, "one", dir: dir, update?: true) == {:updated, path}

      for {text, reason} <- [
            {"my notes", :golden_damaged},
            {String.replace(good, "version 1", "version 7"), :golden_version}
          ] do
        File.write!(path, text)
        assert {:error, %Error{reason: ^reason}} = Golden.check(rec, "one", dir: dir, update?: true)
        assert File.read!(path) == text
      end
    end

    test "names become file names, and stay in their directory", %{dir: dir} do
      assert Golden.path("a/b c: d", dir) == {:ok, Path.join(dir, "a/b_c_d.golden")}

      for name <- ["../x", "/etc/x", "", " ", "a/../../b", :atom, <<255>>],
          do: assert({:error, %Error{reason: :invalid_option}} = Golden.path(name, dir))
    end

    test "a directory that cannot be written to is an error", %{dir: dir} do
      File.mkdir_p!(dir)
      File.write!(Path.join(dir, "file"), "")

      assert {:error, %Error{reason: :file}} =
               Golden.check(twice(), "one", dir: Path.join(dir, "file/below"), ci?: false)
    end
  end
end
