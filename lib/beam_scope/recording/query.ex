defmodule BeamScope.Recording.Query do
  @moduledoc """
  What users ask, in the words of the core: filters, processes and moments are checked here, and what the core answers
  becomes structs and typed errors.
  """

  alias BeamScope.{Error, Event, Events, History, Moment, Native, Pattern, Process, Recording, Transition}
  alias BeamScope.Recording.Sites

  @default_limit 10_000
  @history_limit 1_000
  @page 5_000
  @catch_up_ms 1_000
  @settle_ms 100
  @kinds [
    :send,
    :send_to_dead,
    :receive,
    :spawn,
    :spawned,
    :exit,
    :link,
    :unlink,
    :getting_linked,
    :getting_unlinked,
    :register,
    :unregister,
    :call,
    :return,
    :exception,
    :state,
    :baseline,
    :note,
    :system,
    :gc,
    :running,
    :line,
    :mark
  ]
  @messages [:send, :send_to_dead, :receive]
  @calls [:call, :return, :exception]

  @doc "The kinds of events."
  @spec kinds() :: [atom]
  def kinds, do: @kinds

  @doc "The core's query for filters, of which only those in `allowed` are known."
  @spec build(keyword, [atom], map) :: {:ok, map} | {:error, Error.t()}
  def build(filters, allowed, base \\ %{}) do
    query =
      Map.merge(
        %{
          kinds: nil,
          track: nil,
          from: nil,
          to: nil,
          since: nil,
          until: nil,
          match: nil,
          mfa: nil,
          order: :asc,
          limit: @default_limit
        },
        base
      )

    with :ok <- known(filters, allowed) do
      Enum.reduce_while(filters, {:ok, query}, fn {key, value}, {:ok, query} ->
        case filter(key, value) do
          {:ok, pair} -> {:cont, {:ok, put(query, pair)}}
          {:error, error} -> {:halt, {:error, error}}
        end
      end)
    end
  end

  defp put(query, {key, value}), do: Map.put(query, key, value)

  @doc "Whether all keys of a keyword list are among the known ones."
  @spec known(term, [atom]) :: :ok | {:error, Error.t()}
  def known(filters, allowed) do
    cond do
      not Keyword.keyword?(filters) -> invalid(:filters, filters, "a keyword list, such as [limit: 10]")
      key = Enum.find(Keyword.keys(filters), &(&1 not in allowed)) -> unknown(key, allowed)
      true -> :ok
    end
  end

  defp unknown(key, known) do
    best = Enum.max_by(known, &String.jaro_distance(to_string(&1), to_string(key)))
    suggestion = if String.jaro_distance(to_string(best), to_string(key)) > 0.7, do: best
    {:error, Error.new(:unknown_option, %{key: key, suggestion: suggestion, known: known})}
  end

  @doc "The error for an option whose value is none."
  @spec invalid(term, term, String.t()) :: {:error, Error.t()}
  def invalid(key, value, expected),
    do: {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected})}

  defp filter(key, kinds) when key in [:kind, :kinds] do
    kinds = List.wrap(kinds)

    if kinds != [] and Enum.all?(kinds, &(&1 in @kinds)),
      do: {:ok, {:kinds, kinds}},
      else: invalid(key, kinds, "one or a list of " <> Enum.map_join(@kinds, ", ", &inspect/1))
  end

  defp filter(:process, process), do: tag(:track, selector(process))
  defp filter(key, process) when key in [:from, :to], do: tag(key, selector(process))
  defp filter(key, moment) when key in [:since, :until], do: tag(key, Moment.to_native(moment))
  defp filter(:match, pattern), do: tag(:match, pattern(pattern))
  defp filter(:limit, :infinity), do: {:ok, {:limit, nil}}
  defp filter(:limit, n) when is_integer(n) and n > 0, do: {:ok, {:limit, n}}
  defp filter(:limit, n), do: invalid(:limit, n, "a positive integer or :infinity")
  defp filter(:order, order) when order in [:asc, :desc], do: {:ok, {:order, order}}
  defp filter(:order, order), do: invalid(:order, order, ":asc or :desc")
  defp filter(:call, call), do: tag(:mfa, mfa(call))

  defp filter(key, value) when key in [:max_batch, :max_queue] and is_integer(value) and value > 0,
    do: {:ok, {key, value}}

  defp filter(key, value), do: invalid(key, value, "a positive integer")

  defp tag(key, {:ok, value}), do: {:ok, {key, value}}
  defp tag(_key, error), do: error

  defp mfa(m) when is_atom(m) and m not in [nil, :_], do: {:ok, {m, :_, :_}}
  defp mfa({m, f}) when is_atom(m) and is_atom(f), do: {:ok, {m, f, :_}}
  defp mfa({m, f, a}) when is_atom(m) and is_atom(f) and (a == :_ or is_integer(a)), do: {:ok, {m, f, a}}
  defp mfa(other), do: invalid(:call, other, "Module, {Module, function} or {Module, function, arity}")

  @doc "Pattern data for the core, from a `BeamScope.pattern/1` or a plain term."
  @spec pattern(term) :: {:ok, tuple} | {:error, Error.t()}
  def pattern(pattern) do
    {:ok, Pattern.from_term(pattern).data}
  rescue
    error in ArgumentError ->
      {:error, Error.new(:invalid_option, %{key: :match, value: pattern, expected: Exception.message(error)})}
  end

  @doc """
  The core's selector for what stands for a process.

      iex> BeamScope.Recording.Query.selector(CounterServer)
      {:ok, {:name, CounterServer}}
      iex> BeamScope.Recording.Query.selector(%BeamScope.Process{track: 3})
      {:ok, {:track, 3}}
      iex> BeamScope.Recording.Query.selector({:module, GenServer})
      {:ok, {:module, GenServer}}
  """
  @spec selector(term) :: {:ok, tuple} | {:error, Error.t()}
  def selector(pid) when is_pid(pid), do: {:ok, {:pid, pid}}
  def selector(name) when is_atom(name) and name not in [nil, true, false], do: {:ok, {:name, name}}
  def selector(track) when is_integer(track) and track >= 0, do: {:ok, {:track, track}}
  def selector(%{track: track}) when is_integer(track), do: {:ok, {:track, track}}
  def selector({:track, track}) when is_integer(track) and track >= 0, do: {:ok, {:track, track}}
  def selector({:via, _module, _name} = name), do: {:ok, {:term, name}}
  def selector({:global, _name} = name), do: {:ok, {:term, name}}

  def selector({:module, module} = all) when is_atom(module) and module not in [nil, true, false],
    do: {:ok, all}

  def selector(other) do
    invalid(
      :process,
      other,
      "a pid, a registered name, a module, {:via, module, name}, {:global, name}, {:module, module}, a track number or a " <>
        "%BeamScope.Process{}"
    )
  end

  @doc "The core's word for a moment of a recording; times past its end are refused."
  @spec moment(Recording.t(), term) :: {:ok, term} | {:error, Error.t()}
  def moment(rec, moment) do
    with {:ok, native} <- Moment.to_native(moment),
         :ok <- inside(rec, native, moment),
         do: {:ok, native}
  end

  defp inside(rec, {:ns, ns}, moment) do
    with {:ok, info} <- ask(rec, fn -> Native.recording_info(rec.native) end) do
      if info.status != :running and ns > info.duration_ns,
        do: outside(moment, info.duration_ns),
        else: :ok
    end
  end

  defp inside(_rec, _native, _moment), do: :ok

  defp outside(moment, last_ns),
    do: {:error, Error.new(:outside_recording, %{moment: moment, last_ns: last_ns})}

  @doc """
  Asks the core: `fun` gets the selector and answers `{:ok, _}` or `{:error, _}`. A name that no process bore is tried as
  what `:via` and `:global` find now and as a module that exactly one process runs.
  """
  @spec ask_process(Recording.t(), term, (tuple -> term)) :: {:ok, term} | {:error, Error.t()}
  def ask_process(%Recording{} = rec, process, fun) do
    settle(rec, [process], [self()])

    with {:ok, selector} <- selector(process),
         {:error, %Error{reason: :no_such_process}} <- ask(rec, fn -> fun.(selector) end),
         {:ok, selector} <- other_name(rec, process),
         {:error, %Error{reason: :no_such_process}} <- ask(rec, fn -> fun.(selector) end),
         do: {:error, no_such_process(rec, process)}
  end

  def ask_process(other, _process, _fun), do: {:error, not_a_recording(other)}

  defp no_such_process(rec, process) do
    case ask(rec, fn -> Native.processes(rec.native, :end) end) do
      {:ok, processes} -> Error.new(:no_such_process, %{process: process, known: names(processes)})
      {:error, error} -> error
    end
  end

  defp other_name(rec, process) do
    with {:ok, processes} <- ask(rec, fn -> Native.processes(rec.native, :end) end) do
      case {whereis(rec, process), running(processes, process)} do
        {pid, _} when is_pid(pid) -> {:ok, {:bearer, {process, pid}}}
        {_, [%{track: track}]} -> {:ok, {:track, track}}
        {_, []} -> {:error, Error.new(:no_such_process, %{process: process, known: names(processes)})}
        {_, several} -> {:error, Error.new(:ambiguous_process, ambiguous(process, several))}
      end
    end
  end

  # Who bears the name now; of no use for a recording of another system.
  defp whereis(%Recording{pid: nil}, _name), do: nil
  defp whereis(_rec, name) when is_atom(name), do: :erlang.whereis(name)
  defp whereis(_rec, {:global, name}), do: :global.whereis_name(name)

  defp whereis(_rec, {:via, module, name}) do
    module.whereis_name(name)
  rescue
    _ -> nil
  end

  defp whereis(_rec, _other), do: nil

  defp running(processes, module) when is_atom(module),
    do: Enum.filter(processes, &(Map.get(&1, :module) == module))

  defp running(_processes, _other), do: []

  defp names(processes), do: for(%{name: name} <- processes, name != nil, uniq: true, do: name)

  defp ambiguous(module, several) do
    tracks = several |> Enum.take(8) |> Enum.map_join(", ", &"#{&1.track} (#{inspect(&1.pid)})")
    more = if length(several) > 8, do: " …", else: ""

    "#{length(several)} processes run #{inspect(module)}: give one of them by its pid or track: #{tracks}#{more}"
  end

  @doc "What the core answered, its errors typed. A recording that runs is asked up to now."
  @spec ask(Recording.t(), (() -> term)) :: {:ok, term} | {:error, Error.t()}
  def ask(%Recording{} = rec, fun) do
    catch_up(rec)
    ask_stored(rec, fun)
  end

  def ask(other, _fun), do: {:error, not_a_recording(other)}

  @doc "The same, of what has reached the recording by itself: that waits for nothing."
  @spec ask_stored(Recording.t(), (() -> term)) :: {:ok, term} | {:error, Error.t()}
  def ask_stored(%Recording{} = rec, fun) do
    case fun.() do
      :ok -> {:ok, :ok}
      {:ok, answer} -> {:ok, answer}
      {:error, %Error{} = error} -> {:error, error}
      {:error, {:closed, _}} -> {:error, Error.new(:closed, rec.id)}
      {:error, {reason, ""}} -> {:error, Error.new(reason)}
      {:error, reason} -> {:error, Error.from_native(reason)}
      answer -> {:ok, answer}
    end
  end

  # What happened before the question may still lie in a ring.
  defp catch_up(%Recording{pid: pid, native: native}) do
    if is_pid(pid) and is_reference(native) and :erlang.is_process_alive(pid),
      do: Native.recording_flush(native, @catch_up_ms)
  end

  @doc """
  Waits until all that happened before is in a recording that runs, and until the processes that were handling a message
  then are done: a server answers before it tells its new state. Only `processes` count, where they are given and known;
  `except` are not waited for, nor is anybody for longer than a moment. Nothing is asked of them.
  """
  @spec settle(Recording.t(), :all | [term], [pid]) :: :ok
  def settle(%Recording{pid: pid, native: native}, processes, except) do
    if is_pid(pid) and is_reference(native) and :erlang.is_process_alive(pid),
      do: Native.recording_settle(native, selectors(processes), except, @settle_ms)

    :ok
  end

  defp selectors(:all), do: :all

  defp selectors(processes) do
    found = for process <- processes, do: selector(process)
    if Enum.all?(found, &match?({:ok, _}, &1)), do: Keyword.values(found), else: :all
  end

  @doc "The error for what is no recording."
  @spec not_a_recording(term) :: Error.t()
  def not_a_recording({:ok, %Recording{}}),
    do:
      Error.new(
        :invalid_recording,
        "got {:ok, recording}: take the recording out of it, as in {:ok, rec} = BeamScope.start(…)"
      )

  def not_a_recording(other),
    do:
      Error.new(
        :invalid_recording,
        "#{BeamScope.Terminal.Term.text(other, 60)} is not a recording. BeamScope.last() is the latest one"
      )

  @doc "Events for filters."
  @spec events(Recording.t(), keyword) :: {:ok, Events.t()} | {:error, Error.t()}
  def events(rec, filters) do
    allowed = [:kind, :kinds, :process, :from, :to, :call, :match, :since, :until, :limit, :order]
    with {:ok, query} <- build(filters, allowed), do: list(rec, query, fn _ -> true end)
  end

  @doc "Messages for filters: each once, though both of its ends may have been seen."
  @spec messages(Recording.t(), keyword) :: {:ok, Events.t()} | {:error, Error.t()}
  def messages(rec, filters) do
    allowed = [:process, :from, :to, :match, :since, :until, :limit, :order]

    with {:ok, query} <- build(filters, allowed, %{kinds: @messages}),
         {:ok, events} <- list(rec, query, &(not sent_before?(&1))),
         do: {:ok, %{events | hint: no_messages(rec, events)}}
  end

  defp sent_before?(%{kind: :receive, partner: partner}) when is_integer(partner), do: true
  defp sent_before?(_), do: false

  defp no_messages(%Recording{level: level}, %Events{events: []}) when level in [:off, :crashes, :states] do
    "At level #{inspect(level)} no messages are recorded as such: use level: :messages or :full. " <>
      "BeamScope.history/3 shows the messages that a process handled."
  end

  defp no_messages(_rec, _events), do: nil

  @doc "Calls, returns and exceptions for filters."
  @spec calls(Recording.t(), keyword) :: {:ok, Events.t()} | {:error, Error.t()}
  def calls(rec, filters) do
    allowed = [:call, :process, :match, :since, :until, :limit, :order]

    with {:ok, query} <- build(filters, allowed, %{kinds: @calls}),
         {:ok, events} <- list(rec, query, fn _ -> true end),
         do: {:ok, %{events | hint: no_calls(events)}}
  end

  defp no_calls(%Events{events: []}),
    do: "Functions are recorded when the recording was started with calls: [Module, {m, f, a}, …]."

  defp no_calls(_events), do: nil

  # In pages, so that events which are left out here do not count against the limit.
  defp list(rec, query, keep?), do: pages(rec, resolve(rec, query), query.limit, keep?, [], 0)

  defp pages(_rec, {:error, error}, _left, _keep?, _done, _unknown), do: {:error, error}

  defp pages(rec, {:ok, query}, left, keep?, done, unknown) do
    with {:ok, page} <-
           ask(rec, fn -> Native.query(rec.native, %{query | limit: min(left || @page, @page)}) end) do
      kept = Enum.filter(page.events, keep?)
      {taken, over} = if left, do: Enum.split(kept, left), else: {kept, []}
      left = left && left - length(taken)
      done = [taken | done]
      unknown = unknown + page.unknown

      if page.more and page.events != [] and left != 0,
        do: pages(rec, {:ok, after_page(query, List.last(page.events))}, left, keep?, done, unknown),
        else: {:ok, answer(rec, done, over != [] or page.more, unknown)}
    end
  end

  defp after_page(%{order: :asc} = query, %{seq: seq}), do: %{query | since: {:seq, seq + 1}}
  defp after_page(query, %{seq: 0}), do: %{query | until: {:seq, 0}}
  defp after_page(query, %{seq: seq}), do: %{query | until: {:seq, seq - 1}}

  defp answer(rec, pages, more, unknown) do
    events = pages |> Enum.reverse() |> Enum.concat() |> Enum.map(&Event.from_native/1)
    %Events{events: Sites.fill(events, rec), more: more, unknown: unknown, recording: rec}
  end

  # Names in filters are checked first: a misspelled one would find nothing and say nothing. A pid cannot be misspelled, and
  # may well be that of a process that was not recorded itself.
  defp resolve(rec, query) do
    Enum.reduce_while([:track, :from, :to], {:ok, query}, fn key, {:ok, query} ->
      case resolve_one(rec, Map.fetch!(query, key), key) do
        {:ok, selector} -> {:cont, {:ok, Map.put(query, key, selector)}}
        error -> {:halt, error}
      end
    end)
  end

  defp resolve_one(_rec, nil, _key), do: {:ok, nil}
  defp resolve_one(_rec, {:pid, _} = selector, key) when key != :track, do: {:ok, selector}

  defp resolve_one(rec, {_kind, value} = selector, key) do
    with {:ok, knows?} <- ask(rec, fn -> Native.knows(rec.native, selector) end),
         {:error, %Error{reason: :no_such_process}} = error <-
           if(knows?, do: {:ok, selector}, else: other_name(rec, value)) do
      if key == :to and addressed?(rec, selector), do: {:ok, selector}, else: error
    end
  end

  # Whoever bore it was not recorded and may have ended, but somebody sent to that name.
  defp addressed?(rec, selector) do
    {:ok, query} = build([], [], %{kinds: [:send, :send_to_dead], to: selector, limit: 1})
    match?({:ok, %{events: [_ | _]}}, ask(rec, fn -> Native.query(rec.native, query) end))
  end

  @doc """
  The core's selector for a process that the recording must know; as one end of a message (`:from`, `:to`) a pid may be that
  of any process.
  """
  @spec process(Recording.t(), term, :process | :from | :to) :: {:ok, tuple} | {:error, Error.t()}
  def process(rec, process, role) do
    with {:ok, selector} <- selector(process),
         do: resolve_one(rec, selector, if(role == :process, do: :track, else: role))
  end

  @doc "The history of a process."
  @spec history(Recording.t(), term, keyword) :: {:ok, History.t()} | {:error, Error.t()}
  def history(rec, process, opts) do
    with {:ok, diff?} <- diff_option(opts),
         {:ok, query} <-
           build(Keyword.delete(opts, :diff), [:since, :until, :limit], %{limit: @history_limit}),
         range = %{since: query.since, until: query.until, limit: more_than(query.limit), diff: diff?},
         {:ok, found} <- ask_process(rec, process, &Native.history(rec.native, &1, range)),
         do: {:ok, to_history(found, query.limit)}
  end

  defp diff_option(opts) do
    with :ok <- known(opts, [:since, :until, :limit, :diff]) do
      diff? = Keyword.get(opts, :diff, true)
      if is_boolean(diff?), do: {:ok, diff?}, else: invalid(:diff, diff?, "true or false")
    end
  end

  # One more than asked for tells whether there are more.
  defp more_than(nil), do: nil
  defp more_than(limit), do: limit + 1

  defp to_history(%{processes: processes, transitions: transitions}, limit) do
    processes = Enum.map(processes, &Process.from_native/1)
    {kept, over} = if limit, do: Enum.split(transitions, limit), else: {transitions, []}
    kept = Enum.map(kept, &Transition.from_native/1)
    %History{process: List.last(processes), processes: processes, transitions: kept, more: over != []}
  end
end
