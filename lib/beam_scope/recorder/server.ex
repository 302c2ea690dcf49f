defmodule BeamScope.Recorder.Server do
  @moduledoc """
  The process of one recording: sets it up, follows what happens to its processes, and ends it.

  It ends on `stop`, at a limit, with its owner or with the hub, and in every case switches off what it
  switched on. When it is killed the hub does.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.{Error, Recording}

  alias BeamScope.Recorder.{
    Flight,
    Follow,
    Hub,
    Keeper,
    Level,
    Lines,
    Modules,
    Profile,
    Reloaded,
    Session,
    Setup,
    Shelf,
    Targets,
    Vitals,
    Writer
  }

  alias BeamScope.Recorder.Governor.Hands
  alias BeamScope.Recorder.Session.{Classic, Survivor}

  @flush_ms 2_000
  @settle_ms 100
  @unread_ms 1_000
  @judge_ms 50
  @unheard_ms 30_000
  @passes 10
  # Clocks are slewed all the time; a step is more than that.
  @step_ms 1_000

  @doc "Waits for the set-up to end."
  @spec await(pid()) :: {:ok, Recording.t(), map()} | {:error, Error.t()}
  def await(pid), do: GenServer.call(pid, :await, :infinity)

  @doc "Ends the data half of a recording: what was committed is kept, nothing more is taken."
  @spec stop_native(module(), reference(), atom()) :: :ok
  def stop_native(native, data, reason) do
    _ = native.recording_flush(data, @flush_ms)
    _ = native.recording_stop(data, reason)
    :ok
  end

  @impl true
  def init(arguments) do
    Process.monitor(arguments.hub)
    owner = arguments.options.owner || arguments.caller
    if owner != :none, do: Process.monitor(owner)

    state =
      Map.merge(
        %{
          owner: owner,
          native: arguments.options.internal[:native] || BeamScope.Native,
          data: nil,
          route: nil,
          session: nil,
          survivor: Process.whereis(Survivor),
          tracer: nil,
          calls: [],
          tables: [],
          targets: nil,
          profile: nil,
          user_points: [],
          modules: %{},
          plan: nil,
          ends: :everywhere,
          # What an event costs, and how far its governor has gone down.
          floors: nil,
          govern: nil,
          follow: nil,
          gathered: [],
          unread: %{},
          keeper: nil,
          kept: nil,
          notes: [],
          failed: nil,
          writer: nil,
          flight: nil,
          vitals: nil,
          # What is known of the code: asked for at the start, gathered at the end.
          asked: nil,
          seen: MapSet.new(),
          # The tables of what was instrumented, by module, and how each module stands.
          instrumented: %{},
          lines: %{},
          code: nil,
          sink: nil,
          recording: nil,
          clocks: clocks()
        },
        arguments
      )

    {:ok, state, {:continue, :set_up}}
  end

  @impl true
  def handle_continue(:set_up, state) do
    case set_up(state) do
      {:ok, state} -> {:noreply, state}
      {:error, error, state} -> {:noreply, failed(undo(state), error)}
    end
  end

  # It waits for the one who asked; but where the hub was killed before it could answer, that one never hears of this process.
  defp failed(state, error) do
    Process.send_after(self(), :unheard, @unheard_ms)
    %{state | failed: error}
  end

  defp set_up(state) do
    with {:ok, state} <- Setup.run(state),
         {:ok, state} <- write_out(state),
         {:ok, state} <- take_off(state) do
      if is_integer(state.options.limits.ms),
        do: Process.send_after(self(), :time_is_up, state.options.limits.ms)

      if state.unread != %{}, do: Process.send_after(self(), :unread, @unread_ms)
      recording = recording(state)

      # To take one off the shelf again makes every process look for it: too dear for each of a thousand tests.
      unless state.keeper, do: Shelf.put(recording)
      {:ok, state |> Map.put(:recording, recording) |> say_fallback()}
    end
  end

  # What triggers a freeze is looked for by a process of its own.
  defp take_off(%{options: %{freeze_on: [_ | _]}} = state) do
    with {:error, error} <- Flight.start(state), do: {:error, error, state}
  end

  defp take_off(state), do: {:ok, state}

  defp write_out(%{options: %{mode: :ring}} = state), do: {:ok, state}
  defp write_out(%{options: %{to: nil}} = state), do: {:ok, state}

  defp write_out(%{options: %{to: to}} = state) do
    {:ok, sink} = BeamScope.Sink.normal(to)

    case Writer.start(sink, state.data) do
      {:ok, writer} -> {:ok, %{state | writer: writer}}
      {:error, error} -> {:error, error, state}
    end
  end

  defp say_fallback(state) do
    case Profile.by_callbacks(state.profile) do
      [] ->
        state

      behaviours ->
        Setup.note(
          state,
          "states of #{Enum.join(behaviours, ", ")} come from documented callbacks and their returns (fallback)"
        )
    end
  end

  defp recording(state) do
    %Recording{
      id: state.id,
      native: state.data,
      pid: self(),
      targets: state.given,
      level: state.plan.level,
      started_at: DateTime.utc_now(),
      meta: state.options.meta
    }
  end

  # Requests

  @impl true
  def handle_call(:await, _from, %{failed: nil} = state) do
    begin = %{session: state.session, flags: state.plan.flags, native: state.native}
    {:reply, {:ok, state.recording, begin}, state}
  end

  def handle_call(:await, _from, state), do: {:stop, :normal, {:error, state.failed}, state}

  def handle_call({:stop, :requested}, {caller, _}, %{failed: nil} = state) do
    # Who has an answer from a server expects to find what it led to: the server tells its state after it has answered.
    _ = state.native.recording_settle(state.data, :all, [caller], @settle_ms)
    {:stop, :normal, :ok, finish(state, :requested)}
  end

  def handle_call({:stop, reason}, _from, state), do: {:stop, :normal, :ok, finish(state, reason)}

  def handle_call({:set_level, level}, _from, state) do
    case Level.change(state, level, Hands.bare(state)) do
      {:ok, state} -> {:reply, {:ok, %{state.recording | level: level}}, Hands.set(state, level)}
      {:error, error} -> {:reply, {:error, error}, state}
    end
  catch
    # The hub was killed meanwhile; its end is the recording's too, and comes next.
    :exit, {reason, {GenServer, :call, _}} ->
      {:reply, {:error, Error.new(:setup_failed, {:hub, reason})}, state}
  end

  def handle_call({:govern, action}, _from, state), do: {:reply, :ok, Hands.act(state, action)}

  # What happens

  @impl true
  def handle_info({:beam_scope, id, event}, %{id: id} = state), do: event(event, state)
  def handle_info(:unheard, state), do: {:stop, :normal, state}
  def handle_info(:time_is_up, state), do: {:stop, :normal, finish(state, :ms)}
  def handle_info(:unread, state), do: {:noreply, unread(state)}
  def handle_info({:judge, pid}, state), do: {:noreply, judge(state, pid)}

  def handle_info({:reloaded, module, by}, state), do: {:noreply, Reloaded.again(module, by, state)}
  def handle_info({:beam_scope_lines, what}, state), do: {:noreply, Reloaded.told(what, state)}

  def handle_info({:frozen, text}, state), do: {:noreply, Setup.note(state, text)}

  def handle_info({:sink_failed, text}, state), do: {:noreply, sink_failed(state, text)}
  def handle_info({:vitals, message}, state), do: {:noreply, Vitals.heard(message, state)}

  def handle_info({:DOWN, _, :process, pid, reason}, %{vitals: pid} = state),
    do: {:noreply, Vitals.lost(state, reason)}

  def handle_info({ref, _answer}, state) when is_reference(ref),
    do: {:noreply, %{state | unread: Map.delete(state.unread, ref)}}

  # A set-up that failed has undone all; the hub may end while its caller has not asked yet.
  def handle_info({:DOWN, _, :process, pid, _}, %{hub: pid, failed: nil} = state),
    do: {:stop, :normal, hub_died(state)}

  def handle_info({:DOWN, _, :process, pid, _}, %{owner: pid} = state),
    do: {:stop, :normal, finish(state, :owner_down)}

  def handle_info({:DOWN, monitor, :process, _, reason}, state) do
    case Hands.ended(state, monitor, reason) do
      {:ok, state} -> {:noreply, state}
      :error -> {:noreply, state}
    end
  end

  def handle_info(other, state) do
    case BeamScope.Code.heard(other, state.asked) do
      {:ok, asked} -> {:noreply, %{state | asked: asked}}
      :error -> {:noreply, state}
    end
  end

  defp event({:limit, reason}, state), do: {:stop, :normal, finish(state, reason)}
  defp event(_event, %{follow: nil} = state), do: {:noreply, state}

  defp event(event, %{flight: flight} = state) when is_pid(flight) do
    if is_tuple(event), do: Flight.tell(flight, event)
    happened(event, state)
  end

  defp event(event, state), do: happened(event, state)

  defp happened({:spawned, parent, child, mfa}, state), do: {:noreply, spawned(state, parent, child, mfa)}
  defp happened({:adopted, starter, child, mfa}, state), do: {:noreply, followed(state, starter, child, mfa)}
  defp happened({:stranger, starter, child, _mfa}, state), do: {:noreply, stranger(state, starter, child)}

  defp happened({:registered, pid, name}, state), do: {:noreply, registered(state, pid, name)}

  defp happened({:exited, pid, _reason}, state),
    do: {:noreply, %{state | follow: Follow.leave(state.follow, pid)}}

  # Notifications may come in batches.
  defp happened(events, state) when is_list(events), do: each(events, state)
  defp happened(_other, state), do: {:noreply, state}

  defp each([], state), do: {:noreply, state}

  defp each([event | rest], state) do
    case event(event, state) do
      {:noreply, state} -> each(rest, state)
      stop -> stop
    end
  end

  defp spawned(state, parent, child, mfa) do
    if follows?(state, parent), do: followed(state, parent, child, mfa), else: state
  end

  defp follows?(%{options: %{follow: :spawn}}, _parent), do: true
  defp follows?(%{follow: follow}, parent), do: parent in follow.companions or parent in follow.starters

  defp followed(state, parent, child, mfa) do
    {follow, verdict} = Follow.spawned(state.follow, parent, child)
    Session.adopt(state.session, [child], inherited(state, parent))
    if verdict == :pending, do: Process.send_after(self(), {:judge, child}, @judge_ms)
    state = Hands.born(state, child)

    case Setup.learn_modules(%{state | follow: follow}, [Modules.of_spawn(mfa)]) do
      {:ok, state} -> state
      {:error, _} -> %{state | follow: follow}
    end
  end

  defp stranger(state, starter, child) do
    Session.adopt(state.session, [child], inherited(state, starter))
    Process.send_after(self(), {:judge, child}, @judge_ms)
    %{state | follow: Follow.strange(state.follow, child)}
  end

  defp inherited(%{follow: follow, plan: plan}, parent) do
    if parent in follow.companions or parent in follow.starters,
      do: Enum.uniq([:set_on_spawn | plan.flags]),
      else: plan.flags
  end

  # The event itself tells the name: by now the process may have ended again.
  defp registered(state, pid, name), do: state |> bears(pid, name) |> Hands.named(pid, name)

  defp bears(%{follow: follow} = state, pid, name) do
    cond do
      pid in follow.members -> %{state | follow: follow |> Follow.appear(name) |> elem(0)}
      pid not in follow.pending -> state
      name in follow.names or {:tree, name} in follow.names -> restarted(state, name, pid)
      true -> judge(state, pid)
    end
  end

  # A child of a companion or a stranger: does it bear a followed name, or work for a recorded process?
  defp judge(%{follow: follow} = state, pid) do
    cond do
      pid not in follow.pending and pid not in follow.strangers ->
        state

      name = Follow.name_of(follow, pid) ->
        restarted(state, name, pid)

      Follow.works_for_member?(follow, pid) ->
        join(state, pid)

      pid in follow.strangers and Follow.supervisor?(pid) ->
        state.native.recording_add_starters(state.data, [pid])
        %{state | follow: Follow.start_for_others(follow, pid)}

      pid in follow.pending and follow.names != [] and Follow.supervisor?(pid) ->
        %{state | follow: Follow.accompany(follow, pid)}

      true ->
        let_go(state, pid)
    end
  end

  defp join(state, pid) do
    # What members start are members without being told, unless nobody is to follow them.
    if state.options.follow == false or pid in state.follow.strangers,
      do: state.native.recording_add_members(state.data, [pid])

    if pid in state.follow.strangers, do: Setup.introduce(state, [pid])

    %{state | follow: Follow.join(state.follow, pid)}
  end

  defp restarted(state, name, pid) do
    if state.options.follow == false, do: Session.untrace(state.session, [pid], [:set_on_spawn])

    state = join(state, pid)
    {follow, first?} = Follow.appear(state.follow, name)
    again = if first?, do: "", else: " again"
    Setup.note(%{state | follow: follow}, "#{inspect(name)} was started#{again} as #{inspect(pid)}")
  end

  defp let_go(state, pid) do
    if Process.alive?(pid),
      do: let_go_all(state, [pid | Targets.below(pid)]),
      else: %{state | follow: Follow.leave(state.follow, pid)}
  end

  defp let_go_all(state, pids) do
    Session.untrace(state.session, pids, [:all])

    if Enum.any?(pids, &(&1 in state.follow.pending)),
      do: state.native.recording_remove_members(state.data, pids)

    %{state | follow: Enum.reduce(pids, state.follow, &Follow.leave(&2, &1))}
  end

  defp unread(%{unread: unread} = state) when unread == %{}, do: state

  defp unread(%{unread: unread} = state) do
    pids = Map.values(unread)
    shown = pids |> Enum.take(5) |> Enum.map_join(", ", &inspect/1)
    more = if length(pids) > 5, do: ", …", else: ""

    Setup.note(
      %{state | unread: %{}},
      "#{length(pids)} processes were busy and did not show their state; it is unknown until their first message: " <>
        shown <> more
    )
  end

  # The end

  # What ends by an error of ours ends its recording; where there is a hub, it does the same once more.
  @impl true
  def terminate(:normal, _state), do: :ok

  def terminate(_reason, state) do
    if state.session, do: Session.close(state.session)
    orphaned(state)
    if state.data, do: stop_native(state.native, state.data, :recorder_down)
  end

  defp finish(%{failed: failed} = state, _reason) when failed != nil, do: undo(state)

  defp finish(state, reason) do
    if state.flight, do: Flight.land(state.flight)

    state =
      state
      |> Vitals.finish()
      |> Hands.stop()
      |> say_taken()
      |> switch_off()
      |> orphaned()
      |> Lines.release()
      |> name_pending()
      |> unread()
      |> say_absent()
      |> gather_code()

    state = Setup.note_tables(state, :end)
    _ = state.native.recording_stop(state.data, reason)
    state = state |> written_out() |> say_step() |> say_failures()
    Hub.unregister(state.hub)
    if borrowed?(state), do: Keeper.give_back(state.keeper, state.plan.patterns, state.plan.receives)
    %{state | session: nil}
  end

  # Flags and patterns are everybody's before OTP 27: a tool that clears all of them at its end clears ours.
  defp say_taken(%{session: %Session{module: Classic, handle: handle}, plan: %{flags: [_ | _]}} = state) do
    case Classic.taken(handle) do
      {0, 0} ->
        state

      {pids, functions} ->
        Setup.note(
          state,
          "another tool switched off the tracing of #{pids} processes and #{functions} functions while they were recorded; what they did " <>
            "from then on is not in the recording"
        )
    end
  end

  defp say_taken(state), do: state

  # The time of day may be set at any time. What is recorded is timed by a clock that only goes forward.
  defp clocks, do: {System.os_time(:millisecond), System.monotonic_time(:millisecond)}

  defp say_step(%{clocks: {time, monotonic}} = state) do
    {time_now, monotonic_now} = clocks()
    step = time_now - time - (monotonic_now - monotonic)

    if abs(step) < @step_ms,
      do: state,
      else:
        remark(
          state,
          "the time of day was set #{if step > 0, do: "forward", else: "back"} by #{:erlang.float_to_binary(abs(step) / 1000, decimals: 1)} s while this was " <>
            "recorded; moments count from its start, and times of day are as they were then"
        )
  end

  defp say_failures(%{data: data} = state) do
    case state.native.recording_info(data) do
      %{error: text} when is_binary(text) ->
        remark(state, "the recording was ended by an error: #{text}")

      %{panics: n} when is_integer(n) and n > 0 ->
        remark(state, "BeamScope failed in #{n} callbacks, which is a bug: as many events may be missing")

      _ ->
        state
    end
  end

  # Once the data has ended, notes are for the info only.
  defp remark(state, text), do: Setup.update_meta(%{state | notes: state.notes ++ [text]})

  defp gather_code(%{asked: nil} = state), do: state

  defp gather_code(%{asked: asked, seen: seen, calls: calls} = state) do
    modules = for {module, _, _} <- calls, into: seen, do: module
    Setup.update_meta(%{state | asked: nil, code: BeamScope.Code.gathered(asked, modules)})
  end

  defp written_out(%{writer: nil} = state), do: state

  defp written_out(%{writer: writer} = state) do
    report = Writer.finish(writer)
    state = if report.error, do: sink_failed(state, report.error), else: state
    Setup.update_meta(%{state | sink: report})
  end

  # Said once, whoever of the two says it first.
  defp sink_failed(%{sink: %{error: error}} = state, _text) when error != nil, do: state

  defp sink_failed(state, text) do
    Setup.note(
      %{state | sink: %{error: text}},
      "what was recorded is no longer written to #{inspect(state.options.to, limit: 5)}: #{text}. It is kept in memory, within " <>
        "the limit of bytes; save/2 writes it elsewhere"
    )
  end

  defp borrowed?(%{kept: kept}), do: match?(%{session: %Session{}}, kept)

  defp switch_off(%{kept: nil} = state) do
    Session.close(state.session)
    hear_out(state)
  end

  defp switch_off(%{targets: %{scope: :listed}} = state) do
    state = untrace_all(state, [], @passes)
    Session.forget(state.session)
    state
  end

  defp switch_off(state) do
    Session.clear(state.session)
    hear_out(state)
  end

  # To ask the virtual machine who has flags means to ask every process. Whoever is known loses them; what these had started
  # by then is known after that.
  defp untrace_all(state, done, passes) do
    case Follow.everyone(state.follow) -- done do
      [_ | _] = pids when passes > 0 ->
        Session.untrace(state.session, pids, [:all])
        state |> hear_out() |> untrace_all(pids ++ done, passes - 1)

      _ ->
        state
    end
  end

  # What happened before now may not have been told yet.
  defp hear_out(state) do
    _ = state.native.recording_flush(state.data, @flush_ms)
    hear(state)
  end

  defp hear(%{id: id} = state) do
    receive do
      {:beam_scope, ^id, event} when elem(event, 0) != :limit ->
        {:noreply, state} = event(event, state)
        hear(state)
    after
      0 -> state
    end
  end

  defp name_pending(state), do: Enum.reduce(state.follow.pending, state, &name(&2, &1))

  defp name(state, pid) do
    case Follow.name_of(state.follow, pid) do
      nil -> state
      name -> restarted(state, name, pid)
    end
  end

  defp say_absent(state), do: Enum.reduce(state.follow.awaited, state, &say_absent(&2, &1))

  defp say_absent(state, name) do
    case Follow.bearer(name) do
      pid when is_pid(pid) ->
        if pid in state.follow.members, do: state, else: Setup.note(state, not_ours(name, pid))

      # What bore a name of another registry may have ended: nobody tells.
      nil when is_atom(name) ->
        Setup.note(state, "nobody was registered as #{inspect(name)} while this was recorded")

      nil ->
        state
    end
  end

  defp not_ours(name, pid),
    do:
      "#{inspect(name)} (#{inspect(pid)}) was started by a process that is not recorded, and so is not recorded either"

  # The set-up failed: nothing may be left, not even the data.
  defp undo(state) do
    state = Lines.release(Vitals.finish(state))
    if state.session, do: Session.close(state.session)
    orphaned(state)
    if state.data, do: state.native.recording_close(state.data)
    Hub.unregister(state.hub)
    if borrowed?(state), do: Keeper.spoil(state.keeper)
    %{state | session: nil, data: nil}
  end

  defp hub_died(%{session: session} = state) do
    if session.module != Classic, do: Session.close(session)
    stop_native(state.native, state.data, :hub_down)
    orphaned(state)
  end

  # A ledger that died with the hub is its survivor's to undo: another hub may be at work by now. Where that was killed, too, this is the last one
  # that knows what was set.
  defp orphaned(%{session: %Session{module: Classic}, plan: %{patterns: patterns}} = state) do
    unless Process.alive?(state.hub) or Survivor.done?(state.survivor),
      do: Hub.orphaned(state.tracer, for({place, _} <- patterns, do: place))

    state
  end

  defp orphaned(state), do: state
end
