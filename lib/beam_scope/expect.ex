defmodule BeamScope.Expect do
  @moduledoc """
  Expectations as data: what should happen in a recording, checked after the fact in one pass, or beside a recording that runs.

  This is what assertions are made of. A check is a map:

      %{check: :count, min: 1, steps: [%{what: :sent, from: client, to: Counter, pattern: BeamScope.pattern({:inc, by} when by > 0)}]}

  | `check:` | expected | further keys |
  |---|---|---|
  | `:count` | so many match | `min:`, `max:`, `scope:` |
  | `:every` | each one matches, or none with `negate: true` | `negate:`, `scope:` |
  | `:flow` | each step finds one, in this order wherever two steps share a process; gaps are allowed | |
  | `:leads_to` | each match of the first step is followed by one of the second | `within_ms:` |
  | `:causality` | each match of the second step follows one of its own of the first | `within_ms:`, `strict:` (and the other way round) |

  All take `since:` and `until:`, moments, and `lenient: true`: processes that it names may be none that the recording knows. `scope:`
  is a pattern: only transitions whose message matches it count.

  A step is a map too: `what:` it is about, whose it is (`process:`; of messages also `from:` and `to:`; of calls `mfa:`, a
  `{module, function, arity}` in which `:_` stands for any function or arity), and a `pattern:`

  | `what:` | the pattern is asked of |
  |---|---|
  | `:sent`, `:received` | the message, and what is in its call, cast or reply envelope |
  | `:called` | `{arguments, value}`; where the pattern looks at the value a call counts when it has ended |
  | `:state` | each state that became known |
  | `:transition` | `{from, to, message}`; the message with and without its envelope |
  | `:crashed` | the reason, with and without the stacktrace; any end but `:normal`, `:shutdown` and `{:shutdown, _}` |

  In a flow a message happens to its sender when it is sent and to its receiver when that takes it into its queue, where the
  recording saw both. One step follows another "later" where the event that completes it comes later: a call that is asked for
  its value happens when it returns.

  Variables of the same name in the patterns of a check are the same variable; later guards may use them (pattern data may
  name variables in guards that an earlier pattern binds). Answers are `BeamScope.Expect.Result`s.

  Of a lost event nobody knows what it was: a check that held only because of that is a `:gap`, and so is one that failed
  for want of something that may have been lost. What was seen to break a check breaks it.
  """

  alias BeamScope.{Error, Native, Recording}
  alias BeamScope.Expect.Result
  alias BeamScope.Recording.Query

  @checks [:count, :every, :flow, :leads_to, :causality]
  @whats [:sent, :received, :called, :state, :transition, :crashed]
  @check %{
    check: nil,
    steps: [],
    min: nil,
    max: nil,
    scope: nil,
    negate: false,
    within_ms: nil,
    strict: false,
    since: nil,
    until: nil,
    lenient: false
  }
  @step %{what: nil, process: nil, from: nil, to: nil, mfa: nil, pattern: nil}

  @typedoc "An expectation; see the table above."
  @type check :: %{required(:check) => atom, required(:steps) => [map], optional(atom) => term}

  @typedoc "Checks beside a recording that runs."
  @opaque monitor :: {Recording.t(), reference}

  @doc """
  Answers checks over what is recorded, all of them in one pass.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> for _ <- 1..3, do: Agent.update(agent, &(&1 + 1)) end)
      iex> states = %{what: :state, process: agent, pattern: BeamScope.Pattern.from_term(3)}
      iex> {:ok, [result]} = BeamScope.Expect.run(rec, [%{check: :count, steps: [states], min: 1}])
      iex> {result.verdict, result.count, result.first.to}
      {:held, 1, 3}
  """
  @spec run(Recording.t(), [check]) :: {:ok, [Result.t()]} | {:error, Error.t()}
  def run(rec, checks) do
    with {:ok, checks} <- prepare(rec, checks, :strict),
         {:ok, found} <- Query.ask(rec, fn -> Native.check(rec.native, checks) end),
         do: {:ok, Enum.map(found, &Result.from_native/1)}
  end

  @doc """
  Begins to watch a recording that runs; what it holds already counts too. Names that no process bears yet may come.
  """
  @spec monitor(Recording.t(), [check]) :: {:ok, monitor} | {:error, Error.t()}
  def monitor(rec, checks) do
    with {:ok, checks} <- prepare(rec, checks, :lenient),
         {:ok, monitor} <- Query.ask(rec, fn -> Native.monitor_open(rec.native, checks) end),
         do: {:ok, {rec, monitor}}
  end

  @doc """
  What was decided since the last poll: each check once, by its index, as soon as nothing can change it any more. `next` is
  in how many milliseconds a time that a check sets may run out, or `nil`.

  What happened before the call counts, for which the call waits some milliseconds; with `:stored` it waits for nothing and what
  is on its way comes with the next poll. A poll costs by what is new, not by how long the recording is.
  """
  @spec poll(monitor, :now | :stored) ::
          {:ok, %{events: [{non_neg_integer, Result.verdict(), Result.t()}], next: non_neg_integer | nil}}
          | {:error, Error.t()}
  def poll({rec, monitor}, how \\ :now) do
    ask = if how == :now, do: &Query.ask/2, else: &Query.ask_stored/2

    with {:ok, found} <- ask.(rec, fn -> Native.monitor_poll(monitor) end) do
      events = for {index, verdict, result} <- found.events, do: {index, verdict, Result.from_native(result)}
      {:ok, %{found | events: events}}
    end
  end

  @doc "The answers of all checks if nothing more comes."
  @spec finish(monitor) :: {:ok, [Result.t()]} | {:error, Error.t()}
  def finish({rec, monitor}) do
    with {:ok, found} <- Query.ask(rec, fn -> Native.monitor_finish(monitor) end),
         do: {:ok, Enum.map(found, &Result.from_native/1)}
  end

  # ---- from what users give to what the core takes ----

  defp prepare(%Recording{} = rec, checks, mode) when is_list(checks),
    do: each(checks, &check(rec, &1, mode))

  defp prepare(%Recording{}, checks, _mode), do: invalid(:checks, checks, "a list of maps")
  defp prepare(other, _checks, _mode), do: {:error, Query.not_a_recording(other)}

  defp check(rec, %{check: kind, steps: [_ | _] = steps} = check, mode) when kind in @checks do
    mode = if check[:lenient], do: :lenient, else: mode

    with {:ok, check} <- complete(check, @check),
         {:ok, since} <- moment(rec, check.since),
         {:ok, until} <- moment(rec, check.until),
         {:ok, scope} <- pattern(check.scope),
         {:ok, steps} <- each(steps, &step(rec, &1, mode)),
         do: {:ok, %{check | since: since, until: until, scope: scope, steps: steps}}
  end

  defp check(_rec, other, _mode) do
    invalid(:check, other, "a map with check: (#{list(@checks)}) and a list of steps:")
  end

  defp step(rec, %{what: what} = step, mode) when what in @whats do
    with {:ok, step} <- complete(step, @step),
         {:ok, process} <- process(rec, step.process, :process, mode),
         {:ok, from} <- process(rec, step.from, :from, mode),
         {:ok, to} <- process(rec, step.to, :to, mode),
         {:ok, mfa} <- mfa(step.mfa),
         {:ok, pattern} <- pattern(step.pattern) do
      pattern = pattern || {:pattern, :any, nil}
      {:ok, %{step | process: process, from: from, to: to, mfa: mfa, pattern: pattern}}
    end
  end

  defp step(_rec, other, _mode), do: invalid(:steps, other, "maps with what: (#{list(@whats)})")

  defp complete(map, default) do
    case Map.keys(map) -- Map.keys(default) do
      [] ->
        {:ok, Map.merge(default, map)}

      [key | _] ->
        {:error,
         Error.new(:unknown_option, %{key: key, suggestion: nil, known: default |> Map.keys() |> Enum.sort()})}
    end
  end

  defp process(_rec, nil, _role, _mode), do: {:ok, nil}

  defp process(rec, {kind, process}, role, mode) when kind in [:pid, :name, :term],
    do: process(rec, process, role, mode)

  defp process(rec, process, role, mode) do
    case Query.process(rec, process, role) do
      {:error, %Error{reason: :no_such_process}} when mode == :lenient -> Query.selector(process)
      answer -> answer
    end
  end

  defp moment(_rec, nil), do: {:ok, nil}
  defp moment(rec, moment), do: Query.moment(rec, moment)

  defp pattern(nil), do: {:ok, nil}
  defp pattern({:pattern, _head, _guard} = data), do: {:ok, data}
  defp pattern(pattern), do: Query.pattern(pattern)

  defp mfa(nil), do: {:ok, nil}
  defp mfa({m, f, a} = mfa) when is_atom(m) and is_atom(f) and (a == :_ or is_integer(a)), do: {:ok, mfa}
  defp mfa(other), do: invalid(:mfa, other, "{module, function, arity}, with :_ for any")

  defp each(list, fun) do
    Enum.reduce_while(list, {:ok, []}, fn one, {:ok, done} ->
      case fun.(one) do
        {:ok, one} -> {:cont, {:ok, [one | done]}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> case do
      {:ok, done} -> {:ok, Enum.reverse(done)}
      error -> error
    end
  end

  defp invalid(key, value, expected),
    do: {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected})}

  defp list(atoms), do: Enum.map_join(atoms, ", ", &inspect/1)
end
