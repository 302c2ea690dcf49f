defmodule BeamScope.Recorder.Session do
  @moduledoc """
  The tracing facilities of one recording, on two kinds of virtual machine.

  From OTP 27 on a recording has a trace session of its own (`Session.Trace`): flags and patterns of others are
  neither seen nor touched. Before that a process has one tracer and patterns are global (`Session.Classic`): all
  recordings share one tracer and one ledger of who wants what.

  A session is used by its recorder only; `close/1` switches off all that it switched on and may be called by
  anybody, more than once.
  """

  alias BeamScope.Error

  @sessions {__MODULE__, :sessions?}

  @enforce_keys [:module, :handle]
  defstruct [:module, :handle]

  @type t :: %__MODULE__{module: module(), handle: term()}

  @typedoc "A tracer module with its state, or (in tests) a process."
  @type tracer :: {module(), non_neg_integer()} | pid()

  @typedoc """
  `:plain` reports calls only, `:returns` also their results, `:outcomes` their exceptions as well, `{:of, list}` the same of those calls
  whose first argument is in the list. `{:stack, want}` is the same with the call stack added to each call, see `stack_spec/0`. Never ask for the returns of a loop: its stack would grow for ever.
  """
  @type want :: :plain | :returns | :outcomes | {:of, [term()]} | {:stack, :plain | :returns | :outcomes}

  @typedoc """
  Where a pattern is: a function, or with `:_` as its arity all functions of that name, whose calls by processes with the call flag are traced, or `{:end, function}`: then those of every
  process are, whatever its flags, and those of processes that are not recorded are left out later. For functions that a process
  calls once in its life that is much cheaper: the flag costs a process 9 to 24 % even where it hits no pattern.
  """
  @type place :: mfa() | {module(), atom(), :_} | {:end, mfa()}

  @typedoc "Why a process could not be traced."
  @type refusal :: :not_alive | {:already_traced, term()}

  @callback open(pos_integer(), tracer()) :: {:ok, term()} | {:error, Error.t()}
  @callback trace(term(), [pid()], [atom()]) :: [{pid(), refusal()}]
  @callback untrace(term(), [pid()], [atom()]) :: :ok
  @callback trace_new(term(), [atom()]) :: :ok | {:error, Error.t()}
  @callback untrace_new(term()) :: :ok
  @callback pattern(term(), place(), want()) ::
              {:ok, non_neg_integer()} | {:error, Error.t()}
  @callback unpattern(term(), place()) :: :ok
  @callback receives(term(), boolean()) :: :ok | {:error, Error.t()}
  @callback traced(term()) :: [pid()]
  @callback adopt(term(), [pid()], [atom()]) :: :ok
  @callback clear(term()) :: :ok
  @callback forget(term()) :: :ok
  @callback close(term()) :: :ok

  @doc "Whether this virtual machine has trace sessions."
  @spec sessions?() :: boolean()
  def sessions? do
    case :persistent_term.get(@sessions, nil) do
      nil -> tap(trace_module?(), &:persistent_term.put(@sessions, &1))
      known -> known
    end
  end

  # Where there is no such module, to look for it costs a walk through every directory of the code path.
  defp trace_module?, do: Code.ensure_loaded?(:trace) and function_exported?(:trace, :session_create, 3)

  @doc "The implementation for this virtual machine."
  @spec implementation() :: module()
  def implementation, do: if(sessions?(), do: __MODULE__.Trace, else: __MODULE__.Classic)

  @doc "Opens a session for the recording with this id."
  @spec open(pos_integer(), tracer(), module()) :: {:ok, t()} | {:error, Error.t()}
  def open(id, tracer, module \\ implementation()) do
    with {:ok, handle} <- module.open(id, tracer), do: {:ok, %__MODULE__{module: module, handle: handle}}
  end

  @doc "Switches flags on for processes; answers those for which it did not work."
  @spec trace(t(), [pid()], [atom()]) :: [{pid(), refusal()}]
  def trace(_, [], _), do: []
  def trace(%{module: module, handle: handle}, pids, flags), do: module.trace(handle, pids, flags)

  @doc "Switches flags off for processes."
  @spec untrace(t(), [pid()], [atom()]) :: :ok
  def untrace(_, [], _), do: :ok
  def untrace(%{module: module, handle: handle}, pids, flags), do: module.untrace(handle, pids, flags)

  @doc "Switches flags on for every process started from now on."
  @spec trace_new(t(), [atom()]) :: :ok | {:error, Error.t()}
  def trace_new(%{module: module, handle: handle}, flags), do: module.trace_new(handle, flags)

  @doc "Undoes `trace_new/2`."
  @spec untrace_new(t()) :: :ok
  def untrace_new(%{module: module, handle: handle}), do: module.untrace_new(handle)

  @doc "Sets a call pattern; answers how many functions it matched."
  @spec pattern(t(), place(), want()) :: {:ok, non_neg_integer()} | {:error, Error.t()}
  def pattern(%{module: module, handle: handle}, place, want) do
    {target, _, _} = function(place)
    # A pattern on a module that is not loaded matches nothing.
    _ = Code.ensure_loaded(target)
    module.pattern(handle, place, want)
  end

  @doc "The function of a place."
  @spec function(place()) :: mfa() | {module(), atom(), :_}
  def function({:end, mfa}), do: mfa
  def function(mfa), do: mfa

  @doc "Removes a call pattern."
  @spec unpattern(t(), place()) :: :ok
  def unpattern(%{module: module, handle: handle}, place), do: module.unpattern(handle, place)

  @doc "Whether `receive` events tell their senders."
  @spec receives(t(), boolean()) :: :ok | {:error, Error.t()}
  def receives(%{module: module, handle: handle}, on), do: module.receives(handle, on)

  @doc "Switches everything off for a process of BeamScope's own. Asked by the hub, which serves classic sessions itself."
  @spec exclude(t(), pid()) :: :ok
  def exclude(%{module: __MODULE__.Classic}, _pid), do: :ok
  def exclude(%{module: module, handle: handle}, pid), do: module.untrace(handle, [pid], [:all])

  @doc "All processes that this session traces, children that inherited its flags included."
  @spec traced(t()) :: [pid()]
  def traced(%{module: module, handle: handle}),
    do: List.delete(module.traced(handle), BeamScope.Recorder.Guards.collector())

  @doc "Tells the session that children inherited flags from their parents."
  @spec adopt(t(), [pid()], [atom()]) :: :ok
  def adopt(%{module: module, handle: handle}, pids, flags), do: module.adopt(handle, pids, flags)

  @doc "Switches off the flags of all processes; patterns stay."
  @spec clear(t()) :: :ok
  def clear(%{module: module, handle: handle}), do: module.clear(handle)

  @doc "Gives up all wants of a session whose processes were untraced one by one. One that a keeper holds goes on as it is."
  @spec forget(t()) :: :ok
  def forget(%{module: module, handle: handle}), do: module.forget(handle)

  @doc "Switches off all that this session switched on."
  @spec close(t()) :: :ok
  def close(%{module: module, handle: handle}), do: module.close(handle)

  @doc "The match spec of a want."
  @spec match_spec(want(), mfa() | {module(), atom(), :_}) :: true | list()
  def match_spec(:plain, _mfa), do: true
  def match_spec(:returns, _mfa), do: [{:_, [], [{:return_trace}]}]
  def match_spec(:outcomes, _mfa), do: [{:_, [], [{:exception_trace}]}]

  def match_spec({:stack, want}, mfa) do
    message = {:message, stack_spec()}

    case match_spec(want, mfa) do
      true -> [{:_, [], [message]}]
      [{head, guards, actions}] -> [{head, guards, [message | actions]}]
    end
  end

  def match_spec({:of, firsts}, {_, _, arity}),
    do: for(first <- firsts, do: {[first | List.duplicate(:_, arity - 1)], [], [{:exception_trace}]})

  @stacks {__MODULE__, :stacks}
  # A stack is bounded by its frames; the budget of terms bounds what it takes.
  @frames 16

  @doc """
  What a pattern adds to a call for its stack: the frames themselves, or before OTP 26, where it cannot, the caller alone with its
  file and line.
  """
  @spec stack_spec() :: tuple()
  def stack_spec do
    case :persistent_term.get(@stacks, nil) do
      nil -> tap(find_stack_spec(), &:persistent_term.put(@stacks, &1))
      known -> known
    end
  end

  defp find_stack_spec do
    stack = {:current_stacktrace, @frames}

    case :erlang.match_spec_test([], [{:_, [], [{:message, stack}]}], :trace) do
      {:ok, _, _, _} -> stack
      {:error, _} -> {:caller_line}
    end
  end

  @doc "The receive pattern that adds `{node, sender}` to each event."
  @spec receive_spec() :: list()
  def receive_spec, do: [{[:"$1", :"$2", :_], [], [{:message, {{:"$1", :"$2"}}}]}]
end
