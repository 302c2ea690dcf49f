defmodule BeamScope.Recorder.SessionTest do
  use BeamScope.Test.RecorderCase, async: false

  alias BeamScope.Recorder.Session

  setup do
    {:ok, counter} = Counter.start()
    %{counter: counter}
  end

  # Another tool: a process that traces by the classic flags.
  defp other_tool(setup) do
    me = self()

    tool =
      spawn(fn ->
        setup.()
        send(me, :ready)
        Process.sleep(:infinity)
      end)

    assert_receive :ready, 5_000
    tool
  end

  describe "a process that another tool traces" do
    test "is refused on classic flags and recorded beside it by sessions", %{
      collector: collector,
      counter: counter
    } do
      tool = other_tool(fn -> :erlang.trace(counter, true, [:send]) end)
      result = record_into(collector, counter)

      if Session.sessions?() do
        assert {:ok, recording} = result
        Recorder.close(recording)
      else
        assert {:error, %Error{reason: :already_traced, detail: %{pid: ^counter, tracer: ^tool}} = error} =
                 result

        assert Exception.message(error) =~ "Stop the other tool first"
      end

      assert {:flags, [:send]} = :erlang.trace_info(counter, :flags)
      Process.exit(tool, :kill)
      eventually(fn -> :erlang.trace_info(counter, :flags) == {:flags, []} end)
    end

    test "is left out of a tree, and that is said", %{collector: collector} do
      {:ok, top} =
        Supervisor.start_link([Supervisor.child_spec({Agent, fn -> 0 end}, [])], strategy: :one_for_one)

      [{_, agent, _, _}] = Supervisor.which_children(top)
      tool = other_tool(fn -> :erlang.trace(agent, true, [:send]) end)
      recording = record_into!(collector, {:tree, top})
      {:ok, info} = Recorder.info(recording)
      if not Session.sessions?(), do: assert(Enum.any?(info.notes, &(&1 =~ "traced by another tool")))
      Recorder.close(recording)
      assert {:flags, [:send]} = :erlang.trace_info(agent, :flags)
      Process.exit(tool, :kill)
      eventually(fn -> :erlang.trace_info(agent, :flags) == {:flags, []} end)
    end
  end

  describe "a function that another tool has a pattern on" do
    test "is refused on classic flags, and its pattern stays", %{collector: collector, counter: counter} do
      :erlang.trace_pattern({Counter, :increment, 1}, [{:_, [], [{:return_trace}]}], [:local])
      result = record_into(collector, counter, calls: [{Counter, :increment, 1}])

      if Session.sessions?(),
        do: assert({:ok, _} = result),
        else: assert({:error, %Error{reason: :pattern_in_use}} = result)

      Recorder.clear()

      assert {:match_spec, [{:_, [], [{:return_trace}]}]} =
               :erlang.trace_info({Counter, :increment, 1}, :match_spec)

      :erlang.trace_pattern({Counter, :increment, 1}, false, [:local])
    end
  end

  describe "another tool's receive pattern" do
    test "stays, and that senders are unknown is said", %{collector: collector, counter: counter} do
      spec = [{[:_, :_, :_], [], []}]
      :erlang.trace_pattern(:receive, spec, [])
      recording = record_into!(collector, counter, level: :messages)
      {:ok, info} = Recorder.info(recording)
      if not Session.sessions?(), do: assert(Enum.any?(info.notes, &(&1 =~ "receive pattern")))
      Recorder.close(recording)
      assert {:match_spec, ^spec} = :erlang.trace_info(:receive, :match_spec)
      :erlang.trace_pattern(:receive, true, [])
    end
  end

  test "a match spec for each want" do
    assert Session.match_spec(:plain, {Counter, :increment, 1}) == true
    assert Session.match_spec(:returns, {Counter, :increment, 1}) == [{:_, [], [{:return_trace}]}]
    assert Session.match_spec(:outcomes, {Counter, :increment, 1}) == [{:_, [], [{:exception_trace}]}]
  end
end
