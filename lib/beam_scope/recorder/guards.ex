defmodule BeamScope.Recorder.Guards do
  @moduledoc """
  What is watched so that a state can be recorded by what changed in it.

  Terms never change, and until a process's next garbage collection a word of its memory stands for one term. So a state is
  written once and referred to afterwards, as long as everything that moves terms is seen:

    * garbage collections, by the trace flag of that name, which makes no event of ours; a minor one moves only what is young
      (`BeamScope.Recorder.Generations`);
    * hibernation, which moves the heap without one: by calls of the functions that lead there;
    * literals of purged code, in whose place others may come to stand: by the calls of the process that frees them.

  And all of it is read from memory: the layouts of terms must be those that the library knows. Where that is not so, or one of these
  cannot be watched, states are recorded within their budget as a whole, each time, and `info/1` says why.
  """

  alias BeamScope.Native
  alias BeamScope.Recorder.{Generations, Session}
  alias BeamScope.Recorder.Session.Builtins

  @literals {:erts_literal_area_collector, :release_area_switch, 0}
  @hibernations [
    {:proc_lib, :hibernate, 3},
    {:gen_server, :loop_hibernate, 4},
    {:gen_statem, :loop_hibernate, 3},
    {:erlang, :hibernate, 0}
  ]
  # Of these behaviours the states come out of the user's own functions. What others keep may be changed in place.
  @steady [:gen_server, :gen_statem]

  # A state of which nothing is known yet may take so many budgets at once; on average it takes one at most.
  @burst 16
  @most 262_144

  @type guard :: {mfa(), :process | :all}

  @doc "The flag for each tracee."
  @spec flag() :: atom()
  def flag, do: :garbage_collection

  @doc "The functions to watch, and whose words their calls speak of."
  @spec functions() :: [guard()]
  def functions do
    watched = for mfa <- @hibernations, exists?(mfa), do: mfa

    # What another session could switch off in silence is no guard.
    if Builtins.among(watched) == [] or Builtins.independent?(),
      do: [{@literals, :all} | for(mfa <- watched, do: {mfa, :process})],
      else: []
  end

  defp exists?({module, function, arity}), do: {function, arity} in module.module_info(:functions)

  @doc "Whether a point's states can be recorded so."
  @spec steady?(map()) :: boolean()
  def steady?(%{behaviour: behaviour, point: point}),
    do: behaviour in @steady and point in [:handled, :loop, :step, :end, :read]

  @doc "Bytes that a state may take at once."
  @spec burst(pos_integer()) :: pos_integer()
  def burst(budget), do: max(budget, min(@burst * budget, @most))

  @doc "The process that frees literals of purged code."
  @spec collector() :: pid() | nil
  def collector do
    with nil <- :persistent_term.get({__MODULE__, :collector}, nil),
         pid when pid != nil <- Enum.find(:erlang.processes(), &collector?/1) do
      :persistent_term.put({__MODULE__, :collector}, pid)
      pid
    end
  end

  defp collector?(pid),
    do: match?({:initial_call, {:erts_literal_area_collector, _, _}}, Process.info(pid, :initial_call))

  @doc "Begins to watch the literals; answers why that, or the rest of it, cannot be."
  @spec watch(Session.t()) :: :ok | {:error, String.t()}
  def watch(session) do
    with %{immediates: true, lists: true, tuples: true, small_maps: true, large_maps: true} <-
           Native.self_check(),
         pid when pid != nil <- collector(),
         [] <- Session.trace(session, [pid], [:call]) do
      _ = Generations.learn()
      :ok
    else
      %{} -> {:error, "the layouts of terms in this virtual machine are not those that are known"}
      nil -> {:error, "the process that frees literals of purged code was not found"}
      [_ | _] -> {:error, "another tool traces the process that frees literals of purged code"}
    end
  end
end
