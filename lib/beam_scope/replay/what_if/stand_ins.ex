defmodule BeamScope.Replay.WhatIf.StandIns do
  @moduledoc """
  On this side: who stands for whom. Pids and references of the recording become tokens (see `BeamScope.Replay.WhatIf.Terms`) and tokens become
  what they stood for again.

  What the edited life makes itself (a monitor, a process) is paired with what the recorded life made at the same place of the same
  step, and is the same from then on: so that a later message of the recording names it rightly, and a reference that differs is no difference.
  """

  import BeamScope.Replay.WhatIf.Terms, only: [mark: 0]
  alias BeamScope.{Opaque, Redacted, Truncated, Unknown}

  defstruct tokens: %{}, terms: %{}, aliases: %{}, next: 0

  @type t :: %__MODULE__{tokens: map, terms: map, aliases: map, next: non_neg_integer}

  @doc """
  The term with tokens, or where in it there is something that cannot be rebuilt. `root` begins the path.
  """
  @spec pack(term, t, String.t()) :: {:ok, term, t} | {:error, {String.t(), term}}
  def pack(term, %__MODULE__{} = table, root) do
    {packed, table} = walk(term, [root], table)
    {:ok, packed, table}
  catch
    {:beam_scope_unbuildable, path, what} -> {:error, {path |> Enum.reverse() |> IO.iodata_to_binary(), what}}
  end

  # As `inspect/1` prints a reference of another system: an identity and nothing else. The tracer prints those that stand for something
  # in the VM (a table, counters) as `#Ref<…>`.
  defp walk(%Opaque{kind: :reference, text: "#Reference<" <> _} = ref, _path, table),
    do: token(ref, :reference, table)

  defp walk(%Opaque{kind: :pid} = pid, _path, table), do: token(pid, :pid, table)

  # What `unpack/2` made of something that only the edited life has.
  defp walk(%Opaque{kind: :port, text: "#Port<new " <> _} = port, _path, table), do: token(port, :port, table)

  defp walk(%module{} = what, path, _table) when module in [Opaque, Truncated, Redacted, Unknown],
    do: refuse(path, what)

  defp walk(term, _path, table) when is_pid(term), do: token(term, :pid, table)
  defp walk(term, _path, table) when is_reference(term), do: token(term, :reference, table)
  defp walk(term, path, _table) when is_port(term), do: refuse(path, term)

  defp walk(term, path, table) when is_function(term),
    do: if(Function.info(term, :type) == {:type, :external}, do: {term, table}, else: refuse(path, term))

  defp walk(map, path, table) when is_map(map) do
    {pairs, table} =
      map
      |> Map.to_list()
      |> Enum.map_reduce(table, fn {key, value}, table ->
        {packed, table} = walk(key, [" (a key)" | path], table)
        {value, table} = walk(value, [key(key) | path], table)
        {{packed, value}, table}
      end)

    {Map.new(pairs), table}
  end

  defp walk(list, path, table) when is_list(list), do: list(list, 0, path, table)

  defp walk(tuple, path, table) when is_tuple(tuple) do
    table = remember(tuple, table)

    {items, table} =
      tuple
      |> Tuple.to_list()
      |> Enum.with_index()
      |> Enum.map_reduce(table, fn {item, n}, table -> walk(item, [".elem(#{n})" | path], table) end)

    {List.to_tuple(items), table}
  end

  defp walk(other, _path, table), do: {other, table}

  defp list([head | tail], n, path, table) do
    {head, table} = walk(head, ["[#{n}]" | path], table)
    {tail, table} = list(tail, n + 1, path, table)
    {[head | tail], table}
  end

  defp list([], _n, _path, table), do: {[], table}
  defp list(tail, _n, path, table), do: walk(tail, [" (its tail)" | path], table)

  # A reply to an alias is sent to the alias; whose it is stands beside it.
  defp remember({pid, [:alias | ref]}, table), do: %{table | aliases: Map.put(table.aliases, ref, pid)}
  defp remember(_tuple, table), do: table

  defp key(key) when is_atom(key), do: "." <> to_string(key)
  defp key(key), do: "[" <> BeamScope.Terminal.Term.text(key, 30) <> "]"

  defp refuse(path, what), do: throw({:beam_scope_unbuildable, path, what})

  defp token(term, kind, table) do
    case table.tokens do
      %{^term => token} -> {token, table}
      _ -> made(term, kind, table) || new_token(term, {mark(), kind, table.next}, table)
    end
  end

  defp made(%Opaque{text: text}, kind, table) do
    case String.split(text, ["<new ", ">"]) do
      [_kind, number, ""] -> {{mark(), kind, -String.to_integer(number)}, table}
      _ -> nil
    end
  end

  defp made(_term, _kind, _table), do: nil

  defp new_token(term, token, table), do: {token, bind(%{table | next: table.next + 1}, term, token)}

  defp bind(table, term, token),
    do: %{table | tokens: Map.put(table.tokens, term, token), terms: Map.put(table.terms, token, term)}

  @doc """
  Pairs what is new in a packed term of the edited life with what is at the same place of the recorded one.
  """
  @spec pair(t, recorded :: term, edited :: term) :: t
  def pair(table, _recorded, {mark(), :export, _}), do: table

  def pair(table, recorded, {mark(), kind, id} = token) when id < 0 do
    if identity(recorded) == kind and not is_map_key(table.terms, token) and
         not is_map_key(table.tokens, recorded),
       do: bind(table, recorded, token),
       else: table
  end

  def pair(table, [a | as], [b | bs]), do: table |> pair(a, b) |> pair(as, bs)

  def pair(table, a, b) when is_tuple(a) and is_tuple(b),
    do: pair(table, Tuple.to_list(a), Tuple.to_list(b))

  def pair(table, a, b) when is_map(a) and is_map(b) do
    table = pair_keys(table, a, b)

    a
    |> Map.to_list()
    |> Enum.reduce(table, fn {key, value}, table ->
      case b do
        %{^key => other} -> pair(table, value, other)
        _ -> pair_under(table, table.tokens[key], value, b)
      end
    end)
  end

  def pair(table, _a, _b), do: table

  defp pair_under(table, nil, _value, _map), do: table

  defp pair_under(table, token, value, map) do
    case map do
      %{^token => other} -> pair(table, value, other)
      _ -> table
    end
  end

  # Keys that are identities have no place: one that is new on each side is the same; of several it cannot be said.
  defp pair_keys(table, a, b) do
    new = for {key, _} <- Map.to_list(a), identity(key) != nil, not is_map_key(table.tokens, key), do: key
    made = for {{mark(), _, id} = key, _} <- Map.to_list(b), id < 0, not is_map_key(table.terms, key), do: key

    case {new, made} do
      {[recorded], [edited]} -> pair(table, recorded, edited)
      _ -> table
    end
  end

  defp identity(term) when is_pid(term), do: :pid
  defp identity(term) when is_reference(term), do: :reference
  defp identity(term) when is_port(term), do: :port
  defp identity(%Opaque{kind: kind}) when kind in [:pid, :reference, :port], do: kind
  defp identity(_term), do: nil

  @doc "A packed term of the edited life in terms of the recording. What only the edited life has comes as `%BeamScope.Opaque{}`."
  @spec unpack(t, term) :: term
  def unpack(_table, {mark(), :export, [module, name, arity]}) do
    if is_atom(module) and is_atom(name),
      do: Function.capture(module, name, arity),
      else: %Opaque{kind: :fun, text: "fun of arity #{arity}"}
  end

  def unpack(table, {mark(), kind, id} = token),
    do: Map.get_lazy(table.terms, token, fn -> %Opaque{kind: kind, text: new_name(kind, -id)} end)

  def unpack(table, [head | tail]), do: [unpack(table, head) | unpack(table, tail)]

  def unpack(table, tuple) when is_tuple(tuple),
    do: unpack(table, Tuple.to_list(tuple)) |> List.to_tuple()

  def unpack(table, map) when is_map(map) do
    map |> Map.to_list() |> Map.new(fn {key, value} -> {unpack(table, key), unpack(table, value)} end)
  end

  def unpack(_table, other), do: other

  defp new_name(:pid, n), do: "#PID<new #{n}>"
  defp new_name(:reference, n), do: "#Reference<new #{n}>"
  defp new_name(:port, n), do: "#Port<new #{n}>"
end
