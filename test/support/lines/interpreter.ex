defmodule BeamScope.Test.Lines.Interpreter do
  @moduledoc false
  # Runs programs of `Grammar` (as `Printer` gives them back) by its own rules, and says which lines ran, and what was bound before each
  # since the one before: `{outcome, [{line, %{name => value}, more}]}`. Outcomes are `{:returned, value}` or `{class, kind of reason, line}`.
  #
  # Of what the clauses of a `with` have bound, its `else` may tell, although its source cannot speak of it: `{line, bound, more}`.
  #
  # What is bound is told by the next statement in its scope. What an expression that stands last in a body binds, nothing is there to tell.

  @doc "Runs `run/2`."
  def run(program, arguments) do
    Process.put(__MODULE__, [])

    outcome =
      try do
        {:returned, apply_clauses(program.run, arguments, program)}
      catch
        {:raised, class, what, line} -> {class, what, line}
      end

    {outcome, __MODULE__ |> Process.delete() |> Enum.reverse()}
  end

  defp tell(line, pending) do
    {more, pending} = Map.pop(pending, :__more__, %{})
    Process.put(__MODULE__, [{line, pending, more} | Process.get(__MODULE__)])
  end

  defp raised(class, what, line), do: throw({:raised, class, what, line})

  defp apply_clauses(clauses, arguments, program) do
    Enum.find_value(clauses, fn {parameters, guard, body} ->
      with {:ok, bound} <- match({:tuple, parameters}, List.to_tuple(arguments), %{}),
           true <- holds?(guard, bound),
           do: {:ran, body(body, bound, bound, program)},
           else: (_ -> nil)
    end)
    |> case do
      {:ran, value} -> value
      nil -> raised(:error, :function_clause, nil)
    end
  end

  # A body, given all that is bound and what of it has not been told. Its value.
  defp body(statements, env, pending, program) do
    {value, _env, _pending} =
      Enum.reduce(statements, {nil, env, pending}, fn {:at, line, statement}, {_, env, pending} ->
        tell(line, pending)
        statement(statement, env, %{line: line, program: program})
      end)

    value
  end

  defp statement({:do, {:value, value}}, env, at) do
    {value(value, env, at), env, %{}}
  end

  defp statement({:do, expression}, env, at), do: {eval(expression, env, at), env, %{}}

  defp statement({:set, name, value}, env, at) do
    value = value(value, env, at)
    {value, Map.put(env, name, value), %{name => value}}
  end

  defp statement({:match, pattern, expression}, env, at) do
    value = eval(expression, env, at)

    case match(pattern, value, %{}) do
      {:ok, bound} -> {value, Map.merge(env, bound), bound}
      :no -> raised(:error, :badmatch, at.line)
    end
  end

  defp value({:e, expression}, env, at), do: eval(expression, env, at)

  defp value({:case, subject, clauses}, env, at),
    do: choose(clauses, eval(subject, env, at), env, :case_clause, at)

  defp value({:cond, clauses}, env, at) do
    case Enum.find(clauses, fn {test, _} -> truthy?(eval(test, env, at)) end) do
      {_, body} -> body(body, env, %{}, at.program)
      nil -> raised(:error, :cond_clause, at.line)
    end
  end

  defp value({:with, steps, body, clauses}, env, at) do
    steps
    |> Enum.reduce_while({:ok, env, %{}}, fn {kind, pattern, expression}, {:ok, env, told} ->
      value = eval(expression, env, Map.put(at, :more, told))

      case {match(pattern, value, %{}), kind} do
        {{:ok, bound}, _} -> {:cont, {:ok, Map.merge(env, bound), Map.merge(told, bound)}}
        {:no, :=} -> raised(:error, :badmatch, at.line)
        {:no, :<-} -> {:halt, {:no, value, told}}
      end
    end)
    |> case do
      {:ok, inner, told} -> body(body, inner, told, at.program)
      {:no, value, _} when clauses == nil -> value
      {:no, value, told} -> choose(clauses, value, env, :with_clause, at, %{__more__: told})
    end
  end

  defp value({:try, body, handlers, finally}, env, at) do
    try do
      {:ok, body(body, env, %{}, at.program)}
    catch
      {:raised, _, _, _} = raised -> handled(handlers, raised, env, at)
    end
    |> finished(finally, env, at)
  end

  defp value({:for, pattern, list, filter, into, body}, env, at) do
    values =
      for element <- eval(list, env, at),
          {:ok, bound} <- [match(pattern, element, %{})],
          inner = Map.merge(env, bound),
          filter == nil or truthy?(eval(filter, inner, at)),
          do: body(body, inner, bound, at.program)

    if into, do: MapSet.new(values), else: values
  end

  defp value({:reduce, pattern, list, first, name, body}, env, at) do
    # The first value is asked for after the list.
    elements = eval(list, env, at)

    Enum.reduce(elements, eval(first, env, at), fn element, acc ->
      case match(pattern, element, %{}) do
        {:ok, bound} ->
          bound = Map.put(bound, name, acc)
          body(body, Map.merge(env, bound), bound, at.program)

        :no ->
          acc
      end
    end)
  end

  defp value({:if, kind, test, yes, no}, env, at) do
    taken = if truthy?(eval(test, env, at)) == (kind == :if), do: yes, else: no
    body(taken, env, %{}, at.program)
  end

  defp value({:fn, clauses, argument, line}, env, at),
    do: choose(clauses, eval(argument, env, %{at | line: line}), env, :function_clause, %{at | line: nil})

  defp choose(clauses, value, env, otherwise, at, more \\ %{}) do
    found =
      Enum.find_value(clauses, fn {pattern, guard, body} ->
        with {:ok, bound} <- match(pattern, value, %{}),
             true <- holds?(guard, Map.merge(env, bound)),
             do: {body, bound},
             else: (_ -> nil)
      end)

    case found do
      {body, bound} -> body(body, Map.merge(env, bound), Map.merge(bound, more), at.program)
      nil -> raised(:error, otherwise, at.line)
    end
  end

  # What a try came to, to be given once `after` has run.
  defp handled(handlers, {:raised, class, what, _line} = raised, env, at) do
    case Enum.find(handlers, &handles?(&1, class, what)) do
      nil -> raised
      {:rescue, _, body} -> {:ok, body(body, env, %{}, at.program)}
      {:catch, :throw, name, body} -> {:ok, body(body, Map.put(env, name, what), %{name => what}, at.program)}
    end
  catch
    {:raised, _, _, _} = raised -> raised
  end

  defp finished(outcome, finally, env, at) do
    if finally, do: body(finally, env, %{}, at.program)

    case outcome do
      {:ok, value} -> value
      raised -> throw(raised)
    end
  end

  defp handles?({:rescue, :any, _}, class, _), do: class == :error
  defp handles?({:rescue, ArithmeticError, _}, :error, :badarith), do: true
  defp handles?({:rescue, MatchError, _}, :error, :badmatch), do: true
  defp handles?({:catch, class, _, _}, class, _), do: true
  defp handles?(_, _, _), do: false

  # Patterns and guards

  defp match(:any, _value, bound), do: {:ok, bound}
  defp match({:var, name}, value, bound), do: {:ok, Map.put(bound, name, value)}
  defp match({:int, n}, value, bound), do: if(n === value, do: {:ok, bound}, else: :no)
  defp match({:atom, atom}, value, bound), do: if(atom === value, do: {:ok, bound}, else: :no)

  defp match({:tuple, parts}, value, bound) when is_tuple(value) and tuple_size(value) == length(parts) do
    parts
    |> Enum.zip(Tuple.to_list(value))
    |> Enum.reduce_while({:ok, bound}, fn {pattern, value}, {:ok, bound} ->
      case match(pattern, value, bound) do
        {:ok, bound} -> {:cont, {:ok, bound}}
        :no -> {:halt, :no}
      end
    end)
  end

  defp match({:cons, head, tail}, [first | rest], bound) do
    with {:ok, bound} <- match(head, first, bound), do: match(tail, rest, bound)
  end

  defp match({:map, [{key, pattern}]}, map, bound) when is_map_key(map, key),
    do: match(pattern, Map.fetch!(map, key), bound)

  defp match({:alias, one, other}, value, bound) do
    with {:ok, bound} <- match(one, value, bound), do: match(other, value, bound)
  end

  defp match(_pattern, _value, _bound), do: :no

  defp holds?(nil, _env), do: true
  defp holds?(guard, env), do: eval(guard, env, nil)

  defp truthy?(value), do: value not in [nil, false]

  # Expressions

  defp eval({tag, value}, _env, _at) when tag in [:int, :atom], do: value
  defp eval({:var, name}, env, _at), do: Map.fetch!(env, name)

  defp eval({:op, op, a, b}, env, at) do
    a = eval(a, env, at)
    b = eval(b, env, at)

    if is_integer(a) and is_integer(b) and not (op == :div and b == 0),
      do: arithmetic(op, a, b),
      else: raised(:error, :badarith, at.line)
  end

  defp eval({:less, a, b}, env, at), do: eval(a, env, at) < eval(b, env, at)
  defp eval({:equal, a, b}, env, at), do: eval(a, env, at) == eval(b, env, at)
  defp eval({:tuple, parts}, env, at), do: parts |> Enum.map(&eval(&1, env, at)) |> List.to_tuple()
  defp eval({:list, parts}, env, at), do: Enum.map(parts, &eval(&1, env, at))

  defp eval({:cons, head, tail}, env, at) do
    head = eval(head, env, at)
    [head | eval(tail, env, at)]
  end

  defp eval({:map, [{key, value}]}, env, at), do: %{key => eval(value, env, at)}
  defp eval({:call, name, arguments}, env, at), do: call(name, Enum.map(arguments, &eval(&1, env, at)), at)
  defp eval({:pipe, first, names}, env, at), do: Enum.reduce(names, eval(first, env, at), &call(&1, [&2], at))

  defp eval({:and, a, b}, env, at),
    do: with(value when value not in [nil, false] <- eval(a, env, at), do: aside(b, env, at))

  defp eval({:or, a, b}, env, at),
    do: with(value when value in [nil, false] <- eval(a, env, at), do: aside(b, env, at))

  defp eval({:throw, a}, env, at), do: raised(:throw, eval(a, env, at), at.line)

  defp eval({:size, a}, env, at) do
    case eval(a, env, at) do
      tuple when is_tuple(tuple) -> tuple_size(tuple)
      _ -> raised(:error, :badarg, at.line)
    end
  end

  # The right side is a body of its own: whether it ran is what one wants to see.
  defp aside(expression, env, at) do
    tell(at.line, %{__more__: Map.get(at, :more, %{})})
    eval(expression, env, at)
  end

  defp call(name, arguments, at), do: at.program |> Map.fetch!(name) |> apply_clauses(arguments, at.program)

  defp arithmetic(:+, a, b), do: a + b
  defp arithmetic(:-, a, b), do: a - b
  defp arithmetic(:*, a, b), do: a * b
  defp arithmetic(:div, a, b), do: div(a, b)
end
