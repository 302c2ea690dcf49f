defmodule BeamScope.Exporters.ShiViz do
  @moduledoc """
  `:shiviz`: a log with vector clocks, which ShiViz draws as what happened before what.

  Choose the file in ShiViz: its first line is the regular expression that ShiViz reads the rest by, the second (empty) separates
  no executions. Every event then has two lines: its number, time and what it was; the process, and its clock.

      (?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})

  Clocks come of what makes one thing happen after another: a process does one thing after the other, a message is received after
  it was sent, a child runs after it was spawned, and who is told of an end by a link or monitor is told after it. Events left
  out by filters leave their clocks out, too; what was sent by nobody recorded (timers, ports, other nodes) comes from nowhere.

  A clock names every process that the event depends on, so the file grows with their number: use `process:`, `kind:`, `limit:`.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.Event
  alias BeamScope.Export.{Births, End, Source, Waiting, Words}
  alias BeamScope.Exporters.Json

  @regex "(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})"
  # What nothing did that is in the recording.
  @no_deeds [:baseline, :note, :system, :gc, :running, :line]

  defstruct [:source, :births, :hosts, clocks: %{}, causes: %Waiting{}]

  @impl true
  def options, do: []

  @impl true
  def stream(source) do
    hosts = Map.new(source.processes, fn {track, _process} -> {track, host(source, track)} end)
    state = %__MODULE__{source: source, births: Births.new(source), hosts: hosts}
    Stream.concat([[@regex, "\n\n"], source |> Source.events() |> Stream.transform(state, &step/2)])
  end

  # A pid may come again; the number of the life may not.
  defp host(source, track), do: "#{source |> Words.track(track) |> String.replace(~r/\s+/u, "_")}##{track}"

  # ShiViz has no place for remarks but the log itself.
  defp step(%End{} = the_end, state) do
    caveats = state.source |> Source.caveats(the_end) |> Enum.with_index(1)
    {for({text, n} <- caveats, do: [text, "\nBeamScope ", Json.encode(%{"BeamScope" => n}), ?\n]), state}
  end

  defp step(%Event{kind: kind}, state) when kind in @no_deeds, do: {[], state}

  defp step(%Event{track: track} = event, state) do
    {cause, state} = cause(event, state)
    clock = state.clocks |> Map.get(track, %{}) |> merge(cause) |> Map.update(track, 1, &(&1 + 1))
    state = %{state | clocks: Map.put(state.clocks, track, clock)}
    {[line(event, clock, state)], effect(event, clock, state)}
  end

  # The clock of what this event comes of, under the name by which effect/3 kept it.
  defp cause(%Event{kind: :receive, partner: partner}, state) when is_integer(partner),
    do: take(state, partner)

  # Several may be told of an end.
  defp cause(%Event{kind: :receive, label: label, content: {pid, _reason}}, state)
       when label in [:down, :exit],
       do: {Waiting.get(state.causes, {:end, pid}), state}

  defp cause(%Event{kind: :spawned, moment: moment}, state), do: take(state, {:birth, moment.seq})
  defp cause(_event, state), do: {nil, state}

  defp take(state, name) do
    {clock, causes} = Waiting.pop(state.causes, name)
    {clock, %{state | causes: causes}}
  end

  defp effect(%Event{kind: :send, partner: partner} = event, clock, state) when is_integer(partner),
    do: keep(state, event, Words.seq(event), clock, partner)

  defp effect(%Event{kind: :spawn} = event, clock, state) do
    birth = Births.of(state.births, event)
    keep(state, event, {:birth, birth}, clock, birth || 0)
  end

  defp effect(%Event{kind: :exit, pid: pid} = event, clock, state),
    do: keep(state, event, {:end, pid}, clock, :infinity)

  defp effect(_event, _clock, state), do: state

  defp keep(state, event, name, clock, due),
    do: %{state | causes: Waiting.put(state.causes, name, clock, due, Words.seq(event))}

  defp merge(clock, nil), do: clock
  defp merge(clock, other), do: Map.merge(clock, other, fn _track, a, b -> max(a, b) end)

  defp line(event, clock, %{hosts: hosts}) do
    pairs = for {track, n} <- Enum.sort(clock), do: {Map.fetch!(hosts, track), n}
    what = "##{Words.seq(event)} #{event.kind} #{Words.event(event)}"
    [what, ?\n, Map.fetch!(hosts, event.track), ?\s, Json.encode({:object, pairs}), ?\n]
  end
end
