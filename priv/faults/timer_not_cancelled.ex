# A lock is lent for thirty ticks of a clock; who gives it back in time stops the clock. In the faulty variant the clock runs on, and
# takes the lock from whoever has it next.

defmodule TimerNotCancelled.Clock do
  @moduledoc "A clock that is moved by hand."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def start(ticks, message), do: GenServer.call(__MODULE__, {:start, ticks, message})
  def stop(timer), do: GenServer.call(__MODULE__, {:stop, timer})
  def move(ticks), do: GenServer.call(__MODULE__, {:move, ticks})

  @impl true
  def init(nil), do: {:ok, %{now: 0, timers: %{}}}

  @impl true
  def handle_call({:start, ticks, message}, {pid, _}, state) do
    timer = make_ref()
    {:reply, {:timer, timer}, put_in(state.timers[timer], {state.now + ticks, pid, message})}
  end

  def handle_call({:stop, timer}, _from, state),
    do: {:reply, :stopped, %{state | timers: Map.delete(state.timers, timer)}}

  def handle_call({:move, ticks}, _from, state) do
    now = state.now + ticks
    {due, running} = Enum.split_with(state.timers, fn {_, {at, _, _}} -> at <= now end)
    for {_, {_, pid, message}} <- due, do: send(pid, message)
    {:reply, :moved, %{now: now, timers: Map.new(running)}}
  end
end

defmodule TimerNotCancelled.Lock do
  @moduledoc "Has one holder at a time."
  use GenServer
  alias TimerNotCancelled.Clock

  @ticks 30

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def take(who), do: GenServer.call(__MODULE__, {:take, who})
  def give_back(who), do: GenServer.call(__MODULE__, {:give_back, who})

  @impl true
  def init(nil), do: {:ok, %{holder: nil, timer: nil}}

  @impl true
  def handle_call({:take, who}, _from, %{holder: nil} = state) do
    {:timer, timer} = Clock.start(@ticks, :over)
    {:reply, {:taken, who}, %{state | holder: who, timer: timer}}
  end

  def handle_call({:take, who}, _from, state), do: {:reply, {:busy, who}, state}

  def handle_call({:give_back, who}, _from, %{holder: who} = state) do
    variant(healthy: :stopped = Clock.stop(state.timer))
    {:reply, {:given_back, who}, %{state | holder: nil}}
  end

  def handle_call({:give_back, who}, _from, state), do: {:reply, {:not_yours, who}, state}

  @impl true
  def handle_info(:over, state), do: {:noreply, %{state | holder: nil}}
end

defmodule TimerNotCancelled.Expectations do
  @moduledoc "What a lock should do."
  use BeamScope.Expectation

  role :lock, TimerNotCancelled.Lock
  role :clock, TimerNotCancelled.Clock

  expect "who has taken the lock can give it back" do
    leads_to sent({:taken, who}, from: :lock), sent({:given_back, who}, from: :lock)
    refute_sent {:not_yours, _}, from: :lock
  end

  expect "nobody takes it before it was given back" do
    refute_leads_to sent({:taken, who}, from: :lock),
                    sent({:taken, other}, from: :lock) when other != who,
                    before: sent({:given_back, who}, from: :lock)
  end

  expect "one clock runs for one holder" do
    always :clock, %{timers: timers} when map_size(timers) <= 1
  end

  expect "the clock is stopped when the lock is given back" do
    leads_to sent({:give_back, _}, to: :lock),
             sent({:stop, _}, from: :lock, to: :clock),
             before: sent({:given_back, _}, from: :lock)
  end

  expect "who asks is answered" do
    leads_to sent({ask, who} when ask in [:take, :give_back], from: client, to: :lock),
             sent({_, who}, from: :lock, to: client)
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule TimerNotCancelled do
  @moduledoc "The second holder has the lock when the first one's time would be over."
  import BeamScopeFaults.Stage
  alias TimerNotCancelled.{Clock, Expectations, Lock}

  def fault do
    %{
      title: "timer not cancelled",
      expectations: Expectations,
      breaks: "the clock is stopped when the lock is given back",
      at: &match?(%BeamScope.Event{kind: :send, content: {:given_back, :ann}}, &1),
      says: ["TimerNotCancelled.Lock", "{:given_back, :ann}", "{:stop", "TimerNotCancelled.Clock"]
    }
  end

  def run do
    start([Clock, Lock])
    visit(:ann, fn -> Lock.take(:ann) end)
    Clock.move(20)
    visit(:ann, fn -> Lock.give_back(:ann) end)
    visit(:bob, fn -> Lock.take(:bob) end)
    Clock.move(20)
    visit(:cat, fn -> Lock.take(:cat) end)
    visit(:bob, fn -> Lock.give_back(:bob) end)
  end

  defp visit(name, fun) do
    client(name, fun)
    result(name)
    rest()
  end
end
