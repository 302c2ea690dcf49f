defmodule BeamScope.Lines.Instrument.Scope do
  @moduledoc """
  Which variables of Erlang forms an expression binds for what comes after it, and under which names the source knows them.

  On the safe side: a variable that may be unbound (of some clause only, of the right side of `andalso`, of a `try` or `maybe`) is left
  out. Source: the rules of scope in `erl_lint`.
  """

  @typedoc "A variable of the forms: its name there, its line."
  @type variable :: {atom, pos_integer | 0}

  @doc "The variables of a pattern in the order of their first appearance, each once; those in sizes of binaries are none of its own."
  @spec pattern(term) :: [variable]
  def pattern(pattern), do: pattern |> collect([]) |> Enum.reverse() |> Enum.uniq_by(&elem(&1, 0))

  defp collect({:var, _, :_}, found), do: found
  defp collect({:var, at, name}, found), do: [{name, line(at)} | found]
  defp collect({:bin_element, _, value, _size, _type}, found), do: collect(value, found)
  # The key of a map's pattern is an expression.
  defp collect({:map_field_exact, _, _key, value}, found), do: collect(value, found)
  defp collect(tuple, found) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> collect(found)
  defp collect([head | tail], found), do: collect(tail, collect(head, found))
  defp collect(_other, found), do: found

  @doc "The names of all variables that forms speak of."
  @spec names(term) :: MapSet.t(atom)
  def names(forms), do: names(forms, MapSet.new())

  defp names({:var, _, name}, found), do: MapSet.put(found, name)
  defp names(tuple, found) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> names(found)
  defp names([head | tail], found), do: names(tail, names(head, found))
  defp names(_other, found), do: found

  @doc "The variables that an expression binds for certain for what comes after it."
  @spec bound(term) :: [variable]
  def bound(expression), do: expression |> exports() |> Enum.uniq_by(&elem(&1, 0))

  defp exports({:match, _, pattern, value}), do: exports(value) ++ pattern(pattern)
  defp exports({:maybe_match, _, pattern, value}), do: exports(value) ++ pattern(pattern)
  defp exports({:block, _, body}), do: body(body)
  defp exports({:case, _, value, clauses}), do: exports(value) ++ in_all(clauses)
  defp exports({:if, _, clauses}), do: in_all(clauses)
  defp exports({:receive, _, clauses}), do: in_all(clauses)

  defp exports({:receive, _, clauses, timeout, body}),
    do: exports(timeout) ++ common([body(body) | Enum.map(clauses, &clause/1)])

  defp exports({op, _, left, _right}) when op in [:andalso, :orelse], do: exports(left)
  defp exports({:op, _, op, left, _right}) when op in [:andalso, :orelse], do: exports(left)
  defp exports({scoped, _, _}) when scoped in [:fun, :catch, :maybe], do: []
  defp exports({scoped, _, _, _}) when scoped in [:named_fun, :lc, :bc, :mc, :maybe], do: []
  defp exports({:try, _, _, _, _, _}), do: []
  defp exports({:var, _, _}), do: []
  defp exports(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> exports()
  defp exports([head | tail]), do: exports(head) ++ exports(tail)
  defp exports(_other), do: []

  defp body(body), do: Enum.flat_map(body, &exports/1)
  defp clause({:clause, _, patterns, _guards, body}), do: pattern(patterns) ++ body(body)

  # One clause alone that can be taken: what it binds, is bound after it.
  defp in_all(clauses), do: clauses |> Enum.map(&clause/1) |> common()

  defp common([first | rest]) do
    Enum.filter(first, fn {name, _} -> Enum.all?(rest, &List.keymember?(&1, name, 0)) end)
  end

  @doc """
  The name of a variable in the source, and which of that name it is; `nil` for one that the compiler made.

      iex> BeamScope.Lines.Instrument.Scope.source_name(:"_count@2", :elixir)
      {:count, 2}
      iex> BeamScope.Lines.Instrument.Scope.source_name(:"_@1", :elixir)
      nil
      iex> BeamScope.Lines.Instrument.Scope.source_name(:Count, :erlang)
      {:Count, 1}
  """
  @spec source_name(atom, :elixir | :erlang) :: {atom, pos_integer} | nil
  def source_name(name, :elixir) do
    with "_" <> rest <- Atom.to_string(name),
         [_, _ | _] = parts <- String.split(rest, "@"),
         {text, [version]} = {parts |> Enum.drop(-1) |> Enum.join("@"), Enum.take(parts, -1)},
         {version, ""} <- Integer.parse(version),
         true <- text not in ["", "__STACKTRACE__", "@CALLER"] do
      # As many atoms as the source has names of variables.
      {String.to_atom(text), version}
    else
      _ -> nil
    end
  end

  def source_name(name, :erlang), do: {name, 1}

  @doc "The line of an annotation, or 0."
  @spec line(term) :: non_neg_integer
  def line(at), do: :erl_anno.line(at)
end
