# A desk sends parcels and hears from the courier what came of each. In the faulty variant the clause for those that come back is
# gone, and the one for whatever nobody knows takes them.

defmodule CatchAll.Courier do
  @moduledoc "Delivers what is light enough."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def deliver(id, weight), do: GenServer.cast(__MODULE__, {:deliver, id, weight, self()})

  @impl true
  def init(nil), do: {:ok, nil}

  @impl true
  def handle_cast({:deliver, id, weight, desk}, nil) do
    outcome = if weight > 30, do: {:returned, id, :too_heavy}, else: {:delivered, id}
    send(desk, outcome)
    {:noreply, nil}
  end
end

defmodule CatchAll.Desk do
  @moduledoc "Knows what is on its way."
  use GenServer
  alias CatchAll.Courier

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def send_parcel(id, weight), do: GenServer.call(__MODULE__, {:parcel, id, weight}, :infinity)

  @impl true
  def init(nil), do: {:ok, %{on_the_way: %{}}}

  @impl true
  def handle_call({:parcel, id, weight}, from, state) do
    Courier.deliver(id, weight)
    {:noreply, put_in(state.on_the_way[id], from)}
  end

  @impl true
  def handle_info({:delivered, id}, state), do: {:noreply, told(id, :delivered, state)}

  variant(
    healthy: def(handle_info({:returned, id, why}, state), do: {:noreply, told(id, {:returned, why}, state)})
  )

  def handle_info(_other, state), do: {:noreply, state}

  defp told(id, what, state) do
    {from, on_the_way} = Map.pop!(state.on_the_way, id)
    GenServer.reply(from, {:parcel, id, what})
    %{state | on_the_way: on_the_way}
  end
end

defmodule CatchAll.Expectations do
  @moduledoc "What a desk for parcels should do."
  use BeamScope.Expectation

  role :desk, CatchAll.Desk
  role :courier, CatchAll.Courier

  expect "who sends a parcel is told what came of it" do
    leads_to sent({:parcel, id, _} when is_integer(id), from: who, to: :desk),
             sent({:parcel, id, _}, from: :desk, to: who)
  end

  expect "what has come back is no longer on its way" do
    transition :desk,
               %{on_the_way: before} ~> %{on_the_way: later} when map_size(later) == map_size(before) - 1,
               on: {:returned, _, _},
               all: true
  end

  expect "what was delivered is no longer on its way" do
    transition :desk,
               %{on_the_way: before} ~> %{on_the_way: later} when map_size(later) == map_size(before) - 1,
               on: {:delivered, _},
               all: true
  end

  expect "the courier answers for every parcel" do
    leads_to sent({:deliver, id, _, _}, to: :courier),
             sent(answer when elem(answer, 0) in [:delivered, :returned] and elem(answer, 1) == id,
               from: :courier
             )
  end

  expect "nothing is left on its way" do
    state :desk, %{on_the_way: left} when map_size(left) == 0
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule CatchAll do
  @moduledoc "A light parcel and a heavy one."
  import BeamScopeFaults.Stage
  alias CatchAll.{Courier, Desk, Expectations}

  def fault do
    %{
      title: "silent catch-all clause",
      expectations: Expectations,
      breaks: "what has come back is no longer on its way",
      at: &match?(%BeamScope.Transition{content: {:returned, 2, :too_heavy}}, &1),
      says: ["CatchAll.Desk", "{:returned, 2, :too_heavy}"]
    }
  end

  def run do
    start([Courier, Desk])
    client(:ann, fn -> Desk.send_parcel(1, 3) end)
    result(:ann)
    client(:bob, fn -> Desk.send_parcel(2, 300) end)
    rest()
  end
end
