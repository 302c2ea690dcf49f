# How soon a violation is reported while a recording runs at 100,000 events a second, what a poll of the watch costs as the
# recording grows, and what tracees notice of it. Run it on a quiet machine, after MIX_ENV=test mix compile:
#
#     elixir -pa _build/test/lib/beam_scope/ebin test/bench/expect_live.exs [rounds] [events a second]
#
# The aims are 100 ms from the event to the report, and a poll whose cost depends on what is new and on nothing else.
[rounds, rate] =
  case Enum.map(System.argv(), &String.to_integer/1) do
    [] -> [5, 100_000]
    [rounds] -> [rounds, 100_000]
    [rounds, rate] -> [rounds, rate]
  end

defmodule Till do
  use GenServer
  def start_link(_), do: GenServer.start_link(__MODULE__, 0)
  @impl true
  def init(count), do: {:ok, %{count: count, name: "a name that stays"}}
  @impl true
  def handle_call({:add, n}, _from, state), do: {:reply, state.count + n, %{state | count: state.count + n}}
end

defmodule Client do
  def run(tills, calls_a_ms), do: loop(List.to_tuple(tills), calls_a_ms, now(), 0, 0)

  # As many calls as are due, not too many at once; what is late is made up for.
  defp loop(tills, calls_a_ms, began, done, spent) do
    receive do
      {:violate, n} -> send(self(), {:violation, n, now()})
      {:violation, _, _} -> :ok
      {:stop, from} -> exit(send(from, {:stopped, div(spent, max(done, 1))}) && :normal)
    after
      0 -> :ok
    end

    case min(div((now() - began) * calls_a_ms, 1_000_000) - done, 1_000) do
      due when due > 0 ->
        before = now()
        for n <- 1..due, do: GenServer.call(elem(tills, rem(n, tuple_size(tills))), {:add, rem(n, 7)})
        loop(tills, calls_a_ms, began, done + due, spent + now() - before)

      _ ->
        Process.sleep(1)
        loop(tills, calls_a_ms, began, done, spent)
    end
  end

  def now, do: System.monotonic_time(:nanosecond)
end

defmodule Bench do
  @every_ms 97
  @violations 20

  # One expectation for each violation, beside ten that hold: thirty, as a module for a whole system may have. Of two one is
  # about what must not be, the other about an effect without a cause, where causes take time.
  def expectations do
    refutes =
      for n <- 1..@violations do
        if rem(n, 2) == 0 do
          quote do
            expect unquote("no #{n}"), do: refute_sent({:violation, unquote(n), _})
          end
        else
          quote do
            expect unquote("caused #{n}"),
              do: causality(handled({:allow, unquote(n)}, by: :till) ~> sent({:violation, unquote(n), _}))
          end
        end
      end

    holding =
      for n <- 1..2 do
        quote do
          expect unquote("a#{n}"), do: always(:till, %{count: c} when c >= 0 and c != unquote(-n))

          expect unquote("b#{n}"),
            do: transition(:till, %{count: a} ~> %{count: b} when b == a + by, on: {:add, by}, all: true)

          expect unquote("c#{n}"),
            do: leads_to(received({:add, by}, to: :till), sent(_, from: :till), within: unquote(500 * n))

          expect unquote("d#{n}"), do: refute_crash(:till)
          expect unquote("e#{n}"), do: never(:till, %{name: unquote("another #{n}")})
        end
      end

    body =
      quote do
        use BeamScope.Expectation
        role(:till, module: Till)
        unquote_splicing(refutes ++ holding)
      end

    Module.create(Expectations, body, Macro.Env.location(__ENV__))
  end

  def latencies(rounds, rate) do
    {events, latencies} = Enum.unzip(for _ <- 0..rounds, do: a_round(rate))
    # The first warms up.
    IO.puts("events a second   #{Enum.join(tl(events), ", ")}")
    [uncaused, unwanted] = latencies |> tl() |> Enum.zip_with(&Enum.concat/1)
    spread("event to report, of what must not be ", unwanted)
    spread("event to report, of what has no cause", uncaused)
  end

  defp a_round(rate) do
    {client, rec} = workload(rate)
    me = self()

    {:ok, _watch} =
      BeamScope.expect(rec, Expectations, on_violation: &send(me, {:reported, Client.now(), &1.report}))

    Process.sleep(300)
    before = BeamScope.info(rec)
    [uncaused, unwanted] = for kind <- [1, 2], do: for(n <- kind..@violations//2, do: latency(client, n))
    later = BeamScope.info(rec)
    finish(client, rec)
    if later.events.dropped > 0, do: IO.puts("dropped #{later.events.dropped}")
    events = later.events.offered - before.events.offered
    {round(events / (later.duration_ns - before.duration_ns) * 1.0e9), [uncaused, unwanted]}
  end

  defp latency(client, n) do
    send(client, {:violate, n})

    receive do
      {:reported, at, report} ->
        Process.sleep(@every_ms)
        at - sent(report)
    after
      5_000 -> raise "violation #{n} was not reported"
    end
  end

  defp sent(report), do: report.around.message |> elem(2)

  # What a monitor's poll costs, early and late in the recording, and how much was new.
  def polls(rate) do
    {client, rec} = workload(rate)
    {:ok, suite} = BeamScope.Expectation.Suite.load(Expectations, [])
    checks = for e <- suite.expectations, a <- e.assertions, do: BeamScope.Expectation.Judge.to_check(a)
    {:ok, monitor} = BeamScope.Expect.monitor(rec, checks)
    {:ok, _} = BeamScope.Expect.poll(monitor)
    polls = for _ <- 1..500, do: poll(rec, monitor)
    send(client, {:stop, self()})
    {:ok, rec} = BeamScope.stop(rec)
    check(rec)
    BeamScope.close(rec)
    fifth = div(length(polls), 5)
    told("polls, first fifth", Enum.take(polls, fifth))
    told("polls, last fifth ", Enum.take(polls, -fifth))
  end

  # The same expectations after the fact.
  defp check(rec) do
    [first | more] =
      for _ <- 1..5 do
        began = Client.now()
        BeamScope.check(rec, Expectations)
        Client.now() - began
      end

    events = BeamScope.info(rec).events.stored
    IO.puts("check of #{events} events: #{ms(first)}, then #{ms(median(Enum.sort(more)))}")
  end

  defp poll(rec, monitor) do
    Process.sleep(20)
    began = Client.now()
    {:ok, _} = BeamScope.Expect.poll(monitor, :stored)
    {Client.now() - began, BeamScope.info(rec).events.stored}
  end

  defp told(what, polls) do
    {_, first} = hd(polls)
    {_, last} = List.last(polls)
    times = polls |> Enum.map(&elem(&1, 0)) |> Enum.sort()
    each = Enum.sum(times) / max(last - first, 1)

    IO.puts(
      "#{what}  after #{first} events: #{ms(median(times))} each, at most #{ms(List.last(times))}; #{round(each)} ns a new event"
    )
  end

  # What a call costs its client, without and with a watch: at the given rate, and as fast as can be, which takes both cores of a
  # machine that has two.
  def tracees(rate) do
    for {how, rate} <- [{"at #{rate} events a second", rate}, {"as fast as can be", 100_000_000}] do
      for _ <- 0..4, {what, watch?} <- [{"recorded", false}, {"and watched", true}] do
        {client, rec} = workload(rate)
        if watch?, do: {:ok, _} = BeamScope.expect(rec, Expectations)
        Process.sleep(1_000)
        {what, finish(client, rec)}
      end
      |> Enum.drop(2)
      |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
      |> Enum.sort(:desc)
      |> Enum.each(fn {what, times} -> IO.puts("a call #{how}, #{what}: #{median(Enum.sort(times))} ns") end)
    end
  end

  # Ten servers and a client: each call is six events: four of its messages, two of its state.
  defp workload(rate) do
    tills = for _ <- 1..10, do: elem(Till.start_link(0), 1)
    client = spawn_link(Client, :run, [tills, max(div(rate, 6_000), 1)])
    limits = [events: 100_000_000, bytes: 2_000_000_000, ms: 600_000]
    {client, BeamScope.start!([client | tills], level: :full, limits: limits)}
  end

  defp finish(client, rec) do
    send(client, {:stop, self()})

    receive do
      {:stopped, ns} ->
        BeamScope.close(rec)
        ns
    end
  end

  defp spread(what, times) do
    times = Enum.sort(times)
    worst = Enum.at(times, floor(length(times) * 0.95))

    IO.puts(
      "#{what}   median #{ms(median(times))}, 95 % #{ms(worst)}, at most #{ms(List.last(times))}, of #{length(times)}"
    )
  end

  defp median(sorted), do: Enum.at(sorted, div(length(sorted), 2))
  defp ms(ns), do: "#{Float.round(ns / 1.0e6, 2)} ms"
end

Bench.expectations()
Bench.latencies(rounds, rate)
Bench.polls(rate)
Bench.tracees(rate)
