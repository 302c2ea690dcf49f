defmodule BeamScope.Exporters.Otlp do
  @moduledoc """
  `:otlp`: spans as OTLP/JSON, one request as `POST /v1/traces` takes it, for Jaeger, Tempo and every OpenTelemetry collector:

      curl -H "content-type: application/json" --data-binary @spans.json http://localhost:4318/v1/traces

  Spans are the recorded calls and the messages that servers handled. What happens during one is its child. A call of a server is
  the child of what its caller was in the middle of, so that a request is one trace across processes; a cast or another message
  begins a trace of its own, with a link to what its sender was in the middle of. Failures have status ERROR and an `exception`
  event; what had not ended has `beam_scope.unfinished`.

  `service:` is the `service.name` of the resource (`"beam"`). Identifiers come of the time of the recording and the number of the
  event: the same recording always exports the same ones. Parents are known where sends, receives and states are recorded
  (`:full`). A gen_statem's step is told of when it is over: its span has no duration, and what happened during it is no child.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.{Event, Transition}
  alias BeamScope.Export.{End, Frames, Inbox, Source, Steps, Waiting, Words}
  alias BeamScope.Exporters.Json

  @internal 1
  @server 2
  @consumer 5
  @error 2

  defstruct [:source, :inbox, :epoch_ns, frames: Frames.new(), sent: %Waiting{}, places: %{}, comma: ""]

  @impl true
  def options, do: [service: {"beam", "a string", &is_binary/1}]

  @impl true
  def stream(source) do
    state = %__MODULE__{source: source, inbox: Inbox.new(source), epoch_ns: Words.started(source.info)}

    Stream.concat([
      [~s({"resourceSpans":[{"scopeSpans":[{"scope":{"name":"beam_scope"},"spans":[\n)],
      source |> Steps.stream() |> Stream.transform(state, &step/2)
    ])
  end

  defp step(item, state) do
    {actions, frames} = Frames.step(state.frames, item)
    {spans, state} = Enum.flat_map_reduce(actions, %{state | frames: frames}, &action(&1, &2, item))
    {spans ++ foot(item, state), noted(item, state)}
  end

  # What is opened knows its place at once; it is written when it ends.
  defp action({:open, frame}, state, item) do
    {sender, state} = sender(item, state)
    place = place(frame, Map.get(state.places, frame.parent), sender, state)
    {[], %{state | places: Map.put(state.places, frame.id, place)}}
  end

  defp action({:close, frame, at_ns, how}, state, _item) do
    {place, places} = Map.pop!(state.places, frame.id)
    span = frame |> span(place, at_ns, how, state) |> Json.encode()
    {[[state.comma, span]], %{state | comma: ",\n", places: places}}
  end

  defp sender({how, %Transition{} = transition}, state) when how in [:begin, :at] do
    {place, inbox} = Inbox.taken(state.inbox, transition)
    {place, %{state | inbox: inbox}}
  end

  defp sender(_item, state), do: {nil, state}

  # A place is where a span stands: its trace, its own id, its parent's and the place of a span that it is linked to.
  defp place(frame, around, _sender, state) when around != nil,
    do: %{trace: around.trace, span: id(frame, 8, state), parent: around.span, link: nil}

  defp place(%{what: %Transition{kind: :call}} = frame, nil, sender, state) when sender != nil,
    do: %{trace: sender.trace, span: id(frame, 8, state), parent: sender.span, link: nil}

  defp place(frame, nil, sender, state),
    do: %{trace: id(frame, 16, state), span: id(frame, 8, state), parent: nil, link: sender}

  # Bytes that no other span has, and the same ones at each export.
  defp id(frame, bytes, %{epoch_ns: epoch_ns}) do
    {epoch_ns, bytes, frame.id}
    |> :erlang.term_to_binary()
    |> :erlang.md5()
    |> binary_part(0, bytes)
    |> Base.encode16(case: :lower)
  end

  # What a process is in the middle of goes with each message that it sends.
  defp noted(%Event{kind: :send, partner: partner, track: track} = event, state) do
    top = Frames.top(state.frames, track)
    state = %{state | inbox: Inbox.event(state.inbox, event)}

    if top != nil and partner != nil do
      now = Words.seq(event)
      place = Map.fetch!(state.places, top.id)
      %{state | sent: Waiting.put(state.sent, now, place, partner, now)}
    else
      state
    end
  end

  defp noted(%Event{kind: :receive} = event, state) do
    {place, sent} = Waiting.pop(state.sent, event.partner)
    %{state | sent: sent, inbox: Inbox.event(state.inbox, event, place)}
  end

  defp noted(%Event{} = event, state), do: %{state | inbox: Inbox.event(state.inbox, event)}
  defp noted(_item, state), do: state

  # Spans

  defp span(frame, place, at_ns, how, state) do
    %{
      traceId: place.trace,
      spanId: place.span,
      name: name(frame),
      kind: kind(frame),
      startTimeUnixNano: unix(frame.at_ns, state),
      endTimeUnixNano: unix(at_ns, state),
      attributes: attributes(frame, how, state)
    }
    |> put(:parentSpanId, place.parent)
    |> put(:links, place.link && [%{traceId: place.link.trace, spanId: place.link.span}])
    |> Map.merge(failure(how, unix(at_ns, state)))
  end

  defp put(map, _key, nil), do: map
  defp put(map, key, value), do: Map.put(map, key, value)

  defp unix(ns, state), do: Integer.to_string(state.epoch_ns + ns)

  defp name(%{kind: :call, what: event}), do: Words.function(event)
  defp name(%{what: transition}), do: Words.message(transition)

  defp kind(%{kind: :call}), do: @internal
  defp kind(%{what: %Transition{kind: :call}}), do: @server
  defp kind(_handled), do: @consumer

  defp attributes(frame, how, state) do
    [
      {"beam.process", Words.track(state.source, frame.track)},
      {"beam.track", frame.track},
      {"beam_scope.seq", started(frame)} | opening(frame) ++ closing(how)
    ]
    |> Enum.map(fn {key, value} -> %{key: key, value: value(value)} end)
  end

  defp started(%{what: %Event{} = event}), do: Words.seq(event)
  defp started(%{what: %Transition{began: began}}), do: began.seq

  defp opening(%{kind: :call, what: event}) do
    for text <- [Words.arguments(event)], text, do: {"code.arguments", text}
  end

  defp opening(%{what: %Transition{kind: kind, from_process: from}}) do
    [{"beam.message.kind", to_string(kind)}] ++
      for(pid <- [from], pid, do: {"beam.message.from", Words.pid(pid)})
  end

  defp closing({:return, event}), do: [{"code.returned", Words.term(event.value, 400)}]

  defp closing({:handled, %Transition{reply: {:ok, reply}}}),
    do: [{"beam.message.reply", Words.term(reply, 400)}]

  defp closing(:unfinished), do: [{"beam_scope.unfinished", true}]
  defp closing(_how), do: []

  defp failure({:exception, event}, at), do: error("#{event.class}", Words.term(event.reason, 400), at)

  defp failure({:handled, %Transition{result: {:crash, class, reason}}}, at),
    do: error("#{class || "error"}", Words.term(reason, 400), at)

  defp failure(_how, _at), do: %{}

  defp error(type, text, at) do
    about = [%{key: "exception.type", value: value(type)}, %{key: "exception.message", value: value(text)}]

    %{
      status: %{code: @error, message: text},
      events: [%{name: "exception", timeUnixNano: at, attributes: about}]
    }
  end

  # 64-bit integers are strings in the JSON of protocol buffers.
  defp value(n) when is_integer(n), do: %{intValue: Integer.to_string(n)}
  defp value(flag) when is_boolean(flag), do: %{boolValue: flag}
  defp value(text), do: %{stringValue: text}

  defp foot(%End{} = the_end, %{source: source}) do
    caveats =
      for {text, n} <- Enum.with_index(Source.caveats(source, the_end)), do: {"beam_scope.caveat.#{n}", text}

    about = [
      {"service.name", source.options.service},
      {"telemetry.sdk.language", "erlang"},
      {"beam_scope.recording", Words.title(source)},
      {"beam_scope.events", the_end.count} | caveats
    ]

    attributes = for {key, value} <- about, do: %{key: key, value: value(value)}
    [[~s(\n]}],"resource":), Json.encode(%{attributes: attributes}), "}]}\n"]]
  end

  defp foot(_item, _state), do: []
end
