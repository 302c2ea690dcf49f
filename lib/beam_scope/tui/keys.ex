defmodule BeamScope.Tui.Keys do
  @moduledoc """
  What a terminal sends, as keys.

  Names are atoms (`:up`, `:enter`, `:ctrl_c`, …), everything typed is `{:char, text}`.
  """

  @type key :: atom | {:char, String.t()}

  # No key that we know is longer: what goes on and on is no key.
  @longest 16

  @control %{
    3 => :ctrl_c,
    8 => :backspace,
    9 => :tab,
    10 => :enter,
    12 => :ctrl_l,
    13 => :enter,
    21 => :ctrl_u,
    127 => :backspace
  }

  @finals %{
    ?A => :up,
    ?B => :down,
    ?C => :right,
    ?D => :left,
    ?H => :home,
    ?F => :end,
    ?Z => :back_tab
  }

  @numbered %{1 => :home, 3 => :delete, 4 => :end, 5 => :page_up, 6 => :page_down, 7 => :home, 8 => :end}

  @doc """
  The keys in what was read, and the beginning of one that is not there as a whole yet.

      iex> BeamScope.Tui.Keys.decode("n\\e[A\\e[5~\\e[")
      {[{:char, "n"}, :up, :page_up], "\\e["}
  """
  @spec decode(binary) :: {[key], binary}
  def decode(bytes), do: decode(bytes, [])

  defp decode(bytes, keys) do
    case key(bytes) do
      :more -> {Enum.reverse(keys), bytes}
      {:unknown, rest} -> decode(rest, keys)
      {key, rest} -> decode(rest, [key | keys])
    end
  end

  @doc """
  The keys in a beginning after which nothing came: an escape that stands alone is the Escape key.

      iex> BeamScope.Tui.Keys.flush("\\e")
      [:escape]
  """
  @spec flush(binary) :: [key]
  def flush("\e"), do: [:escape]
  def flush(_incomplete), do: []

  defp key(""), do: :more
  defp key("\e"), do: :more
  defp key("\e\e" <> rest), do: {:escape, "\e" <> rest}
  defp key("\e[" <> rest), do: sequence(rest, "")
  defp key("\eO" <> <<final, rest::binary>>), do: {Map.get(@finals, final, :unknown), rest}
  defp key("\eO"), do: :more
  defp key("\e" <> rest), do: {:escape, rest}

  defp key(<<byte, rest::binary>>) when byte < 32 or byte == 127,
    do: {Map.get(@control, byte, :unknown), rest}

  defp key(<<char::utf8, rest::binary>>), do: {{:char, <<char::utf8>>}, rest}

  defp key(bytes) do
    # Bytes come one by one: three of four may be the beginning of a character.
    case :unicode.characters_to_binary(bytes) do
      {:incomplete, "", _} when byte_size(bytes) < 4 -> :more
      _ -> {:unknown, binary_part(bytes, 1, byte_size(bytes) - 1)}
    end
  end

  defp sequence("", parameters) when byte_size(parameters) < @longest, do: :more

  defp sequence(<<byte, rest::binary>>, parameters)
       when byte in 0x20..0x3F and byte_size(parameters) < @longest,
       do: sequence(rest, parameters <> <<byte>>)

  defp sequence(<<?~, rest::binary>>, parameters) do
    case Integer.parse(parameters) do
      {n, _modifiers} -> {Map.get(@numbered, n, :unknown), rest}
      :error -> {:unknown, rest}
    end
  end

  defp sequence(<<final, rest::binary>>, _parameters) when final in 0x40..0x7E,
    do: {Map.get(@finals, final, :unknown), rest}

  defp sequence(rest, _parameters), do: {:unknown, rest}
end
