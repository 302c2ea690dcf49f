defmodule BeamScopeFaults.Table do
  @moduledoc """
  Runs systems, healthy and faulty, many times each, and counts: what `mix beam_scope.faults` prints.
  """

  alias BeamScope.Terminal.{Style, Table}
  alias BeamScopeFaults.{Source, Trial}

  defmodule Row do
    @moduledoc "What came of one system. `bad` are the first trials that went another way, with what was wrong."
    @enforce_keys [:name, :title, :runs]
    defstruct [:name, :title, :runs, caught: 0, named: 0, alarms: 0, ms: 0.0, bad: []]
  end

  # So many that went wrong are shown.
  @shown 2

  @doc "Runs a system `runs` times healthy and `runs` times faulty."
  @spec row(Path.t(), pos_integer) :: struct
  def row(file, runs) do
    healthy = trials(file, :healthy, runs)
    faulty = trials(file, :faulty, runs)
    alarms = Enum.reject(healthy, & &1.healthy?)
    missed = Enum.reject(faulty, & &1.named?)

    %Row{
      name: Source.name(file),
      title: title(file),
      runs: runs,
      caught: Enum.count(faulty, &(&1.first != nil)),
      named: Enum.count(faulty, & &1.named?),
      alarms: length(alarms),
      ms: median(for trial <- healthy ++ faulty, do: trial.us / 1000),
      bad:
        Enum.take(for(trial <- alarms, do: {"false alarm", trial}), @shown) ++
          Enum.take(for(trial <- missed, do: {trial.wrong, trial}), @shown)
    }
  end

  defp trials(file, variant, runs) do
    system = Source.load(file, variant)
    for _ <- 1..runs, do: Trial.run(system)
  end

  defp title(file), do: Source.load(file, :healthy).fault().title

  defp median(numbers) do
    sorted = Enum.sort(numbers)
    Enum.at(sorted, div(length(sorted), 2))
  end

  @doc "Whether every fault was caught and named each time, without a false alarm."
  @spec perfect?([struct]) :: boolean
  def perfect?(rows), do: Enum.all?(rows, &(&1.caught == &1.runs and &1.named == &1.runs and &1.alarms == 0))

  @header ["fault", "", "caught", "named first", "false alarms", "ms"]

  @doc "The table."
  @spec lines([struct]) :: [Style.line()]
  def lines(rows) do
    header = for title <- @header, do: [{:heading, title}]
    Table.lines([header | Enum.map(rows, &cells/1)], align: [:left, :left, :right, :right, :right, :left])
  end

  defp cells(row) do
    [
      [row.title],
      [{:dim, row.name}],
      share(row.caught, row.runs, row.caught == row.runs),
      share(row.named, row.runs, row.named == row.runs),
      share(row.alarms, row.runs, row.alarms == 0),
      [:erlang.float_to_binary(row.ms, decimals: 1)]
    ]
  end

  defp share(n, of, good?), do: [{if(good?, do: :ok, else: :error), "#{n}/#{of}"}]

  @doc "What went another way, with its verdict."
  @spec failures([struct]) :: [String.t()]
  def failures(rows) do
    for row <- rows,
        {what, trial} <- row.bad,
        do: "#{row.name}: #{what}\n#{inspect(trial.verdict, limit: :infinity)}\n"
  end
end
