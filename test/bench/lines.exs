# What a line costs: recorded, with two small variables; in a process that is not recorded; and `BeamScope.line/1` in source, all in one
# run. The module has its probes written by hand, so that nothing but the probes is measured.
#
#     MIX_ENV=test mix run test/bench/lines.exs            # nine rounds
#     MIX_ENV=test mix run test/bench/lines.exs 3          # fewer

defmodule LinesBench.Work do
  require BeamScope
  alias BeamScope.Line

  @lines 100

  # The same loop three times: bare, with a probe, with a mark. What the loop itself costs is taken off.
  def bare(0, by), do: by

  def bare(n, by) do
    by = step(n, by)
    bare(n - 1, by)
  end

  def lines(0, by), do: by

  def lines(n, by) do
    Line.line({7_000_000, :n, :by}, n, by)
    by = step(n, by)
    lines(n - 1, by)
  end

  def strings(0, by), do: by

  def strings(n, by) do
    Line.line({7_000_001, :n, :name}, n, "a name")
    by = step(n, by)
    strings(n - 1, by)
  end

  def marks(0, by), do: by

  def marks(n, by) do
    BeamScope.line()
    by = step(n, by)
    marks(n - 1, by)
  end

  defp step(n, by), do: rem(by + n, 1_000)

  def table, do: %{module: __MODULE__, first_id: 7_000_000, next_id: 7_000_000 + @lines, sites: %{}}
end

defmodule LinesBench.Loader do
  def acquire(modules, _owner), do: {:ok, for({module, _} <- modules, do: module.table())}
  def release(_owner), do: :ok
  def status(_module), do: :original
end

defmodule LinesBench do
  alias LinesBench.{Loader, Work}

  # Short runs, and the best of some: a machine that does other things as well interrupts long ones.
  @recorded 4_000
  @runs 10
  @free 200_000

  def run(rounds) do
    worker = spawn_link(&work/0)
    IO.puts([String.pad_trailing("", 66), String.pad_leading("least", 12), String.pad_leading("median", 12)])
    results = for _ <- 1..rounds, do: measured(worker)

    for {name, {_, base}} <- hd(results), name not in [:free, :recorded] do
      # The least is what it costs; the median of the rounds what it cost with whatever else ran on the machine. The bare loop's is taken
      # off.
      figures =
        for pick <- [&Enum.min/1, &median/1] do
          off = if base, do: pick.(values(results, base)), else: 0.0
          String.pad_leading(text(pick.(values(results, name)) - off), 12)
        end

      IO.puts([String.pad_trailing(name, 66), figures])
    end
  end

  defp values(results, name), do: for(result <- results, {^name, {value, _}} <- result, do: value)

  defp measured(worker) do
    # Nobody has ever set a pattern, or none is left.
    bare = best(worker, :bare, @free)
    free = best(worker, :marks, @free)
    {start_us, rec} = start(self(), [])
    # Another process is recorded: its patterns are on every probe.
    untraced = best(worker, :lines, @free)
    marked = best(worker, :marks, @free)
    {stop_us, _} = :timer.tc(fn -> BeamScope.stop(rec) end)
    BeamScope.close(rec)

    [
      {:free, {bare, nil}},
      {:recorded, {best(worker, :bare), nil}},
      {"BeamScope.line() outside a recording, ns", {free, :free}},
      {"a line in a process that is not recorded, ns", {untraced, :free}},
      {"BeamScope.line() in one, ns", {marked, :free}},
      {"the virtual machine's own floor: a tracer that does nothing, ns", {no_op(worker), :recorded}},
      {"a line recorded, two integers, ns", {recorded(worker, :lines, []), :recorded}},
      {"a line recorded, an integer and a string, ns", {recorded(worker, :strings, []), :recorded}},
      {"a line recorded, without rules of redaction, ns",
       {recorded(worker, :lines, redact: false), :recorded}},
      {"a BeamScope.line() recorded, two integers, ns", {recorded(worker, :marks, []), :recorded}},
      {"a line recorded with its stack, ns", {recorded(worker, :lines, stack: true), :recorded}},
      {"start/2 with lines:, microseconds", {start_us / 1, nil}},
      {"stop/1 of it, microseconds", {stop_us / 1, nil}},
      {"record/2 of nothing, microseconds", {nothing([]), nil}},
      {"record/2 of nothing with lines:, microseconds", {nothing(lines: [Work], loader: Loader), nil}}
    ]
  end

  defp start(target, opts) do
    opts =
      [lines: [Work], loader: Loader, level: :crashes, limits: [bytes: 512_000_000, events: 20_000_000]] ++
        opts

    :timer.tc(fn -> BeamScope.start!(target, opts) end)
  end

  # What was dropped was not recorded, and cost less: then once more.
  defp recorded(worker, function, opts, tries \\ 20) do
    {_, rec} = start(worker, opts)
    ns = best(worker, function)
    BeamScope.stop(rec)
    %{by_kind: kinds, events: events} = BeamScope.info(rec)
    BeamScope.close(rec)

    cond do
      kinds.line + kinds.mark == @recorded * @runs -> ns
      tries > 0 -> recorded(worker, function, opts, tries - 1)
      true -> raise "this machine is too busy: #{inspect(events)}"
    end
  end

  # The tracer that does nothing, under the same pattern.
  defp no_op(worker) do
    session = open()
    flags(session, worker, true)
    ns = best(worker, :lines)
    flags(session, worker, false)
    close(session)
    ns
  end

  if Code.ensure_loaded?(:trace) do
    defp open do
      session = apply(:trace, :session_create, [:lines_bench, {BeamScope.Native, :floor}, []])
      apply(:trace, :function, [session, {BeamScope.Line, :line, :_}, true, [:local]])
      session
    end

    defp flags(session, pid, on), do: apply(:trace, :process, [session, pid, on, [:call]])
    defp close(session), do: apply(:trace, :session_destroy, [session])
  else
    defp open, do: :erlang.trace_pattern({BeamScope.Line, :line, :_}, true, [:local])

    defp flags(_, pid, true), do: :erlang.trace(pid, true, [:call, {:tracer, BeamScope.Native, :floor}])
    defp flags(_, pid, false), do: :erlang.trace(pid, false, [:all])
    defp close(_), do: :erlang.trace_pattern({BeamScope.Line, :line, :_}, false, [:local])
  end

  defp nothing(opts) do
    {us, {:ok, rec}} = :timer.tc(fn -> BeamScope.record(opts, fn -> :ok end) end)
    BeamScope.close(rec)
    us / 1
  end

  defp work do
    receive do
      {:run, function, n, from} ->
        {us, _} = :timer.tc(Work, function, [n, 3])
        send(from, {:took, us})
    end

    work()
  end

  # Of one of `n`, in nanoseconds.
  defp ns(worker, function, n) do
    send(worker, {:run, function, n, self()})

    receive do
      {:took, us} -> us * 1_000 / n
    end
  end

  defp best(worker, function, n \\ @recorded) do
    # The rings are emptied meanwhile.
    times = for _ <- 1..@runs, do: ns(worker, function, n) |> tap(fn _ -> Process.sleep(3) end)
    Enum.min(times)
  end

  defp median(values), do: values |> Enum.sort() |> Enum.at(div(length(values), 2))
  defp text(value), do: :erlang.float_to_binary(value * 1.0, decimals: 1)
end

rounds = System.argv() |> List.first("9") |> String.to_integer()
LinesBench.run(rounds)
