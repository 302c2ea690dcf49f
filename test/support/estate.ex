defmodule BeamScope.Test.Estate do
  @moduledoc """
  A supervised tree of many named servers under a load whose every answer is known in advance: a supervisor, supervisors
  under it, and servers under those. Servers crash and are restarted throughout.
  """

  defmodule Cell do
    @moduledoc false
    use GenServer

    def start_link(name), do: GenServer.start_link(__MODULE__, name, name: name)

    @impl true
    def init(name), do: {:ok, %{name: name, count: 0, sum: :erlang.phash2(name), last: nil}}

    @impl true
    def handle_call({:add, n}, _from, state) do
      state = add(state, n)
      {:reply, {state.count, state.sum}, state}
    end

    @impl true
    def handle_cast({:add, n}, state), do: {:noreply, add(state, n)}
    def handle_cast({:crash, n}, _state), do: raise("crash #{n}")

    defp add(state, n), do: %{state | count: state.count + 1, sum: :erlang.phash2({state.sum, n}), last: n}
  end

  use Supervisor

  @branches 10

  @doc "Starts the tree with `servers` servers."
  def start_link(servers), do: Supervisor.start_link(__MODULE__, servers, name: __MODULE__)

  @doc "The servers' names."
  def names(servers), do: for(n <- 0..(servers - 1), do: :"estate_cell_#{n}")

  @impl true
  def init(servers) do
    branches =
      for {names, n} <- servers |> names() |> Enum.chunk_every(div(servers, @branches)) |> Enum.with_index() do
        children = for name <- names, do: Supervisor.child_spec({Cell, name}, id: name)
        # Crashes are the purpose here: no supervisor gives up over them.
        options = [strategy: :one_for_one, max_restarts: 1_000_000, name: :"estate_branch_#{n}"]
        %{id: n, start: {Supervisor, :start_link, [children, options]}, type: :supervisor}
      end

    Supervisor.init(branches, strategy: :one_for_one)
  end

  @doc """
  Does `operations` operations from `clients` processes and answers what each server said: its name, a hash over all
  its answers in order, how many operations it got and how often it crashed. With `rate:` it does that many a second.
  """
  def load(servers, operations, opts \\ []) do
    clients = Keyword.get(opts, :clients, 10)
    began = System.monotonic_time(:microsecond)

    names(servers)
    |> Enum.chunk_every(div(servers, clients))
    |> Enum.map(
      &Task.async(fn -> client(&1, div(operations, clients), pace(opts[:rate], clients, began)) end)
    )
    |> Task.await_many(:infinity)
    |> List.flatten()
    |> Enum.sort()
  end

  defp pace(nil, _clients, _began), do: nil
  defp pace(rate, clients, began), do: {rate / clients, began}

  defp client(names, operations, pace) do
    servers = Map.new(names, &{&1, {&1, 0, 0, 0}})
    names = List.to_tuple(names)

    0..(operations - 1)
    |> Enum.reduce(servers, fn i, servers ->
      keep_pace(pace, i)
      Map.update!(servers, elem(names, rem(i, tuple_size(names))), &operation(&1, i))
    end)
    |> Map.values()
  end

  # Every 20 operations is often enough to look at the clock.
  defp keep_pace({rate, began}, i) when rem(i, 20) == 0 do
    ahead = i / rate * 1_000 - (System.monotonic_time(:microsecond) - began) / 1_000
    if ahead >= 1, do: Process.sleep(trunc(ahead))
  end

  defp keep_pace(_pace, _i), do: :ok

  # One in 1,009 crashes the server; of the others half are casts, whose effect the next call's answer shows.
  defp operation({name, hash, count, crashes}, i) when rem(i, 1_009) == 1_008 do
    old = Process.whereis(name)
    monitor = Process.monitor(old)
    GenServer.cast(name, {:crash, i})

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end

    await_restart(name, old)
    {name, hash, count + 1, crashes + 1}
  end

  defp operation({name, hash, count, crashes}, i) when rem(div(i, 20), 2) == 0 do
    GenServer.cast(name, {:add, i})
    {name, hash, count + 1, crashes}
  end

  defp operation({name, hash, count, crashes}, i) do
    answer = GenServer.call(name, {:add, i}, 30_000)
    {name, :erlang.phash2({hash, answer}), count + 1, crashes}
  end

  defp await_restart(name, old) do
    case Process.whereis(name) do
      pid when is_pid(pid) and pid != old -> :ok
      _ -> Process.sleep(1) && await_restart(name, old)
    end
  end
end
