defmodule BeamScope.Recorder.Plan do
  @moduledoc """
  What a level means: which flags, patterns, points and kinds of events. A pure computation.

  Fewer events cost less than faster code, so a level asks the virtual machine for nothing that it would not keep.
  """

  import Bitwise

  alias BeamScope.Error
  alias BeamScope.Recorder.{Guards, Profile, Session}

  defstruct [:level, flags: [], kinds: 0, points: [], calls: [], patterns: %{}, receives: false, guards: []]

  @typedoc """
  * `flags` — for each tracee
  * `kinds` — the kinds of events to keep, as a mask
  * `patterns` — functions and whether their returns are needed; `{:end, mfa}`: where processes end, see `t:Session.place/0`
  * `receives` — whether received messages need their senders
  * `guards` — functions to watch so that states can be recorded by what changed in them; `[]`: they are not
  """
  @type want :: Session.want()
  @type t :: %__MODULE__{
          level: atom(),
          flags: [atom()],
          kinds: non_neg_integer(),
          points: [Profile.point()],
          calls: [mfa()],
          patterns: %{Session.place() => want()},
          receives: boolean(),
          guards: [Guards.guard()]
        }

  # The numbers that the native library gives to kinds of events.
  @kind_numbers %{
    send: 1,
    send_to_dead: 2,
    receive: 3,
    spawn: 4,
    spawned: 5,
    exit: 6,
    link: 7,
    unlink: 8,
    getting_linked: 9,
    getting_unlinked: 10,
    register: 11,
    unregister: 12,
    call: 13,
    return: 14,
    exception: 15,
    state: 16,
    baseline: 17,
    note: 18,
    system: 19,
    gc: 20,
    running: 21,
    line: 22,
    mark: 23
  }

  @written [:baseline, :note, :system]
  @lifecycle [
    :spawn,
    :spawned,
    :exit,
    :link,
    :unlink,
    :getting_linked,
    :getting_unlinked,
    :register,
    :unregister
  ]
  @messages [:send, :send_to_dead, :receive]
  @calls [:call, :return, :exception]

  @typedoc "Whether the functions in which processes end are traced for all processes, or for those with the call flag."
  @type ends :: :everywhere | :flagged

  @doc "The plan of a level, given the points of the profile and the calls asked for."
  @spec new(atom(), [Profile.point()], [mfa() | {mfa(), want()}], :spawn | false, [Guards.guard()], ends()) ::
          t()
  def new(level, points, calls, follow, guards \\ [], ends \\ :everywhere)

  def new(:off, _, _, _, _, _), do: %__MODULE__{level: :off, kinds: mask(@written)}

  def new(level, points, calls, follow, guards, ends) do
    points = Enum.filter(points, &keeps?(level, &1))
    wants = for call <- if(level == :crashes, do: [], else: calls), do: want(call)
    calls = for {mfa, _} <- wants, uniq: true, do: mfa
    guards = if level in [:states, :full] and Enum.any?(points, &Guards.steady?/1), do: guards, else: []
    patterns = patterns(points, wants, guards, ends)

    %__MODULE__{
      level: level,
      flags: flags(level, patterns, follow) ++ if(guards == [], do: [], else: [Guards.flag()]),
      kinds: mask(kinds(level, calls)),
      points: Enum.map(points, &Map.put(&1, :steady, Guards.steady?(&1))),
      calls: calls,
      patterns: patterns,
      receives: level in [:messages, :full],
      guards: guards
    }
  end

  @doc "The same plan with flags that were asked for by themselves, and the events that they make."
  @spec with_flags(t(), [:garbage_collection | :running]) :: t()
  def with_flags(%{level: :off} = plan, _asked), do: plan

  def with_flags(plan, asked) do
    kinds = for flag <- asked, do: if(flag == :running, do: :running, else: :gc)
    %{plan | flags: Enum.uniq(plan.flags ++ asked), kinds: plan.kinds ||| mask(kinds)}
  end

  # All arities of each in one: to set a pattern makes every scheduler wait for every other.
  @lines {BeamScope.Line, :line, :_}
  @marks {BeamScope.Line, :mark, :_}

  @doc """
  The same plan with the probes in it: those that the user put into the source, where processes have the call flag anyway (`:states`, `:full`)
  or lines are asked for, and those of instrumented code, `lines?`. With `stack?` each tells its stack.
  """
  @spec with_probes(t(), boolean(), boolean()) :: t()
  def with_probes(plan, lines?, stack? \\ false)
  def with_probes(%{level: :off} = plan, _, _), do: plan
  def with_probes(%{level: level} = plan, false, _) when level not in [:states, :full], do: plan

  def with_probes(plan, lines?, stack?) do
    probes = if lines?, do: [line: @lines, mark: @marks], else: [mark: @marks]
    want = if stack?, do: {:stack, :plain}, else: :plain
    patterns = for {_kind, place} <- probes, into: plan.patterns, do: {place, want}
    %{plan | patterns: patterns, flags: called(plan.flags), kinds: plan.kinds ||| mask(Keyword.keys(probes))}
  end

  defp called(flags), do: if(:call in flags, do: flags, else: flags ++ [:call])

  @doc "The places of all probes."
  @spec probes() :: [Session.place()]
  def probes, do: [@lines, @marks]

  defp keeps?(:crashes, %{point: point}), do: point == :end
  defp keeps?(:messages, _), do: false
  defp keeps?(_, _), do: true

  defp kinds(:crashes, _), do: @written ++ @lifecycle ++ [:state]
  defp kinds(:states, calls), do: @written ++ @lifecycle ++ [:state] ++ call_kinds(calls)
  defp kinds(:messages, calls), do: @written ++ @lifecycle ++ @messages ++ call_kinds(calls)
  defp kinds(:full, calls), do: @written ++ @lifecycle ++ @messages ++ [:state] ++ call_kinds(calls)

  defp call_kinds([]), do: []
  defp call_kinds(_), do: @calls

  # A process with the call flag pays for it even where it hits no pattern. To see where processes end takes no flag.
  defp flags(level, patterns, follow) do
    [:procs] ++
      if(level in [:messages, :full], do: [:send, :receive], else: []) ++
      if(Enum.any?(patterns, &match?({{_, _, _}, _}, &1)), do: [:call], else: []) ++
      if(follow == :spawn, do: [:set_on_spawn], else: [])
  end

  defp want({{_, _, _}, _want} = call), do: call
  defp want(mfa), do: {mfa, :outcomes}

  defp patterns(points, wants, guards, ends) do
    wanted = for %{mfa: mfa, point: point} <- points, do: place(mfa, point, ends)

    watched = for {mfa, _} <- guards, do: {mfa, :plain}
    Enum.reduce(wanted ++ watched ++ wants, %{}, &merge/2)
  end

  defp place(mfa, :end, :everywhere), do: {{:end, mfa}, :plain}
  defp place(mfa, :returned, _ends), do: {mfa, :returns}
  defp place(mfa, _point, _ends), do: {mfa, :plain}

  defp merge({mfa, want}, patterns), do: Map.update(patterns, mfa, want, &stronger(&1, want))

  @doc "The want that serves both."
  @spec stronger(want(), want()) :: want()
  def stronger({:stack, a}, {:stack, b}), do: {:stack, stronger(a, b)}
  def stronger({:stack, a}, b), do: {:stack, stronger(a, b)}
  def stronger(a, {:stack, b}), do: {:stack, stronger(a, b)}
  def stronger({:of, a}, {:of, b}), do: {:of, Enum.uniq(a ++ b)}
  def stronger({:of, _}, _), do: :outcomes
  def stronger(_, {:of, _}), do: :outcomes
  def stronger(a, b) when a == :outcomes or b == :outcomes, do: :outcomes
  def stronger(a, b) when a == :returns or b == :returns, do: :returns
  def stronger(_, _), do: :plain

  @doc "The mask of some kinds of events."
  @spec mask([atom()]) :: non_neg_integer()
  def mask(kinds), do: Enum.reduce(kinds, 0, &(&2 ||| 1 <<< Map.fetch!(@kind_numbers, &1)))

  @doc """
  The functions that `calls:` names, each with its arity: of a module all that it exports.

  Functions without an entry of their own are refused, so that a mistyped name does not record silence.
  """
  @spec expand_calls([module() | {module(), atom(), arity() | :_}]) :: {:ok, [mfa()]} | {:error, Error.t()}
  def expand_calls(calls) do
    Enum.reduce_while(calls, {:ok, []}, fn call, {:ok, found} ->
      case expand(call) do
        {:ok, mfas} -> {:cont, {:ok, Enum.uniq(found ++ mfas)}}
        error -> {:halt, error}
      end
    end)
  end

  defp expand(module) when is_atom(module) do
    with :ok <- loaded(module) do
      {:ok,
       for({f, a} <- module.module_info(:exports), f not in [:module_info, :__info__], do: {module, f, a})}
    end
  end

  defp expand({module, function, arity}) do
    with :ok <- loaded(module) do
      functions = module.module_info(:functions)

      case for({^function, a} <- functions, arity in [:_, a], do: {module, function, a}) do
        [] -> {:error, Error.new(:no_such_function, {module, function, arity})}
        mfas -> {:ok, mfas}
      end
    end
  end

  defp loaded(module) do
    if Code.ensure_loaded?(module), do: :ok, else: {:error, Error.new(:no_such_module, module)}
  end
end
