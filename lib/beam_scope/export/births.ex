defmodule BeamScope.Export.Births do
  @moduledoc false
  # Which life a spawn began. A pid may come again, so it is the one with that pid which began next to the spawn.

  alias BeamScope.{Event, Moment, Process}
  alias BeamScope.Export.Source

  @type t :: %{term => [non_neg_integer]}

  @doc "The births that a recording saw."
  @spec new(Source.t()) :: t
  def new(%Source{processes: processes}) do
    for {_track, %Process{known: :spawned, pid: pid, spawned_at: %Moment{seq: seq}}} <- processes,
        reduce: %{},
        do: (births -> Map.update(births, pid, [seq], &[seq | &1]))
  end

  @doc "The number of the birth (the child's `:spawned` event) that this `:spawn` or `:spawned` event is an end of, or `nil`."
  @spec of(t, Event.t()) :: non_neg_integer | nil
  def of(_births, %Event{kind: :spawned, moment: moment}), do: moment.seq

  def of(births, %Event{kind: :spawn, child: child, moment: %Moment{seq: seq}}),
    do: births |> Map.get(child, []) |> Enum.min_by(&abs(&1 - seq), fn -> nil end)
end
