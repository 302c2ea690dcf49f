defmodule BeamScope.Recorder.Vitals do
  @moduledoc """
  How the whole system stands while a recording runs: the helper process of `system: true`.

  Every second it takes a sample (`Vitals.Sample`) and writes it as `:system` events. Between samples it gets what the virtual
  machine's own monitor tells (`Vitals.Monitor`) and writes that too: at most 50 of a kind a second, the rest is counted, and in a
  storm the monitor is switched off until the next sample, so that neither the recording nor this process' mailbox fills.

  The helper leaves nothing behind: scheduler wall time, a trace session and a subscription all go with it.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Recorder
  alias BeamScope.Recorder.Vitals.{Monitor, Observer, Sample, Warnings}

  # At the end of a recording nobody waits longer: a process that this one asks may be inside a NIF.
  @finish_ms 3_000
  # How many members' pids are handed over for a sample.
  @members 1_000

  @typedoc "What has to be known: the recording's data, its native module, its recorder, the options of `system:`."
  @type arguments :: %{data: reference(), native: module(), recorder: pid(), options: map()}

  # The recorder's side

  @doc """
  What has to be known before the recording has a trace session: to find out ends one, and on some releases that switches off others'
  traces of built-in functions.
  """
  @spec prepare(map()) :: :ok
  def prepare(%{system: false}), do: :ok

  def prepare(_options) do
    _ = Monitor.sessions?()
    :ok
  end

  @doc "Starts it for the calling recorder, if that was asked for."
  @spec start(map()) :: {:ok, map()} | {:error, BeamScope.Error.t()}
  def start(%{options: %{system: false}} = state), do: {:ok, state}

  def start(state) do
    arguments = %{data: state.data, native: state.native, recorder: self(), options: state.options.system}

    with {:ok, pid} <- Recorder.start_helper(__MODULE__, arguments) do
      Process.monitor(pid)
      GenServer.cast(pid, {:members, members(state)})
      # Not in its init: the hub, which is asked again there, waits for that.
      :ok = GenServer.call(pid, :begin, :infinity)
      {:ok, told(%{state | vitals: pid})}
    end
  catch
    :exit, {reason, _} -> {:error, BeamScope.Error.new(:setup_failed, reason)}
  end

  @doc "The recording ends: a last sample, and everything of the helper's is given back."
  @spec finish(map()) :: map()
  def finish(%{vitals: nil} = state), do: state

  def finish(%{vitals: pid} = state) do
    try do
      GenServer.call(pid, {:finish, members(state)}, @finish_ms)
    catch
      :exit, _ -> Process.exit(pid, :kill)
    end

    told(%{state | vitals: nil})
  end

  @doc "What the helper asks of its recorder."
  @spec heard(term(), map()) :: map()
  def heard(:members, %{vitals: pid} = state) do
    if pid, do: GenServer.cast(pid, {:members, members(state)})
    state
  end

  def heard({:note, text}, state), do: Recorder.Setup.note(state, text)

  @doc "The helper is gone though the recording goes on."
  @spec lost(map(), term()) :: map()
  def lost(state, reason) do
    text = "the system is no longer watched: its helper ended (#{inspect(reason, limit: 5)})"
    Recorder.Setup.note(%{state | vitals: nil}, text)
  end

  # What it said while it was waited for.
  defp told(state) do
    receive do
      {:vitals, message} -> message |> heard(state) |> told()
    after
      0 -> state
    end
  end

  defp members(%{follow: nil}), do: {[], 0}
  defp members(%{follow: %{members: members}}), do: {Enum.take(members, @members), MapSet.size(members)}

  # The helper

  @impl true
  def init(%{recorder: recorder, options: options} = arguments) do
    Process.flag(:trap_exit, true)
    Process.monitor(recorder)
    :erlang.system_flag(:scheduler_wall_time, true)

    {:ok,
     Map.merge(arguments, %{
       monitor: nil,
       warnings: Warnings.new(),
       sample: Sample.new(options.processes),
       members: {[], 0},
       queues: nil,
       n: 0
     })}
  end

  @impl true
  def handle_call(:begin, _from, state) do
    {monitor, said} = Monitor.open(state.options)
    Enum.each(said, &note(state, &1))
    queues = if monitor.queues or state.options.long_message_queue == false, do: nil, else: MapSet.new()
    state = observe(%{state | monitor: monitor, queues: queues}, :start)
    {:reply, :ok, state |> sample() |> again()}
  end

  def handle_call({:finish, members}, _from, state) do
    state = %{state | members: members} |> sample() |> observe(:end)
    {:stop, :normal, :ok, close(state)}
  end

  @impl true
  def handle_cast({:members, members}, state), do: {:noreply, %{state | members: members}}

  @impl true
  def handle_info({:monitor, who, what, info}, state), do: {:noreply, warned(state, who, what, info)}

  def handle_info(:tick, state) do
    send(state.recorder, {:vitals, :members})
    {:noreply, state |> sample() |> again()}
  end

  # The recorder was killed, or has failed to set up: the hub undoes the rest.
  def handle_info({:DOWN, _, :process, pid, _}, %{recorder: pid} = state), do: {:stop, :normal, state}

  def handle_info(other, state) do
    case Monitor.heard(state.monitor, other) do
      {:lost, monitor, text} ->
        note(state, text)
        {:noreply, %{state | monitor: monitor}}

      :unknown ->
        {:noreply, state}
    end
  end

  # The hub has ended, or this one was asked to stop.
  @impl true
  def terminate(_reason, state), do: close(state)

  defp close(%{monitor: nil} = state), do: state

  defp close(state) do
    Monitor.close(state.monitor)
    %{state | monitor: nil}
  end

  defp again(state) do
    Process.send_after(self(), :tick, state.options.every)
    state
  end

  # Writing

  defp sample(state) do
    {pids, of} = state.members
    {sample, taken} = Sample.take(state.sample, pids, of)
    {state, queues} = long_queues(%{state | sample: sample, n: state.n + 1}, taken.looked_at)
    {warnings, hidden} = Warnings.turn(state.warnings)
    events = Sample.events(taken, state.n, Warnings.seen(warnings)) ++ hidden
    Enum.each(events, &write(state, &1))

    state =
      Enum.reduce(queues, %{state | warnings: warnings}, fn {pid, on}, state -> queue(state, pid, on) end)

    %{state | monitor: Monitor.resume(state.monitor)}
  end

  # Where the virtual machine does not tell of long queues, samples do: of members only.
  defp long_queues(%{queues: nil} = state, _looked_at), do: {state, []}

  defp long_queues(%{queues: long, options: %{long_message_queue: limit}} = state, looked_at) do
    {long, changes} = Warnings.queues(long, looked_at, limit)
    {%{state | queues: long}, changes}
  end

  defp queue(state, pid, on), do: warned(state, pid, :long_message_queue, on)

  defp warned(state, who, what, info) do
    case Warnings.add(state.warnings, who, what, info) do
      {:write, event, warnings} ->
        write(state, event)
        %{state | warnings: warnings}

      {:count, warnings} ->
        %{state | warnings: warnings}

      {:storm, warnings} ->
        %{state | warnings: warnings, monitor: Monitor.pause(state.monitor)}
    end
  end

  defp observe(%{options: %{observer: false}} = state, _when), do: state

  defp observe(state, when_) do
    Enum.each(Observer.view(when_), &write(state, &1))
    state
  end

  defp write(state, {what, detail}),
    do: state.native.recording_inject(state.data, :system, state.recorder, [what, detail])

  defp note(state, text), do: send(state.recorder, {:vitals, {:note, text}})
end
