defmodule BeamScope.Assertions do
  @moduledoc """
  What a concurrent system should do, as assertions about a recording of it.

      import BeamScope.Assertions

      test "counts and tells" do
        {_, rec} = BeamScope.record([trace: [Counter, Echo]], fn -> Counter.increment(1) end)

        assert_state rec, Counter, %{count: 1}
        assert_transition rec, Counter, %{count: n} ~> %{count: m} when m == n + 1, on: {:increment, _}
        assert_sent rec, {:echo, by} when by > 0, from: Counter, to: Echo
        refute_sent rec, {:error, _}
        assert by == 1
      end

  A failure says in one sentence what came instead, then shows the nearest thing that did happen, what differs in it and
  what went on around it. `BeamScope.Case` gives each test its recording and imports this module.

  ## Patterns

  Patterns are ordinary Elixir patterns; `BeamScope.Pattern` lists what they may hold.

    * `^x` is the test's own variable, and any expression may be pinned: `^opts.limit`.
    * A plain variable that appears twice, also in another pattern of the same assertion, means equal.
    * A guard may use what any earlier pattern of the assertion binds; a variable that none of them binds is the test's own, as in
      a `case`.
    * Variables are bound in the test afterwards, to what the first match had. What speaks of all or of none binds nothing:
      `refute_*`, `assert_always`, `assert_never`, `assert_leads_to`, `assert_causality`, `all: true`, `times: 0`.
    * The pattern of a message may be the whole message or what a call, cast or reply carries: `{:increment, 1}` matches the
      call `{:"$gen_call", from, {:increment, 1}}` too.

  A pattern that cannot become data is a compile error at its line that says what is allowed.

  ## Options that most of them take

    * `since:`, `until:` – moments, both included: only what happened between them is looked at. An event or transition that
      another assertion returned is a moment
    * `from:`, `to:`, `by:` – processes, as in `BeamScope`; a pin before one is allowed and means nothing
    * `times:` – how often: a number or a range. Without it, at least once
    * `allow_empty: true` – see below

  ## What cannot be said

    * An assertion that could not have failed, since nothing of the kind was recorded, fails and says so; `allow_empty: true`
      lets it pass.
    * Where events were lost in the span that it looks at, a "never" or "always" cannot be said: it fails and names the gap.
    * Where the answer hangs on a term that was truncated or redacted it fails, says so, and says how to keep more.
    * A recording that still runs is asked up to now. A server that is handling a message just then is waited for, for a tenth
      of a second at most: it answers its caller before it comes to its new state. To wait for something, say `await_*`.

  ## What they return

  The first match: a `%BeamScope.Event{}` or `%BeamScope.Transition{}`, for a flow the list of them, for a state the state. What
  speaks of all or none returns `true`.

  ExUnit is needed to raise its `ExUnit.AssertionError`, nothing else: this module compiles and loads without it.
  """

  alias BeamScope.Expect.{Macros, Syntax}

  # ---- states ----

  @doc """
  The state of a process matches: at the end, or `at:` a moment.

      assert_state rec, Counter, %{count: 2}
      assert_state rec, Counter, %{count: 0}, at: :start

  Returns the state. An unknown state (none was seen yet, or events were lost) fails: it is never a stale one.
  """
  defmacro assert_state(rec, process, pattern, opts \\ []),
    do: Macros.state(:assert_state, rec, process, pattern, opts, [check: :state_at], __CALLER__)

  @doc """
  Every state of the process matches, from the first that was seen to the last.

      assert_always rec, Counter, %{count: c} when c >= 0
  """
  defmacro assert_always(rec, process, pattern, opts \\ []),
    do: Macros.state(:assert_always, rec, process, pattern, opts, [check: :every], __CALLER__)

  @doc """
  No state of the process matches, at any time.

      assert_never rec, Counter, %{count: c} when c < 0
  """
  defmacro assert_never(rec, process, pattern, opts \\ []) do
    Macros.state(:assert_never, rec, process, pattern, opts, [check: :every, negate: true], __CALLER__)
  end

  @doc """
  Some state of the process matches.

      assert_eventually rec, Counter, %{count: n} when n > 10
  """
  defmacro assert_eventually(rec, process, pattern, opts \\ []),
    do: Macros.state(:assert_eventually, rec, process, pattern, opts, [check: :count], __CALLER__)

  @doc """
  The process went from one state to another, by handling one message.

      assert_transition rec, Counter, %{count: n} ~> %{count: m} when m == n + 1, on: {:increment, _}

  `on:` is a pattern for the message. At least one transition must match (or `times:` of them); with `all: true` every one does
  whose message matches `on:`.

      assert_transition rec, Counter, %{count: n} ~> %{count: m} when m == n + by, on: {:increment, by}, all: true
  """
  defmacro assert_transition(rec, process, step, opts \\ []),
    do: Macros.transition(:assert_transition, rec, process, step, opts, [], __CALLER__)

  # ---- messages ----

  @doc """
  A message was sent.

      assert_sent rec, {:increment, by} when by > 0, from: client, to: Counter
      assert_sent rec, :tick, to: Counter, times: 3
      assert_sent rec, {:chunk, _}, times: 1..10

  `from:` and `to:` say by whom and to whom.
  """
  defmacro assert_sent(rec, pattern, opts \\ []),
    do: Macros.message(:assert_sent, :sent, rec, pattern, opts, [check: :count], __CALLER__)

  @doc """
  No such message was sent.

      refute_sent rec, {:error, _}
      refute_sent rec, {:cancel, ^id}, since: order

  Fails also when no message at all was sent between the processes that it names (`allow_empty: true`).
  """
  defmacro refute_sent(rec, pattern, opts \\ []),
    do: Macros.message(:refute_sent, :sent, rec, pattern, opts, [check: :count, times: 0], __CALLER__)

  @doc """
  A message arrived in a mailbox.

      assert_delivered rec, {:increment, _}, to: Counter

  Unlike a sending, this is also seen of messages from processes that are not recorded, and from timers and monitors. (The name is not
  `assert_received`, which is ExUnit's and looks at the mailbox of the test.)
  """
  defmacro assert_delivered(rec, pattern, opts \\ []),
    do: Macros.message(:assert_delivered, :received, rec, pattern, opts, [check: :count], __CALLER__)

  @doc "No such message arrived in a mailbox. See `assert_delivered/3`."
  defmacro refute_delivered(rec, pattern, opts \\ []),
    do:
      Macros.message(:refute_delivered, :received, rec, pattern, opts, [check: :count, times: 0], __CALLER__)

  # ---- calls of functions ----

  @doc """
  A function was called, written as the call: a pattern for each argument.

      assert_called rec, MyApp.Repo.insert(%{name: "x"}, _), returns: {:ok, _}
      assert_called rec, &MyApp.Repo.insert/2, by: Worker, times: 3

  `returns:` is a pattern for what it returned, `by:` the process that called. The function must be among the `calls:` of the
  recording.
  """
  defmacro assert_called(rec, call, opts \\ []),
    do: Macros.called(:assert_called, rec, call, opts, [check: :count], __CALLER__)

  @doc """
  A function was not called so.

      refute_called rec, MyApp.Repo.delete(_)
  """
  defmacro refute_called(rec, call, opts \\ []),
    do: Macros.called(:refute_called, rec, call, opts, [check: :count, times: 0], __CALLER__)

  # ---- several steps ----

  @doc """
  Steps happened in this order, with anything between them.

      assert_flow rec do
        sent {:increment, by}, from: ^client, to: Counter
        sent {:echo, by} when by > 0, from: Counter, to: Echo
        sent :ok, from: Echo, to: Counter
      end

  The order is that of the processes: a step comes after an earlier one if they have a process in common, and steps that
  have none may come in any order. Steps are

    * `sent pattern, from: a, to: b`, `received pattern, from: a, to: b`
    * `handled pattern, by: process` – the message that a server handled
    * `state process, pattern`, `transition process, from ~> to, on: pattern`
    * `called Module.function(args), returns: pattern, by: process`
    * `crashed process`, `crashed process, reason`
    * `exited process`, `exited process, reason` – its end, however it came

  What takes time – a message that is handled, a `transition`, a call that `returns:` – may count at any moment between its
  beginning and its end. So what a server sends while it handles a message may stand after the message that made it do so, or
  before; the state that it comes to stands after both:

      assert_flow rec do
        handled {:increment, by}, by: Counter
        sent {:echo, by}, from: Counter, to: Echo
        state Counter, %{count: by}
      end

  A step may follow another unless it was over before that began.
  """
  defmacro assert_flow(rec, opts \\ [], do_block)

  defmacro assert_flow(rec, opts, do: block),
    do: Macros.flow(:assert_flow, rec, opts, block, [], __CALLER__)

  @doc """
  Whenever the first step happened, the second follows, `within:` so many milliseconds (or at all).

      assert_leads_to rec, sent({:order, id}), sent({:shipped, id}), within: 500

  Steps are those of `assert_flow/3`; here what a server handled counts when it is done, after what it sent meanwhile. What the
  recording ended too early to see is not held against it.

  `before:` names a step that the second one must come before:

      assert_leads_to rec, sent({:job, id}), sent({:done, id}), before: sent(:closing)

  What takes time may count at any moment of it: a state that is seen after `:closing` is in time if what led to it had begun before.

  Here and in `assert_flow/3` a variable may stand for a process, in its place as in a pattern:

      assert_leads_to rec, sent({:ask, q}, from: who, to: Desk), sent({:answer, q, _}, from: Desk, to: who)
      assert_leads_to rec, sent({:stop, worker}), exited(worker)

  and `from: who = Client` is one that must be a certain process.
  """
  defmacro assert_leads_to(rec, first, second, opts \\ []) do
    expr = Macros.expr(:assert_leads_to, [rec, first, second], opts)
    Macros.pair(:assert_leads_to, rec, [first, second], opts, expr, [check: :leads_to], __CALLER__)
  end

  @doc """
  When the first step happened the second does not follow, or not `within:` so many milliseconds, or not `before:` a third.

      refute_leads_to rec, sent({:cancelled, id}), sent({:shipped, id})
      refute_leads_to rec, sent({:locked, key}), sent({:locked, key}), before: sent({:unlock, key})
      refute_leads_to rec, state(Counter, %{count: n}), state(Counter, %{count: m}) when m < n

  The same thing is not its own follower: the second line says that nothing is locked twice. Steps are those of `assert_flow/3`.
  It fails also when the first step never happened (`allow_empty: true`).
  """
  defmacro refute_leads_to(rec, first, second, opts \\ []) do
    expr = Macros.expr(:refute_leads_to, [rec, first, second], opts)
    Macros.pair(:refute_leads_to, rec, [first, second], opts, expr, [check: :excludes], __CALLER__)
  end

  @doc """
  Every effect has its cause before it, one for one; with `strict: true` every cause has its effect too.

      assert_causality rec, sent({:req, id}) ~> sent({:resp, id})
      assert_causality rec, sent({:login, user}) ~> sent({:order, user, _}), shared: true

  With `shared: true` one cause may serve several effects.

  Steps are those of `assert_flow/3`.
  """
  defmacro assert_causality(rec, step, opts \\ []) do
    expr = Macros.expr(:assert_causality, [rec, step], opts)
    {cause, effect} = BeamScope.Expect.Form.arrow(step, __CALLER__)
    Macros.pair(:assert_causality, rec, [cause, effect], opts, expr, [check: :causality], __CALLER__)
  end

  # ---- crashes ----

  @doc """
  No process crashed: no server failed in a callback, and none ended for another reason than `:normal`, `:shutdown` or
  `{:shutdown, _}`.

      refute_crash rec
      refute_crash rec, Counter
      refute_crash rec, Counter, since: {:ms, 100}
  """
  defmacro refute_crash(rec, process_or_opts \\ [], opts \\ []) do
    {process, opts} =
      if opts == [] and Keyword.keyword?(process_or_opts),
        do: {nil, process_or_opts},
        else: {process_or_opts, opts}

    Macros.crash(:refute_crash, rec, process, opts, __CALLER__)
  end

  # ---- expectations of a module ----

  @doc """
  All that a module of `BeamScope.Expectation`s expects holds.

      assert_expectations rec, MyApp.CounterExpectations
      assert_expectations rec, MyApp.CounterExpectations, roles: [client: self()]

  Fails with what `BeamScope.check/3` prints. What cannot be said fails too; what was never exercised does not, as long as anything
  was. Returns the `%BeamScope.Verdict{}`.
  """
  defmacro assert_expectations(rec, module, opts \\ []) do
    Syntax.preload([BeamScope.Expectation.Check, BeamScope.Recording.Query])
    expr = Macro.escape(Macros.expr(:assert_expectations, [rec, module], opts), prune_metadata: true)

    quote do
      {verdict} =
        BeamScope.Expectation.Check.run!(unquote(rec), unquote(module), unquote(opts), unquote(expr))

      verdict
    end
  end

  # ---- golden executions ----

  @doc """
  The recording goes as the one that is kept under this name.

      assert_recording rec, "counter_happy_path"

  Who talked to whom, in what order and with what, processes by their roles, without what differs from run to run. A missing
  file is written and told; `BEAM_SCOPE_UPDATE=1` writes it anew; with `CI=true` a missing one fails.
  """
  defmacro assert_recording(rec, name, opts \\ []) do
    expr = Macro.escape(Macros.expr(:assert_recording, [rec, name], opts), prune_metadata: true)

    quote do
      {held} = BeamScope.Expect.Recorded.run!(unquote(rec), unquote(name), unquote(opts), unquote(expr))
      held
    end
  end

  # ---- waiting ----

  @doc """
  Waits until some state of the process matches, and is content with one that was there before.

      await_state rec, Counter, %{count: 2}
      await_state rec, Counter, %{count: 2}, 500

  The last argument of each `await_*` is a timeout in milliseconds; without it ExUnit's `:assert_receive_timeout` counts. They
  watch the recording as it grows: nothing is asked of the process, and the test waits no longer than it must. A failure says
  what was seen instead.
  """
  defmacro await_state(rec, process, pattern, opts \\ [], timeout \\ nil) do
    {opts, wait} = Macros.waiting(opts, timeout)
    Macros.state(:await_state, rec, process, pattern, opts, [check: :count] ++ wait, __CALLER__)
  end

  @doc """
  Waits for a transition. See `assert_transition/4` and `await_state/5`.

      await_transition rec, Counter, %{count: n} ~> %{count: m} when m > n, [on: :increment], 500
  """
  defmacro await_transition(rec, process, step, opts \\ [], timeout \\ nil) do
    {opts, wait} = Macros.waiting(opts, timeout)
    Macros.transition(:await_transition, rec, process, step, opts, wait, __CALLER__)
  end

  @doc """
  Waits for a message to be sent, or for `times:` of them. See `assert_sent/3` and `await_state/5`.

      await_sent rec, {:reply, _}, [from: Counter], 500
      await_sent rec, :tick, times: 3, timeout: 500
  """
  defmacro await_sent(rec, pattern, opts \\ [], timeout \\ nil) do
    {opts, wait} = Macros.waiting(opts, timeout)
    Macros.message(:await_sent, :sent, rec, pattern, opts, [check: :count] ++ wait, __CALLER__)
  end

  @doc "Waits for a message to arrive. See `assert_delivered/3` and `await_state/5`."
  defmacro await_delivered(rec, pattern, opts \\ [], timeout \\ nil) do
    {opts, wait} = Macros.waiting(opts, timeout)
    Macros.message(:await_delivered, :received, rec, pattern, opts, [check: :count] ++ wait, __CALLER__)
  end

  @doc "Waits for a call of a function. See `assert_called/3` and `await_state/5`."
  defmacro await_called(rec, call, opts \\ [], timeout \\ nil) do
    {opts, wait} = Macros.waiting(opts, timeout)
    Macros.called(:await_called, rec, call, opts, [check: :count] ++ wait, __CALLER__)
  end

  @doc """
  Waits until all steps have happened. See `assert_flow/3` and `await_state/5`.

      await_flow rec, 500 do
        sent {:order, id}, to: Shop
        sent {:shipped, id}, from: Shop
      end
  """
  defmacro await_flow(rec, opts \\ [], do_block)

  defmacro await_flow(rec, opts, do: block) do
    {opts, wait} = Macros.waiting(opts, nil)
    Macros.flow(:await_flow, rec, opts, block, wait, __CALLER__)
  end
end
