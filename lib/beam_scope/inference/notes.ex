defmodule BeamScope.Inference.Notes do
  @moduledoc false
  # What was left out, in words.

  alias BeamScope.Inference.Words

  @doc "A note of the core."
  @spec text(term, [String.t()]) :: String.t()
  def text(:roles, _names), do: "there are more roles than are looked at: name some with only:"

  def text({:cut, role, what}, names), do: "#{who(role, names)} has more #{what} than are looked at"

  def text({:vague, role, what}, names),
    do: "some #{what} of #{who(role, names)} were cut or redacted, so that nothing is said of any"

  def text({:unseen, role, path}, names),
    do:
      "#{Words.path(path)} of #{who(role, names)} was cut or redacted in some states, so that nothing is said of it"

  defp who(role, names), do: Enum.at(names, role)
end
