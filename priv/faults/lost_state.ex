# A counter puts each count away with a stash, and begins with it when it is restarted. In the faulty variant it begins with 0.

defmodule LostState.Stash do
  @moduledoc "Keeps a count for whoever may die."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def put(count), do: GenServer.call(__MODULE__, {:put, count})
  def get, do: GenServer.call(__MODULE__, :get)

  @impl true
  def init(nil), do: {:ok, 0}

  @impl true
  def handle_call({:put, count}, _from, _count), do: {:reply, :put, count}
  def handle_call(:get, _from, count), do: {:reply, {:stashed, count}, count}
end

defmodule LostState.Counter do
  @moduledoc "Counts."
  use GenServer
  alias LostState.Stash

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def increment, do: GenServer.call(__MODULE__, :increment)

  @impl true
  def init(nil) do
    {:stashed, count} = Stash.get()
    BeamScopeFaults.Stage.tell(:counter_is_up)
    {:ok, %{count: variant(healthy: count, faulty: count - count)}}
  end

  @impl true
  def handle_call(:increment, _from, %{count: count}) do
    :put = Stash.put(count + 1)
    {:reply, {:ok, count + 1}, %{count: count + 1}}
  end
end

defmodule LostState.Expectations do
  @moduledoc "What a counter should do that may die."
  use BeamScope.Expectation

  role :counter, LostState.Counter
  role :stash, LostState.Stash

  expect "the count never falls" do
    refute_leads_to state(:counter, %{count: n}), state(:counter, %{count: m}) when m < n
  end

  expect "no number is given twice" do
    refute_leads_to sent({:ok, n}, from: :counter), sent({:ok, n}, from: :counter)
  end

  expect "counts by one" do
    transition :counter, %{count: n} ~> %{count: m} when m == n + 1, on: :increment, all: true
  end

  expect "who counts is told" do
    leads_to sent(:increment, from: who, to: :counter), sent({:ok, _}, from: :counter, to: who)
  end

  expect "what is told has been put away" do
    causality sent({:put, n}, from: :counter, to: :stash) ~> sent({:ok, n}, from: :counter)
  end

  expect "the stash does not crash", do: refute_crash(:stash)
end

defmodule LostState do
  @moduledoc "The counter is killed between two increments."
  import BeamScopeFaults.Stage
  alias LostState.{Counter, Expectations, Stash}

  def fault do
    %{
      title: "restart that loses state",
      expectations: Expectations,
      breaks: "the count never falls",
      at: &match?(%BeamScope.Transition{kind: :init, to: %{count: 0}}, &1),
      says: ["LostState.Counter", "began with %{count: 0}", "%{count: 2}"]
    }
  end

  def run do
    start([Stash, Counter])
    told(:counter_is_up)
    client(:ann, fn -> for(_ <- 1..2, do: Counter.increment()) end)
    result(:ann)
    Process.exit(Process.whereis(Counter), :kill)
    told(:counter_is_up)
    client(:bob, &Counter.increment/0)
    result(:bob)
  end
end
