defmodule BeamScope.Inference.Roles do
  @moduledoc false
  # Names for roles that read well and are all different. They are texts: no atom is made of what was recorded.

  alias BeamScope.Opaque

  @reserved ~w(nil true false)

  @doc "The roles as an inference tells them."
  @spec name([map]) :: [BeamScope.Inference.role()]
  def name(roles) do
    {roles, _taken} = Enum.map_reduce(roles, MapSet.new(), &role/2)
    roles
  end

  defp role(role, taken) do
    name = role |> words() |> names() |> Enum.find(&(not MapSet.member?(taken, &1)))

    told =
      role
      |> Map.take([:processes, :states, :transitions])
      |> Map.merge(%{name: name, process: process(role)})

    {told, MapSet.put(taken, name)}
  end

  defp process(%{kind: :name, of: name}), do: name
  defp process(%{kind: :module, of: module}), do: [module: module]

  # The last word of a name, then more of it, then numbers.
  defp names(words) do
    tails = for n <- 1..length(words), do: words |> Enum.take(-n) |> Enum.join("_")
    Stream.concat(tails, Stream.map(Stream.iterate(2, &(&1 + 1)), &"#{hd(tails)}_#{&1}"))
  end

  defp words(%{of: of}) do
    words = of |> text() |> String.split(".") |> Enum.map(&word/1) |> Enum.reject(&(&1 == ""))
    if words == [], do: ["role"], else: words
  end

  defp text(%Opaque{text: text}), do: strip(text)
  defp text(atom) when is_atom(atom), do: atom |> Atom.to_string() |> strip()
  defp text({:global, name}), do: text(name)
  defp text(text) when is_binary(text), do: text
  defp text(other), do: inspect(other)

  defp strip("Elixir." <> name), do: name
  defp strip(name), do: name

  defp word(text) do
    text = text |> Macro.underscore() |> String.replace(~r/[^a-z0-9_]+/, "_") |> String.trim("_")

    cond do
      text in @reserved -> text <> "_role"
      text =~ ~r/^[0-9]/ -> "role_" <> text
      true -> text
    end
  end
end
