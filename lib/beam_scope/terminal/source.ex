defmodule BeamScope.Terminal.Source do
  @moduledoc """
  Source lines with their numbers, the line in question marked and what happened beside it.
  """

  alias BeamScope.Source
  alias BeamScope.Terminal.Style

  @doc "The lines."
  @spec lines(Source.t(), Style.t()) :: [Style.line()]
  def lines(%Source{} = source, style) do
    width = source.lines |> length() |> Kernel.+(source.first) |> Integer.to_string() |> String.length()

    numbered =
      source.lines
      |> Enum.with_index(source.first)
      |> Enum.flat_map(fn {text, n} -> line(text, n, source, width) end)

    [heading(source)] ++ warning(source, style) ++ numbered
  end

  defp heading(source) do
    [
      {:heading, "#{Path.relative_to_cwd(source.file)}:#{source.line}"},
      function(source.function),
      {:dim, from(source.from)}
    ]
  end

  defp function({module, function, arity}) when is_integer(arity),
    do: "  #{Exception.format_mfa(module, function, arity)}"

  defp function(_unknown), do: ""

  defp from({:commit, commit}), do: "  at commit #{String.slice(commit, 0, 10)}"
  defp from(:working_tree), do: "  in the working tree"
  defp from(:file), do: ""
  defp from(:recording), do: "  as it was recorded"

  defp warning(%Source{warning: nil}, _style), do: []
  defp warning(%Source{warning: text}, style), do: Style.wrap([{:warn, "note"}, " ", text], style.width, 3)

  defp line(text, n, %Source{line: n, happened: happened}, width),
    do: [[{:moment, "▶ " <> number(n, width)}, "  " <> text] | Enum.map(happened, &beside(&1, text, width))]

  defp line(text, n, _source, width), do: [[{:dim, "  " <> number(n, width)}, "  " <> text]]

  # Under the line, where its text begins: beside it there is no room in most terminals.
  defp beside(what, text, width) do
    indent = Style.indent(text)
    [String.duplicate(" ", width + 4 + indent), {:name, "↳ " <> what}]
  end

  defp number(n, width), do: n |> Integer.to_string() |> String.pad_leading(width)
end
