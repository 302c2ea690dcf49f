defmodule BeamScope.Inference.Chance do
  @moduledoc false
  # What stands behind a candidate, in words.

  alias BeamScope.Inference.Candidate
  alias BeamScope.Terminal.Style

  @doc "Observations and chance."
  @spec text(Candidate.t()) :: String.t()
  def text(%Candidate{observations: n, chance: chance}),
    do: "#{Style.count(n, "observation")}, by chance #{number(chance)}"

  defp number(chance) when chance < 1.0e-99, do: "below 1.0e-99"
  defp number(chance), do: :erlang.float_to_binary(chance, scientific: 1)
end
