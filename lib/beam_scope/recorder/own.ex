defmodule BeamScope.Recorder.Own do
  @moduledoc """
  Which processes are BeamScope's own: the library leaves them out, whatever flags they inherit.

  Without a library nothing is traced by it, and there is nobody to tell.
  """

  alias BeamScope.Native

  @doc "From now on a process is ours."
  @spec add(pid()) :: :ok
  def add(pid), do: tell(&Native.own_add/1, pid)

  @doc "It is ours no longer."
  @spec remove(pid()) :: :ok
  def remove(pid), do: tell(&Native.own_remove/1, pid)

  defp tell(what, pid) do
    _ = what.(pid)
    :ok
  rescue
    _ -> :ok
  end
end
