defmodule BeamScope.Export.Steps do
  @moduledoc false
  # The events of an export with what a server's handling adds, in the order in which it happened: beside each `%Event{}` of
  # Source.events/2, at the events that told of them,
  #
  #   {:begin, transition}  a message was taken up
  #   {:end, transition}    it was handled
  #   {:at, transition}     one event told all of it (gen_statem), or it is a gap, a read, a change from outside
  #
  # Histories are read in pages as well: of each process at work one page is kept, and no states.

  alias BeamScope.{Event, Moment, Transition}
  alias BeamScope.Export.{End, Source}

  @page 100
  @ahead 10

  # What leaves out states or chooses by message tells of no handling.
  @choosing [:match, :from, :to, :call]

  @doc "The stream. `filters` as in Source.events/2."
  @spec stream(Source.t(), keyword) :: Enumerable.t()
  def stream(%Source{} = source, filters \\ []) do
    events = Source.events(source, filters)

    if handled?(Keyword.merge(source.filters, filters)),
      do: Stream.transform(events, %{}, &step(source, &1, &2)),
      else: events
  end

  defp handled?(filters) do
    kinds = filters |> Keyword.get(:kind, :state) |> List.wrap()
    :state in kinds and not Enum.any?(@choosing, &Keyword.has_key?(filters, &1))
  end

  defp step(_source, %End{} = the_end, cursors), do: {[the_end], cursors}

  defp step(source, %Event{kind: kind, lost_before: lost} = event, cursors)
       when kind in [:state, :exit] or lost > 0 do
    seq = event.moment.seq
    cursor = cursors |> Map.get(event.track, %{list: [], more: true}) |> passed(seq) |> filled(source, event)
    {Enum.flat_map(cursor.list, &told(&1, seq)) ++ [event], Map.put(cursors, event.track, cursor)}
  end

  defp step(_source, event, cursors), do: {[event], cursors}

  defp passed(cursor, seq), do: %{cursor | list: Enum.drop_while(cursor.list, &(&1.moment.seq < seq))}

  # Several may belong to one event, so the page is turned before its end.
  defp filled(%{more: true, list: list}, source, event) when length(list) < @ahead do
    history = BeamScope.history(source.recording, event.track, diff: false, limit: @page, since: event.moment)

    %{list: Enum.map(history.transitions, &%{&1 | from: nil, to: nil}), more: history.more}
  end

  defp filled(cursor, _source, _event), do: cursor

  defp told(%Transition{moment: %Moment{seq: seq}, began: %Moment{seq: seq}, result: :pending} = t, seq),
    do: [{:begin, t}]

  defp told(%Transition{moment: %Moment{seq: seq}, began: %Moment{seq: seq}} = t, seq), do: [{:at, t}]
  defp told(%Transition{moment: %Moment{seq: seq}} = t, seq), do: [{:end, t}]
  defp told(%Transition{began: %Moment{seq: seq}} = t, seq), do: [{:begin, t}]
  defp told(_transition, _seq), do: []
end
