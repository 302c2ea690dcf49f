# Orders reserve what they need from the stock; an audit of the stock counts what is reserved. In the faulty variant the stock
# asks the orders for that, within its own call, while an order may be waiting for the stock.

defmodule Deadlock.Stock do
  @moduledoc "What is reserved."
  use GenServer
  alias BeamScopeFaults.Stage

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def reserve(id), do: GenServer.call(__MODULE__, {:reserve, id}, :infinity)
  def audit, do: GenServer.call(__MODULE__, :audit, :infinity)

  @impl true
  def init(nil), do: {:ok, %{reserved: []}}

  @impl true
  def handle_call({:reserve, id}, _from, state),
    do: {:reply, {:reserved, id}, %{state | reserved: [id | state.reserved]}}

  def handle_call(:audit, _from, state) do
    Stage.hold(:auditing)
    count = variant(healthy: length(state.reserved), faulty: Deadlock.Orders.count())
    {:reply, {:audit, count}, state}
  end
end

defmodule Deadlock.Orders do
  @moduledoc "Orders that were placed."
  use GenServer
  alias BeamScopeFaults.Stage
  alias Deadlock.Stock

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def place(id), do: GenServer.call(__MODULE__, {:place, id}, :infinity)
  def count, do: GenServer.call(__MODULE__, :count, :infinity)

  @impl true
  def init(nil), do: {:ok, %{placed: []}}

  @impl true
  def handle_call({:place, id}, _from, state) do
    Stage.hold(:placing)
    {:reserved, ^id} = Stock.reserve(id)
    {:reply, {:placed, id}, %{state | placed: [id | state.placed]}}
  end

  def handle_call(:count, _from, state), do: {:reply, length(state.placed), state}
end

defmodule Deadlock.Expectations do
  @moduledoc "What a shop should do."
  use BeamScope.Expectation

  role :orders, Deadlock.Orders
  role :stock, Deadlock.Stock

  expect "every order is placed" do
    leads_to sent({:place, id}, from: who, to: :orders), sent({:placed, id}, from: :orders, to: who)
  end

  expect "every order is reserved" do
    leads_to sent({:reserve, id}, from: :orders, to: :stock), sent({:reserved, id}, from: :stock, to: :orders)
  end

  expect "nothing is placed that is not reserved" do
    causality sent({:reserved, id}, from: :stock) ~> sent({:placed, id}, from: :orders)
  end

  expect "every audit is answered" do
    leads_to sent(:audit, from: who, to: :stock), sent({:audit, _}, from: :stock, to: who)
  end

  expect "what is reserved stays so" do
    transition :stock, %{reserved: list} ~> %{reserved: more} when length(more) >= length(list), all: true
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule Deadlock do
  @moduledoc "An order is placed while the stock is audited."
  import BeamScopeFaults.Stage
  alias Deadlock.{Expectations, Orders, Stock}

  def fault do
    %{
      title: "deadlock of two calls",
      expectations: Expectations,
      breaks: "every order is reserved",
      at: &match?(%BeamScope.Event{kind: :send, content: {:reserve, 1}}, &1),
      says: ["Deadlock.Orders", "{:reserve, 1}", "Deadlock.Stock"],
      notes: "Deadlock.Stock waited for Deadlock.Orders to answer :count"
    }
  end

  def run do
    start([Stock, Orders])
    client(:ann, fn -> Orders.place(1) end)
    orders = held(:placing)
    client(:bob, fn -> Stock.audit() end)
    stock = held(:auditing)
    go(orders, :placing)
    rest()
    go(stock, :auditing)
    rest()
  end
end
