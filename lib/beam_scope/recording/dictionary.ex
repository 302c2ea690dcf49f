defmodule BeamScope.Recording.Dictionary do
  @moduledoc false
  # Process dictionaries: what was there, and the writes since.

  alias BeamScope.{Error, Recorder, Recording}
  alias BeamScope.Recording.Query

  @doc "The dictionary of a process at a moment."
  @spec read(Recording.t(), term, BeamScope.moment()) :: {:ok, map} | {:error, Error.t()}
  def read(rec, process, moment) do
    with {:ok, all} <- gather(rec, moment, process: process) do
      case all |> Map.values() |> List.last() do
        nil -> unknown("it was not followed: record with pdict: true")
        known -> known
      end
    end
  end

  @doc "Those of all processes that are followed, by track; empty where none is, without a look at the events."
  @spec all(Recording.t(), BeamScope.moment()) :: %{non_neg_integer => {:ok, map} | {:error, Error.t()}}
  def all(rec, moment) do
    with {:ok, %{pdict: true}} <- Recorder.info(rec),
         {:ok, all} <- gather(rec, moment, []) do
      all
    else
      _ -> %{}
    end
  end

  defp gather(rec, moment, filters) do
    filters = filters ++ [limit: :infinity]

    # What it was at the start is told a little later.
    with {:ok, notes} <- Query.events(rec, [kind: :note] ++ filters),
         {:ok, calls} <- Query.events(rec, [kind: [:call, :return], call: :erlang, until: moment] ++ filters),
         {:ok, processes} <- Query.ask(rec, fn -> BeamScope.Native.processes(rec.native, :end) end) do
      begun =
        for %{detail: {:beam_scope_pdict, known}} = note <- notes,
            into: %{},
            do: {note.track, {note.moment.seq, known}}

      written = calls.events |> writes() |> Enum.group_by(&elem(&1, 0))
      born = for %{track: track, known: :spawned} <- processes, into: MapSet.new(), do: track
      tracks = MapSet.union(MapSet.new(Map.keys(begun)), MapSet.new(Map.keys(written)))

      {:ok,
       for(
         track <- tracks,
         into: %{},
         do: {track, dictionary(begun[track], written[track] || [], track in born)}
       )}
    end
  end

  # A write is done when it returns; to repeat one that was done before the dictionary was read changes nothing.
  defp writes(calls) do
    {writes, _open} =
      Enum.reduce(calls, {[], %{}}, fn event, {writes, open} ->
        case {event.kind, event.mfa} do
          {:call, {:erlang, function, arguments}} when function in [:put, :erase] and is_list(arguments) ->
            {writes, Map.put(open, event.track, {function, arguments})}

          {:return, {:erlang, function, _}} when function in [:put, :erase] ->
            {write, open} = Map.pop(open, event.track)
            {if(write, do: [{event.track, event.moment.seq, write} | writes], else: writes), open}

          _ ->
            {writes, open}
        end
      end)

    Enum.reverse(writes)
  end

  defp dictionary({_seq, :unknown}, _writes, _born), do: unknown("it was too large to be read")
  defp dictionary({seq, known}, writes, _born), do: fold(known, Enum.filter(writes, &(elem(&1, 1) > seq)))
  defp dictionary(nil, writes, true), do: fold([], writes)
  defp dictionary(nil, _writes, false), do: unknown("what it held at the start is not in the recording")

  defp fold(known, writes) do
    if whole?(known),
      do: {:ok, Enum.reduce(writes, Map.new(known), &write/2)},
      else: unknown("what it held at the start was truncated")
  end

  # A pair may have been cut as well as the list of them.
  defp whole?(known), do: is_list(known) and Enum.all?(known, &match?({_key, _value}, &1))

  defp write({_track, _seq, {:put, [key, value]}}, dictionary), do: Map.put(dictionary, key, value)
  defp write({_track, _seq, {:erase, [key]}}, dictionary), do: Map.delete(dictionary, key)
  defp write({_track, _seq, {:erase, []}}, _dictionary), do: %{}

  defp unknown(why), do: {:error, Error.new(:unknown_state, why)}
end
