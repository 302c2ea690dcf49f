defmodule BeamScope.Recorder.Session.Trace do
  @moduledoc """
  A trace session of OTP 27 or later. The only module that calls `:trace`.

  The handle has the session's strong reference: the session lives as long as somebody holds it, so the recorder
  and the hub both do. When both are killed at once it ends with them; in every other case it is closed.
  """

  @behaviour BeamScope.Recorder.Session
  # The module is there from OTP 27 on; `Session.implementation/0` decides.
  @compile {:no_warn_undefined, :trace}

  alias BeamScope.Error
  alias BeamScope.Recorder.Session

  # All sessions have one name: an atom for each would never be given back, and nobody looks for one by its name.
  @impl true
  def open(_id, tracer) do
    {:ok, call(:session_create, [:beam_scope, tracer, []])}
  rescue
    error in [ArgumentError, ErlangError] ->
      {:error, Error.new(:setup_failed, "no trace session: " <> Exception.message(error))}
  end

  @impl true
  def trace(session, pids, flags), do: Enum.flat_map(pids, &trace_one(session, &1, flags))

  defp trace_one(session, pid, flags) do
    case call(:process, [session, pid, true, flags]) do
      1 -> []
      0 -> [{pid, :not_alive}]
    end
  rescue
    ArgumentError -> [{pid, :not_alive}]
  end

  @impl true
  def untrace(session, pids, flags), do: Enum.each(pids, &quietly(:process, [session, &1, false, flags]))

  @impl true
  def trace_new(session, flags) do
    call(:process, [session, :new_processes, true, flags])
    :ok
  rescue
    error in ArgumentError -> {:error, Error.new(:setup_failed, Exception.message(error))}
  end

  @impl true
  def untrace_new(session), do: quietly(:process, [session, :new_processes, false, [:all]])

  # The session's own tracer gets these.
  @impl true
  def pattern(session, {:end, mfa}, _want) do
    {:ok, call(:function, [session, mfa, true, [:meta]])}
  rescue
    ArgumentError -> {:error, Error.new(:no_such_function, mfa)}
  end

  def pattern(session, mfa, want) do
    {:ok, call(:function, [session, mfa, Session.match_spec(want, mfa), [:local]])}
  rescue
    ArgumentError -> {:error, Error.new(:no_such_function, mfa)}
  end

  @impl true
  def unpattern(session, {:end, mfa}), do: quietly(:function, [session, mfa, false, [:meta]])
  def unpattern(session, mfa), do: quietly(:function, [session, mfa, false, [:local]])

  @doc "The functions of a loaded module on which this session has a pattern."
  @spec patterned(term(), module()) :: [mfa()]
  def patterned(session, module) do
    for {function, arity} <- module.module_info(:functions),
        patterned?(session, {module, function, arity}),
        do: {module, function, arity}
  rescue
    # The session has ended, or the module is gone.
    _ in [ArgumentError, UndefinedFunctionError] -> []
  end

  defp patterned?(session, mfa),
    do: match?({:traced, how} when how in [:local, :global], call(:info, [session, mfa, :traced]))

  @doc "Asks for a message `{:trace_delivered, _, _}` when all trace messages so far have been."
  @spec delivered(term()) :: reference()
  def delivered(session), do: call(:delivered, [session, :all])

  @impl true
  def receives(session, true), do: quietly(:recv, [session, Session.receive_spec(), []])
  def receives(session, false), do: quietly(:recv, [session, true, []])

  # Processes are asked for their sessions, not the session for its processes: `trace:info/3` of a process that has ended takes a reference
  # to the session that the virtual machine never gives back (seen on OTP 27.3 and 29.0). Such a session outlives all who hold it.
  @impl true
  def traced({_strong, weak}) do
    for pid <- Process.list(), traced?(call(:session_info, [pid]), weak), do: pid
  end

  defp traced?(sessions, weak) when is_list(sessions), do: weak in sessions
  defp traced?(_gone, _weak), do: false

  # The session sees for itself who has its flags.
  @impl true
  def adopt(_session, _pids, _flags), do: :ok

  @impl true
  def clear(session), do: quietly(:process, [session, :all, false, [:all]])

  @impl true
  def forget(_session), do: :ok

  @impl true
  def close(session), do: quietly(:session_destroy, [session])

  # What is gone already need not be undone.
  defp quietly(function, arguments) do
    _ = call(function, arguments)
    :ok
  rescue
    ArgumentError -> :ok
  end

  defp call(function, arguments), do: apply(:trace, function, arguments)
end
