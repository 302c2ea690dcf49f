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
  alias BeamScope.Recorder.Flight.Triggers
  alias BeamScope.Recorder.Redaction

  @levels [:off, :crashes, :states, :messages, :full]

  @kb 1024
  @mb 1024 * 1024

  @limits [
    events: [
      type: {:or, [{:integer, 1, 10_000_000_000}, {:in, [:infinity]}]},
      start: 1_000_000,
      record: :infinity,
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
      record: :infinity,
      doc: "stop after so many milliseconds"
    ],
    rate: [
      type: {:or, [{:in, [nil]}, {:pair, {1, 1_000_000_000}, {1, 3_600_000}}]},
      start: nil,
      record: nil,
      doc: "`{n, ms}`: stop when more than `n` events come within `ms` milliseconds"
    ]
  ]

  @keep [
    ms: [
      type: {:or, [{:integer, 100, 30 * 24 * 3_600_000}, {:in, [:infinity]}]},
      start: 30_000,
      doc: "how far back, in milliseconds"
    ],
    bytes: [
      type: {:integer, @mb, 1024 * 1024 * @mb},
      start: 64 * @mb,
      doc: "memory for all that is kept, rings included"
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

  @system [
    every: [
      type: {:integer, 100, 3_600_000},
      start: 1_000,
      record: 1_000,
      doc: "milliseconds between samples"
    ],
    processes: [
      type: {:integer, 0, 200},
      start: 200,
      record: 200,
      doc: "how many of the recorded processes a sample shows, the busiest ones; 0: none is asked"
    ],
    long_gc: [
      type: {:or, [{:integer, 1, 3_600_000}, {:in, [false]}]},
      start: 100,
      record: 100,
      doc: "warn of garbage collections of so many milliseconds"
    ],
    long_schedule: [
      type: {:or, [{:integer, 1, 3_600_000}, {:in, [false]}]},
      start: 100,
      record: 100,
      doc: "warn of processes and ports that keep a scheduler for so many milliseconds"
    ],
    large_heap: [
      type: {:or, [{:integer, 16_384, 1_000_000_000_000}, {:in, [false]}]},
      start: 4_194_304,
      record: 4_194_304,
      doc: "warn of heaps of so many words, which are 8 bytes"
    ],
    long_message_queue: [
      type: {:or, [{:integer, 10, 1_000_000_000}, {:in, [false]}]},
      start: 10_000,
      record: 10_000,
      doc:
        "warn of so many waiting messages, and again when there are a tenth; before OTP 27 as samples see it, of recorded processes"
    ],
    busy_port: [type: :boolean, start: true, record: true, doc: "warn of processes that wait for a port"],
    busy_dist_port: [
      type: :boolean,
      start: true,
      record: true,
      doc: "warn of processes that wait for the connection to another node"
    ],
    observer: [
      type: :boolean,
      start: false,
      record: false,
      doc:
        "attach what observer shows at the start and the end: applications, ETS tables, ports; names and sizes only"
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
      type: {:in, @levels ++ [:auto]},
      start: :auto,
      record: :full,
      doc:
        "how much is recorded: `:off`, `:crashes`, `:states`, `:messages` or `:full`. Spawns, exits, links and names " <>
          "belong to every level but `:off`. `:auto` begins with `:states` (`record/2`: with `:full`) and steps down when tracing " <>
          "costs more than `overhead:` allows. A level that is named is kept, whatever it costs"
    ],
    overhead: [
      type: {:float, 0.001, 1.0},
      start: 0.05,
      record: 0.05,
      doc:
        "with `level: :auto`, the share of the schedulers' time that tracing may take, and of each process's own time; every " <>
          "step down is a note on the timeline"
    ],
    memory: [
      type: {:or, [{:in, [nil]}, {:integer, @mb, 1024 * 1024 * @mb}]},
      start: nil,
      record: nil,
      doc: "with `level: :auto`, the bytes that the whole virtual machine may hold before it steps down"
    ],
    recover: [
      type: :boolean,
      start: false,
      record: false,
      doc:
        "with `level: :auto`, whether it steps up again, slowly and one step at a time, when there is room for it. After `:off` " <>
          "it never does"
    ],
    calls: [
      type: {:list, :call},
      start: [],
      record: [],
      doc: "functions to record with arguments and results: `Module`, `{Module, function, arity}`"
    ],
    lines: [
      type: {:list, :call},
      start: [],
      record: [],
      doc:
        "modules and functions to look inside of, `Module` or `{Module, function, arity}`: each line that runs is a `:line` event, with " <>
          "what its variables hold, at every level but `:off` (with `level: :auto` not at `:crashes` either, to which it steps down). The " <>
          "code is instrumented while it is recorded, from the debug information of its modules, and comes back as it was"
    ],
    stack: [
      type: :boolean,
      start: false,
      record: false,
      doc:
        "whether `:call`, `:line` and `:mark` events tell the call stack, up to 16 frames, as `stack`; before OTP 26 the caller only"
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
    system: [
      type: {:switch, @system},
      start: false,
      record: false,
      doc:
        "how the whole system stands, once a second, and what its monitor warns of, as `:system` events: see `BeamScope.system/2`. " <>
          "`true`, or a keyword list of"
    ],
    garbage_collection: [
      type: :boolean,
      start: false,
      record: false,
      doc:
        "record the garbage collections of recorded processes, as `:gc` events with sizes; refused on OTP 27 and 28, which they can crash"
    ],
    running: [
      type: :boolean,
      start: false,
      record: false,
      doc:
        "record when recorded processes are scheduled in and out, as `:running` events: many. Refused before OTP 25.3, which they can crash"
    ],
    follow: [
      type: {:in, [:spawn, false]},
      start: :spawn,
      record: :spawn,
      doc: "whether processes started by recorded ones are recorded too"
    ],
    limits: [
      type: {:keys, @limits},
      doc:
        "hard stops, whichever comes first. With `mode: :ring` those of events and ms do not hold unless given"
    ],
    mode: [
      type: {:in, [:stop, :ring]},
      start: :stop,
      record: :stop,
      only: :start,
      doc:
        "`:stop` ends at its limits; `:ring` is a flight recorder: it goes on for ever and lets go of what is oldest, see `keep:` " <>
          "and `BeamScope.freeze/1`"
    ],
    keep: [
      type: {:keys, @keep},
      only: :start,
      doc: "what a flight recorder keeps: the last `ms`, and no more than `bytes`"
    ],
    freeze_on: [
      type: {:list, :trigger},
      start: [],
      only: :start,
      doc:
        "when a flight recorder is frozen and saved to the directory in `to:` by itself: `:crash`, `{:exit, reason_pattern}`, " <>
          "`{:state, process, pattern}`, `{:message, pattern}`, `{:latency, {m, f, a}, ms}`, `{:mailbox, n}`, `{:telemetry, event}`, a " <>
          "function; see `BeamScope.freeze/1`"
    ],
    files: [
      type: {:integer, 1, 100_000},
      start: 10,
      only: :start,
      doc: "how many frozen recordings are kept in the directory; the oldest are deleted"
    ],
    quiet: [
      type: {:integer, 0, 24 * 3_600_000},
      start: 10_000,
      only: :start,
      doc: "for so many milliseconds after it was frozen nothing freezes it again: what would have is counted"
    ],
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
      type: {:or, [:local_pid, {:in, [:none]}]},
      start: nil,
      record: nil,
      doc: "the recording stops when this process ends; the caller by default, nobody with `:none`"
    ],
    to: [
      type: {:or, [{:in, [nil]}, :sink]},
      start: nil,
      record: nil,
      doc:
        "where the recording is written while it is recorded: a path, or `{module, options}`, see `BeamScope.Sink`. " <>
          "What is in a file needs no memory any more, so `limits: [bytes: …]` is for what is not written yet. With `freeze_on:` the " <>
          "directory of frozen recordings"
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

  # For tests: another native module, another tracer, another loader of instrumented code, the fallback profile. For `BeamScope.Case`: names that nobody bears yet, and
  # the process during whose life more recordings will come.
  @internal [:native, :tracer, :loader, :profile, :session, :absent, :keeper, :memo, :check]

  @typedoc "Which function's defaults apply."
  @type form :: :start | :record

  @typedoc "Validated options, defaults filled in."
  @type t :: %{required(atom()) => term()}

  @doc "Validates options, fills in defaults. The first mistake is returned."
  @spec validate(term(), form()) :: {:ok, t()} | {:error, Error.t()}
  def validate(options, form) when form in [:start, :record] do
    schema = for {key, entry} <- @schema, Map.get(Map.new(entry), :only, form) == form, do: {key, entry}
    {internal, options} = split_internal(options)

    with {:ok, values} <- keys(options, schema, form, []),
         {:ok, values} <- flight(values, options),
         {:ok, rules} <- Redaction.rules(values.redact) do
      meta = Redaction.hide(values.meta, rules)
      {:ok, Map.merge(auto(values, form), %{internal: Map.new(internal), redact: rules, meta: meta})}
    end
  end

  # Where `:auto` begins.
  @first %{start: :states, record: :full}

  defp auto(%{level: :auto} = values, form), do: Map.merge(values, %{auto: true, level: @first[form]})
  defp auto(values, _form), do: Map.put(values, :auto, false)

  # A flight recorder has limits of its own; what only one can do is refused elsewhere.
  defp flight(%{mode: :ring} = values, options) do
    given = Keyword.get(options, :limits, [])
    free = for key <- [:events, :ms], not Keyword.has_key?(given, key), into: %{}, do: {key, :infinity}
    limits = values.limits |> Map.merge(free) |> Map.put(:bytes, values.keep.bytes)
    values = %{values | limits: limits, calls: values.calls ++ Triggers.calls(values.freeze_on)}

    cond do
      Keyword.has_key?(given, :bytes) ->
        invalid([:limits, :bytes], given[:bytes], {:instead, "keep: [bytes: n]"})

      values.freeze_on != [] and not is_binary(values.to) ->
        invalid([:to], values.to, :directory)

      values.freeze_on == [] and values.to != nil ->
        invalid([:to], values.to, {:instead, "freeze_on:, or mode: :stop"})

      true ->
        {:ok, values}
    end
  end

  defp flight(values, options) do
    case Enum.find([:keep, :freeze_on, :files, :quiet], &Keyword.has_key?(options, &1)) do
      nil -> {:ok, values}
      key -> invalid([key], options[key], {:instead, "mode: :ring with it"})
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

      {:switch, schema} ->
        "#{indent}* `:#{key}` — #{entry[:doc]} (default: `#{inspect(entry[form])}`):\n" <>
          Enum.map_join(schema, "", fn {key, entry} -> doc(key, entry, form, indent <> "  ") end)

      type ->
        "#{indent}* `:#{key}` — #{entry[:doc]}. Default: `#{inspect(entry[form])}`#{range(type)}\n"
    end
  end

  defp range({:float, min, max}), do: ", from #{min} to #{max}"
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
      {{:switch, _}, {:ok, false}} -> {:ok, false}
      {{:switch, schema}, {:ok, true}} -> keys([], schema, form, path)
      {{:switch, schema} = type, {:ok, given}} -> switched(given, schema, form, path, type)
      {type, {:ok, value}} -> if valid?(type, value), do: {:ok, value}, else: invalid(path, value, type)
    end
  end

  defp switched(given, schema, form, path, type) do
    if Keyword.keyword?(given), do: keys(given, schema, form, path), else: invalid(path, given, type)
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
  defp valid?({:float, min, max}, value), do: is_float(value) and value >= min and value <= max
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

  defp valid?(:trigger, trigger), do: Triggers.valid?(trigger)

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

  defp expected({:instead, text}), do: "left out: give #{text}"
  defp expected(:directory), do: "the path of a directory: freeze_on: saves there"
  defp expected(:trigger), do: Triggers.expected()
  defp expected(:boolean), do: "true or false"
  defp expected({:switch, _}), do: "true, false or a keyword list"
  defp expected(:map), do: "a map"
  defp expected(:local_pid), do: "a pid of this node"
  defp expected({:in, [value]}), do: inspect(value)
  defp expected({:in, values}), do: "one of #{Enum.map_join(values, ", ", &inspect/1)}"
  defp expected({:float, min, max}), do: "a float from #{min} to #{max}"
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
