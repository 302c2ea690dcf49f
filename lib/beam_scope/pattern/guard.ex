defmodule BeamScope.Pattern.Guard do
  @moduledoc false
  # Guards, as Elixir has them, into `{:op, name, args}`: names and argument order are those of the `:erlang` module.
  # Macros are expanded first, so `is_struct/2`, `in` over a range and guards made by `defguard` come for free.

  alias BeamScope.Pattern.Compiler

  @same for name <-
              ~w(is_atom is_binary is_bitstring is_boolean is_float is_function is_integer is_list is_map is_number)a ++
                ~w(is_pid is_port is_reference is_tuple abs bit_size byte_size ceil floor hd length map_size not)a ++
                ~w(round tl trunc tuple_size == < > >= + -)a,
            do: {{name, 1}, name}

  @binary [
    {{:==, 2}, :==},
    {{:!=, 2}, :"/="},
    {{:===, 2}, :"=:="},
    {{:!==, 2}, :"=/="},
    {{:<, 2}, :<},
    {{:<=, 2}, :"=<"},
    {{:>, 2}, :>},
    {{:>=, 2}, :>=},
    {{:+, 2}, :+},
    {{:-, 2}, :-},
    {{:*, 2}, :*},
    {{:/, 2}, :/},
    {{:div, 2}, :div},
    {{:rem, 2}, :rem},
    {{:max, 2}, :max},
    {{:min, 2}, :min},
    {{:is_function, 2}, :is_function},
    {{:binary_part, 3}, :binary_part}
  ]

  @kernel Map.drop(Map.new(@same ++ @binary), [{:==, 1}, {:<, 1}, {:>, 1}, {:>=, 1}])

  @bitwise %{
    {:band, 2} => :band,
    {:&&&, 2} => :band,
    {:bor, 2} => :bor,
    {:|||, 2} => :bor,
    {:bxor, 2} => :bxor,
    {:"^^^", 2} => :bxor,
    {:bnot, 1} => :bnot,
    {:"~~~", 1} => :bnot,
    {:bsl, 2} => :bsl,
    {:<<<, 2} => :bsl,
    {:bsr, 2} => :bsr,
    {:>>>, 2} => :bsr
  }

  @erlang Map.merge(
            Map.new(for {{_, arity}, op} <- @kernel, do: {{op, arity}, op}),
            Map.new(
              [
                andalso: 2,
                orelse: 2,
                and: 2,
                or: 2,
                xor: 2,
                element: 2,
                is_map_key: 2,
                map_get: 2,
                float: 1,
                size: 1
              ] ++
                [band: 2, bor: 2, bxor: 2, bnot: 1, bsl: 2, bsr: 2],
              fn {op, arity} -> {{op, arity}, op} end
            )
          )

  @allowed "allowed are comparisons, arithmetic, bit operations, `and`, `or`, `not`, `in`, `is_*`, `map.field`, `hd`, `tl`, `elem`, " <>
             "`length`, `tuple_size`, `map_size`, `byte_size`, `bit_size`, `abs`, `round`, `trunc`, `ceil`, `floor`, `min`, `max` and " <>
             "guards defined with defguard"

  @doc "Translates the guards of a pattern; several `when`s are alternatives."
  def translate([], _state), do: nil
  def translate([guard], state), do: expr(guard, state)
  def translate(guards, state), do: {:op, :when, Enum.map(guards, &expr(&1, state))}

  @doc "Translates one guard expression."
  def expr({:__block__, _, [single]}, state), do: expr(single, state)
  def expr({:^, _, [pinned]}, _state), do: {:lit, pinned}
  def expr({:in, _, [left, right]} = ast, state), do: member(left, right, ast, state)
  def expr({:@, _, _} = ast, state), do: constant(ast, state)

  def expr({name, meta, context} = ast, state) when is_atom(name) and is_atom(context) do
    case Macro.expand(ast, guard_env(state)) do
      ^ast -> variable({name, Keyword.get(meta, :counter, context)}, ast, state)
      expanded -> expr(expanded, state)
    end
  end

  def expr({{:., _, [left, field]}, _, []} = ast, state) when is_atom(field) do
    case Macro.expand(left, guard_env(state)) do
      module when is_atom(module) -> call(ast, state)
      _ -> {:op, :map_get, [{:lit, field}, expr(left, state)]}
    end
  end

  def expr({head, _, _} = ast, state) when head in [:{}, :%{}, :%, :<<>>], do: constant(ast, state)
  def expr({_, _, args} = ast, state) when is_list(args), do: call(ast, state)
  def expr(ast, state) when is_list(ast) or (is_tuple(ast) and tuple_size(ast) == 2), do: constant(ast, state)
  def expr(map, _state) when is_map(map), do: {:lit, Macro.escape(map)}
  def expr(literal, _state), do: {:lit, literal}

  defp guard_env(%{env: env}), do: %{env | context: :guard}

  # What the pattern binds, else what is around it, as in a `case`.
  defp variable({name, _} = id, ast, state) do
    cond do
      Map.has_key?(state.vars, id) -> {:var, Map.fetch!(state.vars, id)}
      Macro.Env.has_var?(state.env, id) -> {:lit, ast}
      true -> Compiler.error(ast, state, "undefined variable \"#{name}\" in the guard of a pattern")
    end
  end

  # ---- membership ----

  defp member(left, right, ast, state) do
    case Macro.expand(right, guard_env(state)) do
      list when is_list(list) -> {:op, :in, [expr(left, state) | members(list, state)]}
      {name, _, _} when name in [:.., :"..//", :%{}, :%] -> in_range(left, right, ast, state)
      other -> {:in_term, expr(left, state), outer(other, right, state)}
    end
  end

  defp members(list, state) do
    Enum.map(list, fn
      {:|, _, _} = ast -> Compiler.error(ast, state, "the right side of `in` must be a list without a tail")
      ast -> expr(ast, state)
    end)
  end

  defp in_range(left, right, ast, state) do
    if bound(right, state) == nil, do: {:in_term, expr(left, state), right}, else: expanded(ast, state)
  end

  # A list, range or set known only at run time; it cannot depend on what the pattern binds.
  defp outer(expanded, right, state) do
    case expr(expanded, state) do
      {:lit, ast} -> ast
      _ -> Compiler.error(right, state, "the right side of `in` cannot be bound by the pattern itself")
    end
  end

  # ---- calls ----

  defp expanded(ast, state) do
    case Macro.expand(ast, guard_env(state)) do
      ^ast ->
        Compiler.error(
          ast,
          state,
          "#{Macro.to_string(ast)} cannot stand in the guard of a pattern: #{@allowed}"
        )

      other ->
        expr(other, state)
    end
  end

  defp call(ast, state) do
    case Macro.expand(ast, guard_env(state)) do
      ^ast -> known_call(ast, state)
      other -> expr(other, state)
    end
  end

  defp known_call({{:., _, [module, name]}, _, args} = ast, state) when is_atom(name) do
    case Macro.expand(module, guard_env(state)) do
      module when is_atom(module) -> op(module, name, args, ast, state)
      _ -> expanded(ast, state)
    end
  end

  defp known_call({name, _, args} = ast, state) when is_atom(name) do
    case Macro.Env.lookup_import(state.env, {name, length(args)}) do
      [{:function, module} | _] -> op(module, name, args, ast, state)
      _ -> expanded(ast, state)
    end
  end

  defp known_call(ast, state), do: expanded(ast, state)

  defp op(module, name, [], ast, _state) when module in [Kernel, :erlang] and name in [:self, :node],
    do: {:lit, ast}

  defp op(Kernel, :elem, [tuple, index], _, state),
    do: {:op, :element, [successor(index, state), expr(tuple, state)]}

  defp op(Kernel, :is_map_key, [map, key], _, state),
    do: {:op, :is_map_key, [expr(key, state), expr(map, state)]}

  defp op(module, name, args, ast, state) do
    module |> table() |> Map.get({name, length(args)}) |> known_op(args, ast, state)
  end

  defp known_op(nil, _args, ast, state), do: expanded(ast, state)

  defp known_op(op, args, _ast, state) do
    args = Enum.map(args, &expr(&1, state))

    case {op, args} do
      {:-, [{:lit, number}]} when is_number(number) -> {:lit, -number}
      _ -> {:op, op, args}
    end
  end

  defp table(Kernel), do: @kernel
  defp table(:erlang), do: @erlang
  defp table(Bitwise), do: @bitwise
  defp table(_), do: %{}

  # `elem/2` counts from 0, `element/2` from 1.
  defp successor(index, _state) when is_integer(index), do: {:lit, index + 1}
  defp successor(index, state), do: {:op, :+, [expr(index, state), {:lit, 1}]}

  # ---- constants ----

  # A tuple, list, map or binary in a guard is taken as it stands; it cannot contain what the pattern binds.
  defp constant({:@, _, _} = ast, %{env: %{function: nil}}), do: {:lit, ast}
  defp constant({:@, _, _} = ast, state), do: {:lit, Macro.expand(ast, guard_env(state))}

  defp constant(ast, state) do
    case bound(ast, state) do
      nil ->
        {:lit, ast}

      name ->
        Compiler.error(
          ast,
          state,
          "a guard of a pattern cannot build a term from the variable #{name}; compare its parts"
        )
    end
  end

  # A variable in the expression that the pattern binds, if there is one.
  defp bound(ast, state) do
    {_, found} =
      Macro.prewalk(ast, nil, fn
        {name, meta, context} = node, found when is_atom(name) and is_atom(context) ->
          {node,
           if(Map.has_key?(state.vars, {name, Keyword.get(meta, :counter, context)}), do: name, else: found)}

        node, found ->
          {node, found}
      end)

    found
  end
end
