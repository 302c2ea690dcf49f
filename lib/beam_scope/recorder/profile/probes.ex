defmodule BeamScope.Recorder.Profile.Probes do
  @moduledoc """
  Private processes of each behaviour for the self-test: what they hold at which moment is known.
  """

  defmodule Server do
    @moduledoc false
    use GenServer

    @impl true
    def init(_), do: {:ok, {:held, 0}}
    @impl true
    def handle_call(:bump, _from, {:held, n}), do: {:reply, :done, {:held, n + 1}}
    @impl true
    def handle_cast(:bump, {:held, n}), do: {:noreply, {:held, n + 1}}
  end

  defmodule Machine do
    @moduledoc false
    @behaviour :gen_statem

    @impl true
    def callback_mode, do: :handle_event_function
    @impl true
    def init(_), do: {:ok, :idle, {:held, 0}}

    @impl true
    def handle_event({:call, from}, :bump, _, {:held, n}),
      do: {:next_state, :busy, {:held, n + 1}, [{:reply, from, :done}]}

    def handle_event(:cast, :bump, _, {:held, n}), do: {:next_state, :busy, {:held, n + 1}}
  end

  defmodule Handler do
    @moduledoc false
    @behaviour :gen_event

    @impl true
    def init(_), do: {:ok, {:held, 0}}
    @impl true
    def handle_event(:bump, {:held, n}), do: {:ok, {:held, n + 1}}
    @impl true
    def handle_call(:bump, {:held, n}), do: {:ok, :done, {:held, n + 1}}
  end

  # Also on a system with more work than schedulers: who waits for it does not wait for long.
  @at_once [spawn_opt: [priority: :high]]

  @doc "Starts a probe, unlinked."
  @spec start(atom()) :: {:ok, pid()}
  def start(:gen_server), do: GenServer.start(Server, nil, @at_once)
  def start(:gen_statem), do: :gen_statem.start(Machine, nil, @at_once)

  def start(:gen_event) do
    {:ok, pid} = :gen_event.start(@at_once)
    :ok = :gen_event.add_handler(pid, Handler, nil)
    {:ok, pid}
  end

  @doc "A call and a cast, each of which counts what is held up by one."
  @spec bump_twice(atom(), pid()) :: :ok
  def bump_twice(:gen_server, pid) do
    :done = GenServer.call(pid, :bump)
    GenServer.cast(pid, :bump)
  end

  def bump_twice(:gen_statem, pid) do
    :done = :gen_statem.call(pid, :bump)
    :gen_statem.cast(pid, :bump)
  end

  def bump_twice(:gen_event, pid) do
    :done = :gen_event.call(pid, Handler, :bump)
    :gen_event.notify(pid, :bump)
  end

  @doc "Stops a probe and waits for its end."
  @spec stop(atom(), pid()) :: :ok
  def stop(:gen_server, pid), do: GenServer.stop(pid)
  def stop(:gen_statem, pid), do: :gen_statem.stop(pid)
  def stop(:gen_event, pid), do: :gen_event.stop(pid)

  @doc "What the behaviour's state looks like after `n` bumps."
  @spec held(atom(), non_neg_integer(), term()) :: boolean()
  def held(:gen_server, n, state), do: state == {:held, n}
  def held(:gen_statem, n, state), do: match?({_, {:held, ^n}}, state)
  def held(:gen_event, n, state), do: match?([{:handler, Handler, false, {:held, ^n}, false}], state)
end
