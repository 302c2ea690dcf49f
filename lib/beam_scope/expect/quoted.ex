defmodule BeamScope.Expect.Quoted do
  @moduledoc false
  # Patterns as code for other eyes than the core's: pins that are evaluated once, and the tree that ExUnit's own diff reads.

  alias BeamScope.Pattern.Compiler

  @doc """
  Code with each pinned expression taken out, and the assignments that evaluate it: its value is wanted twice, by the core
  and by a failure's message.
  """
  def hoist(ast, assignments) do
    Macro.prewalk(ast, assignments, fn
      {:^, meta, [expr]}, assignments ->
        {var, assignments} = pinned(expr, assignments)
        {{:^, meta, [var]}, assignments}

      other, assignments ->
        {other, assignments}
    end)
  end

  defp pinned({name, _, context} = var, done) when is_atom(name) and is_atom(context), do: {var, done}

  # Under the name that a reader of the diff expects: what was written.
  defp pinned(expr, done) do
    var =
      expr |> Macro.to_string() |> String.slice(0, 100) |> String.to_atom() |> Macro.unique_var(__MODULE__)

    {var, done ++ [quote(do: unquote(var) = unquote(expr))]}
  end

  @doc """
  A pattern as `ExUnit.Diff` reads it: macros other than Kernel's expanded, since it would expand and evaluate them where
  they are not known.
  """
  def left(pattern, env), do: pattern |> expand(%{env | context: :match}) |> plain() |> Macro.escape()

  @doc "All guards of some patterns: as text and as one tree, `nil` where there is none or none that ExUnit could evaluate."
  def guards(asts, env) do
    case for {_, [_ | _] = guards} <- Enum.map(asts, &Compiler.split_when/1), do: guards do
      [] -> nil
      lists -> {lists |> Enum.map(&alternatives/1) |> text(), lists |> tree(env) |> Macro.escape()}
    end
  end

  defp alternatives(guards), do: Enum.map_join(guards, " when ", &Macro.to_string/1)

  defp text([one]), do: one
  defp text(several), do: Enum.map_join(several, " and ", &"(#{&1})")

  defp tree(lists, env) do
    lists
    |> Enum.map(fn guards -> Enum.reduce(Enum.reverse(guards), &{:when, [], [&1, &2]}) end)
    |> Enum.reduce(&{:and, [], [&2, &1]})
    |> expand(%{env | context: :guard})
    |> plain()
    |> evaluable(env)
  end

  # ExUnit evaluates guards in an empty environment: only what Kernel and :erlang have is known there.
  defp evaluable(ast, env) do
    {_, known?} = Macro.prewalk(ast, true, fn node, known? -> {node, known? and known?(node, env)} end)
    if known?, do: ast
  end

  defp known?({{:., _, [module, _]}, _, args}, _env) when is_list(args),
    do: module == :erlang or match?({_, _, _}, module)

  defp known?({:., _, _}, _env), do: true
  defp known?({:^, _, _}, _env), do: false
  defp known?({name, _, args}, env) when is_atom(name) and is_list(args), do: kernel?(name, length(args), env)
  defp known?(_node, _env), do: true

  defp kernel?(name, arity, env) do
    Macro.special_form?(name, arity) or name in [:when, :|] or
      match?([{_, Kernel} | _], Macro.Env.lookup_import(env, {name, arity}))
  end

  defp expand(ast, env) do
    Macro.prewalk(ast, fn
      {:^, _, _} = pin ->
        pin

      {name, _, args} = call when is_atom(name) and is_list(args) ->
        expand_call(call, name, length(args), env)

      {{:., _, _}, _, args} = call when is_list(args) ->
        Macro.expand(call, env)

      other ->
        other
    end)
  end

  defp expand_call(call, name, arity, env) do
    if name not in [:@, :__aliases__] and kernel?(name, arity, env), do: call, else: Macro.expand(call, env)
  end

  # Of the metadata only what changes the meaning. Values without a quoted form are quoted here.
  defp plain(ast) do
    Macro.prewalk(ast, fn
      {name, meta, args} when is_list(meta) -> {name, Keyword.take(meta, [:counter, :no_parens]), args}
      map when is_map(map) -> Macro.escape(map)
      other -> other
    end)
  end

  @doc "Pinned variables, and others from around the patterns that guards use, as ExUnit's diff wants them: `{id, variable}`."
  def pins(patterns, bound, env) do
    guards = Enum.map(patterns, &(&1 |> Compiler.split_when() |> elem(1)))
    around = for {id, var} <- variables(guards), id not in bound, Macro.Env.has_var?(env, id), do: {id, var}
    Map.to_list(Map.new(variables(pinned(patterns)) ++ around))
  end

  defp pinned(patterns), do: for({:^, _, [var]} <- nodes(patterns), do: var)

  defp variables(ast) do
    for {name, meta, context} = var <- nodes(ast),
        is_atom(name) and is_atom(context) and name != :_,
        do: {{name, Keyword.get(meta, :counter, context)}, var}
  end

  defp nodes(ast) do
    {_, nodes} = Macro.prewalk(ast, [], &{&1, [&1 | &2]})
    Enum.reverse(nodes)
  end
end
