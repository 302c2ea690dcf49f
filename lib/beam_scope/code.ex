defmodule BeamScope.Code do
  @moduledoc """
  Which code a recording is of: what `BeamScope.info/1` shows as `code`, and what `BeamScope.source/2` goes by.

    * `git` – `%{commit:, branch:, dirty:, diff:, root:}` of the directory that the system runs in, or `nil` where there is no git or no
      repository: `dirty` tells whether tracked files had changes, and `diff` is the MD5 of these changes
    * `otp`, `elixir`, `applications` – releases, and the versions of what was loaded
    * `modules` – of every module seen, the callback modules of processes and those of `calls:`: `%{md5:, source:}`
    * `lines` – `{module, function, arity} => line` of every function of `calls:` whose module has debug information

  Git is asked by a process of its own while the recording goes on; what it answered is good for half a minute, so that a thousand
  tests do not ask a thousand times. What is not known when the recording ends stays unknown.
  """

  alias BeamScope.Code.{Functions, Git}
  alias BeamScope.Recorder.Own

  # Enough for git on a large tree; nobody waits for it unless the recording is shorter.
  @wait_ms 300
  @most_modules 2_000

  @typedoc "What is asked meanwhile, and then the answer."
  @type asked :: {pid, reference} | {:answer, map}

  @doc "Asks for what takes a while: git, and the lines of the functions in `calls`. The caller takes the answer by `gathered/2`."
  @spec ask([mfa]) :: asked
  def ask(calls) do
    parent = self()

    spawn_monitor(fn ->
      # Recordings of all new processes would record this one.
      Own.add(self())
      modules = calls |> Enum.map(&elem(&1, 0)) |> Enum.uniq() |> Enum.take(@most_modules)

      send(
        parent,
        {__MODULE__, self(), %{git: Git.current(), lines: Functions.lines(modules, MapSet.new(calls))}}
      )
    end)
  end

  @doc "A message that the caller of `ask/1` got: the answer, if it is that."
  @spec heard(term, asked | nil) :: {:ok, asked} | :error
  def heard({__MODULE__, pid, answer}, {pid, monitor}) do
    Process.demonitor(monitor, [:flush])
    {:ok, {:answer, answer}}
  end

  def heard(_other, _asked), do: :error

  @doc "The answer with all that is known at once; `seen` are the modules of the recording."
  @spec gathered(asked, Enumerable.t()) :: map
  def gathered({:answer, answer}, seen), do: Map.merge(answer, at_once(seen))

  def gathered({pid, monitor}, seen) do
    slow =
      receive do
        {__MODULE__, ^pid, answer} -> answer
        {:DOWN, ^monitor, _, _, _} -> %{git: nil, lines: %{}}
      after
        @wait_ms -> %{git: nil, lines: %{}}
      end

    Process.demonitor(monitor, [:flush])
    Process.exit(pid, :kill)
    Map.merge(slow, at_once(seen))
  end

  defp at_once(seen) do
    %{
      otp: System.otp_release(),
      elixir: System.version(),
      applications:
        for({app, _, version} <- :application.loaded_applications(), into: %{}, do: {app, to_string(version)}),
      modules:
        for(module <- Enum.take(seen, @most_modules), about = module(module), into: %{}, do: {module, about})
    }
  end

  # What is loaded is what ran. Modules of the runtime itself have no source anybody here could show.
  defp module(module) do
    if :erlang.module_loaded(module) and function_exported?(module, :module_info, 1) do
      source = module.module_info(:compile)[:source]
      %{md5: Base.encode16(module.module_info(:md5), case: :lower), source: source && to_string(source)}
    end
  rescue
    _ -> nil
  end
end
