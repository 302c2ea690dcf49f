defmodule BeamScope.Recorder.Lines do
  @moduledoc """
  The instrumented code of a recording: `lines: [Module | {Module, function, arity}]`.

  It is loaded before the recording sets its patterns, since a module that is loaded loses those that it has, and the original comes
  back when the recording has switched everything off. `BeamScope.Lines.Loader` does both, for all recordings together; it watches the
  recorder, so that what is instrumented comes back when that is killed.
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.{Plan, Setup}
  alias BeamScope.Recording.Sites

  @flush_ms 500

  @typedoc "What was put into a module and where: the module, its places by number, and the range of these numbers."
  @type table :: %{
          required(:module) => module(),
          required(:sites) => %{non_neg_integer() => map()},
          required(:first_id) => non_neg_integer(),
          required(:next_id) => non_neg_integer(),
          optional(atom()) => term()
        }

  @doc "What `lines:` asks for, by module: `:all`, or its functions. Modules and functions that do not exist are an error."
  @spec wanted([module() | {module(), atom(), arity() | :_}]) ::
          {:ok, [{module(), :all | [{atom(), arity()}]}]} | {:error, Error.t()}
  def wanted(lines) do
    with {:ok, _} <- Plan.expand_calls(lines) do
      {whole, some} = Enum.split_with(lines, &is_atom/1)
      some = Enum.reject(some, fn {module, _, _} -> module in whole end)
      {:ok, functions} = Plan.expand_calls(some)
      by_module = Enum.group_by(functions, &elem(&1, 0), fn {_, f, a} -> {f, a} end)
      {:ok, for(module <- Enum.uniq(whole), do: {module, :all}) ++ Enum.sort(by_module)}
    end
  end

  @doc "Loads the instrumented code that the recording asked for."
  @spec acquire(Setup.state()) :: {:ok, Setup.state()} | {:error, Error.t()}
  def acquire(%{options: %{lines: []}} = state), do: {:ok, state}

  def acquire(%{options: %{lines: lines}} = state) do
    with {:ok, wanted} <- wanted(lines),
         {:ok, tables} <- loader(state).acquire(wanted, self()) do
      status = Map.new(tables, &{&1.module, :instrumented})
      {:ok, %{state | instrumented: Map.new(tables, &{&1.module, &1}), lines: status}}
    end
  end

  @doc "Brings the original code back; what cannot come back yet, since processes are inside, is said in a note."
  @spec release(Setup.state()) :: Setup.state()
  def release(%{instrumented: none} = state) when none == %{}, do: state

  def release(state) do
    case ask_back(state) do
      :ok -> %{state | lines: statuses(state, [])}
      {:still_running, modules} -> say(%{state | lines: statuses(state, modules)}, modules)
    end
  end

  # A loader that was killed has a successor that does it, and nobody can tell by when.
  defp ask_back(state) do
    loader(state).release(self())
  catch
    :exit, _ -> {:still_running, Map.keys(state.instrumented)}
  end

  # One that another recording still has instrumented is not the original yet.
  defp statuses(state, running) do
    Map.new(state.instrumented, fn {module, _} ->
      {module, if(module in running, do: :still_running, else: loader(state).status(module))}
    end)
  end

  defp say(state, modules) do
    Setup.note(
      state,
      "processes are still inside the instrumented code of #{Enum.map_join(modules, ", ", &inspect/1)}: the original is loaded as soon as they have " <>
        "left it. Nobody is killed for that"
    )
  end

  @doc """
  More functions of a module were instrumented, for another recording: its places have other numbers from now on. What was recorded until
  then is told by the table of before, which is kept as one of the `earlier` ones.
  """
  @spec again(Setup.state(), table()) :: Setup.state()
  def again(%{instrumented: tables} = state, %{module: module} = table) do
    {before, old} = tables |> Map.fetch!(module) |> Map.pop(:earlier, [])
    state = %{state | instrumented: Map.put(tables, module, Map.put(table, :earlier, [old | before]))}
    # Events are told apart when they are drained.
    _ = state.native.recording_flush(state.data, @flush_ms)
    _ = state.native.recording_update(state.data, %{lines: ranges(state)})

    Setup.note(
      state,
      "more functions of #{inspect(module)} were instrumented for another recording: lines of that moment may be missing"
    )
  end

  @doc "The numbers of the recording's places, for the library: from, up to and without."
  @spec ranges(Setup.state()) :: [{non_neg_integer(), non_neg_integer()}]
  def ranges(%{instrumented: tables}),
    do: for(%{first_id: first, next_id: next} <- Sites.all(tables), do: {first, next})

  @doc "Whether lines are recorded at a level: at every one but `:off` — yet not where a governor has stepped down to `:crashes`."
  @spec at?(Setup.state(), atom()) :: boolean()
  def at?(%{options: %{lines: []}}, _level), do: false
  def at?(%{options: %{auto: true}}, :crashes), do: false
  def at?(_state, level), do: level != :off

  @doc "What the info tells as `code`: what is known of the code, with the tables of what was instrumented."
  @spec with_tables(map() | nil, %{module() => table()}) :: map() | nil
  def with_tables(code, none) when none == %{}, do: code
  def with_tables(code, tables), do: Map.put(code || %{}, :instrumented, tables)

  defp loader(%{options: %{internal: internal}}), do: Map.get(internal, :loader, BeamScope.Lines.Loader)
end
