defmodule BeamScope.Recorder.Profile.Callbacks do
  @moduledoc """
  The fallback profile: the documented callbacks of a module, and what they return.

  It works wherever the behaviour's contract holds, loops of third parties included, but costs more, sees no change
  that no callback made, and must know the modules. Paths here also say `{:tuple, paths}` (a tuple made of
  arguments), `:function` (the function's name) and `{:literal, term}`.
  """

  alias BeamScope.Recorder.{Behaviour, Profile}

  # Calls and casts as the messages that they came as, so that they pair with what was sent.
  @gen_server [
    {:init, 1, message: [1]},
    {:handle_call, 3, message: {:tuple, [{:literal, :"$gen_call"}, [2], [1]]}, before: [3]},
    {:handle_cast, 2, message: {:tuple, [{:literal, :"$gen_cast"}, [1]]}, before: [2]},
    {:handle_info, 2, message: [1], before: [2]},
    {:handle_continue, 2, message: [1], before: [2]}
  ]

  @gen_event [
    {:init, 1, message: [1]},
    {:handle_event, 2, message: [1], before: [2]},
    {:handle_call, 2, message: [1], before: [2]},
    {:handle_info, 2, message: [1], before: [2]}
  ]

  # What a gen_statem module exports with three arguments that is no state.
  @no_states [:terminate, :format_status, :code_change, :handle_event]

  @doc "The points of one module for one behaviour, as far as its functions exist."
  @spec points(atom(), module()) :: [Profile.point()]
  def points(behaviour, module) do
    _ = Code.ensure_loaded(module)
    functions = if :erlang.module_loaded(module), do: module.module_info(:exports), else: []

    for {function, arity, fields} <- rows(behaviour, functions),
        {function, arity} in functions,
        point <- pair(behaviour, {module, function, arity}, fields),
        do: point
  end

  @doc "The behaviours among these that a module's callbacks serve."
  @spec behaviours_of(module(), [atom()]) :: [atom()]
  def behaviours_of(module, behaviours) do
    declared = Behaviour.declared(module)

    for behaviour <- behaviours,
        behaviour in declared or (behaviour == :gen_server and serves?(declared, module)),
        do: behaviour
  end

  # Third-party servers keep the callbacks of gen_server under a behaviour of their own.
  defp serves?(declared, module) do
    GenServer in declared or :supervisor in declared or function_exported?(module, :handle_call, 3)
  end

  defp rows(:gen_server, _), do: @gen_server ++ [{:terminate, 2, reason: [1], before: [2]}]
  defp rows(:gen_event, _), do: @gen_event ++ [{:terminate, 2, reason: [1], before: [2]}]

  defp rows(:gen_statem, functions) do
    states = for {state, 3} <- functions, state not in @no_states, do: state

    [
      {:init, 1, message: [1]},
      {:handle_event, 4, message: {:tuple, [[1], [2]]}, before: {:tuple, [[3], [4]]}},
      {:terminate, 3, reason: [1], before: {:tuple, [[2], [3]]}}
    ] ++
      for(state <- states, do: {state, 3, message: {:tuple, [[1], [2]]}, before: {:tuple, [:function, [3]]}})
  end

  defp pair(behaviour, {_, :terminate, _} = mfa, fields), do: [point(:end, behaviour, mfa, fields)]

  defp pair(behaviour, {module, _, _} = mfa, fields) do
    handler = if behaviour == :gen_event, do: [handler: {:literal, {module, false}}], else: []

    [
      point(:callback, behaviour, mfa, [{:callback, []} | fields] ++ handler),
      point(:returned, behaviour, mfa, [callback: [], returned: []] ++ handler)
    ]
  end

  defp point(point, behaviour, mfa, fields),
    do: %{mfa: mfa, point: point, behaviour: behaviour, fields: fields, when: nil}
end
