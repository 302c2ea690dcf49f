defmodule BeamScope.Replay.WhatIf.Life do
  @moduledoc """
  The edited life beside the recorded one, group by group (see `BeamScope.Replay.WhatIf.Group`).

  What is not a message of others but comes of what the process did is made anew: continue steps, timeouts (by the time of the
  recording: one fires where the next message was further away) and what it sends itself. Until the edit, and as long as the lives are the same, timeouts come as
  recorded.
  """

  alias BeamScope.Replay.WhatIf.{Compare, Driver, Group, Peer, Seen, StandIns}
  alias BeamScope.Terminal.Term

  @enough "the edited life was not followed further: it had handled as many messages as limit: lets it"

  @doc "Lives it, in a peer where it was begun. The table knows whom the start named."
  @spec run(map, map, StandIns.t(), pos_integer) :: map
  def run(peer, plan, table, limit) do
    life = %{
      peer: peer,
      plan: plan,
      table: table,
      steps: [],
      left: limit,
      notes: [],
      answered: [],
      unanswered: []
    }

    at = %{
      recorded: plan.state,
      edited: plan.state,
      timeout: :recorded,
      last_ns: nil,
      parted?: false,
      ended: nil
    }

    loop(plan.groups, Map.merge(life, at))
  end

  # Nothing comes any more, but the recording went on, and with it the time.
  defp loop([], life) do
    rest = %Group{began_ns: life.plan.until_ns}

    if life.left > 0 and life.ended == nil and life.parted? and late?(rest, life),
      do: one(timeout(rest, life), [], life),
      else: %{life | steps: Enum.reverse(life.steps)}
  end

  defp loop(_groups, %{left: 0} = life), do: loop([], note(life, @enough))

  defp loop([group | rest] = groups, life) do
    case due(group, life) do
      :timeout -> one(timeout(group, life), groups, life)
      :pass -> rest |> loop(passed(group, life))
      :run -> one(group, rest, life)
    end
  end

  # ---- what comes next ----

  defp due(_group, %{ended: ended}) when ended != nil, do: :pass
  defp due(%{edit: :skipped}, _life), do: :pass
  defp due(%{origin: origin, claimed?: false}, _life) when origin != nil, do: :pass
  defp due(%{kind: :timeout, edit: nil}, %{parted?: false}), do: :run
  defp due(%{kind: :timeout, edit: nil} = group, life), do: if(late?(group, life), do: :run, else: :pass)
  defp due(group, %{parted?: true} = life), do: if(late?(group, life), do: :timeout, else: :run)
  defp due(_group, _life), do: :run

  defp late?(group, %{timeout: ms, last_ns: last}) when is_integer(ms) and is_integer(last),
    do: group.began_ns - last >= ms * 1_000_000

  defp late?(_group, _life), do: false

  defp timeout(group, %{last_ns: last, timeout: ms}),
    do: Group.new(:timeout, [kind: :timeout, done_ns: last + ms * 1_000_000] ++ place(group))

  defp place(group), do: group |> Map.take([:seq, :began, :began_ns]) |> Map.to_list()

  # ---- a group that only the recorded life has ----

  # Its timeout goes on.
  defp passed(group, life), do: settle(group, [], nil, life)

  # ---- a group that is run ----

  defp one(group, rest, life) do
    case StandIns.pack(group.run, life.table, "message") do
      {:ok, _, _} -> handled(group, rest, life)
      {:error, _} -> loop(rest, note(passed(group, life), unbuildable(group)))
    end
  end

  # All that the recording has was looked at before; this is of the edited life's own making.
  defp unbuildable(group),
    do: "what it sent itself after ##{group.seq} holds a value that cannot be rebuilt, and was not handled"

  defp handled(group, rest, life) do
    {outcomes, life} = callbacks(what(group), group, group.recorded, life)
    rest = to_itself(outcomes, group, rest, life)
    last = List.last(outcomes)
    life = %{life | timeout: last.next, last_ns: group.done_ns}
    loop(rest, settle(group, outcomes, group.run, %{life | ended: if(last.result != :ok, do: last.result)}))
  end

  defp what(%{kind: :continue, run: {:continue, term}, edit: nil}), do: {:continue, term}
  defp what(group), do: {:message, group.run}

  # The message and its continue steps.
  defp callbacks(what, group, recorded, life) do
    {outcome, life} = callback(what, group, List.first(recorded), life)

    if outcome.next == :continue and life.left > 0 do
      {more, life} = callbacks(:continue, group, Enum.drop(recorded, 1), life)
      {[outcome | more], life}
    else
      {[outcome], life}
    end
  end

  defp callback(what, group, recorded, life) do
    question = %{do: what, answers: if(recorded, do: recorded.answers, else: [])}
    {:ok, packed, table} = StandIns.pack(question, life.table, "message")
    told = ask(life.peer, packed, describe(group))
    table = pair(table, recorded, told)
    outcome = outcome(told, table, life)

    life = %{life | table: table, left: life.left - 1, edited: outcome.state} |> calls(told) |> nobody(told)
    {outcome, life}
  end

  defp calls(life, told) do
    %{
      life
      | answered: life.answered ++ calls(told.answered, life.table, life),
        unanswered: life.unanswered ++ calls(told.unanswered, life.table, life)
    }
  end

  # A send to a name that nobody bears fails; where the code usually runs somebody may bear it.
  defp nobody(life, %{nobody: [_ | _] = names, result: result}) when result != :ok do
    names = Enum.map_join(names, ", ", &Term.text(&1, 40))

    note(
      life,
      "it sent to #{names}, which no process of the recording was called: to send to such a name fails"
    )
  end

  defp nobody(life, _told), do: life

  defp describe(%{seq: nil} = group), do: Term.text(group.run, 60)
  defp describe(%{edit: :inserted} = group), do: Term.text(group.run, 60)
  defp describe(group), do: "##{group.seq} #{Term.text(group.run, 60)}"

  # Atoms that are not known here must not become so.
  defp ask(peer, packed, doing) do
    told = Peer.call(peer, Driver, :step, [:erlang.term_to_binary(packed)], doing)

    try do
      :erlang.binary_to_term(told, [:safe])
    rescue
      ArgumentError ->
        unknown = peer |> Peer.call(Driver, :atoms, []) |> Enum.reject(&atom?/1)
        peer |> Peer.call(Driver, :without, [unknown]) |> :erlang.binary_to_term([:safe])
    end
  end

  defp atom?(text) do
    _ = String.to_existing_atom(text)
    true
  rescue
    ArgumentError -> false
  end

  defp pair(table, nil, _told), do: table

  defp pair(table, recorded, told) do
    table =
      if match?({:new, _}, told.state),
        do: StandIns.pair(table, recorded.state, elem(told.state, 1)),
        else: table

    table = StandIns.pair(table, recorded.reply, told.reply)

    if is_list(recorded.sends),
      do:
        StandIns.pair(
          table,
          messages(recorded.sends),
          for({to, message} <- told.sends, Seen.told?(to), do: message)
        ),
      else: table
  end

  defp messages(sends), do: for(%{message: message} <- sends, do: message)

  defp outcome(told, table, life) do
    %{
      state: state(told.state, table, life),
      reply: StandIns.unpack(table, told.reply),
      result: StandIns.unpack(table, told.result),
      sends: for({to, message} <- told.sends, Seen.told?(to), do: sent(to, message, table, life)),
      next: told.next
    }
  end

  defp state(:same, _table, life), do: life.edited
  defp state({:new, state}, table, _life), do: StandIns.unpack(table, state)

  defp sent(to, message, table, life) do
    to = StandIns.unpack(table, to)
    %{to: Seen.to(Map.get(table.aliases, to, to), life.plan.names), message: StandIns.unpack(table, message)}
  end

  defp calls(calls, table, life) do
    for {to, request} <- calls,
        do: %{
          to: table |> StandIns.unpack(to) |> Seen.to(life.plan.names),
          request: StandIns.unpack(table, request)
        }
  end

  # ---- what it sent itself ----

  # Each is the recorded one that the same step sent, or else comes next, as to a process with nothing to do; but not before what was sent
  # earlier.
  defp to_itself(outcomes, group, rest, %{plan: plan}) do
    own = for outcome <- outcomes, %{to: to, message: message} <- outcome.sends, own?(to, plan), do: message
    Enum.reduce(own, rest, &claim(&1, group, plan, &2))
  end

  defp own?(to, plan), do: to == plan.process.pid or to in plan.own_names

  defp claim(message, group, plan, rest) do
    same? = &(&1.message === message)
    mine? = &(unclaimed?(&1) and group.recorded != [] and &1.origin == group.seq)
    # Where sends were not recorded any one like it may be it.
    any? = &(unclaimed?(&1) and not plan.sends? and same?.(&1))

    case Enum.find_index(rest, &(mine?.(&1) and same?.(&1))) ||
           Enum.find_index(rest, &(mine?.(&1) or any?.(&1))) do
      nil -> List.insert_at(rest, sent_before(rest), itself(message, group))
      index -> List.update_at(rest, index, &%{&1 | claimed?: true, run: message})
    end
  end

  # How many of the groups to come lead up to the last one that it has sent itself already.
  defp sent_before(rest) do
    rest
    |> Enum.with_index(1)
    |> Enum.reduce(0, fn {group, n}, last -> if group.claimed?, do: n, else: last end)
  end

  defp unclaimed?(group), do: group.edit == nil and not group.claimed?

  defp itself(message, %{done_ns: ns} = group),
    do: Group.new(message, place(group) ++ [claimed?: true, began_ns: ns, done_ns: ns])

  # ---- steps ----

  # One for the message, and one for each continue step of either life.
  defp settle(group, outcomes, run, life) do
    count = max(length(group.recorded), length(outcomes))

    Enum.reduce(0..(count - 1)//1, life, fn n, life ->
      step(group, n, Enum.at(group.recorded, n), Enum.at(outcomes, n), run, life)
    end)
  end

  defp step(group, n, recorded, edited, run, life) do
    same? =
      if life.ended != nil and edited == nil and recorded != nil,
        do: false,
        else: Compare.step(recorded, edited, life.recorded, life.edited)

    step = %{
      message: if(n == 0, do: group.message, else: recorded && recorded.message),
      kind: if(n == 0, do: group.kind, else: :continue),
      run: if(n == 0, do: run),
      edit: if(n == 0, do: group.edit),
      moment: recorded && recorded.moment,
      recorded: recorded && Map.take(recorded, [:state, :reply, :sends, :result]),
      edited: edited && Map.take(edited, [:state, :reply, :sends, :result]),
      same?: same?
    }

    life = if recorded, do: %{life | recorded: recorded.state}, else: life
    %{life | steps: [step | life.steps], parted?: life.parted? or same? == false or group.edit != nil}
  end

  defp note(life, text), do: %{life | notes: life.notes ++ [text]}
end
