defmodule BeamScope.Expectation.WatchTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  import ExUnit.CaptureLog

  alias BeamScope.{Error, Expectation, Moment, Verdict}
  alias BeamScope.Recorder.Hub
  alias BeamScope.Servers.Tally

  defmodule Live do
    @moduledoc false
    use BeamScope.Expectation

    role :till, Till
    role :tally, module: Tally

    expect "not below zero", do: always(:till, %{count: c} when c >= 0)
    expect "none below ten", do: always(:tally, %{count: c} when c >= -10)
    expect "no reset", do: refute_sent({:"$gen_cast", :reset})
    expect "pings are answered", do: leads_to(sent({:ping, n}), sent({:pong, n}), within: 30)
    expect "some ticks", do: sent(:tick)
    expect "ends above zero", do: state(:till, %{count: c} when c > 0)
  end

  defmodule Two do
    @moduledoc false
    use BeamScope.Expectation
    expect "no a", do: refute_sent(:a)
    expect "no b", do: refute_sent(:b)
  end

  defmodule Booked do
    @moduledoc false
    use BeamScope.Expectation
    role :till, Till
    expect "each was added", do: causality(handled({:add, n}, by: :till) ~> sent({:booked, n}))

    expect "each was in the till",
      do: causality(state(:till, %{count: n}) ~> sent({:booked, n}), shared: true)
  end

  setup :none_after

  setup do
    start_supervised!(%{id: Till, start: {Tally, :start_link, [[name: Till]]}})
    :ok
  end

  defp start(targets \\ [Till, self()], opts \\ []),
    do: BeamScope.start!(targets, [level: :full] ++ opts)

  defp expect(rec, module, opts \\ []) do
    me = self()
    fun = &send(me, {:broken, &1})
    assert {:ok, watch} = BeamScope.expect(rec, module, [on_violation: fun] ++ opts)
    ref = Process.monitor(watch)
    {watch, ref}
  end

  defp broken(name) do
    assert_receive {:broken, %Verdict.Expectation{name: ^name, verdict: :broken} = one}, 5_000
    one
  end

  defp ended(ref, reason \\ :normal), do: assert_receive({:DOWN, ^ref, _, _, ^reason}, 5_000)

  describe "a violation" do
    test "is reported once, with what came instead" do
      rec = start()
      expect(rec, Live)
      Tally.add(Till, 3)
      for _ <- 1..3, do: Tally.add(Till, -4)
      one = broken("not below zero")
      assert %{sentence: "Till became %{count: -1" <> _, moment: %Moment{seq: seq}} = one
      assert to_string(one.report) =~ "The guard c >= 0 does not hold for c = -1"
      assert {_file, _line} = one.source

      # Another after it shows that the first was not told again.
      Tally.reset(Till)
      assert broken("no reset").moment.seq > seq
      BeamScope.stop(rec)
      refute_received {:broken, %{name: "not below zero"}}
    end

    test "of what the recording holds already" do
      rec = start()
      Tally.add(Till, -1)
      expect(rec, Live)
      assert broken("not below zero").sentence =~ "became %{count: -1"
    end

    test "of processes that come later" do
      stop_supervised!(Till)
      rec = start([:new, self()])
      expect(rec, Live)
      {:ok, other} = Tally.start_link()
      Tally.add(other, -11)
      assert broken("none below ten").sentence =~ ~r/^Tally <[\d.]+> became %{count: -11/
      Tally.start_link(name: Till)
      Tally.add(Till, -1)
      assert broken("not below zero").sentence =~ ~r/^Till became %{count: -1/
    end

    test "by the clock alone" do
      rec = start()
      expect(rec, Live)
      send(self(), {:ping, 1})

      assert broken("pings are answered").sentence =~
               "no message matching {:pong, n} was sent after it within 30 ms (n = 1)"
    end

    # Well before anybody gives up waiting for a cause that takes so long.
    test "that consists in a cause that takes time and is not there" do
      rec = start()
      expect(rec, Booked)
      Tally.add(Till, 3)
      send(self(), {:booked, 3})
      send(self(), {:booked, 4})

      for name <- ["each was added", "each was in the till"],
          do: assert(broken(name).sentence =~ "{:booked, 4}")

      BeamScope.stop(rec)
      refute_received {:broken, _}
    end
  end

  describe "on_violation:" do
    test ":log is one line and the report" do
      log =
        capture_log(fn ->
          rec = start()
          {:ok, watch} = BeamScope.expect(rec, Live)
          ref = Process.monitor(watch)
          Tally.add(Till, -4)
          Expectation.stop(watch)
          ended(ref)
        end)

      assert log =~
               ~r/BeamScope: "not below zero" of BeamScope.Expectation.WatchTest.Live is broken at #\d+ \([\d.]+ .?s\): Till became %{count: -4/u

      assert log =~
               "by {:add, -4}; %{count: c} when c >= 0 was expected of every state.\n  The guard c >= 0 does not hold for c = -4\n"

      refute log =~ "none below ten"
      assert length(String.split(log, "BeamScope: ")) == 2
    end

    test ":stop ends the recording there, says so, and reports nothing that could not come any more" do
      log =
        capture_log(fn ->
          rec = start()
          {:ok, watch} = BeamScope.expect(rec, Live, on_violation: :stop)
          ref = Process.monitor(watch)
          Tally.add(Till, -4)
          ended(ref)
          assert %{status: :stopped, stop_reason: :violation} = BeamScope.info(rec)
          before = rec |> BeamScope.events() |> Enum.count()
          Tally.add(Till, -4)
          assert rec |> BeamScope.events() |> Enum.count() == before
        end)

      assert log =~ ~s("not below zero")
      refute log =~ "some ticks"
    end

    test "a slow function keeps nobody waiting" do
      rec = start()
      me = self()

      fun = fn %{name: name} ->
        send(me, {name, self()})
        receive do: (:go_on -> send(me, {name, :done}))
      end

      {:ok, watch} = BeamScope.expect(rec, Two, on_violation: fun)
      ref = Process.monitor(watch)
      send(self(), :a)
      assert_receive {"no a", slow}, 5_000
      send(self(), :b)
      assert_receive {"no b", other}, 5_000
      assert slow != other
      {:ok, rec} = BeamScope.stop(rec)
      # The watch lets them end.
      refute_received {:DOWN, ^ref, _, _, _}
      for pid <- [slow, other], do: send(pid, :go_on)
      assert_receive {"no a", :done}, 5_000
      ended(ref)
      assert BeamScope.info(rec).status == :stopped
    end

    test "one that fails harms nothing and is logged" do
      me = self()

      fun = fn
        %{name: "no a"} -> raise "no such printer"
        %{name: name} -> send(me, {:told, name})
      end

      log =
        capture_log(fn ->
          rec = start()
          {:ok, watch} = BeamScope.expect(rec, Two, on_violation: fun)
          ref = Process.monitor(watch)
          send(self(), :a)
          send(self(), :b)
          assert_receive {:told, "no b"}, 5_000
          Expectation.stop(watch)
          ended(ref)
        end)

      assert log =~ ~s(BeamScope: on_violation of "no a" failed)
      assert log =~ "no such printer"
    end

    test "what it prints goes where the caller's output goes" do
      text =
        ExUnit.CaptureIO.capture_io(fn ->
          rec = start()
          {:ok, watch} = BeamScope.expect(rec, Two, on_violation: &IO.puts("printed " <> &1.name))
          ref = Process.monitor(watch)
          send(self(), :a)
          Expectation.stop(watch)
          ended(ref)
        end)

      assert text =~ "printed no a"
    end
  end

  describe "the end" do
    test "of a recording that was stopped: what never came is told then" do
      rec = start()
      {_watch, ref} = expect(rec, Live)
      Tally.add(Till, 0)
      BeamScope.stop(rec)
      assert %{moment: nil, sentence: "No message matching :tick was sent" <> _} = broken("some ticks")
      assert broken("ends above zero").sentence =~ "Till ended with %{count: 0"
      ended(ref)
      refute_received {:broken, _}
    end

    test "of one that met its limit, was closed, or lost its owner" do
      rec = start([Till, self()], limits: [events: 10])
      {_, ref} = expect(rec, Two)
      for _ <- 1..10, do: Tally.add(Till, 1)
      # Of what came after the limit nobody can say anything.
      ended(ref)
      refute_received {:broken, _}

      rec = start()
      {_, ref} = expect(rec, Live)
      BeamScope.close(rec)
      ended(ref)

      owner = spawn(fn -> receive do: (:end -> :ok) end)
      rec = start([Till], owner: owner)
      {_, ref} = expect(rec, Live)
      send(owner, :end)
      broken("some ticks")
      ended(ref)
    end

    test "by stop, which reports what is broken by then and misses nothing else; twice is no error" do
      rec = start()
      {watch, ref} = expect(rec, Live)
      Tally.add(Till, -1)
      assert Expectation.stop(watch) == :ok
      broken("not below zero")
      ended(ref)
      assert Expectation.stop(watch) == :ok
      Tally.reset(Till)
      BeamScope.stop(rec)
      refute_received {:broken, _}
    end

    test "of a watch that is killed, a recorder, the hub: nothing stays" do
      rec = start()
      me = self()

      stay = fn _ ->
        send(me, {:stuck, self()})
        receive do: (:never -> :ok)
      end

      {:ok, watch} = BeamScope.expect(rec, Two, on_violation: stay)

      ref = Process.monitor(watch)
      send(self(), :a)
      assert_receive {:stuck, reporter}, 5_000
      stuck = Process.monitor(reporter)
      Process.exit(watch, :kill)
      ended(ref, :killed)
      ended(stuck, :killed)
      # The recording goes on.
      assert BeamScope.info(rec).status == :running

      {_, ref} = expect(rec, Two)
      Process.exit(rec.pid, :kill)
      ended(ref)

      rec = start()
      {_, ref} = expect(rec, Two)
      Process.exit(Process.whereis(Hub), :kill)
      assert_receive {:DOWN, ^ref, _, _, _}, 5_000
      BeamScope.stop(rec)
    end
  end

  test "nothing of the watch is recorded" do
    rec = start([:new, self()], level: :messages)
    told = :ets.new(:told, [:public])
    {:ok, watch} = BeamScope.expect(rec, Two, on_violation: &:ets.insert(told, {self(), &1.name}))
    ref = Process.monitor(watch)
    send(self(), :a)
    {:ok, rec} = BeamScope.stop(rec)
    ended(ref)
    assert [{reporter, "no a"}] = :ets.tab2list(told)

    for event <- BeamScope.events(rec, kind: [:send, :receive]) do
      assert event.pid not in [watch, reporter]
      assert event.from not in [watch, reporter]
    end
  end

  describe "what makes no sense" do
    test "is an error that says what to do" do
      rec = start()

      for {opts, text} <- [
            {[on_violation: :shout],
             "option :on_violation must be :log, :stop or a function that takes the %BeamScope.Verdict.Expectation{}"},
            {[on_violation: fn -> :ok end], "option :on_violation must be"},
            {[on_violated: :log], "unknown option :on_violated. Did you mean :on_violation?"},
            {[roles: [a: self()]], "has no role :a. Its roles are :tally, :till"}
          ] do
        assert {:error, %Error{} = error} = BeamScope.expect(rec, Live, opts)
        assert Exception.message(error) =~ text
        assert_raise Error, fn -> BeamScope.expect!(rec, Live, opts) end
      end

      assert {:error, %Error{reason: :no_expectations}} = BeamScope.expect(rec, Tally)
      assert {:error, %Error{reason: :invalid_recording}} = BeamScope.expect(:rec, Live)
    end

    test "as is a recording to which nothing comes any more" do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      assert {:error, %Error{reason: :not_running} = error} = BeamScope.expect(rec, Live)

      assert Exception.message(error) ==
               "the recording has ended, and nothing more comes: BeamScope.check/3 says how it stands"

      path = Path.join(System.tmp_dir!(), "beam_scope_watch_#{System.unique_integer([:positive])}")
      on_exit(fn -> File.rm(path) end)
      BeamScope.save!(rec, path)
      assert {:error, %Error{reason: :not_running} = error} = BeamScope.expect(BeamScope.load!(path), Live)
      assert Exception.message(error) =~ "was loaded from a file"
      BeamScope.close(rec)
      assert {:error, %Error{reason: :closed}} = BeamScope.expect(rec, Live)
    end
  end
end
