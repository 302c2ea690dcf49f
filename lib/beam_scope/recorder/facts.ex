defmodule BeamScope.Recorder.Facts do
  @moduledoc """
  What the virtual machine tells about processes, gathered without ever waiting long for one of them.

  `Process.info/2` is a signal to the process: one that runs a long native function answers only afterwards. So
  the asking is done by a helper process; who does not answer in time is left out as `:busy`.
  """

  @stall_ms 100
  @max_stalls 10
  # Where the dictionary can only be had whole, it is not copied out of processes larger than this.
  @max_copy_bytes 8 * 1024 * 1024

  @typedoc "Facts by pid: a keyword list, `:busy` when the process did not answer, `nil` when it has ended."
  @type t :: %{pid() => keyword() | :busy | nil}

  @doc "The given items of `process_info/2` for many processes."
  @spec of([pid()], [atom() | tuple()]) :: t()
  def of(pids, items), do: gather(pids, &:erlang.process_info(&1, items), %{}, @max_stalls)

  @doc "The values of some keys of the process dictionaries, as a map of the keys that are there; `:large`: not copied."
  @spec dictionaries([pid()], [term()]) :: %{pid() => map() | :busy | :large | nil}
  def dictionaries(pids, keys), do: gather(pids, &dictionary(&1, keys), %{}, @max_stalls)

  @doc "The registered name of one process, if it has one; may wait for that process."
  @spec name(pid()) :: atom() | nil
  def name(pid) do
    case Process.info(pid, :registered_name) do
      {:registered_name, name} when is_atom(name) -> name
      # One without a name answers with an empty list.
      _ -> nil
    end
  end

  @doc "The values of some keys of one process's dictionary; may wait for that process."
  @spec dictionary(pid(), [term()]) :: map() | :large | nil
  def dictionary(pid, keys) do
    if reads_single_keys?(), do: single_keys(pid, keys), else: whole_dictionary(pid, keys)
  end

  defp single_keys(pid, keys) do
    case :erlang.process_info(pid, Enum.map(keys, &{:dictionary, &1})) do
      :undefined -> nil
      items -> for {{:dictionary, key}, value} <- items, value != :undefined, into: %{}, do: {key, value}
    end
  end

  defp whole_dictionary(pid, keys) do
    with {:memory, bytes} when bytes <= @max_copy_bytes <- :erlang.process_info(pid, :memory),
         {:dictionary, dictionary} <- :erlang.process_info(pid, :dictionary) do
      for {key, value} <- dictionary, key in keys, into: %{}, do: {key, value}
    else
      {:memory, _} -> :large
      :undefined -> nil
    end
  end

  # From OTP 26.2 on.
  defp reads_single_keys? do
    match?([_], :erlang.process_info(self(), [{:dictionary, :"$ancestors"}]))
  rescue
    ArgumentError -> false
  end

  defp gather([], _ask, facts, _stalls), do: facts

  defp gather(pids, _ask, facts, 0), do: Enum.reduce(pids, facts, &Map.put(&2, &1, :busy))

  defp gather(pids, ask, facts, stalls) do
    {mine, others} = Enum.split_with(pids, &(&1 == self()))
    facts = Enum.reduce(mine, facts, &Map.put(&2, &1, ask.(&1)))
    ref = make_ref()
    parent = self()
    {helper, monitor} = spawn_monitor(fn -> Enum.each(others, &send(parent, {ref, &1, ask.(&1)})) end)

    case collect(others, ref, facts) do
      {:done, facts} ->
        Process.demonitor(monitor, [:flush])
        facts

      {:stalled, [busy | rest], facts} ->
        Process.exit(helper, :kill)
        receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
        flush(ref)
        gather(rest, ask, Map.put(facts, busy, :busy), stalls - 1)
    end
  end

  defp collect([], _ref, facts), do: {:done, facts}

  defp collect([pid | rest] = pids, ref, facts) do
    receive do
      {^ref, ^pid, :undefined} -> collect(rest, ref, Map.put(facts, pid, nil))
      {^ref, ^pid, found} -> collect(rest, ref, Map.put(facts, pid, found))
    after
      @stall_ms -> {:stalled, pids, facts}
    end
  end

  defp flush(ref) do
    receive do
      {^ref, _, _} -> flush(ref)
    after
      0 -> :ok
    end
  end
end
