defmodule BeamScope.DiscretionTest do
  @moduledoc "What is said of others' secrets where no recording is asked: logs, errors, sensitive processes, states that are shown."
  use ExUnit.Case, async: false

  alias BeamScope.{Hidden, Redacted}
  alias BeamScope.Test.Leftovers

  defmodule Log do
    @moduledoc false
    def log(event, %{config: %{to: to}}), do: send(to, {:logged, event})
  end

  defp logged(fun) do
    :ok = :logger.add_handler(__MODULE__, Log, %{config: %{to: self()}})
    level = Logger.level()
    Logger.configure(level: :all)

    try do
      fun.()
      collect([])
    after
      Logger.configure(level: level)
      :logger.remove_handler(__MODULE__)
    end
  end

  defp collect(events) do
    receive do
      {:logged, event} -> collect([event | events])
    after
      500 -> events
    end
  end

  defp text(term), do: inspect(term, limit: :infinity, printable_limit: :infinity, structs: false)

  defp said(%{msg: {:string, text}}), do: IO.chardata_to_string(text)
  defp said(event), do: text(event)

  @tag :capture_log
  test "a recorder that crashes says where, and nothing of what it held" do
    {:ok, agent} = Agent.start(fn -> 0 end)
    {:ok, rec} = BeamScope.start(agent, meta: %{note: "s3cret"}, owner: agent)
    monitor = Process.monitor(rec.pid)

    events =
      logged(fn ->
        # What a recorder hears comes from the library: this it cannot take.
        send(rec.pid, {:beam_scope, rec.id, [:event | "s3cret"]})
        assert_receive {:DOWN, ^monitor, _, _, _}, 5_000
      end)

    # A report, or what a newer Logger has made of it.
    reports = events |> Enum.map(&said/1) |> Enum.filter(&(&1 =~ "hidden_by_beam_scope"))
    assert [_ | _] = reports
    refute text(events) =~ "s3cret" or Enum.any?(reports, &(&1 =~ "s3cret"))
    assert Enum.any?(reports, &(&1 =~ "BeamScope.Recorder"))
    BeamScope.clear()
    Agent.stop(agent)
    assert Leftovers.settle() == Leftovers.none()
  end

  test "what a process of ours holds is not shown by :sys.get_status" do
    {:ok, agent} = Agent.start(fn -> 0 end)
    {:ok, rec} = BeamScope.start(agent, meta: %{note: "s3cret"})
    refute text(:sys.get_status(rec.pid)) =~ "s3cret"
    assert BeamScope.info(rec).meta == %{note: "s3cret"}
    BeamScope.stop(rec)
    BeamScope.close(rec)
    Agent.stop(agent)
  end

  test "exit reasons keep their kind and place" do
    alias BeamScope.Recorder.Discreet

    reason =
      try do
        Map.fetch!(Process.get(:no_such_key, %{}), "s3cret")
      rescue
        error -> {error, __STACKTRACE__}
      end

    assert {KeyError, [{_, _, arity, _} | _] = stack} = Discreet.reason(reason)
    assert is_integer(arity)
    refute text(stack) =~ "s3cret"

    assert Discreet.reason({{:badmatch, "s3cret"}, [{:m, :f, ["s3cret"], [file: ~c"f", line: 1]}]}) ==
             {:badmatch, [{:m, :f, 1, [file: ~c"f", line: 1]}]}

    assert Discreet.reason({:shutdown, "s3cret"}) == :shutdown
    assert Discreet.reason(:normal) == :normal
    refute text(Discreet.reason("s3cret")) =~ "s3cret"
  end

  defmodule Safe do
    @moduledoc false
    use GenServer

    def init(state) do
      if state[:sensitive], do: Process.flag(:sensitive, true)
      if state[:key], do: Process.put(:key, state[:key])
      {:ok, state}
    end

    def handle_call(message, _from, state), do: {:reply, message, Map.put(state, :last, message)}
  end

  describe "sensitive processes" do
    test "nothing of them is recorded, and the recording says so" do
      {:ok, safe} = GenServer.start(Safe, %{sensitive: true, held: "s3cret"})
      {:ok, open} = GenServer.start(Safe, %{sensitive: false, held: "open"})

      {_, rec} =
        BeamScope.record([trace: [safe, open], pdict: true, redact: false], fn ->
          GenServer.call(open, "open call")
          # Who is not sensitive sends it, and that is recorded.
          GenServer.call(safe, :ping)
          :ok
        end)

      of_it = Enum.filter(BeamScope.events(rec, limit: 10_000).events, &(&1.pid == safe))
      assert Enum.map(of_it, & &1.kind) -- [:baseline, :note] == []
      refute text(BeamScope.Native.recording_rows(rec.native)) =~ "s3cret"
      assert text(BeamScope.Native.recording_rows(rec.native)) =~ "open call"
      assert {:ok, %{held: "open"}} = BeamScope.state_at(rec, open, :end)
      assert {:error, %{reason: :unknown_state}} = BeamScope.state_at(rec, safe, :end)
      assert {:ok, %{}} = BeamScope.dictionary(rec, open)

      assert match?({:error, _}, BeamScope.dictionary(rec, safe)) or
               BeamScope.dictionary(rec, safe) == {:ok, :unknown}

      assert Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "sensitive" and &1 =~ inspect(safe)))
      refute Enum.any?(BeamScope.info(rec).notes, &(&1 =~ inspect(open)))
      refute Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "busy"))
      BeamScope.close(rec)
      for pid <- [safe, open], do: Process.exit(pid, :kill)
    end

    test "one that becomes it while it is recorded is not seen from then on" do
      {_, rec} =
        BeamScope.record([redact: false], fn ->
          pid =
            spawn(fn ->
              receive do: ({:open, _} -> :ok)
              Process.flag(:sensitive, true)
              receive do: ({:go, from} -> send(from, {:hidden, "s3cret"}))
              receive do: (:stop -> :ok)
            end)

          send(pid, {:open, 1})
          Process.sleep(20)
          send(pid, {:go, self()})
          receive do: ({:hidden, _} -> :ok)
          pid
        end)

      events = BeamScope.events(rec, limit: 10_000).events
      assert Enum.any?(events, &(&1.kind == :receive and match?({:open, 1}, &1.message)))
      refute Enum.any?(events, &(&1.kind == :receive and match?({:go, _}, &1.message)))
      refute Enum.any?(events, &(&1.kind == :send and match?({:hidden, _}, &1.message)))
      BeamScope.close(rec)
    end
  end

  describe "states are shown as their modules want it" do
    for {name, callbacks} <- [
          map:
            quote do
              def format_status(%{state: state} = status), do: %{status | state: %{state | held: "***"}}
            end,
          two:
            quote do
              def format_status(_, [_, state]), do: [data: [{~c"State", %{state | held: "***"}}]]
            end,
          plain:
            quote do
              def format_status(_, [_, state]), do: %{state | held: "***"}
            end,
          raises:
            quote do
              def format_status(_status), do: raise("no")
            end,
          sleeps:
            quote do
              def format_status(_status), do: Process.sleep(:infinity)
            end,
          eats:
            quote do
              def format_status(_status), do: eat([])
              defp eat(list), do: eat([list | list])
            end,
          none: nil
        ] do
      code =
        quote do
          @moduledoc false
          @behaviour :gen_server
          def start(state), do: :gen_server.start(__MODULE__, state, [])
          def init(state), do: {:ok, state}
          def handle_call(message, _from, state), do: {:reply, :ok, Map.put(state, :last, message)}
          def handle_cast(_, state), do: {:noreply, state}
          unquote(callbacks)
        end

      Module.create(Module.concat(__MODULE__, "Shown_#{name}"), code, Macro.Env.location(__ENV__))
    end

    defp recorded(name) do
      module = Module.concat(__MODULE__, "Shown_#{name}")
      {:ok, pid} = module.start(%{held: "s3cret", last: nil})

      {_, rec} =
        BeamScope.record([trace: pid], fn ->
          GenServer.call(pid, 1)
          GenServer.call(pid, 2)
        end)

      Process.exit(pid, :kill)
      on_exit(fn -> BeamScope.close(rec) end)
      {rec, pid}
    end

    defp shown(rec, pid) do
      wide = [width: 200, limit: :infinity]
      {:ok, found} = BeamScope.find_state(rec, pid, %{last: 2})

      world =
        rec |> BeamScope.Replay.open!() |> BeamScope.Replay.at!(found.moment) |> BeamScope.Replay.world()

      for thing <- [
            BeamScope.history(rec, pid),
            found,
            world,
            BeamScope.events(rec, kind: :state, process: pid)
          ],
          do: inspect(thing, wide)
    end

    for name <- [:map, :two, :plain] do
      test "with format_status (#{name})" do
        {rec, pid} = recorded(unquote(name))
        texts = shown(rec, pid)
        refute Enum.any?(texts, &(&1 =~ "s3cret"))
        assert Enum.at(texts, 0) =~ "***" and Enum.at(texts, 2) =~ "***"
        # The difference that is seen is that of what is shown.
        assert Enum.at(texts, 1) =~ "last"
        # The data is the data.
        assert {:ok, %{held: "s3cret", last: 2}} = BeamScope.state_at(rec, pid, :end)
        assert List.last(BeamScope.history(rec, pid).transitions).to.held == "s3cret"
      end
    end

    for name <- [:raises, :sleeps, :eats] do
      test "one that fails (#{name}) shows nothing" do
        {rec, pid} = recorded(unquote(name))
        texts = shown(rec, pid)
        refute Enum.any?(texts, &(&1 =~ "s3cret"))
        assert Enum.all?(texts, &(&1 =~ "#hidden<format_status of "))
      end
    end

    test "without one they are shown" do
      {rec, pid} = recorded(:none)
      assert rec |> shown(pid) |> hd() =~ "s3cret"
    end

    test "what a hidden state looks like" do
      assert inspect(%Hidden{module: Safe}) == "#hidden<format_status of #{inspect(Safe)} failed>"
      assert BeamScope.Terminal.Term.text(%{a: %Hidden{module: Safe}}, 200) =~ "#hidden<format_status of"
      assert BeamScope.Terminal.Shown.state(nil, 1) == 1
      assert BeamScope.Terminal.Shown.state(No.Such.Module, 1) == 1
      redacted = %Redacted{kind: :map, size: 2}
      module = Module.concat(__MODULE__, "Shown_raises")
      assert BeamScope.Terminal.Shown.state(module, redacted) == redacted
    end
  end
end
