defmodule BeamScope.Lines.Loader.Survivor do
  @moduledoc """
  Knows what the loader has loaded, so that a loader that is killed loses nothing.

  It is told of each module before its code is loaded, and waits for the loader's end. Of one that was killed it starts another, or finds one that
  somebody else has started, hands over what it knows, and stays. Recordings keep their lines, and
  originals come back.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Lines.Loader

  # A loader that was killed while it started.
  @again_ms 5

  @typedoc "What a loader is given when it starts."
  @type saved :: %{
          modules: %{module() => Loader.Held.t()},
          next_id: non_neg_integer(),
          survivor: pid() | nil
        }

  @doc """
  One for the calling loader, which knows this, with what both know. There may be one already that was not there when it was asked: its
  loader was killed before it had its name.
  """
  @spec find(saved()) :: {{pid(), reference()}, saved()}
  def find(%{survivor: nil} = known) do
    rest = :maps.map(fn _, held -> at_rest(held) end, known.modules)
    start = %{loader: self(), modules: rest, next_id: known.next_id}

    case GenServer.start(__MODULE__, start, name: __MODULE__, spawn_opt: [priority: :high]) do
      {:ok, pid} -> find(%{known | survivor: pid})
      {:error, _} -> find(more(known, take()))
    end
  end

  def find(%{survivor: pid} = known), do: {{pid, Process.monitor(pid)}, known}

  defp more(known, nil), do: known

  defp more(known, taken) do
    %{taken | modules: Map.merge(known.modules, taken.modules), next_id: max(known.next_id, taken.next_id)}
  end

  @doc "What the loader before left, with the survivor, which is the calling loader's from now on; or `nil`."
  @spec take() :: saved() | nil
  def take do
    GenServer.call(__MODULE__, :take, :infinity)
  catch
    :exit, _ -> nil
  end

  @doc "The loader holds this module in this way from now on; `nil`: no longer."
  @spec told(pid(), module(), Loader.Held.t() | nil, non_neg_integer()) :: :ok
  def told(survivor, module, held, next_id),
    do: GenServer.cast(survivor, {:told, module, held && at_rest(held), next_id})

  # Prepared code is good for one load by one process.
  defp at_rest(held), do: %{held | prepared: nil}

  @impl true
  def init(known) do
    Loader.settle_in()
    {:ok, Map.put(known, :monitor, Process.monitor(known.loader))}
  end

  @impl true
  def handle_call(:take, {loader, _}, state), do: {:reply, saved(state), watch(state, loader)}

  defp saved(state), do: %{modules: state.modules, next_id: state.next_id, survivor: self()}

  defp watch(state, loader) do
    Process.demonitor(state.monitor, [:flush])
    %{state | loader: loader, monitor: Process.monitor(loader)}
  end

  @impl true
  def handle_cast({:told, module, held, next_id}, state) do
    modules = if held, do: Map.put(state.modules, module, held), else: Map.delete(state.modules, module)

    {:noreply, %{state | modules: modules, next_id: next_id}, :hibernate}
  end

  @impl true
  # One that ends by itself has put everything back.
  def handle_info({:DOWN, monitor, :process, _, :normal}, %{monitor: monitor} = state),
    do: {:stop, :normal, state}

  def handle_info({:DOWN, monitor, :process, loader, _}, %{monitor: monitor} = state) do
    Loader.move_out(loader)
    {:noreply, follow(state)}
  end

  def handle_info({:again, monitor}, %{monitor: monitor} = state), do: {:noreply, follow(state)}
  def handle_info(_other, state), do: {:noreply, state}

  # Another loader, started by somebody else, asks for what is here at once.
  defp follow(state) do
    case Loader.start(saved(state)) do
      {:ok, loader} ->
        watch(state, loader)

      {:error, {:already_started, loader}} ->
        watch(state, loader)

      {:error, _} ->
        Process.send_after(self(), {:again, state.monitor}, @again_ms)
        state
    end
  end

  @impl true
  def terminate(_reason, _state), do: Loader.move_out(self())
end
