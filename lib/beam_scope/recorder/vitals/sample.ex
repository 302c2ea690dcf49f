defmodule BeamScope.Recorder.Vitals.Sample do
  @moduledoc """
  One look at the whole system: schedulers, run queues, memory by kind, counts, and the busiest of the recorded processes.

  Shares of time are in thousandths: a term of an event has 4 KB, and a system may have a thousand schedulers. What does not fit in
  one event becomes several.
  """

  # Tuples of four numbers and a pid: under 3 KB.
  @chunk 80
  # A share for each of more schedulers than that says little to anybody.
  @most_each 256

  defstruct most: 200, wall: nil, reductions: %{}

  @type t :: %__MODULE__{}
  @type process :: {pid(), non_neg_integer(), non_neg_integer(), non_neg_integer()}
  @type taken :: %{system: map(), looked_at: [process()], busiest: [process()], of: non_neg_integer()}

  @doc "Before the first sample. `most` is how many processes one shows."
  @spec new(non_neg_integer()) :: t()
  def new(most), do: %__MODULE__{most: most, wall: wall()}

  @doc """
  Takes one: of these processes, which are some of `of`. What counts up is since the sample before; of the first one, since the
  start of the recording, or 0.
  """
  @spec take(t(), [pid()], non_neg_integer()) :: {t(), taken()}
  def take(%__MODULE__{} = before, pids, of) do
    wall = wall()
    pids = if before.most == 0, do: [], else: pids
    looked_at = for pid <- pids, process = process(pid), do: process
    reductions = for {pid, reductions, _, _} <- looked_at, into: %{}, do: {pid, reductions}

    worked =
      for {pid, r, queue, memory} <- looked_at,
          do: {pid, r - Map.get(before.reductions, pid, r), queue, memory}

    taken = %{
      system: %{
        schedulers: schedulers(before.wall, wall),
        run_queue: run_queue(),
        memory: Map.new(:erlang.memory()),
        counts: counts()
      },
      looked_at: worked,
      busiest: busiest(worked, before.most),
      of: of
    }

    {%{before | wall: wall, reductions: reductions}, taken}
  end

  @doc "The sample as events: its number in each, and what was told of each kind of warning so far."
  @spec events(taken(), pos_integer(), map()) :: [{atom(), map()}]
  def events(taken, n, warnings) do
    processes =
      for chunk <- Enum.chunk_every(taken.busiest, @chunk),
          do: {:processes, %{n: n, of: taken.of, looked_at: length(taken.looked_at), list: chunk}}

    processes ++ [{:sample, Map.merge(taken.system, %{n: n, warnings: warnings})}]
  end

  # The busiest are those that did most; of those that did nothing, the ones that most waits for.
  defp busiest(worked, most) do
    worked |> Enum.sort_by(fn {_, reductions, queue, _} -> {reductions, queue} end, :desc) |> Enum.take(most)
  end

  defp process(pid) do
    case Process.info(pid, [:reductions, :message_queue_len, :memory]) do
      [reductions: reductions, message_queue_len: queue, memory: memory] -> {pid, reductions, queue, memory}
      nil -> nil
    end
  end

  defp wall do
    case :erlang.statistics(:scheduler_wall_time_all) do
      :undefined -> nil
      list -> Map.new(list, fn {id, active, total} -> {id, {active, total}} end)
    end
  end

  defp schedulers(before, now) when is_map(before) and is_map(now) do
    normal = :erlang.system_info(:schedulers)
    dirty = normal + :erlang.system_info(:dirty_cpu_schedulers)
    ids = now |> Map.keys() |> Enum.sort()
    online = :erlang.system_info(:schedulers_online)

    shares = %{
      normal: share(Enum.filter(ids, &(&1 <= online)), before, now),
      dirty_cpu: share(Enum.filter(ids, &(&1 > normal and &1 <= dirty)), before, now),
      dirty_io: share(Enum.filter(ids, &(&1 > dirty)), before, now)
    }

    if online <= @most_each,
      do: Map.put(shares, :each, for(id <- 1..online, do: share([id], before, now))),
      else: shares
  end

  # Somebody else may have switched it off.
  defp schedulers(_before, _now), do: %{}

  defp share(ids, before, now) do
    {active, total} =
      Enum.reduce(ids, {0, 0}, fn id, {active, total} ->
        {a0, t0} = Map.get(before, id, {0, 0})
        {a1, t1} = Map.fetch!(now, id)
        {active + a1 - a0, total + t1 - t0}
      end)

    if total > 0, do: div(active * 1000, total), else: 0
  end

  defp run_queue do
    {normal, dirty} = :run_queue_lengths_all |> :erlang.statistics() |> Enum.split(-2)
    [cpu, io] = dirty
    %{normal: Enum.sum(normal), dirty_cpu: cpu, dirty_io: io}
  end

  defp counts do
    for {name, count, limit} <- [
          {:processes, :process_count, :process_limit},
          {:ports, :port_count, :port_limit},
          {:tables, :ets_count, :ets_limit},
          {:atoms, :atom_count, :atom_limit}
        ],
        into: %{},
        do: {name, {:erlang.system_info(count), :erlang.system_info(limit)}}
  end
end
