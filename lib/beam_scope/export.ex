defmodule BeamScope.Export do
  @moduledoc false
  # BeamScope.export/4: checks what is asked for, and writes what a format's exporter streams.

  alias BeamScope.Export.{Out, Source}
  alias BeamScope.Exporters.{Chrome, Jsonl, Mermaid, Otlp, PlantUml, ShiViz, Speedscope}
  alias BeamScope.{Error, Recording}
  alias BeamScope.Recording.Query

  @formats [
    chrome: Chrome,
    mermaid: Mermaid,
    plantuml: PlantUml,
    shiviz: ShiViz,
    speedscope: Speedscope,
    otlp: Otlp,
    jsonl: Jsonl
  ]

  @filters [:kind, :process, :from, :to, :call, :match, :since, :until, :limit]
  @page 2_000

  @doc "The formats that have a name."
  @spec formats() :: [atom]
  def formats, do: Keyword.keys(@formats)

  @doc "Writes a recording to a file in a format."
  @spec run(Recording.t(), atom, Path.t(), keyword) :: :ok | {:error, Error.t()}
  def run(%Recording{} = rec, format, path, opts) do
    with {:ok, exporter} <- exporter(format),
         {:ok, path} <- path(path),
         {:ok, filters, options} <- options(exporter, opts),
         do: Out.write(path, fn -> rec |> Source.new(filters, options) |> exporter.stream() end)
  end

  def run(other, _format, _path, _opts), do: {:error, Query.not_a_recording(other)}

  defp exporter(format) when is_atom(format) do
    module = Keyword.get(@formats, format, format)

    if Code.ensure_loaded?(module) and function_exported?(module, :stream, 1),
      do: {:ok, module},
      else: unknown_format(format)
  end

  defp exporter(format), do: unknown_format(format)

  defp unknown_format(format),
    do: {:error, Error.new(:unknown_format, %{format: format, known: formats()})}

  defp path(path) do
    {:ok, Path.expand(path)}
  rescue
    _ -> invalid(:path, path, "a path, as File.write/2 takes it")
  end

  # The values of filters are checked by the first question that takes them.
  defp options(exporter, opts) do
    own = exporter.options()

    with :ok <- Query.known(opts, @filters ++ [:page] ++ Keyword.keys(own)),
         specs = [page: {@page, "a positive integer", &positive?/1}] ++ own,
         {:ok, options} <- values(specs, opts),
         {:ok, _query} <- Query.build(Keyword.take(opts, @filters), @filters),
         do: {:ok, Keyword.take(opts, @filters), options}
  end

  defp values(specs, opts) do
    Enum.reduce_while(specs, {:ok, %{}}, fn {key, {default, expected, valid?}}, {:ok, options} ->
      value = Keyword.get(opts, key, default)

      if valid?.(value),
        do: {:cont, {:ok, Map.put(options, key, value)}},
        else: {:halt, invalid(key, value, expected)}
    end)
  end

  defp positive?(n), do: is_integer(n) and n > 0

  defp invalid(key, value, expected),
    do: {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected})}
end
