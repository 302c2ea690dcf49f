defmodule BeamScope.Golden.Roles do
  @moduledoc false
  # Which role each process of a recording plays: a name that is the same in every run.

  alias BeamScope.Golden.Print

  defstruct by_track: %{}, by_pid: %{}, by_name: %{}, noise: MapSet.new()

  @type role :: atom | tuple | String.t()
  @type t :: %__MODULE__{
          by_track: %{non_neg_integer => role},
          by_pid: %{term => role},
          by_name: %{term => role},
          noise: MapSet.t()
        }

  # The system's own: what is said to them and when depends on what was loaded and logged before.
  @system ~w(application_controller code_server erts_code_purger error_logger file_server_2 global_group)a ++
            ~w(global_name_server global_name_registerer inet_db init kernel_refc kernel_safe_sup kernel_sup)a ++
            ~w(logger logger_sup logger_proxy logger_std_h_default logger_handler_watcher net_kernel rex)a ++
            ~w(standard_error standard_error_sup timer_server user user_drv erl_prim_loader elixir_config)a ++
            ~w(elixir_code_server elixir_sup erl_signal_server socket_registry)a
  @families ["Elixir.Logger", "Elixir.ExUnit.", "Elixir.Mix.", "Elixir.IEx.", "Elixir.BeamScope.Recorder"]

  @doc "The names of the system's own processes, and what the names and modules of others of them begin with."
  @spec system() :: {[atom], [String.t()]}
  def system, do: {@system, @families}

  @doc "Whether this is one of the system's own processes."
  @spec system?(term) :: boolean
  def system?(name) when is_atom(name) and name != nil,
    do: name in @system or Enum.any?(@families, &String.starts_with?(Atom.to_string(name), &1))

  def system?(_other), do: false

  @doc "The roles of all processes that were recorded; `given` are those of the user's choice, by pid or name."
  @spec build(BeamScope.Golden.Source.t(), %{term => role}) :: t
  def build(source, given) do
    start = %{
      roles: %__MODULE__{by_name: given},
      given: given,
      counts: %{},
      through: %{},
      owner: source.info[:owner],
      ids: child_ids(source),
      requests: requests(source)
    }

    Enum.reduce(source.processes, start, &add/2).roles
  end

  defp add(process, state) do
    cond do
      system?(process.name) or system?(process.module) -> noise(process, state)
      stands_between?(process) -> through(process, state)
      true -> named(process, state)
    end
  end

  defp noise(process, %{roles: roles} = state) do
    noise = roles.noise |> MapSet.put(process.track) |> MapSet.put(process.pid)
    %{state | roles: %{roles | noise: noise}}
  end

  # Task.async_stream has a process of its own between caller and tasks, a plain function.
  defp stands_between?(process), do: process.module == Task.Supervised and not task?(process)

  @doc "Whether this is a task."
  @spec task?(BeamScope.Process.t()) :: boolean
  def task?(process), do: process.behaviour == :task

  defp through(process, state),
    do: noise(process, %{state | through: Map.put(state.through, process.track, parent(process, state))})

  defp named(process, state) do
    case role(process, state) do
      nil -> state
      {:count, base} -> process |> numbered(base, state)
      role -> put(process, role, state)
    end
  end

  defp put(process, role, %{roles: roles} = state) do
    by_track = Map.put(roles.by_track, process.track, role)
    %{state | roles: %{roles | by_track: by_track, by_pid: Map.put(roles.by_pid, process.pid, role)}}
  end

  # The second of a kind is number 2: the first keeps its name when another comes.
  defp numbered(process, base, state) do
    n = Map.get(state.counts, base, 0) + 1
    role = if n == 1, do: base, else: "#{base} #{n}"
    put(process, role, %{state | counts: Map.put(state.counts, base, n)})
  end

  defp role(process, %{given: given} = state) do
    case Enum.find([process.pid | process.names], &is_map_key(given, &1)) do
      nil -> found(process, state)
      key -> Map.fetch!(given, key)
    end
  end

  defp found(%{name: name}, _state) when name != nil, do: name
  defp found(%{pid: owner}, %{owner: owner}), do: "caller"
  defp found(%{known: :seen}, _state), do: nil

  defp found(process, state) do
    # Who was asked for takes nobody's place, though a child of the kind may have ended before.
    restarted = not is_map_key(state.requests, process.pid) && state.roles.by_track[process.restart_of]
    id = state.ids[process.pid]

    cond do
      restarted -> restarted
      id -> {:count, prefix(process, state) <> Print.flat(id)}
      true -> {:count, prefix(process, state) <> kind(process, task?(process)) <> request(process, state)}
    end
  end

  defp parent(process, state),
    do: Map.get(state.through, process.parent_track) || state.roles.by_track[process.parent_track]

  defp prefix(process, state) do
    case parent(process, state) do
      nil -> ""
      "caller" -> ""
      role -> text(role) <> "/"
    end
  end

  defp kind(_process, true), do: "Task"
  defp kind(process, false), do: kind(process)

  defp kind(%{behaviour: :agent}), do: "Agent"
  defp kind(%{module: module}) when module not in [nil, :erlang], do: Print.flat(module)
  defp kind(%{initial_call: {m, f, a}}) when is_integer(a), do: Exception.format_mfa(m, f, a)
  defp kind(_process), do: "process"

  # Children that several processes ask for are counted by who asked: in which order they asked is chance.
  defp request(process, state) do
    case state.roles.by_pid[state.requests[process.pid]] do
      nil -> ""
      "caller" -> ""
      role -> if role == parent(process, state), do: "", else: " for " <> text(role)
    end
  end

  @doc "A role as text."
  @spec text(role) :: String.t()
  def text(role) when is_binary(role), do: role
  def text(role), do: Print.flat(role)

  @doc "What roles are sorted by: by name, numbers by value."
  @spec order(term) :: {String.t(), non_neg_integer}
  def order(role) do
    text = text(role)

    case Regex.run(~r/^(.*) (\d+)$/s, text) do
      [_, base, n] -> {base, String.to_integer(n)}
      nil -> {text, 1}
    end
  end

  # ---- what the recording knows of children ----

  # Child => who sent its parent the message that made it start the child.
  defp requests(source) do
    for {_track, %{server?: true, units: units}} <- source.tracks,
        %{from: from, effects: effects, acts: [%{message: message} | _]} when from != nil <- units,
        not match?({:EXIT, _pid, _reason}, message),
        %{kind: :spawn, child: child} <- effects,
        into: %{},
        do: {child, from}
  end

  # A supervisor's state holds the ids of its children. A child_spec's default id is its module.
  defp child_ids(source) do
    for {_track, %{process: %{behaviour: :supervisor}, units: units}} <- source.tracks,
        %{acts: acts} <- units,
        %{to: {:ok, state}} <- acts,
        {id, pid} <- children(state),
        into: %{},
        do: {pid, id}
  end

  defp children(state) when is_tuple(state) and tuple_size(state) > 3 and elem(state, 0) == :state do
    case elem(state, 3) do
      {_ids, children} when is_map(children) ->
        for {id, child} <- children, is_tuple(child), elem(child, 0) == :child, do: {id, elem(child, 1)}

      _ ->
        []
    end
  end

  defp children(_state), do: []
end
