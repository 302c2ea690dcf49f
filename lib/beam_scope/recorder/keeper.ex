defmodule BeamScope.Recorder.Keeper do
  @moduledoc """
  Keeps ready what recordings that follow one another have in common, for as long as a process lives: tests of a module.

  To set patterns makes every scheduler wait for every other, and so does to remove them; rings are megabytes, and who is
  a supervisor every process must be asked. All of that is the same for the next test. So a keeper holds

    * a native recording that wants nothing, which keeps the drainer and its rings
    * from OTP 27 on a trace session with the patterns of level `:full`, which one recording at a time borrows; before that,
      where patterns are global, its own wants of them in the ledger
    * the supervisors of the system, of which only those that came since are asked again

  The hub starts it, as it does recorders, and it ends with its owners. No process is traced while nobody borrows. From OTP 27 on each owner
  has a keeper of its own; before that nothing is borrowed and one keeper serves all.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Recorder.{Follow, Hub, Plan, Profile, Session}
  alias BeamScope.Recorder.Session.Classic

  @native BeamScope.Native
  # A supervisor that is younger than this may be missed, unless the borrower names it.
  @list_ms 100

  @typedoc "What a recording gets: nothing to borrow where each value is `nil` or empty."
  @type kept :: %{
          keeper: pid(),
          route: :shared | non_neg_integer(),
          session: Session.t() | nil,
          patterns: %{mfa() => Session.want()},
          receives: boolean(),
          supervisors: [pid()]
        }

  @doc "Whom the keeper of an owner serves, as a key."
  @spec serves(pid()) :: pid() | :all
  def serves(owner), do: if(borrowed?(), do: owner, else: :all)

  @doc "One more owner."
  @spec join(pid(), pid()) :: :ok
  def join(keeper, owner), do: GenServer.cast(keeper, {:join, owner})

  @doc """
  What is kept, for the calling recorder until it gives it back; `nil` where it is in use or could not be made. `near` are processes
  among which new supervisors may be.
  """
  @spec borrow(pid(), [pid()]) :: kept() | nil
  def borrow(keeper, near) do
    GenServer.call(keeper, {:borrow, near}, :infinity)
  catch
    :exit, _ -> nil
  end

  @doc "The recorder has cleared its flags; these patterns are set, and whether senders are told."
  @spec give_back(pid(), %{mfa() => Session.want()}, boolean()) :: :ok
  def give_back(keeper, patterns, receives), do: GenServer.cast(keeper, {:give_back, patterns, receives})

  @doc "The recorder could not be set up, and has closed what it borrowed."
  @spec spoil(pid()) :: :ok
  def spoil(keeper), do: GenServer.cast(keeper, :spoil)

  @impl true
  def init(%{hub: hub, owner: owner, id: id}) do
    Process.monitor(hub)

    state = %{
      hub: hub,
      owners: %{owner => Process.monitor(owner)},
      id: id,
      data: nil,
      route: nil,
      session: nil,
      plan: nil,
      patterns: %{},
      receives: false,
      user: nil,
      known: %{},
      blank: MapSet.new(),
      listed_ms: nil
    }

    {:ok, state, {:continue, :set_up}}
  end

  @impl true
  def handle_continue(:set_up, state) do
    points = Profile.points(Profile.current(Profile.wanted(nil)))
    state = %{state | plan: Plan.with_probes(Plan.new(:full, points, [], :spawn), false)}

    with {:ok, data, route} <- @native.recording_open(idle(state.id)),
         state = %{state | data: data, route: route},
         :ok <- Hub.register(state.hub, %{id: state.id, native: @native, data: data}),
         {:ok, session} <- Session.open(state.id, {@native, route}) do
      Hub.register(state.hub, %{id: state.id, session: session})
      {:noreply, restore(%{state | session: session})}
    else
      _ -> {:stop, :normal, state}
    end
  rescue
    # Without a library there is nothing to keep; the recording itself says so.
    BeamScope.Error -> {:stop, :normal, state}
  end

  defp idle(id) do
    %{
      id: id,
      route: if(Session.implementation() == Classic, do: :shared, else: :own),
      kinds: 0,
      points: [],
      calls: [],
      budget_bytes: 64,
      budget_depth: 1,
      mode: :stop,
      redact: [],
      follow: false,
      meta: %{}
    }
  end

  @impl true
  def handle_call({:borrow, near}, {user, _}, %{user: nil} = state) do
    state = known(state)

    supervisors =
      for {pid, true} <- Map.merge(state.known, Follow.supervisors_among(near, state.known)), do: pid

    monitor = if borrowed?(), do: {user, Process.monitor(user)}
    {:reply, kept(state, supervisors), %{state | user: monitor}}
  end

  def handle_call({:borrow, _near}, _from, state), do: {:reply, nil, state}

  # Before OTP 27 there is nothing that only one could have.
  defp borrowed?, do: Session.implementation() != Classic

  defp kept(state, supervisors) do
    kept = %{
      keeper: self(),
      route: :shared,
      session: nil,
      patterns: %{},
      receives: false,
      supervisors: supervisors
    }

    if borrowed?(),
      do: %{
        kept
        | route: state.route,
          session: state.session,
          patterns: state.patterns,
          receives: state.receives
      },
      else: kept
  end

  @impl true
  def handle_cast({:give_back, patterns, receives}, %{user: {_, monitor}} = state) do
    Process.demonitor(monitor, [:flush])
    {:noreply, restore(%{state | user: nil, patterns: patterns, receives: receives})}
  end

  def handle_cast({:give_back, _, _}, state), do: {:noreply, state}

  def handle_cast({:join, owner}, state) do
    owners = Map.put_new_lazy(state.owners, owner, fn -> Process.monitor(owner) end)
    {:noreply, %{state | owners: owners}}
  end

  def handle_cast(:spoil, state), do: {:stop, :normal, close(state)}

  @impl true
  # A recorder that was killed: the hub has closed the session.
  def handle_info({:DOWN, monitor, :process, user, _}, %{user: {user, monitor}} = state),
    do: {:stop, :normal, close(state)}

  def handle_info({:DOWN, _, :process, hub, _}, %{hub: hub} = state), do: {:stop, :normal, hub_died(state)}

  def handle_info({:DOWN, _, :process, owner, _}, state) do
    state = %{state | owners: Map.delete(state.owners, owner)}
    if state.owners == %{}, do: {:stop, :normal, close(state)}, else: {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  # Patterns as they are to be for the next one.
  defp restore(%{plan: plan, session: session} = state) do
    for {mfa, _} <- state.patterns, not is_map_key(plan.patterns, mfa), do: Session.unpattern(session, mfa)

    set =
      for {mfa, want} <- plan.patterns,
          state.patterns[mfa] == want or match?({:ok, n} when n > 0, Session.pattern(session, mfa, want)),
          into: %{},
          do: {mfa, want}

    receives = state.receives or Session.receives(session, true) == :ok
    %{state | patterns: set, receives: receives}
  end

  # To list the processes is dear where there may be a million of them, whether there are or not.
  defp known(%{listed_ms: listed_ms} = state) do
    now = System.monotonic_time(:millisecond)
    if listed_ms == nil or now - listed_ms >= @list_ms, do: %{list(state) | listed_ms: now}, else: state
  end

  # Processes that came since. One that says nothing of itself may just be starting, the first time that it is asked.
  defp list(%{known: known, blank: blank} = state) do
    pids = Process.list()
    told = Follow.supervisors_among(pids, known)
    silent = for pid <- pids, not is_map_key(known, pid), not is_map_key(told, pid), do: pid
    {still, new} = Enum.split_with(silent, &(&1 in blank))
    known = known |> Map.take(pids) |> Map.merge(told) |> Map.merge(Map.new(still, &{&1, false}))
    %{state | known: known, blank: MapSet.new(new)}
  end

  defp close(%{session: nil, data: nil} = state), do: state

  defp close(state) do
    if state.session, do: Session.close(state.session)
    @native.recording_close(state.data)
    Hub.unregister(state.hub)
    %{state | session: nil, data: nil}
  end

  # A ledger that died with the hub is its survivor's to undo.
  defp hub_died(state) do
    if state.session && state.session.module != Classic, do: Session.close(state.session)
    if state.data, do: @native.recording_close(state.data)
    %{state | session: nil, data: nil}
  end
end
