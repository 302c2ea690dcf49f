defmodule BeamScope.Replay.WhatIfTest do
  use ExUnit.Case, async: true
  import BeamScope.Test.Reloaded

  alias BeamScope.{Error, Opaque, Redacted, Replay, Truncated, WhatIf}
  alias BeamScope.WhatIfServers.{Dice, Purse, Real, Wild}

  doctest BeamScope.WhatIf

  @moduletag :capture_log
  @moduletag skip:
               BeamScope.Recorder.Profile.wanted(nil) == :fallback &&
                 "under the fallback lives are not run again, and that is said"

  defp recorded(name, module, init, opts \\ [], fun) do
    {pid, rec} =
      BeamScope.record(opts, fn ->
        {:ok, pid} = GenServer.start(module, init, name: name)
        fun.(pid)
        Process.sleep(5)
        pid
      end)

    # Its name is free again before the next test.
    on_exit(fn -> ended(pid) end)
    rec
  end

  defp ended(nil), do: :ok

  defp ended(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
  end

  defp purse(name, fun), do: recorded(name, Purse, %{}, fun)

  defp at_birth(rec, name), do: Replay.open!(rec, at: Enum.at(BeamScope.history(rec, name), 0))

  defp what_if!(rec, name, edit, opts \\ []),
    do: Replay.what_if!(at_birth(rec, name), name, edit, [force: true] ++ opts)

  # The n-th message that was handled, continue steps and all, from 1.
  defp handled(rec, name, n), do: Enum.at(BeamScope.history(rec, name), n)

  defp verdicts(life), do: Enum.map(life.steps, & &1.same?)

  describe "edits" do
    setup do
      rec = purse(:edits, fn pid -> for n <- 1..4, do: GenServer.call(pid, {:add, n}) end)
      %{rec: rec}
    end

    test "one that is skipped is missing from there on, and its caller gets no reply", %{rec: rec} do
      for rec <- [rec, reloaded(rec)] do
        life = what_if!(rec, :edits, {:skip, handled(rec, :edits, 2)})
        assert life.final == {%{n: 10, log: [], owner: nil}, %{n: 8, log: [], owner: nil}}
        assert verdicts(life) == [true, false, false, false]
        step = life.first_difference
        assert step.edit == :skipped and step.edited == nil and step.recorded.reply == {:ok, 3}
        assert BeamScope.Diff.changes(life.diff) == [{[:n], {:changed, 10, 8}}]
        assert for(%{edited: %{reply: {:ok, n}}} <- life.steps, do: n) == [1, 4, 8]
        assert [%{message: 3, reply?: true}, %{message: 6}, %{message: 10}] = life.sends.recorded_only
        assert [%{message: 4}, %{message: 8}] = life.sends.edited_only
        assert life.ended == {nil, nil} and life.not_run == []
      end
    end

    test "one is another", %{rec: rec} do
      life = what_if!(rec, :edits, {:replace, handled(rec, :edits, 2), WhatIf.call({:add, 20})})
      assert {%{n: 10}, %{n: 28}} = life.final

      assert %{edit: :replaced, edited: %{reply: {:ok, 21}}, run: {:"$gen_call", _, {:add, 20}}} =
               life.first_difference
    end

    test "one comes besides: at the cursor, before and after another", %{rec: rec} do
      for {edit, replies} <- [
            {{:insert, WhatIf.call({:add, 100})}, [100, 101, 103, 106, 110]},
            {{:insert, :before, handled(rec, :edits, 2), WhatIf.call({:add, 100})}, [1, 101, 103, 106, 110]},
            {{:insert, :after, handled(rec, :edits, 2), WhatIf.call({:add, 100})}, [1, 3, 103, 106, 110]}
          ] do
        life = what_if!(rec, :edits, edit)
        assert for(%{edited: %{reply: {:ok, n}}} <- life.steps, do: n) == replies
        assert %{edit: :inserted, recorded: nil} = life.first_difference
      end
    end

    test "what is edited is named by a transition, a moment, a number, or either end of its message", %{
      rec: rec
    } do
      third = handled(rec, :edits, 3)
      receive = rec |> BeamScope.events(kind: :receive, match: {:"$gen_call", :_, {:add, 3}}) |> Enum.at(0)
      send = rec |> BeamScope.events(kind: :send, match: {:"$gen_call", :_, {:add, 3}}) |> Enum.at(0)
      assert receive && send

      for which <- [
            third,
            third.moment,
            third.began,
            third.moment.seq,
            receive,
            receive.moment.seq,
            send,
            send.moment.seq
          ],
          do: assert({%{n: 10}, %{n: 7}} = what_if!(rec, :edits, {:skip, which}).final)

      for which <- [0, 1_000_000, :third, handled(rec, :edits, 0)],
          do:
            assert(
              {:error, %Error{reason: :invalid_edit}} =
                Replay.what_if(at_birth(rec, :edits), :edits, {:skip, which})
            )

      assert {:error, %Error{reason: :invalid_option}} =
               Replay.what_if(at_birth(rec, :edits), :edits, {:drop, third})

      # Before the cursor is not after it.
      late = Replay.open!(rec, at: third)
      assert {:error, %Error{reason: :invalid_edit}} = Replay.what_if(late, :edits, {:skip, third})

      assert {%{n: 10}, %{n: 6}} =
               Replay.what_if!(late, :edits, {:skip, handled(rec, :edits, 4)}, force: true).final
    end

    test "of equal messages that waited together the one that is named", %{} do
      rec =
        purse(:equal, fn pid ->
          GenServer.cast(pid, {:work, 20})
          for _ <- 1..3, do: GenServer.cast(pid, {:add, 1})
          GenServer.call(pid, {:add, 0})
        end)

      [_, second, _] =
        rec |> BeamScope.events(kind: :receive, match: {:"$gen_cast", {:add, 1}}) |> Enum.to_list()

      assert [nil, nil, :skipped, nil, nil] =
               for(step <- what_if!(rec, :equal, {:skip, second}).steps, do: step.edit)
    end
  end

  describe "no edit" do
    test "the same life again, with continue steps, timeouts, hibernation, calls, monitors and a crash" do
      rec =
        purse(:again, fn pid ->
          {:ok, bank} = GenServer.start(Purse, %{}, name: :again_bank)
          GenServer.call(pid, {:then, 2})
          spawn(fn -> GenServer.call(pid, :later) end)
          Process.sleep(10)
          GenServer.call(pid, {:idle, 5})
          Process.sleep(20)
          GenServer.call(pid, {:ask, :again_bank, {:add, 7}})
          GenServer.call(pid, {:ask, bank, {:add, 7}})
          GenServer.cast(pid, {:watch, bank})
          GenServer.cast(pid, {:to_self, :hello})
          GenServer.cast(pid, {:tell, :again_bank})
          GenServer.cast(pid, {:tell, self()})
          GenServer.cast(pid, :answer)
          GenServer.call(pid, :sleep)
          GenServer.stop(bank)
          Process.sleep(10)
          GenServer.cast(pid, {:div, 0})
        end)

      for rec <- [rec, reloaded(rec)] do
        life = what_if!(rec, :again, :none)
        assert Enum.uniq(verdicts(life)) == [true]

        assert [:call, :continue, :continue, :continue, :call, :call, :timeout | _] =
                 Enum.map(life.steps, & &1.kind)

        assert {state, state} = life.final
        assert life.first_difference == nil and life.sends == %{recorded_only: [], edited_only: []}
        assert {{:crash, :error, :badarith}, {:crash, :error, :badarith}} = life.ended
        assert Enum.any?(life.not_run, &(&1 =~ "2 calls to :again_bank got the answer of the recording"))
        assert inspect(life) =~ "Both lives are the same."
        # The comparison is no empty one.
        assert Enum.any?(life.steps, &match?(%{edited: %{state: %{log: [14, 7, :timeout]}}}, &1))

        assert Enum.any?(
                 life.steps,
                 &match?(%{edited: %{sends: [%{to: :again_bank, message: {:purse, 3}}]}}, &1)
               )
      end
    end

    test "stops of every kind are the same again" do
      for {message, ended} <- [
            {{:call, :close}, {:stop, :normal}},
            {{:cast, {:stop, {:shutdown, :enough}}}, {:stop, {:shutdown, :enough}}},
            {{:call, :wrong}, {:crash, :exit, {:bad_return_value, :wrong}}}
          ] do
        rec =
          purse(:stops, fn pid ->
            {kind, content} = message
            Process.flag(:trap_exit, true)
            catch_exit(apply(GenServer, kind, [pid, content]) && GenServer.call(pid, :close))
          end)

        life = what_if!(rec, :stops, :none)
        assert life.ended == {ended, ended}
        assert Enum.uniq(verdicts(life)) == [true]
      end
    end

    test "terminate/2 is called, and what it sends is recorded" do
      heir = self()

      rec =
        recorded(:heir, Purse, %{heir: heir}, fn pid ->
          GenServer.call(pid, {:add, 2})
          GenServer.call(pid, :close)
        end)

      assert_received {:last, 2}
      assert Enum.uniq(verdicts(what_if!(rec, :heir, :none))) == [true]
      life = what_if!(rec, :heir, {:insert, WhatIf.cast({:add, 1})})
      assert %{to: heir, message: {:last, 3}} in life.sends.edited_only
      refute_received _
    end

    test "a server that throws dice has another life, and that is said" do
      rec = recorded(:dice, Dice, nil, &GenServer.cast(&1, :throw))
      life = what_if!(rec, :dice, :none)
      assert life.first_difference.same? == false
      assert inspect(life) =~ ~r/does not do the same when it is\s+told\s+the\s+same/
      assert Enum.any?(life.side_effects, &(&1 =~ ":rand.uniform/1"))
    end
  end

  describe "what follows from an edit" do
    test "without the poisonous message the process lives, and handles what waited" do
      rec =
        purse(:poison, fn pid ->
          GenServer.cast(pid, {:work, 20})
          GenServer.cast(pid, {:add, 4})
          GenServer.cast(pid, {:div, 0})
          GenServer.cast(pid, {:add, 5})
          Process.sleep(40)
        end)

      life = what_if!(rec, :poison, {:skip, handled(rec, :poison, 3)})
      assert life.ended == {{:crash, :error, :badarith}, nil}
      assert {%{n: 4}, %{n: 9}} = life.final
      assert inspect(life) =~ ~r/edited life: lives/
    end

    test "an inserted message ends it, and the rest is not handled" do
      rec = purse(:ended, fn pid -> for n <- 1..3, do: GenServer.call(pid, {:add, n}) end)
      life = what_if!(rec, :ended, {:insert, :after, handled(rec, :ended, 1), WhatIf.cast({:div, 0})})
      assert life.ended == {nil, {:crash, :error, :badarith}}
      assert [_, %{edit: :inserted}, %{edited: nil, same?: false}, %{edited: nil, same?: false}] = life.steps
      assert inspect(life) =~ "✗ error :badarith"
    end

    test "what it sends itself is handled where it is sent only" do
      rec =
        purse(:itself, fn pid ->
          GenServer.cast(pid, {:to_self, :hello})
          GenServer.call(pid, {:add, 1})
        end)

      life = what_if!(rec, :itself, {:skip, handled(rec, :itself, 1)})
      assert {%{log: [:hello]}, %{log: []}} = life.final
      life = what_if!(rec, :itself, {:insert, WhatIf.cast({:to_self, :again})})
      assert {%{log: [:hello]}, %{log: [:hello, :again]}} = life.final
    end

    test "a timeout comes where the recording left the time for it" do
      rec =
        purse(:timeouts, fn pid ->
          GenServer.call(pid, {:add, 1})
          Process.sleep(60)
          GenServer.call(pid, {:add, 2})
          GenServer.call(pid, {:add, 3})
        end)

      first = handled(rec, :timeouts, 1)

      assert {_, %{log: [:timeout], n: 5}} =
               what_if!(rec, :timeouts, {:replace, first, WhatIf.call({:idle, 20})}).final

      # Since the last message that was handled: one that is skipped does not put it off, nor does it end with the messages.
      second = handled(rec, :timeouts, 2)

      idle =
        purse(:idle, fn pid ->
          GenServer.call(pid, {:idle, 200})
          Process.sleep(120)
          GenServer.call(pid, {:add, 1})
          Process.sleep(120)
          GenServer.call(pid, {:add, 2})
        end)

      assert {%{log: []}, %{log: [:timeout], n: 2}} =
               what_if!(idle, :idle, {:skip, handled(idle, :idle, 2)}).final

      assert {_, %{log: [:timeout], n: 4}} =
               what_if!(rec, :timeouts, {:replace, second, WhatIf.call({:idle, 0})}).final

      last = {:insert, :after, handled(rec, :timeouts, 3), WhatIf.call({:idle, 1})}
      assert {%{log: []}, %{log: [:timeout], n: 6}} = what_if!(rec, :timeouts, last).final

      assert {_, %{log: [], n: 5}} =
               what_if!(rec, :timeouts, {:replace, first, WhatIf.call({:idle, 600_000})}).final
    end

    test "continue steps go with their message" do
      rec =
        purse(:continues, fn pid ->
          GenServer.call(pid, {:then, 3})
          GenServer.call(pid, {:add, 1})
        end)

      life = what_if!(rec, :continues, {:skip, handled(rec, :continues, 1)})
      assert {%{n: 7}, %{n: 1}} = life.final
      assert [:call, :continue, :continue, :continue, :continue, :call] = Enum.map(life.steps, & &1.kind)
      assert [nil, nil, nil, nil, nil, %{reply: {:ok, 1}}] = Enum.map(life.steps, & &1.edited)

      life = what_if!(rec, :continues, {:replace, handled(rec, :continues, 1), WhatIf.call({:then, 4})})
      assert {%{n: 7}, %{n: 11}} = life.final
      assert [_, _, _, _, _, %{kind: :continue, recorded: nil}, _] = life.steps

      # From between a message and its continue steps.
      late = Replay.open!(rec, at: handled(rec, :continues, 2))
      life = Replay.what_if!(late, :continues, :none, force: true)
      assert [:continue, :continue, :continue, :call] = Enum.map(life.steps, & &1.kind)
      assert Enum.uniq(verdicts(life)) == [true]

      assert {:error, %Error{reason: :invalid_edit} = error} =
               Replay.what_if(late, :continues, {:skip, handled(rec, :continues, 3)}, force: true)

      assert Exception.message(error) =~ "a continue step is no message"
    end

    test "messages of timers come as recorded, and that is said" do
      rec =
        purse(:timers, fn pid ->
          GenServer.cast(pid, {:wake, 1})
          Process.sleep(20)
          GenServer.call(pid, {:add, 1})
        end)

      assert Enum.uniq(verdicts(what_if!(rec, :timers, :none))) == [true]
      life = what_if!(rec, :timers, {:skip, handled(rec, :timers, 1)})
      assert {%{log: [:woken]}, %{log: [:woken]}} = life.final
      assert Enum.any?(life.not_run, &(&1 =~ "messages of timers"))
    end

    test "calls that the recording has no answer for fail as if nobody were there" do
      rec =
        purse(:asks, fn pid ->
          {:ok, _} = GenServer.start(Purse, %{}, name: :asks_bank)
          GenServer.call(pid, {:ask, :asks_bank, {:add, 1}})
        end)

      life =
        what_if!(rec, :asks, {:replace, handled(rec, :asks, 1), WhatIf.call({:ask, :asks_bank, {:add, 2}})})

      assert {nil, {:stop, {:noproc, {GenServer, :call, [:asks_bank, {:add, 2}, 5000]}}}} = life.ended
      assert Enum.any?(life.not_run, &(&1 =~ "1 call to :asks_bank had no answer in the recording"))
    end
  end

  test "the edited life is that of a server which is really told so" do
    for n <- 1..10 do
      messages = for _ <- 1..(2 + :rand.uniform(8)), do: message()
      at = :rand.uniform(length(messages)) - 1
      told = Enum.at(messages, at)
      other = message()
      rec = recorded(:random, Purse, %{}, &tell_one_by_one(&1, messages))
      handled = Enum.filter(BeamScope.history(rec, :random), &(&1.message === told))
      which = Enum.at(handled, Enum.count(Enum.take(messages, at), &(&1 === told)))

      {edit, edited} =
        Enum.at(
          [
            {:none, messages},
            {{:skip, which}, List.delete_at(messages, at)},
            {{:replace, which, other}, List.replace_at(messages, at, other)},
            {{:insert, :before, which, other}, List.insert_at(messages, at, other)}
          ],
          rem(n, 4)
        )

      life = what_if!(rec, :random, edit)
      ended(Process.whereis(:random))
      {:ok, pid} = GenServer.start(Purse, %{}, name: :random)
      assert {edit, messages, elem(life.final, 1)} == {edit, messages, tell_one_by_one(pid, edited)}
      ended(pid)
    end
  end

  defp message do
    case :rand.uniform(7) do
      1 -> WhatIf.call({:add, :rand.uniform(9)})
      2 -> WhatIf.call({:then, :rand.uniform(3)})
      3 -> WhatIf.cast({:to_self, {:x, :rand.uniform(3)}})
      4 -> WhatIf.cast({:to_self, WhatIf.cast({:to_self, {:y, :rand.uniform(3)}})})
      5 -> WhatIf.call(:later)
      6 -> WhatIf.cast(:answer)
      7 -> WhatIf.cast({:add, :rand.uniform(9)})
    end
  end

  # Each when the server is done with the one before, and with what it sent itself.
  defp tell_one_by_one(pid, messages) do
    for message <- messages do
      send(pid, message)
      for _ <- 1..3, do: :sys.get_state(pid)
    end

    :sys.get_state(pid)
  end

  describe "apart from this node" do
    test "it runs in a virtual machine without a name, and nothing of this one is reached" do
      test = self()
      Process.register(spawn_link(fn -> receive do: (message -> send(test, {:real, message})) end), Real)

      rec =
        recorded(:apart, Wild, nil, fn pid ->
          GenServer.cast(pid, {:hold, {self(), self(), make_ref()}})
          GenServer.cast(pid, :nothing)
        end)

      assert {nil, {:nonode@nohost, false, os_pid}} =
               rec
               |> what_if!(:apart, {:insert, WhatIf.call(:node)})
               |> then(&{&1.first_difference.recorded, reply(&1)})

      assert os_pid != System.pid()
      assert eventually(fn -> not File.exists?("/proc/#{os_pid}") end)
      # A pid of this node is a process that has ended there, and the name of a process here a stand-in's.
      assert {false, %Opaque{kind: :pid, text: "#PID<new" <> _}} =
               rec |> what_if!(:apart, {:insert, WhatIf.call({:seen, self()})}) |> reply()

      life = what_if!(rec, :apart, :none)
      assert [%{edited: %{state: %{held: {one, one, ref}}}}, _] = life.steps
      assert one == self() and is_reference(ref)
      refute_received _
    end

    test "what is sent to recorded pids and names reaches nobody, and is recorded" do
      {:ok, agent} = Agent.start_link(fn -> [] end, name: :sends_to)

      rec =
        purse(:sends, fn pid ->
          GenServer.cast(pid, {:tell, self()})
          GenServer.cast(pid, {:tell, :sends_to})
          GenServer.call(pid, {:add, 1})
        end)

      assert_received {:purse, 0}
      life = what_if!(rec, :sends, {:insert, WhatIf.call({:add, 5})})

      assert [
               _,
               %{edited: %{sends: [%{to: to, message: {:purse, 5}}]}},
               %{edited: %{sends: [%{to: :sends_to}]}},
               _
             ] = life.steps

      assert to == self()
      refute_receive _, 50
      assert Agent.get(agent, & &1) == []
    end

    test "a name that somebody has here, or had in the recording, is somebody's there; another is nobody's" do
      {:ok, _} = Agent.start_link(fn -> [] end, name: :unrecorded_name)
      rec = purse(:names, fn pid -> GenServer.call(pid, {:add, 1}) end)
      tell = &{:insert, WhatIf.cast({:tell, &1})}

      assert %{ended: {nil, nil}, sends: %{edited_only: [%{to: :unrecorded_name}]}} =
               what_if!(rec, :names, tell.(:unrecorded_name))

      assert %{ended: {nil, {:crash, :error, :badarg}}} = life = what_if!(rec, :names, tell.(:no_such_name))
      assert Enum.any?(life.not_run, &(&1 =~ "it sent to :no_such_name"))

      assert %{ended: {nil, {:crash, :error, :badarg}}} =
               what_if!(reloaded(rec), :names, tell.(:unrecorded_name))
    end

    test "atoms that only the edited life makes are not made here" do
      rec = recorded(:atoms, Wild, nil, &GenServer.cast(&1, :nothing))
      life = what_if!(rec, :atoms, {:insert, WhatIf.call(:atom)})
      assert {_, %{made: %Opaque{kind: :atom, text: "what_if_made_" <> rest}}} = life.final
      assert_raise ArgumentError, fn -> String.to_existing_atom("what_if_made_" <> rest) end
    end

    test "what it prints or logs is not printed here" do
      rec = recorded(:prints, Wild, nil, &GenServer.cast(&1, :nothing))
      print = fn -> assert %{ended: {nil, nil}} = what_if!(rec, :prints, {:insert, :print}) end
      assert ExUnit.CaptureIO.capture_io(print) == ""
    end

    test "no process stays, and the peer is gone" do
      rec = recorded(:stays, Wild, nil, &GenServer.cast(&1, :nothing))
      before = MapSet.new(Process.list())
      links = Process.info(self(), [:links, :monitors])
      for _ <- 1..2, do: what_if!(rec, :stays, :none)
      assert Process.info(self(), [:links, :monitors]) == links
      assert eventually(fn -> peers(before) == [] end)
      refute_received _
    end
  end

  describe "ends" do
    test "a callback that never returns ends with its peer when the time is over" do
      path = tmp("loop")
      rec = recorded(:loops, Wild, nil, &GenServer.cast(&1, :nothing))
      edit = {:insert, WhatIf.cast({:pid_and_loop, path})}

      assert {:error, %Error{reason: :timeout} = error} =
               Replay.what_if(at_birth(rec, :loops), :loops, edit, force: true, timeout: 1_500)

      assert Exception.message(error) =~ "after 1500 ms, while it handled {:\"$gen_cast\", {:pid_and_loop"
      assert eventually(fn -> not File.exists?("/proc/#{File.read!(path)}") end)
      refute_received _
    end

    test "a caller that is killed takes the peer with it" do
      path = tmp("killed")
      rec = recorded(:killed, Wild, nil, &GenServer.cast(&1, :nothing))

      caller =
        spawn(fn -> what_if!(rec, :killed, {:insert, WhatIf.cast({:pid_and_loop, path})}, timeout: 60_000) end)

      assert eventually(fn -> match?({:ok, <<_, _::binary>>}, File.read(path)) end)
      os_pid = File.read!(path)
      assert File.exists?("/proc/#{os_pid}")
      Process.exit(caller, :kill)
      assert eventually(fn -> not File.exists?("/proc/#{os_pid}") end)
    end

    test "a callback that halts its virtual machine halts nobody else" do
      rec = recorded(:halts, Wild, nil, &GenServer.cast(&1, :nothing))

      assert {:error, %Error{reason: :peer} = error} =
               Replay.what_if(at_birth(rec, :halts), :halts, {:insert, WhatIf.cast(:halt)}, force: true)

      assert Exception.message(error) =~ ":halt"
      refute_received _
    end

    test "at its limit, and at what cannot be done again" do
      rec = purse(:limits, fn pid -> for n <- 1..5, do: GenServer.call(pid, {:add, n}) end)
      life = what_if!(rec, :limits, :none, limit: 3)
      assert length(life.steps) == 3
      assert [text] = life.not_run
      assert text =~ "limit: 3"

      rec =
        purse(:changed, fn pid ->
          GenServer.call(pid, {:add, 1})
          :sys.replace_state(pid, &%{&1 | n: 7})
          GenServer.call(pid, {:add, 1})
        end)

      assert %{final: {%{n: 1}, %{n: 1}}, not_run: [text]} = what_if!(rec, :changed, :none)
      assert text =~ "became another without a message"
    end
  end

  describe "refused" do
    test "without force: it says what would run, and what that may do" do
      rec = purse(:force, fn pid -> for n <- 1..3, do: GenServer.call(pid, {:add, n}) end)

      assert {:error, %Error{reason: :needs_force} = error} =
               Replay.what_if(at_birth(rec, :force), :force, :none)

      message = Exception.message(error)
      assert message =~ "3 messages through handle_call/3"
      assert message =~ inspect(Purse)
      assert message =~ "files, sockets"
      assert message =~ "force: true"
      assert_raise Error, fn -> Replay.what_if!(at_birth(rec, :force), :force, :none) end

      rec = recorded(:writes, Wild, nil, &GenServer.cast(&1, :nothing))
      {:error, error} = Replay.what_if(at_birth(rec, :writes), :writes, :none)
      assert Exception.message(error) =~ "reads or writes files (File.write!/2)"
    end

    test "what cannot be made again, and where it is" do
      table = :ets.new(:table, [])

      for {term, path, kind} <- [
            {%{a: [1, fn -> table end]}, "state.held.a[1]", Opaque},
            {{:ok, table}, "state.held.elem(1)", Opaque},
            {%{"port" => hd(Port.list())}, ~s(state.held["port"]), Opaque},
            {%{password: "hunter2"}, "state.held.password", Redacted},
            {String.duplicate("x", 100_000), "state.held", Truncated}
          ] do
        rec =
          recorded(:refused, Wild, nil, [budget: [bytes: 4096]], fn pid ->
            GenServer.cast(pid, {:hold, term})
            GenServer.cast(pid, :nothing)
          end)

        holding = Replay.open!(rec, at: handled(rec, :refused, 1))

        assert {:error, %Error{reason: :cannot_rebuild} = error} =
                 Replay.what_if(holding, :refused, :none, force: true)

        assert %{path: ^path, value: %{__struct__: ^kind}} = error.detail
        assert Exception.message(error) =~ path

        # As a message it is refused just so, unless it is the one that is skipped.
        birth = at_birth(rec, :refused)

        assert {:error, %Error{reason: :cannot_rebuild} = error} =
                 Replay.what_if(birth, :refused, :none, force: true)

        assert error.detail.path =~ "message"
        skip = {:skip, handled(rec, :refused, 1)}
        assert {:ok, %{final: {_, %{held: nil}}}} = Replay.what_if(birth, :refused, skip, force: true)
        GenServer.stop(:refused)
      end

      rec = recorded(:inserts, Wild, nil, &GenServer.cast(&1, :nothing))

      assert {:error, %Error{reason: :cannot_rebuild}} =
               Replay.what_if(
                 at_birth(rec, :inserts),
                 :inserts,
                 {:insert, WhatIf.cast({:hold, fn -> rec end})},
                 force: true
               )
    end

    test "exported functions are none of those" do
      rec = recorded(:exported, Wild, nil, fn pid -> GenServer.cast(pid, {:hold, &Enum.map/2}) end)
      assert {same, same} = what_if!(rec, :exported, :none).final
      assert same.held == (&Enum.map/2)
    end

    test "local functions that the edited life makes are as those of the recording" do
      rec = recorded(:funs, Wild, nil, &GenServer.cast(&1, :fun))
      assert Enum.uniq(verdicts(what_if!(rec, :funs, :none))) == [true]
    end

    test "processes of other behaviours, and modules without a file" do
      {_, rec} =
        BeamScope.record([], fn ->
          {:ok, _} = Task.Supervisor.start_link(name: :no_server)
          {:ok, _} = GenServer.start(__MODULE__.InMemory, nil, name: :in_memory)
        end)

      cursor = Replay.open!(rec, at: :end)

      assert {:error, %Error{reason: :not_a_gen_server} = error} =
               Replay.what_if(cursor, :no_server, :none, force: true)

      assert Exception.message(error) =~ ":no_server is task_supervisor"

      assert {:error, %Error{reason: :no_code} = error} =
               Replay.what_if(cursor, :in_memory, :none, force: true)

      assert Exception.message(error) =~ "InMemory is only in memory"
      assert {:error, %Error{reason: :no_such_process}} = Replay.what_if(cursor, :nobody, :none, force: true)

      assert {:error, %Error{reason: :unknown_option}} =
               Replay.what_if(cursor, :in_memory, :none, forse: true)

      assert {:error, %Error{reason: :invalid_option}} = Replay.what_if(cursor, :in_memory, :none, timeout: 0)
    end
  end

  defmodule InMemory do
    use GenServer
    def init(_), do: {:ok, nil}
  end

  test "a recording of states alone is run, and what it does not know is said" do
    {:ok, pid} = GenServer.start(Purse, %{}, name: :states_only)
    {:ok, rec} = BeamScope.start(pid, level: :states)
    for n <- 1..3, do: GenServer.call(pid, {:add, n})
    BeamScope.stop(rec)
    cursor = Replay.open!(rec, at: handled(rec, :states_only, 1))
    life = Replay.what_if!(cursor, :states_only, {:skip, handled(rec, :states_only, 2)}, force: true)
    assert {%{n: 6}, %{n: 4}} = life.final
    assert Enum.any?(life.not_run, &(&1 =~ "record at :full"))
    again = Replay.what_if!(cursor, :states_only, :none, force: true)
    assert again.first_difference == nil
  end

  test "a file that another virtual machine wrote" do
    path = tmp("other")

    script = """
    {_, rec} = BeamScope.record([], fn ->
      {:ok, pid} = GenServer.start(#{inspect(Purse)}, %{}, name: :other_system)
      GenServer.cast(pid, {:watch, self()})
      GenServer.call(pid, {:add, 1})
      spawn(fn -> GenServer.call(pid, :later) end)
      Process.sleep(10)
      GenServer.cast(pid, :answer)
      GenServer.call(pid, {:add, 2})
    end)
    BeamScope.save!(rec, #{inspect(path)})
    """

    paths = Enum.flat_map(:code.get_path(), &["-pa", &1 |> Path.expand()])
    assert {_, 0} = System.cmd("elixir", paths ++ ["-e", script], stderr_to_stdout: true)
    rec = BeamScope.load!(path)
    assert Enum.uniq(verdicts(what_if!(rec, :other_system, :none))) == [true]
    life = what_if!(rec, :other_system, {:skip, handled(rec, :other_system, 2)})
    assert {%{n: 3}, %{n: 2}} = life.final
    assert Enum.any?(life.sends.edited_only, &(&1.message == 2))
  end

  test "it prints as a story" do
    rec = purse(:story, fn pid -> for n <- 1..3, do: GenServer.call(pid, {:add, n}) end)
    second = handled(rec, :story, 2)
    text = rec |> what_if!(:story, {:skip, second}) |> inspect()
    caller = self() |> :erlang.pid_to_list() |> to_string()

    assert text == """
           What if :story had not handled ##{second.moment.seq} CALL {:add, 2}?
           3 steps: 1 the same, 2 different

           The lives part at ##{second.moment.seq} CALL {:add, 2}
             only the recorded life handled it
             - reply 3
               - n: 3
               + n: 1  … 2 unchanged

           At the end  - recorded  + edited
               - n: 6
               + n: 4  … 2 unchanged

           Sent in the recorded life only
             - REPLY 3 to #{caller}
             - REPLY 6 to #{caller}

           Sent in the edited life only
             + REPLY 4 to #{caller}\
           """
  end

  defp reply(%{first_difference: %{edited: %{reply: {:ok, reply}}}}), do: reply

  defp tmp(name) do
    path = Path.join(System.tmp_dir!(), "beam_scope_what_if_#{name}_#{System.pid()}")
    on_exit(fn -> File.rm(path) end)
    path
  end

  # Processes that serve a peer, or await one; other tests start others at the same time.
  defp peers(before) do
    for pid <- Process.list(),
        pid not in before,
        {:links, links} <- [Process.info(pid, :links)],
        self() in links,
        do: pid
  end

  defp eventually(fun, tries \\ 100)
  defp eventually(fun, 0), do: fun.()

  defp eventually(fun, tries) do
    fun.() ||
      (
        Process.sleep(50)
        eventually(fun, tries - 1)
      )
  end
end
