defmodule BeamScope.Recorder.Flight.Files do
  @moduledoc """
  The directory of frozen recordings: `beam_scope-20261128T075852.123Z-crash.beamscope`, so that names sort by time.

  What runs in production may be in them: a directory that is made here is its owner's alone, and so are the files.
  """

  alias BeamScope.Error

  @name ~r/\Abeam_scope-\d{8}T\d{6}\.\d{3}Z-[a-z]+(-\d+)?\.beamscope\z/

  @doc "The directory, made where it is missing."
  @spec directory(Path.t()) :: {:ok, Path.t()} | {:error, Error.t()}
  def directory(path) do
    path = Path.expand(path)
    there? = File.dir?(path)

    with :ok <- File.mkdir_p(path),
         :ok <- if(there?, do: :ok, else: File.chmod(path, 0o700)),
         :ok <- writable(path) do
      {:ok, path}
    else
      {:error, reason} -> {:error, Error.new(:file, "#{path}: #{:file.format_error(reason)}")}
    end
  end

  defp writable(path) do
    case File.stat(path) do
      {:ok, %{access: access}} when access in [:write, :read_write] -> :ok
      {:ok, _} -> {:error, :eacces}
      error -> error
    end
  end

  @doc "A path in the directory that is not taken, for what was frozen now."
  @spec path(Path.t(), atom, DateTime.t()) :: Path.t()
  def path(directory, kind, now \\ DateTime.utc_now()) do
    stamp = now |> DateTime.truncate(:millisecond) |> DateTime.to_iso8601(:basic)
    free(Path.join(directory, "beam_scope-#{stamp}-#{kind}"), 1)
  end

  defp free(path, n) do
    name = if n == 1, do: path <> ".beamscope", else: "#{path}-#{n}.beamscope"
    if File.exists?(name), do: free(path, n + 1), else: name
  end

  @doc "Nobody but its owner reads it."
  @spec protect(Path.t()) :: :ok
  def protect(path) do
    _ = File.chmod(path, 0o600)
    :ok
  end

  @doc "Deletes the oldest frozen recordings until `most` are left. Other files stay."
  @spec prune(Path.t(), pos_integer) :: :ok
  def prune(directory, most) do
    frozen = directory |> list() |> Enum.sort(:desc)
    frozen |> Enum.drop(most) |> Enum.each(&File.rm(Path.join(directory, &1)))
  end

  defp list(directory) do
    case File.ls(directory) do
      {:ok, names} -> Enum.filter(names, &(&1 =~ @name))
      {:error, _} -> []
    end
  end
end
