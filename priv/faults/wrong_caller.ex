# A broker takes questions and passes them to a backend, which answers them in any order. Each answer carries the number of its
# question. In the faulty variant it goes to whoever has waited longest.

defmodule WrongCaller.Backend do
  @moduledoc "Looks things up; tells the broker when it is told to."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def fetch(id, key), do: GenServer.cast(__MODULE__, {:fetch, id, key})

  @impl true
  def init(nil), do: {:ok, %{red: 10, green: 20, blue: 30}}

  @impl true
  def handle_cast({:fetch, id, key}, table) do
    broker = WrongCaller.Broker
    # Each look-up takes its own time.
    spawn_link(fn ->
      BeamScopeFaults.Stage.hold({:fetching, key})
      send(broker, {:fetched, id, key, Map.fetch!(table, key)})
    end)

    {:noreply, table}
  end
end

defmodule WrongCaller.Broker do
  @moduledoc "Knows who waits for which answer."
  use GenServer
  alias WrongCaller.Backend

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def look_up(key), do: GenServer.call(__MODULE__, {:look_up, key}, :infinity)

  @impl true
  def init(nil), do: {:ok, %{waiting: [], next: 1}}

  @impl true
  def handle_call({:look_up, key}, from, %{next: id} = state) do
    Backend.fetch(id, key)
    {:noreply, %{state | waiting: state.waiting ++ [{id, from}], next: id + 1}}
  end

  @impl true
  def handle_info({:fetched, id, key, value}, state) do
    at = variant(healthy: Enum.find_index(state.waiting, &match?({^id, _}, &1)), faulty: id - id)
    {{_, from}, waiting} = List.pop_at(state.waiting, at)

    GenServer.reply(from, {:found, key, value})
    {:noreply, %{state | waiting: waiting}}
  end
end

defmodule WrongCaller.Expectations do
  @moduledoc "What a broker should do."
  use BeamScope.Expectation

  role :broker, WrongCaller.Broker
  role :backend, WrongCaller.Backend

  expect "an answer goes to who asked for it" do
    causality sent({:look_up, key}, from: who, to: :broker) ~> sent({:found, key, _}, from: :broker, to: who)
  end

  expect "who asks gets an answer" do
    leads_to sent({:look_up, key}, from: who, to: :broker), sent({:found, key, _}, from: :broker, to: who)
  end

  expect "each question is passed on once" do
    causality sent({:look_up, key}, to: :broker) ~> sent({:fetch, _, key}, from: :broker, to: :backend),
      strict: true
  end

  expect "what was found is what is told" do
    causality sent({:fetched, _, key, value}, to: :broker) ~> sent({:found, key, value}, from: :broker),
      strict: true
  end

  expect "nobody is left waiting" do
    state :broker, %{waiting: []}
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule WrongCaller do
  @moduledoc "The second question is answered first."
  import BeamScopeFaults.Stage
  alias WrongCaller.{Backend, Broker, Expectations}

  def fault do
    %{
      title: "reply to the wrong caller",
      expectations: Expectations,
      breaks: "an answer goes to who asked for it",
      at: &match?(%BeamScope.Event{kind: :send, content: {:found, :green, 20}, to_name: :ann}, &1),
      says: ["WrongCaller.Broker", "{:found, :green, 20}", "ann"]
    }
  end

  def run do
    start([Backend, Broker])
    client(:ann, fn -> Broker.look_up(:red) end)
    red = held({:fetching, :red})
    client(:bob, fn -> Broker.look_up(:green) end)
    pass({:fetching, :green})
    rest()
    go(red, {:fetching, :red})
    result(:ann)
    result(:bob)
  end
end
