defmodule BeamScope.Exporters.Json do
  @moduledoc """
  Terms as JSON text, for exporters: OTP has no encoder of its own before release 27.

  Takes `nil`, booleans, numbers, strings, atoms (as strings), lists, maps whose keys are atoms or strings, and two forms of
  its own: `{:object, pairs}` keeps the order of its pairs, `{:raw, iodata}` is JSON already. Members of maps come in the order of
  their keys, so that the same is written each time. Anything else raises `ArgumentError`: what a recorded term becomes is the
  exporter's decision (`plain/2`), never this module's guess.

  Numbers arrive as they left: JavaScript reads integers beyond 2^53 wrongly, so they become strings. What is no UTF-8 in a
  string becomes U+FFFD, byte by byte. The text has no line breaks.

      iex> BeamScope.Exporters.Json.encode!(%{list: [1, 2.5, nil, "a\\nb"], big: 9_007_199_254_740_993})
      ~S({"big":"9007199254740993","list":[1,2.5,null,"a\\nb"]})
      iex> BeamScope.Exporters.Json.encode!({:object, [b: :ok, a: {:raw, "1.50"}]})
      ~S({"b":"ok","a":1.50})
  """

  @largest 0x20000000000000
  @replacement "\\ufffd"

  @type t ::
          nil
          | boolean
          | number
          | atom
          | String.t()
          | [t]
          | %{optional(atom | String.t()) => t}
          | {:object, Enumerable.t()}
          | {:raw, iodata}

  @doc "The JSON text as iodata."
  @spec encode(t) :: iodata
  def encode(nil), do: "null"
  def encode(true), do: "true"
  def encode(false), do: "false"
  def encode(atom) when is_atom(atom), do: atom |> Atom.to_string() |> string()
  def encode(n) when is_integer(n), do: integer(n)
  def encode(x) when is_float(x), do: float(x)
  def encode(text) when is_binary(text), do: string(text)
  def encode([]), do: "[]"
  def encode([first | rest]), do: [?[, encode(first) | elements(rest)]
  def encode({:raw, json}), do: json
  def encode({:object, pairs}), do: object(pairs)
  # Sorted, since maps of atoms are in another order in each system.
  def encode(map) when is_map(map) and not is_struct(map), do: map |> Map.to_list() |> Enum.sort() |> object()
  def encode(other), do: raise(ArgumentError, "no JSON for #{inspect(other, limit: 5)}")

  @doc "The same as one binary."
  @spec encode!(t) :: String.t()
  def encode!(term), do: term |> encode() |> IO.iodata_to_binary()

  defp elements([]), do: "]"
  defp elements([next | rest]), do: [?,, encode(next) | elements(rest)]

  defp object(pairs) do
    case Enum.map_intersperse(pairs, ?,, fn {key, value} -> [key(key), ?:, encode(value)] end) do
      [] -> "{}"
      members -> [?{, members, ?}]
    end
  end

  defp key(key) when is_atom(key), do: key |> Atom.to_string() |> string()
  defp key(key) when is_binary(key), do: string(key)

  defp integer(n) when n > @largest or n < -@largest, do: [?", Integer.to_string(n), ?"]
  defp integer(n), do: Integer.to_string(n)

  # The shortest text that reads as the same float; its exponents are JSON's.
  defp float(x), do: :erlang.float_to_binary(x, [:short])

  defp string(text), do: [?", escape(text, text, 0, 0), ?"]

  # Runs that need no escape are cut out whole: `from` is where the run began, `size` its bytes.
  defp escape(<<char, rest::binary>>, all, from, size) when char in 0x20..0x7E and char not in [?", ?\\],
    do: escape(rest, all, from, size + 1)

  defp escape(<<char, rest::binary>>, all, from, size) when char < 0x80,
    do: [run(all, from, size), char(char) | escape(rest, all, from + size + 1, 0)]

  defp escape(<<char::utf8, rest::binary>>, all, from, size),
    do: escape(rest, all, from, size + utf8_size(char))

  defp escape(<<_byte, rest::binary>>, all, from, size),
    do: [run(all, from, size), @replacement | escape(rest, all, from + size + 1, 0)]

  defp escape(<<>>, all, from, size), do: [run(all, from, size)]

  defp run(_all, _from, 0), do: []
  defp run(all, from, size), do: binary_part(all, from, size)

  defp utf8_size(char) when char < 0x800, do: 2
  defp utf8_size(char) when char < 0x10000, do: 3
  defp utf8_size(_char), do: 4

  defp char(?"), do: "\\\""
  defp char(?\\), do: "\\\\"
  defp char(?\n), do: "\\n"
  defp char(?\t), do: "\\t"
  defp char(?\r), do: "\\r"
  defp char(char), do: ["\\u00", Base.encode16(<<char>>, case: :lower)]

  @doc """
  A recorded term where it is plainly representable and has at most `most` parts, else `:error`.

  Plain are `nil`, booleans, numbers, UTF-8 strings, lists of such, and maps of such under keys that are atoms or strings; an
  atom becomes a string. Tuples, pids, structs and whatever was truncated or redacted have no JSON that would not pretend.

      iex> BeamScope.Exporters.Json.plain(%{items: ["a", :b, 1]}, 100)
      {:ok, %{"items" => ["a", "b", 1]}}
      iex> BeamScope.Exporters.Json.plain([{:ok, 1}], 100)
      :error
      iex> BeamScope.Exporters.Json.plain(Enum.to_list(1..200), 100)
      :error
  """
  @spec plain(term, pos_integer) :: {:ok, t} | :error
  def plain(term, most) do
    {json, _left} = part(term, most)
    {:ok, json}
  catch
    :not_plain -> :error
  end

  # A long string counts as many parts, so that the size is bounded too.
  defp part(_term, left) when left <= 0, do: throw(:not_plain)
  defp part(term, left) when is_boolean(term) or is_nil(term) or is_number(term), do: {term, left - 1}
  defp part(term, left) when is_atom(term), do: {Atom.to_string(term), left - 1}

  defp part(term, left) when is_binary(term) do
    if byte_size(term) <= left * 16 and String.valid?(term),
      do: {term, left - 1 - div(byte_size(term), 16)},
      else: throw(:not_plain)
  end

  defp part(term, left) when is_list(term), do: list(term, [], left - 1)
  defp part(term, left) when is_map(term) and not is_struct(term), do: map(term, left - 1)
  defp part(_term, _left), do: throw(:not_plain)

  defp list([], done, left), do: {Enum.reverse(done), left}

  defp list([head | tail], done, left) do
    {json, left} = part(head, left)
    list(tail, [json | done], left)
  end

  defp list(_improper, _done, _left), do: throw(:not_plain)

  defp map(map, left) when map_size(map) > left, do: throw(:not_plain)

  defp map(map, left) do
    {pairs, left} = Enum.map_reduce(map, left, &pair/2)
    json = Map.new(pairs)
    # `%{:a => 1, "a" => 2}`: two keys that JSON cannot tell apart.
    if map_size(json) == map_size(map), do: {json, left}, else: throw(:not_plain)
  end

  defp pair({key, value}, left) do
    {json, left} = part(value, left)
    {{plain_key(key), json}, left}
  end

  defp plain_key(key) when is_atom(key), do: Atom.to_string(key)
  defp plain_key(key) when is_binary(key), do: if(String.valid?(key), do: key, else: throw(:not_plain))
  defp plain_key(_key), do: throw(:not_plain)
end
