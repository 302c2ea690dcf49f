defmodule BeamScope.Case.Excerpt do
  @moduledoc false
  # The last messages, calls, state changes and crashes before a moment, as lines.

  alias BeamScope.{Diff, Event, Moment, Transition, Unknown}
  alias BeamScope.Terminal.{Events, Processes, Shown, Style, Term}

  @lines 15
  # So many of the last events are looked at for something to show, so many processes for what became of their states.
  @events 400
  @processes 12
  @kinds [:send, :send_to_dead, :receive, :exit, :call, :return, :exception]
  # Changes of one state that fit a line.
  @changes 3
  @text 60
  @notes 4

  @doc "The lines. `until` is the last moment that is of interest, `test` the process that is called the test."
  @spec lines(BeamScope.Recording.t(), Moment.like(), pid, Style.t()) :: [Style.line()]
  def lines(rec, until, test, style) do
    info = BeamScope.info(rec)
    items = Enum.sort_by(messages(rec, until) ++ states(rec, until), & &1.moment.seq)
    shown = Enum.take(items, -@lines)
    [heading(shown, info) | rows(shown, test, info, style)] ++ losses(info) ++ notes(info, style)
  end

  defp heading(shown, %{events: %{stored: n}} = info) do
    part = if shown == [], do: "nothing to show among", else: "the last of"
    [{:heading, "Recorded before this"}, {:dim, " (#{part} #{Style.count(n, "event")}#{early(info)})"}]
  end

  defp early(%{status: :stopped, stop_reason: limit}) when limit in [:events, :bytes, :ms, :rate],
    do: ", stopped by its limit of #{limit}"

  defp early(_info), do: ""

  # ---- messages ----

  defp messages(rec, until) do
    rec
    |> BeamScope.events(kind: @kinds, until: until, order: :desc, limit: @events)
    |> Enum.filter(&tells?/1)
  end

  # Of a message that was seen at both ends, the sending.
  defp tells?(%Event{kind: :receive, partner: partner}) when is_integer(partner), do: false
  defp tells?(%Event{label: :io}), do: false
  defp tells?(%Event{to: Logger}), do: false
  defp tells?(%Event{to_name: Logger}), do: false
  defp tells?(%Event{kind: :receive, label: :reply, content: content}), do: not process_info?(content)

  defp tells?(%Event{label: label, content: content}) when label in [:info, :cast],
    do: not of_the_system?(content)

  defp tells?(%Event{kind: :exit, reason: reason}), do: not ordinary?(reason)
  defp tells?(_event), do: true

  # A process that asks after another one gets the answer as a message that nobody sent: `gen_server` does so when it crashes.
  defp process_info?([item | _]), do: process_info?(item)

  defp process_info?({item, _})
       when item in [:links, :current_function, :current_stacktrace, :registered_name],
       do: true

  defp process_info?({item, _}) when item in [:dictionary, :message_queue_len, :messages, :initial_call],
    do: true

  defp process_info?({{:dictionary, _key}, _}), do: true
  defp process_info?(_content), do: false

  # What is said to the code server, to the logger and at a start, and what ExUnit is told at the end.
  defp of_the_system?({tag, pid, _}) when tag in [:ack, :nack, :code_call] and is_pid(pid), do: true
  defp of_the_system?({pid, :test_finished, _}) when is_pid(pid), do: true
  defp of_the_system?({:code_server, _}), do: true
  defp of_the_system?({:"$olp_load", _}), do: true
  defp of_the_system?(_message), do: false

  defp ordinary?({:shutdown, _}), do: true
  defp ordinary?(reason), do: reason in [:normal, :shutdown]

  # ---- states ----

  # What a supervisor keeps of its children, the requests to it and its answers show better.
  defp states(rec, until) do
    supervisors =
      for %{initial_call: {:supervisor, _, _}, track: track} <- BeamScope.processes(rec), do: track

    rec
    |> BeamScope.events(kind: :state, until: until, order: :desc, limit: @events)
    |> Enum.reject(&(&1.track in supervisors))
    |> Enum.group_by(& &1.track)
    |> Enum.sort_by(fn {_, [latest | _]} -> -latest.moment.seq end)
    |> Enum.take(@processes)
    |> Enum.flat_map(fn {_, events} -> changes(rec, events, until) end)
  end

  defp changes(rec, events, until) do
    %{track: track, pid: pid, name: name} = hd(events)
    span = [since: List.last(events), until: until, limit: :infinity]

    for t <- BeamScope.history(rec, track, span),
        changed?(t),
        do: t |> Map.from_struct() |> Map.merge(%{pid: pid, name: name})
  end

  defp changed?(%Transition{kind: kind}) when kind in [:read, :end], do: false
  defp changed?(%Transition{kind: kind}) when kind in [:init, :gap], do: true
  defp changed?(%Transition{diff: %Diff{same?: same?}}), do: not same?
  defp changed?(%Transition{}), do: true

  # ---- rows ----

  defp rows(items, test, info, style) do
    events = for %Event{} = event <- items, do: event
    columns = events |> Enum.map(& &1.moment.seq) |> Enum.zip(Events.columns(events)) |> Map.new()
    messages? = info.level in [:messages, :full]

    items
    |> Enum.map(&(columns[&1.moment.seq] || state(&1, messages?)))
    |> Events.table(style)
    |> Enum.map(fn line -> Enum.map(line, &call_test(&1, Processes.who(test))) end)
  end

  defp call_test({:name, pid}, pid), do: {:name, String.pad_trailing("the test", String.length(pid))}
  defp call_test(span, _pid), do: span

  defp state(%{moment: moment, pid: pid, name: name} = t, messages?) do
    [
      [{:moment, "##{moment.seq}"}],
      [{:time, Style.time(moment.at_ns)}],
      [{:name, Processes.who(pid, name)}],
      if(messages?, do: [], else: handled(t)) ++ became(t)
    ]
  end

  defp handled(%{message: nil}), do: []

  defp handled(%{message: message}) do
    {label, content} = Event.classify(message)
    Events.message(label, message, content) ++ ["  "]
  end

  defp became(%{kind: :gap, lost: 0}), do: [{:warn, "not recorded from here on"}]
  defp became(%{kind: :gap, lost: lost}), do: [{:warn, "#{Style.count(lost, "event")} lost here"}]
  defp became(%{to: %Unknown{reason: reason}}), do: [{:warn, "state unknown (#{reason})"}]

  defp became(t), do: t |> Shown.transition() |> shown()

  defp shown(%{diff: %Diff{} = diff, to: to}) do
    changes = Diff.changes(diff)

    if length(changes) <= @changes,
      do: changes |> Enum.map(&change/1) |> Enum.intersperse([", "]) |> Enum.concat(),
      else: whole(to)
  end

  defp shown(%{to: to}), do: whole(to)

  defp whole(state), do: ["is ", {:changed, Term.text(state, 200)}]

  defp change({path, {:changed, old, new}}),
    do: label(path) ++ [{:old, Term.text(old, @text)}, " → ", {:new, Term.text(new, @text)}]

  defp change({path, {:added, value}}), do: label(path) ++ [{:new, "+ " <> Term.text(value, @text)}]
  defp change({path, {:removed, value}}), do: label(path) ++ [{:old, "- " <> Term.text(value, @text)}]
  defp change({path, {:unknown, why}}), do: label(path) ++ [{:warn, "unknown (#{why})"}]
  defp change({path, :reordered}), do: label(path) ++ ["in another order"]

  defp label([]), do: []
  defp label(path), do: [Enum.map_join(path, ".", &key/1), ": "]

  defp key(key) when is_atom(key), do: key |> inspect() |> String.trim_leading(":")
  defp key(key), do: Term.text(key, 30)

  # ---- what to know ----

  defp losses(%{events: %{dropped: 0}}), do: []

  defp losses(%{events: %{dropped: n}} = info) do
    what =
      if early(info) == "", do: "found no room and were lost", else: "came too late and were not recorded"

    [[{:warn, "#{Style.count(n, "event")} #{what}"}]]
  end

  defp notes(%{notes: notes}, style) do
    notes |> Enum.take(-@notes) |> Enum.flat_map(&Style.wrap([{:dim, "note: " <> &1}], style.width, 3))
  end
end
