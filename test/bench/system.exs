# What `system: true` costs: microseconds a sample, and the work of recorded processes beside it.
#
#   MIX_ENV=test mix run test/bench/system.exs
#
# A sample is timed as the helper takes and writes it. The throughput is that of servers which are asked as fast as they answer, with and
# without it, in interleaved rounds; its ratio is a median.

defmodule SystemBench do
  def main do
    for n <- [0, 1, 50, 200, 1000], do: sample(n)
    observer()
    throughput()
  end

  defp sample(n) do
    pids = for _ <- 1..n//1, do: spawn(fn -> Process.sleep(:infinity) end)
    rec = start([self() | pids], every: 3_600_000)
    helper = :sys.get_state(rec.pid).vitals
    idle = median(for _ <- 1..200, do: time(fn -> :sys.get_state(helper) end))
    taken = median(for _ <- 1..200, do: time(fn -> tick(helper) end))
    {:message_queue_len, 0} = Process.info(helper, :message_queue_len)
    IO.puts("a sample of #{n} processes: #{round(taken - idle)} µs")
    BeamScope.close(rec)
    for pid <- pids, do: Process.exit(pid, :kill)
  end

  defp tick(helper) do
    send(helper, :tick)
    :sys.get_state(helper)
  end

  defp observer do
    views = for _ <- 1..20, do: time(fn -> BeamScope.Recorder.Vitals.Observer.view(:start) end)
    IO.puts("observer's view, #{length(:ets.all())} tables: #{round(median(views))} µs")
  end

  defp throughput do
    {:ok, agent} = Agent.start(fn -> 0 end)

    rounds =
      for _ <- 1..9 do
        [with_, without] =
          for options <- [[every: 1_000], false] do
            rec = start(agent, options)
            t = time(fn -> for _ <- 1..100_000, do: Agent.update(agent, &(&1 + 1)) end)
            BeamScope.close(rec)
            t
          end

        with_ / without
      end

    IO.puts("100,000 calls of a server, with / without: ×#{Float.round(median(rounds), 3)}")
  end

  defp start(targets, system) do
    {:ok, rec} =
      BeamScope.start(targets, system: system, level: :states, limits: [events: 10_000_000, ms: 600_000])

    rec
  end

  defp time(fun), do: fun |> :timer.tc() |> elem(0)
  defp median(list), do: list |> Enum.sort() |> Enum.at(div(length(list), 2))
end

SystemBench.main()
