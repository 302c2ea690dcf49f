defmodule BeamScope.Recorder.Hub do
  @moduledoc """
  The one process of BeamScope that all recordings have in common.

  It starts with the first recording and ends after the last. It starts recorders and helpers (so that
  they inherit no tracing from the shell or the test that asked), holds the ledger of classic flags, and undoes
  what a killed recorder left behind. Recorders watch it in turn: when it is killed, each undoes its own.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Recorder
  alias BeamScope.Recorder.{Guards, Keeper, Own, Plan, Profile, Server, Session, Shelf}
  alias BeamScope.Recorder.Session.{Classic, Ledger, Survivor}

  # A VM-wide mark that classic flags may be set; an immediate, so that changing it costs nothing.
  @dirty {__MODULE__, :classic_flags}

  # Asking

  @doc "Starts a recorder for these arguments."
  @spec start_recorder(map()) :: {:ok, pid()} | {:error, term()}
  def start_recorder(arguments), do: call({:start_recorder, arguments})

  @doc "Starts a helper process: a child specification, linked to the hub."
  @spec start_helper(map()) :: {:ok, pid()} | {:error, term()}
  def start_helper(child) do
    call({:start_helper, child})
  catch
    # Helpers are linked to the hub: one that was started has ended with it.
    :exit, {reason, _} -> {:error, {:hub, reason}}
  end

  @doc "The keeper of what the recordings of an owner have in common: the one there is, or a new one."
  @spec keeper(pid()) :: {:ok, pid()} | {:error, term()}
  def keeper(owner), do: call({:keeper, owner})

  @doc "A recorder tells what has to be undone if it is killed."
  @spec register(pid(), map()) :: :ok
  def register(hub, undo), do: GenServer.call(hub, {:register, self(), undo}, :infinity)

  @doc "A recorder has undone everything itself."
  @spec unregister(pid()) :: :ok
  def unregister(hub) do
    GenServer.call(hub, {:unregister, self()}, :infinity)
  catch
    :exit, _ -> :ok
  end

  @doc """
  A request of a recording to the ledger of classic flags, in the hub with which it started: the next one knows nothing of it, and would
  keep its wants for ever.
  """
  @spec classic(pid(), pos_integer(), Session.tracer(), term()) :: term()
  def classic(hub, id, tracer, request), do: GenServer.call(hub, {:classic, id, tracer, request}, :infinity)

  @doc """
  A recording's hub was killed, and the survivor with it: what they had set for the recording is undone, unless it is wanted by now by
  others. That needs a hub, since only it knows; one is started for it.
  """
  @spec orphaned(Session.tracer(), [Session.place()]) :: :ok
  def orphaned(tracer, places) do
    call({:orphaned, tracer, places})
  catch
    :exit, _ -> :ok
  end

  @doc """
  The places on a module where the ledger of classic flags has patterns. Whoever replaces its code leaves them to `reloaded/2`: only the hub
  knows whether they are still wanted.
  """
  @spec ledger_on(module()) :: [Session.place()]
  def ledger_on(module), do: ask({:ledger_on, module}, [])

  @doc """
  The code of a module was replaced for one of the recorders, and its patterns with it. Those of the ledger are set again by the return of
  this; other recordings are told, and set theirs.
  """
  @spec reloaded(module(), pid() | nil) :: :ok
  def reloaded(module, by), do: ask({:reloaded, module, by}, :ok)

  # Without a hub there is nothing to tell.
  defp ask(request, nothing) do
    GenServer.call(__MODULE__, request, :infinity)
  catch
    :exit, _ -> nothing
  end

  @doc "Undoes what a killed hub may have left of the loops that it always watches, and the mark that says so."
  @spec tidy() :: :ok
  def tidy do
    mfas = for b <- Profile.behaviours(), {_, points} <- Profile.variants(b), %{mfa: mfa} <- points, do: mfa
    watched = for {mfa, _} <- Guards.functions(), do: mfa
    ends = for mfa <- mfas, do: {:end, mfa}
    Classic.undo_all({BeamScope.Native, 0}, Enum.uniq(mfas ++ watched ++ ends ++ Plan.probes()), true)
    _ = :persistent_term.erase(@dirty)
    :ok
  end

  # The hub may end between being found and being asked.
  defp call(request, attempts \\ 5) do
    GenServer.call(ensure(), request, :infinity)
  catch
    :exit, {reason, _} when reason in [:noproc, :normal, :shutdown] and attempts > 0 ->
      call(request, attempts - 1)
  end

  defp ensure do
    case GenServer.start(__MODULE__, nil, name: __MODULE__, spawn_opt: [priority: :high]) do
      {:ok, pid} -> pid
      {:error, {:already_started, pid}} -> pid
      # One that was killed while it started is none.
      {:error, _reason} -> exit({:noproc, {__MODULE__, :start, []}})
    end
  end

  # Doing

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    # An application that ends kills whoever has its group leader.
    Process.group_leader(self(), Process.whereis(:init))
    Process.delete(:"$callers")
    Own.add(self())

    {:ok,
     %{recorders: %{}, helpers: MapSet.new(), keepers: %{}, ledger: %Ledger{}, tracer: nil, survivor: nil},
     {:continue, :tidy}}
  end

  @impl true
  def handle_continue(:tidy, state) do
    survivor = if Session.implementation() == Classic, do: survivor()

    # The one before may have been killed as well.
    if :persistent_term.get(@dirty, false), do: tidy()

    # To ask for them ends those whose recorder was killed with the hub.
    for %{pid: pid} = recording <- Shelf.list(),
        is_pid(pid),
        not Process.alive?(pid),
        do: Recorder.info(recording)

    {:noreply, %{state | survivor: survivor}}
  end

  @impl true
  def handle_call({:start_recorder, arguments}, _from, state) do
    check_profile(arguments.options.internal[:profile])

    {answer, state} = record(Server, Map.put(arguments, :hub, self()), state)
    {:reply, answer, state}
  end

  def handle_call({:start_helper, %{start: {module, function, arguments}}}, _from, state) do
    case start_child(module, function, arguments) do
      {:ok, pid} ->
        exclude(state, pid)
        Own.add(pid)
        {:reply, {:ok, pid}, %{state | helpers: MapSet.put(state.helpers, pid)}}

      other ->
        end_later()
        {:reply, other, state}
    end
  end

  def handle_call({:keeper, owner}, _from, state) do
    {answer, state} = keeper(Keeper.serves(owner), owner, state)
    {:reply, answer, state}
  end

  def handle_call({:register, pid, undo}, _from, state),
    do: {:reply, :ok, put_in(state.recorders[pid], Map.merge(state.recorders[pid] || %{}, undo))}

  # Nothing is left to undo, but the hub outlives the recorder: what it adds for one it also takes away.
  def handle_call({:unregister, pid}, _from, state),
    do: {:reply, :ok, %{state | recorders: Map.replace(state.recorders, pid, :done)}}

  def handle_call({:classic, id, tracer, request}, _from, state) do
    mark_dirty()
    state = survived(state)
    Survivor.told(state.survivor, tracer, request)
    {answer, ledger} = Classic.perform(state.ledger, id, tracer, request)
    {:reply, answer, %{state | ledger: ledger, tracer: tracer}}
  end

  def handle_call({:orphaned, tracer, places}, _from, state) do
    end_later()
    {:reply, Classic.undo_orphans(state.ledger, tracer, places), state}
  end

  def handle_call({:ledger_on, module}, _from, state),
    do: {:reply, Ledger.on(state.ledger, module), state}

  # Before OTP 27 patterns are the ledger's; from then on each recorder has its own.
  def handle_call({:reloaded, module, _by} = reloaded, _from, state) do
    if state.tracer, do: Classic.perform(state.ledger, 0, state.tracer, {:reloaded, module})
    for {pid, undo} <- state.recorders, undo != :done, do: send(pid, reloaded)
    {:reply, :ok, state}
  end

  @impl true
  # Whatever is set meanwhile would be nobody's, were this one killed as well.
  def handle_info({:DOWN, _, :process, pid, _reason}, %{survivor: pid} = state),
    do: {:noreply, survived(state)}

  def handle_info({:DOWN, _, :process, pid, _reason}, state) do
    Own.remove(pid)
    {undo, recorders} = Map.pop(state.recorders, pid)
    keepers = Map.reject(state.keepers, &(elem(&1, 1) == pid))
    state = undo(undo, %{state | recorders: recorders, keepers: keepers})
    end_later()
    {:noreply, state}
  end

  def handle_info({:EXIT, pid, _reason}, state) do
    Own.remove(pid)
    end_later()
    {:noreply, %{state | helpers: MapSet.delete(state.helpers, pid)}}
  end

  def handle_info(:end_if_idle, state) do
    if idle?(state), do: {:stop, :normal, state}, else: {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    state = Enum.reduce(state.recorders, state, fn {_, undo}, state -> undo(undo, state) end)
    if state.ledger == %Ledger{}, do: :persistent_term.erase(@dirty)
    if state.survivor, do: Own.remove(state.survivor)
    Own.remove(self())
  end

  # Here, since it must be alone: on OTP 25 and 26 two checks at a time would take each other for another tool.
  defp check_profile(internal) do
    if Session.implementation() == Classic, do: mark_dirty()
    Profile.current(Profile.wanted(internal))
  end

  defp survivor do
    survivor = Survivor.start()
    Process.monitor(survivor)
    Own.add(survivor)
    survivor
  end

  # One that was killed knew what is set; the ledger does too.
  defp survived(%{survivor: survivor} = state) do
    if Process.alive?(survivor) do
      state
    else
      Own.remove(survivor)
      survivor = survivor()

      for {mfa, _} <- state.ledger.patterns,
          do: Survivor.told(survivor, state.tracer, {:pattern, mfa, :plain})

      if state.ledger.receives != %{}, do: Survivor.told(survivor, state.tracer, {:receives, true})
      if state.ledger != %Ledger{}, do: Survivor.told(survivor, state.tracer, {:trace, [], []})
      %{state | survivor: survivor}
    end
  end

  defp keeper(key, owner, %{keepers: keepers} = state) when is_map_key(keepers, key) do
    Keeper.join(keepers[key], owner)
    {{:ok, keepers[key]}, state}
  end

  defp keeper(key, owner, state) do
    check_profile(nil)

    case record(Keeper, %{hub: self(), owner: owner, id: Recorder.next_id()}, state) do
      {{:ok, keeper}, state} -> {{:ok, keeper}, put_in(state.keepers[key], keeper)}
      failed -> failed
    end
  end

  # Not linked: whatever becomes of it, what it switched on is undone here.
  defp record(module, %{id: id} = arguments, state) do
    case GenServer.start(module, arguments, spawn_opt: [priority: :high]) do
      {:ok, pid} ->
        exclude(state, pid)
        Own.add(pid)
        Process.monitor(pid)
        {{:ok, pid}, put_in(state.recorders[pid], %{id: id})}

      error ->
        end_later()
        {error, state}
    end
  end

  # In a message to itself, so that requests that wait are served first.
  defp end_later, do: send(self(), :end_if_idle)

  defp idle?(state) do
    waiting = elem(Process.info(self(), :message_queue_len), 1)
    state.recorders == %{} and MapSet.size(state.helpers) == 0 and waiting == 0
  end

  defp start_child(module, function, arguments) do
    case apply(module, function, arguments) do
      {:ok, pid} when is_pid(pid) -> {:ok, pid}
      {:error, reason} -> {:error, reason}
      other -> {:error, other}
    end
  catch
    kind, reason -> {:error, {kind, reason}}
  end

  # Recordings of all new processes would record this one.
  defp exclude(state, pid) do
    for {_, %{session: session}} <- state.recorders, do: Session.exclude(session, pid)

    if state.tracer != nil and state.ledger.new != %{},
      do: Classic.perform(state.ledger, 0, state.tracer, {:exclude, pid})

    :ok
  end

  # What a recorder that was killed could not do.
  defp undo(nothing, state) when nothing in [nil, :done], do: state

  defp undo(%{id: id} = undo, state) do
    state = undo_session(undo[:session], id, state)
    with %{native: native, data: data} <- undo, do: stop_data(native, data)
    state
  end

  # One recording's data must not end the others' hub.
  defp stop_data(native, data) do
    Server.stop_native(native, data, :recorder_down)
  rescue
    _ -> :ok
  catch
    _, _ -> :ok
  end

  defp undo_session(%Session{module: Classic}, id, state),
    do: %{state | ledger: Classic.release(state.ledger, id, state.tracer)}

  defp undo_session(nil, _id, state), do: state

  defp undo_session(session, _id, state) do
    Session.close(session)
    state
  end

  defp mark_dirty, do: :persistent_term.get(@dirty, false) || :persistent_term.put(@dirty, true)
end
