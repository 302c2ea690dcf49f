defmodule BeamScope.Expect.Awaited do
  @moduledoc false
  # Why a request may have no answer: who was asked waits for an answer to a call of its own, and so on; or for each other.

  alias BeamScope.{Error, Event, Process}
  alias BeamScope.Expect.Names
  alias BeamScope.Terminal.{Processes, Term}

  # So far back a call is looked for, and so long is a chain that is told.
  @back 100
  @longest 5

  @doc "The chain of calls without an answer that begins with who got this message, in words."
  @spec notes(BeamScope.Recording.t(), Names.t(), struct) :: [String.t()]
  def notes(rec, names, %Event{kind: :send, to_track: asked, from_track: from}) when is_integer(asked) do
    case chain(rec, asked, [from]) do
      {[], :ended, ended} ->
        ["#{name(names, asked)} had ended: #{Processes.reason(ended.reason, 60)} (##{ended.moment.seq})."]

      {[], _end, _} ->
        []

      {calls, how, last} ->
        [Enum.map_join(calls, ", ", &call(names, &1)) <> finally(names, how, last) <> "."]
    end
  rescue
    # That nothing came is told without its reason too.
    Error -> []
  end

  def notes(_rec, _names, _subject), do: []

  defp chain(rec, track, seen, calls \\ []) do
    call = open_call(rec, track)
    known = [track | seen]

    cond do
      call == nil -> stop(rec, track, calls)
      call.to_track in known -> {Enum.reverse([call | calls]), :circle, call.to_track}
      length(calls) == @longest or call.to_track == nil -> {Enum.reverse([call | calls]), :open, nil}
      true -> chain(rec, call.to_track, known, [call | calls])
    end
  end

  defp stop(rec, track, calls) do
    case BeamScope.events(rec, process: %Process{track: track}, kind: :exit, limit: 1).events do
      [ended] -> {Enum.reverse(calls), :ended, ended}
      [] -> {Enum.reverse(calls), :open, nil}
    end
  end

  # The last thing that it sent, if that is a call without an answer.
  defp open_call(rec, track) do
    process = %Process{track: track}
    sent = BeamScope.messages(rec, from: process, order: :desc, limit: @back)

    with %Event{kind: :send} = call <- Enum.find(sent, &(&1.label == :call)),
         false <- answered?(rec, process, call),
         do: call,
         else: (_ -> nil)
  end

  defp answered?(rec, process, call) do
    tag = Event.tag(call.message)
    received = BeamScope.events(rec, process: process, kind: :receive, since: call.moment, limit: @back)
    Enum.any?(received, &(&1.label == :reply and Event.tag(&1.message) == tag))
  end

  defp call(names, call) do
    "#{name(names, call.from_track)} waited for #{name(names, call.to_track)} to answer " <>
      "#{Term.text(call.content, 60)} (##{call.moment.seq})"
  end

  defp name(_names, nil), do: "a process that is not recorded"
  defp name(names, track), do: Names.track(names, track, nil)

  defp finally(names, :circle, track), do: ", and #{name(names, track)} for it: a deadlock"

  defp finally(names, :ended, ended) do
    ", and #{name(names, ended.track)} had ended: #{Processes.reason(ended.reason, 60)} (##{ended.moment.seq})"
  end

  defp finally(_names, :open, _), do: ""
end
