defmodule BeamScope.Exporters.Diagram do
  @moduledoc false
  # What sequence diagrams have in common: who takes part, which arrows there are, and where the telling stops.

  alias BeamScope.{Event, Opaque, Process}
  alias BeamScope.Export.{Births, End, Source, Waiting, Words}
  alias BeamScope.Terminal.{Processes, Style}

  # A call that has had no answer after so many events will have none.
  @answered 100_000
  @kinds [:send, :send_to_dead, :receive, :spawn, :exit]

  @doc "The options of sequence diagrams."
  @spec options() :: [{atom, BeamScope.Exporter.option()}]
  def options do
    positive? = &(&1 == :infinity or (is_integer(&1) and &1 > 0))
    [messages: {50, "a positive integer or :infinity", positive?}]
  end

  @doc """
  The diagram by a language's words for it. Read twice, so that all who take part are known before the first arrow and no more
  than they need be kept.
  """
  @spec stream(Source.t(), module) :: Enumerable.t()
  def stream(source, language) do
    Stream.concat([
      [language.head(Words.title(source))],
      Stream.flat_map([source], &participants(&1, language)),
      source
      |> steps()
      |> Stream.transform(%{ids: %{}, shown: 0, hidden: 0}, &line(source, language, &1, &2)),
      [language.foot()]
    ])
  end

  defp participants(source, language) do
    source
    |> steps()
    |> limited(source.options.messages)
    |> Enum.flat_map(&parties/1)
    |> Enum.uniq()
    |> Enum.with_index()
    |> Enum.map(fn {party, id} -> language.participant(id, label(source, party)) end)
  end

  defp limited(steps, :infinity), do: steps
  defp limited(steps, n), do: Stream.take(steps, n)

  # Steps are arrows `{:arrow, kind, from, to, text, lost}`, ends `{:exit, party, text, lost}` and the end.
  defp steps(source) do
    filters = if source.filters[:kind], do: [], else: [kind: @kinds]
    state = %{births: lives(source), calls: %Waiting{}, pids: pids(source)}
    source |> Source.events(filters) |> Stream.transform(state, &step/2)
  end

  defp step(%End{} = the_end, state), do: {[the_end], state}

  # Its sending was told.
  defp step(%Event{kind: :receive, partner: partner}, state) when is_integer(partner), do: {[], state}

  defp step(%Event{kind: kind} = e, state) when kind in [:send, :send_to_dead, :receive] do
    {to, state} = receiver(e, state)
    arrow = if kind == :send_to_dead, do: :lost, else: e.label
    {[{:arrow, arrow, sender(e, state), to, Words.message(e), e.lost_before}], state}
  end

  defp step(%Event{kind: :spawn} = e, state) do
    child = party(state, Map.get(state.births, Births.of(state.births, e)), e.child, nil)
    {[{:arrow, :spawn, {:track, e.track}, child, "spawns #{Words.pid(e.child)}", e.lost_before}], state}
  end

  defp step(%Event{kind: :exit} = e, state),
    do: {[{:exit, {:track, e.track}, Words.event(e), e.lost_before}], state}

  defp step(_event, state), do: {[], state}

  defp sender(e, state), do: party(state, e.from_track, e.from, e.from_name)
  defp addressed(e, state), do: party(state, e.to_track, e.to, e.to_name)

  # A reply goes to an alias, which is a reference: whose it is, the call tells.
  defp receiver(%Event{label: :call} = e, state) do
    now = Words.seq(e)
    calls = Waiting.put(state.calls, Event.tag(e.message), sender(e, state), now + @answered, now)
    {addressed(e, state), %{state | calls: calls}}
  end

  defp receiver(%Event{label: :reply} = e, state) do
    {caller, calls} = Waiting.pop(state.calls, Event.tag(e.message))
    known? = e.to_track != nil or e.to_name != nil or not reference?(e.to)
    {if(known? or caller == nil, do: addressed(e, state), else: caller), %{state | calls: calls}}
  end

  defp receiver(e, state), do: {addressed(e, state), state}

  # In a recording of another system it is no live one.
  defp reference?(to), do: is_reference(to) or match?(%Opaque{kind: :reference}, to)

  # By pid the numbers of the births, and by those the tracks.
  defp lives(source) do
    tracks =
      for {track, %Process{known: :spawned, spawned_at: %{seq: seq}}} <- source.processes, do: {seq, track}

    Map.merge(Births.new(source), Map.new(tracks))
  end

  # Who ended has no track in what is sent to it; where a pid had one life, it is that one.
  defp pids(source) do
    for {pid, [{track, _}]} <- Enum.group_by(source.processes, fn {_track, process} -> process.pid end),
        into: %{},
        do: {pid, track}
  end

  # One life of a process, or somebody of whom the recording knows no more than a pid or name.
  defp party(_state, track, _pid, _name) when is_integer(track), do: {:track, track}
  defp party(_state, nil, nil, nil), do: :runtime
  defp party(_state, nil, from, nil) when from in [:undefined, :clock_service, :system], do: :runtime

  defp party(%{pids: pids}, nil, pid, name) do
    case pids do
      %{^pid => track} -> {:track, track}
      _ -> {:other, pid, name}
    end
  end

  defp label(source, {:track, track}), do: Words.track(source, track)
  defp label(_source, :runtime), do: "the runtime"
  defp label(_source, {:other, pid, name}), do: Processes.who(pid, name)

  defp parties({:arrow, _kind, from, to, _text, _lost}), do: [from, to]
  defp parties({:exit, party, _text, _lost}), do: [party]
  defp parties(%End{}), do: []

  # Numbers are given as in participants/2: in the order of appearance.
  defp line(source, language, %End{} = the_end, %{ids: ids} = state) when map_size(ids) == 0 do
    said = ["nothing was sent, spawned or ended" | Source.caveats(source, the_end)]
    {[[language.participant(0, Words.title(source)), Enum.map(said, &language.note(0, 0, &1))]], state}
  end

  defp line(source, language, %End{} = the_end, state) do
    said = hidden(source, state.hidden) ++ Source.caveats(source, the_end)
    {[Enum.map(said, &language.note(0, map_size(state.ids) - 1, &1))], state}
  end

  defp line(source, _language, _step, %{shown: n} = state)
       when n == :erlang.map_get(:messages, source.options),
       do: {[], %{state | hidden: state.hidden + 1}}

  defp line(_source, language, step, state) do
    state = Enum.reduce(parties(step), state, &numbered/2)
    {[[lost(step, state, language), drawn(step, state, language)]], %{state | shown: state.shown + 1}}
  end

  defp hidden(_source, 0), do: []

  defp hidden(%Source{options: %{messages: most}}, n),
    do: ["#{Style.number(n)} more messages, spawns and ends are not shown (messages: #{most})"]

  defp numbered(party, state),
    do: %{state | ids: Map.put_new(state.ids, party, map_size(state.ids))}

  defp drawn({:arrow, kind, from, to, text, _lost}, %{ids: ids}, language),
    do: language.arrow(kind, Map.fetch!(ids, from), Map.fetch!(ids, to), text)

  defp drawn({:exit, party, text, _lost}, %{ids: ids}, language),
    do: language.note(Map.fetch!(ids, party), Map.fetch!(ids, party), text)

  defp lost(step, %{ids: ids}, language) do
    id = Map.fetch!(ids, step |> parties() |> hd())

    case elem(step, tuple_size(step) - 1) do
      0 -> []
      n -> language.note(id, id, "#{n} events lost here")
    end
  end

  @doc "Text in which every character that a grammar might take for its own is replaced; `harmless` are those that it does not."
  @spec escape(String.t(), charlist, (char -> iodata)) :: iodata
  def escape(text, harmless, replace) do
    for <<char::utf8 <- text>>,
      do: if(letter?(char) or char in harmless, do: <<char::utf8>>, else: replace.(char))
  end

  defp letter?(char), do: char in ?a..?z or char in ?A..?Z or char in ?0..?9 or char >= 0xA0
end
