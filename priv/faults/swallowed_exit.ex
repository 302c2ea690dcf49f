# A foreman starts a worker for each job and is told when one ends. Who ends well has reported before; of who does not, the foreman
# tells whoever waits for the job. In the faulty variant it takes any reason that is an atom for a good one.

defmodule SwallowedExit.Worker do
  @moduledoc "Does one job. Job 2 needs a tool that is broken."
  use GenServer, restart: :temporary

  def start_link(foreman), do: GenServer.start_link(__MODULE__, foreman)
  def work(worker, id), do: GenServer.cast(worker, {:work, id})

  @impl true
  def init(foreman), do: {:ok, foreman}

  @impl true
  def handle_cast({:work, 2}, foreman), do: {:stop, :broken_tool, foreman}

  def handle_cast({:work, id}, foreman) do
    send(foreman, {:done, self(), id})
    {:stop, :normal, foreman}
  end
end

defmodule SwallowedExit.Foreman do
  @moduledoc "Answers for its workers."
  use GenServer
  alias SwallowedExit.Worker

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def job(id), do: GenServer.call(__MODULE__, {:job, id}, :infinity)

  @impl true
  def init(nil) do
    Process.flag(:trap_exit, true)
    {:ok, %{jobs: %{}}}
  end

  @impl true
  def handle_call({:job, id}, from, state) do
    {:ok, worker} = Worker.start_link(self())
    Worker.work(worker, id)
    {:noreply, put_in(state.jobs[worker], {id, from})}
  end

  @impl true
  def handle_info({:done, worker, id}, state) do
    {{^id, from}, jobs} = Map.pop!(state.jobs, worker)
    GenServer.reply(from, {:done, id})
    {:noreply, %{state | jobs: jobs}}
  end

  def handle_info({:EXIT, _worker, reason}, state)
      when variant(healthy: reason == :normal, faulty: is_atom(reason)),
      do: {:noreply, state}

  def handle_info({:EXIT, worker, reason}, state) do
    {{id, from}, jobs} = Map.pop!(state.jobs, worker)
    GenServer.reply(from, {:failed, id, reason})
    {:noreply, %{state | jobs: jobs}}
  end
end

defmodule SwallowedExit.Expectations do
  @moduledoc "What a foreman should do."
  use BeamScope.Expectation

  role :foreman, SwallowedExit.Foreman
  role :worker, module: SwallowedExit.Worker

  expect "who gives a job is told what came of it" do
    leads_to sent({:job, id}, from: who, to: :foreman),
             sent(answer when elem(answer, 0) in [:done, :failed] and elem(answer, 1) == id,
               from: :foreman,
               to: who
             )
  end

  expect "a worker that fails is told of" do
    leads_to crashed(:worker, reason), sent({:failed, _, reason}, from: :foreman)
  end

  expect "a worker is given one job, and ends" do
    leads_to sent({:work, _}, from: :foreman, to: worker), exited(worker)
    refute_leads_to sent({:work, _}, to: worker), sent({:work, _}, to: worker)
  end

  expect "no job is left" do
    state :foreman, %{jobs: jobs} when map_size(jobs) == 0
  end

  expect "what failed was not done" do
    refute_leads_to sent({:done, _, id}, to: :foreman), sent({:failed, id, _}, from: :foreman)
  end

  expect "the foreman does not crash", do: refute_crash(:foreman)
end

defmodule SwallowedExit do
  @moduledoc "A good job and a bad one."
  import BeamScopeFaults.Stage
  alias SwallowedExit.{Expectations, Foreman}

  def fault do
    %{
      title: "swallowed exit",
      expectations: Expectations,
      breaks: "a worker that fails is told of",
      at: &match?(%BeamScope.Event{kind: :exit, reason: :broken_tool}, &1),
      says: ["orker", "broken_tool", "SwallowedExit.Foreman"]
    }
  end

  def run do
    start([Foreman])
    client(:ann, fn -> Foreman.job(1) end)
    result(:ann)
    client(:bob, fn -> Foreman.job(2) end)
    rest()
  end
end
