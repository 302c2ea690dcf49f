defmodule BeamScope.Lines.Instrument.Marks do
  @moduledoc """
  Where lines begin, in code that was written in Elixir.

  The first of two passes, over the expanded code that debug information holds (`elixir_v1`): a mark is put before each expression of
  each body. It is a call that is never made: `BeamScope.Lines.Instrument.Forms` takes it away in the Erlang forms that Elixir makes of
  this code and puts a probe in its place. Elixir's own code tells what Erlang's forms no longer do: on which line a literal stands
  (its clause says so), and what a macro brought along.

  A mark says which line comes, whether that is certain, and what names the expression binds for what comes after it.

  Left unmarked: what is marked as generated, variables of macros, and code that was quoted in another file (`location: :keep`).
  """

  alias BeamScope.Lines.Instrument.Forms

  @constructs [:case, :cond, :receive, :try, :with, :for]
  @bodies [:do, :else, :after]

  @doc "Marks the bodies of the functions that `wanted?` answers true for, in the definitions of a module."
  @spec put([tuple], ({atom, arity} -> boolean)) :: [tuple]
  def put(definitions, wanted?) do
    for {name_arity, kind, meta, clauses} = definition <- definitions do
      if kind in [:def, :defp] and wanted?.(name_arity) and meta[:location] == nil,
        do: {name_arity, kind, meta, clauses |> Enum.map(&function_clause/1) |> written(meta)},
        else: definition
    end
  end

  # A macro defined the function (`use GenServer`, `test "…"`): what stands on other lines than the macro's call was written by the user.
  defp written(clauses, meta) do
    if meta[:context] do
      for {at, arguments, guards, body} <- clauses,
          do: {at, arguments, guards, Macro.prewalk(body, &without(&1, meta[:line]))}
    else
      clauses
    end
  end

  defp without({:__block__, meta, expressions}, line),
    do: {:__block__, meta, Enum.reject(expressions, &on_line?(&1, line))}

  defp without(other, _line), do: other

  defp on_line?({{:., _, [module, function]}, _, [line, _exact?, _names]}, line),
    do: module == Forms.mark_module() and function == Forms.mark_function()

  defp on_line?(_expression, _line), do: false

  defp function_clause({meta, arguments, guards, body}),
    do: {meta, arguments, guards, body |> Macro.prewalk(&hide/1) |> body(line(meta, 0))}

  # `&1` is a variable named `capture` from Elixir 1.15 on, told from one of the source's only by its counter. With a context it is one
  # that a macro made.
  defp hide({:capture, meta, nil} = variable) do
    if meta[:counter], do: {:capture, meta, :elixir_fn}, else: variable
  end

  defp hide(other), do: other

  # The line is that of the construct: what has none of its own stands on it, or somewhere below.
  defp body({:__block__, meta, expressions}, line) when expressions != [] do
    {marked, _line} =
      Enum.flat_map_reduce(expressions, line, fn expression, line ->
        {place, after_it} = place(expression, line)
        {marks(expression, place) ++ [walk(expression)], after_it}
      end)

    {:__block__, meta, marked}
  end

  defp body(expression, line), do: body({:__block__, [], [expression]}, line)

  defp marks(_expression, nil), do: []

  defp marks(expression, {line, exact?}) do
    meta = [line: line]
    names = expression |> bound() |> Enum.uniq()
    [{{:., meta, [Forms.mark_module(), Forms.mark_function()]}, meta, [line, exact?, names]}]
  end

  # What comes after an expression sees of what it binds. In Erlang's forms more is in scope: what a `with` of one clause binds, say.
  defp bound({:=, _, [pattern, value]}), do: variables(pattern) ++ bound(value)
  defp bound({scoped, _, arguments}) when scoped in [:fn | @constructs] and is_list(arguments), do: []
  defp bound({called, _, arguments}) when is_list(arguments), do: bound(called) ++ bound(arguments)
  defp bound({left, right}), do: bound(left) ++ bound(right)
  defp bound([head | tail]), do: bound(head) ++ bound(tail)
  defp bound(_other), do: []

  defp variables(pattern) do
    {_, names} =
      Macro.prewalk(pattern, [], fn
        {name, _, context} = variable, names when is_atom(name) and is_atom(context) ->
          {variable, [name | names]}

        other, names ->
          {other, names}
      end)

    names
  end

  # The line of an expression, and from which on the next one may stand.
  defp place({name, meta, context}, line) when is_atom(name) and is_atom(context) do
    if context == nil and user?(meta), do: own(meta, line), else: {nil, line}
  end

  defp place({_, meta, _} = expression, line) when is_list(meta) do
    {place, _} = if user?(meta), do: own(meta, line), else: {nil, line}
    {place, max(line, last_line(expression, line))}
  end

  defp place(literal, line) do
    case first_line(literal) do
      nil -> {{line, false}, line}
      first -> {{first, true}, max(line, last_line(literal, line))}
    end
  end

  defp own(meta, line) do
    case meta[:line] do
      n when is_integer(n) and n > 0 -> {{n, true}, max(n, line)}
      _ -> {{line, false}, line}
    end
  end

  defp user?(meta), do: meta[:generated] != true and meta[:keep] == nil

  defp first_line(ast), do: ast |> lines() |> Enum.min(fn -> nil end)
  defp last_line(ast, least), do: ast |> lines() |> Enum.max(fn -> least end)

  defp lines(ast) do
    {_, lines} =
      Macro.prewalk(ast, [], fn
        {_, meta, _} = node, lines when is_list(meta) ->
          {node,
           if(Keyword.keyword?(meta) and is_integer(meta[:line]), do: [meta[:line] | lines], else: lines)}

        node, lines ->
          {node, lines}
      end)

    Enum.filter(lines, &(&1 > 0))
  end

  defp line(meta, default), do: if(is_integer(meta[:line]), do: meta[:line], else: default)

  # Bodies inside of expressions

  defp walk({:fn, meta, clauses}), do: {:fn, meta, Enum.map(clauses, &fun_clause/1)}
  defp walk({:->, meta, [heads, body]}), do: {:->, meta, [heads, body(body, line(meta, 0))]}

  defp walk({construct, meta, arguments}) when construct in @constructs and is_list(arguments) do
    case List.pop_at(arguments, -1) do
      {[{_, _} | _] = blocks, first} ->
        {construct, meta, Enum.map(first, &walk/1) ++ [Enum.map(blocks, &block(&1, line(meta, 0)))]}

      _ ->
        {construct, meta, Enum.map(arguments, &walk/1)}
    end
  end

  defp walk({called, meta, arguments}) when is_list(arguments),
    do: {walk(called), meta, Enum.map(arguments, &walk/1)}

  defp walk({left, right}), do: {walk(left), walk(right)}
  defp walk([_ | _] = list), do: walk_list(list)
  defp walk(other), do: other

  # A fun whose arguments all are a macro's own was made by that macro, as by `put_in/2`: the user wrote no lines of it.
  defp fun_clause({:->, meta, [[_ | _] = heads, body]} = clause) do
    if Enum.all?(heads, &hygienic?/1), do: {:->, meta, [heads, walk(body)]}, else: walk(clause)
  end

  defp fun_clause(clause), do: walk(clause)

  defp hygienic?({name, _meta, context}), do: is_atom(name) and is_atom(context) and context != nil
  defp hygienic?(_head), do: false

  defp walk_list([head | tail]) when is_list(tail), do: [walk(head) | walk_list(tail)]
  defp walk_list([]), do: []
  defp walk_list([head | tail]), do: [walk(head) | walk(tail)]

  defp block({key, [{:->, _, _} | _] = clauses}, _line), do: {key, Enum.map(clauses, &walk/1)}
  defp block({key, body}, line) when key in @bodies, do: {key, body(body, line)}
  defp block({key, expression}, _line), do: {key, walk(expression)}
end
