# A counter that has every number confirmed by an echo before it adds it. Its bug: it takes a number that comes twice
# in a row for a repetition of the same request and does not add it, while its answer stays `:ok`. Nothing crashes,
# nothing is logged, and the state at the end looks like any other: only its history shows where the sum went wrong.

defmodule EchoServer do
  @moduledoc "Says back what it hears, and counts how often it did."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def echo(what), do: GenServer.call(__MODULE__, {:echo, what})

  @impl true
  def init(nil), do: {:ok, %{echoed: 0}}

  @impl true
  def handle_call({:echo, what}, _from, state),
    do: {:reply, {:echo, what}, %{state | echoed: state.echoed + 1}}
end

defmodule CounterServer do
  @moduledoc "Adds up numbers, each confirmed by `EchoServer`."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def add(n), do: GenServer.call(__MODULE__, {:add, n})
  def count, do: GenServer.call(__MODULE__, :count)

  @impl true
  def init(nil), do: {:ok, %{count: 0, last: nil}}

  @impl true
  def handle_call({:add, n}, _from, state) do
    {:echo, confirmed} = EchoServer.echo(n)
    # The bug: equal numbers are not yet equal requests.
    if confirmed == state.last,
      do: {:reply, :ok, state},
      else: {:reply, :ok, %{state | count: state.count + confirmed, last: confirmed}}
  end

  def handle_call(:count, _from, state), do: {:reply, state.count, state}
end

defmodule CounterEcho do
  @moduledoc "The application: one supervisor with both servers."
  use Application

  @impl true
  def start(_type, _args) do
    Supervisor.start_link([EchoServer, CounterServer], strategy: :one_for_one, name: CounterEcho.Supervisor)
  end

  @doc "What goes into an `.app` file."
  def spec do
    [
      description: ~c"A counter and an echo",
      vsn: ~c"1.0.0",
      modules: [CounterEcho, CounterServer, EchoServer],
      registered: [CounterEcho.Supervisor, CounterServer, EchoServer],
      applications: [:kernel, :stdlib, :elixir],
      mod: {CounterEcho, []}
    ]
  end
end
