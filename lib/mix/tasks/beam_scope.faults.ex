defmodule Mix.Tasks.BeamScope.Faults do
  @shortdoc "Shows that expectations catch twenty classic concurrency faults, and name them"
  @moduledoc """
  Runs twenty small systems, each with one classic concurrency fault, healthy and faulty, and checks the same expectations
  against both: are all faults caught, is what went wrong first named, does a healthy system ever raise an alarm?

      mix beam_scope.faults                        # all of them, 20 times healthy and 20 times faulty
      mix beam_scope.faults lost_update deadlock   # some
      mix beam_scope.faults --runs 200             # the proof
      mix beam_scope.faults lost_update --show     # the verdict on the faulty variant, as a user would see it
      mix beam_scope.faults test/my_fault.ex       # a system of your own, written like those in priv/faults

  The interleavings are made, not waited for: processes are held where it matters, so that a fault occurs every time. A line of the
  table says how often the fault was caught, how often (named first) the expectation, the event and the processes of its first divergence were the
  ones that the system's file declares, how often the healthy variant was not held to be so, and how long a run took,
  recording and checking included (the median). The exit status is 1 when any of it is not perfect, and the verdicts that
  went another way are shown.

  Your own application is compiled but not started. The systems are loaded for the time of this task only.
  """
  use Mix.Task

  alias BeamScope.Terminal.Style

  @switches [runs: :integer, show: :boolean]
  @runs 20

  @impl true
  def run(args) do
    {opts, names} = OptionParser.parse!(args, strict: @switches)
    runs = Keyword.get(opts, :runs, @runs)
    if runs < 1, do: Mix.raise("--runs takes a positive number, got: #{runs}")
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:beam_scope)
    modules = load()
    # Some of these systems crash, as they should.
    level = Logger.level()
    Logger.configure(level: :none)
    files = files(names, modules.source)
    if opts[:show], do: show(files, modules), else: table(files, runs, modules)
    Logger.configure(level: level)
  end

  defp files([], source), do: source.files()

  defp files(names, source) do
    known = Map.new(source.files(), &{source.name(&1), &1})

    for name <- names do
      cond do
        file = known[name] ->
          file

        File.regular?(name) ->
          Path.expand(name)

        true ->
          Mix.raise("unknown fault #{inspect(name)}; there are: #{known |> Map.keys() |> Enum.join(", ")}")
      end
    end
  end

  defp table(files, runs, %{table: table}) do
    rows = Enum.map(files, &table.row(&1, runs))
    style = Style.new(width: max(Style.columns(100), 80))
    IO.puts("#{machine()}; #{runs} healthy and #{runs} faulty runs each\n")
    IO.puts(rows |> table.lines() |> Style.render(style))

    unless table.perfect?(rows) do
      rows |> table.failures() |> Enum.each(&IO.puts("\n" <> &1))
      exit({:shutdown, 1})
    end
  end

  defp show(files, %{source: source, trial: trial}) do
    style = Style.new(width: max(Style.columns(100), 80))

    for file <- files do
      %{verdict: verdict} = trial.run(source.load(file, :faulty))
      IO.puts((verdict |> BeamScope.Terminal.Verdict.lines(style) |> Style.render(style)) <> "\n")
    end
  end

  defp machine do
    "OTP #{System.otp_release()}, Elixir #{System.version()}, #{System.schedulers_online()} schedulers"
  end

  @doc false
  # In memory only: nothing of it is compiled into the application that depends on BeamScope.
  @spec load() :: %{atom => module}
  def load do
    dir = Application.app_dir(:beam_scope, "priv/faults/harness")
    for file <- ~w(stage source trial table), do: Code.require_file("#{file}.ex", dir)
    # Modules that the compiler cannot know.
    for name <- ~w(Source Trial Table), into: %{} do
      {name |> String.downcase() |> String.to_existing_atom(), Module.safe_concat(["BeamScopeFaults", name])}
    end
  end
end
