defmodule BeamScope.Recorder.Profile do
  @moduledoc """
  Which functions of OTP hold a process's message and state, and in which argument.

  This is data, one table for each behaviour with a *variant* for every way OTP has had it. Which variant runs is
  found out, not guessed from the release number: all functions of a variant must exist, and a private server
  that gets a message must then show what it is known to hold (`Profile.SelfTest`). Where neither variant passes,
  the documented callbacks and their returns are recorded instead (`Profile.Callbacks`): dearer, and blind to
  changes that no callback made.

  Positions count arguments from 1. A path goes on into the argument: `{:elem, i}` of a tuple, `:hd` and `:tl` of a
  list. Only these positions are ever read: other arguments hold caches that are slow to walk.
  """

  alias BeamScope.Recorder.Profile.SelfTest

  @typedoc "One step into a term."
  @type step :: {:elem, pos_integer()} | :hd | :tl

  @typedoc "Argument number, then steps; `[]` is the result (or, for `:callback`, the function's name)."
  @type path :: [pos_integer() | step()]

  @typedoc "What is recorded of one function's calls."
  @type point :: %{
          mfa: mfa(),
          point: :handled | :loop | :end | :step | :read | :callback | :returned,
          behaviour: atom(),
          fields: [{atom(), path() | tuple()}],
          when: nil | {pos_integer(), atom()}
        }

  @typedoc "How each behaviour is recorded: by a variant's points, or by callbacks."
  @type t :: %{behaviours: %{atom() => {:loop, String.t(), [point()]} | :callbacks}}

  @behaviours [:gen_server, :gen_statem, :gen_event]
  @key {__MODULE__, :checked}

  @variants %{
    gen_server: [
      {"loop/7 (OTP 25 to 27)",
       [
         {:handled, {:gen_server, :handle_msg, 6}, message: [1], before: [4]},
         {:handled, {:gen_server, :handle_msg, 7}, message: [1], before: [4]},
         {:loop, {:gen_server, :loop, 7}, after: [3], action: [5]},
         {:end, {:gen_server, :terminate, 10}, class: [1], reason: [2], message: [7], before: [9]},
         {:read, {:sys, :handle_system_msg, 7}, after: [6, :tl, :hd]}
       ]},
      {"loop/4 (OTP 28 and later)",
       [
         {:handled, {:gen_server, :decode_msg, 4}, message: [3], before: [2]},
         {:loop, {:gen_server, :loop, 4}, after: [2], action: [3]},
         {:end, {:gen_server, :terminate, 9}, class: [5], reason: [6], message: [3], before: [2]},
         {:read, {:sys, :handle_system_msg, 7}, after: [6, :tl, :hd]}
       ]}
    ],
    gen_statem: [
      {"loop_state_transition/9",
       [
         {:step, {:gen_statem, :loop_state_transition, 9},
          message: [4, :hd], before: [3, {:elem, 2}], after: [5]},
         {:end, {:gen_statem, :terminate, 7},
          class: [1], reason: [2], message: [7, :hd], before: [6, {:elem, 2}]},
         {:read, {:sys, :handle_system_msg, 7}, after: [6, {:elem, 2}, {:elem, 2}]}
       ]}
    ],
    gen_event: [
      {"handle_msg/6 and loop/6",
       [
         {:handled, {:gen_event, :handle_msg, 6}, message: [1], before: [4]},
         {:loop, {:gen_event, :loop, 6}, after: [3]},
         {:end, {:gen_event, :terminate_server, 4}, reason: [1], before: [3]},
         {:read, {:sys, :handle_system_msg, 7}, after: [6, :tl, :hd]}
       ]}
    ]
  }

  @doc "The behaviours that are recorded without being named."
  @spec behaviours() :: [atom()]
  def behaviours, do: @behaviours

  @doc "The profile of this virtual machine, checked once. `:fallback` forces the callbacks everywhere."
  @spec current(:checked | :fallback) :: t()
  def current(:fallback), do: %{behaviours: Map.new(@behaviours, &{&1, :callbacks})}

  def current(:checked) do
    case :persistent_term.get(@key, nil) do
      nil ->
        profile = check()
        :persistent_term.put(@key, profile)
        profile

      profile ->
        profile
    end
  end

  @doc "Which of the two is asked for: `BEAM_SCOPE_PROFILE=fallback` or the internal option."
  @spec wanted(atom() | nil) :: :checked | :fallback
  def wanted(nil), do: if(System.get_env("BEAM_SCOPE_PROFILE") == "fallback", do: :fallback, else: :checked)
  def wanted(:fallback), do: :fallback
  def wanted(_), do: :checked

  @doc "Tests every behaviour's variants on a private process."
  @spec check() :: t()
  def check do
    %{behaviours: Map.new(@behaviours, &{&1, check(&1)})}
  end

  defp check(behaviour) do
    Enum.find_value(variants(behaviour), :callbacks, fn {name, points} ->
      if exists?(points) and SelfTest.passes?(behaviour, points), do: {:loop, name, points}
    end)
  end

  @doc "The variants of one behaviour, as points."
  @spec variants(atom()) :: [{String.t(), [point()]}]
  def variants(behaviour) do
    for {name, rows} <- Map.fetch!(@variants, behaviour), do: {name, Enum.map(rows, &point(&1, behaviour))}
  end

  defp point({:read, mfa, fields}, behaviour),
    do: %{mfa: mfa, point: :read, behaviour: behaviour, fields: fields, when: {4, behaviour}}

  defp point({point, mfa, fields}, behaviour),
    do: %{mfa: mfa, point: point, behaviour: behaviour, fields: fields, when: nil}

  @doc "Whether every function of these points exists."
  @spec exists?([point()]) :: boolean()
  def exists?(points), do: Enum.all?(points, fn %{mfa: {m, f, a}} -> {f, a} in functions(m) end)

  defp functions(module) do
    if Code.ensure_loaded?(module), do: module.module_info(:functions), else: []
  end

  @doc "The points that a profile has for the behaviours' own loops."
  @spec points(t()) :: [point()]
  def points(%{behaviours: behaviours}) do
    for {_, {:loop, _, points}} <- behaviours, point <- points, do: point
  end

  @doc "The behaviours that need the callbacks of the tracees' modules."
  @spec by_callbacks(t()) :: [atom()]
  def by_callbacks(%{behaviours: behaviours}), do: for({behaviour, :callbacks} <- behaviours, do: behaviour)

  @doc "The points of a loop of the user's own: `{module, function, arity, positions}`."
  @spec of_user({module(), atom(), arity(), keyword(pos_integer())}) :: point()
  def of_user({module, function, arity, positions}) do
    fields = for {key, at} <- positions, do: {if(key == :state, do: :after, else: key), [at]}

    %{
      mfa: {module, function, arity},
      point: kind(Map.new(fields)),
      behaviour: module,
      fields: fields,
      when: nil
    }
  end

  # What a user's point can be taken for follows from what it holds.
  defp kind(%{message: _, after: _}), do: :step
  defp kind(%{after: _}), do: :loop
  defp kind(_), do: :handled

  @doc "What `info/1` shows: one line for each behaviour."
  @spec describe(t()) :: %{atom() => String.t()}
  def describe(%{behaviours: behaviours}) do
    Map.new(behaviours, fn
      {behaviour, {:loop, name, _}} -> {behaviour, name}
      {behaviour, :callbacks} -> {behaviour, "fallback: documented callbacks and their returns"}
    end)
  end

  @doc "Whether `describe/1`, as a recording has it, says that states come from callbacks."
  @spec fallback?(term()) :: boolean()
  def fallback?(described) when is_map(described),
    do:
      Enum.any?(described, fn {_behaviour, how} -> is_binary(how) and String.starts_with?(how, "fallback") end)

  def fallback?(_unknown), do: false

  @doc "What a point sees in a call's arguments; a path that does not fit leaves its field out."
  @spec see(point(), [term()]) :: %{atom() => term()}
  def see(%{fields: fields}, arguments) do
    for {field, [at | steps]} <- fields,
        {:ok, value} <- [walk(Enum.fetch(arguments, at - 1), steps)],
        into: %{},
        do: {field, value}
  end

  defp walk({:ok, value}, []), do: {:ok, value}
  defp walk({:ok, [head | _]}, [:hd | steps]), do: walk({:ok, head}, steps)
  defp walk({:ok, [_ | tail]}, [:tl | steps]), do: walk({:ok, tail}, steps)

  defp walk({:ok, tuple}, [{:elem, i} | steps]) when is_tuple(tuple) and i <= tuple_size(tuple),
    do: walk({:ok, elem(tuple, i - 1)}, steps)

  defp walk(_, _), do: :error
end
