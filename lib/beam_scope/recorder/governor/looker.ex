defmodule BeamScope.Recorder.Governor.Looker do
  @moduledoc """
  Looks at processes for the governor: how long their mailboxes are and how much they have worked.

  A process that is busy answers such a question when it is scheduled next. The governor does not wait for that: it asks the looker,
  and takes the answer when it is there.
  """

  @typedoc "Mailbox and reductions of each process that lives."
  @type found :: %{pid() => {non_neg_integer(), non_neg_integer()}}

  @doc "Starts one, linked to the caller."
  @spec start() :: pid()
  def start do
    governor = self()
    looker = spawn_link(fn -> loop(governor) end)
    _ = BeamScope.Native.own_add(looker)
    looker
  end

  @doc "Ends one."
  @spec stop(pid()) :: :ok
  def stop(looker) do
    Process.unlink(looker)
    Process.exit(looker, :kill)
    _ = BeamScope.Native.own_remove(looker)
    :ok
  end

  @doc "Asks; the answer comes as `{:looked, found}`."
  @spec look(pid(), [pid()]) :: :ok
  def look(looker, pids) do
    send(looker, {:look, pids})
    :ok
  end

  defp loop(governor) do
    receive do
      {:look, pids} ->
        send(governor, {:looked, for(pid <- pids, found = one(pid), into: %{}, do: {pid, found})})
        loop(governor)
    end
  end

  defp one(pid) do
    case Process.info(pid, [:message_queue_len, :reductions]) do
      [message_queue_len: queue, reductions: reductions] -> {queue, reductions}
      nil -> nil
    end
  end
end
