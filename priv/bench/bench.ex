defmodule BeamScopeBench do
  @moduledoc """
  Measures what tracing costs: every mode once in each round, medians over the rounds.

  Modes take turns within a round, and each round begins with another one, so that what the machine does meanwhile
  falls on all alike.
  """

  alias BeamScopeBench.{Memory, Modes, Workloads}

  # A quick run has fewer and shorter measurements; what is measured is the same.
  @full %{rounds: 7, sample_ms: 60, flood_ms: 10_000, cap: 1_024 * 1_024 * 1_024}
  @quick %{rounds: 3, sample_ms: 15, flood_ms: 1_000, cap: 256 * 1_024 * 1_024}

  @doc "The names of the workloads."
  def workloads, do: Enum.map(Workloads.all(), & &1.name) ++ ["flood"]

  @doc "The names of the modes."
  def modes, do: Modes.names()

  @doc "What a run without options measures: workload and mode."
  def measured do
    steady = for w <- Workloads.all(), mode <- w.modes, do: {w.name, mode}
    steady ++ for(mode <- Modes.events(), do: {"flood", mode})
  end

  @doc "Runs everything asked for; `say` is called with each workload's rows as they are done."
  def run(opts, say) do
    config = if opts[:quick], do: @quick, else: @full
    config = Map.merge(config, Map.new(Keyword.take(opts, [:rounds, :sample_ms, :flood_ms])))
    wanted = opts[:only] || workloads()

    steady =
      for w <- Workloads.all(), w.name in wanted, do: told(steady(w, modes(opts, w.modes), config), say)

    flood = if "flood" in wanted, do: told(flood(modes(opts, Modes.events()), config), say), else: []
    List.flatten(steady) ++ flood
  end

  defp modes(opts, default) do
    modes = opts[:modes] || default
    if "untraced" in modes, do: modes, else: ["untraced" | modes]
  end

  defp told(rows, say) do
    say.(rows)
    rows
  end

  # Steady workloads

  defp steady(workload, modes, config) do
    counts = Map.new(modes, &{&1, operations(workload, &1, config)})

    samples =
      for round <- 1..config.rounds, mode <- rotate(modes, round) do
        {mode, sample(workload, mode, Map.fetch!(counts, mode), config)}
      end

    rows(workload.name, modes, Enum.group_by(samples, &elem(&1, 0), &elem(&1, 1)))
  end

  defp rotate(modes, round) do
    {later, first} = Enum.split(modes, rem(round - 1, length(modes)))
    first ++ later
  end

  # So many operations that a measurement takes the time it should.
  defp operations(workload, mode, config) do
    %{ns: ns, n: n} = sample(workload, mode, 50, config)
    wanted = max(50, div(config.sample_ms * 1_000_000 * n, max(ns, 1)))
    most = if Modes.copies?(mode), do: workload.heavy, else: 2_000_000
    # The first operations are slow: measure the guess once more.
    %{ns: ns, n: n} = sample(workload, mode, min(wanted, most), config)
    max(20, min(div(config.sample_ms * 1_000_000 * n, max(ns, 1)), most))
  end

  defp sample(workload, mode, n, config) do
    context = workload.start.()

    try do
      workload.run.(context, max(1, div(n, 10)))
      settle()
      Memory.reset_peak()
      handle = Modes.attach(mode, context.tracees, Map.take(workload, [:calls, :modes]), config.cap)
      # The first calls under a tool pay for its start.
      warm = max(1, div(n, 10))
      workload.run.(context, warm)
      ns = workload.run.(context, n)
      seen = Modes.detach(mode, handle, context.tracees)
      Map.merge(seen, %{ns: ns, n: n, ops: n + warm, peak: Memory.peak_mb()})
    after
      workload.stop.(context)
    end
  end

  # What an earlier measurement left to collect must not be paid for by the next.
  defp settle do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    Process.sleep(2)
  end

  defp rows(name, modes, samples) do
    base = median(for s <- samples["untraced"], do: s.ns / s.n)

    for mode <- modes do
      list = Map.fetch!(samples, mode)
      ns = median(for s <- list, do: s.ns / s.n)
      events = list |> Enum.map(& &1.events) |> Enum.sum()
      kept = events - sum(list, :dropped) - sum(list, :queued)
      bytes = if Enum.all?(list, & &1.bytes), do: sum(list, :bytes)

      %{
        workload: name,
        mode: mode,
        ns_per_op: ns,
        ratio: ns / base,
        events_per_op: if(mode in ~w(untraced floor), do: nil, else: events / sum(list, :ops)),
        events: events,
        dropped: sum(list, :dropped),
        queued: sum(list, :queued),
        # Of a handful of events it would only tell what an empty store takes.
        bytes_per_event: if(bytes && kept >= 1_000, do: bytes / kept),
        peak_rss_mb: list |> Enum.map(& &1.peak) |> Enum.reject(&is_nil/1) |> Enum.max(fn -> nil end),
        stopped: Enum.find_value(list, & &1[:stopped])
      }
    end
  end

  defp sum(list, key), do: list |> Enum.map(&Map.fetch!(&1, key)) |> Enum.sum()

  defp median(numbers) do
    sorted = Enum.sort(numbers)
    middle = div(length(sorted), 2)
    if rem(length(sorted), 2) == 1, do: Enum.at(sorted, middle), else: mean(Enum.slice(sorted, middle - 1, 2))
  end

  defp mean(list), do: Enum.sum(list) / length(list)

  # The flood: once for each mode, for its whole time

  defp flood(modes, config) do
    rows("flood", modes, Map.new(modes, &{&1, [flood_sample(&1, config)]}))
  end

  defp flood_sample(mode, config) do
    context = Workloads.start_flood()

    try do
      settle()
      Memory.reset_peak()
      handle = Modes.attach(mode, context.tracees, %{calls: [], modes: Modes.events()}, config.cap)
      {sent, ns} = Workloads.flood(context, config.flood_ms, fn -> not Memory.tight?() end)
      seen = Modes.detach(mode, handle, context.tracees)
      # Each scheduler has a pair of its own: the time of one operation is per scheduler.
      Map.merge(seen, %{ns: ns, n: sent, ops: sent, peak: Memory.peak_mb()})
    after
      Workloads.stop_flood(context)
    end
  end
end
