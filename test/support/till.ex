defmodule BeamScope.Test.Till do
  @moduledoc "A server that asks another, goes on, fails and casts; for tests of what exports tell of it."
  use GenServer, restart: :temporary

  def start_link(opts), do: GenServer.start_link(__MODULE__, opts[:ask], Keyword.take(opts, [:name]))
  def sum(till, list), do: GenServer.call(till, {:sum, list})

  @impl true
  def init(ask), do: {:ok, %{ask: ask, total: 0}}

  @impl true
  def handle_call({:sum, list}, _from, state) do
    total = add(list)
    if state.ask, do: GenServer.call(state.ask, {:sum, list})
    {:reply, total, %{state | total: total}}
  end

  def handle_call(:later, _from, state), do: {:reply, :ok, state, {:continue, :go_on}}
  def handle_call({:fail, why}, _from, _state), do: raise(why)

  @impl true
  def handle_cast({:pass, to}, state) do
    GenServer.cast(to, {:got, add([1, 2])})
    {:noreply, state}
  end

  def handle_cast(:pick, state), do: receive(do: ({:picked, _} -> {:noreply, state}))
  def handle_cast(_other, state), do: {:noreply, state}

  @impl true
  def handle_continue(:go_on, state), do: {:noreply, %{state | total: add([3])}}

  @doc "Not a tail call, so that calls nest."
  def add([]), do: 0
  def add([n | rest]), do: n + add(rest)

  def throws(what), do: throw(what)
  def waits, do: receive(do: (:never -> :ok))
end
