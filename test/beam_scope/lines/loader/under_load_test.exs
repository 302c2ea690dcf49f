defmodule BeamScope.Lines.Loader.UnderLoadTest do
  # Code is replaced a thousand times under processes that run it: nobody is killed, nobody gets a wrong result, and nothing is left.
  use ExUnit.Case, async: false

  alias BeamScope.Lines.Loader
  alias BeamScope.Lines.Loader.Survivor
  alias BeamScope.Test.Instrumented

  @module :lines_loader_load
  # A purge looks through the heaps of all processes, which after a thousand other tests are large: more of them in a virtual machine of its own,
  # see .ci/run.
  @cycles String.to_integer(System.get_env("BEAM_SCOPE_CYCLES") || "50")

  setup do
    Loader.settle()
    gone()
    directory = Instrumented.directory!()
    {:ok, module: Instrumented.module!(directory, @module)}
  end

  defp acquire(wanted, owner),
    do: Loader.acquire(wanted, owner, instrument: &Instrumented.instrument/4, grace_ms: 0)

  defp facts(module), do: {Loader.Code.md5(module), :erlang.check_old_code(module), :code.which(module)}

  # Callers, each of which counts what it did, until it is asked.

  defp callers(module) do
    for turn <- [&calls/2, &calls/2, &naps/2, &naps/2, &naps/2, &holds/2, &holds/2, &serves/2] do
      spawn_monitor(fn -> work(module, turn, %{done: 0, bad_funs: 0, held: nil}) end)
    end
  end

  defp work(module, turn, state) do
    receive do
      {:stop, from} -> send(from, {self(), state})
    after
      0 -> work(module, turn, turn.(module, %{state | done: state.done + 1}))
    end
  end

  defp calls(module, state) do
    n = state.done
    true = module.add(n, 1) == n + 1 and module.twice(n) == 2 * n
    if rem(n, 50) == 0, do: Process.sleep(1)
    state
  end

  # Waits inside the function.
  defp naps(module, state) do
    ms = :rand.uniform(4)
    true = module.nap(ms) == ms + 1
    state
  end

  # A fun on the heap for several loads. Documented: it fails in the moment of a load, or when the code that made it is gone.
  defp holds(module, %{held: nil} = state), do: %{state | held: {module.adder(3), state.done}}

  defp holds(_module, %{held: {fun, since}} = state) do
    true = fun.(state.done) == state.done + 3
    Process.sleep(1)
    if state.done - since > 20, do: %{state | held: nil}, else: state
  rescue
    BadFunctionError -> %{state | held: nil, bad_funs: state.bad_funs + 1}
  end

  # A loop that lives for a few milliseconds.
  defp serves(module, state) do
    pid = spawn(module, :loop, [])
    send(pid, {:add, self(), state.done, 2})
    sum = receive do: ({:sum, sum} -> sum)
    true = sum == state.done + 2
    Process.sleep(1)
    send(pid, :stop)
    state
  end

  defp stopped(callers) do
    for {pid, monitor} <- callers do
      send(pid, {:stop, self()})

      receive do
        {^pid, state} ->
          assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}
          state

        {:DOWN, ^monitor, :process, ^pid, reason} ->
          flunk("a caller ended with #{inspect(reason)}")
      after
        5_000 -> flunk("a caller does not answer")
      end
    end
  end

  defp settled(module, tries \\ 500) do
    cond do
      Loader.modules() == [] and not :erlang.check_old_code(module) -> :ok
      tries == 0 -> flunk("#{inspect(module)} does not come back: #{inspect(Loader.inside(module))}")
      true -> Process.sleep(10) && settled(module, tries - 1)
    end
  end

  defp gone(tries \\ 300) do
    case {Process.whereis(Loader), Process.whereis(Survivor)} do
      {nil, nil} -> :ok
      left when tries == 0 -> flunk("#{inspect(left)} does not end")
      _ -> Process.sleep(10) && gone(tries - 1)
    end
  end

  @tag timeout: 600_000
  test "#{@cycles} cycles with callers inside", %{module: module} do
    before = facts(module)
    keeper = spawn(fn -> Process.sleep(:infinity) end)
    on_exit(fn -> Process.exit(keeper, :kill) end)
    :ok = Loader.keep(keeper)
    tables = length(:ets.all())
    callers = callers(module)

    cycle = fn ->
      case acquire([{module, :all}], self()) do
        {:ok, [_]} ->
          refute Loader.Code.md5(module) == elem(before, 0)
          Loader.release(self()) != :ok

        # Somebody is still inside the code of the cycle before.
        {:error, error} ->
          assert error.reason == :still_running
          true
      end
    end

    cycle.()
    atoms = :erlang.system_info(:atom_count)
    late = Enum.count(1..@cycles, fn _ -> cycle.() end)
    settled(module)
    assert :erlang.system_info(:atom_count) == atoms
    results = stopped(callers)
    assert Enum.all?(results, &(&1.done > div(@cycles, 10)))
    assert facts(module) == before
    # In the end every cycle is one that was done: what is inside for 4 ms is waited for.
    assert late == 0
    Process.exit(keeper, :kill)
    gone()
    assert length(:ets.all()) == tables
  end

  test "owners that come, go and die in any order, and a loader that is killed meanwhile", %{module: module} do
    :rand.seed(:exsss, ExUnit.configuration()[:seed])
    before = facts(module)
    callers = callers(module)
    wants = [:all, [add: 2], [twice: 1], [nap: 1, adder: 1]]

    owners =
      Enum.reduce(1..300, [], fn _, owners ->
        case :rand.uniform(10) do
          n when n <= 4 ->
            owner = spawn(fn -> Process.sleep(:infinity) end)

            case acquire([{module, Enum.random(wants)}], owner) do
              {:ok, _} ->
                assert Loader.status(module) == :instrumented
                [owner | owners]

              {:error, error} ->
                assert error.reason == :still_running
                owners
            end

          n when n <= 7 and owners != [] ->
            owner = Enum.random(owners)
            assert Loader.release(owner) in [:ok, {:still_running, [module]}]
            List.delete(owners, owner)

          n when n <= 9 and owners != [] ->
            owner = Enum.random(owners)
            Process.exit(owner, :kill)
            List.delete(owners, owner)

          10 ->
            if loader = Process.whereis(Loader), do: Process.exit(loader, :kill)
            owners

          _ ->
            owners
        end
      end)

    for owner <- owners, do: Process.exit(owner, :kill)
    settled(module)
    stopped(callers)
    assert facts(module) == before
    gone()
  end
end
