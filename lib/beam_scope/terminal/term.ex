defmodule BeamScope.Terminal.Term do
  @moduledoc """
  Any term on one line, in at most so many columns and in time that depends on the columns, not on the term.

  Reads like `inspect/2` where that is cheap, elides long lists, maps and binaries with their counts, and shows what
  `BeamScope.Truncated`, `BeamScope.Redacted`, `BeamScope.Opaque` and `BeamScope.Unknown` stand for. Structs with an
  `Inspect` implementation of their own are printed by it, since it may hide fields.
  """

  alias BeamScope.Terminal.Style

  @max_items 12
  @max_text 64
  @plain_inspect [limit: 10, printable_limit: 100, width: :infinity]
  @ellipsis "…"

  @doc """
  The term in at most `width` columns.

      iex> BeamScope.Terminal.Term.text(%{count: 1, items: Enum.to_list(1..1000)}, 60)
      "%{count: 1, items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, …"
      iex> BeamScope.Terminal.Term.text({:ok, Enum.to_list(1..1000)}, 80)
      "{:ok, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, … 988 more]}"
  """
  @spec text(term, pos_integer) :: String.t()
  def text(term, width) do
    term |> pieces(width) |> IO.iodata_to_binary() |> Style.clean() |> cut(width)
  end

  @doc "The same as a line of one span."
  @spec line(term, pos_integer) :: Style.line()
  def line(term, width), do: [text(term, width)]

  defp cut(text, width), do: [text] |> Style.fit(width) |> hd()

  # The budget counts characters written. Running out unwinds everything: no collection is walked past what is shown.
  defp pieces(term, width) do
    {done, _left} = write(term, {[], width + 1})
    Enum.reverse(done)
  catch
    {:beam_scope_full, done} -> Enum.reverse(done)
  end

  defp put({done, left}, text) do
    left = left - String.length(text)
    if left <= 0, do: throw({:beam_scope_full, [text | done]}), else: {[text | done], left}
  end

  defp write(term, out)
       when is_atom(term) or is_float(term) or is_pid(term) or is_reference(term) or is_port(term),
       do: put(out, inspect(term))

  defp write(term, out) when is_function(term), do: put(out, inspect(term))
  defp write(term, out) when is_integer(term), do: put(out, integer(term))
  defp write(term, out) when is_binary(term), do: put(out, binary(term))
  defp write(term, out) when is_bitstring(term), do: put(out, bits(term))
  defp write([], out), do: put(out, "[]")
  defp write(term, out) when is_list(term), do: list(term, out)
  defp write(term, out) when is_tuple(term), do: tuple(term, out)
  defp write(%module{} = term, out), do: struct(module, term, out)
  defp write(term, out) when is_map(term), do: map("%{", pairs(term), map_size(term), out)

  # Printing a huge integer in decimal is quadratic.
  defp integer(n)
       when n < 0x10000000000000000000000000000000000000000 and
              n > -0x10000000000000000000000000000000000000000,
       do: Integer.to_string(n)

  defp integer(n), do: "#integer<#{Style.number(byte_size(:binary.encode_unsigned(abs(n))))} bytes>"

  defp binary(bytes) when byte_size(bytes) <= @max_text, do: inspect(bytes, @plain_inspect)

  defp binary(bytes) do
    size = Style.number(byte_size(bytes))
    head = binary_part(bytes, 0, @max_text)
    shown = head |> text_prefix(3) |> inspect(limit: 16, printable_limit: @max_text)
    String.trim_trailing(shown, ", ...>>") <> @ellipsis <> " (#{size} bytes)"
  end

  # A cut in the middle of a character leaves at most three bytes that are no text.
  defp text_prefix(head, tries) do
    cond do
      String.printable?(head) -> head
      tries == 0 -> head
      true -> text_prefix(binary_part(head, 0, byte_size(head) - 1), tries - 1)
    end
  end

  defp bits(bits) when bit_size(bits) <= 128, do: inspect(bits)
  defp bits(bits), do: "#bits<#{Style.number(bit_size(bits))}>"

  defp list(list, out) do
    cond do
      charlist?(list) -> charlist(list, out)
      keyword?(list, @max_items) -> items(list, "[", "]", &keyword_pair/2, out)
      true -> items(list, "[", "]", &write/2, out)
    end
  end

  # Shorter lists of small numbers are far more often numbers than text.
  defp charlist?([a, b, c, d | rest]),
    do: Enum.all?([a, b, c, d], &text_char?/1) and charlist_rest?(rest, @max_text)

  defp charlist?(_), do: false

  defp charlist_rest?([char | rest], left) when left > 0,
    do: text_char?(char) and charlist_rest?(rest, left - 1)

  defp charlist_rest?([], _left), do: true
  defp charlist_rest?(rest, left), do: left == 0 and is_list(rest)

  defp text_char?(char), do: is_integer(char) and (char in 32..126 or char in [?\n, ?\r, ?\t])

  defp charlist(list, out) do
    {head, rest} = Enum.split(list, @max_text)
    text = "~c" <> inspect(List.to_string(head))
    if rest == [], do: put(out, text), else: put(out, text <> @ellipsis <> more(list, @max_text))
  end

  defp keyword?(_list, 0), do: true
  defp keyword?([{key, _} | rest], left) when is_atom(key), do: plain_key?(key) and keyword?(rest, left - 1)
  defp keyword?(rest, left), do: rest == [] and left < @max_items

  defp plain_key?(key), do: not String.starts_with?(Atom.to_string(key), "Elixir.")

  defp keyword_pair({key, value}, out), do: write(value, put(out, key(key)))

  defp items(list, open, close, write, out), do: items(list, list, 0, close, write, put(out, open))

  defp items([], _all, _n, close, _write, out), do: put(out, close)

  defp items([_ | _], all, @max_items, close, _write, out),
    do: put(out, ", " <> @ellipsis <> more(all, @max_items) <> close)

  defp items([item | rest], all, n, close, write, out) do
    items(rest, all, n + 1, close, write, write.(item, comma(n, out)))
  end

  # The tail of an improper list.
  defp items(tail, _all, _n, close, _write, out), do: put(write(tail, put(out, " | ")), close)

  defp comma(0, out), do: out
  defp comma(_n, out), do: put(out, ", ")

  # Counting a list walks it, so only so far.
  @count_to 100_000
  defp more(list, shown) do
    case list_length(list, 0) do
      :long -> " more"
      n -> " #{Style.number(n - shown)} more"
    end
  end

  defp list_length(_list, @count_to), do: :long
  defp list_length([_ | rest], n), do: list_length(rest, n + 1)
  defp list_length(_tail, n), do: n

  defp tuple({}, out), do: put(out, "{}")

  defp tuple(tuple, out) do
    out =
      Enum.reduce(
        0..(min(tuple_size(tuple), @max_items) - 1),
        put(out, "{"),
        &write(elem(tuple, &1), comma(&1, &2))
      )

    case tuple_size(tuple) - @max_items do
      more when more > 0 -> put(out, ", #{@ellipsis} #{Style.number(more)} more}")
      _ -> put(out, "}")
    end
  end

  defp map(open, pairs, size, out) do
    shown = Enum.take(pairs, @max_items)

    pair =
      if Enum.all?(shown, fn {key, _} -> is_atom(key) and plain_key?(key) end),
        do: &keyword_pair/2,
        else: &pair/2

    {out, _} =
      Enum.reduce(shown, {put(out, open), 0}, fn item, {out, n} -> {pair.(item, comma(n, out)), n + 1} end)

    hidden = size - length(shown)
    put(out, if(hidden > 0, do: ", #{@ellipsis} #{Style.number(hidden)} more}", else: "}"))
  end

  defp pair({key, value}, out), do: write(value, put(write(key, out), " => "))

  defp key(key), do: [{key, 0}] |> inspect() |> String.slice(1..-3//1)

  # Small maps sorted, so that two prints of equal states look the same; of large ones only the first pairs are read.
  defp pairs(map) when map_size(map) <= 32, do: Enum.sort(Map.to_list(map))

  defp pairs(map) do
    map |> :maps.iterator() |> :maps.next() |> first_pairs(@max_items)
  end

  defp first_pairs({key, value, next}, n) when n > 0,
    do: [{key, value} | first_pairs(:maps.next(next), n - 1)]

  defp first_pairs(_end, _n), do: []

  defp struct(BeamScope.Opaque, %{text: text}, out) when is_binary(text), do: put(out, text)
  defp struct(BeamScope.Unknown, unknown, out), do: put(out, inspect(unknown))

  defp struct(ours, struct, out) when ours in [BeamScope.Redacted, BeamScope.Hidden],
    do: put(out, inspect(struct))

  defp struct(BeamScope.Truncated, %{kind: kind, size: size, known: known}, out) do
    out = put(out, "#truncated<#{kind}#{if size > 0, do: " of " <> Style.number(size)}")
    if known in [nil, [], "", %{}], do: put(out, ">"), else: put(write(known, put(out, ": ")), ">")
  end

  defp struct(MapSet, %{map: map}, out) when is_map(map) do
    members = map |> pairs() |> Enum.map(&elem(&1, 0))
    out = items(members, "MapSet.new([", "", &write/2, out)
    hidden = map_size(map) - length(members)
    put(out, if(hidden > 0, do: ", #{@ellipsis} #{Style.number(hidden)} more])", else: "])"))
  end

  defp struct(module, term, out) do
    if Inspect.impl_for(term) == Inspect.Any,
      do: term |> Map.delete(:__exception__) |> plain_struct(module, out),
      else: put(out, own_inspect(module, term))
  end

  defp plain_struct(term, module, out),
    do: map("%" <> inspect(module) <> "{", fields(module, term), map_size(term) - 1, out)

  # In the order of the definition where that is known.
  defp fields(module, term) do
    names = if function_exported?(module, :__info__, 1), do: Enum.map(defined(module), & &1.field), else: []
    known = for name <- names, is_map_key(term, name), name != :__struct__, do: {name, Map.fetch!(term, name)}
    known ++ Enum.sort(Map.to_list(Map.drop(term, [:__struct__ | names])))
  end

  defp defined(module) do
    module.__info__(:struct) || []
  rescue
    _ -> []
  end

  # Somebody else's code on a value that may be incomplete: whatever it does, there is a line.
  defp own_inspect(module, term) do
    inspect(term, [safe: false] ++ @plain_inspect)
  rescue
    _ -> "##{inspect(module)}<fields: #{term |> Map.keys() |> Enum.map_join(", ", &to_string/1)}>"
  catch
    _, _ -> "##{inspect(module)}<?>"
  end
end
