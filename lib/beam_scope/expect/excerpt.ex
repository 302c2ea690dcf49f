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

  @typedoc "What was there, and where the thing itself is in it."
  @type t :: {:events | :states, [struct], seq :: non_neg_integer}

  @doc "What is around a subject; `nil` where there is nothing to show."
  @spec around(BeamScope.Recording.t(), Event.t() | Transition.t() | nil) :: t | nil
  def around(_rec, nil), do: nil

  def around(rec, %Event{moment: %{seq: seq}} = event) do
    {:events, neighbours(rec, event), seq}
  rescue
    Error -> nil
  end

  def around(rec, %Transition{moment: moment} = transition) do
    before = Past.transitions(rec, transition, moment, [], &(length(&1) > @before))
    later = BeamScope.history(rec, transition, since: moment, limit: 3).transitions

    around =
      (before ++ later)
      |> Enum.uniq_by(&{&1.moment.seq, &1.kind, &1.handler})
      |> window(moment.seq)
      |> Enum.take(@before + 2)

    {:states, around, moment.seq}
  rescue
    Error -> nil
  end

  @doc "An excerpt as lines, a mark at the thing itself."
  @spec lines(t, Style.t()) :: [Style.line()]
  def lines({:events, events, seq}, style), do: events |> Events.rows(style) |> mark(seq)
  def lines({:states, transitions, seq}, style), do: transitions |> states(style) |> mark(seq)

  @doc "The last changes of a process' state up to a moment."
  @spec changes_before(BeamScope.Recording.t(), term, Moment.like()) :: [Transition.t()]
  def changes_before(rec, process, moment) do
    rec
    |> Past.transitions(process, moment, [], &(Enum.count(&1, fn t -> changed?(t) end) >= @before))
    |> Enum.filter(&changed?/1)
    |> Enum.take(-@before)
  rescue
    Error -> []
  end

  defp changed?(%Transition{diff: %{same?: same?}}), do: not same?
  defp changed?(_transition), do: true

  @doc "Some events as lines."
  @spec list([Event.t()], Style.t()) :: [Style.line()]
  def list(events, style), do: Events.rows(events, style)

  # ---- events ----

  defp neighbours(rec, event) do
    tracks =
      Enum.uniq(for track <- [event.track, event.from_track, event.to_track], is_integer(track), do: track)

    ask = if event.kind in @messages, do: &BeamScope.messages/2, else: &BeamScope.events/2

    [event | Enum.flat_map(tracks, &(before(rec, ask, &1, event) ++ later(rec, ask, &1, event)))]
    |> Enum.uniq_by(& &1.moment.seq)
    |> Enum.reject(&started?/1)
    |> Enum.sort_by(& &1.moment.seq)
    |> window(event.moment.seq)
  end

  # What a process tells whoever started it is told of every one.
  defp started?(%Event{message: {:ack, pid, _}, from: pid}) when is_pid(pid), do: true
  defp started?(_event), do: false

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

  @doc "Some transitions as lines."
  @spec states([Transition.t()], Style.t()) :: [Style.line()]
  def states([], _style), do: []

  def states(transitions, style) do
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

  defp mark(lines, seq) do
    for line <- lines, do: if({:moment, "##{seq}"} in line, do: [{:error, "> "} | line], else: ["  " | line])
  end
end
