# What a flight recorder costs where nothing happens, and what a freeze of a full one costs tracees.
#
#     mix run test/bench/flight.exs [SECONDS]
#
# Idle: processor time of the whole operating system process, with a recorder of 300 idle servers and without, in turn.
# Freeze: tracees keep both schedulers busy until the recorder is full; one of them takes the time between two of its
# messages. Its longest pauses while nothing is frozen, while something is, and while what was frozen is saved.

defmodule Bench.Flight do
  defmodule Idle do
    use GenServer
    @impl true
    def init(state), do: {:ok, state}
  end

  defmodule Pulse do
    # Sends itself a message and takes the time until it has come, again and again.
    def start, do: spawn(fn -> loop(System.monotonic_time(), [], nil) end)

    defp loop(last, pauses, from) do
      send(self(), :tick)

      receive do
        :tick ->
          now = System.monotonic_time()
          loop(now, keep(pauses, now - last), from)

        {:pauses, from, ref} ->
          send(from, {ref, pauses})
          loop(System.monotonic_time(), [], from)
      end
    end

    # Only what is worth telling.
    defp keep(pauses, pause) when pause < 100_000, do: pauses
    defp keep(pauses, pause), do: [pause | pauses]

    def pauses(pid) do
      ref = make_ref()
      send(pid, {:pauses, self(), ref})
      receive do: ({^ref, pauses} -> Enum.sort(pauses, :desc))
    end
  end

  def run(seconds) do
    idle(seconds)
    freeze(seconds)
  end

  defp idle(seconds) do
    pids = for n <- 1..300, {:ok, pid} <- [GenServer.start(Idle, %{n: n})], do: pid
    Process.sleep(500)

    rounds =
      for _ <- 1..3 do
        without = processor_time(seconds)
        rec = BeamScope.start!(pids, mode: :ring, owner: :none)
        Process.sleep(1_500)
        with_one = processor_time(seconds)
        BeamScope.close(rec)

        rec = BeamScope.start!(pids, mode: :ring, level: :states, owner: :none)
        Process.sleep(1_500)
        with_level = processor_time(seconds)
        BeamScope.close(rec)

        directory = Path.join(System.tmp_dir!(), "beam_scope_bench_#{System.unique_integer([:positive])}")
        triggers = [:crash, {:mailbox, 1_000}, {:message, :never}]
        rec = BeamScope.start!(pids, mode: :ring, owner: :none, freeze_on: triggers, to: directory)
        Process.sleep(1_500)
        with_triggers = processor_time(seconds)
        BeamScope.close(rec)
        File.rm_rf!(directory)
        {without, with_one, with_level, with_triggers}
      end

    IO.puts(
      "idle, #{seconds} s a window, % of a core: without, recorder (level: :auto), at :states, :auto with three triggers"
    )

    for {a, b, c, d} <- rounds, do: IO.puts("  #{percent(a)}  #{percent(b)}  #{percent(c)}  #{percent(d)}")
  end

  defp processor_time(seconds) do
    before = ticks()
    Process.sleep(seconds * 1_000)
    (ticks() - before) / seconds
  end

  # In hundredths of a second: user and system time of all threads.
  defp ticks do
    [_, rest] = "/proc/self/stat" |> File.read!() |> String.split(") ", parts: 2)
    fields = String.split(rest)
    String.to_integer(Enum.at(fields, 11)) + String.to_integer(Enum.at(fields, 12))
  end

  defp percent(share), do: :erlang.float_to_binary(share / 1, decimals: 2) <> " %"

  defp freeze(seconds) do
    pulse = Pulse.start()
    pair = for _ <- 1..1, do: ping_pong()

    rec =
      BeamScope.start!([pulse | List.flatten(pair)],
        mode: :ring,
        level: :messages,
        owner: :none,
        keep: [ms: :infinity]
      )

    fill(rec)
    Pulse.pauses(pulse)

    calm = window(pulse, seconds, fn -> :ok end)
    path = Path.join(System.tmp_dir!(), "beam_scope_bench_#{System.unique_integer([:positive])}.beamscope")

    {frozen, took, freezing} = timed(pulse, fn -> BeamScope.freeze!(rec) end)
    {_, took_save, saving} = timed(pulse, fn -> BeamScope.save!(frozen, path) end)
    size = File.stat!(path).size
    File.rm!(path)
    info = BeamScope.info(rec)

    IO.puts(
      "freeze of #{div(info.bytes, 1_000_000)} MB, #{BeamScope.info(frozen).events.stored} events: #{took} ms; save: #{took_save} ms, #{div(size, 1_000_000)} MB"
    )

    IO.puts(
      "longest pauses of a tracee, ms: in #{seconds} s without a freeze #{longest(calm)}; freezing #{longest(freezing)}; saving #{longest(saving)}"
    )

    IO.puts("dropped by rings: #{info.events.dropped - info.events.evicted} of #{info.events.offered}")
    Enum.each([frozen, rec], &BeamScope.close/1)
  end

  defp window(pulse, seconds, fun) do
    fun.()
    Process.sleep(seconds * 1_000)
    Pulse.pauses(pulse)
  end

  defp timed(pulse, fun) do
    Pulse.pauses(pulse)
    {micros, answer} = :timer.tc(fun)
    {answer, div(micros, 1_000), Pulse.pauses(pulse)}
  end

  defp longest(pauses),
    do: pauses |> Enum.take(5) |> Enum.map_join(" ", &:erlang.float_to_binary(&1 / 1.0e6, decimals: 2))

  defp ping_pong do
    a = spawn(fn -> answer() end)
    b = spawn(fn -> ask(a) end)
    [a, b]
  end

  defp answer do
    receive do
      {:ping, from, n} ->
        send(from, {:pong, n})
        answer()
    end
  end

  defp ask(to, n \\ 0) do
    # What no compression shortens, so that the recorder fills in seconds.
    send(to, {:ping, self(), :rand.bytes(300)})
    receive do: ({:pong, _} -> ask(to, n + 1))
  end

  defp fill(rec) do
    if BeamScope.info(rec).events[:evicted] == 0 do
      Process.sleep(200)
      fill(rec)
    end
  end
end

Bench.Flight.run(String.to_integer(Enum.at(System.argv(), 0, "5")))
