defmodule BeamScope.Recording.Portable do
  @moduledoc false
  # Terms for files that other systems read: without atoms, which reading them would make, and without pids, references and
  # functions, which would live here. In external term format it is numbers, binaries, lists and tuples.

  alias BeamScope.Opaque

  # A file is read by whoever was sent it: atoms of its meta are made up to here.
  @most_atoms 5_000

  @doc "A term as bytes."
  @spec encode(term) :: binary
  def encode(term), do: :erlang.term_to_binary({1, pack(term)})

  defp pack(term) when is_number(term) or is_binary(term), do: term
  defp pack(term) when is_atom(term), do: {0, Atom.to_string(term)}
  defp pack([]), do: []

  defp pack([_ | _] = list),
    do: if(List.improper?(list), do: {4, inspect(list)}, else: Enum.map(list, &pack/1))

  defp pack(term) when is_tuple(term), do: {1, term |> Tuple.to_list() |> Enum.map(&pack/1)}

  defp pack(term) when is_map(term),
    do: {2, for({key, value} <- :maps.to_list(term), do: [pack(key) | pack(value)])}

  defp pack(term) when is_pid(term), do: {3, [pack(:pid), inspect(term)]}
  defp pack(term) when is_reference(term), do: {3, [pack(:reference), inspect(term)]}
  defp pack(term) when is_port(term), do: {3, [pack(:port), inspect(term)]}
  defp pack(term) when is_function(term), do: {3, [pack(:fun), inspect(term)]}
  defp pack(term), do: {4, inspect(term)}

  @doc "The term of what was read safely from such bytes; `:error` for anything else."
  @spec decode(term, boolean) :: {:ok, term} | :error
  def decode(read, foreign? \\ true)

  def decode({1, packed}, foreign?) do
    made = :counters.new(1, [])
    {:ok, unpack(packed, %{made: made, foreign: foreign?})}
  rescue
    _ -> :error
  end

  def decode(_other, _foreign?), do: :error

  defp unpack(term, _made) when is_number(term) or is_binary(term), do: term
  defp unpack(list, made) when is_list(list), do: Enum.map(list, &unpack(&1, made))
  defp unpack({0, text}, made) when is_binary(text), do: atom(text, made)
  defp unpack({1, items}, made), do: items |> Enum.map(&unpack(&1, made)) |> List.to_tuple()

  defp unpack({2, pairs}, made),
    do: for([key | value] <- pairs, into: %{}, do: {unpack(key, made), unpack(value, made)})

  # In the very system that wrote it a pid is that process.
  defp unpack({3, [{0, "pid"}, "#PID" <> pid]}, %{foreign: false}),
    do: pid |> to_charlist() |> :erlang.list_to_pid()

  defp unpack({3, [kind, text]}, made), do: %Opaque{kind: unpack(kind, made), text: text}
  defp unpack({4, text}, _made) when is_binary(text), do: text

  defp atom(text, %{made: made}) do
    String.to_existing_atom(text)
  rescue
    ArgumentError ->
      :counters.add(made, 1, 1)
      if :counters.get(made, 1) <= @most_atoms, do: String.to_atom(text), else: text
  end
end
