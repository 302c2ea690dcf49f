defmodule BeamScope.Exporters.Chrome do
  @moduledoc """
  `:chrome`: a trace in Chrome's Trace Event Format, for Perfetto (drop the file on its page), `chrome://tracing` and others.

  Each process is a track. On it are, nested, the messages that a server handled and the calls that were recorded, both with what
  came of them; small slices for messages sent and received, joined by arrows, and for spawns; instants for ends, crashes and losses.
  What had not ended when the recording did is closed at its end and has `unfinished` among its arguments. A counter for each server
  says how many messages wait, where receives and states are recorded.

  Times are microseconds since the recording's start with three decimals, so nanoseconds.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.{Event, Transition}
  alias BeamScope.Export.{Births, End, Frames, Inbox, Source, Steps, Waiting, Words}
  alias BeamScope.Exporters.Json

  # All tracks are threads of this one process; no thread has its number, which would make it the main one.
  @pid 1
  # The longest that the slice of a message is.
  @dot_ns 1_000

  defstruct [:source, :births, :inbox, frames: Frames.new(), ends: %Waiting{}, dots: %{}, seen: MapSet.new()]

  @impl true
  def options, do: []

  @impl true
  def stream(source) do
    state = %__MODULE__{source: source, births: Births.new(source), inbox: Inbox.new(source)}

    Stream.concat([
      [~s({"displayTimeUnit":"ns","traceEvents":[), head(source)],
      source |> Steps.stream() |> Stream.transform(state, &step/2)
    ])
  end

  # The first of the list has no comma before it.
  defp head(source) do
    json(%{name: "process_name", ph: "M", pid: @pid, args: %{name: Words.title(source)}})
    |> then(&[&1 | Enum.map(source.info.losses, fn loss -> [",\n", loss(loss)] end)])
  end

  defp loss(%{count: count, from_ns: from, to_ns: to} = loss) do
    where = if loss[:track], do: %{s: "t", tid: tid(loss.track)}, else: %{s: "g", tid: 0}

    json(
      Map.merge(where, %{
        name: "#{count} events lost",
        cat: "loss",
        ph: "i",
        pid: @pid,
        ts: Words.us(from),
        args: %{until_us: Words.us(to), of: loss |> Map.get(:pid) |> Words.pid()}
      })
    )
  end

  defp step(%End{} = the_end, state) do
    {closing, _} = Frames.step(state.frames, the_end)
    pieces = Enum.map(state.dots, fn {track, _} -> elem(undot(state, track, nil), 0) end)
    {[pieces, Enum.map(closing, &action/1), foot(state, the_end)], state}
  end

  defp step(item, state) do
    {track, at_ns} = place(item)
    {named, state} = named(state, track)
    {dot, state} = undot(state, track, at_ns)
    {actions, frames} = Frames.step(state.frames, item)
    {pieces, state} = item(item, %{state | frames: frames})
    {[named, dot, Enum.map(actions, &action/1), pieces], state}
  end

  defp place(%Event{track: track, at_ns: at_ns}), do: {track, at_ns}
  defp place({:begin, %Transition{track: track, began: began}}), do: {track, began.at_ns}
  defp place({_, %Transition{track: track, moment: moment}}), do: {track, moment.at_ns}

  # A track is named when it is met: a recording may know many processes that nothing is told of.
  defp named(state, track) do
    if MapSet.member?(state.seen, track) do
      {[], state}
    else
      args = %{name: Words.track(state.source, track)}
      name = %{name: "thread_name", ph: "M", pid: @pid, tid: tid(track), args: args}
      order = %{name: "thread_sort_index", ph: "M", pid: @pid, tid: tid(track), args: %{sort_index: track}}
      {[put(name), put(order)], %{state | seen: MapSet.put(state.seen, track)}}
    end
  end

  # Slices

  defp action({:open, frame}),
    do: put(%{name: name(frame), cat: frame.kind, ph: "B", args: opening(frame)}, frame.track, frame.at_ns)

  defp action({:close, frame, at_ns, how}),
    do: put(%{ph: "E", args: closing(how)}, frame.track, at_ns)

  defp name(%{kind: :call, what: event}), do: Words.function(event)
  defp name(%{kind: :handled, what: transition}), do: Words.message(transition)

  defp opening(%{kind: :call, what: event}), do: %{seq: Words.seq(event), arguments: Words.arguments(event)}
  defp opening(%{what: t}), do: %{seq: t.began.seq, from: from(t)}

  defp from(%Transition{from_process: nil}), do: nil
  defp from(%Transition{from_process: pid}), do: Words.pid(pid)

  defp closing({:return, event}), do: %{returned: Words.term(event.value, 400)}
  defp closing({:exception, event}), do: %{raised: Words.event(event)}
  defp closing({:handled, t}), do: handled(t)
  defp closing(:unfinished), do: %{unfinished: true}

  defp handled(%Transition{} = t),
    do:
      Map.merge(
        %{result: Words.term(t.result)},
        if(t.reply, do: %{reply: Words.term(elem(t.reply, 1))}, else: %{})
      )

  # What happens

  defp item(%Event{kind: kind} = event, state) when kind in [:send, :send_to_dead] do
    name = "#{String.replace(to_string(kind), "_", " ")} #{Words.message(event)}"
    state = dot(%{state | inbox: Inbox.event(state.inbox, event)}, event, name, "message")
    {[], if(event.partner, do: wait(state, Words.seq(event), event, event.partner), else: state)}
  end

  defp item(%Event{kind: :receive} = event, state) do
    state =
      dot(
        %{state | inbox: Inbox.event(state.inbox, event)},
        event,
        "receive #{Words.message(event)}",
        "message"
      )

    {counter(state, event.track, event.at_ns), join(state, event.partner, event, "message")}
  end

  defp item(%Event{kind: kind} = event, state) when kind in [:spawn, :spawned] do
    state = dot(state, event, Words.event(event), "lifecycle")
    # The numbers of a birth and of a send are of different events, so they never meet.
    birth = Births.of(state.births, event)

    if birth == nil or Waiting.get(state.ends, birth),
      do: {[], join(state, birth, event, "spawn")},
      else: {[], wait(state, birth, event, max(birth, Words.seq(event)))}
  end

  defp item(%Event{kind: :exit} = event, state) do
    name = if orderly?(event.reason), do: "exit", else: "crash"

    instant = %{
      name: "#{name}: #{Words.event(event)}",
      cat: name,
      ph: "i",
      s: "t",
      args: %{seq: Words.seq(event)}
    }

    {put(instant, event), %{state | inbox: Inbox.event(state.inbox, event)}}
  end

  defp item({:begin, transition}, state), do: taken(state, transition)

  defp item({:at, %Transition{kind: kind} = t}, state) when kind not in [:read, :gap, :changed],
    do: taken(state, t)

  defp item(_other, state), do: {[], state}

  defp orderly?(reason) when reason in [:normal, :shutdown], do: true
  defp orderly?({:shutdown, _}), do: true
  defp orderly?(_reason), do: false

  defp taken(state, t) do
    {_data, inbox} = Inbox.taken(state.inbox, t)
    state = %{state | inbox: inbox}
    {counter(state, t.track, t.began.at_ns), state}
  end

  defp counter(state, track, at_ns) do
    if Inbox.served?(state.inbox, track) do
      n = Inbox.size(state.inbox, track)

      put(
        %{name: "mailbox of #{Words.track(state.source, track)}", ph: "C", args: %{messages: n}},
        track,
        at_ns
      )
    else
      []
    end
  end

  # A dot is a slice for what takes no time, so that an arrow has something to hold on to. It ends before the next thing happens to
  # its process, or it would not nest; so it is written then.
  defp dot(state, %Event{track: track, moment: moment}, name, category) do
    slice = %{name: name, cat: category, ph: "X", args: %{seq: moment.seq}}
    %{state | dots: Map.put(state.dots, track, {slice, moment.at_ns, []})}
  end

  defp undot(state, track, at_ns) do
    case Map.pop(state.dots, track) do
      {nil, _} -> {[], state}
      {{slice, began, pieces}, dots} -> {[written(slice, track, began, at_ns), pieces], %{state | dots: dots}}
    end
  end

  defp written(slice, track, began, next_ns) do
    dur = if next_ns, do: min(@dot_ns, next_ns - began), else: @dot_ns
    put(Map.put(slice, :dur, Words.us(dur)), track, began)
  end

  # Both ends of an arrow are written when the later one is known: none has only one.
  defp wait(state, id, event, due),
    do: %{state | ends: Waiting.put(state.ends, id, event, due, Words.seq(event))}

  defp join(state, id, event, name) do
    case Waiting.pop(state.ends, id) do
      {nil, _} -> state
      {other, ends} -> arrow(%{state | ends: ends}, id, Enum.sort_by([other, event], &arrival?/1), name)
    end
  end

  defp arrival?(%Event{kind: kind}), do: kind in [:receive, :spawned]

  defp arrow(state, id, [from, to], name) do
    flow = %{name: name, cat: "flow", id: id, bp: "e"}
    pieces = [put(Map.put(flow, :ph, "s"), from), put(Map.put(flow, :ph, "f"), to)]
    # After the slices that they are bound to.
    later = if from.moment.seq > to.moment.seq, do: from.track, else: to.track

    %{
      state
      | dots: Map.update!(state.dots, later, fn {slice, began, old} -> {slice, began, [old | pieces]} end)
    }
  end

  defp foot(state, the_end) do
    caveats = Source.caveats(state.source, the_end)
    said = for text <- caveats, do: put(%{name: text, cat: "caveat", ph: "i", s: "g"}, 0, the_end.last_ns)
    other = %{recording: state.source.info.id, events: the_end.count, caveats: caveats}
    [said, ~s(\n],"otherData":), Json.encode(other), "}\n"]
  end

  defp put(json, %Event{track: track, at_ns: at_ns}), do: put(json, track, at_ns)

  defp put(json, track, at_ns),
    do: put(Map.merge(json, %{pid: @pid, tid: tid(track), ts: Words.us(at_ns)}))

  defp put(json), do: [",\n", json(json)]

  defp json(map), do: map |> Map.reject(fn {_key, value} -> value == nil end) |> Json.encode()

  # Perfetto takes thread 0 for the idle one.
  defp tid(track), do: track + @pid + 1
end
