defmodule BeamScope.Tui.Pane do
  @moduledoc """
  What stands in each pane: its title and as many lines as it has rows.
  """

  alias BeamScope.{Event, Transition, Unknown}
  alias BeamScope.Terminal.{Events, History, Lines, Processes, Style, World}
  alias BeamScope.Tui.{Ask, Forest, Model, Outline, View}

  # Lines that the words about a transition may take.
  @head 3
  @frames 8

  @doc "Title and lines of a pane, which has `rows` rows beside its title."
  @spec lines(atom, Model.t(), non_neg_integer, Style.t()) :: {String.t(), [Style.line()]}
  def lines(:tree, model, rows, _style) do
    count = length(model.world.members)
    {Style.count(count, "process", "processes"), window(model.tree, model.row, rows, &process(&1, &2, model))}
  end

  def lines(:change, %{cursor: %{event: %{kind: :line, line: line} = event}} = model, rows, style)
      when line != nil do
    {module, name, arity} = event.mfa
    {"Line #{line} of #{Exception.format_mfa(module, name, arity)}", code(model, event, rows, style)}
  end

  def lines(:change, model, rows, style) do
    {title, lines} = change(model, style)
    {title, View.from(lines ++ ending(model.ending), model, :change, rows)}
  end

  def lines(:state, model, rows, style) do
    focus? = model.focus == :state

    case model.outline do
      [] ->
        {"State of #{who(model)}", Style.wrap([{:warn, no_state(model)}], style.width, max(rows, 1))}

      outline ->
        line = fn row, at? -> row |> Outline.line(style.width - 1) |> marked(at? and focus?) end

        {"#{state_words(model.state)} of #{who(model)}",
         window(outline, if(focus?, do: model.part, else: 0), rows, line)}
    end
  end

  def lines(:mailbox, %{member: nil} = model, _rows, _style),
    do: {"Mailbox of #{who(model)}", [[{:dim, "It is not there at this moment"}]]}

  def lines(:mailbox, %{member: %{waiting: waiting, mailbox: mailbox}} = model, rows, style) do
    about = if mailbox.exact, do: "", else: "about "
    title = "Mailbox of #{who(model)}: #{about}#{Style.number(waiting)} waiting"
    lines = Enum.map(mailbox.messages, &message/1)
    hidden = waiting - length(lines)
    more = if hidden > 0, do: [[{:dim, "… #{Style.count(hidden, "more message")}"}]], else: []
    {title, or_why(lines ++ more, no_messages(model), style) |> View.from(model, :mailbox, rows)}
  end

  def lines(:flight, %{world: world} = model, rows, style) do
    lines = Enum.map(world.in_flight, &World.flight/1)
    hidden = world.in_flight_count - length(lines)
    more = if hidden > 0, do: [[{:dim, "… #{Style.count(hidden, "more message")}"}]], else: []

    {"On their way: #{Style.number(world.in_flight_count)}",
     or_why(lines ++ more, no_messages(model), style) |> View.from(model, :flight, rows)}
  end

  # The run up to here, around the line that it has come to.
  defp code(model, event, rows, style) do
    case BeamScope.Lines.at(model.rec, event) do
      {:ok, run} -> run |> Lines.up_to(style, rows) |> View.from(model, :change, rows)
      {:error, error} -> Style.wrap([{:warn, Exception.message(error)}], style.width, max(rows, 1))
    end
  end

  # Around the row in question, without memory: so a resize needs no thought.
  defp window(rows, at, height, line) do
    first = (at - div(height, 2)) |> min(length(rows) - height) |> max(0)

    rows
    |> Enum.slice(first, height)
    |> Enum.with_index(first)
    |> Enum.map(fn {row, n} -> line.(row, n == at) end)
  end

  defp process(row, at?, model) do
    waiting = Map.get(model.waiting, row.track, 0)
    state = model.rec |> Ask.state(row.track, model.cursor.moment) |> Ask.shown(row.process.module)
    row |> Forest.line(waiting, known(state, model.info)) |> marked(at? and row.track == model.selected)
  end

  # Where nothing was lost, an unknown state is one that nobody ever saw, as of processes that have none: no news.
  defp known({:error, _}, %{events: %{dropped: 0}}), do: :none
  defp known(state, _info), do: state

  # Not by colour alone: some terminals have none.
  defp marked(line, true), do: [{:selected, "›" <> Enum.map_join(line, &Style.text/1)}]
  defp marked(line, false), do: [" " | line]

  defp change(%{step: nil} = model, style),
    do: {"Last change of #{who(model)}", Style.wrap([{:dim, no_step(model)}], style.width, 4)}

  defp change(%{step: %Transition{} = step} = model, style) do
    [head | changes] = History.transition(step, style)
    {"#{when_was(step, model)} change of #{who(model)}", Style.wrap(head, style.width, @head) ++ changes}
  end

  defp when_was(%{moment: %{seq: seq}}, %{cursor: %{moment: %{seq: seq}}}), do: "This"
  defp when_was(_step, _model), do: "Last"

  # Where a process ended badly, the way there is what one looks for.
  defp ending(nil), do: []
  defp ending(%Event{} = exit), do: [Events.line(exit) | trace(exit.reason)]

  defp trace({_error, [_ | _] = stack}) do
    for {_, _, _, _} = frame <- Enum.take(stack, @frames), do: [{:dim, "  at "}, frame(frame)]
  end

  defp trace(_reason), do: []

  defp frame(frame) do
    Exception.format_stacktrace_entry(frame)
  rescue
    # Recorded within a budget: a frame may be no frame any more.
    _ -> BeamScope.Terminal.Term.text(frame, 120)
  end

  defp message(%Unknown{} = unknown), do: [{:warn, inspect(unknown)}]

  defp message(message) do
    {label, content} = Event.classify(message)
    Events.message(label, message, content)
  end

  defp or_why([], why, style) when why != nil, do: Style.wrap([{:dim, why}], style.width, 4)
  defp or_why(lines, _why, _style), do: lines

  defp who(%{member: %{process: process}}), do: Processes.label(process)

  defp who(%{cursor: %{event: %{track: track} = event}, selected: track}),
    do: Processes.who(event.pid, event.name)

  defp who(%{selected: track}), do: "track #{track}"

  defp state_words({:last, _}), do: "Last state"
  defp state_words(_), do: "State"

  defp no_state(%{state: {:error, %{reason: :not_alive}}}), do: "It has ended"

  defp no_state(%{state: {:error, error}} = model) do
    if seen(model, [:state]) == 0,
      do: no_states(),
      else: error |> Exception.message() |> String.replace("\n", " ")
  end

  defp no_state(_model), do: "unknown"

  defp no_step(model),
    do:
      if(seen(model, [:state]) == 0, do: no_states(), else: "It has handled nothing up to here that was seen")

  defp no_states,
    do: "This recording has no states: they are recorded at level: :states and :full"

  defp no_messages(model) do
    if seen(model, [:send, :receive]) == 0,
      do: "This recording has no messages: they are recorded at level: :messages and :full"
  end

  defp seen(%{info: %{by_kind: kinds}}, wanted), do: wanted |> Enum.map(&Map.get(kinds, &1, 0)) |> Enum.sum()
end
