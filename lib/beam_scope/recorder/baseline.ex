defmodule BeamScope.Recorder.Baseline do
  @moduledoc """
  What is known of processes that lived before their recording: names, origin, links, and, for OTP loops, the state.

  The facts come from the virtual machine and are written into the recording. The state is not copied: the loop is
  sent the request that `:sys.log(pid, :get)` sends, and the recording reads the state where the loop hands it to
  `:sys`, within its budget. Nobody waits for the answer, and nothing is sent to a process that runs no OTP loop.

  Of a sensitive process (`Process.flag(:sensitive, true)`) the virtual machine shows nothing: no event, no state, no dictionary. It
  says of none that it is one. A process of `proc_lib` always has a dictionary, so one that shows none is taken for one.
  """

  alias BeamScope.Recorder.{Behaviour, Facts}

  @items [:registered_name, :initial_call, :current_function, :parent, :links]
  @keys [:"$initial_call", :"$ancestors"]
  @max_links 1_000

  @typedoc "What is known of one process."
  @type facts :: %{optional(atom()) => term()}

  @doc """
  The facts of each process that answers, and its behaviour. `names` are names other than registered ones.
  """
  @spec gather([pid()], %{pid() => term()}) :: [{pid(), facts(), Behaviour.t()}]
  def gather(pids, names \\ %{}) do
    facts = Facts.of(pids, @items)
    alive = for {pid, list} <- facts, is_list(list), do: pid
    dictionaries = Facts.dictionaries(alive, @keys)
    plain = for pid <- alive, do: {pid, facts[pid], dictionary(dictionaries[pid])}
    stacks = plain |> unclear() |> Facts.of([:current_stacktrace])

    for {pid, list, dictionary} <- plain do
      stack = if is_list(stacks[pid]), do: stacks[pid], else: []
      behaviour = Behaviour.of(list ++ stack, dictionary)
      kind = behaviour || if(Behaviour.task?(list ++ stack), do: Task.Supervised)
      facts = with_behaviour(facts(list, dictionary, names[pid]), kind)

      # Nothing is asked of one that would show nothing.
      if sensitive?(list, dictionaries[pid]),
        do: {pid, Map.put(facts, :sensitive, true), nil},
        else: {pid, facts, behaviour}
    end
  end

  @doc "Whether what the virtual machine tells of a process and of its dictionary is what it tells of a sensitive one."
  @spec sensitive?(keyword(), map() | list() | atom()) :: boolean()
  def sensitive?(facts, dictionary),
    do: match?({:proc_lib, :init_p, _}, facts[:initial_call]) and dictionary in [%{}, []]

  @doc "Those of gathered processes that are sensitive."
  @spec sensitive([{pid(), facts(), Behaviour.t()}]) :: [pid()]
  def sensitive(gathered), do: for({pid, %{sensitive: true}, _} <- gathered, do: pid)

  defp with_behaviour(facts, nil), do: facts
  defp with_behaviour(facts, behaviour), do: Map.put(facts, :behaviour, behaviour)

  defp dictionary(map) when is_map(map), do: map
  defp dictionary(_), do: %{}

  # Only a process of proc_lib that is busy needs its stack looked at.
  defp unclear(plain) do
    for {pid, list, dictionary} <- plain, dictionary != %{}, Behaviour.of(list, %{}) == nil, do: pid
  end

  @doc "The facts to record of one process."
  @spec facts(keyword(), map(), term()) :: facts()
  def facts(list, dictionary, name) do
    %{
      name: registered(list[:registered_name]) || name,
      initial_call: dictionary[:"$initial_call"] || list[:initial_call],
      parent: pid_or_nil(list[:parent]),
      ancestors: dictionary[:"$ancestors"],
      links: for(pid <- Enum.take(list[:links] || [], @max_links), is_pid(pid), do: pid),
      module: Behaviour.callback_module(dictionary)
    }
    |> Map.reject(fn {_, value} -> value in [nil, []] end)
  end

  defp registered([]), do: nil
  defp registered(name), do: name

  defp pid_or_nil(pid) when is_pid(pid), do: pid
  defp pid_or_nil(_), do: nil

  @doc "Asks OTP loops to show their states; answers the references by which they will reply."
  @spec ask_states([{pid(), facts(), Behaviour.t()}], [atom()]) :: %{reference() => pid()}
  def ask_states(gathered, behaviours) do
    for {pid, _, behaviour} <- gathered, behaviour in behaviours, pid != self(), into: %{} do
      ref = make_ref()
      send(pid, {:system, {self(), ref}, {:debug, {:log, :get}}})
      {ref, pid}
    end
  end
end
