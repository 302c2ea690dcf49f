# A clerk books what it has put into the ledger. In the faulty variant it puts it there with a cast, and says "booked" before the
# ledger has it.

defmodule CastForCall.Ledger do
  @moduledoc "Takes its time to write."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def enter(id) do
    variant(
      healthy: GenServer.call(__MODULE__, {:enter, id}, :infinity),
      faulty: GenServer.cast(__MODULE__, {:enter, id})
    )
  end

  def balance, do: GenServer.call(__MODULE__, :balance)

  @impl true
  def init(nil), do: {:ok, %{entries: []}}

  @impl true
  def handle_call({:enter, id}, _from, state), do: {:reply, :entered, write(id, state)}
  def handle_call(:balance, _from, state), do: {:reply, {:entries, length(state.entries)}, state}

  @impl true
  def handle_cast({:enter, id}, state), do: {:noreply, write(id, state)}

  defp write(id, state) do
    BeamScopeFaults.Stage.hold(:writing)
    CastForCall.Disk.flush(id)
    %{state | entries: [id | state.entries]}
  end
end

defmodule CastForCall.Disk do
  @moduledoc "Where it is for good."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def flush(id), do: GenServer.call(__MODULE__, {:flush, id})

  @impl true
  def init(nil), do: {:ok, []}

  @impl true
  def handle_call({:flush, id}, _from, flushed), do: {:reply, {:flushed, id}, [id | flushed]}
end

defmodule CastForCall.Clerk do
  @moduledoc "Books."
  use GenServer
  alias CastForCall.Ledger

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def book(id), do: GenServer.call(__MODULE__, {:book, id}, :infinity)

  @impl true
  def init(nil), do: {:ok, %{booked: 0}}

  @impl true
  def handle_call({:book, id}, _from, state) do
    Ledger.enter(id)
    {:reply, {:booked, id}, %{state | booked: state.booked + 1}}
  end
end

defmodule CastForCall.Expectations do
  @moduledoc "What a clerk should do."
  use BeamScope.Expectation

  role :clerk, CastForCall.Clerk
  role :ledger, CastForCall.Ledger
  role :disk, CastForCall.Disk

  expect "what is booked is on the disk" do
    causality sent({:flushed, id}, from: :disk) ~> sent({:booked, id}, from: :clerk)
  end

  expect "what is booked is in the ledger" do
    causality state(:ledger, %{entries: [id | _]}) ~> sent({:booked, id}, from: :clerk)
  end

  expect "whatever is to be booked is" do
    leads_to sent({:book, id}, from: who, to: :clerk), sent({:booked, id}, from: :clerk, to: who)
  end

  expect "nothing is entered that was not to be booked" do
    causality sent({:book, id}, to: :clerk) ~> sent({:enter, id}, from: :clerk, to: :ledger), strict: true
  end

  expect "the clerk counts what it booked" do
    transition :clerk, %{booked: n} ~> %{booked: m} when m == n + 1, on: {:book, _}, all: true
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule CastForCall do
  @moduledoc "The ledger is slow."
  import BeamScopeFaults.Stage
  alias CastForCall.{Clerk, Disk, Expectations, Ledger}

  def fault do
    %{
      title: "cast instead of call",
      expectations: Expectations,
      breaks: "what is booked is on the disk",
      at: &match?(%BeamScope.Event{kind: :send, content: {:booked, 1}}, &1),
      says: ["CastForCall.Clerk", "{:booked, 1}", "{:flushed"]
    }
  end

  def run do
    start([Disk, Ledger, Clerk])
    client(:ann, fn -> Clerk.book(1) end)
    ledger = held(:writing)
    rest()
    go(ledger, :writing)
    result(:ann)
    rest()
  end
end
