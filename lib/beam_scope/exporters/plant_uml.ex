defmodule BeamScope.Exporters.PlantUml do
  @moduledoc """
  `:plantuml`: a sequence diagram in PlantUML's language. What it shows, and `messages:`, are those of
  `BeamScope.Exporters.Mermaid`.
  """
  @behaviour BeamScope.Exporter

  alias BeamScope.Exporters.Diagram

  @impl true
  def options, do: Diagram.options()

  @impl true
  def stream(source), do: Diagram.stream(source, __MODULE__)

  @doc false
  def head(title), do: ["@startuml\ntitle ", text(title), ?\n]

  @doc false
  def foot, do: "@enduml\n"

  @doc false
  def participant(id, label), do: [~s(participant "), text(label), ~s(" as ), id(id), ?\n]

  @doc false
  def arrow(kind, from, to, text), do: [id(from), arrow(kind), id(to), " : ", text(text), ?\n]

  @doc false
  def note(same, same, text), do: ["note over ", id(same), " : ", text(text), ?\n]
  def note(from, to, text), do: ["note over ", id(from), ", ", id(to), " : ", text(text), ?\n]

  defp id(n), do: "p#{n}"

  defp arrow(:call), do: " -> "
  defp arrow(:reply), do: " --> "
  defp arrow(:lost), do: " ->x "
  defp arrow(:spawn), do: " -> "
  defp arrow(_message), do: " ->> "

  # Its markup (bold, links, colours, line breaks) cannot be made of characters that are named.
  defp text(text), do: Diagram.escape(text, ~c" .,:(){}]'|?!", &named/1)

  defp named(char), do: ["<U+", char |> Integer.to_string(16) |> String.pad_leading(4, "0"), ">"]
end
