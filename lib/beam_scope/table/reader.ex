defmodule BeamScope.Table.Reader do
  @moduledoc false
  # Puts a table together from a recording: see `BeamScope.Table`.

  alias BeamScope.{Error, Moment, Opaque, Recording, Table}
  alias BeamScope.Recording.Query
  alias BeamScope.Table.{Scratch, Write}

  @doc "The table at a moment."
  @spec read(Recording.t(), term, Moment.like()) :: {:ok, Table.t()} | {:error, Error.t()}
  def read(rec, table, moment) do
    with {:ok, notes} <- notes(rec),
         {:ok, own} <- own(notes, table),
         :ok <- described(own),
         {:ok, calls} <-
           Query.events(rec, kind: [:call, :return, :exception], call: :ets, until: moment, limit: :infinity) do
      names = names(own)
      {writes, open} = calls |> Enum.filter(&about?(&1, names)) |> pair()
      {baseline, final} = Enum.split_with(own, &(elem(&1.detail, 1) == :baseline))
      {:ok, build(table, moment, baseline, final, writes, open)}
    end
  end

  @doc "The tables that a recording follows, as they were given."
  @spec followed(Recording.t()) :: [term]
  def followed(rec) do
    case notes(rec) do
      {:ok, notes} ->
        for(%{detail: detail} <- notes, elem(detail, 1) == :baseline, uniq: true, do: elem(detail, 2))

      _ ->
        []
    end
  end

  defp notes(rec) do
    with {:ok, found} <- Query.events(rec, kind: :note, limit: :infinity),
         do: {:ok, Enum.filter(found, &match?({:beam_scope_ets, _, _, _, _, _}, &1.detail))}
  end

  defp own(notes, table) do
    case Enum.filter(notes, fn %{detail: detail} ->
           key(table) in [key(elem(detail, 2)) | ids(elem(detail, 3))]
         end) do
      [] ->
        known = for %{detail: detail} <- notes, uniq: true, do: elem(detail, 2)
        {:error, Error.new(:no_such_table, %{table: table, known: known})}

      own ->
        {:ok, own}
    end
  end

  # Which type a table is of, and how much of it was left out, decides what it holds: where that was cut, nothing can be said.
  defp described(own) do
    if Enum.all?(own, &described?(&1.detail)),
      do: :ok,
      else:
        {:error,
         Error.new(:unknown_state, "what the table is was truncated: its recording needs a larger budget")}
  end

  defp described?({_, _when, _given, about, _objects, more}),
    do: whole?(about) and (more == :more or match?({:done, n} when is_integer(n), more))

  defp whole?(nil), do: true

  defp whole?(about),
    do: match?(%{type: type, keypos: keypos} when is_atom(type) and is_integer(keypos), about)

  defp names(own),
    do:
      Enum.flat_map(own, fn %{detail: detail} -> [key(elem(detail, 2)) | ids(elem(detail, 3))] end)
      |> Enum.uniq()

  defp ids(%{name: name, tid: tid}), do: [name, tid]
  defp ids(_nothing), do: []

  # A table's reference comes back as what it was called.
  defp key(%Opaque{text: text}), do: text
  defp key(tid) when is_reference(tid), do: inspect(tid)
  defp key(name), do: name

  defp about?(%{kind: :call, mfa: {:ets, _, [table | _]}}, names), do: key(table) in names
  defp about?(%{kind: :call}, _names), do: false
  # Of a return nothing tells the table: the call of the same process does.
  defp about?(_end, _names), do: true

  defp pair(events) do
    {writes, open} =
      Enum.reduce(events, {[], %{}}, fn event, {writes, open} ->
        stack = Map.get(open, event.track, [])

        if event.kind == :call do
          {writes, Map.put(open, event.track, [begun(event) | stack])}
        else
          {ended, stack} = ended(event, stack)
          {done(ended, stack, event) ++ writes, Map.put(open, event.track, stack)}
        end
      end)

    {Enum.reverse(writes), for({_track, [_ | _] = stack} <- open, do: List.last(stack))}
  end

  # Some of these functions call others of them: the outermost is what was written. A return whose call was lost ends nothing.
  defp ended(%{mfa: {:ets, function, arity}}, stack) do
    case Enum.split_while(stack, &({&1.function, length(&1.arguments) + 1} != {function, arity})) do
      {_lost, [ended | rest]} -> {ended, rest}
      {_all, []} -> {nil, stack}
    end
  end

  defp done(nil, _stack, _event), do: []
  # What failed wrote nothing.
  defp done(_ended, _stack, %{kind: :exception}), do: []
  defp done(ended, [], event), do: [%{ended | result: event.value, moment: event.moment}]
  defp done(_inner, _stack, _event), do: []

  defp begun(%{mfa: {:ets, function, [_table | arguments]}} = event) do
    %Write{
      function: function,
      arguments: arguments,
      track: event.track,
      pid: event.pid,
      name: event.name,
      began: event.moment
    }
  end

  # Building

  defp build(table, moment, baseline, final, writes, open) do
    about = Enum.find_value(baseline ++ final, fn %{detail: detail} -> elem(detail, 3) end)
    started = baseline |> List.last() |> then(&if(&1, do: &1.moment.seq, else: -1))
    scratch = Scratch.new(about, objects(baseline))

    # What was written before the table was read is in what was read.
    later = Enum.filter(writes, &(&1.moment.seq > started))

    {scratch, writes} =
      Enum.map_reduce(later, scratch, fn write, scratch -> Scratch.apply(scratch, write) |> swap() end)
      |> swap()

    answer = %Table{
      table: table,
      moment: moment,
      type: scratch.type,
      keypos: scratch.keypos,
      exists?: scratch.exists?,
      objects: Scratch.objects(scratch),
      writes: writes,
      unordered: Scratch.unordered(scratch),
      in_progress: open,
      unknown: unknown(baseline),
      failed: scratch.failed
    }

    Scratch.close(scratch)
    if moment == :end and final != [], do: compare(answer, objects(final), unknown(final)), else: answer
  end

  defp swap({a, b}), do: {b, a}

  defp objects(notes), do: Enum.flat_map(notes, fn %{detail: detail} -> List.wrap(known(elem(detail, 4))) end)

  # A note that was larger than a term may be.
  defp known(%BeamScope.Truncated{known: known}), do: known
  defp known(objects), do: objects

  defp unknown(notes), do: Enum.find_value(notes, 0, &rest(elem(&1.detail, 5)))

  defp rest({:done, rest}), do: rest
  defp rest(_more), do: nil

  # Only what is known on both sides can be held against each other.
  defp compare(answer, actual, rest) when rest > 0 or answer.unknown > 0 do
    keys = MapSet.new(actual, &Scratch.key(&1, answer.keypos))

    written =
      answer.writes |> Enum.flat_map(&List.wrap(if(&1.keys == :all, do: [], else: &1.keys))) |> MapSet.new()

    mismatches(answer, actual, MapSet.intersection(keys, written))
  end

  defp compare(answer, actual, _rest) do
    keys = MapSet.new(actual ++ answer.objects, &Scratch.key(&1, answer.keypos))
    mismatches(answer, actual, keys)
  end

  defp mismatches(answer, actual, keys) do
    by_key = fn objects -> Enum.group_by(objects, &Scratch.key(&1, answer.keypos)) end
    {recorded, actual} = {by_key.(answer.objects), by_key.(actual)}

    mismatches =
      for key <- keys,
          ours = Enum.sort(Map.get(recorded, key, [])),
          theirs = Enum.sort(Map.get(actual, key, [])),
          ours != theirs,
          do: %{key: key, recorded: ours, actual: theirs}

    %{answer | mismatches: mismatches}
  end
end
