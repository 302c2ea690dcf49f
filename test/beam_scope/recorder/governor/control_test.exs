defmodule BeamScope.Recorder.Governor.ControlTest do
  use ExUnit.Case, async: true

  alias BeamScope.Recorder.Governor.Control
  alias BeamScope.Test.GovernorSim, as: Sim

  @budget 0.05
  @order [full: 5, messages: 4, states: 4, crashes: 1, off: 0]

  defp height({:level, level}), do: @order[level] * 100
  defp height({:sampled, _, share}), do: @order[:states] * 100 - share

  defp over?(moment), do: moment.share > @budget or moment.worst > @budget
  defp actions(moments), do: Enum.flat_map(moments, & &1.actions)
  defp ups(moments), do: Enum.count(actions(moments), &up?/1)

  defp up?({:restore, _, _}), do: true
  defp up?({:rung, from, to, _}), do: height(to) > height(from)
  defp up?(_), do: false

  # From the first sample over the budget to a step, in milliseconds, for each time that it was crossed.
  defp reactions(moments) do
    moments
    |> Enum.chunk_by(&over?/1)
    |> Enum.filter(&over?(hd(&1)))
    |> Enum.map(fn run -> run |> Enum.split_while(&(&1.actions == [])) end)
    |> Enum.map(fn {before, rest} -> {length(before) * 50 + 50, rest != []} end)
  end

  defp longest_over(moments) do
    moments
    |> Enum.chunk_by(&over?/1)
    |> Enum.filter(&over?(hd(&1)))
    |> Enum.map(&length/1)
    |> Enum.max(fn -> 0 end)
    |> Kernel.*(50)
  end

  # Random curves of every shape, the same for the same seed.
  defp curve(seed) do
    :rand.seed(:exsss, {seed, 7, 11})
    top = 10_000 * :rand.uniform(300)
    processes = Enum.random([1, 3, 16])
    period = 200 * :rand.uniform(150)
    skew = Enum.random([false, true])

    shape =
      Enum.random([
        fn ms -> if rem(div(ms, period), 2) == 1, do: top, else: 100 end,
        fn ms -> top * rem(ms, period) / period end,
        fn ms -> top * (1 - rem(ms, period) / period) end,
        fn ms -> if rem(ms, period) < 300, do: top, else: 100 end,
        fn ms -> top * :erlang.phash2({seed, ms}, 1000) / 1000 end,
        fn ms -> top * (1 + :math.sin(ms / period)) / 2 end,
        fn ms -> min(ms * top / 60_000, top) end
      ])

    fn ms ->
      rate = shape.(ms)
      even = Sim.even(if(skew, do: rate / 2, else: rate), processes)
      if skew, do: [{:hot, rate / 2} | even], else: even
    end
  end

  describe "a step" do
    test "is answered within 200 ms, by as little as fits" do
      moments = Sim.run(fn ms -> Sim.even(if(ms > 2_000, do: 600_000, else: 1_000), 400) end, 10)
      assert [{:rung, {:level, :states}, {:sampled, :states, share}, why}] = actions(moments)
      assert share in [2, 4, 8, 16]
      assert %{reason: :overhead, share: took, figures: %{counts: %{call: calls}}} = why
      assert took > @budget and calls > 0
      assert longest_over(moments) <= 200
      refute over?(List.last(moments))
    end

    test "of one process takes that process only" do
      moments =
        Sim.run(fn ms -> Sim.even(1_000, 40) ++ [{:hot, if(ms > 2_000, do: 300_000, else: 10)}] end, 10)

      assert [{:watch, [:hot], %{reason: reason}}] = actions(moments)
      assert reason in [:overhead, :process]
      assert List.last(moments).rung == {:level, :states}
      assert longest_over(moments) <= 200
    end

    test "of a process that keeps within its share of the whole but not of its own time takes that process" do
      # A fifth of one of four schedulers is a twentieth of the whole.
      moments = Sim.run(fn _ -> [{:hot, 150_000}] end, 5)
      assert [{:watch, [:hot], %{reason: :process, share: share, worst: worst}}] = actions(moments)
      assert share < @budget and worst > @budget
    end
  end

  test "levels go by what they were measured to cost" do
    full = Control.new(rung: {:level, :full})
    sample = Sim.sample(full, Sim.even(500_000, 400), 50)
    assert [{:level, first}, {:level, second}, {:sampled, second, 2} | rest] = Control.below(full, sample)
    cost = &Control.predicted(full, {:level, &1}, sample)
    assert cost.(:full) > cost.(first) and cost.(first) > cost.(second)
    assert List.last(rest) == {:level, :crashes}
    # Where messages are cheap and many calls are made it is the other way around.
    other = put_in(sample.counts.call, 10 * sample.counts.call)
    assert [{:level, :states}, {:level, :messages} | _] = Control.below(full, other)
  end

  test "a load that no level fits ends at :off, and nothing brings it back" do
    load = fn ms -> Sim.even(if(ms in 1_000..3_000, do: 9_000_000, else: 10), 400) end
    moments = Sim.run(load, 1_200, recover: true)
    assert List.last(moments).rung == {:level, :off}
    off = Enum.drop_while(moments, &(&1.rung != {:level, :off}))
    assert actions(off) == []
    assert Enum.all?(off, &(&1.share == 0))
  end

  test "memory, rings and mailboxes count as well" do
    control = Control.new(memory: 1_000_000)
    calm = Map.merge(Sim.sample(control, Sim.even(1_000, 4), 0), %{memory: 500_000})
    assert {_, []} = twice(control, calm)

    assert {%{rung: {:sampled, :states, 2}}, [{:rung, _, _, %{reason: :memory}}]} =
             twice(control, %{calm | memory: 2_000_000})

    assert {_, [{:rung, _, _, %{reason: :rings}}]} = times(control, Map.put(calm, :dropped, 5), 4)

    growing = fn i -> [%{pid: :slow, cost_ns: 1_000_000, elsewhere_ns: 0, queue: 2_000 * i}] end
    samples = for i <- 1..8, do: %{calm | processes: growing.(i), at_ms: 50 * i}

    assert [{:watch, [:slow], %{reason: :mailbox}}] =
             samples
             |> Enum.map_reduce(control, fn s, c -> c |> Control.step(s) |> then(fn {c, a} -> {a, c} end) end)
             |> elem(0)
             |> Enum.concat()
             |> Enum.take(1)
  end

  test "a system with more work than schedulers has half the budget" do
    control = Control.new(budget: 0.05)
    sample = Map.merge(Sim.sample(control, Sim.even(180_000, 400), 50), %{run_queue: 1})
    assert {_, []} = times(control, sample, 30)
    busy = Map.merge(sample, %{run_queue: 100, utilisation: 1.0})
    assert {_, [{:rung, _, _, %{reason: :run_queue, budget: 0.025}}]} = times(control, busy, 30)
  end

  defp twice(control, sample), do: times(control, sample, 2)

  # Until the first step.
  defp times(control, sample, n) do
    Enum.reduce_while(1..n, {control, []}, fn i, {control, _} ->
      case Control.step(control, %{sample | at_ms: i * 50}) do
        {control, []} -> {:cont, {control, []}}
        done -> {:halt, done}
      end
    end)
  end

  describe "whatever the load" do
    test "without recover it only goes down, and reacts within 200 ms" do
      for seed <- 1..60 do
        moments = Sim.run(curve(seed), 60)
        assert ups(moments) == 0, "seed #{seed}"
        # Rungs, and at most 64 processes watched, eight at a time or one.
        assert length(actions(moments)) <= 7 + 64, "seed #{seed}"
        heights = Enum.map(moments, &height(&1.rung))
        assert heights == Enum.sort(heights, :desc), "seed #{seed}"

        for {ms, stepped?} <- reactions(moments),
            do: assert(not stepped? or ms <= 200, "seed #{seed}: #{ms} ms")

        for {ms, false} <- reactions(moments),
            do: assert(ms <= 200, "seed #{seed}: over the budget for #{ms} ms and no step")
      end
    end

    test "with recover it goes up as seldom as it says" do
      for seed <- 1..16 do
        seconds = 300
        moments = Sim.run(curve(seed), seconds, recover: true)
        bound = :math.log2(1 + seconds / 10) + seconds / 600 + 2
        taken_back = taken_back(actions(moments))
        assert taken_back <= bound, "seed #{seed}: #{taken_back} steps up were taken back"

        for {ms, stepped?} <- reactions(moments),
            do: assert(not stepped? or ms <= 200, "seed #{seed}: #{ms} ms")

        at = for %{ms: ms, actions: actions} <- moments, Enum.any?(actions, &up?/1), do: ms
        gaps = at |> Enum.chunk_every(2, 1, :discard) |> Enum.map(fn [a, b] -> b - a end)
        assert Enum.all?(gaps, &(&1 >= 10_000)), "seed #{seed}: #{inspect(gaps)}"
      end
    end
  end

  defp taken_back(actions) do
    actions |> Enum.chunk_every(2, 1, :discard) |> Enum.count(fn [a, b] -> up?(a) and not up?(b) end)
  end

  test "a recorded load: what a meter read of a busy system, again" do
    loads = "test/fixtures/governor/load.etf" |> File.read!() |> :erlang.binary_to_term()
    assert length(loads) > 200

    for recover <- [false, true] do
      control = Control.new(rung: {:level, :full}, recover: recover)

      {_, steps} =
        loads
        |> Enum.with_index(1)
        |> Enum.reduce({control, []}, fn {sample, i}, {control, steps} ->
          # It was recorded at :full: of what the present rung does not see nothing is there.
          {control, actions} = Control.step(control, seen(control, %{sample | at_ms: i * 50}))
          {control, steps ++ actions}
        end)

      assert length(steps) in 1..12
      assert taken_back(steps) <= :math.log2(1 + length(loads) / 200) + 2
    end
  end

  defp seen(control, sample) do
    share =
      Control.predicted(control, control.rung, sample) /
        max(Control.predicted(control, {:level, :full}, sample), 1)

    scale = fn n -> round(n * share) end
    counts = Map.new(sample.counts, fn {deed, n} -> {deed, if(deed == :schedule, do: n, else: scale.(n))} end)

    %{
      sample
      | counts: counts,
        callback_ns: scale.(sample.callback_ns),
        drain_ns: scale.(sample.drain_ns),
        processes: nil
    }
  end

  test "the plot in the documentation is what the simulation draws" do
    {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(BeamScope.Recorder.Governor)
    assert text =~ Sim.plot()
  end
end
