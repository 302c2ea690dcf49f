# A desk takes orders; an order that takes too long is called off and its guest told so. A dish that comes after that is thrown
# away. In the faulty variant it is charged all the same.

defmodule AfterTimeout.Till do
  @moduledoc "What was charged."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def charge(id), do: GenServer.cast(__MODULE__, {:charge, id})

  @impl true
  def init(nil), do: {:ok, %{charged: []}}

  @impl true
  def handle_cast({:charge, id}, state), do: {:noreply, %{state | charged: [id | state.charged]}}
end

defmodule AfterTimeout.Kitchen do
  @moduledoc "Cooks."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def cook(id), do: GenServer.cast(__MODULE__, {:cook, id, self()})

  @impl true
  def init(nil), do: {:ok, nil}

  @impl true
  def handle_cast({:cook, id, desk}, nil) do
    BeamScopeFaults.Stage.hold({:cooking, id})
    send(desk, {:cooked, id, "soup"})
    {:noreply, nil}
  end
end

defmodule AfterTimeout.Desk do
  @moduledoc "Takes orders and serves them, or calls them off."
  use GenServer
  alias AfterTimeout.{Kitchen, Till}

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def order(id, patience_ms), do: GenServer.call(__MODULE__, {:order, id, patience_ms}, :infinity)

  @impl true
  def init(nil), do: {:ok, %{open: %{}}}

  @impl true
  def handle_call({:order, id, patience_ms}, from, state) do
    Kitchen.cook(id)
    timer = Process.send_after(self(), {:too_late, id}, patience_ms)
    {:noreply, put_in(state.open[id], {from, timer})}
  end

  @impl true
  def handle_info({:too_late, id}, state) do
    {order, open} = Map.pop(state.open, id)
    with {from, _} <- order, do: GenServer.reply(from, {:called_off, id})
    {:noreply, %{state | open: open}}
  end

  def handle_info({:cooked, id, dish}, state) do
    {order, open} = Map.pop(state.open, id)
    variant(faulty: Till.charge(id))

    with {from, timer} <- order do
      Process.cancel_timer(timer)
      variant(healthy: Till.charge(id))
      GenServer.reply(from, {:served, id, dish})
    end

    {:noreply, %{state | open: open}}
  end
end

defmodule AfterTimeout.Expectations do
  @moduledoc "What a restaurant should do."
  use BeamScope.Expectation

  role :desk, AfterTimeout.Desk
  role :kitchen, AfterTimeout.Kitchen
  role :till, AfterTimeout.Till

  expect "who was served is charged" do
    causality sent({:charge, id}, to: :till) ~> sent({:served, id, _}, from: :desk)
  end

  expect "what was called off is not charged" do
    refute_leads_to sent({:called_off, id}, from: :desk), sent({:charge, id}, to: :till)
  end

  expect "what was called off is not served" do
    refute_leads_to sent({:called_off, id}, from: :desk), sent({:served, id, _}, from: :desk)
  end

  expect "every order is answered" do
    leads_to sent({:order, id, _}, from: who, to: :desk),
             sent(answer when elem(answer, 1) == id, from: :desk, to: who)
  end

  expect "nothing is charged twice" do
    refute_leads_to sent({:charge, id}, to: :till), sent({:charge, id}, to: :till)
  end

  expect "every order is cooked" do
    causality sent({:order, id, _}, to: :desk) ~> sent({:cook, id, _}, to: :kitchen), strict: true
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule AfterTimeout do
  @moduledoc "The kitchen is not done before the first guest's patience is over."
  import BeamScopeFaults.Stage
  alias AfterTimeout.{Desk, Expectations, Kitchen, Till}

  def fault do
    %{
      title: "message handled after a timeout",
      expectations: Expectations,
      breaks: "what was called off is not charged",
      at: &match?(%BeamScope.Event{kind: :send, content: {:charge, 1}}, &1),
      says: ["AfterTimeout.Desk", "{:charge, 1}", "{:called_off, 1}"]
    }
  end

  def run do
    start([Till, Kitchen, Desk])
    client(:ann, fn -> Desk.order(1, 0) end)
    kitchen = held({:cooking, 1})
    receive(do: ({:result, :ann, {:called_off, 1}} -> :ok))
    go(kitchen, {:cooking, 1})
    client(:bob, fn -> Desk.order(2, 60_000) end)
    result(:bob)
    rest()
  end
end
