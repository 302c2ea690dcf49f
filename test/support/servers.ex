defmodule BeamScope.Servers do
  @moduledoc "Small servers to be recorded in tests."

  defmodule Tally do
    @moduledoc "Counts, and forgets to when told :skip."
    use GenServer

    def start_link(opts \\ []), do: GenServer.start_link(__MODULE__, opts, Keyword.take(opts, [:name]))
    def add(server, n), do: GenServer.call(server, {:add, n})
    def get(server), do: GenServer.call(server, :get)
    def reset(server), do: GenServer.cast(server, :reset)

    @impl true
    def init(_opts), do: {:ok, %{count: 0, history: [], password: "hunter2"}}

    @impl true
    def handle_call({:add, n}, _from, state) do
      state = %{state | count: state.count + n, history: [n | state.history]}
      {:reply, state.count, state}
    end

    def handle_call(:get, _from, state), do: {:reply, state.count, state}
    def handle_call({:ask, other, message}, _from, state), do: {:reply, GenServer.call(other, message), state}
    def handle_call(:crash, _from, state), do: {:reply, 1 / state.missing, state}

    @impl true
    def handle_cast(:reset, state), do: {:noreply, %{state | count: 0, history: []}}
    def handle_cast(:crash, state), do: {:noreply, %{state | count: div(1, state.count - state.count)}}
    def handle_cast({:grow, n}, state), do: {:noreply, Map.put(state, :big, Enum.to_list(1..n))}

    @impl true
    def handle_info(:tick, state), do: {:noreply, Map.update(state, :ticks, 1, &(&1 + 1))}
    def handle_info({:after, ms}, state), do: {:noreply, state, {:continue, {:send_later, ms}}}
    def handle_info(_other, state), do: {:noreply, state}

    @impl true
    def handle_continue({:send_later, ms}, state) do
      Process.send_after(self(), :tick, ms)
      {:noreply, state}
    end
  end

  defmodule Echo do
    @moduledoc "Answers what it was asked."
    use GenServer

    def start_link(opts \\ []), do: GenServer.start_link(__MODULE__, opts, Keyword.take(opts, [:name]))

    @impl true
    def init(_opts), do: {:ok, 0}

    @impl true
    def handle_call({:echo, term}, _from, echoed), do: {:reply, term, echoed + 1}
  end

  @doc "A supervisor with a Tally and an Echo under the names given."
  def start_supervisor(name, tally, echo) do
    children = [
      %{id: :tally, start: {Tally, :start_link, [[name: tally]]}},
      %{id: :echo, start: {Echo, :start_link, [[name: echo]]}}
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: name, max_restarts: 100)
  end

  @doc "Waits until `fun` answers something that is neither nil nor false."
  def eventually(fun, tries \\ 200) do
    case fun.() do
      empty when empty in [nil, false] and tries > 0 ->
        Process.sleep(10)
        eventually(fun, tries - 1)

      answer ->
        answer
    end
  end
end
