defmodule BeamScope.Exporters.Jsonl do
  @moduledoc """
  `:jsonl`: JSON Lines, one object a line, for `jq`, DuckDB, pandas and programs of one's own.

  The first line (`"type": "recording"`) tells of the recording: its account of events, losses and notes, and what was asked for.
  Then comes a line for each event (`"type": "event"`) with the fields of `BeamScope.Event` that are not empty, and a last one
  (`"type": "end"`) with the number of events and what is missing: a file without it is no whole export.

  A recorded term is `{"text": …}` as BeamScope prints it, in at most `text:` characters, and has a `"json"` beside it where it is
  plainly representable: numbers, strings, atoms (as strings), lists and maps of such. What was truncated or redacted has none.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.{Event, Opaque}
  alias BeamScope.Export.{End, Source, Words}
  alias BeamScope.Exporters.Json

  @version 1
  # Parts of a term that still are plain.
  @parts 500

  # What an event of such a kind has, though it be nil; of others what is not.
  @terms %{
    send: [:message, :content],
    send_to_dead: [:message, :content],
    receive: [:message, :content],
    return: [:value],
    exception: [:reason],
    exit: [:reason]
  }
  @others [:message, :before, :after, :detail]
  @pids [:pid, :from, :to, :child, :parent, :other]
  @names [:name, :from_name, :to_name, :registered]
  @plain [:track, :from_track, :to_track, :partner, :label, :class, :point, :what, :line]

  @impl true
  def options, do: [text: {500, "a positive integer", &(is_integer(&1) and &1 > 0)}]

  @impl true
  def stream(source) do
    Stream.concat(
      [[Json.encode(header(source)), ?\n]],
      source |> Source.events() |> Stream.map(&[Json.encode(line(&1, source)), ?\n])
    )
  end

  defp header(%Source{info: info} = source) do
    {:object,
     type: "recording",
     version: @version,
     level: info.level,
     targets: Enum.map(List.wrap(info.targets), &Words.term/1),
     started_at_unix_ns: Integer.to_string(Words.started(info)),
     stop_reason: info.stop_reason && Words.term(info.stop_reason),
     events: info.events,
     losses: Enum.map(info.losses, &loss/1),
     notes: Enum.map(info.notes, &text/1),
     asked_for: Enum.map(source.filters, fn {key, value} -> "#{key}: #{Words.term(value)}" end)}
  end

  defp loss(loss) do
    where = for key <- [:track, :from_ns, :to_ns, :count], do: {key, loss[key]}
    {:object, [{:pid, Words.pid(loss[:pid])} | where]}
  end

  defp text(text) when is_binary(text), do: text
  defp text(other), do: Words.term(other)

  defp line(%End{} = the_end, source),
    do: {:object, type: "end", events: the_end.count, caveats: Source.caveats(source, the_end)}

  defp line(%Event{} = event, source) do
    fixed = [type: "event", seq: Words.seq(event), at_ns: event.at_ns, kind: event.kind]
    {:object, fixed ++ fields(event, source.options.text) ++ marks(event)}
  end

  defp fields(event, width) do
    present(event, @plain, &plain/1) ++
      present(event, @pids, &pid/1) ++
      present(event, @names, &Words.term(&1, width)) ++
      called(event, width) ++ noted(event) ++ terms(event, width) ++ held(event, width) ++ stack(event)
  end

  defp terms(%Event{kind: kind} = event, width) do
    case @terms do
      %{^kind => keys} -> for key <- keys, do: {key, term(Map.fetch!(event, key), width)}
      _ -> present(event, @others, &term(&1, width))
    end
  end

  # `false` may well be a state.
  defp present(event, keys, fun),
    do: for(key <- keys, (value = Map.fetch!(event, key)) != nil, do: {key, fun.(value)})

  defp plain(value) when is_integer(value) or is_atom(value), do: value
  defp plain(value), do: Words.term(value)

  # What a message was sent to may be a name or an alias as well.
  defp pid(pid) when is_pid(pid), do: Words.pid(pid)
  defp pid(%Opaque{} = pid), do: Words.pid(pid)
  defp pid(other), do: Words.term(other)

  defp called(%Event{mfa: nil}, _width), do: []

  defp called(%Event{} = event, width) do
    arguments = if is_tuple(event.mfa) and tuple_size(event.mfa) == 3, do: elem(event.mfa, 2)

    listed =
      if arguments != nil and not is_integer(arguments), do: [arguments: term(arguments, width)], else: []

    [function: Words.function(event)] ++ listed
  end

  # What the variables of a place hold; where its table is missing, the values alone.
  defp held(%Event{variables: nil, kind: kind} = event, width) when kind in [:line, :mark],
    do: [value: term(event.value, width)]

  defp held(%Event{variables: nil}, _width), do: []

  defp held(%Event{variables: variables}, width),
    do: [variables: for({name, value} <- variables, do: {:object, name: name, value: term(value, width)})]

  defp stack(%Event{stack: nil}), do: []
  defp stack(%Event{stack: stack}), do: [stack: Enum.map(stack, &Words.term(&1, 400))]

  defp noted(%Event{text: nil}), do: []
  defp noted(%Event{text: text}), do: [text: text(text)]

  defp marks(event) do
    Enum.reject([flags: event.flags, lost_before: event.lost_before], fn {_key, value} -> value in [[], 0] end)
  end

  defp term(term, width) do
    case Json.plain(term, @parts) do
      {:ok, json} -> {:object, text: Words.term(term, width), json: json}
      :error -> {:object, text: Words.term(term, width)}
    end
  end
end
