defmodule BeamScope.Test.GovernorSim do
  @moduledoc """
  A system on paper for `BeamScope.Recorder.Governor.Control`: processes that handle so many messages a second, and what tracing them
  costs at each level.
  """

  alias BeamScope.Recorder.Governor.{Control, Cost}

  @tick_ms 50
  @callback_ns 120
  @drain_ns 60
  @schedulers 4

  @typedoc "Messages a second at a time in milliseconds, for each process."
  @type load :: (non_neg_integer() -> [{term(), number()}])

  @typedoc "One moment: how far down, how many processes are watched only, and what tracing took."
  @type moment :: %{
          ms: non_neg_integer(),
          rung: Control.rung(),
          watched: non_neg_integer(),
          share: float(),
          worst: float(),
          actions: [Control.action()]
        }

  @doc "Runs a controller over a load for so many seconds."
  @spec run(load(), pos_integer(), keyword()) :: [moment()]
  def run(load, seconds, options \\ []) do
    control = Control.new(options)

    {moments, _} =
      Enum.map_reduce(1..div(seconds * 1000, @tick_ms), control, fn tick, control ->
        ms = tick * @tick_ms
        sample = sample(control, load.(ms), ms)
        {next, actions} = Control.step(control, sample)
        {moment(control, sample, ms, actions), next}
      end)

    moments
  end

  @doc "What the meter would read: loads of processes as this controller has them traced."
  @spec sample(Control.t(), [{term(), number()}], non_neg_integer()) :: Control.sample()
  def sample(control, loads, ms) do
    each = for {pid, rate} <- loads, do: {pid, counts(control, pid, rate * @tick_ms / 1000)}

    sum = fn deed -> Enum.reduce(each, 0, fn {_, counts}, sum -> sum + :erlang.map_get(deed, counts) end) end
    counts = Map.new(Cost.deeds(), &{&1, sum.(&1)})
    noisy = for {pid, counts} <- each, do: noise(control, pid, counts)

    %{
      at_ms: ms,
      wall_ns: @tick_ms * 1_000_000,
      schedulers: @schedulers,
      counts: counts,
      callback_ns: events(counts) * @callback_ns,
      drain_ns: events(counts) * @drain_ns,
      processes: noisy |> Enum.sort_by(& &1.cost_ns, :desc) |> Enum.take(32),
      watched:
        for({pid, rate} <- loads, pid in control.watched, into: %{}, do: {pid, again(control, pid, rate)})
    }
  end

  defp counts(control, pid, messages) do
    level = if pid in control.watched, do: :off, else: level(control.rung, pid)
    n = round(messages)

    case level do
      :off -> seen(0, 0, 0)
      :crashes -> seen(n, 0, 0)
      :states -> seen(n, 2 * n, 0)
      :messages -> seen(n, 0, n)
      :full -> seen(n, 2 * n, n)
    end
  end

  defp seen(schedule, call, message) do
    %{schedule: schedule, call: call, send: message, receive: message, lifecycle: 0, return: 0, collection: 0}
  end

  defp level({:level, level}, _pid), do: level

  defp level({:sampled, level, share}, pid),
    do: if(rem(:erlang.phash2(pid), share) == 0, do: level, else: :crashes)

  defp events(counts), do: counts.call + counts.send + counts.receive

  defp noise(control, pid, counts) do
    cost = Cost.ns(control.floors, counts) + events(counts) * @callback_ns
    %{pid: pid, cost_ns: cost, elsewhere_ns: events(counts) * @drain_ns, queue: nil}
  end

  defp again(control, pid, rate) do
    noise = noise(control, pid, counts(%{control | watched: MapSet.new()}, pid, rate * @tick_ms / 1000))
    noise.cost_ns + noise.elsewhere_ns
  end

  defp moment(control, sample, ms, actions) do
    cost = Cost.ns(control.floors, sample.counts) + sample.callback_ns + sample.drain_ns
    worst = sample.processes |> Enum.map(& &1.cost_ns) |> Enum.max(fn -> 0 end)

    %{
      ms: ms,
      rung: control.rung,
      watched: MapSet.size(control.watched),
      share: cost / (sample.wall_ns * sample.schedulers),
      worst: worst / sample.wall_ns,
      actions: actions
    }
  end

  # Loads

  @doc "The same rate for each of some processes."
  @spec even(number(), pos_integer()) :: [{term(), number()}]
  def even(rate, processes), do: for(i <- 1..processes, do: {{:worker, i}, rate / processes})

  @doc "The curves that the documentation shows: name, load, options."
  @spec curves() :: [{String.t(), load(), keyword()}]
  def curves do
    [
      {"a step", &even(step(&1), 400), []},
      {"a step, one process", &(even(1_000, 40) ++ [{:hot, step(&1)}]), []},
      {"a ramp", &even(&1 * 20, 400), []},
      {"a sawtooth, recover", &even(rem(&1, 20_000) * 40, 400), [recover: true]},
      {"bursts, recover", &even(burst(&1), 400), [recover: true]},
      {"too much, recover", &even(if(&1 > 10_000, do: 8_000_000, else: 1_000), 400), [recover: true]}
    ]
  end

  defp step(ms), do: if(ms > 10_000, do: 600_000, else: 1_000)
  defp burst(ms), do: if(rem(ms, 15_000) < 500 and ms > 5_000, do: 900_000, else: 2_000)

  @doc "The plot of the documentation: a column is a second, 60 of them."
  @spec plot() :: String.t()
  def plot do
    for {name, load, options} <- curves(), into: "" do
      moments = run(load, 60, options)
      columns = moments |> Enum.chunk_every(div(1000, @tick_ms)) |> Enum.map_join(&column(List.last(&1)))
      "    #{String.pad_trailing(name, 20)} #{columns}\n"
    end
  end

  defp column(%{rung: {:level, :off}}), do: "."
  defp column(%{rung: {:level, :crashes}}), do: "c"
  defp column(%{rung: {:sampled, _, 16}}), do: "x"
  defp column(%{rung: {:sampled, _, share}}), do: "#{share}"
  defp column(%{watched: n}) when n > 0, do: "w"
  defp column(_all), do: "#"
end
