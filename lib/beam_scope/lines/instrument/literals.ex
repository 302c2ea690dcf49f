defmodule BeamScope.Lines.Instrument.Literals do
  @moduledoc """
  On which lines literals stand, as far as the source tells.

  `:ok` in a line of its own has no line in the debug information of Elixir: only what stands around it has. Where the source is at hand, the
  first line from there on that begins like a literal is taken for it; else the place stays marked as inexact.
  """

  alias BeamScope.Lines.Instrument.Site

  # How far below its construct a literal is looked for.
  @reach 40
  @most 1_000
  @literal ~r/^\s*(:["\w]|nil\b|true\b|false\b|"|'|~|-?\d|\[|\{|%\{|<<|[A-Z][\w.]*\s*$)/
  @inline ~r/(\bdo:|\belse:|->)\s/

  @typep sites :: %{non_neg_integer => Site.t()}

  @doc "The sites with the lines that were found."
  @spec place(sites, %{non_neg_integer => map}, String.t() | nil) :: sites
  def place(sites, _bodies, nil), do: sites

  def place(sites, bodies, source) do
    lines = source |> String.split("\n") |> Enum.with_index(1) |> Map.new(fn {text, n} -> {n, text} end)

    sites
    |> Enum.group_by(fn {_, site} -> site.function end)
    |> Enum.flat_map(fn {_function, its} -> its |> Map.new() |> function(bodies, lines) end)
    |> Map.new()
  end

  # Generated ones have thousands of places, and every literal is compared with all of them.
  defp function(sites, _bodies, _lines) when map_size(sites) > @most, do: sites

  defp function(sites, bodies, lines) do
    sites
    |> Enum.reject(fn {_, site} -> site.exact end)
    |> Enum.map(fn {id, site} -> {order(id, site, bodies, lines), id} end)
    |> Enum.sort()
    |> Enum.reduce(sites, fn {_, id}, sites -> find(id, sites, bodies, lines) end)
  end

  # Elixir makes a `case` of an `if`, and tries first whether it is to go on with `else`, which stands below.
  defp order(id, site, bodies, lines) do
    case body(site, bodies) do
      %{kind: :case, clause: clause, construct: construct} ->
        if swapped?(site, lines),
          do: {construct_id(id, clause), construct, -clause},
          else: {id, construct, clause}

      _ ->
        {id, 0, 0}
    end
  end

  # The numbers of both lie beside each other, as far as this order goes.
  defp construct_id(id, 0), do: id + 1
  defp construct_id(id, _), do: id

  defp swapped?(%{line: line}, lines) do
    text = Map.get(lines, line, "")
    text =~ ~r/\bif\b/ and not (text =~ ~r/\bunless\b/)
  end

  defp body(%{path: path}, bodies) do
    {body, index} = List.last(path)
    if index == 0, do: bodies[body]
  end

  defp find(id, sites, bodies, lines) do
    %{line: line} = site = sites[id]
    from = max(line, below(id, site, sites, bodies, lines)) + 1

    cond do
      Map.get(lines, line, "") =~ @inline -> Map.put(sites, id, %{site | exact: true})
      n = search(from, line, lines) -> Map.put(sites, id, %{site | line: n, exact: true})
      true -> sites
    end
  end

  # The last line that is taken already: of the branch above, or of the literal above in the same body.
  defp below(id, site, sites, bodies, lines) do
    rivals =
      for {other, %{function: function, exact: true} = known} <- sites,
          other != id,
          function == site.function,
          do: known

    case body(site, bodies) do
      %{kind: :case, clause: 0, construct: construct} when is_integer(construct) ->
        if swapped?(site, lines), do: last_of(rivals, construct, bodies), else: 0

      _ ->
        taken =
          for %{line: line, path: path} <- rivals,
              path != site.path,
              Enum.drop(path, -1) == Enum.drop(site.path, -1),
              earlier?(path, site.path),
              do: line

        Enum.max([0 | taken])
    end
  end

  defp earlier?(path, other),
    do: elem(List.last(path), 0) == elem(List.last(other), 0) and List.last(path) < List.last(other)

  defp last_of(rivals, construct, bodies) do
    lines =
      for %{line: line, path: path} <- rivals,
          Enum.any?(path, fn {body, _} -> bodies[body].construct == construct end),
          do: line

    Enum.max([0 | lines])
  end

  # Not beyond the end of what it stands in.
  defp search(from, line, lines) do
    least = lines |> Map.get(line, "") |> indent()

    Enum.reduce_while(from..(line + @reach)//1, nil, fn n, nil ->
      text = Map.get(lines, n, "")

      cond do
        text =~ @literal and indent(text) >= least -> {:halt, n}
        closes?(text, least) -> {:halt, nil}
        true -> {:cont, nil}
      end
    end)
  end

  defp closes?(text, least),
    do: String.trim(text) != "" and (indent(text) < least or String.trim(text) == "end")

  defp indent(text), do: byte_size(text) - byte_size(String.trim_leading(text))
end
