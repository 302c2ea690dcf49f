defmodule BeamScope.Recorder.Modules do
  @moduledoc """
  The callback modules whose functions a recording watches, where a behaviour has no profile of its loop.

  That is every behaviour when the fallback runs, and always the loops of third parties. Modules known at the
  start are watched from the start; one first seen in a process spawned later is watched from then on.
  """

  alias BeamScope.Recorder.{Behaviour, Profile}
  alias BeamScope.Recorder.Profile.Callbacks

  # Processes whose `$initial_call` hides the module that serves them.
  @hidden [:supervisor, DynamicSupervisor, Agent.Server, Registry.Partition]
  @most 200

  @typedoc "Modules by behaviour."
  @type t :: %{atom() => MapSet.t(module())}

  @doc "What to watch from the start: nothing, unless some behaviour needs callbacks."
  @spec for_callbacks(Profile.t()) :: t()
  def for_callbacks(profile) do
    case Profile.by_callbacks(profile) do
      [] -> %{}
      behaviours -> Enum.reduce(behaviours, %{}, &add(&2, &1, hidden(&1) ++ loaded(&1)))
    end
  end

  defp hidden(:gen_server), do: Enum.filter(@hidden, &Code.ensure_loaded?/1)
  defp hidden(_), do: []

  # Modules that declare the behaviour and belong neither to OTP nor to Elixir.
  defp loaded(behaviour) do
    libraries = [List.to_string(:code.lib_dir()), Path.dirname(Path.dirname(Application.app_dir(:elixir)))]
    load_applications(libraries)

    :code.all_loaded()
    |> Stream.filter(fn {module, file} -> foreign?(file, libraries) and declares?(module, behaviour) end)
    |> Stream.map(&elem(&1, 0))
    |> Enum.take(@most)
  end

  # Where modules are loaded when they are first called, one that is not yet would be known too late.
  defp load_applications(libraries) do
    if :code.get_mode() == :interactive do
      for {app, _, _} <- Application.loaded_applications(),
          foreign?(:code.lib_dir(app), libraries),
          module <- Application.spec(app, :modules) || [],
          do: Code.ensure_loaded(module)
    end
  end

  defp foreign?(file, libraries) when is_list(file),
    do: not Enum.any?(libraries, &String.starts_with?(List.to_string(file), &1))

  defp foreign?(_, _), do: true

  defp declares?(module, :gen_server),
    do: Enum.any?(Behaviour.declared(module), &(&1 in [GenServer, :gen_server]))

  defp declares?(module, behaviour), do: behaviour in Behaviour.declared(module)

  @doc """
  Adds the modules of processes that were seen, with the behaviour of each (`nil` where it is none of OTP's).
  """
  @spec learn(t(), Profile.t(), [{module() | nil, atom() | nil}]) :: t()
  def learn(modules, profile, seen) do
    behaviours = Profile.by_callbacks(profile)

    Enum.reduce(seen, modules, fn
      {nil, _}, modules ->
        modules

      {module, nil}, modules ->
        third_party(modules, module)

      {module, behaviour}, modules ->
        if behaviour in behaviours, do: add(modules, behaviour, [module]), else: modules
    end)
  end

  # A loop of its own that serves gen_server's callbacks.
  defp third_party(modules, module) do
    if :erlang.module_loaded(module) and function_exported?(module, :handle_call, 3),
      do: add(modules, :gen_server, [module]),
      else: modules
  end

  defp add(modules, behaviour, more),
    do: Map.update(modules, behaviour, MapSet.new(more), &MapSet.union(&1, MapSet.new(more)))

  @doc "The points of all these modules."
  @spec points(t()) :: [Profile.point()]
  def points(modules) do
    for {behaviour, set} <- modules, module <- set, point <- Callbacks.points(behaviour, module), do: point
  end

  @doc """
  What a spawn tells of the process: its callback module and behaviour, from the arguments that `gen` starts with.
  """
  @spec of_spawn(term()) :: {module() | nil, atom() | nil}
  def of_spawn({:proc_lib, :init_p, [_, _, :gen, :init_it, [loop, _, _ | rest]]}),
    do: {callback(rest), otp(loop)}

  def of_spawn(_), do: {nil, nil}

  defp callback([module, _arguments, _options]) when is_atom(module), do: module
  defp callback([_name, module, _arguments, _options]) when is_atom(module), do: module
  defp callback(_), do: nil

  defp otp(loop) when loop in [:gen_server, :gen_statem, :gen_event], do: loop
  defp otp(_), do: nil
end
