defmodule BeamScope.Exporters.Mermaid do
  @moduledoc """
  `:mermaid`: a sequence diagram in Mermaid's language, which code forges and documents show as a picture.

  Calls have filled arrows, replies dashed ones, casts and other messages open ones; a message to nobody ends in a cross. Spawns are
  arrows, too, and ends are notes. Only the first `messages:` (50, or `:infinity`) of these are drawn, and a note says how many
  more there are: a larger diagram is read by nobody, so filters (`process:`, `since:`, …) do more than a larger number.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.Exporters.Diagram

  @impl true
  def options, do: Diagram.options()

  @impl true
  def stream(source), do: Diagram.stream(source, __MODULE__)

  @doc false
  def head(title), do: ["sequenceDiagram\n  %% ", text(title), ?\n]

  @doc false
  def foot, do: []

  @doc false
  def participant(id, label), do: ["  participant ", id(id), " as ", text(label), ?\n]

  @doc false
  def arrow(kind, from, to, text), do: ["  ", id(from), arrow(kind), id(to), ": ", text(text), ?\n]

  @doc false
  def note(from, to, text), do: ["  Note over ", id(from), ?,, id(to), ": ", text(text), ?\n]

  defp id(n), do: "p#{n}"

  defp arrow(:call), do: "->>"
  defp arrow(:reply), do: "-->>"
  defp arrow(:lost), do: "-x"
  defp arrow(:spawn), do: "->>"
  defp arrow(_message), do: "-)"

  # Mermaid reads `#35;` as a character wherever text stands, before its grammar sees it.
  defp text(text), do: Diagram.escape(text, ~c" .,:_/=()[]{}'|*?!", &"##{&1};")
end
