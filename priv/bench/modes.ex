# The tools that are compared. Each is attached to the same tracees for the same events and taken off again; what it
# says of itself is the third figure. Tools other than BeamScope get the flags and patterns of BeamScope's `:full`.

defmodule BeamScopeBench.Modes do
  @moduledoc "Attaching and detaching tools."

  alias BeamScopeBench.Memory

  @events ~w(untraced floor crashes states messages full pid_drop dbg_ets dbg_port)
  # How states are recorded: all of them, by what changed, with so much room for what is new; or as far as they fit.
  @states ~w(whole bounded)
  @whole [budget: [bytes: 262_144]]
  @bounded [memo: false]

  # All that a tool says after it was taken off.
  @nothing %{events: 0, dropped: 0, queued: 0, bytes: nil}

  # How long a tool may work off what it has in its mailbox, after the measurement.
  @settle_ms 2_000

  @doc "The names, in the order in which they are printed."
  def names, do: @events ++ @states

  @doc "Those that are measured where events matter, not states."
  def events, do: @events

  @doc "Whether terms are copied whole into a mailbox: then big states need bounds."
  def copies?(mode), do: mode in ~w(pid_drop dbg_ets dbg_port)

  @doc "Attaches a tool. The workload's `calls` are functions to trace besides what `:full` needs; `cap` is BeamScope's memory limit."
  def attach("untraced", _tracees, _workload, _cap), do: nil

  def attach(mode, tracees, workload, cap) when mode in ~w(crashes states messages full) do
    calls = if mode == "full", do: workload.calls, else: []
    start(tracees, cap, level: String.to_existing_atom(mode), calls: calls)
  end

  def attach("whole", tracees, _workload, cap), do: start(tracees, cap, [level: :states] ++ @whole)
  def attach("bounded", tracees, _workload, cap), do: start(tracees, cap, [level: :states] ++ @bounded)

  def attach("floor", tracees, workload, _cap), do: trace(tracees, workload, {BeamScope.Native, :floor})

  def attach("pid_drop", tracees, workload, _cap) do
    dropper = spawn(fn -> drop(0) end)
    trace(tracees, workload, dropper)
    dropper
  end

  def attach("dbg_ets", tracees, workload, _cap) do
    table = :ets.new(:beam_scope_bench, [:public, :ordered_set])
    closed = :atomics.new(1, [])
    {:ok, _} = :dbg.tracer(:process, {&into_table(&1, &2, table, closed), 0})
    by_dbg(tracees, workload)
    {table, closed}
  end

  def attach("dbg_port", tracees, workload, _cap) do
    file = Path.join(System.tmp_dir!(), "beam_scope_bench_#{System.pid()}.trace")
    {:ok, _} = :dbg.tracer(:port, :dbg.trace_port(:file, String.to_charlist(file)))
    by_dbg(tracees, workload)
    file
  end

  defp start(tracees, cap, opts) do
    limits = [events: 10_000_000_000, bytes: cap, ms: 600_000]

    case BeamScope.start(tracees, [limits: limits] ++ opts) do
      {:ok, rec} -> rec
      {:error, error} -> raise error
    end
  end

  @doc "Takes the tool off: nothing of it stays switched on. Answers what it saw and what it kept."
  def detach(mode, handle, tracees)
  def detach("untraced", nil, _tracees), do: @nothing

  def detach(mode, rec, _tracees) when mode in ~w(crashes states messages full whole bounded) do
    {:ok, rec} = BeamScope.stop(rec)
    # Asked once, a recording is indexed: what it holds then is what events take.
    BeamScope.events(rec, limit: 1)
    info = BeamScope.info(rec)
    BeamScope.close(rec)
    %{events: events, bytes: bytes, extra: extra} = info
    bytes = bytes - Map.get(extra, :ring_bytes, 0) - Map.get(extra, :cache_bytes, 0)
    stopped = if info.stop_reason == :requested, do: nil, else: info.stop_reason
    %{events: events.offered, dropped: events.dropped, queued: 0, bytes: bytes, stopped: stopped}
  end

  def detach("floor", _tracer, tracees) do
    untrace(tracees)
    @nothing
  end

  def detach("pid_drop", dropper, tracees) do
    untrace(tracees)
    queued = settle(dropper)
    ref = make_ref()
    seen = if queued == 0, do: count_of(dropper, ref), else: 0
    Process.exit(dropper, :kill)
    %{@nothing | events: seen, dropped: seen, queued: queued}
  end

  def detach("dbg_ets", {table, closed}, tracees) do
    undbg_flags(tracees)
    {:ok, tracer} = :dbg.get_tracer()
    queued = settle(tracer)
    kept = :ets.info(table, :size)
    bytes = :ets.info(table, :memory) * :erlang.system_info(:wordsize)
    :atomics.put(closed, 1, 1)
    stop_dbg()
    :ets.delete(table)
    %{@nothing | events: kept + queued, queued: queued, bytes: bytes}
  end

  def detach("dbg_port", file, tracees) do
    undbg_flags(tracees)
    :dbg.flush_trace_port()
    stop_dbg()
    {events, dropped} = count_file(file)
    bytes = File.stat!(file).size
    File.rm(file)
    %{@nothing | events: events + dropped, dropped: dropped, bytes: bytes}
  end

  # The flags and patterns of a `:full` recording of OTP processes, for the other tools.

  defp trace(tracees, workload, tracer) do
    level = level(workload)
    for {mfa, spec} <- patterns(workload), do: :erlang.trace_pattern(mfa, spec, [:local])
    if level == :full, do: :erlang.trace_pattern(:receive, receive_spec(), [])
    for pid <- tracees, do: :erlang.trace(pid, true, flags(level) ++ [tracer_flag(tracer)])
    tracer
  end

  # What costs the least that recording states can cost is not what the floor of `:full` is.
  defp level(%{modes: modes}), do: if("whole" in modes, do: :states, else: :full)

  defp tracer_flag({module, state}), do: {:tracer, module, state}
  defp tracer_flag(pid), do: {:tracer, pid}

  defp untrace(tracees) do
    for pid <- tracees, Process.alive?(pid), do: quietly(fn -> :erlang.trace(pid, false, [:all]) end)
    no_patterns()
  end

  defp no_patterns do
    :erlang.trace_pattern(:receive, true, [])
    :erlang.trace_pattern({:_, :_, :_}, false, [:local])
  end

  defp by_dbg(tracees, workload) do
    for {{m, f, a}, spec} <- patterns(workload),
        do: {:ok, _} = :dbg.tpl(m, f, a, if(spec == true, do: [], else: spec))

    {:ok, _} = :dbg.tpe(:receive, receive_spec())
    for pid <- tracees, do: {:ok, _} = :dbg.p(pid, flags(:full))
  end

  defp undbg_flags(tracees), do: for(pid <- tracees, Process.alive?(pid), do: :dbg.p(pid, :clear))

  # A tracer with millions of messages in its mailbox hears of its end only after them: from then on it lets them go.
  defp into_table(event, n, table, closed) do
    if :atomics.get(closed, 1) == 0, do: :ets.insert(table, {n, event})
    n + 1
  end

  defp stop_dbg do
    # Before OTP 27 stopping leaves the patterns.
    :dbg.ctp()
    :dbg.stop()
    no_patterns()
  end

  defp patterns(workload),
    do: BeamScopeBench.Selection.patterns(level(workload)) ++ Enum.map(workload.calls, &{&1, returns_spec()})

  defp flags(level), do: BeamScopeBench.Selection.flags(level)
  defp returns_spec, do: [{:_, [], [{:exception_trace}]}]
  defp receive_spec, do: [{[:"$1", :"$2", :_], [], [{:message, {{:"$1", :"$2"}}}]}]

  defp quietly(fun) do
    fun.()
  rescue
    ArgumentError -> 0
  end

  # The tracer process that drops everything

  defp drop(n) do
    receive do
      {:count, from, ref} ->
        send(from, {ref, n})
        drop(n)

      _ ->
        drop(n + 1)
    end
  end

  defp count_of(dropper, ref) do
    send(dropper, {:count, self(), ref})

    receive do
      {^ref, n} -> n
    after
      @settle_ms -> 0
    end
  end

  # What is still in the tool's mailbox after it had some time: the queued ones.
  defp settle(pid), do: settle(pid, System.monotonic_time(:millisecond) + @settle_ms)

  defp settle(pid, deadline) do
    case Process.info(pid, :message_queue_len) do
      {:message_queue_len, n} when n > 0 ->
        if System.monotonic_time(:millisecond) > deadline or Memory.tight?() do
          n
        else
          Process.sleep(5)
          settle(pid, deadline)
        end

      _ ->
        0
    end
  end

  # A trace file is a row of packets: <<0, size::32, event>>, or <<1, n::32>> where n events were dropped.
  defp count_file(file) do
    File.open!(file, [:read, :raw, :binary], &count_packets(&1, {"", 0, 0}))
  end

  defp count_packets(device, {rest, events, dropped}) do
    case :file.read(device, 1_048_576) do
      {:ok, bytes} -> count_packets(device, count_packets(rest <> bytes, events, dropped))
      :eof -> {events, dropped}
    end
  end

  defp count_packets(<<0, size::32, _event::binary-size(size), rest::binary>>, events, dropped),
    do: count_packets(rest, events + 1, dropped)

  defp count_packets(<<1, n::32, rest::binary>>, events, dropped),
    do: count_packets(rest, events, dropped + n)

  defp count_packets(rest, events, dropped), do: {rest, events, dropped}
end

defmodule BeamScopeBench.Memory do
  @moduledoc "What the operating system says of this process' memory; nothing where it has no /proc."

  @doc "Resident memory now, in MB."
  def rss_mb, do: field("VmRSS")

  @doc "The most since `reset_peak/0`, in MB."
  def peak_mb, do: field("VmHWM")

  def reset_peak, do: File.write("/proc/self/clear_refs", "5")

  @doc "Whether this process has taken most of what the machine had free: then a flood ends early."
  def tight? do
    case {rss_mb(), available_mb()} do
      {rss, available} when is_number(rss) and is_number(available) -> available < 512 or rss > 4 * available
      _ -> false
    end
  end

  defp available_mb, do: read("/proc/meminfo", "MemAvailable")
  defp field(name), do: read("/proc/self/status", name)

  defp read(file, name) do
    with {:ok, text} <- File.read(file), [_, kb] <- Regex.run(~r/#{name}:\s+(\d+) kB/, text) do
      Float.round(String.to_integer(kb) / 1024, 1)
    else
      _ -> nil
    end
  end
end
