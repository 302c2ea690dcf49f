defmodule BeamScope.InterferenceTest do
  # Other tools that trace, before and beside a recording: they miss no event, keep their flags, and so do we; or we refuse.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  alias BeamScope.Recorder.Session
  alias BeamScope.Servers.Tally

  @calls 50

  # No application of this one needs it, so mix leaves it out of the code path.
  setup_all do
    for path <- Path.wildcard("#{:code.root_dir()}/lib/runtime_tools-*/ebin"), do: Code.append_path(path)
    {:module, :dbg} = Code.ensure_loaded(:dbg)
    :ok
  end

  setup :none_after

  setup do
    {:ok, server} = Tally.start_link()
    %{server: server}
  end

  test "dbg before a recording keeps its flags and misses nothing", %{server: server} do
    with_dbg(server, fn heard ->
      assert alone(server, heard) == @calls

      case BeamScope.start(server, level: :full) do
        {:ok, rec} ->
          assert Session.sessions?()
          assert alone(server, heard) == @calls
          assert recorded(rec) == @calls

        {:error, error} ->
          assert not Session.sessions?() and error.reason == :already_traced
      end

      # As many as before, when the recording has gone.
      if not Session.sessions?(), do: assert({:flags, [_ | _]} = :erlang.trace_info(server, :flags))
      assert alone(server, heard) == @calls
    end)
  end

  test "dbg during a recording takes nothing from it, or that is said", %{server: server} do
    {:ok, rec} = BeamScope.start(server, level: :full)
    call(server)

    with_dbg(server, fn heard ->
      # Up to OTP 26 a process has one tracer, and it is ours.
      assert alone(server, heard) == if(Session.sessions?(), do: @calls, else: 0)
    end)

    call(server)
    # Up to OTP 26 it switches off all that is traced as it ends, ours too.
    assert recorded(rec) == if(Session.sessions?(), do: 3, else: 2) * @calls

    if not Session.sessions?(),
      do: assert(Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "another tool switched off")))
  end

  # What recon_trace does: a tracer process, patterns with match specs, and everything off at its end.
  test "a tool that switches all tracing off at its end is told of, or does no harm", %{server: server} do
    {:ok, rec} = BeamScope.start(server, level: :full)
    call(server)
    :erlang.trace_pattern({Tally, :_, :_}, [{:_, [], [{:return_trace}]}], [:local])
    :erlang.trace(:all, false, [:all])
    :erlang.trace_pattern({:_, :_, :_}, false, [:local])
    call(server)
    {:ok, rec} = BeamScope.stop(rec)

    if Session.sessions?() do
      assert recorded(rec) == 2 * @calls
    else
      assert recorded(rec) == @calls
      assert Enum.any?(BeamScope.info(rec).notes, &(&1 =~ "another tool switched off"))
    end
  end

  if Code.ensure_loaded?(:trace) do
    test "a session of somebody else misses nothing", %{server: server} do
      me = self()
      tracer = spawn_link(fn -> forward(me) end)
      session = :trace.session_create(:somebody, tracer, [])
      :trace.process(session, server, true, [:receive])
      heard = fn -> drain(server, 0) end
      assert alone(server, heard) == @calls

      {:ok, rec} = BeamScope.start(server, level: :full)
      assert alone(server, heard) == @calls
      assert recorded(rec) == @calls
      BeamScope.close(rec)

      assert alone(server, heard) == @calls
      assert {:flags, [:receive]} = :trace.info(session, server, :flags)
      :trace.session_destroy(session)
    end

    defp forward(to) do
      receive do: (message -> send(to, message))
      forward(to)
    end
  end

  defp with_dbg(server, fun) do
    me = self()
    {:ok, _} = tool(:tracer, [:process, {fn message, to -> send(to, message) && to end, me}])

    try do
      tool(:p, [server, [:receive]])
      fun.(fn -> drain(server, 0) end)
    after
      if function_exported?(:dbg, :stop_clear, 0), do: tool(:stop_clear, []), else: tool(:stop, [])
    end
  end

  defp tool(function, arguments), do: apply(:dbg, function, arguments)

  # What the other tool hears of so many calls.
  defp alone(server, heard) do
    _ = heard.()
    call(server)
    heard.()
  end

  defp drain(server, n) do
    receive do
      {:trace, ^server, :receive, {:"$gen_call", _, {:add, _}}} -> drain(server, n + 1)
      {:trace, ^server, _, _} -> drain(server, n)
    after
      200 -> n
    end
  end

  defp call(server), do: for(n <- 1..@calls, do: Tally.add(server, n))

  defp recorded(rec) do
    {:ok, rec} = BeamScope.stop(rec)
    rec |> BeamScope.history(rec.targets, limit: 10_000) |> Enum.count(&match?({:add, _}, &1.content))
  end
end
