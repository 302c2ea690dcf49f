defmodule BeamScope.Terminal.System do
  @moduledoc """
  How the whole system stood: schedulers and memory as lines, the busiest processes as a table; and `:system` events in words.
  """

  alias BeamScope.Event
  alias BeamScope.Terminal.{Processes, Style, Table, Term}

  @memory [:processes, :binary, :ets, :code, :atom]
  @largest 5

  @doc "The lines."
  @spec lines(BeamScope.System.t(), Style.t()) :: [Style.line()]
  def lines(%BeamScope.System{} = system, style) do
    {shown, hidden} = Processes.split(system.processes, style.limit)

    [heading(system), schedulers(system), memory(system), counts(system)] ++
      warnings(system) ++
      busiest(shown, system) ++
      Processes.more(hidden, "process") ++
      tables(system.tables) ++ ports(system.ports) ++ applications(system, style)
  end

  defp heading(system) do
    [
      {:heading, "System"},
      "  sample #{system.n}  ",
      {:moment, "##{system.moment.seq}"},
      "  ",
      {:time, Style.time(system.moment.at_ns)}
    ]
  end

  defp schedulers(%{schedulers: s}) when map_size(s) == 0, do: ["schedulers ?"]

  defp schedulers(%{schedulers: s}) do
    each =
      if s[:each],
        do: " (" <> Enum.map_join(Enum.take(s.each, 8), " ", &percent/1) <> more(s.each, 8) <> ")",
        else: ""

    ["schedulers #{percent(s.normal)}", {:dim, each}] ++
      [", dirty CPU #{percent(s.dirty_cpu)}, dirty IO #{percent(s.dirty_io)}"]
  end

  defp more(list, n), do: if(length(list) > n, do: " …", else: "")
  defp percent(share), do: "#{round(share * 100)} %"

  defp memory(%{memory: memory}) do
    parts = for kind <- @memory, is_map_key(memory, kind), do: "#{kind} #{Style.bytes(memory[kind])}"
    ["memory #{Style.bytes(Map.get(memory, :total, 0))}", {:dim, ": " <> Enum.join(parts, ", ")}]
  end

  defp counts(%{counts: counts, run_queue: queue}) do
    waiting = Enum.sum(Map.values(queue))

    [
      {if(waiting > 0, do: :warn, else: :dim), "run queue #{Style.number(waiting)}"},
      ", " <>
        Enum.map_join([:processes, :ports, :tables, :atoms], ", ", fn what ->
          {n, limit} = Map.get(counts, what, {0, 0})
          near = if limit > 0 and n * 10 > limit * 8, do: " of #{Style.number(limit)}", else: ""
          "#{what} #{Style.number(n)}#{near}"
        end)
    ]
  end

  defp warnings(%{warnings: none}) when none == %{}, do: []

  defp warnings(%{warnings: seen}),
    do: [
      [
        {:warn,
         "told so far: " <> Enum.map_join(seen, ", ", fn {what, n} -> "#{what} #{Style.number(n)}" end)}
      ]
    ]

  defp busiest([], _system), do: []

  defp busiest(shown, system) do
    of = if system.looked_at < system.of, do: ", #{Style.number(system.looked_at)} looked at", else: ""

    rows =
      for p <- shown do
        [
          ["  ", {:name, Processes.who(p.pid, p.name)}],
          [Style.number(p.reductions)],
          [{if(p.queue > 0, do: :warn, else: :dim), Style.number(p.queue)}],
          [Style.bytes(p.memory)]
        ]
      end

    head = [[["  "], [{:dim, "reductions"}], [{:dim, "queue"}], [{:dim, "memory"}]]]

    [[{:heading, "#{Style.count(system.of, "recorded process", "recorded processes")}"}, {:dim, of}]] ++
      Table.lines(head ++ rows, align: [:left, :right, :right, :right], max: [40])
  end

  defp tables(nil), do: []

  defp tables(%{at: at, of: of, list: list}) do
    largest(list, "Largest ETS tables", at, of, fn t ->
      "#{Term.text(t.name, 40)} #{Style.count(t.size, "object")} #{Style.bytes(t.memory)}"
    end)
  end

  defp ports(nil), do: []

  defp ports(%{at: at, of: of, list: list}) do
    largest(list, "Busiest ports", at, of, fn p ->
      "#{p.port} #{Term.text(p.name, 40)} in #{Style.bytes(p.input)}, out #{Style.bytes(p.output)}, waiting #{Style.bytes(p.queue)}"
    end)
  end

  defp largest(list, what, at, of, text) do
    [[{:heading, what}, {:dim, " of #{Style.number(of)}, at the #{at}"}]] ++
      for(one <- Enum.take(list, @largest), do: ["  ", text.(one)])
  end

  defp applications(%{applications: nil}, _style), do: []

  defp applications(%{applications: list}, style) do
    text = Enum.map_join(list, ", ", fn {app, version} -> "#{app} #{version}" end)
    [[{:heading, Style.count(length(list), "application")}]] ++ Style.wrap(["  ", text], style.width, 2)
  end

  # Events

  @doc "One `:system` event in words."
  @spec event(Event.t()) :: Style.line()
  def event(%Event{what: :sample, detail: %{schedulers: s, memory: memory, run_queue: queue}}) do
    busy = if is_map_key(s, :normal), do: "schedulers #{div(s.normal, 10)} %, ", else: ""
    [{:dim, "#{busy}run queue #{queue.normal}, memory #{Style.bytes(memory.total)}"}]
  end

  def event(%Event{what: :processes, detail: %{list: list, of: of}}),
    do: [{:dim, "#{length(list)} of #{Style.count(of, "process", "processes")} sampled"}]

  def event(%Event{what: :not_shown, detail: %{counts: counts, paused: paused}}) do
    more = Enum.map_join(counts, ", ", fn {what, n} -> "#{Style.number(n)} more #{what}" end)
    pause = if paused, do: ", and after so many none was looked at until the next sample", else: ""
    [{:warn, "#{more} not shown#{pause}"}]
  end

  def event(%Event{what: what, detail: %{at: at} = detail}) do
    n = if is_list(detail[:list]), do: " (#{length(detail.list)} of #{detail.of})", else: ""
    [{:dim, "#{what}#{n} at the #{at}"}]
  end

  def event(%Event{what: what, detail: detail}) when is_map(detail),
    do: [{:warn, to_string(what)}, " ", whom(detail), about(what, detail)]

  def event(%Event{what: what, detail: detail}), do: [{:dim, "#{what} #{Term.text(detail, 120)}"}]

  defp whom(%{pid: pid} = detail), do: {:name, Processes.who(pid, detail[:name])}
  defp whom(%{port: port} = detail), do: {:name, "#{port} #{detail[:port_name]}"}
  defp whom(_detail), do: ""

  defp about(what, %{ms: ms}) when what in [:long_gc, :long_schedule], do: " for #{ms} ms"

  defp about(:large_heap, %{heap_block_size: young, old_heap_block_size: old}),
    do: " has #{Style.number(young + old)} words"

  defp about(:long_message_queue, %{long: true}), do: " has a long queue"
  defp about(:long_message_queue, _detail), do: " has a short queue again"
  defp about(_busy, %{pid: _, port: port} = detail), do: " waits for #{port} #{detail[:port_name]}"
  defp about(_what, _detail), do: ""

  @doc "A garbage collection in words."
  @spec collection(Event.t()) :: Style.line()
  def collection(%Event{what: what, detail: sizes}) do
    size =
      if is_list(sizes) and Keyword.keyword?(sizes) and sizes[:heap_size],
        do: " heap #{Style.number(sizes[:heap_size])} words",
        else: ""

    [{:dim, String.replace(to_string(what), "_", " ") <> size}]
  end
end
