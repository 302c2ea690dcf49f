defmodule BeamScope.Lines.Instrument.Calls do
  @moduledoc """
  Which functions an expression calls, the bodies inside of it left out: so that one can tell afterwards who called whom.
  """

  @bodies [:clause, :fun, :named_fun]

  @doc """
  The calls in an expression, each as often as it stands there, and whether the expression is itself a call.

      iex> BeamScope.Lines.Instrument.Calls.of({:op, 1, :*, {:var, 1, :N}, {:call, 1, {:atom, 1, :f}, [{:var, 1, :N}]}})
      {[f: 1], false}
      iex> BeamScope.Lines.Instrument.Calls.of({:call, 1, {:remote, 1, {:atom, 1, :lists}, {:atom, 1, :map}}, []})
      {[:any], true}
  """
  @spec of(term) :: {[{atom, arity} | :any], boolean}
  def of(expression), do: {expression |> collect([]) |> Enum.reverse() |> uniq_any(), call?(expression)}

  defp call?({:call, _, _, _}), do: true
  defp call?(_other), do: false

  # What the virtual machine does itself calls nobody, but for `apply` and its like.
  @calling [:apply, :spawn, :spawn_link, :spawn_monitor, :spawn_opt]

  defp collect({:call, _, {:atom, _, name}, arguments}, found),
    do: collect(arguments, [{name, length(arguments)} | found])

  defp collect({:call, _, {:remote, _, {:atom, _, :erlang}, {:atom, _, name}}, arguments}, found)
       when name not in @calling,
       do: collect(arguments, found)

  defp collect({:call, _, called, arguments}, found), do: collect([called | arguments], [:any | found])
  defp collect(tuple, found) when is_tuple(tuple) and elem(tuple, 0) in @bodies, do: found
  # A body in the middle of an expression: it has sites of its own.
  defp collect({:block, _, _}, found), do: found
  defp collect({:lc, _, _template, qualifiers}, found), do: collect(qualifiers, found)
  defp collect({:try, _, _, _, _, _}, found), do: found
  defp collect(tuple, found) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> collect(found)
  defp collect([head | tail], found), do: collect(tail, collect(head, found))
  defp collect(_other, found), do: found

  defp uniq_any(calls) do
    {any, known} = Enum.split_with(calls, &(&1 == :any))
    known ++ Enum.take(any, 1)
  end
end
