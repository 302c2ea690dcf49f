defmodule BeamScope.System do
  @moduledoc """
  How the whole system stood: the answer to `BeamScope.system/2`, of a recording that was started with `system: true`.

    * `moment` – of the last sample before the moment that was asked for; `n` – its number, from 1
    * `schedulers` – `%{normal:, dirty_cpu:, dirty_io:, each: [...]}`: the share of time that they worked since the sample before,
      from 0.0 to 1.0; of the normal ones that are online, together and each
    * `run_queue` – `%{normal:, dirty_cpu:, dirty_io:}`: processes and ports that waited for a scheduler
    * `memory` – by kind, in bytes, as `:erlang.memory/0` has it
    * `counts` – `%{processes: {n, limit}, ports: …, tables: …, atoms: …}`
    * `processes` – the busiest of the recorded processes, each `%{pid:, name:, reductions:, queue:, memory:}`, `reductions` since the
      sample before; `looked_at` – how many were looked at (1,000 at most), `of` – how many were recorded
    * `warnings` – how many of each kind the virtual machine had told of by then: see `events(rec, kind: :system)`
    * `applications`, `tables`, `ports`, `runtime` – with `system: [observer: true]`: what observer shows, of the start, and from the
      end of the recording on of the end; `nil` where that was not asked for. Of tables and ports the 500 largest, as `%{of: n, list: [...]}`
  """

  alias BeamScope.{Error, Moment, Native, Recording}
  alias BeamScope.Recording.Query

  defstruct [
    :moment,
    :n,
    :applications,
    :tables,
    :ports,
    :runtime,
    schedulers: %{},
    run_queue: %{},
    memory: %{},
    counts: %{},
    processes: [],
    looked_at: 0,
    of: 0,
    warnings: %{}
  ]

  @type process :: %{
          pid: pid,
          name: term,
          reductions: non_neg_integer,
          queue: non_neg_integer,
          memory: non_neg_integer
        }
  @type t :: %__MODULE__{moment: Moment.t(), n: pos_integer, processes: [process]}

  # A view is told in at most 13 parts of each kind, a sample's processes in 3.
  @parts 20

  @doc false
  @spec read(Recording.t(), term) :: {:ok, t} | {:error, Error.t()}
  def read(rec, moment) do
    with {:ok, native} <- Query.moment(rec, moment),
         {:ok, events} <- asked(rec, :sample, moment, 1) do
      case events do
        [] -> {:error, Error.new(:no_system, moment)}
        [sample] -> full(rec, moment, native, sample)
      end
    end
  end

  defp full(rec, moment, native, sample) do
    with {:ok, processes} <- asked(rec, :processes, moment, @parts),
         {:ok, known} <- Query.ask(rec, fn -> Native.processes(rec.native, native) end),
         {:ok, applications} <- view(rec, :applications, moment),
         {:ok, tables} <- view(rec, :tables, moment),
         {:ok, ports} <- view(rec, :ports, moment),
         {:ok, runtime} <- asked(rec, :runtime, moment, 1) do
      names = Map.new(known, &{&1.pid, &1[:name] || &1[:module]})
      system = of_sample(sample, Enum.filter(processes, &(&1.detail.n == sample.detail.n)), names)

      {:ok,
       %{
         system
         | applications: applications && applications.list,
           tables: tables && %{tables | list: Enum.map(tables.list, &table/1)},
           ports: ports && %{ports | list: Enum.map(ports.list, &port/1)},
           runtime: Enum.find_value(runtime, & &1.detail)
       }}
    end
  end

  defp asked(rec, what, moment, limit) do
    filters = [kind: :system, match: what, until: moment, order: :desc, limit: limit]

    with {:ok, events} <- Query.events(rec, filters),
         do: {:ok, Enum.filter(events.events, &is_map(&1.detail))}
  end

  # All parts of the latest view.
  defp view(rec, what, moment) do
    case asked(rec, what, moment, @parts) do
      {:ok, []} ->
        {:ok, nil}

      {:ok, [%{detail: %{at: at, of: of}} | _] = parts} ->
        {:ok,
         %{
           at: at,
           of: of,
           list: for(part <- Enum.reverse(parts), part.detail.at == at, one <- part.detail.list, do: one)
         }}

      error ->
        error
    end
  end

  defp of_sample(%{moment: moment, detail: detail}, chunks, names) do
    processes =
      for %{detail: %{list: list}} <- Enum.reverse(chunks), {pid, reductions, queue, memory} <- list do
        %{pid: pid, name: names[pid], reductions: reductions, queue: queue, memory: memory}
      end

    looked = List.first(chunks)

    %__MODULE__{
      moment: moment,
      n: detail.n,
      schedulers: shares(detail.schedulers),
      run_queue: detail.run_queue,
      memory: detail.memory,
      counts: detail.counts,
      warnings: detail.warnings,
      processes: processes,
      looked_at: if(looked, do: looked.detail.looked_at, else: 0),
      of: if(looked, do: looked.detail.of, else: 0)
    }
  end

  defp shares(schedulers) do
    Map.new(schedulers, fn
      {:each, list} -> {:each, Enum.map(list, &(&1 / 1000))}
      {kind, thousandths} -> {kind, thousandths / 1000}
    end)
  end

  defp table({name, owner, size, memory, type, protection}),
    do: %{name: name, owner: owner, size: size, memory: memory, type: type, protection: protection}

  defp port({port, name, connected, input, output, queue}),
    do: %{port: port, name: name, connected: connected, input: input, output: output, queue: queue}
end

defimpl Inspect, for: BeamScope.System do
  alias BeamScope.Terminal.{Style, System}

  def inspect(system, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(System.lines(system, &1), &1))
end
