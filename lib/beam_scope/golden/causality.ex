defmodule BeamScope.Golden.Causality do
  @moduledoc false
  # Which messages at a server have an order between them, and which merely came in one.
  #
  # One comes before another for sure if the other was sent because of it, through however many processes: `Past` knows.
  # Where all that was handled so far comes before all that follows there is a cut. What lies between two cuts has
  # either its place, if it is one message, or raced.

  import Bitwise

  alias BeamScope.Golden.Source
  alias BeamScope.Golden.Causality.Past

  @type placed :: {Source.unit(), {number :: non_neg_integer, before :: non_neg_integer}}

  @doc """
  The units of each server in blocks: a block of one has its place, the units of a larger one have no order that one could
  rely on. With each unit goes its number among those that count, and the set of those that come before it for sure, as bits.
  """
  @spec blocks(Source.t(), (non_neg_integer, Source.unit() -> boolean)) :: %{non_neg_integer => [[placed]]}
  def blocks(source, counts?) do
    servers =
      for {track, %{server?: true, units: [%{acts: [_ | _]} | _] = units}} <- source.tracks, into: %{} do
        {track, units |> Enum.filter(&counts?.(track, &1)) |> Enum.with_index()}
      end

    before = Past.before(source, servers)

    Map.new(servers, fn {track, units} ->
      {track, units |> Enum.map(fn {unit, n} -> {unit, {n, before[track][n] || 0}} end) |> cut()}
    end)
  end

  defp cut(units) do
    {blocks, _all} =
      units
      |> Enum.reverse()
      |> Enum.reduce({[], -1}, fn {_unit, {n, before}} = placed, {blocks, all} ->
        so_far = (2 <<< n) - 1
        blocks = if blocks == [] or (all &&& so_far) == so_far, do: [[] | blocks], else: blocks
        {[[placed | hd(blocks)] | tl(blocks)], all &&& before}
      end)

    blocks
  end
end
