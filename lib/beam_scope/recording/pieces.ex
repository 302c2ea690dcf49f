defmodule BeamScope.Recording.Pieces do
  @moduledoc false
  # A recording out of a sink: its pieces, one after the other, are a file.

  alias BeamScope.{Error, Recording, Sink}

  @spec load({module, keyword}) :: {:ok, Recording.t()} | {:error, Error.t()}
  def load(sink) do
    with {:ok, {module, opts}} <- Sink.normal(sink),
         {:ok, pieces} <- module.read(opts) do
      through_file(pieces)
    else
      :error -> {:error, Error.new(:sink, %{sink: sink, reason: "the module is no BeamScope.Sink"})}
      {:error, reason} -> {:error, Error.new(:sink, %{sink: sink, reason: reason})}
    end
  end

  # What was opened stays readable when its name is gone.
  defp through_file(pieces) do
    path =
      Path.join(
        System.tmp_dir!(),
        "beam_scope-#{System.pid()}-#{System.unique_integer([:positive])}.beamscope"
      )

    try do
      File.open!(path, [:raw, :write, :exclusive], fn device ->
        Enum.each(pieces, &IO.binwrite(device, &1))
      end)

      BeamScope.load(path)
    after
      File.rm(path)
    end
  rescue
    error in [File.Error, IO.StreamError] -> {:error, Error.new(:file, Exception.message(error))}
  end
end
