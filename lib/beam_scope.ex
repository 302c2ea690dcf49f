defmodule BeamScope do
  @moduledoc """
  Records what a BEAM system does and goes back through it: what was the state, what message changed it, who sent it.

      {result, rec} = BeamScope.record([trace: Counter], fn -> Counter.increment() end)
      BeamScope.history(rec, Counter)

  or, around something that goes on by itself:

      {:ok, rec} = BeamScope.start({:app, :my_app}, level: :messages)
      # … it happens …
      BeamScope.stop(rec)
      BeamScope.find_state(rec, MyApp.Cart, %{items: []})

  ## What to record

  Targets are a pid, a registered name (a module is one), `{:via, module, name}`, `{:global, name}`,
  `{:tree, supervisor}`, `{:app, application}`, `:new` (what starts from now on), `:all` (only with `force: true`), or a
  list of these. Processes that they start are followed.

  Levels are `:off`, `:crashes` (lifecycle and what a process died of), `:states` (every message handled and the state
  after it), `:messages` (lifecycle, sends and receives) and `:full` (all of it, and the functions in `calls:`).

  ## What to ask

  A *process* in a question is a pid, a name, a module that one process runs, `{:via, …}`, `{:global, …}`, a track number, a
  `%BeamScope.Process{}`, or an event or transition of it. A name stands for every process that bore it: a restarted server
  has one history. `{:module, module}` stands for every process that runs it, however many.

  A *moment* is `:start`, `:end`, `{:ms, n}` since the start, a `%BeamScope.Moment{}`, or anything that has one: an event, a
  transition.

  `match:` and every *pattern* is a plain term (maps match by subset, `:_` matches anything) or a `pattern/1`.

  Questions (`history/3`, `events/2`, `messages/2`, `calls/2`, `processes/2`, `tree/2`, `mailbox/3`, `info/1`, `diff/2`,
  `check/3`, `compare/3`) return what they found and raise `BeamScope.Error`. What may fail or find nothing (`start/2`, `stop/1`,
  `state_at/3`, `find_state/3`, `subscribe/2`, `watch/2`, `expect/3`, `save/2`, `load/1`, `export/4`, …) returns `{:ok, _}` or `:ok`, or
  `{:error, %BeamScope.Error{}}`, and has a form with `!` that raises.

  Answers print themselves: in IEx, look at them; in code, they are structs and lists. Questions run on dirty schedulers and
  do not disturb the system under observation; they can be asked while the recording runs.
  """

  alias BeamScope.{
    Comparison,
    Diff,
    Error,
    Events,
    History,
    Inference,
    Info,
    Mailbox,
    Moment,
    Native,
    Pattern,
    Processes,
    Recorder
  }

  alias BeamScope.{Recording, Transition, Tree, Verdict}
  alias BeamScope.Recording.{Query, Relay}

  @typedoc "How much is recorded."
  @type level :: :off | :crashes | :states | :messages | :full

  @typedoc "What to record."
  @type target ::
          pid
          | atom
          | {:via, module, term}
          | {:global, term}
          | {:tree, pid | atom}
          | {:app, atom}
          | :new
          | :all

  @typedoc "What stands for a process of a recording."
  @type selector ::
          pid
          | atom
          | {:via, module, term}
          | {:global, term}
          | {:module, module}
          | non_neg_integer
          | BeamScope.Process.t()
          | BeamScope.Event.t()
          | Transition.t()

  @typedoc "What stands for a moment of a recording."
  @type moment :: Moment.like()

  @typedoc "A plain term or a `pattern/1`."
  @type pattern :: Pattern.t() | term

  # Recording

  @doc """
  Runs `fun` and records what it does: `{what fun returned, recording}`.

  Traced are the calling process, what it starts, and the targets in `trace:`. The recording is stopped in any case; when
  `fun` raises, throws or exits, that goes on with its stacktrace and `last/0` has the recording. Unknown targets and options
  raise `BeamScope.Error` before `fun` runs.

  ## Options

  #{BeamScope.Options.docs(:record)}

  ## Example

      iex> {:ok, counter} = Agent.start_link(fn -> 0 end)
      iex> {value, rec} = BeamScope.record([trace: counter], fn -> Agent.get_and_update(counter, &{&1, &1 + 1}) end)
      iex> {value, BeamScope.state_at!(rec, counter, :end)}
      {0, 1}
  """
  @spec record(keyword | target | [target], (() -> result)) :: {result, Recording.t()} when result: term
  def record(opts, fun) when is_function(fun, 0), do: Recorder.record(opts, fun)

  @doc """
  Starts a recording of `targets` that goes on by itself: until `stop/1`, a limit, or the end of its owner.

  Returns when tracing is on. By default it steps down when it costs more than 5 % (`level: :auto`, see `BeamScope.Recorder.Governor`). Errors name what is wrong with the targets or options
  and leave nothing switched on.

  ## Options

  #{BeamScope.Options.docs(:start)}

  ## Example

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {:ok, rec} = BeamScope.start(agent, limits: [events: 1_000])
      iex> Agent.update(agent, &(&1 + 1))
      iex> {:ok, rec} = BeamScope.stop(rec)
      iex> BeamScope.state_at(rec, agent, :end)
      {:ok, 1}
      iex> {:error, error} = BeamScope.start(:nobody_here)
      iex> error.reason
      :unknown_name
  """
  @spec start(target | [target], keyword) :: {:ok, Recording.t()} | {:error, Error.t()}
  def start(targets, opts \\ []), do: Recorder.start(targets, opts)

  @doc "`start/2` that raises `BeamScope.Error`."
  @spec start!(target | [target], keyword) :: Recording.t()
  def start!(targets, opts \\ []), do: bang(start(targets, opts))

  @doc """
  Stops a recording. Its data stays until `close/1`; stopping twice is no error.

  Waits until everything that happened before the call is in the recording: some milliseconds. Servers that are handling a
  message then are waited for too, for a tenth of a second at most, so that what they have answered is followed by their state.
  """
  @spec stop(Recording.t()) :: {:ok, Recording.t()} | {:error, Error.t()}
  def stop(%Recording{} = rec), do: Recorder.stop(rec)
  def stop(other), do: {:error, Query.not_a_recording(other)}

  @doc "`stop/1` that raises `BeamScope.Error`."
  @spec stop!(Recording.t()) :: Recording.t()
  def stop!(rec), do: bang(stop(rec))

  @doc """
  What a recording holds now, as a recording of its own that has ended. The other goes on without a gap.

  Meant for flight recorders, `start(…, mode: :ring)`, which go on for ever in bounded memory and keep the last `keep: [ms: …]`
  (at least: what is oldest goes by chunks), as far as `keep: [bytes: …]` reaches. Copies what is being written and shares the rest, so it
  takes milliseconds on a dirty scheduler, and tracees wait for nothing. What was frozen counts against the memory of all recordings
  until it is closed; the error `:no_memory` says that there was no room, `:closed` that the recording was closed.

  With `freeze_on:` it freezes by itself, a moment after one of these happened, and saves that to the directory in `to:`, under a name that
  sorts by time; of these files the latest `files:` are kept. One line in the log says where and why. What happens in the `quiet:`
  time after it makes no other file and is counted.

    * `:crash` – a process ended other than by `:normal`, `:shutdown` or `{:shutdown, _}`; `{:exit, pattern}` – with such a reason
    * `{:state, process, pattern}` – a process came to a state (under the fallback profile: seen with its next message); `{:message, pattern}` – a message was sent, received or handled
    * `{:latency, {m, f, a}, ms}` – a call took that long, or is still running after it; the function is recorded as with `calls:`
    * `{:mailbox, n}` – so many messages wait for a recorded process
    * `{:telemetry, event}` – such an event of `:telemetry`
    * a function without arguments, asked twice a second, or with one, called with each event: anything but `false` and `nil` freezes. It
      must be quick: it runs beside the system, in one process for all of them

  States, messages, latencies and functions of events are found by reading what is recorded as it comes, which takes a part of a core
  where much does; the others cost next to nothing.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> rec = BeamScope.start!(agent, mode: :ring, keep: [ms: 10_000])
      iex> Agent.update(agent, &(&1 + 1))
      iex> {:ok, frozen} = BeamScope.freeze(rec)
      iex> Agent.update(agent, &(&1 + 1))
      iex> BeamScope.close(rec)
      iex> {BeamScope.info(frozen).stop_reason, BeamScope.find_state(frozen, agent, 2) |> elem(0)}
      {:frozen, :error}
      iex> BeamScope.close(frozen)
      :ok
  """
  @spec freeze(Recording.t()) :: {:ok, Recording.t()} | {:error, Error.t()}
  def freeze(%Recording{} = rec) do
    with {:ok, frozen} <- Query.ask(rec, fn -> Recorder.freeze(rec) end) do
      Recorder.keep(frozen)
      {:ok, frozen}
    end
  end

  def freeze(other), do: {:error, Query.not_a_recording(other)}

  @doc "`freeze/1` that raises `BeamScope.Error`."
  @spec freeze!(Recording.t()) :: Recording.t()
  def freeze!(rec), do: bang(freeze(rec))

  @doc """
  Stops a recording and frees its memory at once. What is asked of it later is the error `:closed`.

      iex> {_, rec} = BeamScope.record([], fn -> :ok end)
      iex> BeamScope.close(rec)
      :ok
      iex> BeamScope.state_at(rec, self(), :end) |> elem(1) |> Map.get(:reason)
      :closed
  """
  @spec close(Recording.t()) :: :ok | {:error, Error.t()}
  def close(%Recording{} = rec), do: Recorder.close(rec)
  def close(other), do: {:error, Query.not_a_recording(other)}

  @doc "`close/1` that raises `BeamScope.Error`."
  @spec close!(Recording.t()) :: :ok
  def close!(rec), do: bang(close(rec))

  @doc """
  Changes the level of a running recording: up when it becomes interesting, down to `:off` to pause.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> rec = BeamScope.start!(agent, level: :crashes)
      iex> {:ok, rec} = BeamScope.set_level(rec, :full)
      iex> rec.level
      :full
      iex> BeamScope.close(rec)
      :ok
  """
  @spec set_level(Recording.t(), level) :: {:ok, Recording.t()} | {:error, Error.t()}
  def set_level(%Recording{} = rec, level), do: Recorder.set_level(rec, level)

  def set_level(other, _level), do: {:error, Query.not_a_recording(other)}

  @doc "`set_level/2` that raises `BeamScope.Error`."
  @spec set_level!(Recording.t(), level) :: Recording.t()
  def set_level!(rec, level), do: bang(set_level(rec, level))

  @doc "All recordings of this VM that were not closed, the oldest first."
  @spec recordings() :: [Recording.t()]
  def recordings, do: Recorder.list()

  @doc """
  The latest recording, or `nil`. It is there also when the function given to `record/2` raised.

      iex> {_, rec} = BeamScope.record([], fn -> :ok end)
      iex> BeamScope.last().id == rec.id
      true
  """
  @spec last() :: Recording.t() | nil
  def last, do: Recorder.last()

  @doc "Stops and closes all recordings of this VM, and switches off whatever of them might be on."
  @spec clear() :: :ok
  def clear, do: Recorder.clear()

  # Questions

  @doc """
  How a recording stands: `%BeamScope.Info{}` with status, stop reason, event account, losses, memory, profile.

      iex> {_, rec} = BeamScope.record([], fn -> send(self(), :hello) end)
      iex> info = BeamScope.info(rec)
      iex> {info.status, info.stop_reason, info.events.offered == info.events.stored + info.events.dropped}
      {:stopped, :requested, true}
  """
  @spec info(Recording.t()) :: Info.t()
  def info(rec), do: Info.from_native(raising(Query.ask(rec, fn -> Recorder.info(rec) end)))

  @doc """
  The processes that a recording knows of, ended ones too: `%BeamScope.Processes{}`, enumerable.

  `at:` a moment (`:end`): only those known of by then, as they were then.
  """
  @spec processes(Recording.t(), keyword) :: Processes.t()
  def processes(rec, opts \\ []) do
    {moment, native} = at(rec, opts)
    list = raising(Query.ask(rec, fn -> Native.processes(rec.native, native) end))
    %Processes{processes: Enum.map(list, &BeamScope.Process.from_native/1), moment: moment}
  end

  @doc """
  Who started whom at a moment: a `%BeamScope.Tree{}` that prints as a tree, restarts shown.

  `at:` a moment (`:end`).
  """
  @spec tree(Recording.t(), keyword) :: Tree.t()
  def tree(rec, opts \\ []) do
    {moment, native} = at(rec, opts)
    Tree.from_native(raising(Query.ask(rec, fn -> Native.tree(rec.native, native) end)), moment)
  end

  defp at(rec, opts) do
    raising(with(:ok <- Query.known(opts, [:at]), do: {:ok, :known}))
    moment = Keyword.get(opts, :at, :end)
    {moment, raising(Query.moment(rec, moment))}
  end

  @doc """
  What happened, in order: `%BeamScope.Events{}`, enumerable, of `%BeamScope.Event{}`.

  ## Filters

    * `kind:` one or a list of `:send`, `:send_to_dead`, `:receive`, `:spawn`, `:spawned`, `:exit`, `:link`, `:unlink`,
      `:getting_linked`, `:getting_unlinked`, `:register`, `:unregister`, `:call`, `:return`, `:exception`, `:state`,
      `:baseline`, `:note`, `:system`, `:gc`, `:running`, `:line`, `:mark`
    * `process:` to whom it happened; `from:`, `to:` the ends of a message
    * `match:` a pattern for the message, the returned value, the exit reason, the state or `what`, whichever the event has; for the
      messages of calls, casts and replies it may be the whole message or what it carries
    * `call:` `Module`, `{Module, function}` or `{Module, function, arity}`
    * `since:`, `until:` moments, both included
    * `limit:` how many at most (10,000), or `:infinity`; `order:` `:asc` or `:desc`

  ## Example

      iex> {_, rec} = BeamScope.record([], fn -> send(self(), {:hello, 1}) end)
      iex> Enum.map(BeamScope.events(rec, kind: :send, match: {:hello, :_}), & &1.message)
      [{:hello, 1}]
  """
  @spec events(Recording.t(), keyword) :: Events.t()
  def events(rec, filters \\ []), do: raising(Query.events(rec, filters))

  @doc """
  The messages, each once: `%BeamScope.Events{}` of sends, and of receives whose sending was not seen.

  Filters are `from:`, `to:`, `process:`, `match:`, `since:`, `until:`, `limit:`, `order:` as in `events/2`. Prints one
  message a line, `CounterServer → EchoServer  CALL {:echo, "hi"}`; replies say which call they answer.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> Agent.get(agent, & &1) end)
      iex> for message <- BeamScope.messages(rec, from: agent, to: self()), do: {message.label, message.content}
      [reply: 0]
  """
  @spec messages(Recording.t(), keyword) :: Events.t()
  def messages(rec, filters \\ []), do: raising(Query.messages(rec, filters))

  @doc """
  The calls, returns and exceptions of the functions that were asked for with `calls:`.

  Filters are `call:`, `process:`, `match:`, `since:`, `until:`, `limit:`, `order:` as in `events/2`.

      iex> {_, rec} = BeamScope.record([calls: [{Base, :encode16, 1}]], fn -> Base.encode16("a") end)
      iex> for call <- BeamScope.calls(rec), do: {call.kind, call.mfa, call.value}
      [{:call, {Base, :encode16, ["a"]}, nil}, {:return, {Base, :encode16, 1}, "61"}]
  """
  @spec calls(Recording.t(), keyword) :: Events.t()
  def calls(rec, filters \\ []), do: raising(Query.calls(rec, filters))

  @doc """
  What became of a process' state: `%BeamScope.History{}` of `%BeamScope.Transition{}`, state → message → state.

  Prints as a table of moment, time, message, sender and what changed in the state.

  Options: `since:`, `until:` moments; `limit:` how many transitions at most (1,000), or `:infinity`; `diff: false` leaves
  out the diffs, which are most of the work.

      iex> {:ok, agent} = Agent.start_link(fn -> %{count: 0} end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> Agent.update(agent, &%{&1 | count: 7}) end)
      iex> transition = rec |> BeamScope.history(agent) |> Enum.find(&(&1.kind == :call))
      iex> {transition.from, transition.to}
      {%{count: 0}, %{count: 7}}
  """
  @spec history(Recording.t(), selector, keyword) :: History.t()
  def history(rec, process, opts \\ []), do: raising(Query.history(rec, process, opts))

  @doc """
  The state of a process at a moment.

  Found by index, not by replay. Errors: `:no_such_process`, `:not_alive`, `:outside_recording`, and `:unknown_state` where no
  state was seen yet or events were lost: never a stale one.

      iex> {:ok, agent} = Agent.start_link(fn -> 1 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> Agent.update(agent, &(&1 + 1)) end)
      iex> BeamScope.state_at(rec, agent, :end)
      {:ok, 2}
  """
  @spec state_at(Recording.t(), selector, moment) :: {:ok, term} | {:error, Error.t()}
  def state_at(rec, process, moment) do
    with {:ok, native} <- Query.moment(rec, moment),
         {:ok, found} <- Query.ask_process(rec, process, &Native.state_at(rec.native, &1, native)),
         do: {:ok, found.state}
  end

  @doc "`state_at/3` that raises `BeamScope.Error`."
  @spec state_at!(Recording.t(), selector, moment) :: term
  def state_at!(rec, process, moment), do: bang(state_at(rec, process, moment))

  @doc """
  The first moment at which a state matches, as the `%BeamScope.Transition{}` that made it so: `to` is the state, `message` the
  message and `from_process` who sent it.

  The error `:not_found` says in its detail how many states could not be decided, since they were truncated.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> for _ <- 1..3, do: Agent.update(agent, &(&1 + 1)) end)
      iex> require BeamScope
      iex> {:ok, transition} = BeamScope.find_state(rec, agent, BeamScope.pattern(n when n > 1))
      iex> {transition.from, transition.to, transition.from_process == self()}
      {1, 2, true}
  """
  @spec find_state(Recording.t(), selector, pattern) :: {:ok, Transition.t()} | {:error, Error.t()}
  def find_state(rec, process, pattern) do
    with {:ok, data} <- Query.pattern(pattern),
         {:ok, found} <- Query.ask_process(rec, process, &Native.find_state(rec.native, &1, data)),
         do: {:ok, Transition.from_native(found)}
  end

  @doc "`find_state/3` that raises `BeamScope.Error`."
  @spec find_state!(Recording.t(), selector, pattern) :: Transition.t()
  def find_state!(rec, process, pattern), do: bang(find_state(rec, process, pattern))

  @doc """
  The messages that waited in a process' mailbox at a moment: `%BeamScope.Mailbox{}`, enumerable, the oldest first.

  Needs a level with messages (`:messages` or `:full`). `exact` tells whether handling was seen too.
  """
  @spec mailbox(Recording.t(), selector, moment) :: Mailbox.t()
  def mailbox(rec, process, moment \\ :end) do
    native = raising(Query.moment(rec, moment))
    found = raising(Query.ask_process(rec, process, &Native.mailbox(rec.native, &1, native)))
    %Mailbox{messages: found.messages, exact: found.exact, process: process, moment: moment}
  end

  # Live

  @doc """
  Sends events to the calling process as they happen, from now on.

  Messages are

    * `{:beam_scope, subscription, {:events, [%BeamScope.Event{}], lost}}` – within 100 ms of the events; `lost` counts those
      that were left out since the batch before, because this process did not keep up
    * `{:beam_scope, subscription, {:stopped, reason}}` – once, when the recording has ended

  Filters are those of `events/2` without `since:`, `until:`, `limit:` and `order:`. `max_queue:` (2,000): while the caller has so
  many messages waiting, batches are held back and then counted as lost; `max_batch:` (500) events a message at most. What is
  lost here is still in the recording.

  The subscription is a pid; `unsubscribe/1` ends it, and so does the end of the caller or of the recording.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> rec = BeamScope.start!(agent, level: :messages)
      iex> {:ok, sub} = BeamScope.subscribe(rec, kind: :receive)
      iex> Agent.cast(agent, fn n -> n + 1 end)
      iex> receive do
      ...>   {:beam_scope, ^sub, {:events, [event | _], 0}} -> event.label
      ...> after
      ...>   5_000 -> :nothing
      ...> end
      :cast
      iex> BeamScope.unsubscribe(sub)
      iex> BeamScope.close(rec)
      :ok
  """
  @spec subscribe(Recording.t(), keyword) :: {:ok, pid} | {:error, Error.t()}
  def subscribe(rec, filters \\ [])

  def subscribe(%Recording{} = rec, filters) do
    allowed = [:kind, :kinds, :process, :from, :to, :call, :match, :max_batch, :max_queue]
    with {:ok, query} <- Query.build(filters, allowed), do: Relay.start(rec, query, self())
  end

  def subscribe(other, _filters), do: {:error, Query.not_a_recording(other)}

  @doc "`subscribe/2` that raises `BeamScope.Error`."
  @spec subscribe!(Recording.t(), keyword) :: pid
  def subscribe!(rec, filters \\ []), do: bang(subscribe(rec, filters))

  @doc "Ends a subscription. Batches sent before stay in the mailbox."
  @spec unsubscribe(pid) :: :ok
  def unsubscribe(subscription), do: Relay.stop(subscription)

  @doc """
  Records `targets` and prints what happens in the shell until Enter is pressed or a limit is reached. Then the recording is
  stopped and returned: all that happened is in it, also what was too much to print.

  Takes the options of `start/2` (level `:messages` by default, 200,000 events, 10 minutes), the filters `kind:`, `process:`, `from:`,
  `to:`, `call:`, `match:` of `events/2`, and `lines:` to end after so many lines.

      BeamScope.watch(MyApp.Cart, match: {:add, :_})
  """
  @spec watch(target | [target], keyword) :: {:ok, Recording.t()} | {:error, Error.t()}
  def watch(targets, opts \\ []), do: BeamScope.Terminal.Watch.run(targets, opts)

  @doc "`watch/2` that raises `BeamScope.Error`."
  @spec watch!(target | [target], keyword) :: Recording.t()
  def watch!(targets, opts \\ []), do: bang(watch(targets, opts))

  # Expectations

  @doc """
  Checks what a module of `BeamScope.Expectation`s expects against a recording, all in one pass: a `%BeamScope.Verdict{}`, which
  prints one line each and what broke with the difference.

  A recording that still runs is asked up to now; one that was loaded from a file is as good. Thirty expectations take about a
  second for a million events.

  Options: `roles:` the processes of roles that the module leaves open, or other ones than it names. Raises `BeamScope.Error`:
  `:no_expectations`, `:unbound_role`, `:unknown_role`, `:invalid_recording`, `:closed`, …

      iex> defmodule SmallNumbers do
      ...>   use BeamScope.Expectation
      ...>   role :counter
      ...>   expect "stays small", do: always(:counter, n when n < 3)
      ...> end
      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> Agent.update(agent, &(&1 + 1)) end)
      iex> rec |> BeamScope.check(SmallNumbers, roles: [counter: agent]) |> BeamScope.Verdict.ok?()
      true
  """
  @spec check(Recording.t(), module, keyword) :: Verdict.t()
  def check(rec, module, opts \\ []), do: raising(BeamScope.Expectation.Check.run(rec, module, opts))

  @doc """
  Watches a running recording for what breaks the expectations of a module: `{:ok, watch}`.

  A violation is reported once for each expectation, within 100 ms of its event; what the recording holds already counts. The
  processes that are watched notice nothing: the core looks at what was recorded, at the price of what is new, and for at most half of
  the time of one core. A role's processes may come later. When the recording ends by itself or is stopped, what never came is
  reported too, and the watch ends; so does `BeamScope.Expectation.stop/1` end it.

  ## Options

    * `on_violation:` what to do
      * `:log` – an error in the log: one line that names expectation, moment, process and what came instead, and the report (the
        default)
      * `:stop` – the same, and the recording is stopped, so that what it keeps ends there (`stop_reason: :violation`)
      * a function that takes the `%BeamScope.Verdict.Expectation{}`. It runs in a process of its own that is not recorded, for
        30 s at most; what it raises is logged
    * `roles:` as in `check/3`

  Errors are those of `check/3`, and `:not_running` for a recording that has ended or was loaded.

      iex> defmodule NoResets do
      ...>   use BeamScope.Expectation
      ...>   expect "nobody resets", do: refute_sent(:reset)
      ...> end
      iex> rec = BeamScope.start!(self(), level: :messages)
      iex> test = self()
      iex> {:ok, _watch} = BeamScope.expect(rec, NoResets, on_violation: &send(test, {:broken, &1.name}))
      iex> send(self(), :reset)
      iex> receive do
      ...>   {:broken, name} -> name
      ...> after
      ...>   5_000 -> :nothing
      ...> end
      "nobody resets"
      iex> BeamScope.close(rec)
      :ok
  """
  @spec expect(Recording.t(), module, keyword) :: {:ok, pid} | {:error, Error.t()}
  def expect(rec, module, opts \\ []), do: BeamScope.Expectation.Check.watch(rec, module, opts)

  @doc """
  What held in all that a recording, or each of several, shows: candidates for expectations, a `%BeamScope.Inference{}` that prints
  itself as a summary and the code of a module of expectations.

  Options: `confidence:` how sure it must be that a candidate did not hold by chance (0.99); `only:` registered names and modules to
  look at. Costs one pass over each recording, on a dirty scheduler.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> for _ <- 1..9, do: Agent.update(agent, &(&1 + 1)) end)
      iex> inference = BeamScope.infer(rec)
      iex> for c <- inference.candidates, c.template == :strictly_monotonic, do: {c.code, c.observations}
      [{"transition :beam_scope_test, n ~> m when m > n, all: true", 9}]
  """
  @spec infer(Recording.t() | [Recording.t()], keyword) :: Inference.t()
  def infer(recordings, opts \\ []), do: raising(Inference.run(recordings, opts))

  @doc """
  Two executions side by side: which process did something else first, what was expected, what came, and from whom. A
  `%BeamScope.Comparison{}` that prints itself. `a` is what is expected, `b` what is compared with it; either may be live or
  loaded from a file.

  Processes are matched by role, never by pid; pids, references and points in time in terms do not count, nor does an order that was
  free. What was lost or cut is unknown, neither the same nor different: see `BeamScope.Comparison`.

  Options:

    * `only:` – the roles to compare, as they are printed: `[Counter, "Sup/Worker 2"]`
    * `ignore:` – roles to leave out, with all that they say to others
    * `roles:` – roles of your choice, as `[{:writer, process}]`, or `[{:writer, [process_in_a, process_in_b]}]`
    * `ignore_messages:` – patterns (plain terms or `pattern/1`) of messages to leave out, whoever sent them
    * `times:` – `false` compares points in time like any other number (`true`)

  Costs one pass over each recording on a dirty scheduler: about half a second for a million events, on top of what the first question
  to a recording costs. Errors are those of a question,
  `:no_such_role`, and `:different_levels`.

      iex> run = fn last ->
      ...>   {:ok, agent} = Agent.start_link(fn -> [] end, name: :basket)
      ...>   {_, rec} = BeamScope.record([trace: agent], fn -> for x <- [:apple, last], do: Agent.update(agent, &[x | &1]) end)
      ...>   Agent.stop(agent)
      ...>   rec
      ...> end
      iex> BeamScope.compare(run.(:pear), run.(:pear)) |> BeamScope.Comparison.same?()
      true
      iex> comparison = BeamScope.compare(run.(:pear), run.(:plum))
      iex> {comparison.first.role, comparison.first.divergence.kind}
      {:basket, :state}
  """
  @spec compare(Recording.t(), Recording.t(), keyword) :: Comparison.t()
  def compare(a, b, opts \\ []), do: raising(Comparison.run(a, b, opts))

  @doc "`expect/3` that raises `BeamScope.Error`."
  @spec expect!(Recording.t(), module, keyword) :: pid
  def expect!(rec, module, opts \\ []), do: bang(expect(rec, module, opts))

  @doc """
  What an ETS table held at a moment, and who wrote it: a `%BeamScope.Table{}`. The recording must have been started with
  `ets: [table]`.

  Writes of processes that were not recorded are not seen; at the end the table was read again, and what does not fit is listed in
  `mismatches`. Errors: `:no_such_table`. Repeats all recorded writes up to the moment: some microseconds each, in the calling process.

      iex> table = :ets.new(:stock, [:public])
      iex> {_, rec} = BeamScope.record([ets: [table]], fn ->
      ...>   :ets.insert(table, {:apples, 3})
      ...>   :ets.update_counter(table, :apples, -1)
      ...> end)
      iex> {:ok, stock} = BeamScope.table(rec, table)
      iex> {stock.objects, Enum.map(stock.writes, & &1.function), stock.mismatches}
      {[apples: 2], [:insert, :update_counter], []}
  """
  @spec table(Recording.t(), term, moment) :: {:ok, BeamScope.Table.t()} | {:error, Error.t()}
  def table(rec, table, moment \\ :end), do: BeamScope.Table.Reader.read(rec, table, moment)

  @doc "`table/3` that raises `BeamScope.Error`."
  @spec table!(Recording.t(), term, moment) :: BeamScope.Table.t()
  def table!(rec, table, moment \\ :end), do: bang(table(rec, table, moment))

  @doc """
  How the whole system stood by a moment: a `%BeamScope.System{}` with the last sample before it. The recording must have been
  started with `system: true`.

  Schedulers, run queues, memory by kind, counts with their limits, the busiest of the recorded processes, how many warnings there
  were; with `system: [observer: true]` also applications, ETS tables and ports. The warnings themselves are events:
  `events(rec, kind: :system, match: :long_gc)`, or `:long_schedule`, `:large_heap`, `:busy_port`, `:busy_dist_port`,
  `:long_message_queue`, and `:not_shown` for how many of a storm were only counted.

  The error `:no_system` says that there is no sample by then. Two index look-ups and a decode; runs on a dirty scheduler.

      iex> {_, rec} = BeamScope.record([system: true], fn -> :ok end)
      iex> {:ok, system} = BeamScope.system(rec)
      iex> {system.memory.total > 0, system.schedulers.normal <= 1.0, system.warnings}
      {true, true, %{}}
  """
  @spec system(Recording.t(), moment) :: {:ok, BeamScope.System.t()} | {:error, Error.t()}
  def system(rec, moment \\ :end), do: BeamScope.System.read(rec, moment)

  @doc "`system/2` that raises `BeamScope.Error`."
  @spec system!(Recording.t(), moment) :: BeamScope.System.t()
  def system!(rec, moment \\ :end), do: bang(system(rec, moment))

  @doc """
  The process dictionary of a process at a moment, as a map. The recording must have been started with `pdict: true`.

  Errors: `:no_such_process`, and `:unknown_state` where the dictionary was not followed or was too large to be read.

      iex> {_, rec} = BeamScope.record([pdict: true], fn -> Process.put(:seat, 7) end)
      iex> {:ok, dictionary} = BeamScope.dictionary(rec, self())
      iex> dictionary[:seat]
      7
  """
  @spec dictionary(Recording.t(), selector, moment) :: {:ok, map} | {:error, Error.t()}
  def dictionary(rec, process, moment \\ :end), do: BeamScope.Recording.Dictionary.read(rec, process, moment)

  @doc "`dictionary/3` that raises `BeamScope.Error`."
  @spec dictionary!(Recording.t(), selector, moment) :: map
  def dictionary!(rec, process, moment \\ :end), do: bang(dictionary(rec, process, moment))

  @doc """
  The source lines around an event or transition, as they were in the recorded system: a `%BeamScope.Source{}`.

  The line is the one in a stacktrace where there is one, else where the function begins: the one that was called, or the callback
  that handled the message. The text is that of the recorded commit (`git show`); where the working tree had changes, or there is no
  git, the answer's `warning` says so. `around:` how many lines before and after (6).

  The error `:no_source` says what is missing: debug information, the file, or whose code it was. Calls git; normal scheduler.

      iex> {_, rec} = BeamScope.record([calls: [BeamScope.Pattern]], fn -> BeamScope.Pattern.from_term(1) end)
      iex> {:ok, source} = BeamScope.source(rec, Enum.find(BeamScope.calls(rec), &(elem(&1.mfa, 1) == :from_term)))
      iex> {Path.basename(source.file), Enum.at(source.lines, source.line - source.first) =~ "def from_term"}
      {"pattern.ex", true}
  """
  @spec source(Recording.t(), BeamScope.Event.t() | Transition.t(), keyword) ::
          {:ok, BeamScope.Source.t()} | {:error, Error.t()}
  def source(rec, event, opts \\ []), do: BeamScope.Source.find(rec, event, opts)

  @doc "`source/3` that raises `BeamScope.Error`."
  @spec source!(Recording.t(), BeamScope.Event.t() | Transition.t(), keyword) :: BeamScope.Source.t()
  def source!(rec, event, opts \\ []), do: bang(source(rec, event, opts))

  @doc """
  What happened inside of functions, line by line: `%BeamScope.Lines{}`, a list of the runs of each function. The recording must have
  been started with `lines: [Module]`.

  `what` is a module, `{module, function}`, `{module, function, arity}`, or a `:call` event of `calls/2`, which is opened into its lines.
  Options: `process:`, `since:`, `until:` as in `events/2`; `limit:` how many runs at most (1,000), or `:infinity`.

  Each run has `steps`, and each step its line and the variables bound since the one before. It prints as the source with the values
  beside it: lines that the run did not come to are dimmed, clauses that did not match or whose guard failed say so, loops become a
  table of their iterations, and an exception stands at its line. Recursive runs and those of other processes stay apart.

  Raises `BeamScope.Error`: `:no_lines` where the recording has none of that module. Reads all lines of the span, on a normal scheduler.

      iex> {_, rec} = BeamScope.record([lines: [{Integer, :mod, 2}]], fn -> Integer.mod(7, 3) end)
      iex> [run] = BeamScope.lines(rec, Integer).runs
      iex> {run.function, Enum.flat_map(run.steps, & &1.values)}
      {{Integer, :mod, 2}, [dividend: 7, divisor: 3, remainder: 1]}
  """
  @spec lines(Recording.t(), module | {module, atom} | {module, atom, arity} | BeamScope.Event.t(), keyword) ::
          BeamScope.Lines.t()
  def lines(rec, what, opts \\ []), do: raising(BeamScope.Lines.find(rec, what, opts))

  # Files

  @doc """
  Writes a whole recording to a file, with checksums. A running recording is saved up to now.

  The file appears when it is whole: it is written beside its place, flushed to disk and renamed. To write while recording, give
  `start/2` the option `to:`. The error `:file` says what the file system had against it.

      iex> {_, rec} = BeamScope.record([], fn -> send(self(), :hello) end)
      iex> path = Path.join(System.tmp_dir!(), "beam_scope_doctest.beamscope")
      iex> :ok = BeamScope.save(rec, path)
      iex> {:ok, loaded} = BeamScope.load(path)
      iex> File.rm!(path)
      iex> Enum.count(BeamScope.events(loaded, kind: :send)) == Enum.count(BeamScope.events(rec, kind: :send))
      true
  """
  @spec save(Recording.t(), Path.t()) :: :ok | {:error, Error.t()}
  def save(rec, path) do
    with {:ok, _} <- Query.ask(rec, fn -> Recorder.save(rec, path) end), do: :ok
  end

  @doc "`save/2` that raises `BeamScope.Error`."
  @spec save!(Recording.t(), Path.t()) :: :ok
  def save!(rec, path), do: bang(save(rec, path))

  @doc """
  Opens a recording that `save/2` or `start(…, to: path)` wrote, here or elsewhere. It answers every question as the live one did.

  `{module, options}` reads it from a `BeamScope.Sink`. Only the list of its parts is read; they come in when a question needs them.
  So the file must stay where it is and as it is.

  A file that was cut off (a killed node, a full disk) opens with everything up to its last whole part, and parts that are damaged
  are counted as lost: `info/1` says so. Files of older versions open; one of a newer version is refused with an error that says
  which. Pids, references and functions of another system print as what they were and are never taken for live ones.

  The error `:file` says what is wrong with it, `:sink` what the sink answered.
  """
  @spec load(Path.t() | {module, keyword}) :: {:ok, Recording.t()} | {:error, Error.t()}
  def load({module, opts} = sink) when is_atom(module) and is_list(opts),
    do: BeamScope.Recording.Pieces.load(sink)

  def load(path) do
    case Native.load(Path.expand(path)) do
      {:ok, native} -> {:ok, Recorder.loaded(native)}
      {:error, reason} -> {:error, Error.from_native(reason)}
    end
  end

  @doc "`load/1` that raises `BeamScope.Error`."
  @spec load!(Path.t() | {module, keyword}) :: Recording.t()
  def load!(path), do: bang(load(path))

  @doc """
  Writes a recording, or a part of it, to a file that another tool opens.

  | format | for | what it has |
  |---|---|---|
  | `:chrome` | Perfetto, `chrome://tracing` | processes as tracks with calls and handled messages, messages as arrows, mailboxes as counters: `BeamScope.Exporters.Chrome` |
  | `:speedscope` | speedscope | calls as flame graphs, one a process: `BeamScope.Exporters.Speedscope` |
  | `:otlp` | Jaeger, Tempo, an OpenTelemetry collector | calls and handled messages as spans: `BeamScope.Exporters.Otlp` |
  | `:mermaid`, `:plantuml` | pull requests, documents | a sequence diagram of the first `messages:` (50): `BeamScope.Exporters.Mermaid`, `BeamScope.Exporters.PlantUml` |
  | `:shiviz` | ShiViz | what happened before what, by vector clocks: `BeamScope.Exporters.ShiViz` |
  | `:jsonl` | `jq`, DuckDB, programs | every event with all its fields: `BeamScope.Exporters.Jsonl` |

  A module that is a `BeamScope.Exporter` is a format, too. Options are the filters of `events/2` but for `order:`, with `limit:`
  `:infinity` unless it is given; `page:` how many events are read at once (2,000), which with the depth of calls is what memory
  depends on; and those of the format, which its module describes.

  A recording that still runs is exported up to now; one that was loaded exports as the live one did. The file appears when it is
  whole; an export that fails leaves what was there. What `limit:` cut off and what the recording lost is said in the file, and terms
  are printed as BeamScope prints them, so that nothing truncated or redacted looks whole.

  Costs a pass over what is exported, in the calling process: 5 to 35 µs an event, and some megabytes for a page of events.

  Errors: `:unknown_format`, `:file`, `:unknown_option`, `:invalid_option`, and those of `events/2`.

      iex> {_, rec} = BeamScope.record([], fn -> send(self(), :hello) end)
      iex> path = Path.join(System.tmp_dir!(), "beam_scope_export_doctest.mmd")
      iex> BeamScope.export(rec, :mermaid, path, kind: [:send, :receive])
      :ok
      iex> path |> File.read!() |> String.starts_with?("sequenceDiagram")
      true
      iex> File.rm(path)
      iex> {:error, error} = BeamScope.export(rec, :pdf, path)
      iex> error.reason
      :unknown_format
  """
  @spec export(Recording.t(), atom | module, Path.t(), keyword) :: :ok | {:error, Error.t()}
  def export(rec, format, path, opts \\ []), do: BeamScope.Export.run(rec, format, path, opts)

  @doc "`export/4` that raises `BeamScope.Error`."
  @spec export!(Recording.t(), atom | module, Path.t(), keyword) :: :ok
  def export!(rec, format, path, opts \\ []), do: bang(export(rec, format, path, opts))

  # Terms

  @doc """
  What differs between any two terms: a `%BeamScope.Diff{}` to print or to walk.

  Maps, structs and keyword lists by key, sets by member, lists and strings by alignment, tuples by position, at any depth.

      iex> BeamScope.diff(%{count: 1, name: "a"}, %{count: 2, name: "a"}).same?
      false
  """
  @spec diff(term, term) :: Diff.t()
  def diff(a, b), do: Diff.diff(a, b)

  @doc """
  An Elixir pattern, with guards, pins and repeated variables, as data for `match:` and `find_state/3`.

      iex> require BeamScope
      iex> limit = 2
      iex> BeamScope.pattern(%{count: n} when n > limit)
      BeamScope.pattern(%{count: n} when n > limit)

  What it can and cannot say is in `BeamScope.Pattern`.
  """
  defmacro pattern(expr), do: Pattern.compile(expr, __CALLER__)

  @doc """
  Marks a spot in the source by hand: whoever comes by while it is recorded leaves a `:mark` event, with what its variables hold there.

  Recorded at the levels `:states` and `:full`, and with `lines:` at every level but `:off`. Nothing else is to be done, and outside a
  recording it costs some nanoseconds: it is a call of an empty function. It answers `:ok`.

    * `label` – anything that tells this spot from others: `event.label`. Any expression, which runs each time, recorded or not; a
      literal costs nothing

  All variables of the place are recorded but those whose names begin with an underscore, within the budget of terms and under the rules
  of `redact:`, which names like `password` fall under. Where there are more than 32, more events tell of them.

  With `config :beam_scope, inline: false` it compiles to `:ok` alone; a change of that compiles the modules anew that use it.

  ## Example

      iex> require BeamScope
      iex> {_, rec} = BeamScope.record([], fn -> count = 1; BeamScope.line("counting"); count + 1 end)
      iex> for mark <- BeamScope.events(rec, kind: :mark), do: {mark.label, mark.variables}
      [{"counting", [count: 1]}]
  """
  defmacro line(label \\ nil), do: BeamScope.Line.Spot.quoted(label, __CALLER__)

  # Helpers

  defp raising({:ok, value}), do: value
  defp raising({:error, %Error{} = error}), do: raise(error)

  defp bang(:ok), do: :ok
  defp bang({:ok, value}), do: value
  defp bang({:error, %Error{} = error}), do: raise(error)
end
