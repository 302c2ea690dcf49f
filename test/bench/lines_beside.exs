# What lines cost beside other tools, of one function in one run: instrumented code in a process that is not recorded and in one that is,
# the same under the interpreter of OTP's debugger (`:int`), and under a call trace by `:dbg` (one event a call, no lines, no variables).
# And what it takes to instrument a module.
#
#     MIX_ENV=test mix run test/bench/lines_beside.exs [rounds]

defmodule LinesBeside.Source do
  @code """
  defmodule LinesBeside.Work do
    def run(0, acc), do: acc

    def run(n, acc) do
      half = div(n, 2)
      rest = rem(n, 7)
      sum = half + rest
      acc = rem(acc + sum, 1_000)
      run(n - 1, acc)
    end
  end
  """

  # Lines of one round of the loop.
  def lines, do: 5
  def code, do: @code

  # On disk, as the code of an application is.
  def compile(dir) do
    File.mkdir_p!(dir)
    path = Path.join(dir, "work.ex")
    File.write!(path, @code)
    {:ok, [module], _} = Kernel.ParallelCompiler.compile_to_path([path], dir, return_diagnostics: true)
    Code.prepend_path(dir)
    :code.delete(module)
    :code.purge(module)
    {:module, ^module} = Code.ensure_loaded(module)
    module
  end

  # A module of so many lines, with functions as people write them.
  def large(dir, lines) do
    functions =
      for n <- 1..div(lines, 10) do
        """
          def f#{n}(list, opts) when is_list(list) do
            limit = Keyword.get(opts, :limit, #{n})
            {taken, rest} = Enum.split(list, limit)

            case Enum.map(taken, &(&1 * #{n})) do
              [] -> {:error, rest}
              [one] -> {:ok, one}
              more -> {:ok, Enum.sum(more)}
            end
          end
        """
      end

    path = Path.join(dir, "large.ex")
    File.write!(path, ["defmodule LinesBeside.Large do\n", functions, "end\n"])
    {:ok, [module], _} = Kernel.ParallelCompiler.compile_to_path([path], dir, return_diagnostics: true)
    {length(functions) * 10 + 2, module}
  end
end

defmodule LinesBeside do
  alias LinesBeside.Source

  @free 200_000
  @recorded 10_000

  def main(rounds) do
    # Mix leaves out what the project does not depend on.
    if function_exported?(Mix, :ensure_application!, 1),
      do: apply(Mix, :ensure_application!, [:runtime_tools])

    dir = Path.join(System.tmp_dir!(), "beam_scope_lines_bench_#{System.pid()}")

    try do
      work = Source.compile(dir)
      results = for _ <- 1..rounds, do: one_round(work)

      for name <- Enum.map(hd(results), &elem(&1, 0)) do
        values = for result <- results, {^name, value} <- result, do: value
        least = values |> Enum.min() |> Float.round(1)
        middle = values |> Enum.sort() |> Enum.at(div(length(values), 2)) |> Float.round(1)
        IO.puts("#{String.pad_trailing(name, 68)} least #{least}  median #{middle}")
      end

      instrumenting(dir, rounds)
    after
      File.rm_rf!(dir)
    end
  end

  defp one_round(work) do
    bare = ns(work, @free)
    {:ok, other} = Agent.start_link(fn -> 0 end)
    rec = BeamScope.start!(other, lines: [work], level: :states)
    free = ns(work, @free)
    BeamScope.close(rec)
    untouched(work)
    recorded = recorded(work, redact: [])
    plain = recorded(work, redact: false)
    base = ns(work, @recorded)
    dbg = by_dbg(work)

    [
      {"a line, ns: as it is", bare},
      {"instrumented, in a process that is not recorded: more a line, ns", free - bare},
      {"recorded: more a line, ns", recorded - base},
      {"recorded without redaction: more a line, ns", plain - base},
      {"dbg: more a call, ns", (dbg - base) * Source.lines()}
    ] ++ interpreted(work, base)
  end

  defp recorded(work, opts) do
    opts = [lines: [work], level: :crashes, limits: [bytes: 512_000_000, events: 5_000_000]] ++ opts
    {ns, rec} = BeamScope.record(opts, fn -> ns(work, @recorded) end)
    %{dropped: dropped, stored: stored} = BeamScope.info(rec).events

    if dropped > 0 or stored < @recorded * Source.lines(),
      do: IO.puts("  #{dropped} dropped, #{stored} stored")

    BeamScope.close(rec)
    untouched(work)
    ns
  end

  defp untouched(work) do
    if BeamScope.Lines.Loader.status(work) == :original, do: :ok, else: Process.sleep(10) && untouched(work)
  end

  # To a process that does what dbg's own does with the least: it counts.
  defp by_dbg(work) do
    {:ok, _} = :dbg.tracer(:process, {fn _, n -> n + 1 end, 0})
    {:ok, _} = :dbg.p(self(), [:call])
    {:ok, _} = :dbg.tpl(work, :run, 2, [])
    ns = ns(work, @recorded)
    stop_dbg()
    ns
  end

  # `stop_clear/0` up to OTP 26.
  defp stop_dbg do
    :dbg.ctpl()
    if function_exported?(:dbg, :stop_clear, 0), do: apply(:dbg, :stop_clear, []), else: :dbg.stop()
  end

  # What the interpreter is given must have been compiled to a file, and OTP's debugger be there.
  defp interpreted(work, base) do
    with true <- Code.ensure_loaded?(:int),
         {:module, ^work} <- apply(:int, :ni, [work]) do
      ns = ns(work, 1_000)
      apply(:int, :nn, [work])
      :code.purge(work)
      {:module, ^work} = :code.load_file(work)
      :code.purge(work)
      [{":int: more a line, ns", ns - base}]
    else
      _ -> []
    end
  end

  # Of one line of the loop, in a process of its own, so that nothing of one measure weighs on the next.
  defp ns(work, n) do
    work.run(div(n, 10), 1)
    {us, _} = :timer.tc(work, :run, [n, 1])
    us * 1_000 / n / Source.lines()
  end

  defp instrumenting(dir, rounds) do
    for lines <- [300, 1_000] do
      {count, module} = Source.large(dir, lines)
      beam = File.read!(Path.join(dir, "#{module}.beam"))

      times =
        for _ <- 1..rounds do
          {us, {:ok, made}} = :timer.tc(fn -> BeamScope.Lines.Instrument.module(module, beam, :all, 0) end)
          {us / 1_000, map_size(made.table.sites), byte_size(made.binary)}
        end

      {_, sites, size} = hd(times)
      ms = Enum.map(times, &elem(&1, 0))

      IO.puts(
        "instrumenting #{count} lines (#{sites} places, #{size} bytes), ms: least #{Float.round(Enum.min(ms), 1)}, " <>
          "median #{ms |> Enum.sort() |> Enum.at(div(length(ms), 2)) |> Float.round(1)}"
      )
    end
  end
end

LinesBeside.main(String.to_integer(List.first(System.argv()) || "5"))
