defmodule BeamScope.FaultsTest do
  # Things go wrong around a recording: tracees go on, and the recording says what happened.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  alias BeamScope.{Native, Recorder}
  alias BeamScope.Servers.Tally
  alias BeamScope.Test.Tracing

  setup :none_after

  setup do
    {:ok, server} = Tally.start_link()
    %{server: server}
  end

  describe "a panic" do
    for {callback, bit} <- [enabled: 31, trace: 30] do
      test "in #{callback} reaches no tracee, and is told", %{server: server} do
        kinds = [:send, :receive, :call, :exit, :spawn, :link]
        {:ok, rec, _route} = panicking(kinds, unquote(bit), server, [:send, :receive, :procs])

        assert Tally.add(server, 1) == 1
        child = spawn_child(server)
        assert Tally.add(server, 2) == 3
        assert Process.alive?(server) and not Process.alive?(child)
        assert Native.recording_info(rec).panics > 0
        assert :ok = Native.recording_stop(rec, :requested)
        Native.recording_close(rec)
      end
    end

    test "in the callback of garbage collections reaches no tracee, and is told", %{server: server} do
      {:ok, rec, _route} = panicking([:state], 29, server, [:garbage_collection])
      :erlang.garbage_collect(server)
      assert Tally.add(server, 1) == 1
      assert Native.recording_info(rec).panics > 0
      Native.recording_close(rec)
    end

    test "shows in the notes of a recording", %{server: server} do
      {:ok, rec} = BeamScope.start(server, level: :messages)
      kinds = Tracing.mask([:send, :receive])
      Native.recording_update(rec.native, %{kinds: Bitwise.bor(kinds, Bitwise.bsl(1, 30))})
      for n <- 1..5, do: assert(Tally.add(server, n) > 0)
      {:ok, rec} = BeamScope.stop(rec)
      info = BeamScope.info(rec)
      assert info.extra.panics > 0
      assert Enum.any?(info.notes, &(&1 =~ "failed in"))
      assert info.events.offered == info.events.stored + info.events.dropped
    end
  end

  describe "a disk" do
    @describetag skip: not File.exists?("/dev/full")

    test "that is full from the start", %{server: server} do
      {:ok, rec} =
        BeamScope.start(server, to: {BeamScope.Sink.File, path: "/dev/full", overwrite: true, sync: :never})

      goes_on(rec, server, "the disk is full")
    end

    test "that gets full later: a file that may not grow", %{server: server} do
      # What was written is what was there when the sink was opened; /dev/full takes nothing more.
      {:ok, rec} = BeamScope.start(server, level: :full, to: {__MODULE__.Filling, most: 2_000})
      for n <- 1..3_000, do: Tally.add(server, n)
      Process.sleep(1_200)
      goes_on(rec, server, "the disk is full")
    end

    @tag :tmp_dir
    test "that is read-only", %{server: server, tmp_dir: dir} do
      {:ok, rec} =
        BeamScope.start(server, level: :states, to: {__MODULE__.Filling, most: 2_000, reason: :erofs})

      for n <- 1..3_000, do: Tally.add(server, n)
      Process.sleep(1_200)
      goes_on(rec, server, "read-only")

      # A directory that is none, as a removed mount is: refused in words before anything is recorded.
      assert {:error, %BeamScope.Error{reason: :sink} = error} =
               BeamScope.start(server, to: Path.join([dir, "gone", "x.beamscope"]))

      assert Exception.message(error) =~ "no such file or directory"
    end
  end

  defmodule Filling do
    @moduledoc false
    @behaviour BeamScope.Sink
    def open(opts), do: {:ok, {opts[:most], opts[:reason] || :enospc}}
    def write(piece, {left, reason}) when byte_size(piece) > left, do: {:error, reason}
    def write(piece, {left, reason}), do: {:ok, {left - byte_size(piece), reason}}
    def close(_state), do: :ok
    def read(_opts), do: {:error, :enoent}
  end

  test "a step of the time of day is told, and no time of an event moves", %{server: server} do
    {:ok, rec} = BeamScope.start(server, level: :messages)
    Tally.add(server, 1)
    # As if the time of day had been an hour less at the start.
    :sys.replace_state(rec.pid, fn state ->
      %{state | clocks: {elem(state.clocks, 0) - 3_600_000, elem(state.clocks, 1)}}
    end)

    Tally.add(server, 2)
    {:ok, rec} = BeamScope.stop(rec)
    assert Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "set forward by 3600.0 s"))
    times = for event <- BeamScope.events(rec), do: event.moment.at_ns
    assert times == Enum.sort(times) and List.last(times) < 60_000_000_000
  end

  test "a recording starts at the time of day that it is", %{server: server} do
    {:ok, rec} = BeamScope.start(server, [])
    {:ok, info} = Recorder.info(rec)
    assert_in_delta info.started_at_unix_ns, System.os_time(:nanosecond), 5_000_000_000
  end

  # The recording goes on in memory, has all of it, and says why it is nowhere else.
  defp goes_on(rec, server, why) do
    before = Tally.get(server)
    for _ <- 1..10, do: Tally.add(server, 1)
    assert Tally.get(server) == before + 10
    {:ok, rec} = BeamScope.stop(rec)
    info = BeamScope.info(rec)
    assert info.stop_reason == :requested
    assert info.sink.error =~ why
    assert Enum.any?(info.notes, &(&1 =~ why))
    assert info.events.offered == info.events.stored + info.events.dropped and info.events.dropped == 0
    assert {:ok, %{count: count}} = BeamScope.state_at(rec, server, :end)
    assert count == before + 10
  end

  defp panicking(kinds, bit, pid, flags) do
    config = Tracing.config(%{kinds: kinds})
    config = %{config | kinds: Bitwise.bor(config.kinds, Bitwise.bsl(1, bit))}
    {:ok, rec, route} = Native.recording_open(config)
    Native.recording_add_members(rec, [pid])
    {:ok, session} = Recorder.Session.open(1, {Native, route}, __MODULE__.Flags)
    [] = Recorder.Session.trace(session, [pid], flags)
    on_exit(fn -> Recorder.Session.close(session) end)
    {:ok, rec, route}
  end

  defmodule Flags do
    @moduledoc false
    # The flags of one process, without a hub.
    alias BeamScope.Recorder.Session

    def open(id, tracer), do: if(Session.sessions?(), do: Session.Trace.open(id, tracer), else: {:ok, tracer})

    def trace(handle, pids, flags) do
      if Session.sessions?() do
        Session.Trace.trace(handle, pids, flags)
      else
        {module, state} = handle
        for pid <- pids, do: :erlang.trace(pid, true, [{:tracer, module, state} | flags])
        []
      end
    end

    def close(handle) do
      if Session.sessions?(), do: Session.Trace.close(handle), else: :erlang.trace(:all, false, [:all])
      :ok
    end
  end

  defp spawn_child(server) do
    :sys.replace_state(server, fn state -> Map.put(state, :child, spawn_link(fn -> :ok end)) end)
    child = :sys.get_state(server).child
    Tracing.await_end(child)
  end
end
