defmodule BeamScope.Recorder.Bystanders do
  @moduledoc """
  Processes that a recording leaves out unless they are named: the way from the shell to the terminal, the
  caller's group leader, and BeamScope itself. To trace them would record the recording, or make output wait for it.
  """

  alias BeamScope.Recorder.Hub

  @io_names [
    :user,
    :user_drv,
    :user_drv_reader,
    :user_drv_writer,
    :standard_error,
    :standard_error_sup,
    :init,
    :erts_code_purger
  ]
  @doc "Whether a process is one of BeamScope's own: the hub, what it started, and what those started."
  @spec own?(pid()) :: boolean()
  def own?(pid), do: own?(pid, Process.whereis(Hub), 3)

  defp own?(_pid, nil, _depth), do: false
  defp own?(hub, hub, _depth), do: true
  defp own?(_pid, _hub, 0), do: false

  defp own?(pid, hub, depth) do
    case Process.info(pid, :parent) do
      {:parent, parent} when is_pid(parent) and node(parent) == node() -> own?(parent, hub, depth - 1)
      _ -> false
    end
  end

  @doc "All processes of the shell's I/O path, and the caller's group leaders up to the last."
  @spec io_path(pid()) :: MapSet.t(pid())
  def io_path(caller) do
    named = for name <- @io_names, pid = Process.whereis(name), is_pid(pid), do: pid
    MapSet.new(named ++ shells() ++ leaders(caller, []))
  end

  # The groups that serve shells are linked to the terminal's driver.
  defp shells do
    with driver when is_pid(driver) <- Process.whereis(:user_drv),
         {:links, links} <- Process.info(driver, :links) do
      for pid <- links, is_pid(pid), do: pid
    else
      _ -> []
    end
  end

  defp leaders(pid, seen) do
    case node(pid) == node() && Process.info(pid, :group_leader) do
      {:group_leader, leader} -> if leader in seen, do: seen, else: leaders(leader, [leader | seen])
      _ -> seen
    end
  end
end
