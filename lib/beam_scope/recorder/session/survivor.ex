defmodule BeamScope.Recorder.Session.Survivor do
  @moduledoc """
  Undoes what the hub switched on when the hub is killed, on releases without trace sessions.

  There flags and patterns end with nobody: what a killed hub and its recorders had set would stay, and would look like another tool's. So a
  process beside the hub is told of each before it is set. It does nothing but wait for the hub's end. The next hub waits for it in turn,
  so that it never undoes what that one sets. Where it is killed with the hub, recorders that live ask the next hub to undo what was theirs
  (`BeamScope.Recorder.Hub.orphaned/2`).
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Recorder.{Hub, Session}
  alias BeamScope.Recorder.Session.Classic

  @doc "Starts one for the calling hub, once that of the hub before is done."
  @spec start() :: pid()
  def start do
    _ = ended(__MODULE__)
    {:ok, pid} = GenServer.start(__MODULE__, self(), name: __MODULE__, spawn_opt: [priority: :high])
    pid
  end

  @doc "Waits for the end of one whose hub was killed: whether it has done its work, as far as anybody can tell."
  @spec done?(pid() | nil) :: boolean()
  def done?(nil), do: false

  def done?(pid), do: ended(pid) == :normal

  defp ended(who) do
    monitor = Process.monitor(who)
    receive do: ({:DOWN, ^monitor, :process, _, reason} -> reason)
  end

  @doc """
  The hub is about to do this. The message is with the survivor before anything is set: whoever is killed after it has sent has sent.
  """
  @spec told(pid(), Session.tracer(), term()) :: :ok
  def told(survivor, tracer, {:pattern, mfa, _want}), do: GenServer.cast(survivor, {:will, tracer, mfa})
  def told(survivor, tracer, {:receives, true}), do: GenServer.cast(survivor, {:will, tracer, :receives})

  def told(survivor, tracer, request) when elem(request, 0) in [:trace, :trace_new, :adopt],
    do: GenServer.cast(survivor, {:will, tracer, :flags})

  def told(_survivor, _tracer, _request), do: :ok

  @impl true
  def init(hub), do: {:ok, %{hub: Process.monitor(hub), set: %{}}}

  @impl true
  def handle_cast({:will, tracer, what}, state),
    do: {:noreply, %{state | set: Map.update(state.set, tracer, MapSet.new([what]), &MapSet.put(&1, what))}}

  @impl true
  # A hub that ends by itself has undone all.
  def handle_info({:DOWN, hub, :process, _, :normal}, %{hub: hub} = state), do: {:stop, :normal, state}

  def handle_info({:DOWN, hub, :process, _, _reason}, %{hub: hub} = state) do
    for {tracer, set} <- state.set do
      {words, patterns} = Enum.split_with(set, &is_atom/1)
      Classic.undo_all(tracer, patterns, :receives in words)
    end

    Hub.tidy()
    {:stop, :normal, state}
  end

  def handle_info(_other, state), do: {:noreply, state}
end
