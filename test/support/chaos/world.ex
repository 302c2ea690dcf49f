defmodule BeamScope.Test.Chaos.World do
  @moduledoc """
  The system that is recorded. Its processes stand in places of a table: whoever takes a place ends who stood there, and everybody finds
  others to send to, link with and monitor. An actor is a function that is called once; a kind is a body for a process.

  More actors go into `actors/0`, more kinds into `kinds/0`.
  """

  import Bitwise, only: [<<<: 2]

  alias BeamScope.Test.Chaos

  @places 120
  @names for n <- 1..20, do: :"chaos_name_#{n}"
  @tables [:chaos_table_1, :chaos_table_2]
  # Words: mailboxes of processes that do not read must not eat the machine.
  @max_heap 4_000_000
  @most_processes 500
  @queue 15
  @loaded :chaos_loaded

  @doc "Names that processes take from each other."
  def names, do: @names

  @doc "Tables that processes write."
  def tables, do: @tables

  @doc "The module that is loaded again and again."
  def loaded, do: @loaded

  @doc "What acts on the world, by name."
  def actors do
    [
      {"spawner 1", &spawner/1},
      {"spawner 2", &spawner/1},
      {"talker", &talker/1},
      {"loader", &loader/1},
      {"honest client", &honest/1},
      {"supervisor", &supervisor/1}
    ]
  end

  # How often each is chosen.
  defp kinds do
    [
      {30, &quick/1},
      {10, &server/1},
      {4, &statem/1},
      {3, &event/1},
      {6, &hibernator/1},
      {10, &knot/1},
      {2, &dirty/1},
      {2, &bulk/1},
      {6, &taker/1},
      {4, &writer/1},
      {4, &dictionary/1},
      {6, &coder/1},
      {3, &tower/1},
      {3, &suspender/1}
    ]
  end

  @doc "What there is for the whole run."
  def set_up(_dir) do
    :ets.new(:chaos_places, [:named_table, :public, write_concurrency: true])
    :ets.insert(:chaos_places, for(n <- 1..@places, do: {n, nil}))
    for table <- @tables, do: :ets.new(table, [:named_table, :public])
    for n <- 1..3, do: :persistent_term.put({__MODULE__, n}, version(n))
    load(1)
  end

  @doc "Ends all processes of the world."
  def end_all do
    :ets.insert(:chaos_places, for(n <- 1..@places, do: {n, nil}))
    for pid <- Process.list(), ours?(pid), do: Process.exit(pid, :kill)
    Enum.each(@tables, &:ets.delete_all_objects/1)
    Process.sleep(100)
    if Enum.any?(Process.list(), &ours?/1), do: end_all()
  end

  # Servers outlive who started them, and say what they are.
  @servers [BeamScope.Servers.Tally, BeamScope.Servers.Echo, __MODULE__.Door, __MODULE__.Sleeper, :gen_event]

  defp ours?(pid) do
    case Process.info(pid, :dictionary) do
      {:dictionary, words} -> words[:chaos] || server?(words[:"$initial_call"], words[:"$ancestors"])
      nil -> false
    end
  end

  defp server?({:gen_event, _, _}, [parent | _]) when is_pid(parent), do: true
  defp server?({module, _, _}, _ancestors), do: module in (@servers -- [:gen_event])
  defp server?(_, _), do: false

  @doc "Some process of the world."
  def anyone do
    case :ets.lookup(:chaos_places, :rand.uniform(@places)) do
      [{_, pid}] when is_pid(pid) -> pid
      _ -> self()
    end
  end

  @doc "Starts a process of some kind in some place."
  def settle do
    place = :rand.uniform(@places)
    seed = :rand.uniform(1_000_000_000)
    body = pick(kinds())

    options =
      Enum.random([[], [], [:link], [fullsweep_after: 0], [message_queue_data: :off_heap], [priority: :low]])

    pid =
      :erlang.spawn_opt(
        fn ->
          Process.put(:chaos, true)
          :rand.seed(:exsss, seed)
          Process.flag(:max_heap_size, %{size: @max_heap, kill: true, error_logger: false})
          body.(nil)
        end,
        if(Process.get(:chaos_actor), do: options -- [:link], else: options)
      )

    old = :ets.lookup_element(:chaos_places, place, 2)
    :ets.insert(:chaos_places, {place, pid})

    if is_pid(old),
      do: Process.exit(old, Enum.random([:kill, :kill, :shutdown, :normal, {:boom, Enum.to_list(1..50)}]))

    Chaos.count(:spawned)
    pid
  end

  defp pick(weighted) do
    total = weighted |> Enum.map(&elem(&1, 0)) |> Enum.sum()

    Enum.reduce_while(weighted, :rand.uniform(total), fn {weight, what}, left ->
      if left <= weight, do: {:halt, what}, else: {:cont, left - weight}
    end)
  end

  # Actors

  defp spawner(context) do
    Process.put(:chaos_actor, true)

    Chaos.until(context, 0, fn ->
      for _ <- 1..20, do: settle()
      # Saturated, and no more: behind a queue of hundreds nothing but the queue would be tested.
      breathe()
    end)
  end

  defp breathe do
    crowded? = :erlang.system_info(:process_count) > @most_processes

    if crowded? or :erlang.statistics(:total_run_queue_lengths) > @queue do
      if crowded? and :rand.uniform(50) == 1, do: make_room()
      Process.sleep(2)
      breathe()
    end
  end

  # Servers whose place was taken while they would not end, or that never had one, would in some minutes be all there is.
  defp make_room do
    standing = for {_, pid} <- :ets.tab2list(:chaos_places), is_pid(pid), into: MapSet.new(), do: pid
    honest = Process.whereis(:chaos_honest)

    for pid <- Process.list(),
        pid != honest,
        not MapSet.member?(standing, pid),
        ours?(pid),
        do: Process.exit(pid, :kill)
  end

  defp talker(context) do
    Chaos.until(context, 0, fn ->
      for _ <- 1..50,
          do:
            send(anyone(), Enum.random([:tick, {:add, 3}, {:"$gen_cast", {:grow, 10}}, {self(), make_ref()}]))

      send(anyone(), message())
      :erlang.garbage_collect(anyone(), type: Enum.random([:minor, :major]))
      Process.sleep(1)
    end)
  end

  defp loader(context) do
    Chaos.until(context, 30, fn ->
      load(:rand.uniform(3))
      Chaos.count(:loads)

      case :rand.uniform(6) do
        1 -> :code.purge(@loaded)
        2 -> :code.soft_purge(@loaded)
        3 -> :code.delete(@loaded)
        _ -> :ok
      end
    end)

    :code.purge(@loaded)
    load(1)
    :code.purge(@loaded)
  end

  # A tracee computes what it computes untraced.
  defp honest(context) do
    {:ok, server} = GenServer.start(BeamScope.Servers.Tally, [], name: :chaos_honest)
    :erlang.put(:expected, 0)

    Chaos.until(context, 0, fn ->
      {n, expected} = {:rand.uniform(10), Process.get(:expected)}
      # A cast comes before a call that was made after it.
      answer = GenServer.call(server, {:add, n}, 60_000)

      if answer != expected + n,
        do: Chaos.problem("the honest server said #{inspect(answer)}, not #{expected + n}")

      reset? = :rand.uniform(50) == 1
      if reset?, do: GenServer.cast(server, :reset)
      Process.put(:expected, if(reset?, do: 0, else: expected + n))
      if :rand.uniform(7) == 1, do: Process.sleep(1)
    end)

    GenServer.stop(server)
  end

  # A tree whose children crash and are restarted.
  defp supervisor(context) do
    Process.flag(:trap_exit, true)
    Process.put(:chaos_actor, true)

    Chaos.until(context, 50, fn ->
      {:ok, top} = BeamScope.Servers.start_supervisor(:chaos_top, :chaos_tally, :chaos_echo)

      for _ <- 1..40 do
        quietly(fn -> BeamScope.Servers.Tally.add(:chaos_tally, 1) end)
        quietly(fn -> GenServer.call(:chaos_echo, {:echo, message()}) end)
        quietly(fn -> GenServer.cast(:chaos_tally, Enum.random([:crash, :reset, {:grow, 1_000}])) end)
        Process.sleep(2)
      end

      Process.unlink(top)
      Process.exit(top, Enum.random([:kill, :shutdown]))
      await_end(top)
      for name <- [:chaos_tally, :chaos_echo], pid = Process.whereis(name), is_pid(pid), do: end_one(pid)
    end)
  end

  defp end_one(pid) do
    Process.exit(pid, :kill)
    await_end(pid)
  end

  defp await_end(pid) do
    monitor = Process.monitor(pid)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  defp quietly(fun) do
    fun.()
  catch
    _, _ -> :ok
  end

  # Kinds of processes

  defp quick(_) do
    for n <- 1..3, do: send(anyone(), {:quick, n, self()})
    _ = Enum.sum(1..200)
    if :rand.uniform(20) == 1, do: exit(Enum.random([:odd, {:shutdown, :done}, :kill]))
    if :rand.uniform(50) == 1, do: settle()
  end

  defp server(_) do
    name = if :rand.uniform(3) == 1, do: [name: Enum.random(@names)], else: []

    quietly(fn -> BeamScope.Servers.Tally.start_link(name) end)
    |> case do
      {:ok, pid} -> serve(pid, :rand.uniform(30))
      _ -> :ok
    end

    leave()
  end

  # Servers end with who started them, but for a few, which end when somebody takes their place.
  defp leave, do: if(:rand.uniform(10) > 1, do: exit(:shutdown))

  defp serve(_pid, 0), do: :ok

  defp serve(pid, n) do
    quietly(fn -> GenServer.call(pid, {:add, n}, 1_000) end)
    if rem(n, 10) == 0, do: GenServer.cast(pid, Enum.random([:crash, :reset, {:grow, 500}, {:grow, 20_000}]))
    receive do: (_ -> :ok), after: (:rand.uniform(3) -> :ok)
    serve(pid, n - 1)
  end

  defmodule Door do
    @moduledoc false
    @behaviour :gen_statem
    def callback_mode, do: [:handle_event_function, :state_enter]
    def init(n), do: {:ok, :shut, %{n: n}}
    def handle_event(:enter, _old, _state, _data), do: :keep_state_and_data
    def handle_event(:info, :tick, :shut, data), do: {:next_state, :open, data, [{:state_timeout, 5, :shut}]}
    def handle_event(:info, :tick, :open, _data), do: {:keep_state_and_data, [:postpone]}
    def handle_event(:state_timeout, :shut, :open, data), do: {:next_state, :shut, %{data | n: data.n + 1}}
    def handle_event({:call, from}, :get, _state, data), do: {:keep_state_and_data, [{:reply, from, data.n}]}
    def handle_event(_type, _content, _state, _data), do: :keep_state_and_data
  end

  defp statem(_) do
    {:ok, pid} = :gen_statem.start_link(Door, 0, [])
    put_anywhere(pid)
    for _ <- 1..10, do: quietly(fn -> :gen_statem.call(pid, :get, 1_000) end)
    Process.sleep(:rand.uniform(20))
    leave()
  end

  defp event(_) do
    {:ok, pid} = :gen_event.start_link()
    :gen_event.add_handler(pid, BeamScope.Test.Chaos.World.Ear, 0)
    for n <- 1..10, do: :gen_event.notify(pid, {:heard, n})
    quietly(fn -> :gen_event.sync_notify(pid, :crash) end)
    Process.sleep(:rand.uniform(20))
    leave()
  end

  defmodule Ear do
    @moduledoc false
    @behaviour :gen_event
    def init(n), do: {:ok, n}
    def handle_event(:crash, n), do: {:ok, div(n, 0)}
    def handle_event({:heard, by}, n), do: {:ok, n + by}
    def handle_call(_request, n), do: {:ok, n, n}
  end

  defmodule Sleeper do
    @moduledoc false
    use GenServer
    def init(n), do: {:ok, {n, List.duplicate(:snore, 100)}, :hibernate}
    def handle_call(:get, _from, {n, rest}), do: {:reply, n, {n + 1, rest}, :hibernate}
    def handle_info(_any, {n, rest}), do: {:noreply, {n + 1, [n | Enum.take(rest, 100)]}, :hibernate}
    def handle_cast(_any, state), do: {:noreply, state, :hibernate}
  end

  defp hibernator(_) do
    {:ok, pid} = GenServer.start_link(Sleeper, 0)
    put_anywhere(pid)
    for _ <- 1..5, do: quietly(fn -> GenServer.call(pid, :get, 1_000) end)
    receive do: (_ -> :ok), after: (20 -> :ok)
    if :rand.uniform(3) == 1, do: leave()
    :erlang.hibernate(__MODULE__, :wake, [])
  end

  @doc false
  def wake do
    receive do: (_ -> :ok), after: (50 -> :ok)
    exit(:shutdown)
  end

  # So that children of kinds are found by others too, and end with them.
  defp put_anywhere(pid), do: :ets.insert(:chaos_places, {:rand.uniform(@places), pid})

  defp knot(_) do
    Process.flag(:trap_exit, :rand.uniform(2) == 1)
    tie(:rand.uniform(40), [])
  end

  defp tie(0, _), do: :ok

  defp tie(n, monitors) do
    other = anyone()

    monitors = tie_one(:rand.uniform(6), other, monitors)
    receive do: (_ -> :ok), after: (:rand.uniform(4) -> :ok)
    tie(n - 1, monitors)
  end

  defp tie_one(1, other, monitors) do
    quietly(fn -> Process.link(other) end)
    monitors
  end

  defp tie_one(2, other, monitors) do
    Process.unlink(other)
    monitors
  end

  defp tie_one(3, other, monitors), do: [Process.monitor(other) | monitors]
  defp tie_one(4, _other, monitors), do: Enum.each(monitors, &Process.demonitor/1) |> then(fn :ok -> [] end)
  defp tie_one(5, _other, monitors), do: [Process.monitor(Enum.random(@names)) | monitors]

  defp tie_one(6, other, monitors) do
    send(other, {:knot, self(), monitors})
    monitors
  end

  # Dirty schedulers of both kinds, and a tracee that runs on them.
  defp dirty(_) do
    bytes = :rand.bytes(200_000)
    packed = :zlib.gzip(bytes)
    ^bytes = :zlib.gunzip(packed)
    path = Path.join(System.tmp_dir!(), "beam_scope_chaos_#{System.pid()}/dirty_#{:rand.uniform(8)}")
    _ = File.write(path, binary_part(packed, 0, min(1000, byte_size(packed))))
    _ = File.read(path)
    _ = BeamScope.diff(%{a: message()}, %{a: message()})
    send(anyone(), {:dirty, packed})
  end

  defp bulk(_) do
    for _ <- 1..3 do
      send(anyone(), message())
      send(self(), message())
    end

    receive do: (_ -> :ok)
    Process.sleep(5)
  end

  defp taker(_) do
    name = Enum.random(@names)

    for _ <- 1..10 do
      quietly(fn -> Process.unregister(name) end)
      quietly(fn -> Process.register(Enum.random([self(), anyone()]), name) end)
      quietly(fn -> send(name, {:named, name}) end)
      receive do: (_ -> :ok), after: (1 -> :ok)
    end
  end

  defp writer(_) do
    table = Enum.random(@tables)

    for n <- 1..20 do
      :ets.insert(table, {:rand.uniform(200), n, self()})
      :ets.delete(table, :rand.uniform(200))
    end

    own = :ets.new(:chaos_own, [:public])
    :ets.insert(own, {1, message()})
    other = anyone()
    if other != self(), do: quietly(fn -> :ets.give_away(own, other, :gift) end)
  end

  defp dictionary(_) do
    for n <- 1..20, do: Process.put({:word, rem(n, 5)}, List.duplicate(n, n))
    Process.delete({:word, 1})
    receive do: (_ -> :ok), after: (5 -> :ok)
  end

  defp coder(_) do
    for n <- 1..20, do: quietly(fn -> apply(@loaded, :f, [n]) end)
    # Lingers in code that may be old when it is purged, which kills it.
    quietly(fn -> apply(@loaded, :wait, [:rand.uniform(100)]) end)
    quietly(fn -> apply(@loaded, :loop, [200]) end)
  end

  # Deep on the stack when things happen, and an exception through all of it.
  defp tower(_), do: quietly(fn -> climb(5_000) end)

  defp climb(0), do: raise("from the top")
  defp climb(n), do: [n | climb(n - 1)]

  defp suspender(_) do
    other = anyone()

    if other != self() do
      quietly(fn ->
        true = :erlang.suspend_process(other, [:asynchronous])
        Process.sleep(2)
        :erlang.resume_process(other)
      end)
    end
  end

  # What is sent: small things, and now and then huge ones.
  defp message do
    case :rand.uniform(40) do
      1 -> Map.new(1..5_000, &{&1, {&1, "value #{&1}"}})
      2 -> Enum.reduce(1..20_000, [], fn _, deep -> [deep] end)
      3 -> :binary.copy(<<7>>, 1_000_000)
      4 -> binary_part(:binary.copy("sub", 50_000), 11, 100_000)
      5 -> fn x -> {x, self()} end
      6 -> %{password: "secret", pid: self(), ref: make_ref(), big: 1 <<< 4_000}
      7 -> <<1::size(3)>>
      8 -> Enum.to_list(1..50_000)
      n -> {:message, n, "text", 1.5}
    end
  end

  # A module in three versions

  defp load(n),
    do:
      {:module, @loaded} =
        :code.load_binary(@loaded, ~c"chaos", :persistent_term.get({__MODULE__, n})) |> loaded_or_old(n)

  # Old code is there: purge and try again.
  defp loaded_or_old({:module, _} = loaded, _n), do: loaded

  defp loaded_or_old({:error, _}, n) do
    :code.purge(@loaded)
    :code.load_binary(@loaded, ~c"chaos", :persistent_term.get({__MODULE__, n}))
  end

  defp version(n) do
    forms =
      for text <- [
            "-module(chaos_loaded).",
            "-export([f/1, wait/1, loop/1]).",
            "f(X) -> g({v#{n}, X}).",
            "g(X) -> {ok, X}.",
            "wait(Ms) -> receive stop -> stop after Ms -> {v#{n}, done} end.",
            "loop(0) -> ok; loop(N) -> g(N), chaos_loaded:loop(N - 1)."
          ] do
        {:ok, tokens, _} = text |> String.to_charlist() |> :erl_scan.string()
        {:ok, form} = :erl_parse.parse_form(tokens)
        form
      end

    {:ok, @loaded, binary} = :compile.forms(forms)
    binary
  end
end
