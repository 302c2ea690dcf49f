defmodule BeamScope.Expect.Stencil do
  @moduledoc false
  # What a term would look like if it matched a pattern: the literal parts as the pattern has them, the rest as it is. The
  # difference between the two is what keeps the term from matching.

  alias BeamScope.{Diff, Native, Opaque}
  alias BeamScope.Terminal.Term

  @doc """
  The nearest term that matches the head of a pattern.

      iex> BeamScope.Expect.Stencil.fill({:map, [{:count, {:lit, 2}}]}, %{count: 3, name: "a"})
      %{count: 2, name: "a"}
  """
  @spec fill(tuple | atom, term) :: term
  def fill(head, term), do: head |> head(term, %{}) |> elem(0)

  # The third is what variables stand for; the first place of a variable says it.
  defp head(:any, term, bound), do: {term, bound}
  defp head(:atom, term, bound) when is_atom(term), do: {term, bound}
  defp head({:lit, literal}, _term, bound), do: {literal, bound}
  defp head({:var, name}, term, bound), do: var(name, term, bound)

  defp head({:tuple, heads}, term, bound) when is_tuple(term) and tuple_size(term) == length(heads) do
    {terms, bound} = heads(heads, Tuple.to_list(term), bound)
    {List.to_tuple(terms), bound}
  end

  defp head({:list, heads}, term, bound) when is_list(term) and length(term) == length(heads),
    do: heads(heads, term, bound)

  defp head({:cons, heads, tail}, term, bound) when is_list(term), do: cons(heads, tail, term, bound)

  defp head({:map, pairs}, term, bound) when is_map(term) do
    if other_struct?(pairs, term), do: {plain({:map, pairs}, bound), bound}, else: map(pairs, term, bound)
  end

  defp head({:as, left, right}, term, bound) do
    {filled, bound} = head(left, term, bound)
    if filled === term, do: head(right, term, bound), else: {filled, bound}
  end

  defp head({:bin, _} = bin, term, bound) do
    if is_bitstring(term) and matches?(bin, term), do: {term, bound}, else: {plain(bin, bound), bound}
  end

  defp head(other, _term, bound), do: {plain(other, bound), bound}

  defp var(name, term, bound) do
    case bound do
      %{^name => known} -> {known, bound}
      _ -> {term, Map.put(bound, name, term)}
    end
  end

  defp heads(heads, terms, bound) do
    heads |> Enum.zip(terms) |> Enum.map_reduce(bound, fn {head, term}, bound -> head(head, term, bound) end)
  end

  defp cons([first | rest], tail, [term | terms], bound) do
    {filled, bound} = head(first, term, bound)
    {more, bound} = cons(rest, tail, terms, bound)
    {[filled | more], bound}
  end

  defp cons([], tail, rest, bound), do: head(tail, rest, bound)
  defp cons(heads, tail, _rest, bound), do: {plain({:cons, heads, tail}, bound), bound}

  defp map(pairs, term, bound) do
    Enum.reduce(pairs, {term, bound}, fn {key, head}, {filled, bound} ->
      case term do
        %{^key => value} ->
          {value, bound} = head(head, value, bound)
          {Map.put(filled, key, value), bound}

        _ ->
          {Map.put(filled, key, plain(head, bound)), bound}
      end
    end)
  end

  # The fields of one struct say nothing about another.
  defp other_struct?(pairs, term) do
    case List.keyfind(pairs, :__struct__, 0) do
      {_, {:lit, name}} -> Map.get(term, :__struct__) != name
      {_, _any} -> not is_map_key(term, :__struct__)
      nil -> false
    end
  end

  defp matches?(head, term), do: match?({:match, _}, Native.match({:pattern, head, nil}, term))

  # A term for a head that the term at hand has nothing in common with.
  defp plain(:any, _bound), do: stand_in("_")
  defp plain(:atom, _bound), do: stand_in("an atom")
  defp plain({:lit, literal}, _bound), do: literal
  defp plain({:var, name}, bound), do: Map.get_lazy(bound, name, fn -> stand_in(Atom.to_string(name)) end)
  defp plain({:tuple, heads}, bound), do: heads |> Enum.map(&plain(&1, bound)) |> List.to_tuple()
  defp plain({:list, heads}, bound), do: Enum.map(heads, &plain(&1, bound))
  defp plain({:map, pairs}, bound), do: Map.new(pairs, fn {key, head} -> {key, plain(head, bound)} end)
  defp plain({:as, left, _right}, bound), do: plain(left, bound)
  defp plain({:bin, _}, _bound), do: stand_in("<<…>>")

  defp plain({:cons, heads, tail}, bound) do
    case plain(tail, bound) do
      list when is_list(list) -> Enum.map(heads, &plain(&1, bound)) ++ list
      other -> Enum.map(heads, &plain(&1, bound)) ++ other
    end
  end

  defp stand_in(text), do: %Opaque{kind: :any, text: text}

  @doc "How much keeps a term from matching: nothing, a part of it, or all of it."
  @spec diff(tuple | atom, term) :: Diff.t()
  def diff(head, term) do
    term = visible(term)
    Diff.diff(head |> fill(term) |> visible(), term)
  end

  # What was cut off or kept out differs from nothing for sure, not from itself either. Here it is as good as what one sees.
  defp visible(%hidden{} = term) when hidden in [BeamScope.Truncated, BeamScope.Redacted],
    do: stand_in(Term.text(term, 200))

  defp visible(map) when is_map(map), do: :maps.map(fn _key, value -> visible(value) end, map)
  defp visible([first | rest]), do: [visible(first) | visible(rest)]
  defp visible(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> visible() |> List.to_tuple()
  defp visible(other), do: other

  @doc """
  Puts what variables are known to be into a pattern.

      iex> BeamScope.Expect.Stencil.bind({:pattern, {:tuple, [{:var, :id}, {:var, :x}]}, nil}, %{id: 7})
      {:pattern, {:tuple, [{:lit, 7}, {:var, :x}]}, nil}
  """
  @spec bind(term, map) :: term
  def bind({:lit, literal}, _known), do: {:lit, literal}

  def bind({:var, name} = var, known) do
    case known do
      %{^name => value} -> {:lit, value}
      _ -> var
    end
  end

  def bind({:map, pairs}, known), do: {:map, for({key, head} <- pairs, do: {key, bind(head, known)})}
  def bind(list, known) when is_list(list), do: Enum.map(list, &bind(&1, known))

  def bind(tuple, known) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> Enum.map(&bind(&1, known)) |> List.to_tuple()

  def bind(other, _known), do: other
end
