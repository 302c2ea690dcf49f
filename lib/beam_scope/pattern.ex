defmodule BeamScope.Pattern do
  @moduledoc """
  An Elixir pattern as data, so that the recorder's core can ask it of terms that no process holds any more.

  Make one with `BeamScope.pattern/1`:

      BeamScope.pattern(%{count: n} when n > 2)
      BeamScope.pattern({:echo, ^ref, <<"id:", id::binary>>})

  and give it to every `match:` option, to `BeamScope.find_state/3` and the rest. A plain term does as well, see `from_term/1`.

  ## What it means

  The same as the pattern means in a `case`, on OTP 27 and later (there `0.0` does not match `-0.0`), whichever release
  recorded the term. What was cut off by a budget or redacted matches only where the part that is there decides;
  else the answer is *unknown*, never a guess.

  ## What is allowed

    * literals, variables (a repeated one asks for equality), `_`, pins of any expression (`^ref`, `^opts.limit`);
    * tuples, lists, `[head | tail]`, `list ++ tail`, maps and structs by subset, `%_{}`, `%name{}`, `a = b`;
    * binaries: every type, size, unit, sign and endianness; `"prefix" <> rest`; sizes from earlier variables;
    * module attributes, aliases, sigils and macros that expand to the above;
    * guards after `when`, more than one `when`, guards of your own (`defguard`): comparisons, arithmetic, bit
      operations, `is_*`, `and`, `or`, `not`, `in`, `hd`, `tl`, `length`, `elem`, `map.field`, sizes, `abs`, `round`,
      `trunc`, `ceil`, `floor`. A variable that the pattern does not bind is taken from around it, as in a `case`.

  ## The data

  `{:pattern, head, guard | nil}`. The grammar is the core's (module `pattern` of `beam_scope_core`):

      head    :any | :atom | {:lit, term} | {:var, name} | {:tuple, [head]} | {:list, [head]} | {:cons, [head], head}
              | {:map, [{key, head}]} | {:as, head, head} | {:bin, [segment]}
      segment {:seg, head, :integer | :float | :binary | :utf8 | :utf16 | :utf32, size :: guard | nil, unit,
              :signed | :unsigned, :big | :little | :native}
      guard   {:lit, term} | {:var, name} | {:op, name, [guard]}, named and ordered as in the `:erlang` module;
              {:op, :when, guards}: any of them; {:op, :in, [x | members]}
  """

  alias BeamScope.Pattern.Compiler

  @enforce_keys [:data, :source]
  defstruct [:data, :source, vars: []]

  @typedoc "A pattern: the data, how it was written, and the variables that a match binds, in order."
  @type t :: %__MODULE__{data: tuple, source: String.t(), vars: [atom]}

  @doc """
  Translates a quoted pattern, `when` and all, into the quoted `%BeamScope.Pattern{}`. `BeamScope.pattern/1` is this.

  Raises `CompileError` at the line of what cannot be data.
  """
  @spec compile(Macro.t(), Macro.Env.t()) :: Macro.t()
  def compile(expr, %Macro.Env{} = env) do
    {data, vars} = Compiler.translate(expr, env)
    source = Macro.to_string(expr)

    quote do
      %BeamScope.Pattern{data: unquote(data), source: unquote(source), vars: unquote(vars)}
    end
  end

  @doc """
  The pattern that a plain term stands for: maps and structs match by subset at any depth, `:_` matches anything,
  all else must be equal (`===`). A pattern stays as it is.

  A `MapSet` or a `Regex` is one value: it must be equal as a whole. A fun is refused, since what a recording keeps
  of a fun cannot be compared.

      iex> BeamScope.Pattern.from_term(%{count: 2}).data
      {:pattern, {:map, [{:count, {:lit, 2}}]}, nil}

      iex> BeamScope.Pattern.from_term({:reply, :_}).data
      {:pattern, {:tuple, [{:lit, :reply}, :any]}, nil}
  """
  @spec from_term(term) :: t
  def from_term(%__MODULE__{} = pattern), do: pattern

  def from_term(term) do
    %__MODULE__{data: {:pattern, head(term, :wildcards), nil}, source: inspect(term), vars: []}
  end

  @doc false
  # `:literal` is for a module attribute in a pattern: maps by subset, but `:_` is an atom like others.
  @spec head(term, :wildcards | :literal) :: tuple | atom
  def head(:_, :wildcards), do: :any
  def head(%module{} = whole, _) when module in [MapSet, Regex], do: {:lit, whole}

  def head(map, mode) when is_map(map),
    do: {:map, for({key, value} <- Map.to_list(map), do: {key, head(value, mode)})}

  def head(tuple, mode) when is_tuple(tuple) do
    heads = tuple |> Tuple.to_list() |> Enum.map(&head(&1, mode))
    if Enum.all?(heads, &lit?/1), do: {:lit, tuple}, else: {:tuple, heads}
  end

  def head(list, mode) when is_list(list) do
    {heads, tail} = list_heads(list, mode, [])

    cond do
      Enum.all?([tail | heads], &lit?/1) -> {:lit, list}
      tail == {:lit, []} -> {:list, heads}
      true -> {:cons, heads, tail}
    end
  end

  def head(fun, _) when is_function(fun) do
    raise ArgumentError,
          "a fun cannot be matched: a recording keeps no fun that could be compared with #{inspect(fun)}. " <>
            "Use :_ in its place, or BeamScope.pattern(f when is_function(f))"
  end

  def head(term, _), do: {:lit, term}

  defp list_heads([first | rest], mode, heads), do: list_heads(rest, mode, [head(first, mode) | heads])
  defp list_heads([], _mode, heads), do: {Enum.reverse(heads), {:lit, []}}
  defp list_heads(tail, mode, heads), do: {Enum.reverse(heads), head(tail, mode)}

  defp lit?({:lit, _}), do: true
  defp lit?(_), do: false

  @doc """
  Asks a pattern, or a plain term, of a term at hand: the same evaluation as of recorded terms.

      iex> require BeamScope
      iex> BeamScope.Pattern.match(BeamScope.pattern(%{count: n} when n > 2), %{count: 3, name: "a"})
      {:match, %{n: 3}}
      iex> BeamScope.Pattern.match(%{count: 2}, %{count: 3})
      :nomatch
      iex> BeamScope.Pattern.match(BeamScope.pattern(x when x > 2), %BeamScope.Truncated{kind: :integer, size: 0})
      {:unknown, :truncated}
  """
  @spec match(t | term, term) ::
          {:match, %{atom => term}} | :nomatch | {:unknown, :truncated | :redacted | :unsupported}
  def match(pattern, term) do
    case pattern |> from_term() |> Map.fetch!(:data) |> BeamScope.Native.match(term) do
      {:error, {reason, detail}} -> raise BeamScope.Error, reason: reason, detail: detail
      answer -> answer
    end
  end

  @doc false
  # `x in term`, where the right side is known only at run time. Called by code that `compile/2` makes.
  @spec in_term(tuple, term) :: tuple
  def in_term(left, members) when is_list(members), do: {:op, :in, [left | Enum.map(members, &{:lit, &1})]}
  def in_term(left, %MapSet{} = set), do: in_term(left, MapSet.to_list(set))

  def in_term(left, %Range{first: first, last: last, step: step}) do
    {low, high} = if step > 0, do: {first, last}, else: {last, first}
    tests = [{:op, :is_integer, [left]}, {:op, :>=, [left, {:lit, low}]}, {:op, :"=<", [left, {:lit, high}]}]
    Enum.reduce(tests ++ on_step(left, first, step), fn test, all -> {:op, :andalso, [all, test]} end)
  end

  def in_term(_left, other) do
    raise ArgumentError,
          "the right side of `in` in a pattern must be a list, a range or a MapSet, got: #{inspect(other)}"
  end

  defp on_step(_left, _first, step) when step in [1, -1], do: []

  defp on_step(left, first, step) do
    [{:op, :"=:=", [{:op, :rem, [{:op, :-, [left, {:lit, first}]}, {:lit, step}]}, {:lit, 0}]}]
  end

  defimpl Inspect do
    def inspect(%{source: source}, opts) do
      Inspect.Algebra.concat(["BeamScope.pattern(", Inspect.Algebra.string(shorten(source, opts)), ")"])
    end

    defp shorten(source, %{printable_limit: :infinity}), do: source

    defp shorten(source, %{printable_limit: limit}) do
      if String.length(source) > limit, do: String.slice(source, 0, limit) <> "…", else: source
    end
  end
end
