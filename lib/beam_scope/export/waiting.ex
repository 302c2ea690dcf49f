defmodule BeamScope.Export.Waiting do
  @moduledoc false
  # What is kept of one event for another that is due later. Filters may leave out the other one: what is overdue goes, so that
  # an export of any length keeps no more than what was on its way at some moment.

  # So many are kept without a look.
  @some 5_000

  defstruct kept: %{}, sweep_at: @some

  @type t :: %__MODULE__{kept: map, sweep_at: pos_integer}

  @doc "Keeps a value until event number `due` (`:infinity`: it may always be asked for). It is event number `now`."
  @spec put(t, term, term, non_neg_integer | :infinity, non_neg_integer) :: t
  def put(%__MODULE__{} = waiting, key, value, due, now),
    do: swept(%{waiting | kept: Map.put(waiting.kept, key, {due, value})}, now)

  defp swept(%{kept: kept, sweep_at: sweep_at} = waiting, _now) when map_size(kept) <= sweep_at, do: waiting

  defp swept(%{kept: kept}, now) do
    # Atoms are greater than numbers.
    kept = Map.filter(kept, fn {_key, {due, _value}} -> due >= now end)
    %__MODULE__{kept: kept, sweep_at: max(@some, 2 * map_size(kept))}
  end

  @doc "Takes a value out: `nil` where there is none."
  @spec pop(t, term) :: {term, t}
  def pop(%__MODULE__{} = waiting, key) do
    case Map.pop(waiting.kept, key) do
      {nil, _} -> {nil, waiting}
      {{_due, value}, kept} -> {value, %{waiting | kept: kept}}
    end
  end

  @doc "Looks at a value, and leaves it there."
  @spec get(t, term) :: term
  def get(%__MODULE__{kept: kept}, key) do
    case kept do
      %{^key => {_due, value}} -> value
      _ -> nil
    end
  end
end
