defmodule BeamScope.Lines.Instrument.Calls do
  @moduledoc """
  Which functions an expression calls, the bodies inside of it left out: so that one can tell afterwards who called whom.
  """

  alias BeamScope.Lines.Instrument.Forms

  @doc """
  The calls in an expression, each as often as it stands there, and whether the expression is itself a call. Left out is what has a site
  of its own: in code of Erlang every body inside of it, in code of Elixir what is marked there.

      iex> form = {:op, 1, :*, {:var, 1, :N}, {:call, 1, {:atom, 1, :f}, [{:var, 1, :N}]}}
      iex> BeamScope.Lines.Instrument.Calls.of(form, :erlang)
      {[f: 1], false}
      iex> form = {:call, 1, {:remote, 1, {:atom, 1, :lists}, {:atom, 1, :map}}, []}
      iex> BeamScope.Lines.Instrument.Calls.of(form, :erlang)
      {[:any], true}
  """
  @spec of(term, :elixir | :erlang) :: {[{atom, arity} | :any], boolean}
  def of(expression, language) do
    found = collect(expression, {language, []})
    {found |> elem(1) |> Enum.reverse() |> uniq_any(), call?(expression)}
  end

  defp call?({:call, _, _, _}), do: true
  defp call?(_other), do: false

  # What the virtual machine does itself calls nobody, but for `apply` and its like.
  @calling [:apply, :spawn, :spawn_link, :spawn_monitor, :spawn_opt]

  defp collect({:call, _, {:atom, _, name}, arguments}, found),
    do: collect(arguments, add(found, {name, length(arguments)}))

  defp collect({:call, _, {:remote, _, {:atom, _, :erlang}, {:atom, _, name}}, arguments}, found)
       when name not in @calling,
       do: collect(arguments, found)

  defp collect({:call, _, called, arguments}, found), do: collect([called | arguments], add(found, :any))
  defp collect({:clause, _, _patterns, _guards, body}, found), do: body(body, found)
  defp collect({:block, _, body}, found), do: body(body, found)
  defp collect({:lc, _, template, qualifiers}, found), do: collect(qualifiers, body([template], found))

  defp collect({:try, _, body, of, catches, finally}, found),
    do: finally |> body(body(body, found)) |> then(&collect([of, catches], &1))

  defp collect({:receive, _, clauses, timeout, body}, found),
    do: body(body, collect([clauses, timeout], found))

  defp collect(tuple, found) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> collect(found)
  defp collect([head | tail], found), do: collect(tail, collect(head, found))
  defp collect(_other, found), do: found

  defp body(_body, {:erlang, _} = found), do: found

  defp body([mark, marked | rest], found),
    do: if(Forms.mark?(mark), do: body(rest, found), else: body([marked | rest], collect(mark, found)))

  defp body([last], found), do: collect(last, found)
  defp body([], found), do: found

  defp add({language, found}, call), do: {language, [call | found]}

  defp uniq_any(calls) do
    {any, known} = Enum.split_with(calls, &(&1 == :any))
    known ++ Enum.take(any, 1)
  end
end
