defmodule BeamScope.Golden.Story do
  @moduledoc false
  # What each role did, as steps that are the same in every run: the order of `BeamScope.Golden`'s documentation.

  alias BeamScope.{Error, Event, Pattern}
  alias BeamScope.Align.Step
  alias BeamScope.Golden.{Canon, Causality, Mark, Print, Roles, Source}

  @sends [:send, :send_to_dead]
  # Their states are OTP's and Elixir's own, and are others in other releases.
  @opaque_states [DynamicSupervisor, Registry, Registry.Partition, Registry.Supervisor, PartitionSupervisor] ++
                   [Task.Supervisor, Supervisor.Default, :supervisor]

  @doc "The level and the steps by role, roles by name."
  @spec tell(BeamScope.Recording.t(), map) :: {:ok, map} | {:error, Error.t()}
  def tell(rec, opts) do
    with {:ok, source} <- Source.read(rec) do
      at = context(source, opts, rec)
      blocks = if opts.order == :causal, do: Causality.blocks(source, &counts?(&1, &2, at)), else: %{}
      at = Map.merge(at, %{blocks: blocks, racing: racing(blocks)})

      roles =
        source.processes
        |> Enum.filter(&told?(&1, at))
        |> Enum.group_by(&at.roles.by_track[&1.track], & &1.track)
        |> Enum.map(fn {role, tracks} ->
          {role, tracks |> Enum.sort() |> Enum.flat_map(&life(&1, role, at))}
        end)
        |> Enum.reject(fn {_role, steps} -> steps == [] end)
        |> Enum.map(fn {role, steps} -> {role, canonical(steps, at)} end)
        |> Enum.sort_by(fn {role, _steps} -> Roles.order(role) end)

      {:ok, %{level: source.level, roles: roles}}
    end
  end

  defp context(source, opts, rec) do
    roles = Roles.build(source)

    %{
      source: source,
      opts: opts,
      roles: roles,
      canon: Canon.new(roles.by_pid, window(source.info, rec), opts.normalize),
      answers: answers(source.events),
      requests: requests(source.events),
      receivers: receivers(source.events),
      messages?: source.level in [:messages, :full, nil]
    }
  end

  defp told?(process, at) do
    role = at.roles.by_track[process.track]
    role != nil and (at.opts.only == nil or role in at.opts.only)
  end

  # Clocks are set in jumps, and a recording's start is rounded.
  @slack 1_000_000_000

  defp window(info, rec) do
    case info[:started_at_unix_ns] || get_in(info, [:extra, :started_at_unix_ns]) do
      from when is_integer(from) and from > 0 ->
        offset = if rec.pid, do: System.time_offset(:nanosecond)
        %{from: from - @slack, to: from + (info[:duration_ns] || 0) + @slack, offset: offset}

      _ ->
        nil
    end
  end

  # ---- messages by their tags ----

  # Answer to a request of a process.
  defp answers(events) do
    for %{kind: :receive, label: :reply} = e <- events, tag = Event.tag(e.message), into: %{} do
      {{e.track, tag}, {:ok, e.content}}
    end
  end

  # Who got a message, where it was sent to an alias.
  defp receivers(events),
    do: for(%{kind: :receive, partner: sent} = e <- events, sent != nil, into: %{}, do: {sent, e.pid})

  # Who waits for the answer to a tag.
  defp requests(events) do
    for %{kind: kind, label: :call} = e <- events,
        kind in [:receive | @sends],
        tag = Event.tag(e.message),
        into: %{} do
      {tag, e.from}
    end
  end

  # Requests whose handling has no order among others: `{caller's track or pid, tag}`.
  defp racing(blocks) do
    for {_track, blocks} <- blocks,
        [_, _ | _] = block <- blocks,
        {unit, _} <- block,
        tag = tag(unit),
        into: MapSet.new() do
      tag
    end
  end

  defp tag(%{acts: [%{message: message} | _]}), do: Event.tag(message)
  defp tag(_unit), do: nil

  # ---- what is left out ----

  # Units that take part in the order of a server.
  defp counts?(track, unit, at),
    do:
      not (noise?(unit.from, at) or idle?(unit) or Enum.all?(unit.acts, &ignored?(&1.content, &1.message, at)) or
             system_unit?(unit) or not Map.has_key?(at.roles.by_track, track))

  defp system_unit?(%{acts: [%{message: message} | _]}), do: system_message?(message)
  defp system_unit?(_unit), do: false

  # A message of the runtime's, a timer mostly, that changed nothing: how many there were is how long it took.
  defp idle?(%{from: from, effects: [], acts: [%{kind: kind} | _] = acts})
       when kind in [:info, :timeout, :event] do
    (from == nil or from in [:clock_service, :system]) and Enum.all?(acts, &unchanged?/1)
  end

  defp idle?(_unit), do: false

  defp unchanged?(%{from: {:ok, state}, to: {:ok, state}, result: :ok, message: message}),
    do: not match?({label, _, _, _, _} when label == :DOWN, message) and not match?({:EXIT, _, _}, message)

  defp unchanged?(_act), do: false

  defp noise?(nil, _at), do: false
  defp noise?(who, at), do: MapSet.member?(at.roles.noise, who) or Roles.system?(who)

  defp ignored?(content, message, at) do
    Enum.any?(at.opts.ignore, fn pattern ->
      match?({:match, _}, Pattern.match(pattern, content)) or
        match?({:match, _}, Pattern.match(pattern, message))
    end)
  end

  # Of OTP's and Elixir's own protocols.
  defp system_message?({:ack, pid, _}) when is_pid(pid), do: true
  defp system_message?({:nack, pid, _}) when is_pid(pid), do: true
  defp system_message?({:code_call, _, _}), do: true
  defp system_message?({:code_server, _}), do: true
  defp system_message?({:"$gen_call", _, {:registrar, _}}), do: true
  defp system_message?({:system, _, _}), do: true
  # What a task is to do.
  defp system_message?({pid, _ref, _reply_to, callers, {_m, _f, _a}}) when is_pid(pid) and is_list(callers),
    do: true

  defp system_message?(_message), do: false

  defp left_out?(%{label: label}, _at) when label in [:io, :system], do: true
  defp left_out?(%{label: label, content: {_, :normal}}, _at) when label in [:down, :exit], do: true

  defp left_out?(e, at) do
    system_message?(e.message) or noise?(e.from, at) or noise?(e.from_name, at) or noise?(e.to, at) or
      noise?(e.to_name, at) or ignored?(e.content, e.message, at)
  end

  # ---- one life ----

  defp life(track, role, at) do
    life = at.source.tracks[track]

    at =
      Map.merge(at, %{track: track, role: role, unordered?: role in at.opts.unordered, process: life.process})

    done = if life.server?, do: server(life, at), else: plain(life, at)
    Enum.map(done ++ arrivals(life, at), &%{&1 | role: role})
  end

  defp plain(%{units: units}, at), do: Enum.flat_map(units, &effects(&1.effects, at))

  defp server(%{units: [%{acts: []} | _]} = life, at), do: plain(life, at)

  defp server(%{units: units}, %{unordered?: true} = at) do
    told = for unit <- units, counts?(at.track, unit, at), do: {unit, {0, 0}}
    {starts, told} = Enum.split_while(told, fn {%{acts: [act | _]}, _} -> act.kind in [:read, :init] end)
    Enum.flat_map(starts, fn {unit, _} -> unit(unit, at) end) ++ block(told, at) ++ ends(units, at)
  end

  defp server(%{units: units}, at) do
    blocks = at.blocks[at.track] || for(unit <- units, counts?(at.track, unit, at), do: [{unit, {0, 0}}])
    Enum.flat_map(blocks, &block(&1, at)) ++ ends(units, at)
  end

  # How it ended belongs to no message's place.
  defp ends(units, at),
    do: for(%{effects: effects} <- units, e <- effects, e.kind == :exit, step <- exit(e, at), do: step)

  defp block([{unit, _}], %{unordered?: false} = at), do: unit(unit, at)

  defp block(units, at) do
    steps =
      units
      |> canonical_order(at)
      |> Enum.flat_map(&(&1 |> unit(at) |> Enum.map(fn step -> unordered(step, at) end)))

    steps = if at.unordered?, do: Enum.filter(steps, &handled?/1), else: steps
    steps ++ left_in(units, at)
  end

  # The state that remains, where it does not depend on the order.
  defp left_in(_units, %{unordered?: true}), do: []

  defp left_in(units, at) do
    {%{acts: acts}, _} = Enum.max_by(units, fn {unit, _} -> unit.at end)

    case state(List.last(acts), at) do
      nil -> []
      state -> [%Step{what: :state, state: state}]
    end
  end

  defp unordered(step, _at) do
    if handled?(step),
      do: %{step | order: :any, state: nil, reply: step.reply && {:ok, Mark.new(:any)}},
      else: %{step | order: :any}
  end

  @doing [:ask, :tell, :send, :answer, :invoke, :exit, :state]
  defp handled?(%Step{what: what}), do: what not in @doing

  # Of those that may come next, by sender and content: the same order in every run.
  defp canonical_order(units, at), do: canonical_order(units, 0, at, [])

  defp canonical_order([], _placed, _at, done), do: Enum.reverse(done)

  defp canonical_order(units, placed, at, done) do
    here = Enum.reduce(units, 0, fn {_unit, {n, _pred}}, bits -> Bitwise.bor(bits, Bitwise.bsl(1, n)) end)
    free = Enum.filter(units, fn {_unit, {_n, pred}} -> Bitwise.band(pred, here) == 0 end)
    free = if free == [] or at.unordered?, do: units, else: free
    {unit, {n, _}} = next = Enum.min_by(free, fn {unit, {n, _}} -> {key(unit, at), n} end)
    canonical_order(List.delete(units, next), Bitwise.bor(placed, Bitwise.bsl(1, n)), at, [unit | done])
  end

  defp key(%{from: from, acts: [act | _]}, at),
    do:
      {from |> party(act[:from_name], at) |> sender_key(at),
       act.content |> Canon.anonymous(at.canon) |> Print.flat()}

  # ---- a unit ----

  defp unit(%{acts: acts, effects: effects, from: from}, at) do
    effects = Enum.reject(effects, &(&1.kind == :exit))
    {steps, left} = Enum.flat_map_reduce(acts, effects, &act(&1, &2, acts, from, at))
    steps ++ effects(left, at)
  end

  # What was done meanwhile stands behind the act during which it was.
  defp act(act, effects, acts, from, at) do
    from = if act == hd(acts) or act.kind == :event, do: from, else: act.from_process
    next = Enum.find(acts, &(&1.began_seq > act.began_seq))
    {mine, later} = Enum.split_while(effects, &(next == nil or &1.moment.seq < next.began_seq))
    tag = Event.tag(act.message)

    {replies, others} =
      Enum.split_with(
        mine,
        &(&1.kind in @sends and &1.label == :reply and tag != nil and Event.tag(&1.message) == tag)
      )

    {handled(act, replies, from, at) ++ effects(others, at), later}
  end

  defp handled(%{kind: kind} = act, _replies, _from, at) when kind in [:read, :init] do
    case state(act, at) do
      nil -> []
      state -> [%Step{what: :start, state: state, handler: act[:handler], seq: act.began_seq}]
    end
  end

  defp handled(%{kind: kind, message: nil} = act, _replies, _from, at) when kind in [:changed, :end] do
    case state(act, at) do
      state when kind == :changed and state != nil ->
        [%Step{what: :changed, state: state, seq: act.began_seq}]

      _ ->
        []
    end
  end

  defp handled(act, replies, from, at) do
    hidden? = from_unordered?(from, act[:from_name], at)

    step = %Step{
      what: what(act),
      message: if(hidden?, do: Mark.new(:any), else: content(act)),
      from: party(from, act[:from_name], at),
      reply: reply(act, replies, at),
      state: if(act.result == :ok and not hidden?, do: state(act, at)),
      handler: act[:handler],
      seq: act.began_seq
    }

    [if(hidden? and step.reply, do: %{step | reply: {:ok, Mark.new(:any)}}, else: step)]
  end

  defp what(%{kind: kind, message: message}) when kind in [:end, :changed] do
    case Event.classify(message) do
      {label, _} when label in [:call, :cast] -> label
      _ -> :info
    end
  end

  defp what(%{kind: kind}), do: kind

  defp content(%{content: content} = act) when content != nil do
    case content do
      {kind, inner} when kind == act.kind and kind in [:state_timeout, :timeout, :internal] -> inner
      _ -> content
    end
  end

  defp content(%{message: message}), do: message |> Event.classify() |> elem(1)

  # The answer that was sent meanwhile; where messages are not seen, what the callback returned.
  defp reply(_act, [reply | _], _at), do: {:ok, reply.content}
  defp reply(%{kind: :call, reply: reply}, [], %{messages?: false}), do: reply
  defp reply(_act, [], _at), do: nil

  defp state(%{to: {:ok, state}}, at) do
    if at.process.behaviour == :supervisor or at.process.module in @opaque_states, do: nil, else: {:ok, state}
  end

  defp state(_act, _at), do: nil

  # ---- what a process did ----

  defp effects(events, at), do: events |> calls([]) |> Enum.flat_map(&effect(&1, at))

  defp effect({:invoke, call, result}, _at),
    do: [%Step{what: :invoke, message: call.mfa, reply: result, seq: call.moment.seq}]

  defp effect(%{kind: kind} = e, at) when kind in @sends do
    if left_out?(e, at) or at.unordered?, do: [], else: [sent(e, at)]
  end

  defp effect(%{kind: :exit} = e, at), do: exit(e, at)
  defp effect(_event, _at), do: []

  defp sent(%{label: :call} = e, at) do
    tag = Event.tag(e.message)
    reply = at.answers[{e.track, tag}]
    racing? = MapSet.member?(at.racing, tag) or to_unordered?(e, at)
    reply = if racing? and reply, do: {:ok, Mark.new(:any)}, else: reply
    %Step{what: :ask, message: e.content, to: party(e.to, e.to_name, at), reply: reply, seq: e.moment.seq}
  end

  defp sent(e, at) do
    what = Map.get(%{cast: :tell, reply: :answer}, e.label, :send)

    %Step{
      what: what,
      message: result(e, at),
      to: e |> receiver(at) |> party(e.to_name, at),
      seq: e.moment.seq
    }
  end

  defp receiver(%{to: to}, _at) when is_pid(to), do: to

  defp receiver(e, at) do
    at.receivers[e.moment.seq] || (e.label == :reply && at.requests[Event.tag(e.message)]) || e.to
  end

  # A task's result is often an answer that it got: if that is a matter of chance, so is the result.
  defp result(%{content: content} = e, at) do
    life = at.source.tracks[e.track]

    if match?(%{process: %{behaviour: :task}}, life) and Enum.any?(chances(life, at), &inside?(&1, content)),
      do: Mark.new(:any),
      else: content
  end

  defp chances(%{got: got}, at) do
    for %{label: :reply} = e <- got,
        MapSet.member?(at.racing, Event.tag(e.message)) or from_unordered?(e.from, e.from_name, at),
        not is_atom(e.content),
        do: e.content
  end

  defp inside?(part, part), do: true
  defp inside?(part, tuple) when is_tuple(tuple), do: inside?(part, Tuple.to_list(tuple))
  defp inside?(part, [head | tail]), do: inside?(part, head) or inside?(part, tail)
  defp inside?(part, map) when is_map(map), do: map |> Map.values() |> Enum.any?(&inside?(part, &1))
  defp inside?(_part, _term), do: false

  defp exit(%{reason: reason}, _at) when reason in [:normal, :shutdown], do: []
  defp exit(%{reason: {:shutdown, _}}, _at), do: []
  defp exit(e, _at), do: [%Step{what: :exit, message: e.reason, seq: e.moment.seq}]

  # Calls with their returns, as they nest.
  defp calls([], done), do: Enum.reverse(done)

  defp calls([%{kind: :call} = call | rest], done) do
    {result, rest} = returned(call, rest, 0, [])
    calls(rest, [{:invoke, call, result} | done])
  end

  defp calls([%{kind: kind} | rest], done) when kind in [:return, :exception], do: calls(rest, done)
  defp calls([event | rest], done), do: calls(rest, [event | done])

  defp returned(_call, [], _depth, seen), do: {nil, Enum.reverse(seen)}

  defp returned(call, [event | rest], depth, seen) do
    cond do
      event.kind == :call and mfa(event) == mfa(call) ->
        returned(call, rest, depth + 1, [event | seen])

      event.kind not in [:return, :exception] or mfa(event) != mfa(call) ->
        returned(call, rest, depth, [event | seen])

      depth > 0 ->
        returned(call, rest, depth - 1, [event | seen])

      true ->
        {outcome(event), Enum.reverse(seen, rest)}
    end
  end

  defp outcome(%{kind: :return, value: value}), do: {:ok, value}
  defp outcome(%{class: class, reason: reason}), do: {:error, {class, reason}}

  defp mfa(%{mfa: {m, f, args}}) when is_list(args), do: {m, f, length(args)}
  defp mfa(%{mfa: mfa}), do: mfa

  # ---- what came to a process whose handling is not seen ----

  defp arrivals(%{server?: true, units: [%{acts: [_ | _]} | _]}, _at), do: []
  defp arrivals(_life, %{unordered?: true}), do: []

  defp arrivals(%{got: got}, at) do
    steps =
      for e <- got, not left_out?(e, at), not answer?(e, at) do
        %Step{what: :got, message: came(e, at), from: party(e.from, e.from_name, at), seq: e.moment.seq}
      end

    senders = steps |> Enum.map(& &1.from) |> Enum.uniq()
    order = if length(senders) > 1, do: :any
    # Stable: what one sender sent stays in its order.
    steps |> Enum.sort_by(&sender_key(&1.from, at)) |> Enum.map(&%{&1 | order: order})
  end

  defp sender_key(who, at) do
    case Canon.who(who, %{at.canon | anonymous?: true}) do
      {%Mark{kind: :pid, args: [role]}, _canon} -> Roles.order(role)
      {other, _canon} -> Roles.order(other)
    end
  end

  defp came(e, at) do
    cond do
      from_unordered?(e.from, e.from_name, at) -> Mark.new(:any)
      sender = at.roles.by_pid[e.from] && e.from_track -> result(%{e | track: sender}, at)
      true -> e.content
    end
  end

  # Answers stand beside the request.
  defp answer?(%{label: :reply, message: message, track: track}, at),
    do:
      Map.has_key?(at.requests, Event.tag(message)) and Map.has_key?(at.answers, {track, Event.tag(message)})

  defp answer?(_event, _at), do: false

  # ---- who ----

  # A role, a pid of nobody known, a name, or nil for the runtime.
  defp party(who, name, at) do
    cond do
      role = at.roles.by_pid[who] -> role
      name != nil -> name
      who in [nil, :clock_service, :system, :undefined] -> nil
      true -> who
    end
  end

  defp from_unordered?(who, name, at),
    do: at.opts.unordered != [] and party(who, name, at) in at.opts.unordered

  defp to_unordered?(e, at), do: at.opts.unordered != [] and party(e.to, e.to_name, at) in at.opts.unordered

  # ---- without what is another in every run ----

  defp canonical(steps, at) do
    {steps, _canon} = Enum.map_reduce(steps, at.canon, &canonical_step/2)
    {steps, _state} = Enum.map_reduce(steps, nil, &once/2)
    steps
  end

  # A state that is the one before is not written again.
  defp once(%Step{what: what, state: state} = step, _last) when what in [:start, :state, :changed],
    do: {step, state}

  defp once(%Step{state: same} = step, same), do: {%{step | state: nil}, same}
  defp once(%Step{state: nil} = step, last), do: {step, last}
  defp once(%Step{state: state} = step, _last), do: {step, state}

  defp canonical_step(step, canon) do
    {message, canon} = Canon.term(step.message, canon)
    {from, canon} = role(step.from, canon)
    {to, canon} = role(step.to, canon)
    {reply, canon} = tagged(step.reply, canon)
    {state, canon} = tagged(step.state, canon)
    {handler, canon} = Canon.term(step.handler, canon)
    {%{step | message: message, from: from, to: to, reply: reply, state: state, handler: handler}, canon}
  end

  defp tagged(nil, canon), do: {nil, canon}

  defp tagged({tag, term}, canon) do
    {term, canon} = Canon.term(term, canon)
    {{tag, term}, canon}
  end

  # Where only a role can stand, it needs no mark.
  defp role(who, canon) do
    case Canon.who(who, canon) do
      {%Mark{kind: :pid, args: [role]}, canon} -> {role, canon}
      other -> other
    end
  end
end
