defmodule BeamScope.FileTest do
  # Not async: a node is killed, Mnesia started, and recordings are told apart by their times.
  use ExUnit.Case, async: false

  alias BeamScope.Error

  defmodule Pieces do
    @behaviour BeamScope.Sink
    @impl true
    def open(opts), do: {:ok, {opts[:agent], opts[:fail_after]}}
    @impl true
    def write(_piece, {_agent, 0}), do: {:error, :enospc}

    def write(piece, {agent, left}) do
      Agent.update(agent, &[piece | &1])
      {:ok, {agent, left && left - 1}}
    end

    @impl true
    def close(_state), do: :ok
    @impl true
    def read(opts), do: {:ok, Agent.get(opts[:agent], &Enum.reverse/1)}
  end

  setup do
    dir =
      Path.join(
        System.tmp_dir!(),
        "beam_scope_file_test_#{System.pid()}_#{System.unique_integer([:positive])}"
      )

    File.mkdir_p!(dir)

    on_exit(fn ->
      BeamScope.clear()
      File.rm_rf!(dir)
    end)

    {:ok, agent} = Agent.start_link(fn -> 0 end)
    %{dir: dir, agent: agent}
  end

  defp work(agent, n), do: for(_ <- 1..n, do: Agent.update(agent, &(&1 + 1)))

  # What a recording says, without what tells this run from others.
  defp told(rec, process) do
    history = BeamScope.history(rec, process)
    transitions = for one <- history, do: {one.moment, one.kind, inspect(one.message), one.from, one.to}
    events = for event <- BeamScope.events(rec), do: {event.moment, event.kind, event.partner}
    {transitions, events, length(Enum.to_list(BeamScope.processes(rec)))}
  end

  describe "start(…, to: path)" do
    test "writes what is recorded, and the file says the same as memory", %{dir: dir, agent: agent} do
      path = Path.join(dir, "a.beamscope")
      rec = BeamScope.start!(agent, level: :full, to: path)
      work(agent, 3_000)
      BeamScope.stop!(rec)
      info = BeamScope.info(rec)
      assert info.sink.error == nil and info.sink.events == info.events.stored
      assert info.sink.bytes == File.stat!(path).size
      loaded = BeamScope.load!(path)
      assert BeamScope.info(loaded).damage == nil
      assert BeamScope.info(loaded).events == info.events
      track = BeamScope.processes(rec) |> Enum.find(&(&1.pid == agent)) |> Map.fetch!(:track)
      assert told(loaded, track) == told(rec, track)
      assert BeamScope.state_at!(loaded, track, :end) == 3_000
    end

    test "has everything older than a second or so when the node is killed", %{dir: dir} do
      path = Path.join(dir, "killed.beamscope")

      script = """
      {:ok, agent} = Agent.start_link(fn -> 0 end)
      rec = BeamScope.start!(agent, to: #{inspect(path)}, limits: [events: 10_000_000])
      for _ <- 1..2_000, do: Agent.update(agent, &(&1 + 1))
      IO.puts("worked")
      Process.sleep(:infinity)
      """

      port = beam(script)
      assert_receive {^port, {:data, "worked" <> _}}, 30_000
      Process.sleep(2_500)
      {:os_pid, os_pid} = Port.info(port, :os_pid)
      System.cmd("kill", ["-9", "#{os_pid}"])
      assert_receive {^port, {:exit_status, _}}, 10_000

      loaded = BeamScope.load!(path)
      info = BeamScope.info(loaded)
      assert info.damage.cut_off and info.stop_reason == :cut_off
      assert inspect(info) =~ "the file has no end"
      assert BeamScope.state_at!(loaded, 0, :end) == 2_000
    end

    test "takes no file that is there, and leaves nothing on", %{dir: dir, agent: agent} do
      path = Path.join(dir, "there")
      File.write!(path, "mine")
      assert {:error, %Error{reason: :sink} = error} = BeamScope.start(agent, to: path)
      assert Exception.message(error) =~ "exists already"
      assert File.read!(path) == "mine"
      assert {:error, %Error{reason: :sink}} = BeamScope.start(agent, to: Path.join(dir, "no/such/dir"))
      assert {:error, %Error{reason: :invalid_option}} = BeamScope.start(agent, to: 7)
      rec = BeamScope.start!(agent, to: {BeamScope.Sink.File, path: path, overwrite: true, sync: :chunk})
      work(agent, 10)
      BeamScope.stop!(rec)
      assert BeamScope.state_at!(BeamScope.load!(path), 0, :end) == 10
    end

    test "goes on in memory when the sink fails, and says so", %{agent: agent} do
      {:ok, pieces} = Agent.start_link(fn -> [] end)
      rec = BeamScope.start!(agent, to: {Pieces, agent: pieces, fail_after: 1})
      work(agent, 100)
      BeamScope.stop!(rec)
      info = BeamScope.info(rec)
      assert info.sink.error == "the disk is full"
      assert Enum.any?(info.notes, &(&1 =~ "the disk is full"))
      assert BeamScope.state_at!(rec, agent, :end) == 100
    end

    test "takes any sink, and loads from it", %{agent: agent} do
      {:ok, pieces} = Agent.start_link(fn -> [] end)
      rec = BeamScope.start!(agent, to: {Pieces, agent: pieces})
      work(agent, 100)
      BeamScope.stop!(rec)
      loaded = BeamScope.load!({Pieces, agent: pieces})
      assert BeamScope.state_at!(loaded, 0, :end) == 100
      assert {:error, %Error{reason: :sink}} = BeamScope.load({Enum, []})
    end

    @tag :capture_log
    @tag skip: match?({:error, _}, :code.lib_dir(:mnesia)) && "this Erlang/OTP was installed without Mnesia"
    test "takes Mnesia", %{agent: agent} do
      {:ok, _} = Application.ensure_all_started(:mnesia)
      on_exit(fn -> Application.stop(:mnesia) end)
      sink = {BeamScope.Sink.Mnesia, name: {:monday, 1}}
      rec = BeamScope.start!(agent, to: sink)
      work(agent, 100)
      BeamScope.stop!(rec)
      assert {:error, %Error{reason: :sink}} = BeamScope.start(agent, to: sink)
      assert BeamScope.state_at!(BeamScope.load!(sink), 0, :end) == 100
      assert :ok = BeamScope.Sink.Mnesia.delete(name: {:monday, 1})
      assert {:error, %Error{reason: :sink}} = BeamScope.load(sink)
    end

    test "ends the file when the recorder is killed", %{dir: dir, agent: agent} do
      path = Path.join(dir, "orphan.beamscope")
      rec = BeamScope.start!(agent, to: path)
      work(agent, 50)
      Process.exit(rec.pid, :kill)
      assert eventually(fn -> match?(%{damage: nil}, BeamScope.info(BeamScope.load!(path))) end)
      assert BeamScope.state_at!(BeamScope.load!(path), 0, :end) == 50
    end
  end

  describe "files of versions" do
    @fixtures Path.expand("../fixtures/recordings", __DIR__)

    for {name, what} <- [
          {"v1", "1, made on Erlang/OTP 25,"},
          {"v2", "2, made on Erlang/OTP 25,"},
          {"otp29", "2, made on Erlang/OTP 29,"}
        ] do
      test "#{what} open" do
        rec = BeamScope.load!(Path.join(@fixtures, "#{unquote(name)}.beamscope"))
        info = BeamScope.info(rec)
        assert info.damage == nil and info.events.dropped == 0
        [first, second] = BeamScope.history(rec, Gold.Counter).processes
        assert second.restart_of == first.track
        assert BeamScope.state_at!(rec, first.track, before_end(first)).count == 230
        assert BeamScope.state_at!(rec, second.track, before_end(second)).count == 1
        crash = rec |> BeamScope.history(first.track) |> Enum.find(&match?({:crash, _, _}, &1.result))
        assert crash.message == :crash
        {:ok, found} = BeamScope.find_state(rec, first.track, %{count: 5})
        assert {found.message, found.from.count} == {{:"$gen_cast", {:add, 2}}, 3}
        # Pids of another system are what they were, whatever release reads them, and no live ones.
        assert %BeamScope.Opaque{kind: :pid, text: "#PID<0." <> _} = first.pid
        assert unquote(name) == "v1" or first.pid.text =~ ~r/^#PID<0\.\d{2,4}\.0>$/
      end
    end

    defp before_end(process), do: %BeamScope.Moment{seq: process.exited_at.seq - 1, at_ns: 0}

    test "to come are refused by their number", %{dir: dir} do
      path = Path.join(dir, "newer")
      <<head::binary-size(8), _::32, rest::binary>> = File.read!(Path.join(@fixtures, "v2.beamscope"))
      File.write!(path, [head, <<9::little-32>>, rest])
      assert {:error, %Error{reason: :file} = error} = BeamScope.load(path)
      assert Exception.message(error) =~ "format version 9, this build knows 2"
    end

    test "that are none are refused by name", %{dir: dir} do
      path = Path.join(dir, "none")
      File.write!(path, "hello")
      assert {:error, %Error{reason: :file} = error} = BeamScope.load(path)
      assert Exception.message(error) =~ "no BeamScope recording"
      assert {:error, %Error{reason: :file}} = BeamScope.load(dir)
      assert {:error, %Error{reason: :file}} = BeamScope.load(Path.join(dir, "missing"))
    end
  end

  defp eventually(fun, tries \\ 100) do
    cond do
      fun.() -> true
      tries == 0 -> false
      true -> Process.sleep(100) && eventually(fun, tries - 1)
    end
  end

  defp beam(script) do
    paths = Enum.flat_map(:code.get_path(), &["-pa", &1])
    elixir = System.find_executable("elixir")
    Port.open({:spawn_executable, elixir}, [:binary, :exit_status, args: paths ++ ["-e", script]])
  end
end
