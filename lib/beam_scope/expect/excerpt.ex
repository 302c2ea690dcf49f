defmodule BeamScope.Expect.Excerpt do
  @moduledoc false
  # What went on around something, as lines: the messages or the states of those who took part, a mark at the thing itself.

  alias BeamScope.{Error, Event, History, Moment, Transition}
  alias BeamScope.Expect.Past
  alias BeamScope.Terminal.{Events, Style}

  @before 3
  @later 3
  @messages [:send, :send_to_dead, :receive]
  @lines_a_state 6

  @doc "The lines around a subject; none where there is nothing to show."
  @spec around(BeamScope.Recording.t(), Event.t() | Transition.t() | nil, Style.t()) :: [Style.line()]
  def around(_rec, nil, _style), do: []

  def around(rec, %Event{} = event, style) do
    rec |> neighbours(event) |> Events.rows(style) |> mark(event)
  rescue
    Error -> []
  end

  def around(rec, %Transition{moment: moment} = transition, style) do
    before = Past.transitions(rec, transition, moment, [], &(length(&1) > @before))
    later = BeamScope.history(rec, transition, since: moment, limit: 3).transitions

    (before ++ later)
    |> Enum.uniq_by(&{&1.moment.seq, &1.kind, &1.handler})
    |> window(moment.seq)
    |> Enum.take(@before + 2)
    |> states(style)
    |> mark(transition)
  rescue
    Error -> []
  end

  @doc "The last changes of a process' state up to a moment."
  @spec changes_before(BeamScope.Recording.t(), term, Moment.like(), Style.t()) :: [Style.line()]
  def changes_before(rec, process, moment, style) do
    rec
    |> Past.transitions(process, moment, [], &(Enum.count(&1, fn t -> changed?(t) end) >= @before))
    |> Enum.filter(&changed?/1)
    |> Enum.take(-@before)
    |> states(style)
  rescue
    Error -> []
  end

  defp changed?(%Transition{diff: %{same?: same?}}), do: not same?
  defp changed?(_transition), do: true

  @doc "Some events as lines."
  def list(events, style), do: Events.rows(events, style)

  # ---- events ----

  defp neighbours(rec, event) do
    tracks =
      Enum.uniq(for track <- [event.track, event.from_track, event.to_track], is_integer(track), do: track)

    ask = if event.kind in @messages, do: &BeamScope.messages/2, else: &BeamScope.events/2

    [event | Enum.flat_map(tracks, &(before(rec, ask, &1, event) ++ later(rec, ask, &1, event)))]
    |> Enum.uniq_by(& &1.moment.seq)
    |> Enum.sort_by(& &1.moment.seq)
    |> window(event.moment.seq)
  end

  defp before(rec, ask, track, event),
    do:
      ask.(rec, process: %BeamScope.Process{track: track}, until: event, order: :desc, limit: @before + 1).events

  defp later(rec, ask, track, event),
    do: ask.(rec, process: %BeamScope.Process{track: track}, since: event, limit: @later + 1).events

  defp window(items, seq) do
    {before, later} = Enum.split_while(items, &(&1.moment.seq < seq))
    Enum.take(before, -@before) ++ Enum.take(later, @later + 1)
  end

  # ---- states ----

  defp states([], _style), do: []

  defp states(transitions, style) do
    %History{transitions: transitions}
    |> BeamScope.Terminal.History.lines(style)
    |> tl()
    |> shorten()
  end

  # Of a large change, the first lines.
  defp shorten(lines) do
    lines
    |> Enum.chunk_while([], &by_transition/2, &{:cont, Enum.reverse(&1), []})
    |> Enum.flat_map(fn block ->
      {shown, hidden} = Enum.split(block, @lines_a_state)

      shown ++
        if(hidden == [], do: [], else: [[{:dim, "      … #{Style.count(length(hidden), "more line")}"}]])
    end)
  end

  defp by_transition(line, block) do
    if moment?(line) and block != [], do: {:cont, Enum.reverse(block), [line]}, else: {:cont, [line | block]}
  end

  defp moment?(line), do: Enum.any?(line, &match?({:moment, _}, &1))

  # ---- the mark ----

  defp mark(lines, %{moment: %Moment{seq: seq}}) do
    for line <- lines, do: if({:moment, "##{seq}"} in line, do: [{:error, "> "} | line], else: ["  " | line])
  end
end
