# A cache stands before a store. A write makes the cache forget the key before it is confirmed, so that whoever knows of it reads
# what was written. In the faulty variant it is confirmed first.

defmodule StaleRead.Cache do
  @moduledoc "Remembers what was read."
  use GenServer
  alias StaleRead.Store

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def read(key), do: GenServer.call(__MODULE__, {:read, key}, :infinity)
  def forget(key, version), do: GenServer.cast(__MODULE__, {:forget, key, version})

  @impl true
  def init(nil), do: {:ok, %{}}

  @impl true
  def handle_call({:read, key}, _from, known) do
    {version, value} = known[key] || Store.fetch(key)
    {:reply, {:value, key, version, value}, Map.put(known, key, {version, value})}
  end

  @impl true
  def handle_cast({:forget, key, _version}, known), do: {:noreply, Map.delete(known, key)}
end

defmodule StaleRead.Store do
  @moduledoc "What was written, by version."
  use GenServer
  alias BeamScopeFaults.Stage
  alias StaleRead.Cache

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def fetch(key), do: GenServer.call(__MODULE__, {:fetch, key}, :infinity)
  def write(key, value), do: GenServer.call(__MODULE__, {:write, key, value}, :infinity)

  @impl true
  def init(nil), do: {:ok, %{}}

  @impl true
  def handle_call({:fetch, key}, _from, rows), do: {:reply, Map.get(rows, key, {0, nil}), rows}

  def handle_call({:write, key, value}, from, rows) do
    {version, _} = Map.get(rows, key, {0, nil})

    variant(
      healthy: Cache.forget(key, version + 1),
      faulty: GenServer.reply(from, {:written, key, version + 1})
    )

    Stage.hold(:writing)

    variant(
      healthy: GenServer.reply(from, {:written, key, version + 1}),
      faulty: Cache.forget(key, version + 1)
    )

    {:noreply, Map.put(rows, key, {version + 1, value})}
  end
end

defmodule StaleRead.Expectations do
  @moduledoc "What a store with a cache should do."
  use BeamScope.Expectation

  role :cache, StaleRead.Cache
  role :store, StaleRead.Store

  expect "what was confirmed is read, or something newer" do
    refute_leads_to sent({:written, key, version}, from: :store),
                    sent({:value, key, older, _}, from: :cache) when older < version
  end

  expect "versions only grow for who reads" do
    refute_leads_to sent({:value, key, version, _}, from: :cache, to: who),
                    sent({:value, key, older, _}, from: :cache, to: who) when older < version
  end

  expect "every write is confirmed" do
    leads_to sent({:write, key, _}, from: who, to: :store), sent({:written, key, _}, from: :store, to: who)
  end

  expect "every write makes the cache forget" do
    leads_to sent({:write, key, _}, to: :store), sent({:forget, key, _}, from: :store, to: :cache)
  end

  expect "every read is answered" do
    leads_to sent({:read, key}, from: who, to: :cache), sent({:value, key, _, _}, from: :cache, to: who)
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule StaleRead do
  @moduledoc "Somebody reads when a write has been confirmed, or is about to be."
  import BeamScopeFaults.Stage
  alias StaleRead.{Cache, Expectations, Store}

  def fault do
    %{
      title: "stale cached read",
      expectations: Expectations,
      breaks: "what was confirmed is read, or something newer",
      at: &match?(%BeamScope.Event{kind: :send, content: {:value, :motto, 0, nil}}, &1),
      says: ["StaleRead.Cache", "{:value, :motto, 0, nil}", "{:written, :motto, 1}"]
    }
  end

  def run do
    start([Cache, Store])
    client(:cat, fn -> Cache.read(:motto) end)
    result(:cat)
    client(:ann, fn -> Store.write(:motto, "festina lente") end)
    store = held(:writing)
    rest()
    client(:bob, fn -> Cache.read(:motto) end)
    rest()
    go(store, :writing)
    result(:ann)
    result(:bob)
    rest()
  end
end
