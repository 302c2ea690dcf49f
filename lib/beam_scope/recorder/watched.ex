defmodule BeamScope.Recorder.Watched do
  @moduledoc """
  What a recording follows besides processes: ETS tables (`ets:`) and process dictionaries (`pdict: true`).

  Both are followed by the calls that write, with their results, and begin with what was there, which is written into the recording as
  notes. A table is read once more at the end, so that writes of others show: `BeamScope.Table` says how it is put together.
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.Facts

  @most_objects 10_000
  @most_bytes 4 * 1024 * 1024

  # Those that write, of every release. The first argument is the table.
  @writes [
    insert: 2,
    insert_new: 2,
    delete: 1,
    delete: 2,
    delete_object: 2,
    delete_all_objects: 1,
    update_counter: 3,
    update_counter: 4,
    update_element: 3,
    update_element: 4,
    take: 2,
    match_delete: 2,
    select_delete: 2,
    select_replace: 2,
    new: 2
  ]
  @dictionary [{:erlang, :put, 2}, {:erlang, :erase, 0}, {:erlang, :erase, 1}]

  @typedoc "A table: its name or reference as given, and what it goes by."
  @type table :: %{given: atom | reference, firsts: [term]}

  @doc "The tables of the option `ets:`. A name that no table has yet may get one."
  @spec tables([atom | reference]) :: {:ok, [table]} | {:error, Error.t()}
  def tables(given) do
    Enum.reduce_while(given, {:ok, []}, fn table, {:ok, found} ->
      case resolve(table) do
        {:ok, table} -> {:cont, {:ok, found ++ [table]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp resolve(name) when is_atom(name) do
    case :ets.whereis(name) do
      :undefined -> {:ok, %{given: name, firsts: [name]}}
      tid -> {:ok, %{given: name, firsts: [name, tid]}}
    end
  end

  defp resolve(tid) do
    case name_of(tid) do
      :undefined -> {:error, Error.new(:no_such_table, tid)}
      name -> {:ok, %{given: tid, firsts: if(:ets.info(tid, :named_table), do: [name, tid], else: [tid])}}
    end
  end

  # A reference that never was a table's is not just one of no table.
  defp name_of(tid) do
    :ets.info(tid, :name)
  rescue
    ArgumentError -> :undefined
  end

  @doc "The functions to trace, and how."
  @spec patterns([table], boolean) :: %{mfa => {:of, [term]} | :outcomes}
  def patterns(tables, dictionaries?) do
    firsts = tables |> Enum.flat_map(& &1.firsts) |> Enum.uniq()

    writes =
      for {function, arity} <- if(tables == [], do: [], else: @writes),
          function_exported?(:ets, function, arity),
          into: %{},
          do: {{:ets, function, arity}, {:of, firsts}}

    for mfa <- if(dictionaries?, do: @dictionary, else: []), into: writes, do: {mfa, :outcomes}
  end

  @doc "Writes what tables hold into the recording: `:baseline` at its start, `:end` at its end."
  @spec note_tables([table], :baseline | :end, pos_integer, (String.t(), term -> term)) :: :ok
  def note_tables(tables, when_, budget, note), do: Enum.each(tables, &note_table(&1, when_, budget, note))

  defp note_table(%{given: given}, when_, budget, note) do
    about = about(given)
    {objects, rest} = if about, do: read(given, about), else: {[], 0}
    batches = objects |> batches(budget) |> Enum.with_index(1)
    batches = if batches == [], do: [{[], 1}], else: batches
    last = length(batches)

    for {batch, n} <- batches do
      more = if n < last, do: :more, else: {:done, rest}

      note.(
        "ETS table #{inspect(given)}, part #{n} of #{last}",
        {:beam_scope_ets, when_, given, about, batch, more}
      )
    end
  end

  defp about(table) do
    case :ets.info(table) do
      :undefined ->
        nil

      info ->
        info
        |> Map.new()
        |> Map.take([:name, :type, :keypos, :size, :protection])
        |> Map.put(:tid, tid(table))
    end
  end

  defp tid(name) when is_atom(name), do: inspect(:ets.whereis(name))
  defp tid(tid), do: inspect(tid)

  # A private table shows itself to its owner only: of it nothing is known but what is written from now on.
  defp read(_table, %{protection: :private, size: size}), do: {[], size}

  defp read(table, %{size: size}) do
    :ets.safe_fixtable(table, true)
    {objects, taken} = take(:ets.match_object(table, :_, 100), [], 0, 0)
    {objects, max(size - taken, 0)}
  rescue
    ArgumentError -> {[], size}
  after
    unfix(table)
  end

  defp unfix(table) do
    :ets.safe_fixtable(table, false)
  rescue
    ArgumentError -> true
  end

  defp take(:"$end_of_table", objects, taken, _bytes), do: {Enum.concat(Enum.reverse(objects)), taken}

  defp take({some, continue}, objects, taken, bytes) do
    taken = taken + length(some)
    bytes = bytes + :erlang.external_size(some)
    objects = [some | objects]

    if taken >= @most_objects or bytes >= @most_bytes,
      do: {Enum.concat(Enum.reverse(objects)), taken},
      else: take(:ets.match_object(continue), objects, taken, bytes)
  end

  # As many objects as fit the budget of a term: what is larger by itself is cut there, and marked.
  defp batches(objects, budget) do
    {batches, last, _} =
      Enum.reduce(objects, {[], [], 0}, fn object, {batches, batch, bytes} ->
        size = :erlang.external_size(object)

        if batch != [] and bytes + size > div(budget, 2),
          do: {[Enum.reverse(batch) | batches], [object], size},
          else: {batches, [object | batch], bytes + size}
      end)

    Enum.reverse(if last == [], do: batches, else: [Enum.reverse(last) | batches])
  end

  @doc "Writes what the dictionaries of processes hold into the recording."
  @spec note_dictionaries([pid], (pid, String.t(), term -> term)) :: :ok
  def note_dictionaries(pids, note) do
    for {pid, facts} <- Facts.of(pids, [:memory]), is_list(facts) do
      # To ask for a dictionary copies all of it.
      known = facts[:memory] <= @most_bytes and Facts.of([pid], [:dictionary, :initial_call])[pid]

      case known do
        # Of a sensitive process an empty one is shown, whatever is in it.
        [dictionary: [], initial_call: {:proc_lib, :init_p, _}] ->
          note.(pid, "process dictionary", {:beam_scope_pdict, :unknown})

        [dictionary: dictionary, initial_call: _] ->
          note.(pid, "process dictionary", {:beam_scope_pdict, dictionary})

        _ ->
          note.(pid, "process dictionary", {:beam_scope_pdict, :unknown})
      end
    end

    :ok
  end
end
