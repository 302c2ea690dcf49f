defmodule BeamScope.Table.Scratch do
  @moduledoc false
  # A table of the same type, on which recorded writes are done again.

  alias BeamScope.Table.Write

  defstruct [:ets, :type, :keypos, exists?: false, failed: 0, last: %{}, unordered: %{}]

  @spec new(map | nil, [tuple]) :: %__MODULE__{}
  def new(nil, _objects), do: %__MODULE__{}

  def new(%{type: type, keypos: keypos}, objects) do
    ets = :ets.new(:beam_scope_table, [type, :private, keypos: keypos])
    scratch = %__MODULE__{ets: ets, type: type, keypos: keypos, exists?: true}

    Enum.reduce(objects, scratch, fn object, scratch ->
      run(scratch, fn ets -> :ets.insert(ets, object) end)
    end)
  end

  @spec close(%__MODULE__{}) :: true
  def close(%{ets: nil}), do: true
  def close(%{ets: ets}), do: :ets.delete(ets)

  @spec objects(%__MODULE__{}) :: [tuple]
  def objects(%{ets: nil}), do: []
  def objects(%{exists?: false}), do: []
  def objects(%{ets: ets}), do: :ets.tab2list(ets)

  @spec unordered(%__MODULE__{}) :: [term]
  def unordered(%{unordered: unordered}), do: Map.keys(unordered)

  @doc "The key of an object; one that was cut before its key has none."
  @spec key(term, pos_integer | nil) :: term
  def key(object, keypos) when is_tuple(object) and is_integer(keypos) and tuple_size(object) >= keypos,
    do: elem(object, keypos - 1)

  def key(object, _keypos), do: object

  @doc "Does a write again."
  @spec apply(%__MODULE__{}, Write.t()) :: {%__MODULE__{}, Write.t()}
  def apply(scratch, write) do
    write = %{write | keys: keys(scratch, write)}
    {scratch |> order(write) |> again(write), write}
  end

  defp keys(%{keypos: keypos}, %{function: f, arguments: [what | _]}) when f in [:insert, :insert_new],
    do: what |> List.wrap() |> Enum.map(&key(&1, keypos)) |> Enum.uniq()

  defp keys(%{keypos: keypos}, %{function: :delete_object, arguments: [object]}), do: [key(object, keypos)]

  defp keys(_, %{function: f, arguments: [key | _]})
       when f in [:update_counter, :update_element, :take, :delete],
       do: [key]

  defp keys(_, _all), do: :all

  # Two writes whose calls overlap may have come in either order, whichever returned first.
  defp order(scratch, %{keys: :all} = write) do
    overlapping = for {key, last} <- scratch.last, overlap?(last, write), into: %{}, do: {key, true}

    %{
      scratch
      | unordered: overlapping,
        last: Map.new(scratch.last, fn {key, last} -> {key, later(last, write)} end)
    }
  end

  defp order(scratch, %{keys: keys} = write), do: Enum.reduce(keys, scratch, &order(&2, &1, write))

  defp order(scratch, key, write) do
    last = Map.get(scratch.last, key)

    unordered =
      if last && overlap?(last, write),
        do: Map.put(scratch.unordered, key, true),
        else: Map.delete(scratch.unordered, key)

    %{scratch | unordered: unordered, last: Map.put(scratch.last, key, later(last, write))}
  end

  # Writes come in the order in which they returned.
  defp overlap?(last, write), do: last.track != write.track and last.ended > write.began.seq

  defp later(_last, write), do: %{track: write.track, ended: write.moment.seq}

  # The writes themselves

  defp again(%{ets: nil} = scratch, %{function: :new} = write), do: created(scratch, write)
  defp again(%{exists?: false} = scratch, %{function: :new} = write), do: created(scratch, write)
  defp again(%{exists?: false} = scratch, _write), do: %{scratch | failed: scratch.failed + 1}
  defp again(scratch, %{function: :new}), do: scratch

  defp again(scratch, %{function: :delete, arguments: []}),
    do: run(%{scratch | exists?: false}, &:ets.delete_all_objects/1)

  defp again(scratch, %{function: :insert_new, result: false}), do: scratch

  defp again(scratch, %{function: f, arguments: [what]}) when f in [:insert, :insert_new],
    do: run(scratch, fn ets -> :ets.insert(ets, what) end)

  defp again(scratch, %{function: :update_counter, arguments: [key, operation | default]} = write),
    do: run(scratch, fn ets -> count(ets, key, operation, default, write.result, scratch.keypos) end)

  defp again(scratch, %{function: :update_element, result: false}), do: scratch

  defp again(scratch, %{function: f, arguments: arguments}),
    do: run(scratch, fn ets -> Kernel.apply(:ets, f, [ets | arguments]) end)

  # What came of it counts, wherever it began: nothing is counted twice.
  defp count(ets, key, operation, default, result, keypos) do
    with [object] <- default, do: :ets.insert_new(ets, put_elem(object, keypos - 1, key))
    operations = if is_list(operation), do: operation, else: [operation]
    results = if is_list(operation), do: result, else: [result]

    positions =
      Enum.map(operations, fn
        increment when is_integer(increment) -> keypos + 1
        operation -> elem(operation, 0)
      end)

    true = :ets.update_element(ets, key, Enum.zip(positions, results))
  end

  defp created(scratch, %{arguments: [options]}) when is_list(options) do
    if scratch.ets, do: :ets.delete(scratch.ets)
    type = Enum.find([:ordered_set, :bag, :duplicate_bag], :set, &(&1 in options))
    keypos = Enum.find_value(options, 1, &if(match?({:keypos, _}, &1), do: elem(&1, 1)))
    %{new(%{type: type, keypos: keypos}, []) | failed: scratch.failed, last: scratch.last}
  end

  defp created(scratch, _cut), do: %{scratch | failed: scratch.failed + 1}

  defp run(scratch, write) do
    write.(scratch.ets)
    scratch
  rescue
    _ -> %{scratch | failed: scratch.failed + 1}
  end
end
