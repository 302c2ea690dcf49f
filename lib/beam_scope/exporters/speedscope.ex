defmodule BeamScope.Exporters.Speedscope do
  @moduledoc """
  `:speedscope`: the recorded calls as flame graphs for speedscope, one profile a process.

  Needs calls in the recording (`calls:`). A call that had not returned when its process or the recording ended is closed there.
  Reads the calls once, and once more for each process, since speedscope wants a process' calls together.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.Event
  alias BeamScope.Export.{End, Frames, Source, Words}
  alias BeamScope.Exporters.Json

  @kinds [:call, :return, :exception, :exit]
  @schema "https://www.speedscope.app/file-format-schema.json"

  @impl true
  def options, do: []

  @impl true
  def stream(source), do: Stream.flat_map([source], &file/1)

  defp file(source) do
    source = %{source | filters: Keyword.put(source.filters, :kind, kinds(source))}
    found = Enum.reduce(Source.events(source), %{tracks: MapSet.new(), functions: %{}, last: nil}, &found/2)
    tracks = Enum.sort(found.tracks)

    Stream.concat([
      [[~s({"$schema":), Json.encode(@schema), ~s(,"exporter":"BeamScope","profiles":[)]],
      tracks |> Stream.with_index() |> Stream.flat_map(&profile(source, found, &1)),
      [if(tracks == [], do: empty(), else: []), foot(source, found)]
    ])
  end

  defp kinds(source) do
    case source.filters[:kind] do
      nil -> @kinds
      kinds -> Enum.filter(@kinds, &(&1 in List.wrap(kinds) or &1 == :exit))
    end
  end

  # Whose calls there are, of which functions, and where the export ends.
  defp found(%Event{kind: :call} = event, found) do
    function = Words.function(event)
    functions = Map.put_new(found.functions, function, map_size(found.functions))
    %{found | tracks: MapSet.put(found.tracks, event.track), functions: functions, last: event}
  end

  defp found(%Event{} = event, found), do: %{found | last: event}
  defp found(%End{} = the_end, found), do: Map.put(found, :end, the_end)

  defp profile(source, found, {track, n}) do
    filters = [process: track, limit: :infinity, until: found.last.moment]
    name = Json.encode(Words.track(source, track))
    head = [~s({"type":"evented","unit":"nanoseconds","name":), name, ~s(,"events":[)]

    Stream.concat([
      [if(n > 0, do: ",\n", else: []), head],
      source |> Source.events(filters) |> Stream.transform({Frames.new(), ""}, &step(&1, &2, found)),
      [~s(],"startValue":0,"endValue":#{found.end.last_ns}})]
    ])
  end

  defp step(item, {frames, comma}, found) do
    # The end of the export, not of this process' calls.
    item = with %End{} <- item, do: found.end
    {actions, frames} = Frames.step(frames, item)
    {pieces, comma} = Enum.map_reduce(actions, comma, &{[&2, action(&1, found)], ",\n"})
    {pieces, {frames, comma}}
  end

  defp action({:open, frame}, found), do: event("O", frame, frame.at_ns, found)
  defp action({:close, frame, at_ns, _how}, found), do: event("C", frame, at_ns, found)

  defp event(type, frame, at_ns, found) do
    number = Map.fetch!(found.functions, Words.function(frame.what))
    Json.encode({:object, type: type, frame: number, at: at_ns})
  end

  defp empty do
    nothing = "no calls were recorded: start with calls: [Module, {m, f, a}, …]"

    Json.encode(%{type: "evented", name: nothing, unit: "nanoseconds", startValue: 0, endValue: 0, events: []})
  end

  defp foot(source, found) do
    frames = for {function, _n} <- Enum.sort_by(found.functions, &elem(&1, 1)), do: %{name: function}
    name = Enum.join([Words.title(source) | Source.caveats(source, found.end)], "; ")
    [~s(],"name":), Json.encode(name), ~s(,"shared":{"frames":), Json.encode(frames), "}}\n"]
  end
end
