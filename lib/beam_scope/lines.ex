defmodule BeamScope.Lines do
  @moduledoc """
  What happened inside of functions: the answer to `BeamScope.lines/3`.

    * `runs` – the `%BeamScope.Lines.Run{}`s in the order in which they began; use the answer with `Enum`
    * `target` – what was asked about; `more` – whether there are more runs, or events, than `limit:` allowed

  It prints each run as its source with the values of the variables beside the lines that bound them. Lines that the run did not come to
  are dimmed, clauses that were tried before the one taken say why they were not, and loops are folded into a table of their iterations.
  """

  alias BeamScope.{Error, Event, Recording}
  alias BeamScope.Lines.Runs
  alias BeamScope.Recording.{Query, Sites}

  defstruct runs: [], target: nil, more: false

  @type t :: %__MODULE__{runs: [BeamScope.Lines.Run.t()], target: term, more: boolean}

  @options [:process, :since, :until, :limit]
  @runs 1_000
  # A run is made of many: these take some tens of megabytes while the runs are made of them.
  @events 50_000

  @doc false
  @spec find(Recording.t(), term, keyword) :: {:ok, t} | {:error, Error.t()}
  def find(rec, target, opts) do
    with :ok <- Query.known(opts, @options),
         {:ok, limit} <- limit(opts[:limit] || @runs),
         {:ok, wanted} <- wanted(target),
         {:ok, tables} <- Sites.read(rec),
         :ok <- recorded(wanted.module, tables),
         {:ok, events} <- events(rec, filters(target, opts)) do
      runs =
        events
        |> runs(Sites.all(tables))
        |> renumber()
        |> Enum.filter(&matches?(&1, wanted))
        |> chosen(target)

      {:ok,
       %__MODULE__{
         runs: Enum.take(runs, limit),
         target: target,
         more: events.more or length(runs) > limit
       }}
    end
  end

  defp limit(n) when is_integer(n) and n > 0, do: {:ok, n}
  defp limit(:infinity), do: {:ok, 1_000_000_000}
  defp limit(n), do: Query.invalid(:limit, n, "a positive integer or :infinity")

  defp wanted(%Event{kind: :call, mfa: {m, f, arguments}}) when is_list(arguments),
    do: {:ok, %{module: m, name: f, arity: length(arguments)}}

  defp wanted(m) when is_atom(m) and m not in [nil, true, false], do: {:ok, %{module: m, name: :_, arity: :_}}
  defp wanted({m, f}) when is_atom(m) and is_atom(f), do: {:ok, %{module: m, name: f, arity: :_}}

  defp wanted({m, f, a}) when is_atom(m) and is_atom(f) and (is_integer(a) or a == :_),
    do: {:ok, %{module: m, name: f, arity: a}}

  defp wanted(other),
    do:
      Query.invalid(:lines, other, "Module, {Module, function}, {Module, function, arity}, or a :call event")

  defp matches?(%{function: {m, f, a}}, %{module: m, name: name, arity: arity}),
    do: name in [:_, f] and arity in [:_, a]

  defp matches?(_run, _wanted), do: false

  # One run has seldom more, and a step of the cursor must be quick.
  @before 500

  @doc false
  # The run that a line belongs to, as it was when it had come to this line.
  @spec at(Recording.t(), Event.t()) :: {:ok, BeamScope.Lines.Run.t()} | {:error, Error.t()}
  def at(rec, %Event{kind: :line, mfa: {module, _, _}} = event) do
    filters = [kind: :line, process: event.track, until: event.moment, order: :desc, limit: @before]

    with {:ok, tables} <- Sites.read(rec),
         :ok <- recorded(module, tables),
         {:ok, %{events: events}} <- Query.events(rec, filters) do
      runs = events |> Enum.reverse() |> Runs.of(Sites.all(tables))
      here = Enum.find(runs, &(List.last(&1.steps).moment.seq == event.moment.seq))

      if here,
        do: {:ok, here},
        else: {:error, Error.new(:no_lines, %{module: module, known: Map.keys(tables)})}
    end
  end

  defp recorded(module, tables) when is_map_key(tables, module), do: :ok

  defp recorded(module, tables),
    do: {:error, Error.new(:no_lines, %{module: module, known: Map.keys(tables)})}

  defp filters(%Event{kind: :call} = call, opts),
    do: Keyword.merge([process: call.pid, since: call.moment], opts)

  defp filters(_target, opts), do: opts

  defp events(rec, opts) do
    most = if opts[:limit] == :infinity, do: :infinity, else: @events
    filters = opts |> Keyword.take([:process, :since, :until]) |> Keyword.put(:limit, most)

    with {:ok, lines} <- Query.events(rec, [{:kind, :line} | filters]),
         {:ok, ends} <- Query.events(rec, [{:kind, [:return, :exception, :exit]} | filters]) do
      {:ok,
       %{events: Enum.sort_by(lines.events ++ ends.events, & &1.moment.seq), more: lines.more or ends.more}}
    end
  end

  defp runs(%{events: events}, tables) do
    events
    |> Enum.group_by(& &1.track)
    |> Enum.flat_map(fn {_track, events} -> events |> Runs.of(tables) |> Enum.map(&{&1.moment.seq, &1}) end)
    |> Enum.sort_by(&elem(&1, 0))
    |> Enum.map(&elem(&1, 1))
  end

  # Each process counted its own.
  defp renumber(runs) do
    numbers = for {run, n} <- Enum.with_index(runs, 1), into: %{}, do: {{run.track, run.number}, n}

    for run <- runs,
        do: %{run | number: numbers[{run.track, run.number}], parent: numbers[{run.track, run.parent}]}
  end

  # The call was told just before its first line.
  defp chosen(runs, %Event{kind: :call}), do: Enum.take(runs, 1)
  defp chosen(runs, _target), do: runs
end

defimpl Enumerable, for: BeamScope.Lines do
  def count(%{runs: runs}), do: {:ok, length(runs)}
  def member?(_lines, _run), do: {:error, __MODULE__}
  def slice(_lines), do: {:error, __MODULE__}
  def reduce(%{runs: runs}, acc, fun), do: Enumerable.List.reduce(runs, acc, fun)
end

defimpl Inspect, for: BeamScope.Lines do
  alias BeamScope.Terminal.{Lines, Style}

  def inspect(lines, opts), do: opts |> Style.from_inspect() |> then(&Style.to_doc(Lines.all(lines, &1), &1))
end

defimpl Inspect, for: BeamScope.Lines.Run do
  alias BeamScope.Terminal.{Lines, Style}

  def inspect(run, opts), do: opts |> Style.from_inspect() |> then(&Style.to_doc(Lines.run(run, &1), &1))
end

# The places that its number speaks of are not for people.
defimpl Inspect, for: BeamScope.Lines.Step do
  def inspect(step, opts) do
    Inspect.Algebra.concat([
      "#BeamScope.Lines.Step<#{step.line}: ",
      Inspect.Algebra.to_doc(step.values, opts),
      ">"
    ])
  end
end
