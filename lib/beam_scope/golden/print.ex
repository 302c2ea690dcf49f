defmodule BeamScope.Golden.Print do
  @moduledoc false
  # Terms as Elixir source that is the same on every release of Elixir and OTP: inspect/2 orders maps and writes charlists
  # differently on different ones. A term stands on one line where it fits, else each of its parts on one of its own.

  alias BeamScope.Golden.Mark

  @width 98
  # Shorter lists of small numbers are far more often numbers than text.
  @charlist 4
  @bytes_a_line 20

  @doc "The term on one line."
  @spec flat(term) :: String.t()
  def flat(term), do: term |> tree() |> one_line() |> IO.iodata_to_binary()

  @doc "The term as it stands at a column, in a line that is indented so far."
  @spec layout(term, non_neg_integer, non_neg_integer) :: String.t()
  def layout(term, indent, column), do: term |> tree() |> lines(indent, column) |> IO.iodata_to_binary()

  @doc "Whether a text fits in what is left of a line."
  def fits?(text, column), do: String.length(text) + column <= @width

  # ---- what a term is made of: text, or `{open, parts, close}` ----

  defp tree(%Mark{kind: kind, args: args}), do: {"#{kind}(", Enum.map(args, &tree/1), ")"}

  defp tree(term) when is_binary(term),
    do: inspect(term, printable_limit: :infinity, limit: :infinity) |> bytes(term)

  defp tree(term) when is_bitstring(term), do: inspect(term, limit: :infinity, base: :decimal)
  defp tree(term) when is_list(term), do: list(term)
  defp tree(term) when is_tuple(term), do: {"{", term |> Tuple.to_list() |> Enum.map(&tree/1), "}"}
  defp tree(%module{} = term), do: structure(module, Map.from_struct(term))
  defp tree(term) when is_map(term), do: {"%{", pairs(sorted(term)), "}"}
  defp tree(term) when is_atom(term), do: inspect(term)
  defp tree(term) when is_integer(term), do: Integer.to_string(term)
  defp tree(term) when is_float(term), do: Float.to_string(term)
  defp tree(term), do: inspect(term)

  # Text is one line however long; bytes are not.
  defp bytes("<<" <> _, term), do: {"<<", for(<<byte <- term>>, do: Integer.to_string(byte)), ">>"}
  defp bytes(text, _term), do: text

  defp list([]), do: "[]"

  defp list(list) do
    cond do
      List.improper?(list) -> improper(list)
      charlist?(list) -> ["~c", inspect(List.to_string(list), printable_limit: :infinity)]
      keyword?(list) -> {"[", pairs(list), "]"}
      true -> {"[", Enum.map(list, &tree/1), "]"}
    end
  end

  defp improper(list) do
    {items, tail} = split(list, [])
    {init, [last]} = Enum.split(items, -1)
    {"[", Enum.map(init, &tree/1) ++ [[one_line(tree(last)), " | ", one_line(tree(tail))]], "]"}
  end

  defp split([item | rest], done), do: split(rest, [item | done])
  defp split(tail, done), do: {Enum.reverse(done), tail}

  defp charlist?(list), do: length(list) >= @charlist and Enum.all?(list, &(is_integer(&1) and &1 in 32..126))

  defp keyword?(list), do: Enum.all?(list, &(match?({key, _} when is_atom(key), &1) and plain?(elem(&1, 0))))

  # `Elixir.X` as a key reads as if it were something else.
  defp plain?(key), do: not String.starts_with?(Atom.to_string(key), "Elixir.")

  defp structure(module, fields) do
    case Atom.to_string(module) do
      "Elixir." <> _ -> {"%" <> inspect(module) <> "{", pairs(sorted(fields)), "}"}
      _ -> {"%{", pairs(sorted(fields) ++ [__struct__: module]), "}"}
    end
  end

  # 1 and 1.0 are equal to the order of terms, but two keys.
  defp sorted(map), do: Enum.sort_by(map, fn {key, _} -> {key, is_float(key)} end)

  defp pairs(pairs) do
    if keyword?(pairs),
      do: for({key, value} <- pairs, do: {:pair, Macro.inspect_atom(:key, key) <> " ", tree(value)}),
      else: for({key, value} <- pairs, do: {:pair, [one_line(tree(key)), " => "], tree(value)})
  end

  # ---- one line ----

  defp one_line({:pair, key, value}), do: [key, one_line(value)]

  defp one_line({open, parts, close}),
    do: [open, parts |> Enum.map(&one_line/1) |> Enum.intersperse(", "), close]

  defp one_line(text), do: text

  # ---- several ----

  defp lines(tree, indent, column) do
    text = tree |> one_line() |> IO.iodata_to_binary()
    if fits?(text, column), do: text, else: broken(tree, text, indent, column)
  end

  defp broken({:pair, key, value}, _text, indent, column),
    do: [key, lines(value, indent, column + IO.iodata_length(key))]

  defp broken({"<<", parts, ">>"}, _text, indent, _column) do
    rows = parts |> Enum.chunk_every(@bytes_a_line) |> Enum.map(&Enum.join(&1, ", "))
    block("<<", rows, ">>", indent)
  end

  defp broken({open, [_ | _] = parts, close}, _text, indent, _column),
    # One column for the comma behind it.
    do: block(open, Enum.map(parts, &lines(&1, indent + 2, indent + 3)), close, indent)

  defp broken(_tree, text, _indent, _column), do: text

  defp block(open, rows, close, indent) do
    margin = "\n" <> String.duplicate(" ", indent + 2)
    [open, Enum.map_intersperse(rows, ",", &[margin, &1]), "\n", String.duplicate(" ", indent), close]
  end
end
