defmodule BeamScope.Recorder.Targets do
  @moduledoc """
  From what the user names to processes.

  | target | means |
  |---|---|
  | a pid | this process, until it ends |
  | a registered name, often a module | the process that bears it, and those that bear it later |
  | `{:via, module, name}`, `{:global, name}` | the same for other registries |
  | `{:tree, supervisor}` | a supervisor and all below it |
  | `{:app, application}` | all processes of a running application |
  | `:new` | every process started from now on |
  | `:all` | every process there is and will be; only with `force: true` |

  A list of targets is their union.
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.{Behaviour, Bystanders, Facts}

  @enforce_keys [:given]
  defstruct [:given, named: [], found: [], names: [], awaited: [], scope: :listed]

  @typedoc """
  * `named` — processes that were named one by one, never left out
  * `found` — processes that came in with a tree, an application or `:all`
  * `names` — `{target, pid}`: names to follow through restarts
  * `awaited` — names that nobody bore yet
  * `scope` — whether new processes are recorded too
  """
  @type t :: %__MODULE__{
          given: term(),
          named: [pid()],
          found: [pid()],
          names: [{term(), pid()}],
          awaited: [term()],
          scope: :listed | :new | :all
        }

  @doc """
  Resolves targets. Options: `force:` for `:all`, `caller:` whose I/O path is left out, `empty:` whether no target at
  all is fine, `absent: :await` for names that nobody bears yet.
  """
  @spec resolve(term(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def resolve(given, options) do
    with {:ok, list} <- to_list(given, Keyword.get(options, :empty, false)),
         {:ok, targets} <- each(list, %__MODULE__{given: given}, options) do
      leave_out(targets, options)
    end
  end

  @doc "All processes to trace."
  @spec pids(t()) :: [pid()]
  def pids(%__MODULE__{named: named, found: found}), do: Enum.uniq(named ++ found)

  @doc "The process that bears a name now."
  @spec whereis(term()) :: pid() | nil
  def whereis(name) when is_atom(name), do: Process.whereis(name)
  def whereis({:global, name}), do: pid_or_nil(:global.whereis_name(name))
  def whereis({:via, module, name}), do: pid_or_nil(module.whereis_name(name))
  def whereis({:tree, name}), do: whereis(name)

  defp pid_or_nil(pid) when is_pid(pid), do: pid
  defp pid_or_nil(_), do: nil

  defp to_list([], false), do: error(:no_targets)
  defp to_list([], true), do: {:ok, []}

  defp to_list(list, _) when is_list(list) do
    if List.improper?(list), do: error(:invalid_target, list), else: {:ok, list}
  end

  defp to_list(target, _), do: {:ok, [target]}

  defp each(list, targets, options) do
    Enum.reduce_while(list, {:ok, targets}, fn target, {:ok, targets} ->
      case one(target, targets, options) do
        {:ok, targets} -> {:cont, {:ok, targets}}
        {:error, error} -> absent(error, target, targets, options[:absent])
      end
    end)
  end

  # A name is often no module, and a module often no name: what will bear it is for whoever starts it to say.
  defp absent(%Error{reason: reason, detail: name}, target, targets, :await)
       when reason == :unknown_name or (reason == :no_such_module and target in [name, {:tree, name}]),
       do: {:cont, {:ok, %{targets | awaited: [target | targets.awaited]}}}

  defp absent(error, _target, _targets, _absent), do: {:halt, {:error, error}}

  defp one(:new, targets, _), do: {:ok, %{targets | scope: wider(targets.scope, :new)}}

  defp one(:all, targets, options) do
    if Keyword.get(options, :force, false) do
      {:ok, %{targets | scope: :all, found: targets.found ++ Process.list()}}
    else
      error(:needs_force, :all)
    end
  end

  defp one(pid, targets, _) when is_pid(pid) do
    with :ok <- usable(pid), do: {:ok, %{targets | named: [pid | targets.named]}}
  end

  defp one({:tree, top}, targets, _) do
    with {:ok, pid} <- locate(top), :ok <- usable(pid), :ok <- supervisor(pid, top) do
      names = if is_pid(top), do: targets.names, else: [{{:tree, top}, pid} | targets.names]
      {:ok, %{targets | named: [pid | targets.named], found: targets.found ++ below(pid), names: names}}
    end
  end

  defp one({:app, app}, targets, _) when is_atom(app) do
    case :application_controller.get_master(app) do
      master when is_pid(master) ->
        case processes_of(master) do
          [] -> error(:no_processes, {:app, app})
          pids -> {:ok, %{targets | found: targets.found ++ pids}}
        end

      _ ->
        if Application.spec(app) != nil and started?(app),
          do: error(:no_processes, {:app, app}),
          else: error(:unknown_app, app)
    end
  end

  defp one(name, targets, _) do
    with {:ok, pid} <- locate(name), :ok <- usable(pid) do
      {:ok, %{targets | named: [pid | targets.named], names: [{name, pid} | targets.names]}}
    end
  end

  # A library application is started, but runs no process.
  defp started?(app), do: Enum.any?(Application.started_applications(), &(elem(&1, 0) == app))

  defp wider(:all, _), do: :all
  defp wider(_, scope), do: scope

  defp locate(pid) when is_pid(pid), do: {:ok, pid}

  defp locate(name) when is_atom(name) and name not in [nil, true, false] do
    case Process.whereis(name) do
      pid when is_pid(pid) -> {:ok, pid}
      port when is_port(port) -> error(:invalid_target, port)
      nil -> unknown(name)
    end
  end

  defp locate({:global, name}), do: found(:global.whereis_name(name), {:global, name})

  defp locate({:via, module, name}) when is_atom(module) do
    if Code.ensure_loaded?(module) and function_exported?(module, :whereis_name, 1),
      do: look_up(module, name),
      else: error(:no_such_module, module)
  end

  defp locate(other), do: error(:invalid_target, other)

  # The registry is somebody else's code: one that is not running, or a name of the wrong shape, may raise.
  defp look_up(module, name) do
    found(module.whereis_name(name), {:via, module, name})
  rescue
    _ -> error(:unknown_name, {:via, module, name})
  catch
    _, _ -> error(:unknown_name, {:via, module, name})
  end

  defp found(pid, _) when is_pid(pid), do: {:ok, pid}
  defp found(_, name), do: error(:unknown_name, name)

  defp unknown(name) do
    module? = match?("Elixir." <> _, Atom.to_string(name))

    if module? and not Code.ensure_loaded?(name),
      do: error(:no_such_module, name),
      else: error(:unknown_name, name)
  end

  defp usable(pid) do
    cond do
      node(pid) != node() -> error(:remote_pid, pid)
      not Process.alive?(pid) -> error(:not_alive, pid)
      Bystanders.own?(pid) -> error(:own_process, pid)
      true -> :ok
    end
  end

  defp supervisor(pid, top) do
    case Facts.dictionaries([pid], [:"$initial_call"]) do
      %{^pid => :busy} -> :ok
      %{^pid => facts} -> if Behaviour.supervisor?(facts), do: :ok, else: error(:not_a_supervisor, top)
    end
  end

  @doc "The processes that a process started, that those started, and so on."
  @spec below(pid()) :: [pid()]
  def below(top) do
    children =
      Process.list()
      |> Facts.of([:parent])
      |> Enum.filter(fn {_, facts} -> is_list(facts) end)
      |> Enum.group_by(fn {_, facts} -> facts[:parent] end, fn {pid, _} -> pid end)

    descend([top], children, [])
  end

  defp descend([], _children, found), do: found

  defp descend([pid | rest], children, found) do
    next = Map.get(children, pid, [])
    descend(next ++ rest, children, next ++ found)
  end

  @doc "The processes whose group leader is an application's master, that master aside."
  @spec processes_of(pid()) :: [pid()]
  def processes_of(master) do
    for {pid, [group_leader: ^master]} <- Facts.of(Process.list(), [:group_leader]),
        pid != master,
        not starter?(pid),
        do: pid
  end

  # Every application has a helper of its master that waits for its end.
  defp starter?(pid),
    do: Process.info(pid, :current_function) == {:current_function, {:application_master, :loop_it, 4}}

  defp leave_out(targets, options) do
    io = Bystanders.io_path(Keyword.get(options, :caller, self()))
    named = Enum.uniq(targets.named)
    found = targets.found |> Enum.uniq() |> Enum.reject(&(&1 in io or Bystanders.own?(&1)))
    {:ok, %{targets | named: named, found: found -- named}}
  end

  defp error(reason, detail \\ nil), do: {:error, Error.new(reason, detail)}
end
