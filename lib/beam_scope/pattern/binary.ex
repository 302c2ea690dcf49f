defmodule BeamScope.Pattern.Binary do
  @moduledoc false
  # The segments of a binary pattern: `<<value::modifiers>>` into `{:seg, head, type, size, unit, sign, endian}`.

  alias BeamScope.Pattern.{Compiler, Guard}

  @types %{
    integer: :integer,
    float: :float,
    binary: {:binary, 8},
    bytes: {:binary, 8},
    bitstring: {:binary, 1},
    bits: {:binary, 1},
    utf8: :utf8,
    utf16: :utf16,
    utf32: :utf32
  }

  @doc "Translates `<<segments>>`."
  def translate(segments, ast, state) do
    {segments, {state, _here}} = Enum.map_reduce(segments, {state, %{}}, &segment/2)
    check_rest(segments, ast, state)
    {{:bin, List.flatten(segments)}, state}
  end

  # `here` is what this binary has bound so far: only that, and what is around the pattern, may appear in a size.
  defp segment({:"::", _, [value, modifiers]} = ast, {state, here}) do
    spec = modifiers |> modifiers(%{}, %{state | vars: here}) |> defaults(value)
    build(value, spec, ast, {state, here})
  end

  defp segment(value, acc), do: build(value, defaults(%{}, value), value, acc)

  # `"a" <> <<b, rest::binary>>` and binaries within binaries are one.
  defp build({:<<>>, _, inner}, %{type: type, size: nil}, ast, {state, here}) when type in [:none, :binary] do
    {{:bin, segments}, state} = translate(inner, ast, state)
    {segments, {state, here}}
  end

  defp build(value, spec, ast, {state, here}) do
    known = state.vars
    {head, state} = Compiler.head(value, state)
    here = Map.merge(here, Map.drop(state.vars, Map.keys(known)))
    {seg(check(head, ast, state), spec, ast, state), {state, here}}
  end

  defp check(:any, _, _), do: :any
  defp check({kind, _} = head, _, _) when kind in [:lit, :var], do: head

  defp check(_, ast, state) do
    Compiler.error(ast, state, "a binary segment in a pattern must be a literal, a variable, a pin or `_`")
  end

  # A string written out: as many bytes as it has in its encoding.
  defp seg({:lit, text}, %{type: type} = spec, _ast, _state)
       when is_binary(text) and type in [:binary, :utf8, :utf16, :utf32] do
    encoded = encode(text, type, spec)
    {:seg, {:lit, encoded}, :binary, {:lit, byte_size(encoded)}, 8, :unsigned, :big}
  end

  # A pinned binary without a size: its own size.
  defp seg({:lit, pinned}, %{type: :binary, size: nil, unit: unit}, _ast, _state) when unit in [1, 8] do
    size = quote(do: bit_size(unquote(pinned)))
    {:seg, {:lit, pinned}, :binary, {:lit, size}, 1, :unsigned, :big}
  end

  defp seg(head, spec, ast, state) do
    if spec.type == :float and
         match?({:lit, size} when is_integer(size) and size not in [16, 32, 64], spec.size) do
      Compiler.error(ast, state, "a float segment has 16, 32 or 64 bits")
    end

    {:seg, head, spec.type, spec.size, spec.unit, spec.sign, spec.endian}
  end

  defp encode(text, :utf16, spec), do: :unicode.characters_to_binary(text, :utf8, {:utf16, endian(spec)})
  defp encode(text, :utf32, spec), do: :unicode.characters_to_binary(text, :utf8, {:utf32, endian(spec)})
  defp encode(text, _, _), do: text

  defp endian(%{endian: :native}), do: if(<<1::16-native>> == <<1::16-little>>, do: :little, else: :big)
  defp endian(%{endian: endian}), do: endian

  defp check_rest(segments, ast, state) do
    open? = fn
      {:seg, _, :binary, nil, _, _, _} -> true
      _ -> false
    end

    if segments |> List.flatten() |> Enum.drop(-1) |> Enum.any?(open?) do
      Compiler.error(
        ast,
        state,
        "a binary segment without size is only allowed at the end of a binary pattern"
      )
    end
  end

  # ---- modifiers ----

  defp modifiers({:-, _, [left, right]}, spec, state),
    do: modifiers(right, modifiers(left, spec, state), state)

  defp modifiers({:*, _, [size, unit]}, spec, state) when is_integer(unit) do
    Map.merge(spec, %{size: size(size, state), unit: unit})
  end

  defp modifiers({:size, _, [size]}, spec, state), do: Map.put(spec, :size, size(size, state))
  defp modifiers({:unit, _, [unit]}, spec, _state) when is_integer(unit), do: Map.put(spec, :unit, unit)
  defp modifiers(size, spec, state) when is_integer(size), do: Map.put(spec, :size, size(size, state))

  defp modifiers({name, _, args} = ast, spec, state) when is_atom(name) and args in [nil, []] do
    modifier(name, ast, spec, state)
  end

  defp modifiers({name, _, context} = ast, spec, state) when is_atom(name) and is_atom(context) do
    modifier(name, ast, spec, state)
  end

  defp modifiers({:@, _, _} = ast, spec, state), do: Map.put(spec, :size, size(ast, state))

  defp modifiers(ast, spec, state) do
    case Macro.expand(ast, %{state.env | context: nil}) do
      ^ast -> Compiler.error(ast, state, "unknown modifier in a binary pattern: #{Macro.to_string(ast)}")
      other -> modifiers(other, spec, state)
    end
  end

  defp modifier(name, _ast, spec, _state) when is_map_key(@types, name),
    do: Map.put(spec, :type, @types[name])

  defp modifier(name, _ast, spec, _state) when name in [:signed, :unsigned], do: Map.put(spec, :sign, name)

  defp modifier(name, _ast, spec, _state) when name in [:big, :little, :native],
    do: Map.put(spec, :endian, name)

  defp modifier(_name, ast, spec, state), do: Map.put(spec, :size, size(ast, state))

  defp size(ast, state), do: Guard.expr(ast, state)

  defp defaults(spec, value) do
    {type, unit} = type(Map.get(spec, :type), value)
    unit = Map.get(spec, :unit, unit)

    spec
    |> Map.merge(%{type: type, unit: unit, size: Map.get(spec, :size, default_size(type))})
    |> Map.put_new(:sign, :unsigned)
    |> Map.put_new(:endian, :big)
  end

  defp type({:binary, unit}, _), do: {:binary, unit}
  defp type(nil, text) when is_binary(text), do: {:binary, 8}
  defp type(nil, float) when is_float(float), do: {:float, 1}
  defp type(nil, {:<<>>, _, _}), do: {:none, 1}
  defp type(nil, _), do: {:integer, 1}
  defp type(type, _), do: {type, 1}

  defp default_size(:integer), do: {:lit, 8}
  defp default_size(:float), do: {:lit, 64}
  defp default_size(_), do: nil

  @doc "The quoted binary that segments of literals stand for, or nil. Used for the keys of map patterns."
  def literal(segments) do
    texts = for {:seg, {:lit, text}, :binary, _, _, _, _} when is_binary(text) <- segments, do: text
    if length(texts) == length(segments), do: {:quoted, IO.iodata_to_binary(texts)}, else: nil
  end
end
