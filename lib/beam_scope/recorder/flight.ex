defmodule BeamScope.Recorder.Flight do
  @moduledoc """
  Freezes a flight recorder when something of `freeze_on:` happens, and saves what was frozen.

  One process for each recorder that has such triggers. Lifecycle events come from the recorder as they are told; what needs the contents of
  events is asked of the recording by standing queries (`BeamScope.Recorder.Flight.Triggers`). A trigger is followed by a short wait,
  so that what it led to is in the recording; what triggers until the quiet time after it is over makes no other file and is counted.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  require Logger

  alias BeamScope.{Error, Native, Recorder, Recording}
  alias BeamScope.Recorder.Flight.{Files, Triggers}
  alias BeamScope.Terminal.Style

  # What came of a trigger is to be in the file too.
  @aftermath_ms 200
  @poll_ms 200

  @doc "Starts it for a recorder; answers the recorder's state."
  @spec start(map) :: {:ok, map} | {:error, Error.t()}
  def start(state) do
    arguments = %{
      recorder: self(),
      data: state.data,
      id: state.id,
      options: Map.take(state.options, [:freeze_on, :to, :files, :quiet]),
      targets: state.given,
      level: state.plan.level,
      members: state.follow.members
    }

    with {:ok, pid} <- Recorder.start_helper(__MODULE__, arguments), do: {:ok, %{state | flight: pid}}
  end

  @doc "Tells it of a lifecycle event."
  @spec tell(pid, tuple) :: :ok
  def tell(flight, event) do
    send(flight, event)
    :ok
  end

  @doc "The recording ends: what has triggered is saved before that, and no more is looked for."
  @spec land(pid) :: :ok
  def land(flight) do
    GenServer.call(flight, :land, :infinity)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init(%{options: options} = arguments) do
    Process.flag(:trap_exit, true)
    Process.monitor(arguments.recorder)

    with {:ok, directory} <- Files.directory(options.to),
         {:ok, triggers} <- Triggers.open(options.freeze_on, arguments) do
      if Triggers.polls?(triggers), do: Process.send_after(self(), :poll, @poll_ms)

      {:ok,
       Map.merge(arguments, %{
         directory: directory,
         triggers: triggers,
         # The first trigger that is to be saved, and since when there may be another one.
         reason: nil,
         quiet_until: nil,
         more: 0
       })}
    else
      {:error, %Error{} = error} -> {:stop, error}
    end
  end

  @impl true
  def handle_call(:land, _from, state),
    do: {:stop, :normal, :ok, if(state.reason, do: freeze(state), else: state)}

  @impl true
  def handle_info(:poll, state) do
    {found, triggers} = Triggers.poll(state.triggers)
    Process.send_after(self(), :poll, @poll_ms)
    {:noreply, triggered(%{state | triggers: triggers}, found)}
  end

  def handle_info(:freeze, state), do: {:noreply, freeze(state)}

  def handle_info({:DOWN, _, :process, pid, _}, %{recorder: pid} = state), do: {:stop, :normal, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}

  def handle_info(event, state) do
    {found, triggers} = Triggers.happened(state.triggers, event)
    {:noreply, triggered(%{state | triggers: triggers}, found)}
  end

  @impl true
  def terminate(_reason, %{triggers: triggers}), do: Triggers.close(triggers)

  defp triggered(state, []), do: state

  defp triggered(%{reason: nil} = state, [reason | more]) do
    if quiet?(state) do
      %{state | more: state.more + 1 + length(more)}
    else
      Process.send_after(self(), :freeze, @aftermath_ms)
      %{state | reason: reason, more: state.more + length(more)}
    end
  end

  defp triggered(state, more), do: %{state | more: state.more + length(more)}

  defp quiet?(%{quiet_until: nil}), do: false
  defp quiet?(%{quiet_until: until}), do: System.monotonic_time(:millisecond) < until

  defp freeze(%{reason: nil} = state), do: state

  defp freeze(%{reason: {kind, text}} = state) do
    path = Files.path(state.directory, kind)
    told = told(save(state, path), path, text, state.more)
    Logger.warning("BeamScope " <> told)
    send(state.recorder, {:frozen, told})
    quiet_until = System.monotonic_time(:millisecond) + state.options.quiet
    %{state | reason: nil, more: 0, quiet_until: quiet_until}
  end

  defp save(state, path) do
    with {:ok, frozen} <- Recorder.freeze(recording(state)) do
      case Recorder.save(frozen, path) do
        {:ok, bytes} ->
          _ = Native.recording_close(frozen.native)
          Files.protect(path)
          Files.prune(state.directory, state.options.files)
          {:ok, bytes}

        {:error, reason} ->
          # It is all there is of what happened.
          Recorder.keep(frozen)
          {:error, Error.from_native(reason)}
      end
    end
  end

  defp recording(state),
    do: %Recording{id: state.id, native: state.data, pid: nil, targets: state.targets, level: state.level}

  defp told({:ok, bytes}, path, text, more),
    do: "froze #{Style.bytes(bytes)} to #{path}: #{text}#{more(more)}"

  defp told({:error, error}, path, text, more),
    do:
      "could not save to #{path} what it froze (#{Exception.message(error)}): #{text}#{more(more)}. " <>
        "While there is room for it, BeamScope.recordings/0 has it"

  defp more(0), do: ""
  defp more(n), do: "; #{Style.count(n, "more trigger")} since the last file"
end
