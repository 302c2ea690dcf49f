defmodule BeamScope.Lines.Loader.Survivor do
  @moduledoc """
  Knows what the loader has loaded, so that a loader that is killed loses nothing.

  It is told of each module before its code is loaded, and waits for the loader's end. Of one that was killed it starts another, which goes on
  where that one was: recordings keep their lines, and originals come back.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Lines.Loader

  # Another loader, started by somebody else, asks for what is here at once.
  @linger_ms 5_000

  @typedoc "What a loader is given when it starts."
  @type saved :: %{modules: %{module() => Loader.Held.t()}, next_id: non_neg_integer(), owners: [pid()]}

  @doc "Starts one for the calling loader, once that of the loader before is done."
  @spec start() :: {pid(), reference()}
  def start do
    before = Process.monitor(__MODULE__)
    receive do: ({:DOWN, ^before, :process, _, _} -> :ok)

    {:ok, pid} = GenServer.start(__MODULE__, self(), name: __MODULE__, spawn_opt: [priority: :high])
    {pid, Process.monitor(pid)}
  end

  @doc "What the loader before left, or `nil`."
  @spec take() :: saved() | nil
  def take do
    GenServer.call(__MODULE__, :take, :infinity)
  catch
    :exit, _ -> nil
  end

  @doc "The loader holds this module in this way from now on; `nil`: no longer."
  @spec told(pid(), module(), Loader.Held.t() | nil, non_neg_integer()) :: :ok
  def told(survivor, module, held, next_id), do: GenServer.cast(survivor, {:told, module, held, next_id})

  @impl true
  def init(loader) do
    Loader.settle_in()
    {:ok, %{loader: loader, monitor: Process.monitor(loader), modules: %{}, next_id: 0}}
  end

  @impl true
  def handle_call(:take, _from, state) do
    {:stop, :normal, Map.take(state, [:modules, :next_id]), state}
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

    case Loader.start(Map.take(state, [:modules, :next_id])) do
      {:ok, _} -> {:stop, :normal, state}
      {:error, {:already_started, _}} -> {:noreply, state, @linger_ms}
    end
  end

  def handle_info(:timeout, state), do: {:stop, :normal, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, _state), do: Loader.move_out(self())
end
