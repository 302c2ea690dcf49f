# What is measured. A workload is started afresh for every measurement and tells its tracees; `run` then does a number
# of operations and answers the time they took. Tracees and their clients are bound to schedulers, so that the figures
# tell what tracing costs and not how the scheduler balances. Nothing here can be answered from memory of an earlier
# event: states change on every call, replies differ, payloads vary (except in ping_pong, which is the constant one).

defmodule BeamScopeBench.Small do
  @moduledoc "The one small function that `call` calls."
  def step(n), do: n * 3 + 1
end

defmodule BeamScopeBench.Server do
  @moduledoc "A server with a state of a given size, of which each call changes a part."
  use GenServer

  def start(size, opts \\ []), do: GenServer.start(__MODULE__, size, opts)

  @impl true
  def init(size), do: {:ok, %{n: 0, last: nil, size: entries(size), items: items(size)}}

  @impl true
  def handle_call({:step, i, payload}, _from, state) do
    n = state.n + 1
    items = if state.size == 0, do: state.items, else: %{state.items | rem(i, state.size) => {i, payload}}
    {:reply, {:ok, n, i}, %{state | n: n, last: payload, items: items}}
  end

  # About 100 B an entry, so that 10 KB are 100 keys and 1 MB are 10,000.
  defp entries(bytes) when bytes < 1_000, do: 0
  defp entries(bytes), do: div(bytes, 100)

  defp items(bytes),
    do: for(k <- 0..(entries(bytes) - 1)//1, into: %{}, do: {k, {k, :crypto.strong_rand_bytes(48)}})
end

defmodule BeamScopeBench.Workloads do
  @moduledoc "The workloads of the bench, by name."

  alias BeamScopeBench.{Server, Small, States}

  # A new server after so many calls, in the variant that runs fresh processes.
  @fresh_after 500

  @enforce_keys [:name, :start, :run, :stop]
  # `heavy`: no more operations than this under tools that copy every term into a mailbox. `modes`: what is measured by default.
  defstruct [
    :name,
    :start,
    :run,
    :stop,
    calls: [],
    heavy: 50_000,
    modes: ~w(untraced floor crashes states messages full pid_drop dbg_ets dbg_port)
  ]

  @doc "All workloads but the flood."
  def all do
    [
      %__MODULE__{
        name: "call",
        start: fn -> loop(&calls/1, 1) end,
        run: &ask/2,
        stop: &kill/1,
        calls: [{Small, :step, 1}]
      },
      %__MODULE__{name: "ping_pong", start: fn -> pair(1, 1, :constant) end, run: &ask/2, stop: &kill/1},
      %__MODULE__{name: "ping_pong_2", start: fn -> pair(1, 2, :varying) end, run: &ask/2, stop: &kill/1},
      %__MODULE__{name: "genserver_100b", start: fn -> server(100) end, run: &ask/2, stop: &kill/1},
      %__MODULE__{
        name: "genserver_10kb",
        start: fn -> fresh_servers(10_000) end,
        run: &ask/2,
        stop: &kill/1,
        heavy: 4_000
      },
      %__MODULE__{
        name: "genserver_1mb",
        start: fn -> server(1_000_000) end,
        run: &ask/2,
        stop: &kill/1,
        heavy: 40
      }
    ] ++ states()
  end

  # Whole states: what is compared is how they are recorded.
  defp states do
    for {name, make, change} <- States.all() do
      %__MODULE__{
        name: name,
        start: fn -> state_server(make.(), change) end,
        run: &ask/2,
        stop: &kill/1,
        heavy: 40,
        modes: ~w(untraced floor whole bounded)
      }
    end
  end

  defp state_server(state, change) do
    {:ok, server} = States.Server.start(state, change, spawn_opt: [scheduler: 1])
    client = driver(fn n, i -> state_steps(server, n, i) end, 1, 0)
    %{driver: client, tracees: [server], all: [client, server]}
  end

  defp state_steps(_server, 0, i), do: i

  defp state_steps(server, n, i) do
    ^i = GenServer.call(server, {:step, i}, :infinity)
    state_steps(server, n - 1, i + 1)
  end

  # A context is %{driver: pid, tracees: [pid], all: [pid]}; the driver does n operations and answers how long it took.

  defp ask(%{driver: driver}, n) do
    ref = make_ref()
    send(driver, {:run, self(), ref, n})

    receive do
      {^ref, ns} -> ns
    after
      300_000 -> raise "a workload does not answer"
    end
  end

  defp kill(%{all: pids}), do: Enum.each(pids, &end_of/1)

  defp end_of(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  defp driver(work, scheduler, state) do
    :erlang.spawn_opt(fn -> drive(work, state) end, scheduler: scheduler)
  end

  defp drive(work, state) do
    receive do
      {:run, from, ref, n} ->
        began = System.monotonic_time()
        state = work.(n, state)
        ended = System.monotonic_time()
        send(from, {ref, System.convert_time_unit(ended - began, :native, :nanosecond)})
        drive(work, state)
    end
  end

  # call: the caller itself is the tracee

  defp loop(work, scheduler) do
    driver = driver(fn n, _ -> work.(n) end, scheduler, nil)
    %{driver: driver, tracees: [driver], all: [driver]}
  end

  defp calls(n), do: calls(n, 1)
  defp calls(0, x), do: x
  defp calls(n, x), do: calls(n - 1, rem(Small.step(x + n), 1_000))

  # ping_pong: both ends are tracees

  defp pair(a, b, payload) do
    schedulers = :erlang.system_info(:schedulers_online)
    pong = :erlang.spawn_opt(&pong/0, scheduler: min(b, schedulers))
    ping = driver(fn n, i -> ping(payload, pong, n, i) end, a, 0)
    %{driver: ping, tracees: [ping, pong], all: [ping, pong]}
  end

  defp ping(_payload, _pong, 0, i), do: i

  defp ping(payload, pong, n, i) do
    send(pong, ping_message(payload, i))

    receive do
      {:pong, _} -> ping(payload, pong, n - 1, i + 1)
    end
  end

  defp ping_message(:constant, _i), do: {:ping, self()}
  defp ping_message(:varying, i), do: {:ping, self(), i, payload(i)}

  defp pong do
    receive do
      {:ping, from} -> send(from, {:pong, :ok})
      {:ping, from, i, payload} -> send(from, {:pong, {i, byte_size(payload)}})
    end

    pong()
  end

  # genserver: the server is the tracee

  defp server(size) do
    {:ok, server} = Server.start(size, spawn_opt: [scheduler: 1])
    client = driver(fn n, i -> steps(server, n, i) end, 1, 0)
    %{driver: client, tracees: [server], all: [client, server]}
  end

  defp steps(_server, 0, i), do: i

  defp steps(server, n, i) do
    {:ok, _, ^i} = GenServer.call(server, {:step, i, payload(i)}, :infinity)
    steps(server, n - 1, i + 1)
  end

  # Here the tracee is a process that starts servers: each of them lives for 500 calls.
  defp fresh_servers(size) do
    maker = :erlang.spawn_opt(fn -> make(size) end, scheduler: 1)
    client = driver(fn n, i -> fresh_steps(maker, n, i) end, 1, 0)
    %{driver: client, tracees: [maker], all: [client, maker]}
  end

  defp make(size) do
    receive do
      {:make, from} ->
        {:ok, server} = Server.start(size, spawn_opt: [scheduler: 1])
        send(from, {:made, server})
        make(size)
    end
  end

  defp fresh_steps(_maker, 0, i), do: i

  defp fresh_steps(maker, n, i) do
    send(maker, {:make, self()})

    server =
      receive do
        {:made, server} -> server
      end

    lives = min(n, @fresh_after)
    i = steps(server, lives, i)
    GenServer.stop(server)
    fresh_steps(maker, n - lives, i)
  end

  # 24 bytes that differ from call to call.
  defp payload(i), do: <<i::64, i * 0x9E3779B97F4A7C15::64, i * 31::64>>

  @doc """
  The flood: on every scheduler a pair of processes at full speed, one sending bursts that the other acknowledges.
  Answers the messages sent and the time it took; `watch` is asked every 50 ms whether to go on.
  """
  def flood(context, ms, watch) do
    for {sender, _} <- context.pairs, do: send(sender, {:go, self()})
    began = System.monotonic_time(:nanosecond)
    wait_until(began + ms * 1_000_000, watch)
    for {sender, _} <- context.pairs, do: send(sender, :halt)

    sent =
      for {sender, _} <- context.pairs, reduce: 0 do
        sum ->
          receive do
            {:sent, ^sender, n} -> sum + n
          after
            120_000 -> raise "a flooding process does not answer"
          end
      end

    {sent, System.monotonic_time(:nanosecond) - began}
  end

  def start_flood do
    pairs =
      for scheduler <- 1..:erlang.system_info(:schedulers_online) do
        receiver = :erlang.spawn_opt(&drain/0, scheduler: scheduler)
        sender = :erlang.spawn_opt(fn -> wait(receiver) end, scheduler: scheduler)
        {sender, receiver}
      end

    pids = Enum.flat_map(pairs, &Tuple.to_list/1)
    %{pairs: pairs, tracees: pids, all: pids}
  end

  def stop_flood(context), do: kill(context)

  defp wait_until(deadline, watch) do
    if System.monotonic_time(:nanosecond) < deadline and watch.() do
      Process.sleep(50)
      wait_until(deadline, watch)
    end
  end

  defp wait(receiver) do
    receive do
      {:go, from} -> burst(receiver, from, 0)
    end
  end

  defp burst(receiver, from, i) do
    for k <- 1..100, do: send(receiver, {:item, i + k, payload(i + k)})
    send(receiver, {:flush, self()})

    receive do
      :flushed -> :ok
    end

    receive do
      :halt -> send(from, {:sent, self(), i + 100})
    after
      0 -> burst(receiver, from, i + 100)
    end
  end

  defp drain do
    receive do
      {:item, _, _} -> :ok
      {:flush, from} -> send(from, :flushed)
    end

    drain()
  end
end
