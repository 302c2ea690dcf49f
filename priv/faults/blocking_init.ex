# A catalogue loads its rows when it has started, so that the shop opens at once. In the faulty variant it loads them while it starts,
# and everything that is started after it waits.

defmodule BlockingInit.Source do
  @moduledoc "Has the rows, somewhere far away."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def rows, do: GenServer.call(__MODULE__, :rows, :infinity)

  @impl true
  def init(nil), do: {:ok, nil}

  @impl true
  def handle_call(:rows, _from, nil) do
    BeamScopeFaults.Stage.hold(:fetching)
    {:reply, {:rows, [:tea, :milk]}, nil}
  end
end

defmodule BlockingInit.Catalogue do
  @moduledoc "Knows the rows as soon as they are there."
  use GenServer
  alias BlockingInit.Source

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def find(thing), do: GenServer.call(__MODULE__, {:find, thing})

  @impl true
  def init(nil),
    do: variant(healthy: {:ok, %{rows: nil}, {:continue, :load}}, faulty: {:ok, load(%{rows: nil})})

  @impl true
  def handle_continue(:load, state), do: {:noreply, load(state)}

  @impl true
  def handle_call({:find, thing}, _from, %{rows: rows} = state),
    do: {:reply, {:found, thing, thing in rows}, state}

  defp load(state) do
    {:rows, rows} = Source.rows()
    %{state | rows: rows}
  end
end

defmodule BlockingInit.Shop do
  @moduledoc "Open as soon as it has started."
  use GenServer
  alias BlockingInit.Catalogue

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def ask(thing), do: GenServer.call(__MODULE__, {:ask, thing})

  @impl true
  def init(nil), do: {:ok, %{asked: 0}}

  @impl true
  def handle_call({:ask, thing}, _from, state) do
    {:found, ^thing, there?} = Catalogue.find(thing)
    {:reply, {:there, thing, there?}, %{state | asked: state.asked + 1}}
  end
end

defmodule BlockingInit.Expectations do
  @moduledoc "What a shop should do."
  use BeamScope.Expectation

  role :source, BlockingInit.Source
  role :catalogue, BlockingInit.Catalogue
  role :shop, BlockingInit.Shop

  expect "the catalogue has started before it loads" do
    causality state(:catalogue, _) ~> sent(:rows, from: :catalogue, to: :source)
  end

  expect "the shop opens before the rows are there" do
    causality state(:shop, %{asked: 0}) ~> sent({:rows, _}, from: :source)
  end

  expect "the rows come to the catalogue" do
    leads_to sent({:rows, rows}, from: :source, to: :catalogue), state(:catalogue, %{rows: rows})
  end

  expect "who asks is told" do
    leads_to sent({:ask, thing}, from: who, to: :shop), sent({:there, thing, _}, from: :shop, to: who)
  end

  expect "what is there is found" do
    refute_sent {:there, :tea, false}, from: :shop
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule BlockingInit do
  @moduledoc "The rows take their time."
  import BeamScopeFaults.Stage
  alias BlockingInit.{Catalogue, Expectations, Shop, Source}

  def fault do
    %{
      title: "init that blocks",
      expectations: Expectations,
      breaks: "the catalogue has started before it loads",
      at: &match?(%BeamScope.Event{kind: :send, content: :rows}, &1),
      says: ["BlockingInit.Catalogue", ":rows", "BlockingInit.Source"]
    }
  end

  def run do
    client(:application, fn ->
      start([Source, Catalogue, Shop])
      hold(:started)
    end)

    source = held(:fetching)
    rest()
    go(source, :fetching)
    held(:started)
    rest()
    client(:ann, fn -> Shop.ask(:tea) end)
    result(:ann)
  end
end
