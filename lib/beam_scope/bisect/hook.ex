defmodule BeamScope.Bisect.Hook do
  @moduledoc false
  # Records the tests of a project that knows nothing of it: started by the flags of the virtual machine in which `mix test` runs, it waits
  # for ExUnit's runner, records that and what it starts, and writes the recording to a file when the suite is over.
  #
  # BEAM_SCOPE_RECORD_TO names the file. Both variables are taken out of the environment, so that virtual machines that the tests
  # start are not recorded in its stead.

  @variable "BEAM_SCOPE_RECORD_TO"
  @before "BEAM_SCOPE_ERL_OPTIONS_BEFORE"
  @limits [events: 5_000_000, bytes: 512 * 1024 * 1024, ms: 1_800_000]

  @doc "The environment of a command whose tests are recorded to a file. `libraries` is a directory with BeamScope in it."
  @spec env(Path.t(), Path.t()) :: [{String.t(), String.t()}]
  def env(path, libraries) do
    options = System.get_env("ELIXIR_ERL_OPTIONS", "")

    [
      {@variable, path},
      {@before, options},
      {"ELIXIR_ERL_OPTIONS", String.trim("#{options} -s #{__MODULE__} start")},
      {"ERL_LIBS", Enum.join([libraries | List.wrap(System.get_env("ERL_LIBS"))], ":")},
      {"MIX_ENV", "test"}
    ]
  end

  @doc "What `-s` calls, before Elixir has started."
  @spec start() :: :ok
  def start do
    path = System.get_env(@variable)
    restore("ELIXIR_ERL_OPTIONS", System.get_env(@before))
    for variable <- [@variable, @before], do: System.delete_env(variable)
    # At once: Mix may take away the code path of what a project does not name.
    :application.load(:beam_scope)
    {:ok, modules} = :application.get_key(:beam_scope, :modules)
    for module <- modules, do: :code.ensure_loaded(module)
    if path, do: spawn(fn -> wait(path) end)
    :ok
  end

  defp restore(variable, before) when before in [nil, ""], do: System.delete_env(variable)
  defp restore(variable, before), do: System.put_env(variable, before)

  defp wait(path) do
    case Process.whereis(ExUnit.Server) && runner() do
      pid when is_pid(pid) ->
        # Until the recording runs: the first one in a virtual machine takes a while, and a test may not.
        true = :erlang.suspend_process(pid)
        record(pid, path)

      _ ->
        :timer.sleep(2)
        wait(path)
    end
  end

  # It waits for test files to be loaded.
  defp runner do
    Enum.find(Process.list(), fn pid ->
      case Process.info(pid, :current_stacktrace) do
        {:current_stacktrace, trace} -> Enum.any?(trace, &match?({ExUnit.Runner, _, _, _}, &1))
        nil -> false
      end
    end)
  end

  defp record(runner, path) do
    {:ok, _} = Application.ensure_all_started(:beam_scope)
    rec = recording(runner)
    hook = self()
    # By a message: who runs the suite is recorded, and waits.
    apply(ExUnit, :after_suite, [
      fn _result ->
        monitor = Process.monitor(hook)
        send(hook, {:over, self()})
        receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
      end
    ])

    true = :erlang.resume_process(runner)

    receive do
      {:over, _} ->
        {:ok, rec} = BeamScope.stop(rec)
        :ok = BeamScope.save(rec, path)
    end
  end

  # What the project's application runs belongs to the test as well, if it has any processes.
  defp recording(runner) do
    opts = [level: :full, owner: self(), limits: @limits, budget: [bytes: 64 * 1024]]

    with app when app != nil <- app(), {:ok, rec} <- BeamScope.start([runner, {:app, app}], opts) do
      rec
    else
      _ -> BeamScope.start!([runner], opts)
    end
  end

  defp app do
    if Code.ensure_loaded?(Mix.Project) and Mix.Project.get() != nil, do: Mix.Project.config()[:app]
  end

  @doc """
  Who is who in a recording: ExUnit's runner, which starts a process for each module, and those that such a one starts: for its tests,
  which it ends, and for `setup_all`.
  """
  @spec roles(BeamScope.Recording.t()) :: [{String.t(), non_neg_integer}]
  def roles(rec) do
    # The runner lived before: what has a beginning and runs its code are modules' processes and theirs.
    ours =
      for %{module: ExUnit.Runner, known: :spawned} = process <- BeamScope.processes(rec).processes,
          do: process

    tracks = MapSet.new(ours, & &1.track)
    {inner, modules} = Enum.split_with(ours, &(&1.parent_track in tracks))
    {setups, tests} = Enum.split_with(inner, &(&1.exit_reason == :normal))

    for {base, all} <- [
          {"runner", Enum.uniq_by(modules, & &1.parent_track)},
          {"setup_all", setups},
          {"test", tests}
        ],
        {process, at} <- Enum.with_index(all, 1) do
      track = if base == "runner", do: process.parent_track, else: process.track
      {if(at == 1, do: base, else: "#{base} #{at}"), track}
    end
  end
end
