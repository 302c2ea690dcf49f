defmodule BeamScope.Inference.Pattern do
  @moduledoc false
  # Patterns as text: of states by the paths of their fields, of messages by their kind.

  alias BeamScope.Opaque

  # What cannot be a variable.
  @reserved ~w(true false nil when and or not in fn do end catch rescue after else)

  @doc "A name for the variable of a field that is not among those taken."
  @spec variable(list, [String.t()]) :: String.t()
  def variable(path, taken) do
    base = path |> List.last() |> base()

    Enum.find(
      Stream.concat([base], Stream.map(Stream.iterate(2, &(&1 + 1)), &"#{base}_#{&1}")),
      &(&1 not in taken)
    )
  end

  defp base(nil), do: "state"
  defp base({:at, index, _arity}), do: "elem_#{index}"

  defp base({:key, key}) do
    text = key |> text() |> String.replace_prefix("Elixir.", "") |> Macro.underscore()
    text = text |> String.replace(~r/[^a-z0-9_]+/, "_") |> String.trim("_")

    cond do
      text == "" -> "value"
      text in @reserved or text =~ ~r/^[0-9]/ -> "value_" <> text
      true -> text
    end
  end

  defp text(%Opaque{text: text}), do: text
  defp text(atom), do: Atom.to_string(atom)

  @doc "The pattern that has these texts at the ends of these paths."
  @spec state([{list, String.t()}]) :: String.t()
  def state([{[], text}]), do: text

  def state([{[{:key, _} | _], _} | _] = leaves) do
    pairs = for {{:key, key}, below} <- group(leaves), do: key(key) <> " " <> state(below)
    "%{" <> Enum.join(pairs, ", ") <> "}"
  end

  def state([{[{:at, _, arity} | _], _} | _] = leaves) do
    below = Map.new(group(leaves), fn {{:at, index, _}, below} -> {index, state(below)} end)
    tuple(for index <- 0..(arity - 1), do: Map.get(below, index, "_"))
  end

  # By the first step, in the order in which each comes first.
  defp group(leaves) do
    below = Enum.group_by(leaves, fn {[step | _], _} -> step end, fn {[_ | rest], text} -> {rest, text} end)
    for {[step | _], _} <- Enum.uniq_by(leaves, fn {[step | _], _} -> step end), do: {step, below[step]}
  end

  defp key(key), do: Macro.inspect_atom(:key, key)

  @doc "The pattern of a kind of message; `args` are texts by their places in it."
  @spec message(tuple, %{pos_integer => String.t()}) :: String.t()
  def message(tag, args \\ %{})
  def message({:atom, atom}, _args), do: literal(atom)
  def message({:struct, module}, _args), do: "%{__struct__: #{literal(module)}}"

  def message({:tuple, head, arity}, args) do
    tuple([literal(head) | for(at <- 1..(arity - 1)//1, do: Map.get(args, at, "_"))])
  end

  defp tuple(parts), do: "{" <> Enum.join(parts, ", ") <> "}"

  @doc "A term as it is written in code."
  @spec literal(term) :: String.t()
  def literal(term) do
    inspect(term, limit: :infinity, printable_limit: :infinity, charlists: :as_lists, structs: false)
  end

  @doc "Whether a term would mean the same as a pattern: no map is in it."
  @spec exact?(term) :: boolean
  def exact?(map) when is_map(map), do: false
  def exact?(list) when is_list(list), do: Enum.all?(list, &exact?/1)
  def exact?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> exact?()
  def exact?(_other), do: true

  @doc "Whether everything in what was found can be written: names that this VM has no atom for cannot."
  @spec writable?(term) :: boolean
  def writable?(%Opaque{}), do: false
  def writable?(%_{} = struct), do: struct |> Map.from_struct() |> writable?()

  def writable?(map) when is_map(map),
    do: Enum.all?(map, fn {key, value} -> writable?(key) and writable?(value) end)

  def writable?(list) when is_list(list), do: Enum.all?(list, &writable?/1)
  def writable?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> writable?()
  def writable?(_other), do: true
end
