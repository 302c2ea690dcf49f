defmodule BeamScope.Golden.Source do
  @moduledoc false
  # What a recording tells of each process, in *units*: of a server, one for each message that it handled, with what it
  # did meanwhile; of any other process, one for its whole life.

  alias BeamScope.{Error, Event, Native}
  alias BeamScope.Recording.Query

  @kinds [:send, :send_to_dead, :receive, :spawn, :exit, :call, :return, :exception]
  @servers [:gen_server, :gen_statem, :gen_event, :agent, :supervisor, :dynamic_supervisor, :task_supervisor]
  @cut_short [:events, :bytes, :ms, :rate]
  # What a server does by itself right after a message belongs to that message.
  @follow [:continue, :internal, :enter]

  @type t :: %{
          level: atom,
          info: map,
          processes: [BeamScope.Process.t()],
          events: [Event.t()],
          tracks: %{non_neg_integer => life}
        }
  @type life :: %{process: BeamScope.Process.t(), server?: boolean, units: [unit], got: [Event.t()]}
  @type unit :: %{
          at: non_neg_integer,
          acts: [map],
          effects: [Event.t()],
          from: term,
          sent: non_neg_integer | nil,
          again?: boolean
        }

  @doc "Reads a recording; one that lost something cannot tell the same story twice."
  @spec read(BeamScope.Recording.t()) :: {:ok, t} | {:error, Error.t()}
  def read(rec) do
    with {:ok, _} <- flush(rec),
         {:ok, info} <- Query.ask(rec, fn -> BeamScope.Recorder.info(rec) end),
         :ok <- complete(info),
         {:ok, %{events: events}} <- Query.events(rec, kind: @kinds, limit: :infinity),
         {:ok, processes} <- Query.ask(rec, fn -> Native.processes(rec.native, :end) end),
         processes = Enum.map(processes, &BeamScope.Process.from_native/1),
         {:ok, tracks} <- lives(rec, processes, events) do
      {:ok, %{level: info[:level], info: info, processes: processes, events: events, tracks: tracks}}
    end
  end

  defp flush(%{pid: nil}), do: {:ok, :loaded}

  defp flush(%BeamScope.Recording{} = rec),
    do: Query.ask(rec, fn -> Native.recording_flush(rec.native, 1_000) end)

  defp flush(other), do: {:error, Query.not_a_recording(other)}

  defp complete(%{events: events} = info) do
    lost = events.dropped + Map.get(events, :evicted, 0)

    cond do
      info[:stop_reason] in @cut_short -> incomplete("it was stopped by its limit of #{info.stop_reason}")
      lost > 0 -> incomplete("#{lost} events were lost")
      true -> :ok
    end
  end

  defp incomplete(what), do: {:error, Error.new(:golden_incomplete, what)}

  defp lives(rec, processes, events) do
    by_track = Enum.group_by(events, & &1.track)

    Enum.reduce_while(processes, {:ok, %{}}, fn process, {:ok, lives} ->
      case transitions(rec, process) do
        {:ok, transitions} ->
          life = life(process, transitions, Map.get(by_track, process.track, []))
          {:cont, {:ok, Map.put(lives, process.track, life)}}

        {:error, error} ->
          {:halt, {:error, error}}
      end
    end)
  end

  defp transitions(_rec, %{known: :seen}), do: {:ok, []}

  defp transitions(rec, process) do
    range = %{since: nil, until: nil, limit: nil, diff: false}

    case Query.ask(rec, fn -> Native.history(rec.native, {:track, process.track}, range) end) do
      {:ok, %{transitions: transitions}} -> no_gap(transitions)
      {:error, %Error{reason: :no_such_process}} -> {:ok, []}
      error -> error
    end
  end

  defp no_gap(transitions) do
    if Enum.any?(transitions, &(&1.kind == :gap)),
      do: incomplete("events of a process were lost"),
      else: {:ok, transitions}
  end

  # ---- units ----

  defp life(process, [], events) do
    {got, effects} = Enum.split_with(events, &(&1.kind == :receive))
    unit = %{at: 0, acts: [], effects: effects, from: nil, sent: nil, again?: false}
    %{process: process, server?: process.behaviour in @servers, units: [unit], got: got}
  end

  defp life(process, transitions, events) do
    {got, effects} = Enum.split_with(events, &(&1.kind == :receive))
    units = transitions |> Enum.sort_by(& &1.began_seq) |> Enum.chunk_while(nil, &unit/2, &last/1)
    %{process: process, server?: true, units: units |> with_effects(effects) |> with_senders(got), got: got}
  end

  defp unit(act, nil), do: {:cont, [act]}

  defp unit(act, acts) do
    if follows?(act, acts), do: {:cont, [act | acts]}, else: {:cont, made(acts), [act]}
  end

  defp last(acts), do: {:cont, made(acts), nil}

  defp follows?(%{kind: kind}, _acts) when kind in @follow, do: true

  # Each handler of a gen_event handles each event.
  defp follows?(%{kind: :event} = act, [%{kind: :event, message: message} | _] = acts),
    do: act.message == message and Enum.all?(acts, &(&1.handler != act.handler))

  defp follows?(_act, _acts), do: false

  defp made(acts) do
    [first | _] = acts = Enum.reverse(acts)
    %{at: first.began_seq, acts: acts, effects: [], from: first.from_process, sent: nil, again?: false}
  end

  # What a process did before its first unit belongs to that.
  defp with_effects([first | rest], effects) do
    {units, left} =
      [%{first | at: -1} | rest]
      |> Enum.reverse()
      |> Enum.map_reduce(Enum.reverse(effects), fn unit, left ->
        {mine, left} = Enum.split_while(left, &(&1.moment.seq >= unit.at))
        {%{unit | effects: Enum.reverse(mine)}, left}
      end)

    [] = left
    Enum.reverse(units)
  end

  # Which send a handled message came from: of those equal to it that had arrived, the first that is left.
  defp with_senders(units, got) do
    {units, _left} = Enum.map_reduce(units, Enum.group_by(got, & &1.message), &with_sender/2)
    units
  end

  defp with_sender(%{acts: [%{message: message} | _]} = unit, arrived) when message != nil do
    case arrived do
      %{^message => [receive | rest]} -> {sent_by(unit, receive), %{arrived | message => rest}}
      # A gen_statem takes up again what it postponed.
      %{^message => []} -> {%{unit | again?: true}, arrived}
      _ -> {unit, arrived}
    end
  end

  defp with_sender(unit, arrived), do: {unit, arrived}

  defp sent_by(unit, receive), do: %{unit | sent: receive.partner, from: unit.from || receive.from}
end
