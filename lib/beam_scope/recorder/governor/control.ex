defmodule BeamScope.Recorder.Governor.Control do
  @moduledoc """
  The decisions of the governor: a pure function from what was measured to what is to be done.

  ## What it keeps
  The budget is a share of time. It holds for the whole (of all schedulers' time) and for each process (of its own time), since a
  server that everybody waits for is as slow as its tracing makes it, however many schedulers are idle. A system with more work than
  schedulers has half the budget.

  ## How it steps down
  Once the budget was crossed in two samples running:

  1. *processes first*: if a few of the noisiest account for it, those are only watched from then on: they have no trace flags any
     more, and what is recorded of them is their end, with reason, message and last state. Whoever bears such a process's name
     after it takes its place;
  2. then the next *rung* whose cost, as measured, fits into four fifths of the budget: the levels in the order of their cost, then
     every second process, every fourth, eighth and sixteenth, then `:crashes`, then `:off`.

  After each step 150 ms of samples are left out, so that the next decision is about what the step has changed.

  ## How it steps up
  Only with `recover: true`, one step at a time, the last one first. What the step would bring back must have been predicted to fit
  into half of the budget for a whole *hold*. The hold begins with 10 s; each step down that follows a step up doubles it, up to
  10 minutes. After `:off` there is no way up.

  ## Why it cannot oscillate
  Without `recover:` nothing ever goes up, so there are at most as many steps as there are rungs and places for watched processes.
  With it, two steps up are a hold apart, and each one that was wrong doubles the hold: among the steps of `t` seconds at most
  `log2(1 + t / 10) + t / 600 + 2` go up again that are taken back. Tests hold it against steps, ramps, sawteeth, bursts, noise and
  the load of a recorded system.
  """

  alias BeamScope.Recorder.Governor.Cost

  @fits 0.8
  @spare 0.5
  @patience 2
  @settle_ms 150
  @first_hold_ms 10_000
  @longest_hold_ms 600_000
  # So many processes at a time, and so many in all, are watched only.
  @few 8
  @most_watched 64
  @shares [2, 4, 8, 16]
  @overloaded 4
  @overloaded_for 10
  @full_ring 800
  @long_queue 1_000
  @growing 4
  # Less than this is nothing, whatever the budget: a hundred events a second must not end a recording.
  @least 0.002

  defstruct budget: 0.05,
            memory: nil,
            recover: false,
            floors: Cost.known(),
            rung: {:level, :states},
            watched: MapSet.new(),
            undo: [],
            over: 0,
            overloaded: 0,
            pressed: 0,
            quiet_until: nil,
            spare_since: nil,
            hold_ms: @first_hold_ms,
            went_up: false,
            ratio: %{},
            queues: %{},
            steps: 0,
            last: nil

  @typedoc """
  How much is recorded: a level, or of every so manieth process the level and of the others what `:crashes` has.
  """
  @type rung :: {:level, :full | :messages | :states | :crashes | :off} | {:sampled, atom(), pos_integer()}

  @typedoc """
  What tracing a process cost: of its own time, and of the time of the thread that collects its events; and its mailbox, where known.
  """
  @type noise :: %{
          pid: term(),
          cost_ns: non_neg_integer(),
          elsewhere_ns: non_neg_integer(),
          queue: non_neg_integer() | nil
        }

  @typedoc """
  What was measured since the last sample. `watched` is what processes that are only watched would cost again, as far as known.
  """
  @type sample :: %{
          required(:at_ms) => integer(),
          required(:wall_ns) => pos_integer(),
          required(:schedulers) => pos_integer(),
          required(:counts) => Cost.counts(),
          required(:callback_ns) => non_neg_integer(),
          required(:drain_ns) => non_neg_integer(),
          optional(:run_queue) => non_neg_integer(),
          optional(:utilisation) => float() | nil,
          optional(:memory) => non_neg_integer() | nil,
          optional(:ring_fill) => non_neg_integer(),
          optional(:dropped) => non_neg_integer(),
          optional(:processes) => [noise()] | nil,
          optional(:watched) => %{term() => non_neg_integer()}
        }

  @typedoc "Why a step is taken, with its figures."
  @type why :: %{reason: atom(), share: float(), budget: float(), figures: map()}

  @typedoc "A step."
  @type action :: {:rung, rung(), rung(), why()} | {:watch, [term()], why()} | {:restore, [term()], why()}

  @type t :: %__MODULE__{}

  @doc "A controller at its first rung."
  @spec new(keyword()) :: t()
  def new(options), do: struct!(__MODULE__, options)

  @doc "Somebody has set the level by hand: that is where it goes on."
  @spec set(t(), atom()) :: t()
  def set(control, level),
    do: %{control | rung: {:level, level}, undo: [], over: 0, spare_since: nil, last: nil}

  @doc "A process took the place of one that is watched, and is watched itself."
  @spec follows(t(), term()) :: t()
  def follows(control, pid),
    do: %{control | watched: MapSet.put(control.watched, pid), undo: [{:watched, [pid]} | control.undo]}

  @doc "A process that was watched has ended: its place is free."
  @spec gone(t(), term()) :: t()
  def gone(control, pid) do
    undo = for step <- control.undo, step = without(step, pid), do: step

    %{control | watched: MapSet.delete(control.watched, pid), undo: undo}
  end

  defp without({:watched, pids}, pid) do
    case List.delete(pids, pid) do
      [] -> nil
      left -> {:watched, left}
    end
  end

  defp without(step, _pid), do: step

  @doc "Whether the last sample crossed the budget and the next one decides."
  @spec doubtful?(t()) :: boolean()
  def doubtful?(control), do: control.over > 0

  @doc "Takes a sample; answers what is to be done."
  @spec step(t(), sample()) :: {t(), [action()]}
  def step(%{rung: {:level, :off}} = control, _sample), do: {control, []}

  def step(%{quiet_until: until} = control, %{at_ms: now}) when is_integer(until) and now < until,
    do: {control, []}

  def step(control, sample) do
    control = control |> notice(sample) |> grown(sample)
    seen = figures(control, sample)

    cond do
      why = crossed(control, seen, sample) -> maybe_down(control, seen, sample, why)
      control.recover -> maybe_up(%{control | over: 0}, seen, sample)
      true -> {%{control | over: 0}, []}
    end
  end

  # Measured

  defp figures(control, sample) do
    floor = Cost.ns(control.floors, sample.counts)
    cost = floor + sample.callback_ns + sample.drain_ns
    worst = Enum.max_by(sample[:processes] || [], & &1.cost_ns, fn -> nil end)

    %{
      share: cost / (sample.wall_ns * sample.schedulers),
      worst: if(worst, do: worst.cost_ns / sample.wall_ns, else: 0.0),
      budget: budget(control)
    }
  end

  defp budget(%{overloaded: n, budget: budget}) when n >= @overloaded_for, do: budget / 2
  defp budget(%{budget: budget}), do: budget

  defp notice(control, sample) do
    busy? =
      Map.get(sample, :run_queue, 0) > @overloaded * sample.schedulers and
        (sample[:utilisation] || 1.0) > 0.95

    pressed? = Map.get(sample, :ring_fill, 0) > @full_ring or Map.get(sample, :dropped, 0) > 0

    %{
      control
      | overloaded: if(busy?, do: min(control.overloaded + 1, @overloaded_for), else: 0),
        pressed: if(pressed?, do: control.pressed + 1, else: 0),
        ratio: ratio(control, sample)
    }
  end

  # How many calls, sends and receives there are to each time that a process is scheduled in: what tells at a low rung what a
  # higher one would see.
  defp ratio(%{rung: {:level, level}} = control, %{counts: %{schedule: schedule} = counts} = sample)
       when level not in [:crashes, :off] and schedule > 100 do
    callback = sample.callback_ns / max(events(counts), 1)

    new = %{
      call: Map.get(counts, :call, 0) / schedule,
      send: Map.get(counts, :send, 0) / schedule,
      receive: Map.get(counts, :receive, 0) / schedule,
      callback_ns: callback
    }

    Map.put(control.ratio, level, new)
  end

  defp ratio(control, _sample), do: control.ratio

  # Mailboxes that grow from look to look.
  defp grown(control, %{processes: [_ | _] = processes}) do
    queues =
      for %{pid: pid, queue: queue} when is_integer(queue) <- processes, into: %{} do
        {before, times} = Map.get(control.queues, pid, {queue, 0})
        {pid, {queue, if(queue > before, do: times + 1, else: 0)}}
      end

    %{control | queues: queues}
  end

  defp grown(control, _sample), do: control

  # Down

  defp crossed(control, seen, sample) do
    cond do
      control.memory && (sample[:memory] || 0) > control.memory -> :memory
      seen.share > max(seen.budget, @least) and seen.budget < control.budget -> :run_queue
      seen.share > max(seen.budget, @least) -> :overhead
      seen.worst > max(seen.budget, @least) -> :process
      control.pressed >= @patience -> :rings
      slow(control, seen, sample) != [] -> :mailbox
      true -> nil
    end
  end

  defp slow(control, seen, sample) do
    for %{pid: pid, cost_ns: cost} <- sample[:processes] || [],
        {queue, times} <- [Map.get(control.queues, pid, {0, 0})],
        times >= @growing and queue > @long_queue and cost / sample.wall_ns > seen.budget / 4,
        do: pid
  end

  defp maybe_down(control, seen, sample, reason) do
    over = control.over + 1

    if over >= @patience,
      do: down(%{control | over: 0, spare_since: nil}, seen, sample, why(reason, seen, sample)),
      else: {%{control | over: over, spare_since: nil}, []}
  end

  defp why(reason, seen, sample) do
    figures =
      sample
      |> Map.take([:counts, :callback_ns, :drain_ns, :run_queue, :utilisation, :memory, :ring_fill, :dropped])
      |> Map.put(:wall_ns, sample.wall_ns)

    %{
      reason: reason,
      share: Float.round(seen.share * 1.0, 5),
      worst: Float.round(seen.worst * 1.0, 5),
      budget: seen.budget,
      figures: figures
    }
  end

  defp down(control, seen, sample, why) do
    case few(control, seen, sample, why.reason) do
      [] -> rung_down(control, seen, sample, why)
      pids -> watch(control, pids, sample, why)
    end
  end

  # The fewest of the noisiest without which the rest fits. Memory and rings are everybody's.
  defp few(_control, _seen, _sample, reason) when reason in [:memory, :rings], do: []
  defp few(control, seen, sample, :mailbox), do: room(control, Enum.take(slow(control, seen, sample), @few))

  defp few(control, seen, sample, _reason) do
    aim = seen.budget * @fits
    noisy = Enum.sort_by(sample[:processes] || [], & &1.cost_ns, :desc)
    time = sample.wall_ns * sample.schedulers
    total = seen.share * time

    found =
      Enum.reduce_while(noisy, {total, []}, fn one, {left, pids} ->
        if left / time <= aim and one.cost_ns / sample.wall_ns <= aim,
          do: {:halt, {left, pids}},
          else: {:cont, {left - one.cost_ns - one.elsewhere_ns, [one.pid | pids]}}
      end)

    case found do
      {left, pids} when left / time <= aim -> room(control, Enum.reverse(pids))
      _ -> []
    end
  end

  # Below `:crashes` is nothing but `:off`, so there a few may be more.
  defp room(control, pids) do
    few = if control.rung == {:level, :crashes}, do: @most_watched, else: @few

    if length(pids) <= few and MapSet.size(control.watched) + length(pids) <= @most_watched,
      do: pids,
      else: []
  end

  defp watch(control, pids, sample, why) do
    control = %{control | watched: Enum.reduce(pids, control.watched, &MapSet.put(&2, &1))}
    done(control, sample, {:watch, pids, why}, {:watched, pids})
  end

  defp rung_down(control, seen, sample, why) do
    to = next(control, seen, sample)
    done(%{control | rung: to}, sample, {:rung, control.rung, to, why}, {:rung, control.rung})
  end

  defp done(control, sample, action, undo) do
    hold = if control.went_up, do: min(control.hold_ms * 2, @longest_hold_ms), else: control.hold_ms

    control = %{
      control
      | quiet_until: sample.at_ms + @settle_ms,
        steps: control.steps + 1,
        last: action,
        hold_ms: hold,
        went_up: false,
        over: 0,
        pressed: 0,
        undo: if(match?({:rung, _, {:level, :off}, _}, action), do: [], else: [undo | control.undo])
    }

    {control, [action]}
  end

  # The first rung below that is predicted to fit. Where nobody can tell, the next one.
  defp next(control, seen, sample) do
    aim = seen.budget * @fits * sample.wall_ns * sample.schedulers

    case below(control, sample) do
      [only] -> only
      rungs -> Enum.find(rungs, {:level, :crashes}, &(predicted(control, &1, sample) <= aim))
    end
  end

  @doc "The rungs below the present one, the dearest first, as this sample has their costs."
  @spec below(t(), sample()) :: [rung()]
  def below(%{rung: {:level, :crashes}}, _sample), do: [{:level, :off}]
  def below(%{rung: {:sampled, level, share}}, _sample), do: shares(level, share) ++ [{:level, :crashes}]

  def below(%{rung: {:level, level}} = control, sample) do
    now = predicted(control, {:level, level}, sample)

    # Only where both are seen can it be told which is dearer.
    others = if level == :full, do: [:messages, :states], else: []
    costs = for other <- others, do: {predicted(control, {:level, other}, sample), {:level, other}}
    levels = for {cost, rung} <- Enum.sort(costs, :desc), cost < now, do: rung
    {:level, last} = List.last([{:level, level} | levels])
    levels ++ shares(last, 1) ++ [{:level, :crashes}]
  end

  defp shares(level, above), do: for(share <- @shares, share > above, do: {:sampled, level, share})

  @doc "What a rung would cost in the time of this sample, in nanoseconds."
  @spec predicted(t(), rung(), sample()) :: number()
  def predicted(control, rung, sample) do
    counts = sample.counts
    events = max(events(counts), 1)
    callback = sample.callback_ns / events
    drain = sample.drain_ns / events
    lifecycle = Map.get(counts, :lifecycle, 0)
    base = Map.get(counts, :schedule, 0) * control.floors.schedule

    {level, share} = level_of(rung)
    seen = seen_at(level, counts)

    kept =
      for {deed, n} <- seen, reduce: 0 do
        sum -> sum + n * (Map.fetch!(control.floors, deed) + callback + drain)
      end

    base + lifecycle * (control.floors.lifecycle + callback + drain) + kept / share
  end

  defp level_of({:level, level}), do: {level, 1}
  defp level_of({:sampled, level, share}), do: {level, share}

  # What a level sees of what there is. A message that is handled is two calls.
  defp seen_at(:off, _counts), do: []
  defp seen_at(:crashes, _counts), do: []

  defp seen_at(level, counts) do
    count = fn deed -> Map.get(counts, deed, 0) end
    calls = if count.(:call) > 0, do: count.(:call), else: 2 * count.(:receive)
    states = [call: calls, return: count.(:return), collection: count.(:collection)]
    messages = [send: count.(:send), receive: max(count.(:receive), div(count.(:call), 2))]

    case level do
      :states -> states
      :messages -> messages
      :full -> states ++ messages
    end
  end

  defp events(counts) do
    Enum.reduce([:lifecycle, :send, :receive, :call, :return, :collection], 0, &(Map.get(counts, &1, 0) + &2))
  end

  # Up

  defp maybe_up(%{undo: []} = control, _seen, _sample), do: {control, []}

  defp maybe_up(%{undo: [undo | rest]} = control, seen, sample) do
    extra = brings_back(control, undo, sample)
    time = sample.wall_ns * sample.schedulers

    fits? =
      extra != nil and seen.share + extra / time <= @spare * seen.budget and
        fits_each?(undo, extra, sample, seen)

    cond do
      not fits? ->
        {%{control | spare_since: nil}, []}

      control.spare_since == nil ->
        {%{control | spare_since: sample.at_ms}, []}

      sample.at_ms - control.spare_since < control.hold_ms ->
        {control, []}

      true ->
        up(%{control | undo: rest, spare_since: nil}, undo, sample, why(:recovered, seen, sample))
    end
  end

  # A process's share of its own time, not of all schedulers'.
  defp fits_each?({:watched, pids}, extra, sample, seen),
    do: extra / length(pids) / sample.wall_ns <= @spare * seen.budget

  defp fits_each?(_undo, _extra, _sample, _seen), do: true

  defp brings_back(_control, {:watched, pids}, sample) do
    known = Map.get(sample, :watched, %{})
    if Enum.all?(pids, &is_map_key(known, &1)), do: Enum.reduce(pids, 0, &(known[&1] + &2))
  end

  defp brings_back(control, {:rung, rung}, sample) do
    with %{} = counts <- foreseen(control, rung, sample) do
      above = predicted(control, rung, %{sample | counts: counts, callback_ns: counts.callback_ns})
      below = predicted(control, control.rung, sample)
      max(above - below, 0)
    end
  end

  # At `:crashes` nothing is seen of what a level would see, but how often processes are scheduled in is.
  defp foreseen(control, rung, sample) do
    {level, _share} = level_of(rung)
    schedule = Map.get(sample.counts, :schedule, 0)

    with %{} = ratio <- control.ratio[level] do
      counts = Map.new([:call, :send, :receive], &{&1, round(ratio[&1] * schedule)})
      all = Map.merge(sample.counts, counts, fn _deed, now, then -> max(now, then) end)
      Map.put(all, :callback_ns, ratio.callback_ns * events(all))
    end
  end

  defp up(control, {:watched, pids}, sample, why) do
    control = %{control | watched: Enum.reduce(pids, control.watched, &MapSet.delete(&2, &1))}
    went_up(control, sample, {:restore, pids, why})
  end

  defp up(control, {:rung, to}, sample, why),
    do: went_up(%{control | rung: to}, sample, {:rung, control.rung, to, why})

  defp went_up(control, sample, action) do
    control = %{
      control
      | quiet_until: sample.at_ms + @settle_ms,
        steps: control.steps + 1,
        went_up: true,
        last: action
    }

    {control, [action]}
  end
end
