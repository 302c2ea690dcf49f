defmodule BeamScope.Expectation.Watch do
  @moduledoc false
  # Watches a recording that runs for what breaks its expectations. One of BeamScope's own processes, which no recording sees:
  # it asks the core what the events that came since decided, and nothing of the recorded processes.
  #
  # Whatever is slow about a violation, the report and what the user does with it, is done by a process of its own
  # (`BeamScope.Expectation.Reporter`). The watch ends when the recording has, and its reporters.

  use GenServer
  use BeamScope.Recorder.Discreet
  require Logger

  alias BeamScope.{Error, Expect, Recorder, Recording}
  alias BeamScope.Expect.{Aside, Assertion}
  alias BeamScope.Expectation.{Judge, Reporter, Suite}

  # Events reach the recording within 10 ms; to look costs a microsecond for each.
  @poll_ms 20
  # So long may a function of the user's take.
  @patience_ms 30_000

  @doc "Begins to watch. What the recording holds counts too."
  @spec start(Recording.t(), Suite.t(), Reporter.action(), pid) :: {:ok, pid} | {:error, Error.t()}
  def start(rec, %Suite{} = suite, action, leader) do
    asked =
      for {e, at} <- Enum.with_index(suite.expectations), a <- e.assertions, a.check != :state_at, do: {at, a}

    with :ok <- running(rec),
         {:ok, monitor} <- Expect.monitor(rec, for({_at, a} <- asked, do: Judge.to_check(a))) do
      state = %{
        rec: rec,
        suite: suite,
        monitor: monitor,
        asked: List.to_tuple(asked),
        # Those that were not told of yet, by their place.
        open: suite.expectations |> Enum.with_index(&{&2, &1}) |> Map.new(),
        action: action,
        leader: leader,
        reporters: %{},
        phase: :watching
      }

      {:ok, Aside.start!({__MODULE__, :start_linked, [state]})}
    end
  end

  @doc false
  # Linked to the hub, yet not as its parent's child: that would end with a crash report.
  def start_linked(state) do
    with {:ok, pid} <- GenServer.start(__MODULE__, state) do
      Process.link(pid)
      {:ok, pid}
    end
  end

  defp running(rec) do
    if Aside.running?(rec),
      do: :ok,
      else: with({:ok, _} <- Recorder.info(rec), do: {:error, Error.new(:not_running, ended(rec))})
  end

  defp ended(%Recording{pid: nil}),
    do: "the recording was loaded from a file, and nothing more comes: " <> ask_instead()

  defp ended(_rec), do: "the recording has ended, and nothing more comes: " <> ask_instead()
  defp ask_instead, do: "BeamScope.check/3 says how it stands"

  @doc "Ends a watch; what was broken by now is still reported. To end one twice is no error."
  @spec stop(pid) :: :ok
  def stop(watch) do
    GenServer.call(watch, :stop, :infinity)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init(state) do
    Process.flag(:trap_exit, true)
    Process.monitor(state.rec.pid)
    {:ok, state, {:continue, :poll}}
  end

  @impl true
  def handle_continue(:poll, state), do: poll(state)
  def handle_continue(:end, state), do: end_when_told(state)

  @impl true
  def handle_call(:stop, _from, %{phase: :watching} = state) do
    {_, state, _} = decided(state, :now)
    {:reply, :ok, over(state), {:continue, :end}}
  end

  def handle_call(:stop, _from, state), do: {:reply, :ok, state}

  @impl true
  def handle_info(:poll, %{phase: :watching} = state), do: poll(state)

  def handle_info({:DOWN, _, :process, pid, _}, %{rec: %{pid: pid}} = state),
    do: state |> last_words() |> over() |> end_when_told()

  def handle_info({:EXIT, pid, _reason}, %{reporters: reporters} = state) when is_map_key(reporters, pid),
    do: end_when_told(%{state | reporters: Map.delete(reporters, pid)})

  # The hub, and with it all recordings.
  def handle_info({:EXIT, _hub, _reason}, state), do: {:stop, :shutdown, state}

  def handle_info({:overdue, pid}, state) do
    if at = state.reporters[pid] do
      Process.exit(pid, :kill)
      %{name: name} = Enum.at(state.suite.expectations, at)

      Logger.error(
        "BeamScope: on_violation of #{inspect(name)} took more than #{div(@patience_ms, 1_000)} s and was ended"
      )
    end

    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  # ---- looking ----

  defp poll(state) do
    began = System.monotonic_time(:millisecond)

    case decided(state, :stored) do
      {:ok, state, next} ->
        # Half of the time is for others, however much there is to look at.
        took = System.monotonic_time(:millisecond) - began
        Process.send_after(self(), :poll, max(next, took))
        {:noreply, state}

      {:gone, state, _} ->
        state |> over() |> end_when_told()
    end
  end

  defp decided(state, how) do
    case Expect.poll(state.monitor, how) do
      {:ok, %{events: events, next: next}} ->
        {:ok, violations(state, events), min(next || @poll_ms, @poll_ms)}

      # It was closed.
      {:error, _error} ->
        {:gone, state, nil}
    end
  end

  defp violations(state, events) do
    events
    |> Enum.map(fn {index, _verdict, result} -> {elem(state.asked, index), result} end)
    |> Enum.filter(fn {{at, a}, result} ->
      is_map_key(state.open, at) and Assertion.verdict(a, result) == :broken
    end)
    |> Enum.group_by(fn {{at, _a}, _result} -> at end, fn {{_at, a}, result} -> {a, result} end)
    |> Enum.reduce(state, fn {at, broken}, state -> report(state, at, broken) end)
  end

  # ---- telling ----

  # The recording stops first, so that it ends near what broke.
  defp report(%{action: :stop, phase: :watching} = state, at, broken) do
    _ = Recorder.stop(state.rec, :violation)
    report(%{state | phase: :stopped}, at, broken)
  end

  defp report(state, at, broken) do
    {expectation, open} = Map.pop!(state.open, at)

    told = %{
      rec: state.rec,
      module: state.suite.module,
      expectation: expectation,
      broken: broken,
      action: state.action
    }

    pid = Reporter.start(told, self(), state.leader)
    Process.send_after(self(), {:overdue, pid}, @patience_ms)
    %{state | open: open, reporters: Map.put(state.reporters, pid, at)}
  end

  # ---- the end ----

  # What a recording that ended by itself never saw, it will never see.
  defp last_words(%{phase: :watching} = state) do
    case Expect.finish(state.monitor) do
      {:ok, results} ->
        state.asked
        |> Tuple.to_list()
        |> Enum.zip(results)
        |> Enum.concat(for {at, e} <- state.open, %{check: :state_at} = a <- e.assertions, do: {{at, a}, nil})
        |> Enum.filter(fn {{at, a}, result} ->
          is_map_key(state.open, at) and broken?(state.rec, a, result)
        end)
        |> Enum.group_by(fn {{at, _a}, _result} -> at end, fn {{_at, a}, result} -> {a, result} end)
        |> Enum.reduce(%{state | phase: :ended}, fn {at, broken}, state -> report(state, at, broken) end)

      {:error, _error} ->
        state
    end
  rescue
    # It was closed meanwhile.
    Error -> state
  end

  defp last_words(state), do: state

  defp broken?(rec, a, nil), do: match?({:broken, _, _}, Judge.state_at(rec, a))
  defp broken?(_rec, a, result), do: Assertion.verdict(a, result) == :broken

  defp over(state), do: %{state | phase: :over, open: %{}}

  defp end_when_told(%{phase: :over, reporters: none} = state) when none == %{}, do: {:stop, :normal, state}
  defp end_when_told(state), do: {:noreply, state}
end
