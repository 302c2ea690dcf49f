# Two workers that hand each other work: WorkerA gives out parcels and counts what comes back, WorkerB packs them.

defmodule WorkerA do
  @moduledoc "Gives each parcel to `WorkerB` and counts the packed ones."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def give(parcel), do: GenServer.cast(__MODULE__, {:give, parcel})
  def report, do: GenServer.call(__MODULE__, :report)

  @impl true
  def init(nil), do: {:ok, %{count: 0, packed: []}}

  @impl true
  def handle_cast({:give, parcel}, state) do
    send(WorkerB, {:pack, self(), parcel})
    {:noreply, state}
  end

  @impl true
  def handle_info({:packed, parcel, weight}, state) do
    {:noreply, %{state | count: state.count + 1, packed: [{parcel, weight} | state.packed]}}
  end

  @impl true
  def handle_call(:report, _from, state), do: {:reply, state, state}
end

defmodule WorkerB do
  @moduledoc "Packs parcels and weighs them."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil), do: {:ok, %{weight: 0}}

  @impl true
  def handle_info({:pack, from, parcel}, state) do
    weight = byte_size(parcel)
    send(from, {:packed, parcel, weight})
    {:noreply, %{state | weight: state.weight + weight}}
  end
end

defmodule TwoWorkers do
  @moduledoc "The application: one supervisor with both workers."
  use Application

  @impl true
  def start(_type, _args) do
    Supervisor.start_link([WorkerB, WorkerA], strategy: :one_for_all, name: TwoWorkers.Supervisor)
  end

  @doc "What goes into an `.app` file."
  def spec do
    [
      description: ~c"Two workers",
      vsn: ~c"1.0.0",
      modules: [TwoWorkers, WorkerA, WorkerB],
      registered: [TwoWorkers.Supervisor, WorkerA, WorkerB],
      applications: [:kernel, :stdlib, :elixir],
      mod: {TwoWorkers, []}
    ]
  end
end
