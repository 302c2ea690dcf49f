defmodule BeamScope.Test.ReadJson do
  @moduledoc "A strict reader of JSON, for tests of what exports write: maps have string keys."

  @doc "The term of a JSON text that holds nothing else."
  @spec read!(iodata) :: term
  def read!(json) do
    {term, rest} = json |> IO.iodata_to_binary() |> skip() |> value()
    "" = skip(rest)
    term
  end

  defp value("null" <> rest), do: {nil, rest}
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("\"" <> rest), do: string(rest, [])
  defp value("[" <> rest), do: rest |> skip() |> items("]", [], &value/1)

  defp value("{" <> rest) do
    {pairs, rest} = rest |> skip() |> items("}", [], &pair/1)
    map = Map.new(pairs)
    # A key that comes twice is lost by most readers.
    true = map_size(map) == length(pairs)
    {map, rest}
  end

  defp value(text) do
    [number] = Regex.run(~r/\A-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/, text)
    rest = binary_part(text, byte_size(number), byte_size(text) - byte_size(number))
    {number(number), rest}
  end

  defp number(text) do
    case Integer.parse(text) do
      {n, ""} -> n
      _ -> text |> Float.parse() |> elem(0)
    end
  end

  defp pair("\"" <> rest) do
    {key, rest} = string(rest, [])
    ":" <> rest = skip(rest)
    {value, rest} = rest |> skip() |> value()
    {{key, value}, rest}
  end

  defp items(<<close::binary-size(1), rest::binary>>, close, [], _one), do: {[], rest}

  defp items(text, close, done, one) do
    {item, rest} = one.(text)

    case skip(rest) do
      "," <> rest -> rest |> skip() |> items(close, [item | done], one)
      <<^close::binary-size(1), rest::binary>> -> {Enum.reverse([item | done]), rest}
    end
  end

  defp string("\"" <> rest, done), do: {done |> Enum.reverse() |> IO.iodata_to_binary(), rest}

  defp string("\\u" <> <<hex::binary-size(4), rest::binary>>, done),
    do: string(rest, [<<String.to_integer(hex, 16)::utf8>> | done])

  defp string("\\" <> <<char, rest::binary>>, done) do
    text = Map.fetch!(%{?n => "\n", ?t => "\t", ?r => "\r", ?" => "\"", ?\\ => "\\", ?/ => "/"}, char)
    string(rest, [text | done])
  end

  defp string(<<char::utf8, rest::binary>>, done) when char >= 0x20, do: string(rest, [<<char::utf8>> | done])

  defp skip(<<char, rest::binary>>) when char in ~c" \n\r\t", do: skip(rest)
  defp skip(text), do: text
end
