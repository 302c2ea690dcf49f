defmodule BeamScopeTest do
  use ExUnit.Case, async: false
  doctest BeamScope

  require BeamScope

  import BeamScope.Servers, only: [eventually: 1, start_supervisor: 3]

  alias BeamScope.{Error, Event, History, Info, Moment, Recording, Transition}
  alias BeamScope.Servers.{Echo, Tally}

  setup do
    on_exit(fn -> BeamScope.clear() end)
  end

  defp unique(prefix), do: :"#{prefix}#{System.unique_integer([:positive])}"

  defp tally(_context \\ nil) do
    name = unique("tally")
    start_supervised!(%{id: name, start: {Tally, :start_link, [[name: name]]}})
    name
  end

  defp reason({:error, %Error{reason: reason} = error}) do
    assert is_binary(Exception.message(error))
    reason
  end

  describe "record/2" do
    test "returns what the function returned, and the recording" do
      name = tally()
      assert {3, %Recording{} = rec} = BeamScope.record([trace: name], fn -> Tally.add(name, 3) end)
      assert %Info{status: :stopped, stop_reason: :requested} = BeamScope.info(rec)
      assert BeamScope.state_at!(rec, name, :end).count == 3
    end

    test "an exception goes on with its stacktrace, and last/0 has the recording" do
      name = tally()

      stacktrace =
        try do
          BeamScope.record([trace: name], fn ->
            Tally.add(name, 1)
            raise ArgumentError, "mine"
          end)
        rescue
          error in ArgumentError ->
            assert error.message == "mine"
            __STACKTRACE__
        end

      assert Enum.any?(stacktrace, fn {module, _, _, _} -> module == __MODULE__ end)
      assert BeamScope.state_at!(BeamScope.last(), name, :end).count == 1
      assert BeamScope.info(BeamScope.last()).status == :stopped
    end

    test "throws and exits go on too" do
      assert catch_throw(BeamScope.record([], fn -> throw(:ball) end)) == :ball
      assert catch_exit(BeamScope.record([], fn -> exit(:out) end)) == :out
    end

    test "follows what the function starts" do
      {pid, rec} =
        BeamScope.record([], fn ->
          {:ok, pid} = Tally.start_link()
          Tally.add(pid, 2)
          pid
        end)

      history = BeamScope.history(rec, pid)
      assert %Transition{kind: :init, to: %{count: 0}} = Enum.at(history, 0)
      assert Enum.find(history, &(&1.kind == :call)).to.count == 2
      assert Enum.find(BeamScope.processes(rec), &(&1.pid == pid)).known == :spawned
    end

    test "unknown targets raise before the function runs" do
      error =
        assert_raise Error, fn -> BeamScope.record([trace: :nobody_at_all], fn -> send(self(), :ran) end) end

      assert error.reason in [:unknown_name, :no_such_module]
      refute_received :ran
    end
  end

  describe "history/3" do
    test "has each message, who sent it, the states and what changed" do
      name = tally()
      me = self()

      {_, rec} =
        BeamScope.record([trace: name], fn ->
          Tally.add(name, 1)
          Tally.add(name, 41)
          Tally.reset(name)
          send(name, :tick)
          Tally.get(name)
        end)

      history = BeamScope.history(rec, name)
      assert %History{process: %BeamScope.Process{name: ^name}} = history

      steps = Enum.filter(history, &(&1.kind in [:call, :cast, :info]))

      assert Enum.map(steps, &{&1.kind, &1.content}) == [
               call: {:add, 1},
               call: {:add, 41},
               cast: :reset,
               info: :tick,
               call: :get
             ]

      assert Enum.map(steps, & &1.to.count) == [1, 42, 0, 0, 0]
      assert Enum.map(steps, & &1.from.count) == [0, 1, 42, 0, 0]
      assert Enum.all?(steps, &(&1.from_process == me))
      assert Enum.map(Enum.take(steps, 2), & &1.reply) == [{:ok, 1}, {:ok, 42}]
      assert Enum.all?(steps, &(&1.result == :ok))
      # Equal but for the password, which nobody can tell: it was redacted.
      assert [{[:password], {:unknown, :redacted}}] = Enum.to_list(List.last(steps).diff)
    end

    test "prints messages and changes" do
      name = tally()
      {_, rec} = BeamScope.record([trace: name], fn -> Tally.add(name, 7) end)
      text = inspect(BeamScope.history(rec, name), width: 100)
      assert text =~ "History of #{inspect(name)}"
      assert text =~ "CALL {:add, 7}"
      assert text =~ ~r/- .*0/
      assert text =~ ~r/\+ .*7/
      for line <- String.split(text, "\n"), do: assert(String.length(line) <= 100)
    end

    test "a crash ends it with class, reason and the message" do
      name = unique("doomed")
      {:ok, sup} = start_supervisor(unique("sup"), name, unique("echo"))
      old = Process.whereis(name)

      {_, rec} =
        BeamScope.record([trace: {:tree, sup}], fn ->
          ExUnit.CaptureLog.capture_log(fn ->
            GenServer.cast(name, :crash)
            eventually(fn -> Process.whereis(name) not in [nil, old] end)
            Tally.add(name, 5)
          end)
        end)

      history = BeamScope.history(rec, name)
      assert length(history.processes) == 2

      assert %Transition{content: :crash, result: {:crash, :error, reason}} =
               Enum.find(history, &match?({:crash, _, _}, &1.result))

      assert match?({:badarith, _}, reason) or reason == :badarith
      assert BeamScope.state_at!(rec, name, :end).count == 5
      assert inspect(history, width: 100) =~ "2 lives"

      tree = inspect(BeamScope.tree(rec), width: 100)
      assert tree =~ inspect(name)
      assert tree =~ "1 restart"
      Supervisor.stop(sup)
    end

    test "since, until and limit narrow it" do
      name = tally()
      {_, rec} = BeamScope.record([trace: name], fn -> for n <- 1..20, do: Tally.add(name, n) end)
      calls = rec |> BeamScope.history(name) |> Enum.filter(&(&1.kind == :call))
      fifth = Enum.at(calls, 4)

      assert BeamScope.history(rec, name, limit: 3).more
      assert length(BeamScope.history(rec, name, limit: 3).transitions) == 3
      assert Enum.at(BeamScope.history(rec, name, since: fifth), 0).moment == fifth.moment
      assert List.last(BeamScope.history(rec, name, until: fifth).transitions).moment == fifth.moment
      assert Enum.all?(BeamScope.history(rec, name, diff: false), &(&1.diff == nil))
    end

    test "a state larger than the budget says so" do
      name = tally()

      {_, rec} =
        BeamScope.record([trace: name, budget: [bytes: 512]], fn ->
          GenServer.cast(name, {:grow, 5_000})
          Tally.get(name)
        end)

      assert %BeamScope.Truncated{kind: :list, known: [1, 2 | _] = known} =
               BeamScope.state_at!(rec, name, :end).big

      assert length(known) < 5_000
      assert BeamScope.info(rec).events.truncated > 0
    end
  end

  describe "state_at/3 and find_state/3" do
    setup do
      name = tally()
      {_, rec} = BeamScope.record([trace: name], fn -> for _ <- 1..3, do: Tally.add(name, 1) end)
      %{name: name, rec: rec}
    end

    test "the first moment a state matches, and the message that made it so", %{name: name, rec: rec} do
      assert {:ok, %Transition{to: %{count: 2}, from: %{count: 1}, content: {:add, 1}} = t} =
               BeamScope.find_state(rec, name, %{count: 2})

      assert t.from_process == self()
      assert {:ok, %{count: 2}} = BeamScope.state_at(rec, name, t)
      assert BeamScope.find_state!(rec, name, BeamScope.pattern(%{count: n} when n > 2)).to.count == 3
    end

    test "nothing found is an error that says so", %{name: name, rec: rec} do
      assert reason(BeamScope.find_state(rec, name, %{count: 99})) == :not_found
      assert_raise Error, fn -> BeamScope.find_state!(rec, name, %{count: 99}) end
    end

    test "the state before the first message is the one of the living process", %{name: name, rec: rec} do
      assert {:ok, %{count: 3}} = BeamScope.state_at(rec, name, :end)
      first = Enum.find(BeamScope.history(rec, name), &(&1.kind == :call))
      assert first.from.count == 0
    end

    test "processes by pid, name, track and struct are the same", %{name: name, rec: rec} do
      process = Enum.find(BeamScope.processes(rec), &(&1.name == name))

      for selector <- [name, Process.whereis(name), process, process.track, {:track, process.track}] do
        assert {:ok, %{count: 3}} = BeamScope.state_at(rec, selector, :end)
      end

      assert {:ok, %{count: 3}} = BeamScope.state_at(rec, Tally, :end)
    end

    test "a secret never reaches the recording", %{name: name, rec: rec} do
      assert %BeamScope.Redacted{} = BeamScope.state_at!(rec, name, :end).password
    end
  end

  describe "messages/2 and events/2" do
    setup do
      [tally, echo] = [tally(), unique("echo")]
      start_supervised!(%{id: echo, start: {Echo, :start_link, [[name: echo]]}})

      {_, rec} =
        BeamScope.record([trace: [tally, echo]], fn ->
          GenServer.call(tally, {:ask, echo, {:echo, "hi"}})
          Tally.reset(tally)
          Tally.get(tally)
        end)

      %{rec: rec, tally: tally, echo: echo}
    end

    test "each message once, calls and replies told apart", %{rec: rec, tally: tally, echo: echo} do
      there = BeamScope.messages(rec, from: tally, to: echo)
      assert [%Event{kind: :send, label: :call, content: {:echo, "hi"}}] = Enum.to_list(there)

      assert [%Event{label: :reply, content: "hi"}] =
               Enum.to_list(BeamScope.messages(rec, from: echo, to: tally))

      assert [:call, :cast, :call] = Enum.map(BeamScope.messages(rec, from: self(), to: tally), & &1.label)
    end

    test "print as sender → receiver", %{rec: rec, tally: tally, echo: echo} do
      text = inspect(BeamScope.messages(rec), width: 100)
      assert text =~ ~r/#{inspect(tally)} → #{inspect(echo)} +CALL \{:echo, "hi"\}/
      assert text =~ ~r/#{inspect(echo)} → #{inspect(tally)} +REPLY "hi"  \(to #/
    end

    test "match looks at the message and at what it carries", %{rec: rec} do
      assert [%Event{}] = Enum.to_list(BeamScope.messages(rec, match: {:echo, :_}))
      assert [%Event{}] = Enum.to_list(BeamScope.messages(rec, match: {:"$gen_cast", :reset}))
      assert [] = Enum.to_list(BeamScope.messages(rec, match: {:echo, "ho"}))
    end

    test "a send and its receive know each other", %{rec: rec, tally: tally, echo: echo} do
      [sent] = rec |> BeamScope.messages(from: tally, to: echo) |> Enum.to_list()
      received = rec |> BeamScope.events(kind: :receive) |> Enum.find(&(&1.moment.seq == sent.partner))
      assert received.message == sent.message
      assert received.partner == sent.moment.seq
      assert received.moment.seq > sent.moment.seq
    end

    test "limit, order, since and until", %{rec: rec} do
      all = Enum.to_list(BeamScope.events(rec))
      assert Enum.map(all, & &1.moment.seq) == Enum.sort(Enum.map(all, & &1.moment.seq))
      assert [first, second] = Enum.to_list(BeamScope.events(rec, limit: 2))
      assert BeamScope.events(rec, limit: 2).more
      refute BeamScope.events(rec, limit: :infinity).more
      assert [first, second] == Enum.take(all, 2)
      assert hd(Enum.to_list(BeamScope.events(rec, order: :desc, limit: 1))) == List.last(all)
      middle = Enum.at(all, div(length(all), 2))
      assert hd(Enum.to_list(BeamScope.events(rec, since: middle))) == middle
      assert List.last(Enum.to_list(BeamScope.events(rec, until: middle))) == middle
    end

    test "names that nobody bore raise and list those that somebody did", %{rec: rec, tally: tally} do
      error = assert_raise Error, fn -> BeamScope.messages(rec, from: :talyl) end
      assert error.reason == :no_such_process
      assert Exception.message(error) =~ inspect(tally)
    end

    test "the mailbox at a moment holds what was sent and not yet handled", %{rec: rec, tally: tally} do
      assert Enum.to_list(BeamScope.mailbox(rec, tally, :end)) == []
    end

    test "at a level without messages the answer says so" do
      name = tally()
      rec = BeamScope.start!(name, level: :states)
      Tally.add(name, 1)
      BeamScope.stop!(rec)
      assert inspect(BeamScope.messages(rec)) =~ "level: :messages"
    end
  end

  describe "tasks" do
    test "are known as tasks, however they were started, and on whichever Elixir" do
      supervisor = start_supervised!(Task.Supervisor)
      me = self()
      before = Task.async(fn -> tell_and_wait(me) end)
      assert_receive {:waits, _}

      {tasks, rec} =
        BeamScope.record([trace: [before.pid, supervisor]], fn ->
          mine = for _ <- 1..2, do: Task.async(String, :upcase, ["x"])
          theirs = Task.Supervisor.async_nolink(supervisor, fn -> :ok end)
          Task.await_many([theirs | mine])
          {:ok, child} = Task.Supervisor.start_child(supervisor, fn -> tell_and_wait(me) end)
          {:ok, alone} = Task.start(fn -> tell_and_wait(me) end)
          for pid <- [child, alone], do: assert_receive({:waits, ^pid})
          [before.pid, child, alone, theirs.pid | Enum.map(mine, & &1.pid)]
        end)

      for pid <- Enum.take(tasks, 3), do: send(pid, :go)
      processes = Map.new(BeamScope.processes(rec), &{&1.pid, &1})
      for pid <- tasks, do: assert(%{behaviour: :task} = processes[pid])
      child = processes[Enum.at(tasks, 1)]
      assert {child.module, child.ancestors} == {__MODULE__, [supervisor | processes[supervisor].ancestors]}
      assert %{behaviour: :plain} = processes[me]
    end

    defp tell_and_wait(to) do
      send(to, {:waits, self()})
      receive do: (:go -> :ok)
    end
  end

  describe "a process that is not recorded" do
    setup do
      start = {Tally, :start_link, [[name: :beam_scope_outsider]]}
      out = start_supervised!(%{id: :out, start: start})
      tally = start_supervised!(Tally)
      {_, rec} = BeamScope.record([trace: tally], fn -> tell_in_all_ways(out) end)
      on_exit(fn -> BeamScope.close(rec) end)
      %{rec: rec, out: out}
    end

    defp tell_in_all_ways(out) do
      send(:beam_scope_outsider, {:told, 1})
      send(out, {:told, 2})
      send({:beam_scope_outsider, node()}, {:told, 3})
      0 = Tally.get(:beam_scope_outsider)
    end

    defp told(messages), do: for(%{message: {:told, n}} <- messages, do: n)

    test "is found as receiver by its name, however it was addressed", %{rec: rec, out: out} do
      assert told(BeamScope.messages(rec, to: :beam_scope_outsider)) == [1, 2, 3]
      assert told(BeamScope.events(rec, kind: :send, to: :beam_scope_outsider)) == [1, 2, 3]
      assert told(BeamScope.messages(rec, to: out)) == [2]
      sent = %{what: :sent, to: :beam_scope_outsider, pattern: BeamScope.pattern({:told, _})}

      assert {:ok, [%{verdict: :held, count: 3}]} =
               BeamScope.Expect.run(rec, [%{check: :count, steps: [sent]}])

      assert [%Event{label: :reply}] = Enum.to_list(BeamScope.messages(rec, from: :beam_scope_outsider))
    end

    @tag :tmp_dir
    test "is found by its name when it is no more", %{rec: rec, tmp_dir: dir} do
      stop_supervised!(:out)
      assert told(BeamScope.messages(rec, to: :beam_scope_outsider)) == [1, 3]
      assert :ok = BeamScope.save(rec, Path.join(dir, "out.bscope"))
      {:ok, loaded} = BeamScope.load(Path.join(dir, "out.bscope"))
      assert told(BeamScope.messages(loaded, to: :beam_scope_outsider)) == [1, 3]
      assert_raise Error, ~r/beam_scope_outsidre/, fn -> BeamScope.messages(rec, to: :beam_scope_outsidre) end
      assert_raise Error, fn -> BeamScope.messages(rec, from: :beam_scope_outsider) end
    end
  end

  describe "calls/2" do
    test "arguments, results and exceptions" do
      {_, rec} =
        BeamScope.record([calls: [{Base, :decode16, 1}, {Base, :decode16!, 1}]], fn ->
          Base.decode16("61")
          assert_raise ArgumentError, fn -> Base.decode16!("x") end
        end)

      calls = Enum.to_list(BeamScope.calls(rec))
      assert %Event{mfa: {Base, :decode16, ["61"]}} = Enum.find(calls, &(&1.kind == :call))
      assert %Event{value: {:ok, "a"}} = Enum.find(calls, &(&1.kind == :return))
      assert %Event{class: :error} = Enum.find(calls, &(&1.kind == :exception))
      assert Enum.all?(BeamScope.calls(rec, call: {Base, :decode16!}), &(elem(&1.mfa, 1) == :decode16!))
    end

    test "functions that do not exist are refused" do
      assert reason(BeamScope.start(self(), calls: [{Base, :no_such_function, 1}])) == :no_such_function

      assert reason(BeamScope.start(self(), calls: [NoSuchModuleHere])) in [
               :no_such_module,
               :no_such_function
             ]
    end
  end

  describe "start/2 and stop/1" do
    test "bad input is refused with a reason and a message" do
      dead = spawn(fn -> :ok end)
      eventually(fn -> not Process.alive?(dead) end)
      assert reason(BeamScope.start(dead)) == :not_alive
      assert reason(BeamScope.start([])) == :no_targets
      assert reason(BeamScope.start("x")) == :invalid_target
      assert reason(BeamScope.start(:all)) == :needs_force
      assert reason(BeamScope.start(self(), levle: :full)) == :unknown_option
      assert reason(BeamScope.start(self(), level: :much)) == :invalid_option
      assert reason(BeamScope.start(self(), limits: [events: 0])) == :invalid_option
      assert reason(BeamScope.start({:app, :no_such_app})) == :unknown_app
      assert reason(BeamScope.start(NoSuchModuleHere)) == :no_such_module
      assert reason(BeamScope.start(:no_such_name)) == :unknown_name
      assert_raise Error, fn -> BeamScope.start!(dead) end
    end

    test "a limit stops it, and info says which" do
      name = tally()
      rec = BeamScope.start!(name, limits: [events: 50])
      for n <- 1..200, do: Tally.add(name, n)
      eventually(fn -> BeamScope.info(rec).status == :stopped end)
      assert BeamScope.info(rec).stop_reason == :events
      assert {:ok, _} = BeamScope.stop(rec)
    end

    test "stopping twice is no error" do
      rec = BeamScope.start!(tally())
      assert {:ok, _} = BeamScope.stop(rec)
      assert {:ok, _} = BeamScope.stop(rec)
    end

    test "recordings run side by side" do
      [a, b] = [tally(), tally()]
      one = BeamScope.start!(a)
      two = BeamScope.start!(b)
      Tally.add(a, 1)
      Tally.add(b, 2)
      for rec <- [one, two], do: BeamScope.stop!(rec)
      assert BeamScope.state_at!(one, a, :end).count == 1
      assert BeamScope.state_at!(two, b, :end).count == 2

      assert Enum.map(BeamScope.recordings(), & &1.id) |> Enum.filter(&(&1 in [one.id, two.id])) == [
               one.id,
               two.id
             ]
    end

    test "set_level changes what is recorded" do
      name = tally()
      rec = BeamScope.start!(name, level: :crashes)
      Tally.add(name, 1)
      assert {:ok, %Recording{level: :states}} = BeamScope.set_level(rec, :states)
      Tally.add(name, 2)
      BeamScope.stop!(rec)
      assert BeamScope.state_at!(rec, name, :end).count == 3
      assert reason(BeamScope.set_level(rec, :loud)) == :invalid_option
    end
  end

  describe "after close/1" do
    test "every question says that the recording is closed" do
      name = tally()
      {_, rec} = BeamScope.record([trace: name], fn -> Tally.add(name, 1) end)
      assert :ok = BeamScope.close(rec)
      assert reason(BeamScope.state_at(rec, name, :end)) == :closed
      assert reason(BeamScope.find_state(rec, name, %{})) == :closed
      assert reason(BeamScope.subscribe(rec)) == :closed
      assert reason(BeamScope.save(rec, "nowhere")) == :closed

      for ask <- [
            &BeamScope.events/1,
            &BeamScope.messages/1,
            &BeamScope.calls/1,
            &BeamScope.processes/1,
            &BeamScope.tree/1,
            &BeamScope.info/1
          ] do
        assert_raise Error, ~r/closed/, fn -> ask.(rec) end
      end

      assert_raise Error, ~r/closed/, fn -> BeamScope.history(rec, name) end
      assert inspect(rec) =~ "#BeamScope.Recording<"
    end
  end

  describe "moments" do
    test "outside the recording, or no moment at all" do
      name = tally()
      {_, rec} = BeamScope.record([trace: name], fn -> Tally.add(name, 1) end)
      assert reason(BeamScope.state_at(rec, name, {:ms, 3_600_000})) == :outside_recording
      assert reason(BeamScope.state_at(rec, name, %Moment{seq: 1_000_000, at_ns: 0})) == :outside_recording
      assert reason(BeamScope.state_at(rec, name, :later)) == :invalid_moment
      assert_raise Error, fn -> BeamScope.tree(rec, at: {:ms, -1}) end
    end
  end

  describe "subscribe/2" do
    test "sends batches of events, and says when the recording has ended" do
      name = tally()
      rec = BeamScope.start!(name, level: :messages)
      {:ok, sub} = BeamScope.subscribe(rec, kind: :receive, match: {:add, :_})
      sent = System.monotonic_time(:millisecond)
      Tally.add(name, 1)
      assert_receive {:beam_scope, ^sub, {:events, [%Event{content: {:add, 1}, to_name: ^name}], 0}}, 1_000
      assert System.monotonic_time(:millisecond) - sent < 500
      BeamScope.stop!(rec)
      assert_receive {:beam_scope, ^sub, {:stopped, :requested}}, 2_000
      refute Process.alive?(sub)
    end

    test "unsubscribing ends it" do
      rec = BeamScope.start!(tally(), level: :messages)
      {:ok, sub} = BeamScope.subscribe(rec)
      assert :ok = BeamScope.unsubscribe(sub)
      refute Process.alive?(sub)
      assert :ok = BeamScope.unsubscribe(sub)
    end

    test "a subscriber that does not read costs bounded memory, and what it lost is counted" do
      name = tally()
      rec = BeamScope.start!(name, level: :messages)
      {:ok, sub} = BeamScope.subscribe(rec, kind: :receive, max_queue: 10, max_batch: 5)
      for _ <- 1..2_000, do: Tally.add(name, 1)
      BeamScope.stop!(rec)
      eventually(fn -> Process.info(self(), :message_queue_len) |> elem(1) >= 5 end)
      Process.sleep(300)
      assert Process.info(self(), :message_queue_len) |> elem(1) <= 40
      assert drain(sub, {0, 0}) |> Tuple.to_list() |> Enum.sum() >= 1_900
    end

    defp drain(sub, {seen, lost}) do
      receive do
        {:beam_scope, ^sub, {:events, events, more}} -> drain(sub, {seen + length(events), lost + more})
      after
        1_000 -> {seen, lost}
      end
    end
  end

  describe "watch/2" do
    test "prints lines until its limit, then the recording is stopped" do
      name = tally()
      spawn_link(fn -> for(_ <- 1..200, do: {Tally.add(name, 1), Process.sleep(5)}) end)

      text =
        ExUnit.CaptureIO.capture_io(fn ->
          assert {:ok, rec} = BeamScope.watch(name, lines: 6, width: 100)
          assert BeamScope.info(rec).status == :stopped
        end)

      assert text =~ "Watching"
      assert text =~ "CALL {:add, 1}"
      assert text =~ "Stopped"
    end

    test "Enter ends it" do
      name = tally()
      text = ExUnit.CaptureIO.capture_io("\n", fn -> assert {:ok, _} = BeamScope.watch(name) end)
      assert text =~ "Stopped (key)"
    end

    test "bad options are errors before anything starts" do
      assert reason(BeamScope.watch(self(), kinds: [:sent])) == :invalid_option
      assert reason(BeamScope.watch(:nobody_at_all)) in [:unknown_name, :no_such_module]
    end
  end

  describe "save/2 and load/1" do
    @tag :tmp_dir
    test "a loaded recording answers as the live one did", %{tmp_dir: dir} do
      name = tally()
      {_, rec} = BeamScope.record([trace: name], fn -> for n <- 1..5, do: Tally.add(name, n) end)
      path = Path.join(dir, "rec.beamscope")
      assert :ok = BeamScope.save(rec, path)
      assert {:ok, loaded} = BeamScope.load(path)

      plain = fn rec ->
        rec |> BeamScope.history(name) |> Enum.map(&{&1.kind, &1.content, &1.to, &1.moment})
      end

      assert plain.(loaded) == plain.(rec)
      assert BeamScope.info(loaded).events == BeamScope.info(rec).events
      assert inspect(loaded) =~ "loaded"
      assert :ok = BeamScope.close(loaded)
    end

    @tag :tmp_dir
    test "what is no recording is refused", %{tmp_dir: dir} do
      path = Path.join(dir, "junk")
      File.write!(path, "this is not a recording")
      assert is_atom(reason(BeamScope.load(path)))
      assert is_atom(reason(BeamScope.load(Path.join(dir, "missing"))))
      assert_raise Error, fn -> BeamScope.load!(path) end
    end
  end

  describe "a slip at the prompt" do
    test "{:ok, rec} given for rec is named" do
      ok = BeamScope.start(tally())
      assert_raise Error, ~r/take the recording out/, fn -> BeamScope.events(ok) end
      assert reason(BeamScope.stop(ok)) == :invalid_recording
    end

    test "misspelled filters are suggested" do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      assert_raise Error, ~r/:match/, fn -> BeamScope.messages(rec, mach: 1) end
      assert_raise Error, ~r/:limit/, fn -> BeamScope.history(rec, self(), limt: 1) end
      assert_raise Error, fn -> BeamScope.tree(rec, when: :end) end
    end
  end

  describe "diff/2" do
    test "prints what changed" do
      diff = BeamScope.diff(%{a: 1, b: 2}, %{a: 1, b: 3})
      text = inspect(diff)
      assert text =~ "b"
      refute diff.same?
      assert BeamScope.diff(1, 1).same?
    end
  end
end
