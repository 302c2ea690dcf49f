defmodule BeamScope.Exporters.Chrome do
  @moduledoc """
  `:chrome`: a trace in Chrome's Trace Event Format, for Perfetto (drop the file on its page), `chrome://tracing` and others.

  Each process is a track. On it are, nested, the messages that a server handled and the calls that were recorded, both with what
  came of them; small slices for messages sent and received, joined by arrows, and for spawns; instants for ends, crashes and
  losses. A gen_statem's step is told of when it is over, so it is a small slice, too.
  What had not ended when the recording did is closed at its end and has `unfinished` among its arguments. A counter for each server
  says how many messages wait, where receives and states are recorded. Of `system: true` schedulers, run queue and memory are
  counters and what the virtual machine warned of instants through all tracks; of `garbage_collection: true` each is a slice.

  Times are microseconds since the recording's start with three decimals, so nanoseconds.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.{Event, Transition}
  alias BeamScope.Export.{Births, End, Frames, Inbox, Source, Steps, Waiting, Words}
  alias BeamScope.Exporters.Chrome.Record
  alias BeamScope.Exporters.Json

  # The longest that the slice of a message is.
  @dot_ns 1_000
  @untold [:read, :gap, :changed]

  # `clock` has the time of each track's last record, `dots` its slice that is not yet written, `ends` the first ends of arrows.
  defstruct [
    :source,
    :births,
    :inbox,
    frames: Frames.new(),
    ends: %Waiting{},
    dots: %{},
    collecting: %{},
    clock: %{},
    named: MapSet.new()
  ]

  @impl true
  def options, do: []

  @impl true
  def stream(source) do
    state = %__MODULE__{source: source, births: Births.new(source), inbox: Inbox.new(source)}
    {losses, state} = Enum.map_reduce(source.info.losses, state, &loss/2)

    Stream.concat([
      [~s({"displayTimeUnit":"ns","traceEvents":[), Record.process(Words.title(source)), losses],
      source |> Steps.stream() |> Stream.transform(state, &step/2)
    ])
  end

  defp loss(%{count: count, from_ns: from, to_ns: to} = loss, state) do
    track = loss[:track]
    {name, state} = if track, do: named(state, track), else: {[], state}
    about = %{until_us: Words.us(to), of: loss |> Map.get(:pid) |> Words.pid()}
    {[name, Record.instant("#{count} events lost", "loss", track, from, about)], state}
  end

  # States are told of by what begins and ends with them.
  defp step(%Event{kind: :state}, state), do: {[], state}

  defp step(%End{} = the_end, state) do
    {dots, state} =
      state.dots
      |> Map.keys()
      |> Enum.map_reduce(state, fn track, state -> at(state, track, the_end.last_ns, &undot/3) end)

    {closing, _} = Frames.step(state.frames, the_end)
    ends = for {:close, frame, at_ns, how} <- closing, do: close(frame, now(state, frame.track, at_ns), how)
    {[dots, ends, foot(state, the_end)], state}
  end

  # It happened to no process.
  defp step(%Event{kind: :system} = event, state), do: {system(event), state}

  defp step(item, state) do
    {track, at_ns} = place(item)
    {name, state} = named(state, track)
    {pieces, state} = at(state, track, at_ns, &written(item, &1, &2, &3))
    {[name | pieces], state}
  end

  defp place(%Event{track: track, at_ns: at_ns}), do: {track, at_ns}
  defp place({:begin, %Transition{track: track, began: began}}), do: {track, began.at_ns}
  defp place({_, %Transition{track: track, moment: moment}}), do: {track, moment.at_ns}

  # Readers sort by time. What a process did at the same nanosecond would come in any order, an end before its beginning, so it is
  # one nanosecond later.
  defp at(state, track, at_ns, fun) do
    now = now(state, track, at_ns)
    fun.(%{state | clock: Map.put(state.clock, track, now)}, track, now)
  end

  defp now(state, track, at_ns), do: max(at_ns, Map.get(state.clock, track, -1) + 1)

  defp written(item, state, track, now) do
    {dot, state} = undot(state, track, now)
    {actions, frames} = Frames.step(state.frames, item)
    {pieces, state} = item(item, %{state | frames: frames}, now)
    {[dot, slices(item, actions, now), pieces], state}
  end

  # A track is named when it is met: a recording may know many processes that nothing is told of.
  defp named(state, track) do
    if MapSet.member?(state.named, track),
      do: {[], state},
      else:
        {Record.thread(track, Words.track(state.source, track)),
         %{state | named: MapSet.put(state.named, track)}}
  end

  # Slices

  # It has no time of its own: item/3 makes a dot of it.
  defp slices({:at, _transition}, _actions, _now), do: []

  defp slices(_item, actions, now) do
    for action <- actions do
      case action do
        {:open, frame} -> Record.open(name(frame), frame.kind, frame.track, now, opening(frame))
        {:close, frame, _at_ns, how} -> close(frame, now, how)
      end
    end
  end

  defp close(frame, now, how), do: Record.close(frame.track, now, closing(how))

  defp name(%{kind: :call, what: event}), do: Words.function(event)
  defp name(%{kind: :handled, what: transition}), do: Words.message(transition)

  defp opening(%{kind: :call, what: event}), do: %{seq: Words.seq(event), arguments: Words.arguments(event)}
  defp opening(%{what: transition}), do: taken_up(transition)

  defp taken_up(%Transition{began: began, from_process: from}),
    do: %{seq: began.seq, from: from && Words.pid(from)}

  defp closing({:return, event}), do: %{returned: Words.term(event.value, 400)}
  defp closing({:exception, event}), do: %{raised: Words.event(event)}
  defp closing({:handled, transition}), do: handled(transition)
  defp closing(:unfinished), do: %{unfinished: true}

  defp handled(%Transition{reply: {:ok, reply}} = t),
    do: Map.put(handled(%{t | reply: nil}), :reply, Words.term(reply))

  defp handled(%Transition{result: result}), do: %{result: Words.term(result)}

  # What happens

  defp item(%Event{kind: kind} = event, state, now) when kind in [:send, :send_to_dead] do
    name = "#{String.replace(to_string(kind), "_", " ")} #{Words.message(event)}"
    state = state |> arrived(event) |> dot(event.track, now, name, "message", seq(event))
    {[], if(event.partner, do: wait(state, Words.seq(event), event, now, event.partner), else: state)}
  end

  defp item(%Event{kind: :receive} = event, state, now) do
    name = "receive #{Words.message(event)}"
    state = state |> arrived(event) |> dot(event.track, now, name, "message", seq(event))
    {counter(state, event.track, now), join(state, event.partner, event, now, "message")}
  end

  defp item(%Event{kind: kind} = event, state, now) when kind in [:spawn, :spawned] do
    state = dot(state, event.track, now, Words.event(event), "lifecycle", seq(event))
    # The numbers of a birth and of a send are of different events, so they never meet.
    birth = Births.of(state.births, event)

    if birth == nil or Waiting.get(state.ends, birth),
      do: {[], join(state, birth, event, now, "spawn")},
      else: {[], wait(state, birth, event, now, max(birth, Words.seq(event)))}
  end

  defp item(%Event{kind: :exit} = event, state, now) do
    kind = if orderly?(event.reason), do: "exit", else: "crash"

    {Record.instant("#{kind}: #{Words.event(event)}", kind, event.track, now, seq(event)),
     arrived(state, event)}
  end

  defp item(%Event{kind: kind} = event, state, now) when kind in [:line, :mark],
    do: {Record.instant(Words.event(event), to_string(kind), event.track, now, seq(event)), state}

  # Nothing else happens to a process between the two.
  defp item(%Event{kind: :gc, what: what} = event, state, now)
       when what in [:gc_minor_start, :gc_major_start],
       do: {[], put_in(state.collecting[event.track], now)}

  defp item(%Event{kind: :gc, what: what} = event, state, now) when what in [:gc_minor_end, :gc_major_end] do
    case Map.pop(state.collecting, event.track) do
      {nil, _} ->
        {[], state}

      {began, collecting} ->
        name = if what == :gc_major_end, do: "major collection", else: "minor collection"
        about = Map.put(seq(event), :heap, Words.term(event.detail, 400))
        {Record.slice(name, "gc", event.track, began, now - began, about), %{state | collecting: collecting}}
    end
  end

  defp item({:begin, transition}, state, now), do: taken(state, transition, now)

  defp item({:at, %Transition{kind: kind} = t}, state, now) when kind not in @untold do
    {counter, state} = taken(state, t, now)
    about = Map.merge(taken_up(t), handled(t))
    {counter, dot(state, t.track, now, Words.message(t), "handled", about)}
  end

  defp item(_other, state, _now), do: {[], state}

  defp seq(event), do: %{seq: Words.seq(event)}

  @untrackable [:processes, :runtime, :applications, :tables, :ports]

  defp system(
         %Event{what: :sample, detail: %{memory: memory, run_queue: queue, schedulers: schedulers}} = event
       ) do
    busy = if is_map_key(schedulers, :normal), do: %{percent: div(schedulers.normal, 10)}

    for {name, %{} = values} <- [
          {"memory", Map.take(memory, [:processes, :binary, :ets, :code, :atom])},
          {"run queue", queue},
          {"schedulers", busy}
        ],
        do: Record.counter(name, nil, event.at_ns, values)
  end

  defp system(%Event{what: what}) when what in @untrackable, do: []
  defp system(event), do: Record.instant(Words.event(event), "system", nil, event.at_ns, seq(event))

  defp orderly?(reason) when reason in [:normal, :shutdown], do: true
  defp orderly?({:shutdown, _}), do: true
  defp orderly?(_reason), do: false

  # Mailboxes

  defp arrived(state, event), do: %{state | inbox: Inbox.event(state.inbox, event)}

  defp taken(state, transition, now) do
    {_data, inbox} = Inbox.taken(state.inbox, transition)
    state = %{state | inbox: inbox}
    {counter(state, transition.track, now), state}
  end

  defp counter(state, track, now) do
    if Inbox.served?(state.inbox, track) do
      name = "mailbox of #{Words.track(state.source, track)}"
      Record.counter(name, track, now, %{messages: Inbox.size(state.inbox, track)})
    else
      []
    end
  end

  # A dot is a slice for what takes no time, so that an arrow has something to hold on to. It ends before the next thing happens to
  # its process, or it would not nest; so it is written then.
  defp dot(state, track, now, name, category, about),
    do: %{state | dots: Map.put(state.dots, track, {now, name, category, about, []})}

  defp undot(state, track, now) do
    case Map.pop(state.dots, track) do
      {nil, _} ->
        {[], state}

      {{began, name, category, about, arrows}, dots} ->
        slice = Record.slice(name, category, track, began, min(@dot_ns, now - began), about)
        {[slice, arrows], %{state | dots: dots}}
    end
  end

  # Both ends of an arrow are written when the later one is known: none has only one.
  defp wait(state, id, event, now, due) do
    this = {arrival?(event), event.track, now}
    %{state | ends: Waiting.put(state.ends, id, this, due, Words.seq(event))}
  end

  defp join(state, id, event, now, name) do
    case Waiting.pop(state.ends, id) do
      {nil, _} ->
        state

      {other, ends} ->
        [{_, from, from_ns}, {_, to, to_ns}] = Enum.sort([other, {arrival?(event), event.track, now}])
        arrow = Record.arrow(name, id, {from, from_ns}, {to, to_ns})
        # After the slice that it is bound to.
        dots = Map.update!(state.dots, event.track, fn dot -> put_elem(dot, 4, [elem(dot, 4) | arrow]) end)
        %{state | ends: ends, dots: dots}
    end
  end

  defp arrival?(%Event{kind: kind}), do: kind in [:receive, :spawned]

  defp foot(state, the_end) do
    caveats = Source.caveats(state.source, the_end)
    said = for text <- caveats, do: Record.instant(text, "caveat", nil, the_end.last_ns, %{})
    other = %{recording: Words.title(state.source), events: the_end.count, caveats: caveats}
    [said, ~s(\n],"otherData":), Json.encode(other), "}\n"]
  end
end
