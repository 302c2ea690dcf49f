# Two modules at once: each recording has the processes of its own test, and what both name. All of it passes.
ExUnit.start(seed: 0, max_cases: 4)

defmodule Worker do
  use GenServer

  def start_link(tag), do: GenServer.start_link(__MODULE__, tag)
  def work(pid, n), do: GenServer.call(pid, {:work, n})
  # With this reply, what came of the one before is there.
  def sync(pid), do: GenServer.call(pid, :sync)

  @impl true
  def init(tag), do: {:ok, %{tag: tag, done: 0}}
  @impl true
  def handle_call(:sync, _from, state), do: {:reply, :ok, state}
  def handle_call({:work, n}, _from, state), do: {:reply, {state.tag, n}, %{state | done: state.done + 1}}
end

# What the whole system shares, started by nobody's test.
me = self()

spawn(fn ->
  {:ok, _} = Task.Supervisor.start_link(name: Shared.Tasks)
  {:ok, _} = DynamicSupervisor.start_link(name: Shared.Workers, strategy: :one_for_one)
  {:ok, _} = Agent.start_link(fn -> 0 end, name: Shared.Agent)
  send(me, :started)
  Process.sleep(:infinity)
end)

receive do: (:started -> :ok)

for name <- [OneTest, TwoTest] do
  defmodule name do
    use ExUnit.Case, async: true
    use BeamScope.Case

    @moduletag record: [trace: [Shared.Agent]]
    @rounds 40

    for turn <- 1..4 do
      test "turn #{turn}", %{rec: rec} do
        tag = {__MODULE__, unquote(turn)}
        own = start_supervised!({Worker, tag})
        worker = %{id: Worker, start: {Worker, :start_link, [tag]}, restart: :temporary}

        for n <- 1..@rounds do
          assert Worker.work(own, n) == {tag, n}
          Agent.update(Shared.Agent, &(&1 + 1))
          task = Task.Supervisor.async(Shared.Tasks, fn -> {Worker.work(own, -n), self()} end)
          {_, pid} = Task.await(task)
          send(self(), {:mine, pid})

          if rem(n, 10) == 0 do
            {:ok, pid} = DynamicSupervisor.start_child(Shared.Workers, worker)
            Worker.work(pid, n)
            send(self(), {:mine, pid})
          end

          Process.sleep(1)
        end

        Worker.sync(own)
        rec = BeamScope.stop!(rec)
        {:links, links} = Process.info(self(), :links)
        mine = [self(), own, Process.whereis(Shared.Agent) | links] ++ received([])
        # The test, its supervisor, its worker, the agent; a task a round, a worker every tenth.
        # The recorder is in where it had something to note.
        assert MapSet.new(BeamScope.processes(rec), & &1.pid) |> MapSet.delete(rec.pid) == MapSet.new(mine)
        assert length(mine) == 4 + @rounds + div(@rounds, 10)

        # Of what both name, what the other did too: every number in a row, none of them twice.
        counts = for %{to: n} when is_integer(n) <- BeamScope.history(rec, Shared.Agent), do: n
        assert counts == Enum.to_list(hd(counts)..List.last(counts))
        assert length(counts) > @rounds
        assert length(states(rec, own)) == 2 * @rounds + 1
      end
    end

    defp received(pids) do
      receive do
        {:mine, pid} -> received([pid | pids])
      after
        0 -> pids
      end
    end

    defp states(rec, process),
      do: for(%{to: %{done: n}} <- BeamScope.history(rec, process), uniq: true, do: n)
  end
end
