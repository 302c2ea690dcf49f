defmodule BeamScope.Recorder.Shelf do
  @moduledoc """
  Where recordings stay when their processes have ended, so that `last/0` finds them.

  Nothing of BeamScope runs after the last recording stopped, so there is no process to hold them; persistent terms
  are the one place that needs none. Each recording is put there once and erased once. The latest few are held, the
  others live as long as somebody holds them.
  """

  alias BeamScope.Recording

  @held 8

  @doc "Puts a recording on the shelf; the oldest of those that ended go when there are too many."
  @spec put(Recording.t()) :: :ok
  def put(%Recording{id: id} = recording) do
    :persistent_term.put({__MODULE__, id}, recording)
    ended = for old <- list(), old.id != id, not running?(old), do: old
    ended |> Enum.reverse() |> Enum.drop(@held - 1) |> Enum.each(&delete(&1.id))
  end

  @doc "All recordings on the shelf, the oldest first."
  @spec list() :: [Recording.t()]
  def list do
    found = for {{__MODULE__, _}, recording} <- :persistent_term.get(), do: recording
    Enum.sort_by(found, & &1.id)
  end

  @doc "Whether a recording is on the shelf."
  @spec member?(pos_integer()) :: boolean()
  def member?(id), do: :persistent_term.get({__MODULE__, id}, nil) != nil

  @doc "Takes a recording off the shelf."
  @spec delete(pos_integer()) :: :ok
  def delete(id) do
    :persistent_term.erase({__MODULE__, id})
    :ok
  end

  defp running?(%{pid: pid}), do: is_pid(pid) and Process.alive?(pid)
end
