# How much memory the history of large states takes, and whether all of it is there.
#
#     MIX_ENV=test mix run test/bench/storage.exs               # all of it, about three minutes
#     MIX_ENV=test mix run test/bench/storage.exs map           # 1 MB, changed 10,000 times, in 32 MB
#     MIX_ENV=test mix run test/bench/storage.exs queues [S]    # servers with queues of thousands, S seconds (30) in 256 MB
#     MIX_ENV=test mix run test/bench/storage.exs page [S]      # a page with 50,000 structs, S seconds (60) in 256 MB
#     MIX_ENV=test mix run test/bench/storage.exs rebuilt [S]   # one that makes all of them anew at each event
#
# Of `page` sixty moments are visited backwards; each state must be what the events up to there make of the first one.

Code.require_file("../../priv/bench/states.ex", __DIR__)

defmodule StorageBench do
  alias BeamScopeBench.States.{Item, Server}

  @mb 1_000_000

  def map do
    begin = for(k <- 0..9_999, into: %{}, do: {k, {k, :crypto.strong_rand_bytes(48)}})
    {:ok, pid} = Server.start(begin, &%{&1 | rem(&2, 10_000) => {&2, <<&2::64, &2::64>>}}, [])
    rec = start([pid], bytes: 32 * @mb, budget: 65_536)
    for i <- 1..10_000, do: GenServer.call(pid, {:step, i})
    told(BeamScope.stop!(rec), pid, "1 MB, changed 10,000 times, cap 32 MB")
  end

  # Eight servers of a system that hands things on: each takes from its queue and puts into it.
  def queues(seconds) do
    queue = :queue.from_list(for i <- 1..4_000, do: {:job, i, "payload of job #{i}"})
    step = fn queue, i -> queue |> :queue.drop() |> then(&:queue.in({:job, i, "payload of job #{i}"}, &1)) end

    pids = for _ <- 1..8, do: {queue, %{done: 0}} |> Server.start(&turn(&1, &2, step), []) |> elem(1)

    rec = start(pids, bytes: 256 * @mb, budget: 4_096, ms: (seconds + 60) * 1_000)
    calls = load(pids, seconds * 1_000, 150_000)

    told(
      BeamScope.stop!(rec),
      hd(pids),
      "8 servers with queues of 4,000, #{seconds} s, #{calls} calls, cap 256 MB"
    )
  end

  defp turn({queue, seen}, i, step), do: {step.(queue, i), %{seen | done: i}}

  def page(seconds) do
    {:ok, pid} = Server.start(socket(), &event/2, [])
    rec = start([pid], bytes: 256 * @mb, budget: 65_536, ms: (seconds + 60) * 1_000)
    calls = load([pid], seconds * 1_000, 2_000)
    rec = BeamScope.stop!(rec)
    told(rec, pid, "a page with 50,000 structs, #{seconds} s, #{calls} events, cap 256 MB")
    walk_back(rec, pid, calls)
  end

  def rebuilt(seconds) do
    {:ok, pid} = Server.start(socket(), &reprice/2, [])
    rec = start([pid], bytes: 256 * @mb, budget: 65_536, ms: (seconds + 60) * 1_000)
    calls = load([pid], seconds * 1_000, 50)

    told(
      BeamScope.stop!(rec),
      pid,
      "50,000 structs made anew each time, #{seconds} s, #{calls} events, cap 256 MB"
    )
  end

  defp start(pids, opts) do
    limits = [events: 100_000_000, bytes: opts[:bytes], ms: opts[:ms] || 600_000]
    BeamScope.start!(pids, level: :states, budget: [bytes: opts[:budget]], limits: limits)
  end

  # So many calls a second at most, evenly, by one client for each server.
  defp load(pids, ms, rate) do
    each = rate / length(pids) / 1_000
    stop = now() + ms
    clients = for pid <- pids, do: Task.async(fn -> client(pid, 1, each, now(), stop) end)
    clients |> Task.await_many(:infinity) |> Enum.sum()
  end

  defp client(pid, i, each, begun, stop) do
    now = now()

    cond do
      now >= stop -> i - 1
      i > (now - begun) * each -> Process.sleep(1) && client(pid, i, each, begun, stop)
      true -> client(pid, call(pid, i), each, begun, stop)
    end
  end

  defp call(pid, i), do: GenServer.call(pid, {:step, i}, :infinity) && i + 1

  defp now, do: System.monotonic_time(:millisecond)

  defp told(rec, pid, title) do
    {us, end_state} = :timer.tc(fn -> BeamScope.state_at!(rec, pid, :end) end)
    info = BeamScope.info(rec)
    %{stored: stored, dropped: dropped, truncated: truncated} = info.events
    now = :sys.get_state(pid)

    IO.puts("""
    #{title}
      events #{stored} in #{Float.round(info.duration_ns / 1.0e9, 1)} s, #{dropped} dropped, #{truncated} with a cut state; stopped by #{info.stop_reason}
      held when read: #{Float.round(info.bytes / @mb, 1)} MB, #{Float.round(info.bytes / stored, 1)} B an event; the last state asked in #{div(us, 1000)} ms
      the last state is #{if end_state == now, do: "what the process has", else: "NOT what the process has: " <> inspect(end_state, limit: 3, printable_limit: 60)}
    """)
  end

  # Backwards over so many moments: the state at each, which must be what the events up to there make of the first one, and the
  # message that came next with what it changed.
  @visits 60

  defp walk_back(rec, pid, calls) do
    ms = div(BeamScope.info(rec).duration_ns, 1_000_000)
    first = socket()
    state = Enum.reduce(1..calls, first, &event(&2, &1))
    seen = %{whole: 0, cut: 0, wrong: 0, us: 0, diffs: 0}

    {_, seen} =
      Enum.reduce(@visits..1//-1, {{state, calls}, seen}, &visit(rec, pid, div(&1 * ms, @visits), first, &2))

    IO.puts("""
      walked back over #{@visits} moments, #{Float.round(seen.us / 1000 / @visits, 1)} ms each with the next message and its diff: \
    #{seen.whole} states whole and right, #{seen.cut} cut, #{seen.wrong} wrong, #{seen.diffs} diffs
    """)
  end

  defp visit(rec, pid, ms, first, {at, seen}) do
    {us, {found, next}} =
      :timer.tc(fn ->
        {:ok, found} = BeamScope.state_at(rec, pid, {:ms, ms})
        {found, BeamScope.history(rec, pid, since: {:ms, ms}, limit: 1).transitions}
      end)

    {expected, n} = undo(at, found.assigns.count, first)
    whole? = is_map(found.assigns.items) and not is_struct(found.assigns.items)

    verdict =
      cond do
        found == expected -> :whole
        whole? and map_size(found.assigns.items) == 50_000 -> :wrong
        true -> :cut
      end

    # At the very end there is none.
    right? = next == [] or match?([%{content: {:step, m}, diff: %{}}] when m in n..(n + 1)//1, next)
    seen = seen |> Map.update!(verdict, &(&1 + 1)) |> Map.update!(:us, &(&1 + us))
    {{expected, n}, Map.update!(seen, :diffs, &(&1 + if(right?, do: 1, else: 0)))}
  end

  defp undo({state, n}, n, _first), do: {state, n}
  defp undo({_state, _n}, 0, first), do: {first, 0}

  defp undo({state, n}, to, first) when n > to do
    give_back = &Map.update!(&2, &1, fn item -> %{item | stock: item.stock + 1} end)
    items = Enum.reduce(bought(n), state.assigns.items, give_back)
    undo({%{state | assigns: %{state.assigns | items: items, count: n - 1}}, n - 1}, to, first)
  end

  # What a page keeps: assigns, among them a table of things of which some change with each event.
  def socket do
    items = for id <- 0..49_999, into: %{}, do: {id, item(id)}

    assigns = %{
      __changed__: %{},
      flash: %{},
      live_action: :index,
      page_title: "Things",
      count: 0,
      items: items
    }

    %{id: "phx-F0x1aBcD", assigns: assigns, private: %{lifecycle: %{mount: [], handle_event: []}}}
  end

  defp item(id),
    do: %Item{id: id, name: "item number #{id}", price: id * 7, stock: 100, tags: [:new]}

  def event(socket, i) do
    buy = &Map.update!(&2, &1, fn item -> %{item | stock: item.stock - 1} end)
    items = Enum.reduce(bought(i), socket.assigns.items, buy)
    %{socket | assigns: %{socket.assigns | count: i, items: items, __changed__: %{items: true, count: true}}}
  end

  defp bought(i), do: for(n <- 0..2, do: rem(i * 7_919 + n * 101, 50_000))

  def reprice(socket, i) do
    items = Map.new(socket.assigns.items, fn {id, item} -> {id, %{item | price: item.price + i}} end)
    %{socket | assigns: %{socket.assigns | count: i, items: items}}
  end
end

case System.argv() do
  [] ->
    for run <- [
          fn -> StorageBench.map() end,
          fn -> StorageBench.queues(30) end,
          fn -> StorageBench.page(60) end,
          fn -> StorageBench.rebuilt(20) end
        ],
        do: run.()

  ["map"] ->
    StorageBench.map()

  ["queues" | rest] ->
    StorageBench.queues(rest |> List.first("30") |> String.to_integer())

  ["page" | rest] ->
    StorageBench.page(rest |> List.first("60") |> String.to_integer())

  ["rebuilt" | rest] ->
    StorageBench.rebuilt(rest |> List.first("20") |> String.to_integer())
end
