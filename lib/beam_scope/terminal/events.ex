defmodule BeamScope.Terminal.Events do
  @moduledoc """
  Events as lines: `CounterServer → EchoServer  CALL {:echo, "hi"}`.
  """

  alias BeamScope.{Event, Events, Mailbox, Unknown}
  alias BeamScope.Terminal.{Processes, Shown, Style, System, Table, Term}

  @messages [:send, :send_to_dead, :receive]
  # No term is longer in a line; the line is cut to the terminal later.
  @text 200

  @doc "One event on one line."
  @spec line(Event.t()) :: Style.line()
  def line(%Event{} = event) do
    [moment, time, who, what] = cells(event, %{})
    moment ++ ["  "] ++ time ++ ["  "] ++ who ++ ["  "] ++ what
  end

  @doc "A list of events as a table, losses and cuts said."
  @spec lines(Events.t(), Style.t()) :: [Style.line()]
  def lines(%Events{events: []} = events, style),
    do: [[{:heading, "No events"}]] ++ hint(events, style) ++ unknown(events)

  def lines(%Events{events: list} = events, style) do
    {shown, hidden} = Processes.split(list, style.limit)

    [[{:heading, total(list, events)}]] ++
      rows(shown, style) ++ Processes.more(hidden, noun(list)) ++ cut(events) ++ unknown(events)
  end

  @doc "Rows for events, without heading: lost ones are said where they were lost."
  @spec rows([Event.t()], Style.t()) :: [Style.line()]
  def rows(events, style) do
    events
    |> Enum.zip(events |> columns() |> table(style))
    |> Enum.flat_map(fn {event, line} -> lost(event) ++ [line] end)
  end

  @doc "Events as the cells of a table, for rows of another kind to stand between them: moment, time, who, what."
  @spec columns([Event.t()]) :: [[Style.line()]]
  def columns(events) do
    calls = calls(events)
    Enum.map(events, &cells(&1, calls))
  end

  @doc "Such rows as lines."
  @spec table([[Style.line()]], Style.t()) :: [Style.line()]
  def table(rows, style),
    do: Table.lines(rows, align: [:right, :right], max: [nil, nil, div(style.width * 2, 5)])

  # Which call a reply answers, among those shown.
  defp calls(events) do
    for %Event{kind: kind, label: :call, message: message} = call <- Enum.reverse(events),
        kind in @messages,
        tag = Event.tag(message),
        into: %{},
        do: {tag, call}
  end

  defp lost(%Event{lost_before: n} = event) when n > 0,
    do: [[{:warn, "     … #{Style.count(n, "event")} of #{Processes.who(event.pid, event.name)} lost here"}]]

  defp lost(_event), do: []

  defp total(list, %Events{more: true}), do: "First " <> Style.count(length(list), noun(list))
  defp total(list, _events), do: Style.count(length(list), noun(list))

  defp noun(list), do: if(Enum.all?(list, &(&1.kind in @messages)), do: "message", else: "event")

  defp cut(%Events{more: true}), do: [[{:warn, "… there are more: raise limit: or narrow since:/until:"}]]
  defp cut(_events), do: []

  defp unknown(%Events{unknown: 0}), do: []

  defp unknown(%Events{unknown: n}) do
    [
      [
        {:warn,
         "… #{Style.count(n, "further event")} could not be decided: what match: asks about was truncated or redacted"}
      ]
    ]
  end

  defp hint(%Events{hint: nil}, _style), do: []
  defp hint(%Events{hint: hint}, style), do: Style.wrap([{:dim, hint}], style.width, 4)

  defp cells(%Event{} = event, calls) do
    [
      [{:moment, "##{event.moment.seq}"}],
      [{:time, Style.time(event.at_ns)}],
      event |> addressed(calls) |> who(),
      what(event) ++ answered(event, calls) ++ flags(event)
    ]
  end

  # A reply goes to an alias, which is a reference: whose it is, the call tells.
  defp addressed(%Event{kind: :send, label: :reply, to: to, to_name: nil} = e, calls) when is_reference(to) do
    case calls do
      %{^to => call} -> %{e | to: call.from, to_name: call.from_name}
      _ -> e
    end
  end

  defp addressed(event, _calls), do: event

  defp who(%Event{kind: :receive} = e),
    do: [{:name, Processes.who(e.to, e.to_name)}, " ← ", {:name, sender(e.from, e.from_name)}]

  defp who(%Event{kind: kind} = e) when kind in @messages,
    do: [{:name, Processes.who(e.from, e.from_name)}, " → ", {:name, Processes.who(e.to, e.to_name)}]

  # It happened to no process in particular.
  defp who(%Event{kind: :system}), do: [{:dim, "system"}]
  defp who(e), do: [{:name, Processes.who(e.pid, e.name)}]

  defp sender(nil, nil), do: "the runtime"
  defp sender(from, nil) when from in [:undefined, :clock_service, :system], do: "the runtime"
  defp sender(from, name), do: Processes.who(from, name)

  defp what(%Event{kind: :send_to_dead} = e),
    do: message(e.label, e.message, e.content) ++ [{:error, "  nobody there"}]

  defp what(%Event{kind: kind} = e) when kind in @messages, do: message(e.label, e.message, e.content)
  defp what(%Event{kind: :spawn} = e), do: ["spawned ", Processes.who(e.child), " ", mfa(e.mfa)]
  defp what(%Event{kind: :spawned} = e), do: ["started by ", Processes.who(e.parent), " ", mfa(e.mfa)]
  defp what(%Event{kind: :exit} = e), do: [{:exit, "ended: " <> Processes.reason(e.reason, @text)}]
  defp what(%Event{kind: :register} = e), do: ["registered as ", {:name, Term.text(e.registered, 60)}]
  defp what(%Event{kind: :unregister} = e), do: ["gave up the name ", {:name, Term.text(e.registered, 60)}]
  defp what(%Event{kind: :call} = e), do: [{:call, "calls"}, " ", mfa(e.mfa)]

  defp what(%Event{kind: :return} = e),
    do: [{:reply, "returns"}, " from ", mfa(e.mfa), ": ", Term.text(e.value, @text)]

  defp what(%Event{kind: :exception} = e),
    do: [{:exit, "#{e.class}"}, " from ", mfa(e.mfa), ": ", Processes.reason(e.reason, @text)]

  defp what(%Event{kind: :state} = e), do: ["state", point(e.point)] ++ handled(e.message) ++ state(e)
  defp what(%Event{kind: :system} = e), do: System.event(e)
  defp what(%Event{kind: :gc} = e), do: System.collection(e)
  defp what(%Event{kind: :running} = e), do: [{:dim, "scheduled #{e.what} #{if(e.mfa != 0, do: mfa(e.mfa))}"}]
  defp what(%Event{kind: :line, line: nil} = e), do: ["place #{e.what}  ", Term.text(e.value, @text)]
  defp what(%Event{kind: :line} = e), do: [{:dim, "line"}, " #{e.line}  "] ++ variables(e)

  # In a shell it stands in no function.
  defp what(%Event{kind: :mark, mfa: {nil, _, _}} = e),
    do: [{:dim, "line"}, " #{e.line}", label(e.label), "  "] ++ variables(e)

  defp what(%Event{kind: :mark} = e),
    do: [{:dim, "line"}, " #{e.line} of ", mfa(e.mfa), label(e.label), "  "] ++ variables(e)

  defp what(%Event{kind: kind} = e) when kind in [:note, :baseline], do: [{:dim, "#{kind} #{note(e)}"}]

  defp what(%Event{kind: kind, other: other}),
    do: [to_string(kind) |> String.replace("_", " "), " ", Processes.who(other)]

  defp label(nil), do: ""
  defp label(label), do: " " <> Term.text(label, 60)

  defp variables(%Event{variables: nil, value: value}), do: [Term.text(value, @text)]

  defp variables(%Event{variables: variables}),
    do:
      variables
      |> Enum.map(fn {name, value} -> [{:name, "#{name}"}, " = ", Term.text(value, 60)] end)
      |> Enum.intersperse([", "])
      |> Enum.concat()

  defp point(nil), do: ""
  defp point(point), do: " (#{point})"

  defp handled(nil), do: []

  defp handled(message) do
    {label, content} = Event.classify(message)
    [" "] ++ message(label, message, content)
  end

  defp state(%Event{after: nil, before: nil}), do: []
  defp state(%Event{after: nil, before: before} = e), do: [" on ", Term.text(shown(e, before), @text)]
  defp state(%Event{after: state} = e), do: [" is ", Term.text(shown(e, state), @text)]

  defp shown(%Event{handler: handler, module: module}, state), do: Shown.state(handler || module, state)

  defp note(%Event{text: text, detail: nil}), do: "#{text}"
  defp note(%Event{text: nil, detail: detail}), do: Term.text(detail, @text)
  defp note(%Event{text: text, detail: detail}), do: "#{text}: #{Term.text(detail, @text)}"

  @doc "A message as spans: its label in its colour and what it carries."
  @spec message(Event.label(), term, term) :: Style.line()
  def message(:down, {:DOWN, _ref, _type, object, reason}, _content),
    do: [{:down, "DOWN"}, " ", Processes.who(object), " ", Processes.reason(reason, @text)]

  def message(:exit, {:EXIT, from, reason}, _content),
    do: [{:exit, "EXIT"}, " ", Processes.who(from), " ", Processes.reason(reason, @text)]

  def message(label, _message, content),
    do: [{label, label |> to_string() |> String.upcase()}, " ", Term.text(content, @text)]

  defp answered(%Event{label: :reply, kind: kind} = e, calls) when kind in @messages do
    case calls do
      %{} when map_size(calls) == 0 -> []
      %{} -> answer(e, Map.get(calls, Event.tag(e.message)))
    end
  end

  defp answered(_event, _calls), do: []

  defp answer(_event, nil), do: []
  defp answer(e, call), do: [{:dim, "  (to ##{call.moment.seq}, #{Style.time(e.at_ns - call.at_ns)})"}]

  # What is cut inside a term shows there; a label is for those where it would be out of sight.
  defp flags(%Event{flags: flags}) do
    for flag <- flags, flag in [:truncated, :redacted], do: {:warn, " ‹#{flag}›"}
  end

  @doc "A call as `Module.function(args)`, or `/arity` where the arguments are not known."
  @spec mfa(term) :: String.t()
  def mfa({m, f, args}) when is_atom(m) and is_atom(f) and is_list(args) do
    if List.improper?(args), do: Term.text({m, f, args}, @text), else: called(m, f, args)
  end

  def mfa({m, f, arity}) when is_atom(m) and is_atom(f) and is_integer(arity),
    do: Exception.format_mfa(m, f, arity)

  def mfa({m, f, _cut}) when is_atom(m) and is_atom(f),
    do: String.replace_suffix(Exception.format_mfa(m, f, 0), "/0", "(…)")

  def mfa(nil), do: ""
  def mfa(other), do: Term.text(other, @text)

  defp called(m, f, args) do
    name = String.replace_suffix(Exception.format_mfa(m, f, 0), "/0", "")
    shown = args |> Enum.take(8) |> Enum.map_join(", ", &Term.text(&1, 60))
    "#{name}(#{shown}#{if length(args) > 8, do: ", …"})"
  end

  @doc "A mailbox."
  @spec mailbox(Mailbox.t(), Style.t()) :: [Style.line()]
  def mailbox(%Mailbox{messages: messages, exact: exact}, style) do
    {shown, hidden} = Processes.split(messages, style.limit)
    estimate = if exact, do: "", else: " (an estimate: when this process handles a message is not seen)"

    [[{:heading, Style.count(length(messages), "message") <> " waiting"}, {:warn, estimate}]] ++
      Enum.map(shown, &waiting/1) ++ Processes.more(hidden, "message")
  end

  defp waiting(%Unknown{} = unknown), do: ["  ", {:warn, inspect(unknown)}]

  defp waiting(message) do
    {label, content} = Event.classify(message)
    ["  "] ++ message(label, message, content)
  end
end
