# An index subscribes to a feed when it starts. When the feed is restarted it knows no subscribers, so that the index must be
# restarted after it. In the faulty variant each is restarted alone.

defmodule WrongStrategy.Feed do
  @moduledoc "Tells its subscribers what is published."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def subscribe, do: GenServer.call(__MODULE__, {:subscribe, self()})
  def publish(item), do: GenServer.call(__MODULE__, {:publish, item})

  @impl true
  def init(nil), do: {:ok, %{subscribers: []}}

  @impl true
  def handle_call({:subscribe, pid}, _from, state),
    do: {:reply, :subscribed, %{state | subscribers: [pid | state.subscribers]}}

  def handle_call({:publish, item}, _from, state) do
    for pid <- state.subscribers, do: send(pid, {:item, item})
    {:reply, :published, state}
  end
end

defmodule WrongStrategy.Index do
  @moduledoc "Has all that was published since it started."
  use GenServer
  alias WrongStrategy.Feed

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    :subscribed = Feed.subscribe()
    {:ok, %{items: []}}
  end

  @impl true
  def handle_info({:item, item}, state), do: {:noreply, %{state | items: [item | state.items]}}
end

defmodule WrongStrategy.Expectations do
  @moduledoc "What a feed and its index should do."
  use BeamScope.Expectation

  role :feed, WrongStrategy.Feed
  role :index, WrongStrategy.Index

  expect "what is published comes to the index" do
    leads_to sent({:publish, item}, to: :feed), received({:item, item}, to: :index)
  end

  expect "what comes to the index is in it" do
    leads_to received({:item, item}, to: :index), state(:index, %{items: [item | _]})
  end

  expect "when the feed has died the index subscribes before anything is published" do
    leads_to exited(:feed),
             sent({:subscribe, _}, from: :index, to: :feed),
             before: sent({:publish, _}, to: :feed)
  end

  expect "nothing comes that was not published" do
    causality sent({:publish, item}, to: :feed) ~> received({:item, item}, to: :index)
  end

  expect "who publishes is told" do
    leads_to sent({:publish, _}, from: who, to: :feed), sent(:published, from: :feed, to: who)
  end

  expect "the index does not crash", do: refute_crash(:index)
end

defmodule WrongStrategy do
  @moduledoc "The feed dies between two items."
  import BeamScopeFaults.Stage
  alias WrongStrategy.{Expectations, Feed, Index}

  def fault do
    %{
      title: "wrong supervisor strategy",
      expectations: Expectations,
      breaks: "when the feed has died the index subscribes before anything is published",
      at: &match?(%BeamScope.Event{kind: :send, content: {:publish, :second}}, &1),
      says: [":ann", "{:publish, :second}", "WrongStrategy.Index", "WrongStrategy.Feed"]
    }
  end

  def run do
    start([Feed, Index], strategy: variant(healthy: :rest_for_one, faulty: :one_for_one))
    client(:bob, fn -> Feed.publish(:first) end)
    result(:bob)
    Process.exit(Process.whereis(Feed), :kill)
    rest()
    client(:ann, fn -> Feed.publish(:second) end)
    result(:ann)
    rest()
  end
end
