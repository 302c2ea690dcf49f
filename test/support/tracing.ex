defmodule BeamScope.Test.Tracing do
  @moduledoc false
  # The trace flags of the VM with nothing between them and the library: a session from OTP 27 on, classic flags before.

  alias BeamScope.Native

  @kinds ~w(none send send_to_dead receive spawn spawned exit link unlink getting_linked getting_unlinked register
            unregister call return exception state baseline note system gc running line mark)a

  def sessions?, do: Code.ensure_loaded?(:trace) and function_exported?(:trace, :session_create, 3)

  @doc "A configuration with everything that must be there."
  def config(overrides) do
    defaults = %{
      id: System.unique_integer([:positive]),
      route: if(sessions?(), do: :own, else: :shared),
      budget_bytes: 4096,
      budget_depth: 32,
      max_bytes: 64_000_000,
      max_events: nil,
      max_ms: nil,
      rate: nil,
      mode: :stop,
      redact: [],
      points: [],
      calls: [],
      keep_receive_timeouts: false,
      follow: true,
      meta: %{any: {:term, self()}}
    }

    {panic, overrides} = Map.pop(overrides, :panic, false)
    panic = if panic, do: Bitwise.bsl(1, 31), else: 0
    defaults |> Map.merge(overrides) |> Map.update!(:kinds, &Bitwise.bor(mask(&1), panic))
  end

  def mask(kinds) do
    for kind <- kinds, reduce: 0 do
      mask -> Bitwise.bor(mask, Bitwise.bsl(1, Enum.find_index(@kinds, &(&1 == kind))))
    end
  end

  @doc "Records with these flags what `fun` does with the processes it names; the rows and its result."
  def record(config, flags, fun) do
    {leave, config} = Map.pop(config, :leave, false)
    {:ok, rec, route} = Native.recording_open(config(config))
    session = open({Native, route})
    Process.put(:session, session)

    trace = fn pid ->
      Native.recording_add_members(rec, [pid])
      set(session, pid, flags)
    end

    try do
      result = if is_function(fun, 2), do: fun.(trace, rec), else: fun.(trace)
      true = Native.recording_flush(rec, 5000)
      {Native.recording_rows(rec), result}
    after
      # What the library is to find by itself is taken away after the test at the latest: receive patterns are everybody's before OTP 27.
      if leave, do: ExUnit.Callbacks.on_exit(fn -> close(session) end), else: close(session)
      Native.recording_close(rec)
    end
  end

  if Code.ensure_loaded?(:trace) do
    defp open(tracer) do
      {module, state} = tracer
      session = :trace.session_create(:beam_scope_test, {module, state}, [])
      :trace.recv(session, spec(), [])
      session
    end

    defp set(session, pid, flags), do: :trace.process(session, pid, true, flags)
    defp close(session), do: :trace.session_destroy(session)
    def pattern(mfa, spec), do: 1 = :trace.function(Process.get(:session), load(mfa), spec, [:local])
    def flags(pid), do: pid |> info(:flags)
    defp info(pid, item), do: elem(:trace.info(Process.get(:session), pid, item), 1)
  else
    defp open(tracer) do
      :erlang.trace_pattern(:receive, spec(), [])
      tracer
    end

    defp set({module, state}, pid, flags), do: :erlang.trace(pid, true, [{:tracer, module, state} | flags])

    defp close(_) do
      :erlang.trace(:all, false, [:all])
      :erlang.trace_pattern({:_, :_, :_}, false, [:local])
      :erlang.trace_pattern(:receive, true, [])
    end

    def pattern(mfa, spec), do: 1 = :erlang.trace_pattern(load(mfa), spec, [:local])
    def flags(pid), do: pid |> :erlang.trace_info(:flags) |> elem(1)
  end

  defp load({module, _, _} = mfa) do
    Code.ensure_loaded(module)
    mfa
  end

  defp spec, do: [{[:"$1", :"$2", :_], [], [{:message, {{:"$1", :"$2"}}}]}]

  @doc "Waits for a process to end."
  def await_end(pid) do
    monitor = Process.monitor(pid)

    receive do
      {:DOWN, ^monitor, _, _, _} -> pid
    after
      10_000 -> raise "#{inspect(pid)} does not end"
    end
  end

  @doc "Whether something becomes true within a second."
  def eventually(fun, tries \\ 100) do
    cond do
      fun.() -> true
      tries == 0 -> false
      true -> Process.sleep(10) && eventually(fun, tries - 1)
    end
  end
end
