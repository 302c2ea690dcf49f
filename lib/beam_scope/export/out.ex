defmodule BeamScope.Export.Out do
  @moduledoc false
  # The file of an export. It is written under another name beside its place and renamed when it is whole: nobody reads half
  # an export, and an export that fails leaves what was there before.

  alias BeamScope.Error

  # Pieces are small; the file system sees larger ones.
  @buffer_bytes 256 * 1024
  @buffer_ms 2_000

  @doc "Writes the stream that `fun` answers, of iodata, to a file."
  @spec write(Path.t(), (() -> Enumerable.t())) :: :ok | {:error, Error.t()}
  def write(path, fun) do
    part = "#{path}.part-#{System.pid()}-#{System.unique_integer([:positive])}"

    try do
      with :ok <- fill(part, fun), do: File.rename(part, path)
    rescue
      error in Error -> {:error, error}
    else
      :ok -> :ok
      {:error, reason} -> {:error, Error.new(:file, "#{path}: #{:file.format_error(reason)}")}
    after
      # Renamed or never made: then there is nothing to remove.
      File.rm(part)
    end
  end

  defp fill(part, fun) do
    modes = [:write, :exclusive, :raw, :binary, {:delayed_write, @buffer_bytes, @buffer_ms}]

    with {:ok, file} <- :file.open(part, modes) do
      try do
        pour(file, fun.())
      after
        # Where the stream raised; closing what is closed is no harm.
        :file.close(file)
      end
    end
  end

  # What a delayed write could not do is told by the next operation, closing at the latest.
  defp pour(file, stream) do
    written =
      Enum.reduce_while(stream, :ok, fn piece, :ok ->
        case :file.write(file, piece) do
          :ok -> {:cont, :ok}
          error -> {:halt, error}
        end
      end)

    with :ok <- written, do: :file.close(file)
  end
end
