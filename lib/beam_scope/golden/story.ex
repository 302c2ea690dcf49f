defmodule BeamScope.Golden.Story do
  @moduledoc false
  # What each role did, as steps that are the same in every run: the order of `BeamScope.Golden`'s documentation.

  import Bitwise

  alias BeamScope.{Error, Event}
  alias BeamScope.Align.Step
  alias BeamScope.Golden.{Canon, Causality, Deeds, Mark, Noise, Parties, Print, Roles, Source}

  @sends [:send, :send_to_dead]
  @supervisors [:supervisor, :dynamic_supervisor, :task_supervisor]
  # Their states are OTP's and Elixir's own, and are others in other releases.
  @opaque_states [DynamicSupervisor, Registry, Registry.Partition, Registry.Supervisor, PartitionSupervisor] ++
                   [Task.Supervisor, Supervisor.Default, :supervisor]

  @doc "The level and the steps by role, roles by name."
  @spec tell(BeamScope.Recording.t(), map) :: {:ok, map} | {:error, Error.t()}
  def tell(rec, opts) do
    with {:ok, source} <- Source.read(rec) do
      at = context(source, opts, rec)
      blocks = if opts.order == :causal, do: Causality.blocks(source, &Noise.counts?(&1, &2, at)), else: %{}
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
    roles = Roles.build(source, opts.roles)

    %{
      source: source,
      opts: opts,
      roles: roles,
      canon: Canon.new(roles.by_pid, window(source.info, rec), opts.normalize),
      answers: answers(source.events),
      requests: requests(source.events),
      receivers: receivers(source.events),
      system: for(%{label: :system} = e <- source.events, into: MapSet.new(), do: Event.tag(e.message)),
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
      {{e.track, tag}, {{:ok, e.content}, e.moment.seq}}
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

  # The tags of requests that raced.
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

  # ---- one life ----

  defp life(track, role, at) do
    life = at.source.tracks[track]

    at =
      Map.merge(at, %{track: track, role: role, unordered?: role in at.opts.unordered, process: life.process})

    done = if life.server?, do: server(life, at), else: plain(life, at)
    Enum.map(done ++ Deeds.arrivals(life, at), &%{&1 | role: role})
  end

  defp plain(%{units: units}, at), do: Enum.flat_map(units, &Deeds.effects(&1.effects, at))

  defp server(%{units: [%{acts: []} | _]} = life, at), do: plain(life, at)

  defp server(%{units: units}, %{unordered?: true} = at) do
    told = for unit <- units, Noise.counts?(at.track, unit, at), do: {unit, {0, 0}}
    {starts, told} = Enum.split_while(told, fn {%{acts: [act | _]}, _} -> act.kind in [:read, :init] end)
    Enum.flat_map(starts, fn {unit, _} -> unit(unit, at) end) ++ block(told, at) ++ ends(units, at)
  end

  defp server(%{units: units}, at) do
    blocks =
      at.blocks[at.track] || for(unit <- units, Noise.counts?(at.track, unit, at), do: [{unit, {0, 0}}])

    Enum.flat_map(blocks, &block(&1, at)) ++ ends(units, at)
  end

  # How it ended belongs to no message's place.
  defp ends(units, at),
    do: for(%{effects: effects} <- units, e <- effects, e.kind == :exit, step <- Deeds.exit(e, at), do: step)

  defp block([{unit, _}], %{unordered?: false} = at), do: unit(unit, at)

  defp block(units, at) do
    steps =
      units
      |> canonical_order(at)
      |> Enum.flat_map(&unit(&1, at))
      |> Enum.map(&unordered/1)

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

  defp unordered(step) do
    if handled?(step),
      do: %{step | order: :any, state: nil, reply: step.reply && {:ok, Mark.new(:any)}},
      else: %{step | order: :any}
  end

  @doing [:ask, :tell, :send, :answer, :invoke, :exit, :state]
  defp handled?(%Step{what: what}), do: what not in @doing

  # Of those that may come next, by sender and content: the same order in every run.
  defp canonical_order(units, at) do
    units
    |> Enum.map(fn {unit, {n, pred}} -> {key(unit, at), n, pred, unit} end)
    |> Enum.sort_by(fn {key, n, _pred, _unit} -> {key, n} end)
    |> placed(at.unordered?)
  end

  defp placed(units, any?) do
    left = Enum.reduce(units, 0, fn {_key, n, _pred, _unit}, bits -> bits ||| 1 <<< n end)
    placed(units, left, any?, [])
  end

  defp placed([], _left, _any?, done), do: Enum.reverse(done)

  defp placed(units, left, any?, done) do
    free? = fn {_key, _n, pred, _unit} -> any? or (pred &&& left) == 0 end
    {before, [{_key, n, _pred, unit} | rest]} = Enum.split_while(units, &(not free?.(&1)))
    placed(before ++ rest, bxor(left, 1 <<< n), any?, [unit | done])
  end

  defp key(%{from: from, acts: [act | _]}, at) do
    sender = from |> Parties.party(act[:from_name], at) |> Parties.order(at)
    {sender, act.content |> Canon.anonymous(at.canon) |> Print.flat()}
  end

  # ---- a unit ----

  defp unit(%{acts: acts, effects: effects, from: from}, at) do
    effects = Enum.reject(effects, &(&1.kind == :exit))
    {steps, left} = Enum.flat_map_reduce(acts, effects, &act(&1, &2, acts, from, at))
    steps ++ Deeds.effects(left, at)
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

    {handled(act, replies, from, at) ++ Deeds.effects(others, at), later}
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
    hidden? = Parties.unordered?(from, act[:from_name], at)

    step = %Step{
      what: what(act),
      message: if(hidden?, do: Mark.new(:any), else: content(act)),
      from: Parties.party(from, act[:from_name], at),
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
    if at.process.behaviour in @supervisors or at.process.module in @opaque_states,
      do: nil,
      else: {:ok, state}
  end

  defp state(_act, _at), do: nil

  # ---- without what is another in every run ----

  defp canonical(steps, at) do
    {steps, _canon} = Enum.map_reduce(steps, at.canon, &canonical_step/2)
    {steps, _state} = Enum.map_reduce(steps, %{}, &once/2)
    steps
  end

  # A state that is the one before is not written again. Handlers of a gen_event have one each.
  defp once(%Step{state: nil} = step, last), do: {step, last}

  defp once(%Step{what: what, state: state} = step, last) do
    same? = what not in [:start, :state, :changed] and last[step.handler] == state
    {if(same?, do: %{step | state: nil}, else: step), Map.put(last, step.handler, state)}
  end

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
