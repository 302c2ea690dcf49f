defmodule BeamScope.Terminal.Style do
  @moduledoc """
  How text is coloured, measured and cut for a terminal.

  Printers make *lines*: lists of spans, where a span is plain text or `{role, text}`. Only `render/2` turns roles into
  ANSI codes, after every line was cut to the width: so nothing that BeamScope prints is wider than the terminal, and
  widths are never counted over escape codes. Text from recorded terms cannot smuggle control characters in either.

  Colours are used where the caller's inspect options have syntax colours (IEx does), or where `IO.ANSI.enabled?/0`
  says so; never when the environment variable `NO_COLOR` is set. On devices that are not Unicode, arrows and box lines
  become ASCII.
  """

  alias BeamScope.Terminal.Style

  @typedoc "What a piece of text is; `colours/0` in the source says how it looks."
  @type role :: atom
  @type span :: String.t() | {role, String.t()}
  @type line :: [span]
  @type t :: %Style{width: pos_integer, ansi?: boolean, unicode?: boolean, limit: pos_integer | :infinity}

  defstruct width: 80, ansi?: false, unicode?: true, limit: 50

  @min_width 20
  @default_width 80
  @max_width 160

  @codes %{
    call: [:cyan],
    cast: [:blue],
    reply: [:green],
    info: [:magenta],
    system: [:light_black],
    exit: [:red],
    down: [:light_red],
    old: [:red],
    new: [:green],
    changed: [:yellow],
    dim: [:light_black],
    time: [:light_black],
    moment: [:light_black],
    name: [:bright],
    heading: [:bright],
    error: [:red, :bright],
    warn: [:yellow],
    ok: [:green],
    bar: [:cyan],
    selected: [:reverse]
  }

  @ascii %{
    "→" => ">",
    "←" => "<",
    "…" => "~",
    "·" => ".",
    "×" => "x",
    "├" => "|",
    "└" => "`",
    "│" => "|",
    "─" => "-",
    "µ" => "u",
    "↻" => "*",
    "✗" => "x",
    "✓" => "+",
    "‹" => "<",
    "›" => ">",
    "≈" => "~",
    "✉" => "@",
    "▸" => ">",
    "▾" => "v",
    "▲" => "^",
    "░" => "?",
    "▁" => ".",
    "▂" => ".",
    "▃" => ":",
    "▄" => ":",
    "▅" => "=",
    "▆" => "=",
    "▇" => "#",
    "█" => "#"
  }

  @doc """
  A style for printing to a device: `width:`, `ansi:`, `unicode:` and `limit:` override what the device says.

      iex> BeamScope.Terminal.Style.new(width: 60, ansi: false).width
      60
  """
  @spec new(keyword) :: t
  def new(opts \\ []) do
    %Style{
      width: clamp(Keyword.get_lazy(opts, :width, fn -> columns(nil) || @default_width end)),
      ansi?: Keyword.get_lazy(opts, :ansi, &IO.ANSI.enabled?/0) and colour_wanted?(),
      unicode?: Keyword.get_lazy(opts, :unicode, &unicode_device?/0),
      limit: Keyword.get(opts, :limit, 50)
    }
  end

  # ExUnit indents what a failed test says.
  @message_columns 100
  @message_indent 5

  @doc "The style of a text in a test's failure: as wide as the terminal, 100 columns at most, ExUnit's indentation included."
  @spec for_message() :: t
  def for_message, do: new(width: min(columns(nil) || @message_columns, @message_columns) - @message_indent)

  @doc "The style for an `Inspect` implementation: colours only where the options have syntax colours."
  @spec from_inspect(Inspect.Opts.t()) :: t
  def from_inspect(%Inspect.Opts{} = opts) do
    %Style{
      width: inspect_width(opts.width),
      ansi?: opts.syntax_colors != [] and colour_wanted?(),
      unicode?: unicode_device?(),
      limit: opts.limit
    }
  end

  # 80 is what IEx and inspect/2 use when nobody chose: a wider terminal may then be used, a narrower one must be.
  defp inspect_width(:infinity), do: @max_width
  defp inspect_width(@default_width), do: clamp(columns(nil) || @default_width)
  defp inspect_width(width), do: clamp(width)

  defp clamp(width), do: width |> max(@min_width) |> min(@max_width)

  defp colour_wanted?, do: System.get_env("NO_COLOR", "") == ""

  @doc "How wide the terminal is, or `otherwise` where there is none."
  @spec columns(otherwise) :: pos_integer | otherwise when otherwise: term
  def columns(otherwise) do
    case :io.columns() do
      {:ok, columns} -> columns
      _ -> otherwise
    end
  end

  defp unicode_device? do
    case :io.getopts() do
      opts when is_list(opts) -> Keyword.get(opts, :encoding, :unicode) in [:unicode, :utf8]
      _ -> true
    end
  catch
    _, _ -> true
  end

  @doc "Lines as text, each cut to the style's width, coloured if it says so."
  @spec render([line], t) :: String.t()
  def render(lines, %Style{} = style) do
    lines |> Enum.map_join("\n", &render_line(&1, style)) |> String.trim_trailing("\n")
  end

  defp render_line(line, style) do
    line |> fit(style.width) |> Enum.map_join(&render_span(&1, style)) |> trim_plain(style)
  end

  defp trim_plain(text, %Style{ansi?: false}), do: String.trim_trailing(text)
  defp trim_plain(text, _style), do: text

  defp render_span({role, text}, %Style{ansi?: true} = style) do
    case @codes do
      %{^role => codes} ->
        IO.iodata_to_binary([IO.ANSI.format_fragment(codes, true), glyphs(text, style), IO.ANSI.reset()])

      _ ->
        glyphs(text, style)
    end
  end

  defp render_span({_role, text}, style), do: glyphs(text, style)
  defp render_span(text, style), do: glyphs(text, style)

  defp glyphs(text, %Style{unicode?: true}), do: text
  defp glyphs(text, _style), do: String.replace(text, Map.keys(@ascii), &Map.fetch!(@ascii, &1))

  @doc "Lines as an `Inspect.Algebra` document."
  @spec to_doc([line], t) :: Inspect.Algebra.t()
  def to_doc(lines, %Style{} = style) do
    lines
    |> render(style)
    |> plain_start(style)
    |> String.split("\n")
    |> Enum.intersperse(Inspect.Algebra.line())
    |> Inspect.Algebra.concat()
  end

  # IEx prints results in a colour of its own, which would last until our first reset.
  defp plain_start(text, %Style{ansi?: true}), do: IO.ANSI.reset() <> text
  defp plain_start(text, _style), do: text

  @doc "The style for something that is often printed inside a list: leaves room for its indentation."
  @spec nested(t) :: t
  def nested(%Style{width: width} = style), do: %{style | width: max(width - 4, @min_width)}

  @doc """
  The line cut to `width` columns, with `…` where it was cut.

      iex> BeamScope.Terminal.Style.fit([{:name, "Counter"}, " CALL :increment"], 12)
      [{:name, "Counter"}, " CAL…"]
  """
  @spec fit(line, non_neg_integer) :: line
  def fit(line, width) do
    line = Enum.map(line, &clean_span/1)
    if width(line) <= width, do: line, else: cut(line, max(width - 1, 0), [])
  end

  defp cut([span | rest], left, done) do
    size = width([span])

    if size <= left do
      cut(rest, left - size, [span | done])
    else
      Enum.reverse([put_text(span, take(text(span), left) <> "…") | done])
    end
  end

  defp cut([], _left, done), do: Enum.reverse(done)

  defp take(text, width), do: take(String.next_grapheme(text), width, [])
  defp take(nil, _left, done), do: IO.iodata_to_binary(Enum.reverse(done))

  defp take({grapheme, rest}, left, done) do
    size = grapheme_width(grapheme)

    if size > left,
      do: take(nil, 0, done),
      else: take(String.next_grapheme(rest), left - size, [grapheme | done])
  end

  @doc "The line, filled with spaces to at least `width` columns."
  @spec pad(line, non_neg_integer, :left | :right) :: line
  def pad(line, width, side \\ :right) do
    case {width - width(line), side} do
      {missing, _} when missing <= 0 -> line
      {missing, :right} -> line ++ [String.duplicate(" ", missing)]
      {missing, :left} -> [String.duplicate(" ", missing) | line]
    end
  end

  @doc """
  The line broken into at most `max` lines of `width` columns; the last one is cut with `…` when there is more.

      iex> BeamScope.Terminal.Style.wrap(["abcdef"], 3, 5)
      [["abc"], ["def"]]
  """
  @spec wrap(line, pos_integer, pos_integer) :: [line]
  def wrap(line, width, max) do
    line = Enum.map(line, &clean_span/1)

    cond do
      width(line) <= width -> [line]
      max <= 1 -> [fit(line, width)]
      true -> wrap_more(line, width, max)
    end
  end

  defp wrap_more(line, width, max) do
    {first, rest} = split(line, width, [])
    [first | wrap(rest, width, max - 1)]
  end

  defp split([span | rest], left, done) do
    size = width([span])

    cond do
      size <= left ->
        split(rest, left - size, [span | done])

      left == 0 ->
        {Enum.reverse(done), [span | rest]}

      true ->
        head = span |> text() |> take(left) |> to_last_space()
        tail = binary_part(text(span), byte_size(head), byte_size(text(span)) - byte_size(head))
        {Enum.reverse([put_text(span, head) | done]), [put_text(span, tail) | rest]}
    end
  end

  defp split([], _left, done), do: {Enum.reverse(done), []}

  # Between words where there are any.
  defp to_last_space(head) do
    case :binary.matches(head, " ") do
      [] -> head
      spaces -> binary_part(head, 0, (spaces |> List.last() |> elem(0)) + 1)
    end
  end

  @doc """
  Columns that a line or a text takes in a terminal: wide characters take two, combining ones none.

      iex> {BeamScope.Terminal.Style.width("héllo"), BeamScope.Terminal.Style.width("日本")}
      {5, 4}
  """
  @spec width(line | String.t()) :: non_neg_integer
  def width(text) when is_binary(text), do: text_width(text, 0)
  def width(line) when is_list(line), do: Enum.reduce(line, 0, &(width(text(&1)) + &2))

  defp text_width(<<char, rest::binary>>, width) when char in 32..126 and rest == "", do: width + 1

  defp text_width(<<char, next, rest::binary>>, width) when char in 32..126 and next in 32..126,
    do: text_width(<<next, rest::binary>>, width + 1)

  defp text_width(text, width) do
    case String.next_grapheme(text) do
      nil -> width
      {grapheme, rest} -> text_width(rest, width + grapheme_width(grapheme))
    end
  end

  defp grapheme_width(grapheme) do
    grapheme |> String.to_charlist() |> Enum.reduce(0, &max(char_width(&1), &2))
  rescue
    # Invalid UTF-8: shown as a replacement character.
    _ -> 1
  end

  defp char_width(0xFE0F), do: 2

  defp char_width(char)
       when char in 0x1100..0x115F or char in 0x2E80..0x303E or char in 0x3041..0xA4CF or
              char in 0xA960..0xA97F or
              char in 0xAC00..0xD7A3 or char in 0xF900..0xFAFF or char in 0xFE30..0xFE6F or
              char in 0xFF00..0xFF60 or
              char in 0xFFE0..0xFFE6 or char in 0x1F300..0x1F64F or char in 0x1F680..0x1F6FF or
              char in 0x1F900..0x1F9FF or char in 0x20000..0x3FFFD,
       do: 2

  defp char_width(char) when char in 0x0300..0x036F or char in 0x200B..0x200F, do: 0
  defp char_width(_char), do: 1

  @doc "By how many characters a line of source is indented."
  @spec indent(String.t()) :: non_neg_integer
  def indent(text), do: String.length(text) - String.length(String.trim_leading(text))

  @doc "The text of a span."
  @spec text(span) :: String.t()
  def text({_role, text}), do: text
  def text(text), do: text

  defp put_text({role, _}, text), do: {role, text}
  defp put_text(_, text), do: text

  defp clean_span({role, text}), do: {role, clean(text)}
  defp clean_span(text), do: clean(text)

  @doc """
  Text without what would move the cursor, change colours or reverse the reading order.

      iex> BeamScope.Terminal.Style.clean("a\\e[31mb\\n")
      "a�[31mb�"
  """
  @spec clean(String.t()) :: String.t()
  def clean(text) do
    if plain?(text),
      do: text,
      else: for(<<char::utf8 <- valid(text)>>, into: "", do: <<printable(char)::utf8>>)
  end

  defp plain?(<<char, rest::binary>>) when char in 32..126, do: plain?(rest)
  defp plain?(rest), do: rest == ""

  defp valid(text) do
    if String.valid?(text),
      do: text,
      else: for(<<byte <- text>>, into: "", do: <<if(byte < 128, do: byte, else: ??)>>)
  end

  defp printable(char) when char < 32 or char in 0x7F..0x9F, do: 0xFFFD

  defp printable(char) when char in 0x202A..0x202E or char in 0x2066..0x2069 or char in [0x2028, 0x2029],
    do: 0xFFFD

  defp printable(char), do: char

  @doc """
  A span of time in nanoseconds for people.

      iex> Enum.map([900, 12_345_678, 1_500_000_000, 125_000_000_000], &BeamScope.Terminal.Style.time/1)
      ["0.9 µs", "12.346 ms", "1.500 s", "2 m 05.0 s"]
  """
  @spec time(integer | nil) :: String.t()
  def time(nil), do: "?"
  def time(ns) when ns < 0, do: "-" <> time(-ns)
  def time(ns) when ns < 1_000_000, do: decimals(ns / 1_000, 1) <> " µs"
  def time(ns) when ns < 1_000_000_000, do: decimals(ns / 1_000_000, 3) <> " ms"
  def time(ns) when ns < 60_000_000_000, do: decimals(ns / 1_000_000_000, 3) <> " s"

  def time(ns) do
    tenths = div(ns, 100_000_000)
    seconds = decimals(rem(tenths, 600) / 10, 1)
    "#{div(tenths, 600)} m #{String.pad_leading(seconds, 4, "0")} s"
  end

  defp decimals(number, places), do: :erlang.float_to_binary(number, decimals: places)

  @doc """
  A whole number with separators.

      iex> BeamScope.Terminal.Style.number(1234567)
      "1,234,567"
  """
  @spec number(integer) :: String.t()
  def number(n) when n < 0, do: "-" <> number(-n)
  def number(n) when n < 1_000, do: Integer.to_string(n)

  def number(n) do
    number(div(n, 1_000)) <> "," <> String.pad_leading(Integer.to_string(rem(n, 1_000)), 3, "0")
  end

  @doc false
  # The full size of a term that is not whole, behind its kind; 0 is "not known".
  @spec size(non_neg_integer) :: String.t()
  def size(0), do: ""
  def size(n), do: ", " <> (n |> number() |> String.replace(",", "_"))

  @doc """
  A number of bytes for people.

      iex> Enum.map([12, 4_096, 268_435_456], &BeamScope.Terminal.Style.bytes/1)
      ["12 B", "4.0 KB", "256.0 MB"]
  """
  @spec bytes(non_neg_integer) :: String.t()
  def bytes(n) when n < 1_024, do: "#{n} B"
  def bytes(n) when n < 1_048_576, do: decimals(n / 1_024, 1) <> " KB"
  def bytes(n) when n < 1_073_741_824, do: decimals(n / 1_048_576, 1) <> " MB"
  def bytes(n), do: decimals(n / 1_073_741_824, 2) <> " GB"

  @doc """
  A count with its noun.

      iex> {BeamScope.Terminal.Style.count(1, "event"), BeamScope.Terminal.Style.count(2_000, "process", "processes")}
      {"1 event", "2,000 processes"}
  """
  @spec count(integer, String.t(), String.t() | nil) :: String.t()
  def count(n, noun, plural \\ nil)
  def count(1, noun, _plural), do: "1 " <> noun
  def count(n, noun, plural), do: number(n) <> " " <> (plural || noun <> "s")
end
