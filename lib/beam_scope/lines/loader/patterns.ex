defmodule BeamScope.Lines.Loader.Patterns do
  @moduledoc """
  Carries trace patterns over a load: the virtual machine drops those of a module when its code is replaced.

  That goes for everybody's: other recordings', and other tools' (dbg). They are read before and set again at once after, in every trace
  session of the node from OTP 27 on. What is called in between, well under a millisecond, is missed. Counters cannot be carried over, so
  code that is counted is refused. Before OTP 27 our own are the hub's matter: who removes one meanwhile must not find it set again.
  """

  @compile {:no_warn_undefined, :trace}

  alias BeamScope.Recorder.{Hub, Session}

  @typedoc "What to set again."
  @type t :: [{:classic | term(), mfa(), term(), [term()]}]

  @doc "The patterns on a module, or a function whose calls are counted."
  @spec read(module()) :: {:ok, t()} | {:counted, mfa()}
  def read(module) do
    ours = Hub.ledger_on(module)

    with {:ok, patterns} <- read(places(module), []),
         do: {:ok, :lists.filter(&(not ours?(&1, ours)), patterns)}
  end

  defp ours?({:classic, mfa, _spec, [scope]}, ours) when is_atom(scope), do: :lists.member(mfa, ours)
  defp ours?({:classic, mfa, _spec, [_meta]}, ours), do: :lists.member({:end, mfa}, ours)
  defp ours?(_pattern, _ours), do: false

  defp places(module) do
    functions = :erlang.get_module_info(module, :functions)
    for session <- sessions(), {function, arity} <- functions, do: {session, {module, function, arity}}
  end

  defp sessions, do: [:classic | if(Session.sessions?(), do: weak(:trace.session_info(:all)), else: [])]

  # The session of the functions without one is listed, but cannot be used like the others.
  defp weak(sessions), do: for({_, id} = session <- sessions, id != :default, do: session)

  defp read([], found), do: {:ok, found}

  defp read([{session, mfa} | rest], found) do
    case info(session, mfa) do
      {:all, facts} when is_list(facts) ->
        if :lists.any(&counts?/1, facts),
          do: {:counted, mfa},
          else: read(rest, steps(session, mfa, :maps.from_list(facts)) ++ found)

      _ ->
        read(rest, found)
    end
  end

  # Its type forgets tracers that are modules.
  defp info(:classic, mfa), do: classic(:trace_info, [mfa, :all])

  # A session may end at any time.
  defp info(session, mfa) do
    :trace.info(session, mfa, :all)
  rescue
    ArgumentError -> :ended
  end

  defp counts?({key, value}) when key in [:call_count, :call_time, :call_memory], do: value != false
  defp counts?(_), do: false

  defp steps(session, mfa, facts), do: calls(session, mfa, facts) ++ meta(session, mfa, facts)

  defp calls(session, mfa, %{traced: scope, match_spec: spec}) when scope in [:local, :global],
    do: [{session, mfa, spec, [scope]}]

  defp calls(_session, _mfa, _facts), do: []

  defp meta(_session, _mfa, %{meta: nothing}) when nothing in [false, []], do: []

  defp meta(:classic, mfa, %{meta: {module, state}, meta_match_spec: spec}),
    do: [{:classic, mfa, spec, [{:meta, module, state}]}]

  defp meta(:classic, mfa, %{meta: tracer, meta_match_spec: spec}),
    do: [{:classic, mfa, spec, [{:meta, tracer}]}]

  defp meta(session, mfa, %{meta: _, meta_match_spec: spec}), do: [{session, mfa, spec, [:meta]}]
  defp meta(_session, _mfa, _facts), do: []

  defp classic(function, arguments), do: apply(:erlang, function, arguments)

  @doc "Sets them again. Functions that are no more are left out."
  @spec set(t()) :: :ok
  def set(patterns), do: :lists.foreach(&again/1, patterns)

  defp again({session, mfa, spec, flags}) do
    if session == :classic,
      do: :erlang.trace_pattern(mfa, spec, flags),
      else: :trace.function(session, mfa, spec, flags)
  rescue
    ArgumentError -> 0
  end
end
