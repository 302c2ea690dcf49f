defmodule BeamScope.Pattern.Compiler do
  @moduledoc false
  # From quoted Elixir to quoted pattern data, in two steps: `head/2` builds a plain tree whose literals are still
  # quoted (`{:lit, ast}`), since pins are known only at run time; `emit/1` quotes the tree itself.

  alias BeamScope.Pattern.{Binary, Guard}

  # `vars` are the variables met so far with their names in the data, `order` those names, `asts` the variables as they were
  # written, both the latest first. `own` are the variables that the user wrote, where that is known.
  defstruct [:env, :own, vars: %{}, order: [], asts: []]

  @allowed "allowed are literals, variables, `_`, pins, tuples, lists, `[head | tail]`, maps, structs, binaries, `a = b`, " <>
             "module attributes, and macros and sigils that expand to these"

  @doc "The quoted data and the names that a match binds."
  def translate(expr, env) do
    {data, state} = next(expr, %__MODULE__{env: env})
    {data, state.order |> Enum.reverse() |> Enum.reject(&hidden?/1)}
  end

  defp hidden?(name), do: match?("_" <> _, Atom.to_string(name))

  # ---- several patterns that share their variables ----

  @doc """
  A state for several patterns with the same variables. `sources` is what the user wrote: only variables that stand there
  are `bound/1` by a match, and no macro's variable takes the name of one of them.
  """
  def start(sources, env), do: %__MODULE__{env: env, own: written(sources)}

  defp written(sources) do
    {_, ids} =
      Macro.prewalk(sources, MapSet.new(), fn
        {name, meta, context} = ast, ids when is_atom(name) and is_atom(context) ->
          {ast, MapSet.put(ids, id(name, meta, context))}

        ast, ids ->
          {ast, ids}
      end)

    ids
  end

  @doc "The quoted data of the next pattern; what earlier ones bound, its guard may use and its head must equal."
  def next(expr, state) do
    {pattern, guards} = split_when(expr)
    {head, state} = head(pattern, state)
    {data(emit(head), Guard.translate(guards, state)), state}
  end

  @doc """
  The quoted data of one pattern over several terms that are asked together: `{:tuple, heads}`.
  Each may have a guard; all guards hold or the whole does not match.
  """
  def next_tuple(exprs, state) do
    {heads, {guards, state}} = Enum.map_reduce(exprs, {[], state}, &part/2)
    {data({:tuple, heads}, guards |> Enum.reverse() |> all(state)), state}
  end

  defp part(expr, {guards, state}) do
    {pattern, more} = split_when(expr)
    {head, state} = head(pattern, state)
    {emit(head), {if(more == [], do: guards, else: [more | guards]), state}}
  end

  # Asked after all heads, so that each guard may use what any of them binds.
  defp all([], _state), do: nil

  defp all(guards, state) do
    guards |> Enum.map(&Guard.translate(&1, state)) |> Enum.reduce(&{:op, :andalso, [&2, &1]})
  end

  defp data(head, guard), do: {:{}, [], [:pattern, head, emit_guard(guard)]}

  @doc "What a match binds, in order: the variables' names in the data, and the variables as the user wrote them."
  def bound(%__MODULE__{own: own, asts: asts}) do
    for {name, {var, meta, context} = ast} <- Enum.reverse(asts),
        MapSet.member?(own, id(var, meta, context)),
        not hidden?(name),
        do: {name, ast}
  end

  @doc "A pattern and its guards, of which several are alternatives."
  def split_when({:when, _, [pattern, guards]}), do: {pattern, when_list(guards)}
  def split_when({:__block__, _, [single]}), do: split_when(single)
  def split_when(pattern), do: {pattern, []}

  defp when_list({:when, _, [first, rest]}), do: [first | when_list(rest)]
  defp when_list(guard), do: [guard]

  @doc "Reports what cannot be data, at its line."
  def error(ast, state, message) do
    raise CompileError, file: state.env.file, line: line(ast, state.env), description: message
  end

  defp line({_, meta, _}, env) when is_list(meta), do: Keyword.get(meta, :line, env.line)
  defp line(_, env), do: env.line

  # ---- heads ----

  @doc "Translates one pattern; the state carries the variables bound so far, left to right."
  def head({:__block__, _, [single]}, state), do: head(single, state)
  def head({:_, _, context}, state) when is_atom(context), do: {:any, state}
  def head({:^, _, [expr]}, state), do: {{:lit, expr}, state}

  def head({:=, _, [left, right]}, state) do
    {left, state} = head(left, state)
    {right, state} = head(right, state)
    {{:as, left, right}, state}
  end

  def head({left, right}, state), do: tuple([left, right], state)
  def head({:{}, _, elements}, state), do: tuple(elements, state)
  def head(list, state) when is_list(list), do: list(list, state)
  def head({:%{}, _, _} = map, state), do: map(map, [], state)
  def head({:%, _, [name, map]} = struct, state), do: struct(struct, name, map, state)
  def head({:<<>>, _, segments} = ast, state), do: Binary.translate(segments, ast, state)
  def head({:++, _, [left, right]} = ast, state), do: append(left, right, ast, state)

  def head({sign, _, [number]}, state) when sign in [:-, :+] and is_number(number),
    do: signed(sign, number, state)

  def head({:@, _, _} = ast, state), do: attribute(ast, state)

  def head({name, meta, context} = ast, state) when is_atom(name) and is_atom(context) do
    case Macro.expand(ast, match_env(state)) do
      ^ast -> var(id(name, meta, context), ast, state)
      expanded -> head(expanded, state)
    end
  end

  def head({_, _, _} = ast, state), do: expanded(ast, state)

  # Macros may put values into the tree that have no quoted form of their own (a %Regex{} before OTP 28).
  def head(map, state) when is_map(map), do: head(Macro.escape(map), state)
  def head(literal, state), do: {{:lit, literal}, state}

  defp expanded(ast, state) do
    case Macro.expand(ast, match_env(state)) do
      ^ast -> error(ast, state, "#{Macro.to_string(ast)} cannot stand in a pattern: #{@allowed}")
      other -> head(other, state)
    end
  rescue
    error in ArgumentError -> error(ast, state, Exception.message(error))
  end

  defp match_env(%{env: env}), do: %{env | context: :match}

  defp signed(:-, number, state), do: {{:lit, {:-, [], [number]}}, state}
  defp signed(:+, number, state), do: {{:lit, number}, state}

  # What tells two variables of one name apart: which macro they come from.
  defp id(name, meta, context), do: {name, Keyword.get(meta, :counter, context)}

  # Names a variable in the data. Variables of macros may share their name with the user's: those get a number.
  defp var({name, _} = id, ast, state) do
    case state.vars do
      %{^id => known} ->
        {{:var, known}, state}

      vars ->
        data_name = if taken?(name, id, state), do: :"_#{name}@#{map_size(vars)}", else: name
        state = %{state | vars: Map.put(vars, id, data_name), order: [data_name | state.order]}
        {{:var, data_name}, %{state | asts: [{data_name, ast} | state.asts]}}
    end
  end

  defp taken?(name, id, %{order: order, own: own}) do
    name in order or (own != nil and not MapSet.member?(own, id) and Enum.any?(own, &match?({^name, _}, &1)))
  end

  defp tuple(elements, state) do
    {heads, state} = heads(elements, state)
    {{:tuple, heads}, state}
  end

  defp heads(asts, state), do: Enum.map_reduce(asts, state, &head/2)

  defp list([], state), do: {{:lit, []}, state}

  defp list(elements, state) do
    {init, [last]} = Enum.split(elements, -1)

    case last do
      {:|, _, [before_tail, tail]} ->
        {heads, state} = heads(init ++ [before_tail], state)
        {tail, state} = head(tail, state)
        {{:cons, heads, tail}, state}

      _ ->
        {heads, state} = heads(elements, state)
        {{:list, heads}, state}
    end
  end

  defp append(left, right, ast, state) do
    case Macro.expand(left, match_env(state)) do
      list when is_list(list) ->
        {heads, state} = heads(list, state)
        {tail, state} = head(right, state)
        {if(heads == [], do: tail, else: {:cons, heads, tail}), state}

      _ ->
        error(ast, state, "the left side of `++` in a pattern must be a list written out")
    end
  end

  # Within a function an attribute expands to its value. In a module's body it is known only when the body runs.
  defp attribute(ast, %{env: %{function: nil, module: module}} = state) when module != nil,
    do: {{:term, ast}, state}

  defp attribute(ast, state), do: expanded(ast, state)

  # ---- maps and structs ----

  defp map({:%{}, _, [{:|, _, _} | _]} = ast, _known, state) do
    error(ast, state, "a map update cannot stand in a pattern: #{@allowed}")
  end

  defp map({:%{}, _, pairs}, known, state) do
    {pairs, state} = Enum.map_reduce(pairs, state, &pair/2)
    {{:map, known ++ pairs}, state}
  end

  defp pair({key, value}, state) do
    {key_head, state} = head(key, state)

    key =
      literal(key_head) ||
        error(
          key,
          state,
          "the keys of a map pattern must be literals or pinned, #{Macro.to_string(key)} is neither"
        )

    {value, state} = head(value, state)
    {{key, value}, state}
  end

  defp pair(other, state), do: error(other, state, "#{Macro.to_string(other)} is no pair of a map pattern")

  # The quoted term that a head without variables stands for, or nil.
  defp literal({kind, ast}) when kind in [:lit, :term], do: {:quoted, ast}
  defp literal({:tuple, heads}), do: with_literals(heads, &{:{}, [], &1})
  defp literal({:list, heads}), do: with_literals(heads, & &1)
  defp literal({:map, pairs}), do: map_literal(pairs)
  defp literal({:bin, segments}), do: Binary.literal(segments)
  defp literal(_), do: nil

  defp map_literal(pairs) do
    keys = Enum.map(pairs, fn {{:quoted, key}, _} -> key end)
    with_literals(Enum.map(pairs, &elem(&1, 1)), &{:%{}, [], Enum.zip(keys, &1)})
  end

  defp with_literals(heads, build) do
    literals = Enum.map(heads, &literal/1)
    if nil in literals, do: nil, else: {:quoted, build.(Enum.map(literals, fn {:quoted, ast} -> ast end))}
  end

  defp struct(ast, name, {:%{}, _, _} = map, state) do
    {name, state} = struct_name(name, state)
    check_fields(name, map, ast, state)
    map(map, [{{:quoted, :__struct__}, name}], state)
  end

  defp struct(ast, _, _, state), do: error(ast, state, "#{Macro.to_string(ast)} is no struct pattern")

  defp struct_name(name, state) do
    case head(name, state) do
      {:any, state} -> {:atom, state}
      {{:var, _} = var, state} -> {{:as, var, :atom}, state}
      {{:lit, _}, _} = known -> known
      _ -> error(name, state, "a struct's name in a pattern must be a module, a variable, a pin or `_`")
    end
  end

  defp check_fields({:lit, module}, {:%{}, _, pairs}, ast, state) when is_atom(module) do
    known = module |> fields(ast, state) |> MapSet.new()

    for {field, _} <- pairs, not MapSet.member?(known, field) do
      error(ast, state, "unknown key #{inspect(field)} for struct #{inspect(module)}")
    end
  end

  defp check_fields(_, _, _, _), do: :ok

  defp fields(module, ast, %{env: env} = state) do
    module |> Macro.struct!(%{env | context: nil}) |> Map.keys()
  rescue
    error in CompileError ->
      error(ast, state, error.description)

    _ in [ArgumentError, UndefinedFunctionError] ->
      error(ast, state, "#{inspect(module)} is no struct that is known here")
  end

  # ---- quoting the tree ----

  @doc "The quoted form of a head."
  def emit(atom) when is_atom(atom), do: atom
  def emit({:lit, ast}), do: {:lit, ast}
  def emit({:term, ast}), do: quote(do: BeamScope.Pattern.head(unquote(ast), :literal))
  def emit({:var, name}), do: {:var, name}
  def emit({:tuple, heads}), do: {:tuple, Enum.map(heads, &emit/1)}
  def emit({:list, heads}), do: {:list, Enum.map(heads, &emit/1)}
  def emit({:cons, heads, tail}), do: quoted([:cons, Enum.map(heads, &emit/1), emit(tail)])
  def emit({:as, left, right}), do: quoted([:as, emit(left), emit(right)])
  def emit({:map, pairs}), do: {:map, for({{:quoted, key}, value} <- pairs, do: {key, emit(value)})}
  def emit({:bin, segments}), do: {:bin, Enum.map(segments, &emit_segment/1)}

  defp emit_segment({:seg, head, type, size, unit, sign, endian}) do
    quoted([:seg, emit(head), type, emit_guard(size), unit, sign, endian])
  end

  @doc "The quoted form of a guard, nil for none."
  def emit_guard(nil), do: nil
  def emit_guard({:lit, ast}), do: {:lit, ast}
  def emit_guard({:var, name}), do: {:var, name}
  def emit_guard({:op, name, args}), do: quoted([:op, name, Enum.map(args, &emit_guard/1)])

  def emit_guard({:in_term, left, members}) do
    quote(do: BeamScope.Pattern.in_term(unquote(emit_guard(left)), unquote(members)))
  end

  defp quoted(elements), do: {:{}, [], elements}
end
