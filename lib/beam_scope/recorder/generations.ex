defmodule BeamScope.Recorder.Generations do
  @moduledoc """
  What is old in a process's memory.

  The VM's garbage collector works by generations: what has survived two collections moves into the process's old heap, and a minor
  collection leaves it where it is. Where the old heap is, is known to the VM alone; so it is looked for in the structures of a few
  processes made for it, whose sizes `Process.info/2` tells exactly. If all of them have it at one and the same place, and at no
  other, what is old need not be recorded anew after each minor collection. If not, it is: nothing else depends on it.
  """

  alias BeamScope.Native

  # Of these the structures were read; on others the search would look at memory that nobody knows.
  @releases ~w(25 26 27 28 29)
  @sizes [2_000, 5_000, 11_000]
  @timeout 2_000

  @doc "Learns where old heaps are, once; whether it is known."
  @spec learn() :: boolean
  def learn do
    with nil <- :persistent_term.get(__MODULE__, nil) do
      known = search()
      :persistent_term.put(__MODULE__, known)
      known
    end
  end

  defp search do
    # Loaded before: what loads it while it is measured may be collected meanwhile.
    with true <- System.otp_release() in @releases,
         {:module, Native} <- Code.ensure_loaded(Native),
         [place] <- @sizes |> Enum.map(&places/1) |> Enum.reduce(&(&1 -- &1 -- &2)) do
      Native.old_heap_remember(place)
    else
      _ -> false
    end
  end

  # The places at which a process, made old, may keep what is known of it.
  defp places(size) do
    {_pid, ref} = spawn_monitor(fn -> exit({:places, aged(size)}) end)

    receive do
      {:DOWN, ^ref, :process, _pid, {:places, places}} -> places
      {:DOWN, ^ref, :process, _pid, _reason} -> []
    after
      @timeout -> []
    end
  end

  defp aged(size) do
    list = Enum.to_list(1..size)
    for _ <- 1..3, do: :erlang.garbage_collect(self(), type: :minor)
    {:garbage_collection_info, info} = Process.info(self(), :garbage_collection_info)
    places = Native.old_heap_candidates(info[:old_heap_size], info[:old_heap_block_size], list)
    # It must live until here.
    if length(list) == size, do: places, else: []
  end
end
