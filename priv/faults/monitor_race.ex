# A dispatcher hands jobs to workers. A worker that dies of its job has failed; one that was dead before it got the job never had
# it, and the next one gets it. The dispatcher tells the two apart by what its monitor says, so that it must watch a worker before
# it sends. In the faulty variant it sends first.

defmodule MonitorRace.Till do
  @moduledoc "Takes money, once a job."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def charge(id), do: GenServer.call(__MODULE__, {:charge, id})

  @impl true
  def init(nil), do: {:ok, []}

  @impl true
  def handle_call({:charge, id}, _from, charged), do: {:reply, :charged, [id | charged]}
end

defmodule MonitorRace.Worker do
  @moduledoc "Charges for a job and does it. Nobody can do job 13."
  use GenServer
  alias MonitorRace.Till

  def start_link(_), do: GenServer.start_link(__MODULE__, nil)

  @impl true
  def init(nil), do: {:ok, nil}

  @impl true
  def handle_info({:job, id, dispatcher}, nil) do
    :charged = Till.charge(id)
    if id == 13, do: exit(:cannot_be_done)
    send(dispatcher, {:done, id})
    {:noreply, nil}
  end
end

defmodule MonitorRace.Dispatcher do
  @moduledoc "Gives each job to one worker and tells what came of it."
  use GenServer
  alias BeamScopeFaults.Stage
  alias MonitorRace.Worker

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def run(id), do: GenServer.call(__MODULE__, {:run, id}, :infinity)

  @impl true
  def init(nil) do
    workers = for _ <- 1..3, do: start_worker()
    {:ok, %{workers: workers, running: %{}}}
  end

  defp start_worker do
    {:ok, worker} = GenServer.start(Worker, nil)
    worker
  end

  @impl true
  def handle_call({:run, id}, from, state), do: {:noreply, hand_over(id, from, state)}

  @impl true
  def handle_info({:done, id}, state) do
    {ref, {^id, from}} = Enum.find(state.running, &match?({_, {^id, _}}, &1))
    Process.demonitor(ref, [:flush])
    GenServer.reply(from, {:done, id})
    {:noreply, %{state | running: Map.delete(state.running, ref)}}
  end

  def handle_info({:DOWN, ref, _, _, reason}, state) do
    {{id, from}, running} = Map.pop!(state.running, ref)
    {:noreply, died(reason, id, from, %{state | running: running})}
  end

  # It never had the job.
  defp died(:noproc, id, from, state), do: hand_over(id, from, state)

  defp died(reason, id, from, state) do
    GenServer.reply(from, {:failed, id, reason})
    state
  end

  defp hand_over(id, from, %{workers: [worker | others]} = state) do
    variant(healthy: ref = Process.monitor(worker), faulty: send(worker, {:job, id, self()}))
    Stage.hold(:handing_over)
    variant(healthy: send(worker, {:job, id, self()}), faulty: ref = Process.monitor(worker))
    %{state | workers: others ++ [worker], running: Map.put(state.running, ref, {id, from})}
  end
end

defmodule MonitorRace.Expectations do
  @moduledoc "What a dispatcher should do."
  use BeamScope.Expectation

  role :dispatcher, MonitorRace.Dispatcher
  role :till, MonitorRace.Till
  role :worker, module: MonitorRace.Worker

  expect "no job is given out twice" do
    refute_leads_to sent({:job, id, _}, from: :dispatcher), sent({:job, id, _}, from: :dispatcher)
  end

  expect "each job is charged once" do
    causality sent({:run, id}, to: :dispatcher) ~> sent({:charge, id}, to: :till), strict: true
  end

  expect "who asks is told what came of it" do
    leads_to sent({:run, id}, from: who, to: :dispatcher),
             sent(answer when elem(answer, 0) in [:done, :failed] and elem(answer, 1) == id,
               from: :dispatcher,
               to: who
             )
  end

  expect "a job that was done has not failed" do
    refute_leads_to sent({:done, id}, to: :dispatcher), sent({:failed, id, _}, from: :dispatcher)
  end

  expect "a worker that dies is told of by its reason" do
    leads_to crashed(:worker, reason), sent({:failed, _, reason}, from: :dispatcher)
  end

  expect "the dispatcher does not crash", do: refute_crash(:dispatcher)
end

defmodule MonitorRace do
  @moduledoc "The worker is done, or dead, before the dispatcher takes its next step."
  import BeamScopeFaults.Stage
  alias MonitorRace.{Dispatcher, Expectations, Till}

  def fault do
    %{
      title: "race between a monitor and a send",
      expectations: Expectations,
      breaks: "no job is given out twice",
      at: &match?(%BeamScope.Event{kind: :send, content: {:job, 13, _}}, &1),
      says: ["MonitorRace.Dispatcher", "{:job, 13"]
    }
  end

  def run do
    start([Till, Dispatcher])
    client(:ann, fn -> Dispatcher.run(13) end)
    dispatcher = held(:handing_over)
    rest()
    go(dispatcher, :handing_over)
    result(:ann)
    client(:bob, fn -> Dispatcher.run(1) end)
    result(:bob)
  end
end
