defmodule BeamScope.Case.Run do
  @moduledoc false
  # The recording of one test, from its setup to its last `on_exit` callback, and how the test stands. The test's process
  # finds it in its dictionary; the callbacks, which run elsewhere, have it in their closures.

  alias BeamScope.{Error, Recorder, Recording}
  alias BeamScope.Case.Callbacks

  @enforce_keys [:rec, :entry, :standing, :test, :dir, :pid]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          rec: Recording.t(),
          entry: term | nil,
          standing: :atomics.atomics_ref(),
          test: %{module: module, name: atom, file: String.t() | nil, line: integer | nil, parameters: map},
          dir: String.t(),
          pid: pid
        }

  @typedoc """
  `:running` – it has not come to its end. `:passed` – its function has returned. `:exiting` – since then a callback of its has begun.
  `:told` – it has failed, and that was said.
  """
  @type standing :: :running | :passed | :exiting | :told

  @standings [:running, :passed, :exiting, :told]
  @default_dir "tmp/beam_scope"
  # In the dictionary of the test's process.
  @key BeamScope.Case

  # Options

  @doc "What `use BeamScope.Case` was given."
  @spec options(keyword) :: %{dir: String.t()}
  def options(given) do
    unless Keyword.keyword?(given) and Keyword.keys(given) -- [:dir] == [] and
             is_binary(Keyword.get(given, :dir, @default_dir)) do
      raise ArgumentError,
            ~s(use BeamScope.Case takes `dir: "a/directory"` and nothing else, got: #{inspect(given)})
    end

    %{dir: Keyword.get(given, :dir, @default_dir)}
  end

  @doc "What the tag `:record` asks for."
  @spec wanted(map) :: {:ok, keyword} | :nothing
  def wanted(context) do
    cond do
      context[:record] in [nil, false] -> :nothing
      # A case template and the module both say `use BeamScope.Case`.
      current() != nil -> :nothing
      true -> {:ok, to_options(context.record)}
    end
  end

  defp to_options(true), do: []
  defp to_options(given), do: if(Keyword.keyword?(given), do: given, else: [trace: given])

  # Beginning

  @doc "Starts the recording of the calling process, a test's."
  @spec start(keyword, map, %{dir: String.t()}) :: {:ok, t} | {:error, Error.t()}
  def start(given, context, %{dir: dir}) do
    trace = List.wrap(given[:trace]) ++ Callbacks.supervisor()

    with {:ok, rec, entry} <-
           Recorder.enter(Keyword.merge(given, trace: trace, absent: :await, keeper: module_process())) do
      run = new(rec, entry, context, dir)
      Process.put(@key, run)
      {:ok, run}
    end
  end

  # ExUnit starts the process of each test from one that runs the tests of a module, one after the other.
  defp module_process do
    case Process.info(self(), :parent) do
      {:parent, parent} when is_pid(parent) -> parent
      _ -> self()
    end
  end

  defp new(rec, entry, context, dir) do
    standing = :atomics.new(1, [])
    %__MODULE__{rec: rec, entry: entry, standing: standing, test: test(context), dir: dir, pid: self()}
  end

  defp test(context) do
    %{
      module: context.module,
      name: context.test,
      file: context[:file],
      line: context[:line],
      parameters: parameters(context)
    }
  end

  # Modules with `parameterize:` (Elixir 1.18) run each test once for each set of parameters, which are in the context.
  defp parameters(%{module: module} = context) do
    sets =
      if function_exported?(module, :__ex_unit__, 1),
        do: module.__ex_unit__(:config)[:parameterize] || [],
        else: []

    Enum.find(sets, %{}, &(Map.take(context, Map.keys(&1)) == &1))
  end

  @doc "The run of the test whose process calls."
  @spec current() :: t | nil
  def current, do: Process.get(@key)

  # Standing

  @doc "How the test stands."
  @spec standing(t) :: standing
  def standing(run), do: Enum.at(@standings, :atomics.get(run.standing, 1))

  @doc "How the test stands from now on."
  @spec stand(t, standing) :: :ok
  def stand(run, standing), do: :atomics.put(run.standing, 1, Enum.find_index(@standings, &(&1 == standing)))

  @doc "The function of the test whose process calls has returned."
  @spec passed() :: :ok
  def passed do
    with %__MODULE__{} = run <- current() do
      Callbacks.watch(run)
      stand(run, :passed)
    end

    :ok
  end

  @doc "The test has failed: whether this is the first that is heard of it. The recording ends."
  @spec failed?(t) :: boolean
  def failed?(run) do
    first? = standing(run) != :told
    if first?, do: fail(run)
    first?
  end

  defp fail(run) do
    stand(run, :told)
    if run.entry != nil and run.pid == self(), do: Recorder.leave(run.rec, run.entry)
    Recorder.stop(run.rec)
  end

  @doc "A test without the tag may have called `BeamScope.record/2` or `start/2` itself: the latest of these."
  @spec of_own(module, atom, %{dir: String.t()}) :: t | nil
  def of_own(module, name, %{dir: dir}) do
    me = self()

    case for(rec <- Recorder.list(), {:ok, %{owner: ^me}} <- [Recorder.info(rec)], do: rec) do
      [] -> nil
      recs -> new(List.last(recs), nil, %{module: module, test: name}, dir)
    end
  end

  @doc "Frees the recording."
  @spec close(t) :: :ok
  def close(run), do: Recorder.close(run.rec)
end
