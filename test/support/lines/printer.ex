defmodule BeamScope.Test.Lines.Printer do
  @moduledoc false
  # Writes programs of `Grammar` as Elixir and notes at each statement its line: `{:at, line, statement}`.

  @doc "`{text, program with lines}`, to be compiled with some options of Erlang's compiler."
  def print(program, module, options) do
    {functions, state} =
      [:run, :inc, :pair]
      |> Enum.map_reduce(
        {[], 1} |> put("defmodule #{inspect(module)} do") |> put("@compile #{inspect(options)}"),
        fn name, state ->
          {clauses, state} = Enum.map_reduce(program[name], state, &clause(&1, name, &2))
          {{name, clauses}, state}
        end
      )

    {lines, _} = put(state, "end")
    {lines |> Enum.reverse() |> Enum.join("\n"), Map.new(functions)}
  end

  defp put({lines, n}, text), do: {[text | lines], n + 1}

  defp clause({parameters, guard, body}, name, state) do
    state = put(state, "def #{name}(#{Enum.map_join(parameters, ", ", &pattern/1)})#{guard(guard)} do")
    {body, state} = body(body, state)
    {{parameters, guard, body}, put(state, "end")}
  end

  defp body(statements, state), do: Enum.map_reduce(statements, state, &statement/2)

  defp statement(statement, {_, line} = state) do
    {statement, state} = write(statement, state)
    {{:at, own_line(statement, line), statement}, state}
  end

  # A call stands where its arguments begin.
  defp own_line({:do, {:value, {:fn, _, _, last}}}, _line), do: last
  defp own_line(_statement, line), do: line

  defp write({:do, {:value, value}}, state) do
    {value, state} = value("", value, state)
    {{:do, {:value, value}}, state}
  end

  defp write({:do, expression}, state), do: {{:do, expression}, put(state, expression(expression))}

  defp write({:match, pattern, expression} = it, state),
    do: {it, put(state, "#{pattern(pattern)} = #{expression(expression)}")}

  defp write({:set, name, value}, state) do
    {value, state} = value("#{name} = ", value, state)
    {{:set, name, value}, state}
  end

  defp value(lead, {:e, expression} = it, state), do: {it, put(state, lead <> expression(expression))}

  defp value(lead, {:case, subject, clauses}, state) do
    {clauses, state} = arrows(clauses, put(state, "#{lead}case #{expression(subject)} do"))
    {{:case, subject, clauses}, put(state, "end")}
  end

  defp value(lead, {:cond, clauses}, state) do
    {clauses, state} =
      Enum.map_reduce(clauses, put(state, lead <> "cond do"), fn {test, body}, state ->
        {body, state} = body(body, put(state, expression(test) <> " ->"))
        {{test, body}, state}
      end)

    {{:cond, clauses}, put(state, "end")}
  end

  defp value(lead, {:with, steps, body, clauses}, state) do
    steps_text =
      Enum.map_join(steps, ", ", fn {kind, pattern, expression} ->
        "#{pattern(pattern)} #{kind} #{expression(expression)}"
      end)

    {body, state} = body(body, put(state, "#{lead}with #{steps_text} do"))
    {clauses, state} = if clauses, do: arrows(clauses, put(state, "else")), else: {nil, state}
    {{:with, steps, body, clauses}, put(state, "end")}
  end

  defp value(lead, {:try, body, handlers, finally}, state) do
    {body, state} = body(body, put(state, lead <> "try do"))
    {rescues, catches} = Enum.split_with(handlers, &(elem(&1, 0) == :rescue))
    {rescues, state} = handlers(rescues, "rescue", state)
    {catches, state} = handlers(catches, "catch", state)
    {finally, state} = if finally, do: body(finally, put(state, "after")), else: {nil, state}
    {{:try, body, rescues ++ catches, finally}, put(state, "end")}
  end

  defp value(lead, {:for, pattern, list, filter, into, body}, state) do
    filter_text = if filter, do: ", " <> expression(filter), else: ""
    into_text = if into, do: ", into: MapSet.new()", else: ""

    {body, state} =
      body(
        body,
        put(state, "#{lead}for #{pattern(pattern)} <- #{expression(list)}#{filter_text}#{into_text} do")
      )

    {{:for, pattern, list, filter, into, body}, put(state, "end")}
  end

  defp value(lead, {:reduce, pattern, list, first, acc, body}, state) do
    state =
      put(state, "#{lead}for #{pattern(pattern)} <- #{expression(list)}, reduce: #{expression(first)} do")

    {body, state} = body(body, put(state, "#{acc} ->"))
    {{:reduce, pattern, list, first, acc, body}, state |> put("end")}
  end

  defp value(lead, {:if, kind, test, yes, no}, state) do
    {yes, state} = body(yes, put(state, "#{lead}#{kind} #{expression(test)} do"))
    {no, state} = body(no, put(state, "else"))
    {{:if, kind, test, yes, no}, put(state, "end")}
  end

  # Called where it stands.
  defp value(lead, {:fn, clauses, argument}, state) do
    {clauses, {_, last} = state} = arrows(clauses, put(state, lead <> "(fn"))
    {{:fn, clauses, argument, last}, put(state, "end).(#{expression(argument)})")}
  end

  defp arrows(clauses, state) do
    Enum.map_reduce(clauses, state, fn {pattern, guard, body}, state ->
      {body, state} = body(body, put(state, "#{pattern(pattern)}#{guard(guard)} ->"))
      {{pattern, guard, body}, state}
    end)
  end

  defp handlers([], _word, state), do: {[], state}

  defp handlers(handlers, word, state) do
    Enum.map_reduce(handlers, put(state, word), fn handler, state ->
      {body, state} = handler |> Tuple.to_list() |> List.last() |> body(put(state, head(handler) <> " ->"))
      {put_elem(handler, tuple_size(handler) - 1, body), state}
    end)
  end

  defp head({:rescue, :any, _}), do: "_"
  defp head({:rescue, exception, _}), do: "_ in #{inspect(exception)}"
  defp head({:catch, class, name, _}), do: "#{inspect(class)}, #{name}"

  defp guard(nil), do: ""
  defp guard(guard), do: " when " <> expression(guard)

  defp pattern(:any), do: "_"
  defp pattern({:var, name}), do: "#{name}"
  defp pattern({:int, n}), do: "#{n}"
  defp pattern({:atom, atom}), do: inspect(atom)
  defp pattern({:tuple, parts}), do: "{#{Enum.map_join(parts, ", ", &pattern/1)}}"
  defp pattern({:cons, head, tail}), do: "[#{pattern(head)} | #{pattern(tail)}]"

  defp pattern({:map, pairs}),
    do: "%{#{Enum.map_join(pairs, ", ", fn {key, pattern} -> "#{key}: #{pattern(pattern)}" end)}}"

  defp pattern({:alias, one, other}), do: "#{pattern(one)} = #{pattern(other)}"

  defp expression({:int, n}), do: "#{n}"
  defp expression({:atom, atom}), do: inspect(atom)
  defp expression({:var, name}), do: "#{name}"
  defp expression({:op, :div, a, b}), do: "div(#{expression(a)}, #{expression(b)})"
  defp expression({:op, op, a, b}), do: "(#{expression(a)} #{op} #{expression(b)})"
  defp expression({:less, a, b}), do: "#{expression(a)} < #{expression(b)}"
  defp expression({:equal, a, b}), do: "#{expression(a)} == #{expression(b)}"
  defp expression({:tuple, parts}), do: "{#{Enum.map_join(parts, ", ", &expression/1)}}"
  defp expression({:list, parts}), do: "[#{Enum.map_join(parts, ", ", &expression/1)}]"
  defp expression({:cons, head, tail}), do: "[#{expression(head)} | #{expression(tail)}]"

  defp expression({:map, pairs}),
    do: "%{#{Enum.map_join(pairs, ", ", fn {key, value} -> "#{key}: #{expression(value)}" end)}}"

  defp expression({:call, name, arguments}), do: "#{name}(#{Enum.map_join(arguments, ", ", &expression/1)})"

  defp expression({:pipe, first, names}),
    do: "(" <> expression(first) <> Enum.map_join(names, &" |> #{&1}()") <> ")"

  defp expression({:and, a, b}), do: "(#{expression(a)} && #{expression(b)})"
  defp expression({:or, a, b}), do: "(#{expression(a)} || #{expression(b)})"
  defp expression({:throw, a}), do: "throw(#{expression(a)})"
  defp expression({:size, a}), do: "tuple_size(#{expression(a)})"
end
