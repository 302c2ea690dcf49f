defmodule BeamScope.Golden.Causality do
  @moduledoc false
  # Which messages at a server have an order between them, and which merely came in one.
  #
  # A message has an order to another if it was sent because of it: by a process that had sent, or been told of, the
  # other before. That a server handled one before the other makes no order: what it does because of a message is
  # because of that message alone. (Else the order of a run would explain itself.) Processes of which units are not
  # seen, plain ones, do everything because of all that came before. What the runtime sends, a timer for instance,
  # keeps the place that it had.
  #
  # For each server, the past of every event is kept as a set of bits, one for each message that the server handled.

  import Bitwise

  alias BeamScope.Golden.Source

  @type past :: %{non_neg_integer => non_neg_integer}

  @doc """
  The units of each server in blocks: a block of one has its place, the units of a larger one have no order that one could
  rely on. Answers `%{track => [[{unit, pred}]]}`, where `pred` is the set of the units of the same life, as bits, that
  come before it for sure.
  """
  @spec blocks(Source.t(), (non_neg_integer, Source.unit() -> boolean)) :: %{
          non_neg_integer => [[{Source.unit(), non_neg_integer}]]
        }
  def blocks(source, counts?) do
    servers =
      for {track, %{server?: true, units: units}} <- source.tracks, into: %{} do
        {track, units |> Enum.filter(&counts?.(track, &1)) |> Enum.with_index()}
      end

    preds = preds(source, contested(servers))
    Map.new(servers, fn {track, units} -> {track, units |> with_preds(preds[track]) |> cut()} end)
  end

  # With one sender, what came first was sent first.
  defp contested(servers) do
    Map.filter(servers, fn {_track, units} -> units |> Enum.uniq_by(&sender/1) |> length() > 1 end)
  end

  defp sender({%{from: from, acts: [%{kind: kind} | _]}, _n}) when kind in [:read, :init], do: from
  defp sender({%{from: from}, _n}), do: from

  defp with_preds(units, nil), do: Enum.map(units, fn {unit, n} -> {unit, n, (1 <<< n) - 1} end)

  defp with_preds(units, preds),
    do: Enum.map(units, fn {unit, n} -> {unit, n, Map.get(preds, n, (1 <<< n) - 1)} end)

  # A cut is where everything before comes before everything after.
  defp cut(units) do
    {units, _} = Enum.map_reduce(units, 0, &after_runtime/2)

    {blocks, _all} =
      units
      |> Enum.reverse()
      |> Enum.reduce({[], -1}, fn {unit, n, pred}, {blocks, all} ->
        blocks = if all == -1 or (all &&& (2 <<< n) - 1) == (2 <<< n) - 1, do: [[] | blocks], else: blocks
        {[[{unit, n, pred} | hd(blocks)] | tl(blocks)], all &&& pred}
      end)

    Enum.map(blocks, fn block -> Enum.map(block, fn {unit, n, pred} -> {unit, {n, pred}} end) end)
  end

  # What keeps its place comes after all before it, and before all after it.
  defp after_runtime({unit, n, pred}, fixed) do
    pred = pred ||| fixed

    if pred == (1 <<< n) - 1 and keeps_place?(unit),
      do: {{unit, n, pred}, pred ||| 1 <<< n},
      else: {{unit, n, pred}, fixed}
  end

  defp keeps_place?(%{from: nil}), do: true
  defp keeps_place?(%{from: from}) when is_atom(from), do: true
  defp keeps_place?(_unit), do: false

  # ---- the past of every event ----

  defp preds(_source, contested) when map_size(contested) == 0, do: %{}

  defp preds(source, contested) do
    state = %{
      servers: MapSet.new(for {track, %{server?: true}} <- source.tracks, do: track),
      recorded: MapSet.new(source.events, & &1.track),
      pids: Map.new(source.processes, &{&1.pid, &1.track}),
      targets: targets(contested),
      now: %{},
      sent: %{},
      outside: %{},
      ended: %{},
      asked: asked(source),
      preds: Map.new(contested, fn {track, _units} -> {track, %{}} end)
    }

    (Enum.map(source.events, &{&1.moment.seq, 1, &1}) ++ begins(source, contested))
    |> Enum.sort_by(fn {seq, order, _} -> {seq, order} end)
    |> Enum.reduce(state, fn {_seq, _order, what}, state -> step(what, state) end)
    |> Map.fetch!(:preds)
  end

  # Send => the bit of the unit that it becomes.
  defp targets(contested) do
    for {track, units} <- contested,
        {%{sent: sent}, n} when sent != nil <- units,
        into: %{},
        do: {sent, {track, n}}
  end

  # The requests of a process: their answers are waited for.
  defp asked(source) do
    for %{kind: :send, label: :call} = event <- source.events, into: MapSet.new() do
      {event.track, BeamScope.Event.tag(event.message)}
    end
  end

  defp begins(source, contested) do
    numbers = for {track, units} <- contested, {unit, n} <- units, into: %{}, do: {{track, unit.at}, n}

    for {track, %{server?: true, units: units}} <- source.tracks, unit <- units, unit.acts != [] do
      [
        {unit.at, 0, {:begin, track, unit, numbers[{track, unit.at}]}},
        {List.last(unit.acts).seq, 2, {:finish, track, unit}}
      ]
    end
    |> Enum.concat()
  end

  # A unit begins with the past of its message and nothing else.
  defp step({:begin, track, %{acts: [%{kind: kind} | _]}, _n}, state) when kind in [:read, :init],
    do: put_in(state.now[track], Map.get(state.now, track, %{}))

  defp step({:begin, track, unit, n}, state) do
    cond do
      unit.sent != nil -> put_in(state.now[track], Map.get(state.sent, unit.sent, %{}))
      signal(unit) -> begin_with(state, track, n, past_of_end(state, signal(unit)))
      keeps_place?(unit) -> put_in(state.now[track], Map.get(state.now, track, %{}))
      true -> begin_outside(state, track, unit, n)
    end
  end

  # Where messages are not recorded as such, a caller goes on once its call was handled.
  defp step({:finish, track, %{sent: nil, acts: [%{kind: :call} | _]} = unit}, state),
    do: update_in(state.outside[unit.from], &union(&1 || %{}, now(state, track)))

  defp step({:finish, _track, _unit}, state), do: state

  defp step(%{kind: kind} = event, state) when kind in [:send, :send_to_dead], do: send_step(event, state)

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

  defp step(%{kind: :exit} = event, state), do: put_in(state.ended[event.pid], now(state, event.track))
  defp step(_other, state), do: state

  defp begin_with(state, track, n, past) do
    state = pred(state, track, n, past)
    put_in(state.now[track], add(past, track, n))
  end

  # From a process that was not recorded: all that is seen of it are its messages and what it was sent.
  defp begin_outside(state, track, unit, n) do
    past = Map.get(state.outside, unit.from, %{})
    state = begin_with(state, track, n, past)
    put_in(state.outside[unit.from], add(past, track, n))
  end

  defp send_step(event, state) do
    seq = event.moment.seq
    past = now(state, event.track)

    case state.targets do
      %{^seq => {track, n}} ->
        with_bit = add(past, track, n)
        state = pred(state, track, n, past)
        state |> put_in([:sent, seq], with_bit) |> put_in([:now, event.track], with_bit)

      _ ->
        put_in(state.sent[seq], past)
    end
    |> tell_outside(event, past)
  end

  defp tell_outside(state, event, past) do
    track = state.pids[event.to]

    if is_pid(event.to) and (track == nil or not MapSet.member?(state.recorded, track)),
      do: update_in(state.outside[event.to], &union(&1 || %{}, past)),
      else: state
  end

  defp answer?(event, state),
    do:
      event.label == :reply and MapSet.member?(state.asked, {event.track, BeamScope.Event.tag(event.message)})

  defp arrived(%{partner: partner}, state) when is_integer(partner), do: Map.get(state.sent, partner, %{})
  defp arrived(%{label: :down, content: {object, _}}, state), do: past_of_end(state, object)
  defp arrived(%{label: :exit, content: {from, _}}, state), do: past_of_end(state, from)
  defp arrived(_event, _state), do: %{}

  # The process whose end a server was told of.
  defp signal(%{acts: [%{message: {:DOWN, _ref, _type, object, _reason}} | _]}) when is_pid(object),
    do: object

  defp signal(%{acts: [%{message: {:EXIT, from, _reason}} | _]}) when is_pid(from), do: from
  defp signal(_unit), do: nil

  defp past_of_end(state, pid), do: Map.get(state.ended, pid, %{})

  defp now(state, track), do: Map.get(state.now, track, %{})
  defp learn(state, track, past), do: put_in(state.now[track], union(now(state, track), past))

  defp pred(state, _track, nil, _past), do: state
  defp pred(state, track, n, past), do: put_in(state.preds[track][n], Map.get(past, track, 0))

  defp add(past, _track, nil), do: past
  defp add(past, track, n), do: Map.update(past, track, 1 <<< n, &(&1 ||| 1 <<< n))

  defp union(a, b), do: Map.merge(a, b, fn _track, x, y -> x ||| y end)
end
