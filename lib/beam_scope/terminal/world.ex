defmodule BeamScope.Terminal.World do
  @moduledoc """
  A world: the tree of processes, under each its state and what waits for it, and the messages on their way.
  """

  alias BeamScope.{Event, World}
  alias BeamScope.Terminal.{Processes, Shown, Style, Tables, Term, Tree}

  @text 200
  @mail 3

  @doc "The lines."
  @spec lines(World.t(), Style.t()) :: [Style.line()]
  def lines(%World{} = world, style) do
    by_track = Map.new(world.members, &{&1.process.track, &1})
    below = fn process -> by_track |> Map.get(process.track) |> below(style) end

    [heading(world)] ++
      Tree.lines(world.tree, style, below) ++ in_flight(world, style) ++ tables(world, style)
  end

  defp tables(%World{tables: tables}, style),
    do: Enum.flat_map(tables, fn {_name, table} -> Tables.lines(table, style) end)

  defp heading(world) do
    waiting = world.members |> Enum.map(& &1.waiting) |> Enum.sum()

    [
      {:heading, "After event "},
      {:moment, "##{world.moment.seq}"},
      "  ",
      {:time, Style.time(world.moment.at_ns)},
      "  ",
      Enum.join(
        [Style.count(length(world.members), "process", "processes")] ++
          if(waiting > 0, do: [Style.count(waiting, "message") <> " waiting"], else: []) ++
          if(world.in_flight_count > 0, do: ["#{Style.number(world.in_flight_count)} on their way"], else: []),
        ", "
      )
    ]
  end

  @doc "What stands under a process: its state and mailbox."
  @spec below(World.member() | nil, Style.t()) :: [Style.line()]
  def below(nil, _style), do: []
  def below(member, _style), do: state(member.state, member.process.module) ++ mailbox(member)

  defp state(:none, _module), do: []

  defp state({:ok, state}, module),
    do: [["= ", module |> Shown.state(state) |> Term.line(@text)] |> List.flatten()]

  defp state({:unknown, why}, _module), do: [[{:warn, "= unknown: #{why}"}]]

  defp mailbox(%{waiting: 0}), do: []

  defp mailbox(%{waiting: waiting, mailbox: mailbox}) do
    shown = mailbox.messages |> Enum.take(@mail) |> Enum.map_join(", ", &message/1)
    more = if waiting > @mail, do: ", …", else: ""
    about = if mailbox.exact, do: "", else: "about "
    [[{:moment, "✉ #{about}#{Style.number(waiting)} waiting: "}, shown <> more]]
  end

  defp message(message) do
    {label, content} = Event.classify(message)
    "#{label |> Atom.to_string() |> String.upcase()} #{Term.text(content, 40)}"
  end

  defp in_flight(%World{in_flight: []}, _style), do: []

  defp in_flight(%World{in_flight: flights, in_flight_count: count}, style) do
    {shown, _} = Processes.split(flights, style.limit)
    lines = Enum.map(shown, &flight/1)
    [[{:heading, "On their way"}]] ++ lines ++ Processes.more(count - length(shown), "message")
  end

  @doc "One message on its way."
  @spec flight(map) :: Style.line()
  def flight(flight) do
    [
      {:moment, "##{flight.sent}  "},
      {:name, Processes.who(flight.from, flight.from_name)},
      " → ",
      {:name, Processes.who(flight.to, flight.to_name)},
      "  ",
      message(flight.message)
    ]
  end
end
