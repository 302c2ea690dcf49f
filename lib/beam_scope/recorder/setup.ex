defmodule BeamScope.Recorder.Setup do
  @moduledoc """
  The steps that switch a recording on, in order. `BeamScope.Recorder.Level` changes it later.

  Every step that leaves something on belongs to one of two things that undo it when they are closed: the trace
  session and the native recording. Both are registered with the hub before the first process is traced.
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.Governor.Hands
  alias BeamScope.Recorder.Session.Builtins

  alias BeamScope.Recorder.{
    Baseline,
    Follow,
    Guards,
    Hazards,
    Hub,
    Keeper,
    Lines,
    Modules,
    Plan,
    Profile,
    Redaction,
    Rings,
    Session,
    Targets,
    Vitals,
    Watched
  }

  @rescans 3
  @most_starters 200
  @most_notes 200
  @first_notes 50

  @typedoc "The recorder's state; see `BeamScope.Recorder.Server`."
  @type state :: map()

  @doc "Runs all steps. On an error the state has what was opened so far."
  @spec run(state()) :: {:ok, state()} | {:error, Error.t(), state()}
  def run(state) do
    steps = [
      &resolve/1,
      &plan/1,
      &ask_code/1,
      &Hands.measure/1,
      &Lines.acquire/1,
      &borrow/1,
      &open_native/1,
      &say_builtins/1,
      &open_session/1,
      &patterns/1,
      &baseline/1,
      &Hands.start/1,
      &trace/1,
      &rescan/1,
      &watch/1,
      &remember/1,
      &read/1,
      &Vitals.start/1
    ]

    Enum.reduce_while(steps, {:ok, state}, fn step, {:ok, state} ->
      case attempt(step, state) do
        {:ok, state} -> {:cont, {:ok, state}}
        {:error, error} -> {:halt, {:error, error, state}}
      end
    end)
  end

  # The hub may be killed while it is asked: what is open by then has to be closed by whoever runs the steps.
  defp attempt(step, state) do
    step.(state)
  catch
    :exit, {reason, {GenServer, :call, _}} -> {:error, Error.new(:setup_failed, {:hub, reason})}
  end

  defp resolve(%{options: options} = state) do
    given = resolving(state)

    with {:ok, _} <- Hazards.flags(options),
         :ok <- Vitals.prepare(options),
         {:ok, calls} <- Plan.expand_calls(options.calls),
         {:ok, _} <- Lines.wanted(options.lines),
         {:ok, tables} <- Watched.tables(options.ets),
         {:ok, targets} <- Targets.resolve(state.given, given) do
      {:ok, %{state | calls: calls, tables: tables, targets: targets}}
    end
  end

  # Before anything is traced: what is asked for is no part of the recording.
  defp ask_code(%{options: %{internal: %{native: _}}} = state), do: {:ok, state}
  defp ask_code(state), do: {:ok, %{state | asked: BeamScope.Code.ask(state.calls)}}

  defp resolving(%{options: options} = state) do
    [
      force: options.force,
      caller: state.caller,
      empty: state.form == :record,
      absent: options.internal[:absent]
    ]
  end

  defp plan(%{options: options} = state) do
    profile = Profile.current(Profile.wanted(options.internal[:profile]))
    user = Enum.map(options.profiles, &Profile.of_user/1)

    case Enum.find(user, &(not Profile.exists?([&1]))) do
      nil ->
        modules = Modules.for_callbacks(profile)
        state = %{state | profile: profile, user_points: user, modules: modules}
        {:ok, %{state | plan: plan_for(state, options.level)}}

      %{mfa: mfa} ->
        {:error, Error.new(:no_such_function, mfa)}
    end
  end

  @doc "The plan of a level with the points and calls of this recording."
  @spec plan_for(state(), atom()) :: Plan.t()
  def plan_for(state, level) do
    watched = Map.to_list(Watched.patterns(state.tables, state.options.pdict))

    plan =
      Plan.new(
        level,
        points(state),
        called(state) ++ watched,
        state.options.follow,
        guards(state),
        state.ends
      )
      |> Plan.with_probes(Lines.at?(state, level), state.options.stack)

    {:ok, asked} = Hazards.flags(state.options)
    plan = Plan.with_flags(plan, asked)
    # The harness, which must find what goes wrong then.
    if state.options.internal[:memo] == :unguarded,
      do: %{plan | flags: List.delete(plan.flags, Guards.flag())},
      else: plan
  end

  defp called(%{options: %{stack: true}} = state), do: for(mfa <- state.calls, do: {mfa, {:stack, :outcomes}})
  defp called(state), do: state.calls

  defp guards(%{options: %{internal: %{memo: false}}}), do: []

  # Another tracer than ours would get events of garbage collections, which two sessions on one process do not survive on OTP 27
  # and 28 (erlang/otp#11624). Ours refuses them.
  defp guards(%{options: %{internal: %{tracer: _}}}), do: []

  defp guards(_state),
    do: if(System.get_env("BEAM_SCOPE_NO_MEMO") in [nil, ""], do: Guards.functions(), else: [])

  defp points(state), do: Profile.points(state.profile) ++ state.user_points ++ Modules.points(state.modules)

  # What a keeper holds need not be made again.
  defp borrow(%{keeper: keeper} = state) when is_pid(keeper),
    do: {:ok, %{state | kept: Keeper.borrow(keeper, links(state.caller))}}

  defp borrow(state), do: {:ok, state}

  defp links(pid) do
    case Process.info(pid, :links) do
      {:links, links} -> Enum.filter(links, &is_pid/1)
      nil -> []
    end
  end

  defp route(%{kept: %{route: route}}), do: route
  defp route(_state), do: if(Session.implementation() == Session.Classic, do: :shared, else: :own)

  defp open_native(%{options: options, plan: plan} = state) do
    config = %{
      id: state.id,
      route: route(state),
      kinds: plan.kinds,
      points: plan.points,
      calls: plan.calls,
      budget_bytes: options.budget.bytes,
      budget_depth: options.budget.depth,
      max_bytes: options.limits.bytes,
      max_events: finite(options.limits.events),
      max_ms: finite(options.limits.ms),
      rate: options.limits.rate,
      mode: options[:mode] || :stop,
      keep_ms: if(options[:mode] == :ring, do: finite(options.keep.ms)),
      redact: Redaction.data(options.redact),
      keep_receive_timeouts: options.keep_receive_timeouts,
      follow: options.follow == :spawn,
      ring_bytes: Rings.bytes(options),
      notify: self(),
      own: [self(), state.hub],
      lifecycle_notify: true,
      # Ends come from every process of the virtual machine: the library tells whose are recorded.
      ends: state.ends == :everywhere,
      stack: options.stack,
      lines: Lines.ranges(state),
      meta: meta(state)
    }

    case state.native.recording_open(config) do
      {:ok, data, route} ->
        undo = %{native: state.native, data: data}
        hand_over(state, undo, fn -> state.native.recording_close(data) end)
        with :ok <- Rings.leave_room(options), do: {:ok, %{state | data: data, route: route}}

      {:error, reason} ->
        {:error, Error.from_native(reason)}
    end
  rescue
    error in Error -> {:error, error}
  end

  defp finite(:infinity), do: nil
  defp finite(n), do: n

  defp open_session(%{kept: %{session: %Session{} = session}} = state) do
    Hub.register(state.hub, %{id: state.id, session: session})
    {:ok, %{state | session: session, tracer: {BeamScope.Native, state.route}}}
  end

  defp open_session(%{options: options} = state) do
    tracer = options.internal[:tracer] || {BeamScope.Native, state.route}

    with {:ok, session} <- Session.open(state.id, tracer) do
      hand_over(state, %{session: session}, fn -> Session.close(session) end)
      {:ok, %{state | session: session, tracer: tracer}}
    end
  end

  # The hub may be killed while it is told, and nobody else knows yet of what was opened.
  defp hand_over(state, undo, close) do
    Hub.register(state.hub, Map.put(undo, :id, state.id))
  catch
    :exit, reason ->
      close.()
      exit(reason)
  end

  defp patterns(%{plan: plan} = state) do
    there = if state.kept, do: state.kept.patterns, else: %{}
    for {mfa, _} <- there, not is_map_key(plan.patterns, mfa), do: Session.unpattern(state.session, mfa)

    case set_patterns(state, Map.reject(plan.patterns, fn {mfa, want} -> there[mfa] == want end)) do
      :ok when state.kept != nil and state.kept.receives == plan.receives ->
        {:ok, state}

      :ok ->
        {:ok, senders(state, plan.receives)}

      {:error, %Error{reason: :pattern_in_use}} when state.ends == :everywhere ->
        state |> flag_ends() |> patterns()

      error ->
        error
    end
  end

  # Somebody else traces the function for all processes, and before OTP 27 there is room for one: processes get the call flag instead.
  defp flag_ends(state) do
    for {{:end, _} = place, _} <- state.plan.patterns, do: Session.unpattern(state.session, place)
    state = %{state | ends: :flagged}
    state = %{state | plan: plan_for(state, state.plan.level)}
    _ = state.native.recording_update(state.data, %{points: state.plan.points, ends: false})

    note(
      state,
      "another tool traces a function in which processes end: every recorded process has the call flag instead, which costs it more"
    )
  end

  @doc "Sets patterns; one that matches nothing is an error."
  @spec set_patterns(state(), %{Session.place() => Session.want()}) :: :ok | {:error, Error.t()}
  def set_patterns(state, patterns) do
    Enum.find_value(patterns, :ok, fn {mfa, want} ->
      case Session.pattern(state.session, mfa, want) do
        {:ok, 0} -> {:error, Error.new(:no_such_function, Session.function(mfa))}
        {:ok, _} -> nil
        {:error, error} -> {:error, error}
      end
    end)
  end

  @doc "Switches the senders of received messages on or off."
  @spec senders(state(), boolean()) :: state()
  def senders(state, on) do
    case Session.receives(state.session, on) do
      :ok ->
        state

      {:error, _} ->
        note(state, "another tool has a receive pattern, so the senders of received messages are not known")
    end
  end

  # Processes of before

  defp baseline(state) do
    members = members(state)
    follow = Follow.new(state.targets, members)
    {state, follow} = if state.form == :record, do: starters(state, follow, members), else: {state, follow}
    # Companions are watched for what they start; nothing is read from them, and idle they do not appear.
    gathered = introduce(state, members, names(state.targets))
    state = say_sensitive(state, Baseline.sensitive(gathered))
    state = %{state | follow: follow, gathered: gathered}
    learn_modules(state, for({_, facts, behaviour} <- gathered, do: {facts[:module], behaviour}))
  end

  @doc "Writes what is known of processes that lived before they were recorded."
  @spec introduce(state(), [pid()], %{pid() => term()}) :: [{pid(), map(), atom()}]
  def introduce(state, pids, names \\ %{}) do
    gathered = Baseline.gather(pids, names)
    for {pid, facts, _} <- gathered, do: state.native.recording_inject(state.data, :baseline, pid, [facts])
    gathered
  end

  defp say_sensitive(state, []), do: state

  defp say_sensitive(state, pids) do
    who = pids |> Enum.take(5) |> Enum.map_join(", ", &inspect/1)
    more = if length(pids) > 5, do: ", …", else: ""

    note(
      state,
      "the virtual machine shows nothing of sensitive processes (process_flag(:sensitive, true)): nothing is recorded of " <>
        who <> more
    )
  end

  # Requests are not recorded at this level, so nobody can tell who asked a supervisor for a process.
  defp say_callers_only(%{plan: %{level: :crashes}} = state, [_ | _]),
    do: note(state, "what supervisors start for the function is followed only where $callers says so")

  defp say_callers_only(state, _), do: state

  defp members(%{form: :record} = state), do: Enum.uniq([state.caller | Targets.pids(state.targets)])
  defp members(state), do: Targets.pids(state.targets)

  # On a node with a great many supervisors, following all of them would cost more than it tells.
  defp starters(state, follow, members) do
    supervisors = if state.kept, do: state.kept.supervisors -- members, else: Follow.starters(members)

    case supervisors do
      few when length(few) <= @most_starters ->
        {say_callers_only(state, few), %{follow | starters: MapSet.new(few)}}

      many ->
        text =
          "#{length(many)} supervisors run here: what they start for the function is not followed. " <>
            "Name the ones that matter in trace:, as {:tree, supervisor}"

        {note(state, text), follow}
    end
  end

  # Registered names the virtual machine tells; others only the user did.
  defp names(targets) do
    for {name, pid} <- targets.names,
        not is_atom(name),
        not match?({:tree, _}, name),
        into: %{},
        do: {pid, name}
  end

  @doc "Callback modules that were seen get patterns, where callbacks are what is recorded."
  @spec learn_modules(state(), [{module() | nil, atom() | nil}]) :: {:ok, state()} | {:error, Error.t()}
  def learn_modules(state, seen) do
    state = %{state | seen: for({module, _} <- seen, module != nil, into: state.seen, do: module)}
    modules = Modules.learn(state.modules, state.profile, seen)
    if modules == state.modules, do: {:ok, state}, else: adopt_points(%{state | modules: modules})
  end

  defp adopt_points(state) do
    plan = plan_for(state, state.plan.level)
    fresh = Map.drop(plan.patterns, Map.keys(state.plan.patterns))

    with :ok <- set_patterns(state, fresh) do
      _ = state.native.recording_update(state.data, %{points: plan.points})
      {:ok, %{state | plan: plan}}
    end
  end

  # Flags

  # Starters first: of what they start, the library is to know from the first event on.
  defp trace(%{follow: follow} = state) do
    named = state.targets.named ++ caller_flags(state)
    starters = MapSet.to_list(follow.starters)
    if starters != [], do: state.native.recording_add_starters(state.data, starters)

    with {:ok, state} <- trace_named(state, named) do
      state = trace_found(state, state.targets.found)
      companions = trace_supervisors(state, MapSet.to_list(follow.companions))
      add_members(state, companions)
      trace_supervisors(state, starters)
      trace_new(state)
    end
  end

  # In `record/2` the caller switches its own flags on, as its last step before the function: what it exchanges
  # with the recorder is no part of the recording. Classic flags are set here, and membership is what it switches.
  defp caller_flags(%{form: :record, session: %{module: Session.Classic}} = state), do: [state.caller]
  defp caller_flags(_), do: []

  defp trace_named(state, pids) do
    case switch_on(state, pids, state.plan.flags) do
      [] ->
        add_members(state, pids -- caller_flags(state))
        {:ok, state}

      [{pid, :not_alive} | _] ->
        {:error, Error.new(:not_alive, pid)}

      [{pid, {:already_traced, tracer}} | _] ->
        {:error, Error.new(:already_traced, %{pid: pid, tracer: tracer})}
    end
  end

  defp switch_on(_state, _pids, []), do: []
  defp switch_on(state, pids, flags), do: Session.trace(state.session, pids, flags)

  defp trace_found(state, pids) do
    refused = switch_on(state, pids, state.plan.flags)
    add_members(state, pids -- Enum.map(refused, &elem(&1, 0)))

    case for({_, {:already_traced, _}} = refusal <- refused, do: refusal) do
      [] -> state
      others -> note(state, "#{length(others)} processes are traced by another tool and were left out")
    end
  end

  # Companions and starters always hand their flags on: that is what they are for.
  defp trace_supervisors(%{plan: %{level: :off}}, _), do: []

  defp trace_supervisors(state, pids) do
    refused = switch_on(state, pids, Enum.uniq([:set_on_spawn | state.plan.flags]))
    pids -- Enum.map(refused, &elem(&1, 0))
  end

  defp add_members(_state, []), do: :ok
  defp add_members(state, pids), do: state.native.recording_add_members(state.data, pids)

  defp trace_new(%{targets: %{scope: :listed}} = state), do: {:ok, state}
  defp trace_new(%{plan: %{flags: []}} = state), do: {:ok, state}

  defp trace_new(state) do
    with :ok <- Session.trace_new(state.session, state.plan.flags) do
      add_members(state, [:new])
      {:ok, state}
    end
  end

  # Trees and applications may have grown between the listing and the flags.
  defp rescan(state), do: rescan(state, @rescans)

  defp rescan(%{targets: %{found: []}} = state, _), do: {:ok, state}
  defp rescan(state, 0), do: {:ok, state}

  defp rescan(state, left) do
    known = MapSet.new(Targets.pids(state.targets))

    with {:ok, again} <- Targets.resolve(state.given, Keyword.put(resolving(state), :empty, true)),
         [_ | _] = fresh <- Enum.reject(Targets.pids(again), &(&1 in known)) do
      gathered = introduce(state, fresh)
      state = say_sensitive(state, Baseline.sensitive(gathered))
      state = trace_found(%{state | gathered: gathered ++ state.gathered}, fresh)
      follow = Enum.reduce(fresh, state.follow, &Follow.join(&2, &1))
      targets = %{state.targets | found: fresh ++ state.targets.found}
      rescan(%{state | follow: follow, targets: targets}, left - 1)
    else
      _ -> {:ok, state}
    end
  end

  # Where sessions of the virtual machine get in each other's way nobody can tell whether they did. To find out ends a session, so
  # that is done before there is one of this recording.
  defp say_builtins(%{options: %{internal: %{native: _}}} = state), do: {:ok, state}

  defp say_builtins(state) do
    built_in = Builtins.among(state.plan.calls)

    if built_in == [] or Builtins.independent?() do
      {:ok, state}
    else
      {:ok,
       note(
         state,
         "calls of built-in functions (#{Enum.map_join(Enum.take(built_in, 3), ", ", fn {m, f, a} -> Exception.format_mfa(m, f, a) end)}, …) " <>
           "are missed from the moment on at which another trace session ends, another recording's too: a fault of this Erlang/OTP " <>
           "release, erlang/otp#10349. Record them in one recording at a time"
       )}
    end
  end

  # Writes are traced by now: what is read, with what is written from here on, is all.
  defp watch(%{tables: [], options: %{pdict: false}} = state), do: {:ok, state}

  defp watch(state) do
    if state.options.pdict do
      Watched.note_dictionaries(members(state), fn pid, text, detail ->
        state.native.recording_inject(state.data, :note, pid, [text, detail])
      end)
    end

    {:ok, note_tables(state, :baseline)}
  end

  @doc "Reads the tables that are followed, at the start and at the end."
  @spec note_tables(state(), :baseline | :end) :: state()
  def note_tables(%{tables: tables} = state, when_) do
    Watched.note_tables(tables, when_, state.options.budget.bytes, fn text, detail ->
      state.native.recording_inject(state.data, :note, self(), [text, detail])
    end)

    state
  end

  @doc """
  States are recorded by what changed in them from here on: everything that moves terms is watched. Before, a process might have
  been without its flag.
  """
  @spec remember(state()) :: {:ok, state()}
  def remember(%{plan: %{guards: []}} = state), do: {:ok, state}

  def remember(state) do
    case Guards.watch(state.session) do
      :ok ->
        changes = %{
          whole_bytes: Guards.burst(state.options.budget.bytes),
          guards: state.plan.guards,
          check: state.options.internal[:check] == true
        }

        _ = state.native.recording_update(state.data, changes)
        {:ok, state}

      {:error, why} ->
        {:ok, note(state, "states are recorded within their budget, each time anew: " <> why)}
    end
  end

  @doc "Asks the OTP loops among the processes of before to show their states."
  @spec read(state()) :: {:ok, state()}
  def read(state) do
    behaviours = for %{point: :read, behaviour: behaviour} <- state.plan.points, do: behaviour
    {:ok, %{state | unread: Baseline.ask_states(state.gathered, behaviours), gathered: []}}
  end

  # Notes

  @doc """
  Writes a note into the recording, with a detail for code to read, and its text into the info, which has the first and the latest of many.
  """
  @spec note(state(), String.t(), term()) :: state()
  def note(state, text, detail \\ nil) do
    if state.data, do: state.native.recording_inject(state.data, :note, self(), [text, detail])
    update_meta(%{state | notes: fewer(state.notes ++ [text])})
  end

  # A flight recorder has a note for each restart, for ever.
  defp fewer(notes) when length(notes) <= @most_notes, do: notes

  defp fewer(notes) do
    {first, rest} = Enum.split(notes, @first_notes)

    case rest do
      [{:left_out, n}, _oldest | latest] -> first ++ [{:left_out, n + 1} | latest]
      [_, _ | latest] -> first ++ [{:left_out, 2} | latest]
    end
  end

  defp told({:left_out, n}),
    do: "… #{n} notes are left out here; events/2 with kind: :note has those that are still kept …"

  defp told(text), do: text

  @doc "From here on nobody looks at what these processes do: their states are unknown, and their timelines say since when and why."
  @spec unseen(state(), [pid()], String.t()) :: :ok
  def unseen(_state, [], _text), do: :ok

  def unseen(state, pids, text) do
    _ = state.native.recording_unseen(state.data, pids, [text, nil])
    :ok
  end

  @doc "Brings what `info/1` tells up to date."
  @spec update_meta(state()) :: state()
  def update_meta(%{data: nil} = state), do: state

  def update_meta(state) do
    _ = state.native.recording_update(state.data, %{meta: meta(state)})
    state
  end

  defp meta(state) do
    %{
      id: state.id,
      level: state.plan.level,
      targets: state.given,
      owner: state.owner,
      meta: state.options.meta,
      pdict: state.options.pdict,
      keep: if(state.options[:mode] == :ring, do: Map.new(state.options.keep)),
      sink: state.sink,
      profile: Profile.describe(state.profile),
      session: if(Session.implementation() == Session.Classic, do: :classic, else: :trace),
      notes: Enum.map(state.notes, &told/1),
      governor: Hands.summary(state),
      lines: state.lines,
      code: Lines.with_tables(state.code, state.instrumented)
    }
  end
end
