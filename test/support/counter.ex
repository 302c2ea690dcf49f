defmodule BeamScope.Test.Counter do
  @moduledoc "A plain server for tests of the recorder."
  use GenServer

  def start(options \\ []), do: GenServer.start(__MODULE__, 0, options)
  def start_link(options \\ []), do: GenServer.start_link(__MODULE__, 0, options)
  def increment(server), do: GenServer.call(server, :increment)

  @impl true
  def init(count), do: {:ok, %{count: count}}
  @impl true
  def handle_call(:increment, _from, state), do: {:reply, state.count + 1, %{state | count: state.count + 1}}
  def handle_call({:spawn, fun}, _from, state), do: {:reply, spawn(fun), state}
  @impl true
  def handle_cast(:crash, _state), do: exit(:planned)
  def handle_cast({:wait, ms}, state), do: Process.sleep(ms) && {:noreply, state}
end
