defmodule BeamScope.Options do
  @moduledoc """
  The options of a recording: one schema that validates them and documents them.

  `BeamScope.start/2` and `BeamScope.record/2` take the same options with different defaults: `start` is meant for a
  system at work, `record` for a test or a question asked in the shell.

      iex> {:ok, options} = BeamScope.Options.validate([], :start)
      iex> {options.level, options.budget.bytes, options.limits.events}
      {:states, 4096, 1000000}
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.Redaction

  @levels [:off, :crashes, :states, :messages, :full]

  @kb 1024
  @mb 1024 * 1024

  @limits [
    events: [
      type: {:integer, 1, 10_000_000_000},
      start: 1_000_000,
      record: 1_000_000,
      doc: "stop after so many events"
    ],
    bytes: [
      type: {:integer, @mb, 1024 * 1024 * @mb},
      start: 256 * @mb,
      record: 256 * @mb,
      doc: "memory for all that is kept, rings included; stop when it is full"
    ],
    ms: [
      type: {:or, [{:integer, 1, 30 * 24 * 3_600_000}, {:in, [:infinity]}]},
      start: 60_000,
      record: 600_000,
      doc: "stop after so many milliseconds"
    ],
    rate: [
      type: {:or, [{:in, [nil]}, {:pair, {1, 1_000_000_000}, {1, 3_600_000}}]},
      start: nil,
      record: nil,
      doc: "`{n, ms}`: stop when more than `n` events come within `ms` milliseconds"
    ]
  ]

  @budget [
    bytes: [
      # Three whole terms and a head must fit a quarter of a scheduler's ring.
      type: {:integer, 64, 340 * @kb},
      start: 4 * @kb,
      record: 64 * @kb,
      doc:
        "how much of one term is kept; the rest is marked as truncated, with its size. Of a state that is recorded by what " <>
          "changed in it, how much that is new a record may hold on average"
    ],
    depth: [
      type: {:integer, 1, 1_000},
      start: 64,
      record: 64,
      doc: "how deep one term is kept"
    ]
  ]

  @schema [
    trace: [
      type: :any,
      start: [],
      record: [],
      only: :record,
      doc: "the targets, besides the calling process and what it starts"
    ],
    level: [
      type: {:in, @levels},
      start: :states,
      record: :full,
      doc:
        "how much is recorded: `:off`, `:crashes`, `:states`, `:messages` or `:full`. Spawns, exits, links and names " <>
          "belong to every level but `:off`"
    ],
    calls: [
      type: {:list, :call},
      start: [],
      record: [],
      doc: "functions to record with arguments and results: `Module`, `{Module, function, arity}`"
    ],
    ets: [
      type: {:list, :table},
      start: [],
      record: [],
      doc:
        "ETS tables to follow, by name or reference: what they hold at the start (within bounds), and what recorded processes " <>
          "write: see `BeamScope.table/3`"
    ],
    pdict: [
      type: :boolean,
      start: false,
      record: false,
      doc: "whether process dictionaries are followed: see `BeamScope.dictionary/3`"
    ],
    follow: [
      type: {:in, [:spawn, false]},
      start: :spawn,
      record: :spawn,
      doc: "whether processes started by recorded ones are recorded too"
    ],
    limits: [type: {:keys, @limits}, doc: "hard stops, whichever comes first"],
    budget: [type: {:keys, @budget}, doc: "how much of one term is kept"],
    redact: [
      type: {:or, [{:in, [false]}, {:list, :rule}]},
      start: [],
      record: [],
      doc:
        "what never reaches the recording: values of keys that contain one of these atoms or strings, whatever their case, or that " <>
          "one of these regexes matches; fields of structs (`{Module, :field}`); values that match a `BeamScope.pattern/1`. They " <>
          "come on top of `config :beam_scope, redact: …` and of the defaults (passwords, secrets, tokens, cookies, keys); " <>
          "`false` switches all of it off. See `BeamScope.Recorder.Redaction`"
    ],
    owner: [
      type: :local_pid,
      start: nil,
      record: nil,
      doc: "the recording stops when this process ends; the caller by default"
    ],
    to: [
      type: {:or, [{:in, [nil]}, :sink]},
      start: nil,
      record: nil,
      doc:
        "where the recording is written while it is recorded: a path, or `{module, options}`, see `BeamScope.Sink`. " <>
          "What is in a file needs no memory any more, so `limits: [bytes: …]` is for what is not written yet"
    ],
    meta: [type: :map, start: %{}, record: %{}, doc: "anything of yours, given back by `info/1`"],
    profiles: [
      type: {:list, :profile},
      start: [],
      record: [],
      doc:
        "loops that follow no OTP behaviour: `{Module, function, arity, message: 1, state: 2}`, where the numbers are " <>
          "argument positions of `message`, `before` and `after`; `state` is another word for `after`"
    ],
    keep_receive_timeouts: [
      type: :boolean,
      start: false,
      record: false,
      doc: "whether the timeouts of `receive … after` become events"
    ],
    force: [type: :boolean, start: false, record: false, doc: "needed for the target `:all`"]
  ]

  # For tests: another native module, another tracer, the fallback profile. For `BeamScope.Case`: names that nobody bears yet, and
  # the process during whose life more recordings will come.
  @internal [:native, :tracer, :profile, :session, :absent, :keep, :memo, :check]

  @typedoc "Which function's defaults apply."
  @type form :: :start | :record

  @typedoc "Validated options, defaults filled in."
  @type t :: %{required(atom()) => term()}

  @doc "Validates options, fills in defaults. The first mistake is returned."
  @spec validate(term(), form()) :: {:ok, t()} | {:error, Error.t()}
  def validate(options, form) when form in [:start, :record] do
    schema = for {key, entry} <- @schema, Map.get(Map.new(entry), :only, form) == form, do: {key, entry}
    {internal, options} = split_internal(options)

    with {:ok, values} <- keys(options, schema, form, []), {:ok, rules} <- Redaction.rules(values.redact) do
      meta = Redaction.hide(values.meta, rules)
      {:ok, Map.merge(values, %{internal: Map.new(internal), redact: rules, meta: meta})}
    end
  end

  @doc "The levels, from the least to the most."
  @spec levels() :: [atom()]
  def levels, do: @levels

  @doc "Checks one level, as `set_level/2` takes it."
  @spec validate_level(term()) :: {:ok, atom()} | {:error, Error.t()}
  def validate_level(level) when level in @levels, do: {:ok, level}
  def validate_level(level), do: invalid([:level], level, {:in, @levels})

  @doc "The keys that are redacted unless `redact: false` is given."
  @spec default_redaction() :: [atom() | String.t()]
  def default_redaction, do: Redaction.defaults()

  @doc "The options as Markdown, for the documentation of the functions that take them."
  @spec docs(form()) :: String.t()
  def docs(form) do
    for {key, entry} <- @schema,
        Keyword.get(entry, :only, form) == form,
        into: "",
        do: doc(key, entry, form, "")
  end

  defp doc(key, entry, form, indent) do
    case entry[:type] do
      {:keys, schema} ->
        "#{indent}* `:#{key}` — #{entry[:doc]}:\n" <>
          Enum.map_join(schema, "", fn {key, entry} -> doc(key, entry, form, indent <> "  ") end)

      type ->
        "#{indent}* `:#{key}` — #{entry[:doc]}. Default: `#{inspect(entry[form])}`#{range(type)}\n"
    end
  end

  defp range({:integer, min, max}), do: ", from #{min} to #{max}"
  defp range({:or, types}), do: Enum.map_join(types, "", &range/1)
  defp range(_), do: ""

  # Walking the schema

  defp keys(options, schema, form, path) do
    if Keyword.keyword?(options) do
      with :ok <- known(options, schema), do: values(options, schema, form, path)
    else
      {:error,
       Error.new(:invalid_option, %{key: path_or_options(path), value: options, expected: "a keyword list"})}
    end
  end

  defp path_or_options([]), do: :options
  defp path_or_options(path), do: path

  defp known(options, schema) do
    known = Keyword.keys(schema)

    case Enum.find(Keyword.keys(options), &(&1 not in known)) do
      nil -> :ok
      key -> {:error, Error.new(:unknown_option, %{key: key, suggestion: suggest(key, known), known: known})}
    end
  end

  defp suggest(key, known) do
    {best, score} =
      known
      |> Enum.map(&{&1, String.jaro_distance(Atom.to_string(key), Atom.to_string(&1))})
      |> Enum.max_by(&elem(&1, 1))

    if score > 0.7, do: best
  end

  defp values(options, schema, form, path) do
    Enum.reduce_while(schema, {:ok, %{}}, fn {key, entry}, {:ok, values} ->
      case value(options, key, entry, form, path ++ [key]) do
        {:ok, value} -> {:cont, {:ok, Map.put(values, key, value)}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp value(options, key, entry, form, path) do
    case {entry[:type], Keyword.fetch(options, key)} do
      {{:keys, schema}, given} -> keys(given_or_empty(given), schema, form, path)
      {_, :error} -> {:ok, entry[form]}
      {type, {:ok, value}} -> if valid?(type, value), do: {:ok, value}, else: invalid(path, value, type)
    end
  end

  defp given_or_empty({:ok, given}), do: given
  defp given_or_empty(:error), do: []

  defp split_internal(options) do
    if Keyword.keyword?(options), do: Keyword.split(options, @internal), else: {[], options}
  end

  # Types: what is valid, and how to say it

  defp valid?(:any, _), do: true
  defp valid?(:boolean, value), do: is_boolean(value)
  defp valid?(:map, value), do: is_map(value)
  defp valid?(:local_pid, value), do: is_pid(value) and node(value) == node()
  defp valid?({:in, values}, value), do: value in values
  defp valid?({:integer, min, max}, value), do: is_integer(value) and value in min..max
  defp valid?({:or, types}, value), do: Enum.any?(types, &valid?(&1, value))

  defp valid?({:list, type}, value),
    do: is_list(value) and List.improper?(value) == false and Enum.all?(value, &valid?(type, &1))

  defp valid?({:pair, {min1, max1}, {min2, max2}}, {a, b}),
    do: valid?({:integer, min1, max1}, a) and valid?({:integer, min2, max2}, b)

  defp valid?(:call, module) when is_atom(module), do: module not in [nil, true, false]

  defp valid?(:call, {m, f, a}),
    do: is_atom(m) and m != :_ and is_atom(f) and (a == :_ or (is_integer(a) and a in 0..255))

  defp valid?(:table, table), do: is_reference(table) or (is_atom(table) and table not in [nil, true, false])
  defp valid?(:sink, sink), do: match?({:ok, _}, BeamScope.Sink.normal(sink))

  defp valid?(:rule, rule), do: Redaction.rule?(rule)

  defp valid?(:profile, {m, f, a, positions})
       when is_atom(m) and is_atom(f) and is_integer(a) and is_list(positions) do
    positions != [] and Keyword.keyword?(positions) and
      Enum.all?(positions, fn {key, at} ->
        key in [:message, :before, :after, :state] and is_integer(at) and at in 1..a//1
      end)
  end

  defp valid?(_, _), do: false

  defp invalid(path, value, type) do
    key = if match?([_], path), do: hd(path), else: path
    {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected(type)})}
  end

  defp expected(:boolean), do: "true or false"
  defp expected(:map), do: "a map"
  defp expected(:local_pid), do: "a pid of this node"
  defp expected({:in, [value]}), do: inspect(value)
  defp expected({:in, values}), do: "one of #{Enum.map_join(values, ", ", &inspect/1)}"
  defp expected({:integer, min, max}), do: "an integer from #{min} to #{max}"
  defp expected({:or, types}), do: Enum.map_join(types, " or ", &expected/1)
  defp expected({:list, type}), do: "a list, each element #{expected(type)}"
  defp expected({:pair, _, _}), do: "{events, milliseconds} with positive integers"
  defp expected(:call), do: "a module or {module, function, arity} (the arity may be :_)"
  defp expected(:table), do: "the name or reference of an ETS table"
  defp expected(:sink), do: "a path, or {module, options} with a module that is a BeamScope.Sink"

  defp expected(:rule),
    do: "an atom or a string (part of a key), a regex (of a key), {Module, :field} or a BeamScope.pattern/1"

  defp expected(:profile),
    do: "{module, function, arity, positions} with positions such as [message: 1, state: 2] within the arity"
end
