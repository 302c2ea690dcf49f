defmodule BeamScope.Test.Reloaded do
  @moduledoc "A recording as it comes back from a file."

  @doc "Saves and loads it; the file is gone afterwards."
  def reloaded(rec) do
    path =
      Path.join(
        System.tmp_dir!(),
        "beam_scope_reloaded_#{System.pid()}_#{System.unique_integer([:positive])}"
      )

    BeamScope.save!(rec, path)
    loaded = BeamScope.load!(path)
    File.rm!(path)
    loaded
  end
end
