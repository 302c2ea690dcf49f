defmodule BeamScope.Recorder.Governor.Meter do
  @moduledoc """
  Reads what tracing costs and what the system can spare. What costs something itself is read only where it can matter: processes
  one by one, and schedulers' utilisation, from a quarter of the budget on.
  """

  alias BeamScope.Recorder.Governor.{Control, Cost, Looker}

  @noisiest 32
  @looked_at 8
  @calm_look_ms 500
  # So many callbacks in 50 ms are nothing.
  @idle 50
  @idle_ns 50_000_000

  defstruct native: nil,
            data: nil,
            floors: nil,
            budget: nil,
            memory?: false,
            recover: false,
            before: nil,
            scanned: nil,
            walls: nil,
            resting: false,
            looker: nil,
            waiting: false,
            looked_at: nil,
            looked: %{},
            # Of processes: reductions a nanosecond, what they last cost a nanosecond, and what a reduction costs.
            rates: %{},
            costs: %{},
            prices: %{}

  @type t :: %__MODULE__{}

  @doc "A meter of a recording. Switches on the count of schedulers' time, which ends with the calling process."
  @spec new(keyword()) :: t()
  def new(options) do
    _ = :erlang.system_flag(:scheduler_wall_time, true)
    meter = struct!(__MODULE__, options)
    %{meter | before: read(meter), looker: Looker.start()}
  end

  @doc "Ends what `new/1` started."
  @spec stop(t()) :: :ok
  def stop(meter) do
    _ = meter.native.recording_rest(meter.data, false)
    Looker.stop(meter.looker)
  end

  @doc "The looker's answer."
  @spec looked(t(), Looker.found()) :: t()
  def looked(meter, found) do
    now = :erlang.monotonic_time(:nanosecond)

    rates =
      for {pid, {_, reductions}} <- found,
          {_, before} <- [meter.looked[pid]],
          into: %{},
          do: {pid, max(reductions - before, 0) / max(now - meter.looked_at, 1)}

    %{meter | looked: found, looked_at: now, rates: rates, waiting: false}
  end

  @doc "What was since the last sample; `watched` are processes without flags. `:ended` when the recording has."
  @spec sample(t(), Enumerable.t(pid())) :: {Control.sample(), t()} | :ended
  def sample(%{before: {_, _}} = meter, watched) do
    with {now, load} <- read(meter) do
      {then, loaded} = meter.before
      counts = Map.new(Cost.deeds(), &{&1, load[&1] - loaded[&1]})
      # The virtual machine asks the same before each call that it traces; that is in the price of calls.
      counts = %{counts | schedule: max(counts.schedule - counts.call, 0)}

      sample = %{
        at_ms: div(now, 1_000_000),
        wall_ns: max(now - then, 1),
        schedulers: :erlang.system_info(:schedulers_online),
        counts: counts,
        callback_ns: load.callback_ns - loaded.callback_ns,
        drain_ns: load.drain_ns - loaded.drain_ns,
        dropped: load.dropped - loaded.dropped,
        ring_fill: load.ring_fill,
        run_queue: :erlang.statistics(:total_run_queue_lengths),
        memory: if(meter.memory?, do: memory(meter))
      }

      meter = rest(%{meter | before: {now, load}}, sample.run_queue > sample.schedulers)
      {sample, meter} = if near?(meter, sample), do: closely(meter, sample), else: {sample, far(meter)}
      meter = price(meter, watched)
      {Map.put(sample, :watched, again(meter, sample, watched)), look(meter, sample, watched)}
    end
  end

  def sample(_meter, _watched), do: :ended

  @doc "The next sample is about the time from now on."
  @spec begin_anew(t()) :: t()
  def begin_anew(%{before: {_, _}} = meter), do: %{meter | before: read(meter)}
  def begin_anew(meter), do: meter

  # A system with work that waits has no time to spare for what can be done later.
  defp rest(%{resting: same} = meter, same), do: meter

  defp rest(meter, rest) do
    _ = meter.native.recording_rest(meter.data, rest)
    %{meter | resting: rest}
  end

  defp read(meter) do
    case meter.native.recording_load(meter.data) do
      %{} = load -> {:erlang.monotonic_time(:nanosecond), load}
      _ -> :ended
    end
  end

  # The virtual machine does not know what is held here.
  defp memory(meter) do
    case meter.native.recording_info(meter.data) do
      %{bytes: bytes} -> :erlang.memory(:total) + bytes
      _ -> :erlang.memory(:total)
    end
  end

  defp noisy(meter) do
    found =
      with :many <- meter.native.recording_noise(meter.data, @noisiest, an_event(meter)),
           do: meter.native.recording_noise_of_many(meter.data, @noisiest, an_event(meter))

    if is_list(found), do: {:erlang.monotonic_time(:nanosecond), found}, else: :ended
  end

  # What an event costs on average; only the order of processes hangs on it.
  defp an_event(%{floors: floors}), do: div(floors.call + floors.send, 2)

  @doc "Whether tracing takes less than a tenth of the budget, of one scheduler's time."
  @spec calm?(t(), Control.sample()) :: boolean()
  def calm?(meter, sample), do: taken(meter, sample) < meter.budget / 10

  @doc "Whether next to nothing happens."
  @spec idle?(Control.sample()) :: boolean()
  def idle?(sample), do: Enum.sum(Map.values(sample.counts)) * @idle_ns < @idle * sample.wall_ns

  @doc "The calling process gets `:wake` as soon as something does."
  @spec sleep(t()) :: t()
  def sleep(meter) do
    _ = meter.native.recording_wake(meter.data, self(), @idle)
    meter
  end

  defp near?(meter, sample), do: taken(meter, sample) > meter.budget / 4

  defp taken(meter, sample),
    do: (Cost.ns(meter.floors, sample.counts) + sample.callback_ns) / sample.wall_ns

  # Who did what is asked since the last time it was asked: after a pause the first answer is about too long a time.
  defp far(meter), do: %{meter | walls: nil, scanned: nil}

  defp closely(meter, sample) do
    walls = :erlang.statistics(:scheduler_wall_time)
    sample = Map.put(sample, :utilisation, utilisation(meter.walls, walls))

    case {noisy(meter), meter.scanned} do
      {:ended, _} ->
        {sample, meter}

      {{now, _}, nil} ->
        {sample, %{meter | walls: walls, scanned: now}}

      {{now, noisy}, then} ->
        processes =
          for one <- noisy,
              do: noise(meter, one, sample.wall_ns / max(now - then, 1), prices(meter, sample))

        costs = Map.new(processes, &{&1.pid, &1.cost_ns / sample.wall_ns})
        meter = %{meter | walls: walls, scanned: now, costs: Map.merge(meter.costs, costs)}
        {Map.put(sample, :processes, processes), meter}
    end
  end

  # Its own time, and what it makes the drainer do.
  defp noise(meter, {pid, events, callback_ns}, scale, {event_ns, drain_ns}) do
    queue = with {queue, _} <- meter.looked[pid], do: queue
    cost = max(events * event_ns + callback_ns, 0) * scale
    %{pid: pid, cost_ns: round(cost), elsewhere_ns: round(events * scale * drain_ns), queue: queue}
  end

  # Of an event: what it costs its process besides the callback, and the drainer. The library counts what the virtual machine asks
  # before each call as if the process had been scheduled in.
  defp prices(meter, %{counts: counts, drain_ns: drain}) do
    events = max(counts.lifecycle + counts.send + counts.receive + counts.call + counts.return, 1)
    floor = Cost.ns(meter.floors, %{counts | schedule: 0, collection: 0})
    {(floor - counts.call * meter.floors.schedule) / events, drain / events}
  end

  # What a process that is only watched would cost if it had its flags again: by how much it works, at the price of when it had them.
  defp price(%{recover: false} = meter, _watched), do: %{meter | costs: %{}}

  defp price(meter, watched) do
    fresh =
      for pid <- watched,
          not is_map_key(meter.prices, pid),
          cost = meter.costs[pid],
          rate = meter.rates[pid],
          rate > 0,
          into: %{},
          do: {pid, cost / rate}

    known = MapSet.new(watched)
    prices = meter.prices |> Map.merge(fresh) |> Map.filter(fn {pid, _} -> pid in known end)

    costs =
      if map_size(meter.costs) > 1_000, do: Map.take(meter.costs, MapSet.to_list(known)), else: meter.costs

    %{meter | prices: prices, costs: costs}
  end

  defp again(meter, sample, watched) do
    for pid <- watched, price = meter.prices[pid], rate = meter.rates[pid], into: %{} do
      {pid, round(price * rate * sample.wall_ns)}
    end
  end

  # Dirty schedulers come behind the others.
  defp utilisation(before, now) when is_list(before) and is_list(now) do
    online = :erlang.system_info(:schedulers_online)

    {active, total} =
      for {{id, a0, t0}, {id, a1, t1}} when id <= online <- Enum.zip(Enum.sort(before), Enum.sort(now)),
          reduce: {0, 0} do
        {active, total} -> {active + a1 - a0, total + t1 - t0}
      end

    if total > 0, do: active / total
  end

  defp utilisation(_before, _now), do: nil

  # One question at a time; of those that are only watched now and then.
  defp look(%{waiting: true} = meter, _sample, _watched), do: meter

  defp look(meter, sample, watched) do
    noisy = for %{pid: pid} <- Enum.take(sample[:processes] || [], @looked_at), do: pid
    now = :erlang.monotonic_time(:nanosecond)
    due? = meter.recover and (meter.looked_at == nil or now - meter.looked_at > @calm_look_ms * 1_000_000)
    pids = if due? or (meter.recover and noisy != []), do: noisy ++ Enum.to_list(watched), else: noisy

    if pids == [] do
      meter
    else
      Looker.look(meter.looker, pids)
      %{meter | waiting: true}
    end
  end
end
