defmodule BeamScope.Case.File do
  @moduledoc false
  # Where the recording of a failed test goes.

  alias BeamScope.Case.Run
  alias BeamScope.Error

  # Of each part of the path, in bytes; file systems take 255.
  @most 120

  @doc "Saves a recording, in the place of the test's last one; answers the path, as short as it can be."
  @spec save(Run.t()) :: {:ok, Path.t()} | {:error, Error.t()}
  def save(%Run{} = run) do
    with {:error, _} <- save(run, run.dir) do
      save(run, Path.join(System.tmp_dir() || "/tmp", "beam_scope"))
    end
  end

  defp save(run, dir) do
    path = dir |> Path.join(name(run.test)) |> Path.expand()

    with :ok <- directory(Path.dirname(path)),
         :ok <- BeamScope.save(run.rec, path),
         do: {:ok, Path.relative_to_cwd(path)}
  end

  defp directory(dir) do
    with {:error, reason} <- File.mkdir_p(dir),
         do: {:error, Error.new(:file, "#{dir}: #{:file.format_error(reason)}")}
  end

  @doc """
  The path of a test's file below the directory.

      iex> BeamScope.Case.File.name(%{module: CounterTest, name: :"test counts to 2/3", parameters: %{}})
      "CounterTest/test-counts-to-2-3-6f6f3d53.bsr"
  """
  @spec name(map) :: Path.t()
  def name(%{module: module, name: name} = test) do
    digest = digest({module, name, test[:parameters] || %{}})
    Path.join(plain(inspect(module)), "#{plain(Atom.to_string(name))}-#{digest}.bsr")
  end

  # What every file system and every shell takes. Names that are the same after that differ in their digests.
  defp plain(text) do
    text
    |> String.replace(~r/[^A-Za-z0-9_.]+/, "-")
    |> String.trim("-")
    |> String.trim_leading(".")
    |> String.slice(0, @most)
  end

  # The same on every release.
  defp digest(term) do
    term |> inspect(limit: :infinity) |> :erlang.md5() |> binary_part(0, 4) |> Base.encode16(case: :lower)
  end
end
