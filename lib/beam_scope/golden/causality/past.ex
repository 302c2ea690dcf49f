defmodule BeamScope.Golden.Causality.Past do
  @moduledoc false
  # What each message was sent because of: of the messages that a server handled, those that come before it for sure.
  #
  # The *past* of an event holds, for each server, the set of its units that come before the event in every run, as bits.
  #
  #   * A plain process does everything because of all that it did before, and of all that had come to it.
  #   * A server does what it does during a unit because of the message of that unit, and of those units before it that
  #     come before it for sure. That it handled another message earlier makes no order: else the order of a run would
  #     explain itself.
  #   * What the runtime sends, a timer for instance, keeps the place that it had; so does what a server began with.
  #   * Of a process that was not recorded, all that is seen are its messages and what it was sent, in the order of time.

  import Bitwise

  alias BeamScope.Event
  alias BeamScope.Golden.Source

  @sends [:send, :send_to_dead]

  @doc "For each unit, by track and number, the units of the same server before it."
  @spec before(Source.t(), %{non_neg_integer => [{Source.unit(), non_neg_integer}]}) :: map
  def before(source, servers) do
    state = %{
      servers: MapSet.new(for {track, %{server?: true}} <- source.tracks, do: track),
      recorded: MapSet.new(source.events, & &1.track),
      pids: Map.new(source.processes, &{&1.pid, &1.track}),
      targets: targets(servers),
      asked: asked(source.events),
      # Pasts: of each process now, of each message sent, of outsiders, of ends, of finished units.
      now: %{},
      sent: %{},
      outside: %{},
      ended: %{},
      finished: Map.new(servers, fn {track, _units} -> {track, %{}} end),
      before: Map.new(servers, fn {track, _units} -> {track, %{}} end),
      # Units that come before all later ones, and the one that a server is at.
      fixed: %{},
      open: %{}
    }

    (Enum.map(source.events, &{&1.moment.seq, 1, &1}) ++ units(source, servers))
    |> Enum.sort_by(fn {seq, order, _} -> {seq, order} end)
    |> Enum.reduce(state, fn {_seq, _order, what}, state -> step(what, state) end)
    |> Map.fetch!(:before)
  end

  # Send => the unit that it becomes.
  defp targets(servers) do
    for {track, units} <- servers,
        {%{sent: sent}, n} when sent != nil <- units,
        into: %{},
        do: {sent, {track, n}}
  end

  # Tag of a request => when it was sent.
  defp asked(events) do
    for %{kind: kind, label: label} = event when kind in @sends and label in [:call, :system] <- events,
        tag = Event.tag(event.message),
        into: %{},
        do: {tag, event.moment.seq}
  end

  defp units(source, servers) do
    numbers = for {track, units} <- servers, {unit, n} <- units, into: %{}, do: {{track, unit.at}, n}

    for {track, %{server?: true, units: units}} <- source.tracks, %{acts: [_ | _]} = unit <- units do
      [
        {unit.at, 0, {:begin, track, unit, numbers[{track, unit.at}]}},
        {List.last(unit.acts).seq, 2, {:finish, track, unit}}
      ]
    end
    |> Enum.concat()
  end

  # ---- units ----

  defp step({:begin, track, unit, n}, state) do
    state = closed(state, track)
    {past, fixed?} = unit |> past_of_message(track, state) |> unless_left_out(n)
    known = Map.get(past, track, 0) ||| Map.get(state.fixed, track, 0)
    before = if fixed?, do: earlier(n), else: known &&& earlier(n || map_size(state.before[track] || %{}))
    past = state |> union_finished(track, before, past) |> add(track, n)

    state
    |> put_in([:now, track], past)
    |> number(track, n, before)
    |> fix(track, n, before, fixed?)
    |> put_in([:open, track], n)
    |> outsider(unit, past)
  end

  # Where messages are not recorded as such, a caller goes on once its call was handled.
  defp step({:finish, track, %{sent: nil, acts: [%{kind: :call} | _]} = unit}, state),
    do: outsider(state, unit, now(state, track))

  defp step({:finish, _track, _unit}, state), do: state

  # ---- events ----

  defp step(%{kind: kind} = event, state) when kind in @sends do
    seq = event.moment.seq
    past = past_of_send(event, state)

    case state.targets do
      %{^seq => {track, n}} ->
        past = add(past, track, n)
        state |> put_in([:sent, seq], past) |> learn(event.track, past)

      _ ->
        state |> put_in([:sent, seq], past) |> tell_outside(event, past)
    end
  end

  defp step(%{kind: :receive} = event, state) do
    if MapSet.member?(state.servers, event.track) and not answer?(event, state),
      do: state,
      else: learn(state, event.track, arrived(event, state))
  end

  defp step(%{kind: :spawn} = event, state) do
    case state.pids[event.child] do
      nil -> state
      child -> learn(state, child, now(state, event.track))
    end
  end

  # It comes after all that the process did.
  defp step(%{kind: :exit} = event, state) do
    state = closed(state, event.track)
    all = (1 <<< map_size(Map.get(state.finished, event.track, %{}))) - 1
    put_in(state.ended[event.pid], union_finished(state, event.track, all, now(state, event.track)))
  end

  defp step(_other, state), do: state

  # ---- pasts ----

  # And whether the unit keeps the place it has.
  defp past_of_message(%{acts: [%{kind: kind} | _]}, track, state) when kind in [:read, :init],
    do: {now(state, track), true}

  defp past_of_message(%{again?: true}, track, state), do: {now(state, track), true}

  defp past_of_message(%{sent: sent}, _track, state) when sent != nil,
    do: {Map.get(state.sent, sent, %{}), false}

  defp past_of_message(unit, track, state) do
    case {signal(unit), unit.from} do
      {pid, _} when is_map_key(state.ended, pid) -> {Map.fetch!(state.ended, pid), false}
      {nil, from} when is_pid(from) or is_struct(from) -> {Map.get(state.outside, from, %{}), false}
      _runtime -> {now(state, track), true}
    end
  end

  # What is not told has no place among what is.
  defp unless_left_out({_past, true}, nil), do: {%{}, false}
  defp unless_left_out(found, _n), do: found

  # The process whose end a server was told of.
  defp signal(%{acts: [%{message: {:DOWN, _ref, _type, object, _reason}} | _]}), do: object
  defp signal(%{acts: [%{message: {:EXIT, from, _reason}} | _]}), do: from
  defp signal(_unit), do: nil

  # An answer that no unit gave, to a system message for instance, is because of the request alone.
  defp past_of_send(%{label: :reply} = event, state) do
    with true <- MapSet.member?(state.servers, event.track),
         asked when asked != nil <- state.asked[Event.tag(event.message)],
         false <- is_map_key(state.targets, asked) do
      past = Map.get(state.sent, asked, %{})
      state |> closed(event.track) |> union_finished(event.track, Map.get(past, event.track, 0), past)
    else
      _ -> now(state, event.track)
    end
  end

  defp past_of_send(event, state), do: now(state, event.track)

  # With all that a server did in these of its units. What comes before one of them is in its past already.
  defp union_finished(state, track, units, past),
    do: union_all(units, Map.get(state.finished, track, %{}), Map.get(state.before, track, %{}), past)

  defp union_all(0, _finished, _before, past), do: past

  defp union_all(units, finished, before, past) do
    n = highest(units)
    left = units &&& bnot(Map.get(before, n, 0) ||| 1 <<< n)
    union_all(left, finished, before, union(past, Map.get(finished, n, %{})))
  end

  defp highest(bits) do
    <<first, _::binary>> = bytes = :binary.encode_unsigned(bits)
    8 * (byte_size(bytes) - 1) + length(Integer.digits(first, 2)) - 1
  end

  defp answer?(event, state), do: event.label == :reply and is_map_key(state.asked, Event.tag(event.message))

  defp arrived(%{partner: partner}, state) when is_integer(partner), do: Map.get(state.sent, partner, %{})
  defp arrived(%{label: :down, content: {object, _}}, state), do: Map.get(state.ended, object, %{})
  defp arrived(%{label: :exit, content: {from, _}}, state), do: Map.get(state.ended, from, %{})
  defp arrived(_event, _state), do: %{}

  defp now(state, track), do: Map.get(state.now, track, %{})
  defp learn(state, track, past), do: put_in(state.now[track], union(now(state, track), past))

  # ---- what is known of units ----

  # What a server does until it begins the next unit belongs to the one before.
  defp closed(state, track) do
    case state.open[track] do
      nil -> state
      n -> put_in(state.finished[track][n], now(state, track))
    end
  end

  defp number(state, _track, nil, _before), do: state
  defp number(state, track, n, before), do: put_in(state.before[track][n], before)

  defp fix(state, track, n, before, true) when n != nil, do: put_in(state.fixed[track], before ||| 1 <<< n)
  defp fix(state, _track, _n, _before, _fixed?), do: state

  defp earlier(n), do: (1 <<< n) - 1

  # ---- who was not recorded ----

  defp outsider(state, %{sent: nil, from: from}, past) when is_pid(from) or is_struct(from),
    do: update_in(state.outside[from], &union(&1 || %{}, past))

  defp outsider(state, _unit, _past), do: state

  defp tell_outside(state, event, past) do
    track = state.pids[event.to]

    if is_pid(event.to) and (track == nil or not MapSet.member?(state.recorded, track)),
      do: update_in(state.outside[event.to], &union(&1 || %{}, past)),
      else: state
  end

  defp add(past, _track, nil), do: past
  defp add(past, track, n), do: Map.update(past, track, 1 <<< n, &(&1 ||| 1 <<< n))

  defp union(a, b) when map_size(b) == 0, do: a
  defp union(a, b), do: Map.merge(a, b, fn _track, x, y -> x ||| y end)
end
