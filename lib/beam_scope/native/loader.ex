defmodule BeamScope.Native.Loader do
  @moduledoc false
  # Finds the native library, and says what to do when there is none that fits.

  @key {__MODULE__, :failure}

  @doc "The library's path without its extension, as `:erlang.load_nif/2` wants it."
  def find do
    with dir when is_list(dir) <- :code.priv_dir(:beam_scope),
         [path | _] <- Path.wildcard(Path.join([dir, "native", "beam_scope_nif-*.so"])) do
      {:ok, Path.rootname(path)}
    else
      _ -> {:error, :no_library}
    end
  end

  @doc "Remembers why the library was not loaded, for `missing/0`."
  def loaded(:ok) do
    :persistent_term.erase(@key)
    :ok
  end

  def loaded({:error, reason}) do
    :persistent_term.put(@key, reason)
    :ok
  end

  @doc "What every function of `BeamScope.Native` raises when the library is not there."
  @spec missing() :: BeamScope.Error.t()
  def missing do
    detail = @key |> :persistent_term.get(:no_library) |> explain()
    BeamScope.Error.exception(reason: :native_unavailable, detail: detail)
  end

  @doc "Stops what runs through the module before it is replaced; how many recordings that were."
  def before_reload do
    BeamScope.Native.stop_all(:reloaded)
  rescue
    _ -> 0
  end

  defp explain(:no_library) do
    "it is not there. Run `mix deps.compile beam_scope --force` (in BeamScope itself `mix compile --force`) " <>
      "without BEAM_SCOPE_SKIP_NATIVE"
  end

  defp explain({kind, text}) when kind in [:bad_lib, :load, :upgrade, :old_code],
    do: "it belongs to another version of BeamScope (#{text}). " <> rebuild()

  defp explain({kind, text}), do: "it cannot be loaded (#{kind}: #{text}). " <> rebuild()

  defp rebuild, do: "Rebuild it on this machine: `mix deps.compile beam_scope --force`"
end
