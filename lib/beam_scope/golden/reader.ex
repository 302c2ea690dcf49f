defmodule BeamScope.Golden.Reader do
  @moduledoc false
  # Reads what `Text` wrote. Nothing of a file is ever run: it is parsed, and only literals and marks are taken from it.

  alias BeamScope.Align.Step
  alias BeamScope.Error
  alias BeamScope.Golden.{Mark, Text}

  @words ~w(start state changed call cast info event continue timeout state_timeout internal enter) ++
           ~w(got ask tell send answer invoke exit)
  @fields [:handler, :from, :to, :reply, :failed, :state]

  @doc "The level and the steps by role; the error names the file."
  @spec read(Path.t()) :: {:ok, map} | {:error, Error.t()}
  def read(path) do
    case File.read(path) do
      {:ok, text} -> parse(text, path)
      {:error, reason} -> {:error, Error.new(:file, "#{path}: #{:file.format_error(reason)}")}
    end
  end

  @doc "Which version wrote a file, by its first line."
  @spec version(String.t()) :: {:ok, pos_integer} | :error
  def version(text) do
    with true <- String.starts_with?(text, Text.header()),
         rest = binary_part(text, byte_size(Text.header()), byte_size(text) - byte_size(Text.header())),
         {version, "\n" <> _} <- Integer.parse(String.replace(rest, "\r\n", "\n")) do
      {:ok, version}
    else
      _ -> :error
    end
  end

  @doc "The same of a text."
  @spec parse(String.t(), Path.t()) :: {:ok, map} | {:error, Error.t()}
  def parse(text, path) do
    with :ok <- right_version(text, path), :ok <- whole(text, path), do: elixir(text, path)
  end

  defp right_version(text, path) do
    case version(text) do
      {:ok, version} -> right(version, Text.version(), path)
      :error -> damaged(path, "its first line is not that of a golden execution")
    end
  end

  defp right(version, version, _path), do: :ok

  defp right(version, known, path),
    do: {:error, Error.new(:golden_version, %{path: path, version: version, known: known})}

  defp whole(text, path) do
    if String.valid?(text) and
         text |> String.trim_trailing() |> String.ends_with?(String.trim(Text.footer())),
       do: :ok,
       else: damaged(path, "it is cut off: its last line should be `#{String.trim(Text.footer())}`")
  end

  defp elixir(text, path) do
    case Code.string_to_quoted(text, emit_warnings: false) do
      {:ok, ast} -> {:ok, document(ast)}
      {:error, {meta, message, token}} -> damaged(path, "line #{meta[:line]}: #{message(message)}#{token}")
    end
  rescue
    # A number that is no arity, a part of a name that is no name: there is no end of what may stand there.
    error in [ArgumentError, FunctionClauseError, BadMapError, SystemLimitError] ->
      damaged(path, "something in it is no term of a golden execution (#{Exception.message(error)})")
  catch
    {:golden, line, what} -> damaged(path, "line #{line}: #{what}")
  end

  defp message({before, later}), do: "#{before}#{later}"
  defp message(text), do: text

  defp damaged(path, what), do: {:error, Error.new(:golden_damaged, %{path: path, what: what})}

  defp wrong(meta, what), do: throw({:golden, Keyword.get(meta, :line, 1), what})

  # ---- the document ----

  defp document({:__block__, _, [{:level, _, [level]} | roles]}) when is_atom(level),
    do: %{level: level, roles: Enum.map(roles, &role/1)}

  defp document({:level, _, [level]}) when is_atom(level), do: %{level: level, roles: []}
  defp document(_other), do: throw({:golden, 1, "the level is missing"})

  defp role({:role, _, [name, [do: body]]}) do
    name = term(name)
    {name, body |> block() |> Enum.flat_map(&steps(&1, nil)) |> Enum.map(&%{&1 | role: name})}
  end

  defp role({_, meta, _}), do: wrong(meta, "a `role` is expected here")
  defp role(_other), do: wrong([], "a `role` is expected")

  defp block({:__block__, _, items}), do: items
  defp block(item), do: [item]

  defp steps({:unordered, _, [[do: body]]}, nil), do: body |> block() |> Enum.flat_map(&steps(&1, :any))

  defp steps({word, meta, [_ | _] = arguments}, order) when is_atom(word) do
    unless Atom.to_string(word) in @words, do: wrong(meta, "`#{word}` is no step")
    {argument, fields} = arguments(word, arguments, meta)
    [%Step{what: word, order: order} |> about(argument) |> fields(fields, meta)]
  end

  defp steps({_, meta, _}, _order), do: wrong(meta, "this is no step")
  defp steps(_other, _order), do: wrong([], "something that is no step")

  defp about(%Step{what: what} = step, state) when what in [:start, :state, :changed],
    do: %{step | state: {:ok, state}}

  defp about(step, message), do: %{step | message: message}

  defp arguments(_word, [message], _meta), do: {term(message), []}
  defp arguments(_word, [message, fields], _meta), do: {term(message), fields}
  defp arguments(word, _arguments, meta), do: wrong(meta, "`#{word}` has too many arguments")

  defp fields(step, fields, meta) do
    unless Keyword.keyword?(fields) and Enum.all?(fields, fn {key, _} -> key in @fields end),
      do: wrong(meta, "a step has #{Enum.map_join(@fields, ", ", &"#{&1}:")} and nothing else")

    Enum.reduce(fields, step, fn {key, ast}, step -> field(step, key, term(ast)) end)
  end

  defp field(step, :reply, value), do: %{step | reply: {:ok, value}}
  defp field(step, :failed, value), do: %{step | reply: {:error, value}}
  defp field(step, :state, value), do: %{step | state: {:ok, value}}
  defp field(step, key, value), do: Map.put(step, key, value)

  # ---- terms ----

  @marks Mark.kinds()

  defp term(literal) when is_number(literal) or is_binary(literal) or is_atom(literal), do: literal
  defp term({a, b}), do: {term(a), term(b)}
  defp term(list) when is_list(list), do: list(list)
  defp term({:{}, _, items}), do: items |> Enum.map(&term/1) |> List.to_tuple()
  defp term({:%{}, meta, pairs}), do: Map.new(pairs, &pair(&1, meta))
  defp term({:%, _, [name, map]}), do: Map.put(term(map), :__struct__, term(name))
  defp term({:__aliases__, _, parts}), do: Module.concat(parts)
  defp term({:-, _, [number]}) when is_number(number), do: -number
  defp term({:<<>>, _, parts}), do: for(part <- parts, into: <<>>, do: bits(part))

  defp term({:sigil_c, _, [{:<<>>, _, [text]}, []]}),
    do: text |> Macro.unescape_string() |> String.to_charlist()

  defp term({mark, _, args}) when mark in @marks and is_list(args),
    do: Mark.new(mark, Enum.map(args, &term/1))

  defp term({:&, _, [{:/, _, [{{:., _, [m, f]}, _, _}, arity]}]}) when is_integer(arity),
    do: Function.capture(term(m), f, arity)

  defp term({:__block__, _, [one]}), do: term(one)
  defp term({_, meta, _}), do: wrong(meta, "this is no term of a golden execution")

  defp pair({key, value}, _meta), do: {term(key), term(value)}
  defp pair(_other, meta), do: wrong(meta, "this is no map of a golden execution")

  defp list(list) do
    case List.last(list) do
      {:|, _, [last, tail]} -> improper(Enum.drop(list, -1) ++ [last], term(tail))
      _ -> Enum.map(list, &term/1)
    end
  end

  defp improper(items, tail), do: items |> Enum.reverse() |> Enum.reduce(tail, &[term(&1) | &2])

  defp bits(byte) when is_integer(byte), do: <<byte>>

  defp bits({:"::", _, [n, {:size, _, [size]}]}) when is_integer(n) and is_integer(size),
    do: <<n::size(size)>>

  defp bits({_, meta, _}), do: wrong(meta, "this is no term of a golden execution")
  defp bits(_other), do: wrong([], "something that is no byte")
end
