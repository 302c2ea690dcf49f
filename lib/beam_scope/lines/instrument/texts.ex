defmodule BeamScope.Lines.Instrument.Texts do
  @moduledoc """
  What stands on the lines of a module whose source is not at hand, as on a node that runs a release: written anew from debug information.

  One line for each expression, without the bodies inside of it, which have lines of their own. Macros are expanded there.
  """

  alias BeamScope.Lines.Instrument.{Forms, Scope}

  @most 200
  @constructs [:case, :cond, :receive, :try, :with, :for]

  @doc "The texts by line, from Elixir's definitions with marks in them, and from Erlang's forms."
  @spec elixir([tuple]) :: %{pos_integer => String.t()}
  def elixir(definitions) do
    for {{name, _arity}, kind, _meta, clauses} <- definitions,
        kind in [:def, :defp],
        {meta, arguments, guards, body} <- clauses,
        text <- [{meta[:line], head(kind, name, arguments, guards)} | marked(body)],
        reduce: %{},
        do: (texts -> add(texts, text))
  end

  @spec erlang([term]) :: %{pos_integer => String.t()}
  def erlang(forms) do
    for {:function, _, name, _arity, clauses} <- forms,
        clause <- clauses,
        text <- clause(clause, to_string(name)),
        reduce: %{} do
      texts -> add(texts, text)
    end
  end

  # Of several on a line the first one tells where it is.
  defp add(texts, {line, text}) when is_integer(line) and line > 0,
    do: Map.put_new_lazy(texts, line, fn -> cut(text.()) end)

  defp add(texts, _nowhere), do: texts

  defp cut(text) do
    text = String.replace(text, ~r/\s+/, " ")
    if String.length(text) > @most, do: String.slice(text, 0, @most - 1) <> "…", else: text
  end

  # Elixir

  defp head(kind, name, arguments, guards) do
    fn ->
      "#{kind} #{text({name, [], arguments})}" <> Enum.map_join(guards, &" when #{text(&1)}")
    end
  end

  defp marked(body) do
    {_, found} = Macro.prewalk(body, [], &block/2)
    Enum.reverse(found)
  end

  defp block({:__block__, _, [_ | _] = expressions} = block, found), do: {block, pairs(expressions, found)}

  defp block({:->, meta, [heads, _body]} = clause, found),
    do: {clause, [{meta[:line], fn -> Enum.map_join(heads, ", ", &text/1) <> " ->" end} | found]}

  defp block(other, found), do: {other, found}

  defp pairs([{{:., _, [module, function]}, _, [line, _exact?, _names]}, expression | rest], found) do
    if module == Forms.mark_module() and function == Forms.mark_function(),
      do: pairs(rest, [{line, fn -> text(expression) end} | found]),
      else: pairs([expression | rest], found)
  end

  defp pairs([_ | rest], found), do: pairs(rest, found)
  defp pairs([], found), do: found

  defp text(ast) do
    ast |> Macro.prewalk(&short/1) |> Macro.to_string()
  rescue
    # Expanded code may hold what nobody can write.
    _ -> "…"
  end

  @operators %{"=<": :<=, "/=": :!=, "=:=": :===, "=/=": :!==, andalso: :and, orelse: :or}

  # As it was written, before it became a call.
  defp short({{:., _, [:erlang, name]}, meta, [_, _] = both}) do
    operator = Map.get(@operators, name, name)
    if Macro.operator?(operator, 2), do: {operator, meta, both}, else: {name, meta, both}
  end

  defp short({{:., _, [:erlang, name]}, meta, [_ | _] = arguments}), do: {name, meta, arguments}

  defp short({construct, meta, arguments}) when construct in @constructs and is_list(arguments),
    do: {construct, meta, Enum.reject(arguments, &match?([{:do, _} | _], &1))}

  defp short({:fn, meta, [{:->, at, [heads, _]} | _]}), do: {:fn, meta, [{:->, at, [heads, {:..., [], []}]}]}
  defp short({:__block__, _, [_ | _] = expressions}), do: List.last(expressions)
  defp short(other), do: other

  # Erlang

  defp clause({:clause, at, patterns, guards, body}, name) do
    open = fn -> name <> "(" <> joined(patterns) <> ")" <> guard(guards) <> " ->" end
    [{Scope.line(at), open} | Enum.flat_map(body, &expression/1)]
  end

  defp expression(form) do
    [{Scope.line(elem(form, 1)), fn -> written(pruned(form)) end} | inside(form)]
  end

  defp inside({:clause, at, patterns, guards, body}) do
    open = fn -> joined(patterns) <> guard(guards) <> " ->" end
    [{Scope.line(at), open} | Enum.flat_map(body, &expression/1)]
  end

  defp inside({:block, _, body}), do: Enum.flat_map(body, &expression/1)
  defp inside(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> inside()
  defp inside([head | tail]), do: inside(head) ++ inside(tail)
  defp inside(_other), do: []

  defp joined(patterns), do: Enum.map_join(patterns, ", ", &written/1)
  defp guard([]), do: ""

  defp guard(guards),
    do: " when " <> Enum.map_join(guards, "; ", fn all -> Enum.map_join(all, ", ", &written/1) end)

  defp written(form) do
    form |> :erl_pp.expr() |> IO.chardata_to_string()
  rescue
    # Some forms of newer releases.
    _ -> "…"
  end

  defp pruned({:case, at, value, _}), do: {:call, at, {:var, at, :case}, [pruned(value)]}
  defp pruned({:if, at, _}), do: {:var, at, :"if …"}
  defp pruned({:receive, at, _}), do: {:var, at, :"receive …"}
  defp pruned({:receive, at, _, _, _}), do: {:var, at, :"receive …"}
  defp pruned({:try, at, _, _, _, _}), do: {:var, at, :"try …"}
  defp pruned({:block, at, _}), do: {:var, at, :"begin …"}
  defp pruned({:fun, at, {:clauses, _}}), do: {:var, at, :"fun …"}
  defp pruned({:named_fun, at, _, _}), do: {:var, at, :"fun …"}
  defp pruned(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> pruned() |> List.to_tuple()
  defp pruned([head | tail]), do: [pruned(head) | pruned(tail)]
  defp pruned(other), do: other
end
