defmodule BeamScope.Test.Lines.Grammar do
  @moduledoc false
  # Small programs, drawn with the process's seed: data that `Printer` writes as Elixir, one expression a line, and `Interpreter` runs.
  #
  #     statement   {:do, expression} | {:set, name, value} | {:match, pattern, expression}
  #     value       {:e, expression} | a construct: case, cond, with, try, for, reduce, if, fn
  #     function    {name, [clause]}, clause {parameters, guard, body}

  @names ~w(a b c d x y z count)a

  @doc "A module of three functions. `run/2` calls itself with a second argument that gets less, so that it ends."
  def program(size) do
    %{
      run: [
        {[{:var, :a}, {:var, :n}], {:less, {:var, :n}, {:int, 1}}, body(div(size, 2), [:a, :n], false)},
        {[pattern(), {:var, :n}], nil, body(div(size, 2), [:n], true)},
        {[{:var, :a}, {:var, :n}], nil, body(size, [:a, :n], true)}
      ],
      inc: [{[{:var, :v}], nil, [{:do, {:op, :+, {:var, :v}, {:int, 1}}}]}],
      pair: [
        {[{:tuple, [{:var, :l}, :any]}], nil, [{:set, :k, {:e, {:var, :l}}}, {:do, {:var, :k}}]},
        {[{:var, :o}], nil, [{:do, {:tuple, [{:var, :o}, {:var, :o}]}}]}
      ]
    }
  end

  # `calls?`: whether it may call `run`; `variables`: what is bound, the last one first.
  defp body(size, variables, calls?) do
    {statements, _} =
      Enum.map_reduce(1..Enum.random(1..3), variables, fn _, variables ->
        statement(size, variables, calls?)
      end)

    statements
  end

  defp statement(size, variables, calls?) do
    case :rand.uniform(10) do
      n when n <= 2 ->
        {{:do, expression(2, variables, calls?)}, variables}

      n when n <= 4 ->
        name = Enum.random(@names)
        {{:set, name, {:e, expression(2, variables, calls?)}}, [name | variables]}

      5 ->
        {pattern, names} = matching(2)
        {{:match, pattern, expression(2, variables, calls?)}, names ++ variables}

      6 when size > 0 ->
        {{:do, {:value, construct(size - 1, variables, calls?)}}, variables}

      _ ->
        name = Enum.random(@names)

        value =
          if size > 0,
            do: construct(size - 1, variables, calls?),
            else: {:e, expression(2, variables, calls?)}

        {{:set, name, value}, [name | variables]}
    end
  end

  defp construct(size, variables, calls?) do
    inside = fn names -> body(size, names ++ variables, calls?) end

    case :rand.uniform(9) do
      1 ->
        {:case, expression(2, variables, calls?), clauses(inside, variables)}

      2 ->
        {:cond,
         for(_ <- 1..2, do: {test(variables), inside.([])}) ++
           if(:rand.uniform(3) > 1, do: [{{:atom, true}, inside.([])}], else: [])}

      3 ->
        with_(inside, variables, calls?)

      4 ->
        {:try, inside.([]), handlers(inside), if(:rand.uniform(2) == 1, do: inside.([]))}

      5 ->
        for_(inside, variables)

      6 ->
        reduce(inside, variables)

      7 ->
        {:if, Enum.random([:if, :unless]), test(variables), inside.([]), inside.([])}

      8 ->
        {:fn, clauses(inside, variables), leaf(variables)}

      9 ->
        {:if, :if, test(variables), inside.([]), inside.([])}
    end
  end

  defp clauses(inside, variables) do
    some =
      for _ <- 1..Enum.random(1..3) do
        {pattern, names} = matching(2)
        {pattern, guard(names ++ variables), inside.(names)}
      end

    if :rand.uniform(5) == 1, do: some, else: some ++ [{:any, nil, inside.([])}]
  end

  defp with_(inside, variables, calls?) do
    {steps, names} =
      Enum.map_reduce(1..Enum.random(1..3), [], fn _, names ->
        {pattern, more} = matching(1)
        kind = if :rand.uniform(4) == 1, do: :=, else: :<-
        {{kind, pattern, expression(1, names ++ variables, calls?)}, more ++ names}
      end)

    {:with, steps, inside.(names), if(:rand.uniform(2) == 1, do: clauses(inside, variables))}
  end

  defp handlers(inside) do
    Enum.random([
      [{:rescue, :any, inside.([])}],
      [{:rescue, ArithmeticError, inside.([])}, {:catch, :throw, :t, inside.([:t])}],
      [{:catch, :throw, :t, inside.([:t])}],
      [{:rescue, MatchError, inside.([])}, {:rescue, ArithmeticError, inside.([])}]
    ])
  end

  defp for_(inside, variables) do
    {pattern, names} = matching(1)
    filter = if :rand.uniform(2) == 1, do: test(names ++ variables)
    {:for, pattern, list(variables), filter, Enum.random([nil, nil, :map_set]), inside.(names)}
  end

  defp reduce(inside, variables) do
    {pattern, names} = matching(1)
    {:reduce, pattern, list(variables), expression(1, variables, false), :acc, inside.([:acc | names])}
  end

  # Patterns

  defp pattern, do: elem(matching(2), 0)

  defp matching(size) do
    pattern = draw_pattern(size)
    {pattern, names(pattern)}
  end

  defp draw_pattern(0),
    do: Enum.random([{:var, Enum.random(@names)}, {:var, Enum.random(@names)}, :any, {:int, 1}, {:atom, :ok}])

  defp draw_pattern(size) do
    case :rand.uniform(8) do
      n when n <= 3 -> {:var, Enum.random(@names)}
      4 -> {:tuple, distinct([draw_pattern(size - 1), draw_pattern(0)])}
      5 -> {:cons, {:var, :h}, {:var, :t}}
      6 -> {:tuple, [{:atom, :ok}, {:var, Enum.random(@names)}]}
      7 -> {:map, [{:k, {:var, Enum.random(@names)}}]}
      8 -> {:alias, {:tuple, [{:var, :p}, :any]}, {:var, :q}}
    end
  end

  # A name that stands twice asks for equal values: of two patterns only one may have it.
  defp distinct([one, other]),
    do: if(names(one) -- names(one) -- names(other) == [], do: [one, other], else: [one, :any])

  defp names({:var, name}), do: [name]
  defp names({:tuple, parts}), do: Enum.flat_map(parts, &names/1)
  defp names({:cons, head, tail}), do: names(head) ++ names(tail)
  defp names({:map, pairs}), do: Enum.flat_map(pairs, fn {_, pattern} -> names(pattern) end)
  defp names({:alias, one, other}), do: names(one) ++ names(other)
  defp names(_), do: []

  # Expressions of one line

  defp expression(0, variables, _calls?), do: leaf(variables)

  defp expression(size, variables, calls?) do
    sub = fn -> expression(size - 1, variables, calls?) end

    case :rand.uniform(17) do
      1 -> {:op, Enum.random([:+, :-, :*]), sub.(), sub.()}
      2 -> {:op, :+, number(variables), {:int, 1}}
      3 -> {:op, :div, number(variables), number(variables)}
      4 -> {:tuple, [sub.(), sub.()]}
      5 -> {:tuple, [{:atom, :ok}, sub.()]}
      6 -> {:list, [sub.(), sub.()]}
      7 -> {:cons, sub.(), {:list, []}}
      8 -> {:map, [{:k, sub.()}]}
      9 -> {:call, :inc, [sub.()]}
      10 -> {:pipe, sub.(), Enum.random([[:inc], [:pair], [:inc, :pair]])}
      11 -> {:and, leaf(variables), {:call, :pair, [leaf(variables)]}}
      12 -> {:or, leaf(variables), {:call, :pair, [leaf(variables)]}}
      13 when calls? -> {:call, :run, [sub.(), {:op, :-, {:var, :n}, {:int, 1}}]}
      14 -> {:throw, leaf(variables)}
      15 -> {:size, sub.()}
      _ -> leaf(variables)
    end
  end

  defp number(variables), do: Enum.random([{:int, 0}, {:int, 3}, leaf(variables)])
  defp leaf([]), do: {:int, 7}

  defp leaf(variables),
    do:
      Enum.random([
        {:var, Enum.random(variables)},
        {:var, Enum.random(variables)},
        {:int, Enum.random(0..3)},
        {:atom, Enum.random([nil, :ok, false])}
      ])

  defp list(variables), do: {:list, for(_ <- 1..Enum.random(1..4), do: expression(1, variables, false))}

  defp test(variables),
    do:
      Enum.random([
        {:less, leaf(variables), leaf(variables)},
        {:equal, leaf(variables), {:int, 1}},
        leaf(variables)
      ])

  defp guard(variables), do: if(:rand.uniform(3) == 1, do: {:less, leaf(variables), leaf(variables)})

  @doc "Arguments for `run/2`."
  def inputs do
    firsts = [0, 1, 5, :ok, {:ok, 3}, {1, 2}, [1, 2, 3], [], %{k: 4}, nil, {{1, 2}, 1}]
    for _ <- 1..6, do: [Enum.random(firsts), Enum.random(0..2)]
  end
end
