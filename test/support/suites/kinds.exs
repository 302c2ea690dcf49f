# Every way in which a test can fail, and some that pass. What is printed is looked at by BeamScope.CaseTest.
ExUnit.start(seed: 0, colors: [enabled: false])
Logger.configure(level: :none)

defmodule Counter do
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)

  # A server replies, then goes on with its new state: with the second reply, that is there.
  def add(n) do
    :ok = GenServer.call(__MODULE__, {:add, n})
    GenServer.call(__MODULE__, :sync)
  end

  @impl true
  def init(count), do: {:ok, %{count: count}}
  @impl true
  def handle_call({:add, n}, _from, state), do: {:reply, :ok, %{state | count: state.count + n}}
  def handle_call(:sync, _from, state), do: {:reply, :ok, state}
  def handle_call(:boom, _from, state), do: exit({:boom, state})
end

defmodule KindsTest do
  use ExUnit.Case, async: true
  use BeamScope.Case

  @moduletag record: [trace: Counter]

  defp count do
    start_supervised!(Counter)
    Counter.add(1)
    Counter.add(2)
  end

  test "passes", %{rec: rec} do
    count()
    assert BeamScope.state_at!(rec, Counter, :end) == %{count: 3}
  end

  test "asserts" do
    count()
    assert Map.new(a: 1) == %{a: 2}
  end

  test "asserts a match" do
    count()
    assert {:ok, _} = List.to_tuple([:error, 1])
  end

  test "receives" do
    count()
    assert_receive :never, 10
  end

  test "raises" do
    count()
    raise ArgumentError, "planned"
  end

  test "has no clause" do
    count()
    String.upcase(Process.get(:none, 7))
  end

  test "exits" do
    count()
    exit(:planned)
  end

  test "throws" do
    count()
    throw(:planned)
  end

  test "fails twice" do
    count()
    raise ExUnit.MultiError, errors: [{:error, %RuntimeError{message: "one"}, []}, {:exit, :two, []}]
  end

  test "loses a linked process" do
    start_link_supervised!(Counter)
    Counter.add(1)
    GenServer.call(Counter, :boom)
  end

  test "is killed" do
    count()
    Process.exit(self(), :kill)
    Process.sleep(:infinity)
  end

  @tag timeout: 200
  test "takes too long" do
    count()
    Process.sleep(:infinity)
  end

  test "fails at its exit" do
    count()
    on_exit(fn -> :ok end)
    on_exit(fn -> raise "in on_exit" end)
  end

  test "is killed at its exit" do
    count()
    on_exit(fn -> Process.exit(self(), :kill) end)
  end

  test "fails, then at its exit" do
    count()
    on_exit(fn -> raise "second" end)
    raise "first"
  end

  describe "a setup" do
    setup do
      start_supervised!(Counter)
      Counter.add(5)
      if Process.get(:none) == nil, do: raise("in setup")
      :ok
    end

    test "fails" do
      flunk("ran")
    end
  end

  @tag record: false
  test "fails without" do
    assert Map.new(a: 1) == %{a: 2}
  end

  @tag record: false
  test "records itself" do
    count()
    {_, _rec} = BeamScope.record([trace: Counter], fn -> Counter.add(9) end)
    assert Map.new(a: 1) == %{a: 2}
  end

  @tag record: [level: :states, limits: [events: 40]]
  test "is at a limit" do
    start_supervised!(Counter)
    for n <- 1..50, do: Counter.add(n)
    flunk("enough")
  end

  @tag record: [trace: [Counter, NoSuch.Server]]
  test "waits for nobody" do
    count()
    flunk("nobody came")
  end

  @tag record: [levle: :full]
  test "misspells an option" do
    flunk("ran")
  end
end
