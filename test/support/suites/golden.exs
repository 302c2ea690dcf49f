# A golden execution as users keep one. How much is added is told from outside. What is printed is looked at by BeamScope.GoldenTest.
ExUnit.start(seed: 0, colors: [enabled: false])
Logger.configure(level: :none)

defmodule Counter do
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)
  def add(n), do: GenServer.call(__MODULE__, {:add, n})

  @impl true
  def init(count), do: {:ok, %{count: count}}
  @impl true
  def handle_call({:add, n}, _from, state),
    do: {:reply, {:ok, state.count + n}, %{state | count: state.count + n}}
end

defmodule GoldenSuiteTest do
  use ExUnit.Case, async: true
  use BeamScope.Case

  @tag record: [trace: Counter]
  test "goes as it did", %{rec: rec} do
    start_supervised!(Counter)
    Counter.add(1)
    Counter.add(String.to_integer(System.fetch_env!("ADDED")))
    assert_recording rec, "counter"
  end
end
