defmodule BeamScope.Terminal.Tables do
  @moduledoc """
  ETS tables: objects, what is not known of them, and the latest writes.
  """

  alias BeamScope.{Moment, Table}
  alias BeamScope.Table.Write
  alias BeamScope.Terminal.{Processes, Style, Term}

  @text 120
  @writes 10

  @doc "The lines."
  @spec lines(Table.t(), Style.t()) :: [Style.line()]
  def lines(%Table{} = table, style) do
    {shown, hidden} = table.objects |> Enum.sort() |> Processes.split(style.limit)

    [heading(table)] ++
      doubts(table) ++
      Enum.map(shown, &object(&1, table)) ++
      Processes.more(hidden, "object") ++ mismatches(table, style) ++ writes(table)
  end

  defp heading(table) do
    what =
      if table.exists?,
        do: "#{table.type}, #{Style.count(length(table.objects), "object")}",
        else: "does not exist"

    [{:heading, "Table #{Term.text(table.table, 40)}"}, "  ", what, {:dim, "  #{moment(table.moment)}"}]
  end

  defp moment(%Moment{seq: seq}), do: "after event ##{seq}"
  defp moment(%{moment: moment}), do: moment(moment)
  defp moment({:ms, ms}), do: "after #{ms} ms"
  defp moment(edge), do: "at the #{edge}"

  defp doubts(table) do
    for {n, text} <- [
          {table.unknown, "of its beginning are not in the recording"},
          {table.failed, "could not be repeated: what they need is not in the recording"}
        ],
        n > 0,
        do: [{:warn, "… #{Style.number(n)} #{text}"}]
  end

  defp object(object, table) do
    doubt =
      if Enum.any?(table.unordered, &(Table.lookup(%{table | objects: [object]}, &1) != [])),
        do: "  written by two at once: either may be last"

    ["  ", Term.line(object, @text), {:warn, doubt || ""}] |> List.flatten()
  end

  defp mismatches(%Table{mismatches: none}, _style) when none in [nil, []], do: []

  defp mismatches(%Table{mismatches: mismatches}, style) do
    {shown, hidden} = Processes.split(mismatches, style.limit)

    [
      [
        {:warn,
         "#{Style.count(length(mismatches), "key")} held something else when the table was read at the end: not all who write it were recorded"}
      ]
    ] ++
      for(
        %{key: key, recorded: recorded, actual: actual} <- shown,
        do: ["  #{Term.text(key, 40)}: recorded #{Term.text(recorded, 60)}, read #{Term.text(actual, 60)}"]
      ) ++ Processes.more(hidden, "key")
  end

  defp writes(%Table{writes: []}), do: []

  defp writes(%Table{writes: writes}) do
    latest = Enum.take(writes, -@writes)

    [[{:heading, "The latest of #{Style.count(length(writes), "write")}"}]] ++
      Enum.map(latest, &["  " | write(&1)])
  end

  @doc "One write on one line."
  @spec write(Write.t()) :: Style.line()
  def write(%Write{} = write) do
    arguments = Enum.map_join(write.arguments, ", ", &Term.text(&1, 60))
    result = if write.result in [true, nil], do: "", else: " → #{Term.text(write.result, 40)}"

    [
      {:moment, "##{(write.moment || write.began).seq}  "},
      {:name, Processes.who(write.pid, write.name)},
      "  #{write.function}(#{arguments})#{result}"
    ]
  end
end
