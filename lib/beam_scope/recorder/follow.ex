defmodule BeamScope.Recorder.Follow do
  @moduledoc """
  Which of the processes that start while a recording runs belong to it. Pure, the looking up aside.

  Children inherit tracing from their parents, so those of recorded processes need no doing. But a restarted process
  is its supervisor's child: to have the next bearer of a name from its first state on, the supervisors
  above it are traced too, as *companions*. Their other children are let go as soon as they are seen to be others.

  `record/2` has *starters* too: supervisors that may start processes for a recorded one. The library sees for whom they
  do it: whom the request they handle is from. The other children are *strangers* until they say by `$callers` or
  `$ancestors` that they work for a recorded process; what else a starter does is no part of the recording.
  """

  alias BeamScope.Recorder.{Behaviour, Facts, Targets}

  defstruct names: [],
            awaited: MapSet.new(),
            members: MapSet.new(),
            companions: MapSet.new(),
            starters: MapSet.new(),
            pending: MapSet.new(),
            strangers: MapSet.new()

  @type t :: %__MODULE__{
          names: [term()],
          awaited: MapSet.t(term()),
          members: MapSet.t(pid()),
          companions: MapSet.t(pid()),
          starters: MapSet.t(pid()),
          pending: MapSet.t(pid()),
          strangers: MapSet.t(pid())
        }

  @typedoc "What became of a new process."
  @type verdict :: :member | :pending

  @doc "Follows the names among these targets; `members` are the processes recorded from the start."
  @spec new(Targets.t(), [pid()]) :: t()
  def new(%Targets{} = targets, members) do
    members = MapSet.new(members)
    companions = for {_, pid} <- targets.names, supervisor <- supervisors(pid), do: supervisor

    %__MODULE__{
      names: Enum.map(targets.names, &elem(&1, 0)) ++ targets.awaited,
      awaited: MapSet.new(targets.awaited),
      members: members,
      companions: companions |> MapSet.new() |> MapSet.difference(members)
    }
  end

  @doc "The supervisors above a process, the nearest first, as far up as there are only supervisors."
  @spec supervisors(pid()) :: [pid()]
  def supervisors(pid) do
    case Facts.dictionary(pid, [:"$ancestors"]) do
      %{"$ancestors": ancestors} when is_list(ancestors) -> climb(ancestors)
      _ -> []
    end
  end

  defp climb(ancestors) do
    ancestors
    |> Stream.map(&located/1)
    |> Enum.take_while(&(is_pid(&1) and node(&1) == node() and supervisor?(&1)))
  end

  defp located(pid) when is_pid(pid), do: pid
  defp located(name) when is_atom(name), do: Process.whereis(name)
  defp located(_), do: nil

  @doc "Whether a process is a supervisor."
  @spec supervisor?(pid()) :: boolean()
  def supervisor?(pid), do: Behaviour.supervisor?(Facts.dictionary(pid, [:"$initial_call"]))

  # Applications whose supervisors start nothing for others.
  @quiet [:kernel, :stdlib, :sasl, :elixir, :logger, :mix, :iex, :ex_unit, :hex, :eex]
  # Modules of theirs that run anybody's supervisors.
  @generic [Supervisor.Default, DynamicSupervisor, Task.Supervisor]

  @doc "The supervisors of the system that may start processes for others, those given aside."
  @spec starters([pid()]) :: [pid()]
  def starters(except) do
    known = Map.new(except, &{&1, false})
    for {pid, true} <- supervisors_among(Process.list(), known), do: pid
  end

  @doc "Of some processes, those that are not known yet and can be told: whether each may start processes for others."
  @spec supervisors_among([pid()], %{pid() => boolean()}) :: %{pid() => boolean()}
  def supervisors_among(pids, known) do
    for {pid, %{} = found} <-
          Facts.dictionaries(Enum.reject(pids, &is_map_key(known, &1)), [:"$initial_call", :"$ancestors"]),
        found != %{},
        into: %{},
        do: {pid, starter?(found)}
  end

  defp starter?(%{"$initial_call": {:supervisor, module, 1}} = found) do
    (module in @generic or Application.get_application(module) not in @quiet) and
      not quiet?(found[:"$ancestors"])
  end

  defp starter?(_found), do: false

  # Under a supervisor of the kernel or the logger, whatever its own module.
  defp quiet?([:kernel_sup | _]), do: true
  defp quiet?([Logger.Supervisor | _]), do: true
  defp quiet?([ExUnit.Supervisor | _]), do: true
  defp quiet?(_), do: false

  @doc "A process was spawned."
  @spec spawned(t(), pid(), pid()) :: {t(), verdict()}
  def spawned(follow, parent, child) do
    if parent in follow.companions and child not in follow.members,
      do: {%{follow | pending: MapSet.put(follow.pending, child)}, :pending},
      else: {join(follow, child), :member}
  end

  @doc "A starter spawned a process that no member asked for."
  @spec strange(t(), pid()) :: t()
  def strange(follow, child), do: %{follow | strangers: MapSet.put(follow.strangers, child)}

  @doc "A process belongs to the recording from now on."
  @spec join(t(), pid()) :: t()
  def join(follow, pid) do
    %{
      follow
      | members: MapSet.put(follow.members, pid),
        pending: MapSet.delete(follow.pending, pid),
        strangers: MapSet.delete(follow.strangers, pid),
        companions: MapSet.delete(follow.companions, pid)
    }
  end

  @doc "A process is a supervisor whose children may bear a name again."
  @spec accompany(t(), pid()) :: t()
  def accompany(follow, pid),
    do: %{
      follow
      | companions: MapSet.put(follow.companions, pid),
        pending: MapSet.delete(follow.pending, pid)
    }

  @doc "A stranger is a supervisor that may start processes for members."
  @spec start_for_others(t(), pid()) :: t()
  def start_for_others(follow, pid),
    do: %{
      follow
      | starters: MapSet.put(follow.starters, pid),
        strangers: MapSet.delete(follow.strangers, pid)
    }

  @doc "Every process that has flags of the recording's, as far as known."
  @spec everyone(t()) :: [pid()]
  def everyone(follow) do
    [follow.members, follow.companions, follow.starters, follow.pending, follow.strangers]
    |> Enum.reduce(MapSet.new(), &MapSet.union/2)
    |> MapSet.to_list()
  end

  @doc "A process is none of ours, or has ended."
  @spec leave(t(), pid()) :: t()
  def leave(follow, pid) do
    %{
      follow
      | members: MapSet.delete(follow.members, pid),
        pending: MapSet.delete(follow.pending, pid),
        strangers: MapSet.delete(follow.strangers, pid),
        companions: MapSet.delete(follow.companions, pid),
        starters: MapSet.delete(follow.starters, pid)
    }
  end

  @doc "A name is borne now: how it is followed, and whether it was awaited."
  @spec appear(t(), term()) :: {t(), boolean()}
  def appear(follow, name) do
    awaited = for key <- [name, {:tree, name}], key in follow.awaited, do: key
    {%{follow | awaited: Enum.reduce(awaited, follow.awaited, &MapSet.delete(&2, &1))}, awaited != []}
  end

  @doc "The name by which a process is followed, if it bears one."
  @spec name_of(t(), pid()) :: term() | nil
  def name_of(follow, pid), do: Enum.find(follow.names, &(bearer(&1) == pid))

  @doc "The process that bears a followed name now."
  @spec bearer(term()) :: pid() | nil
  def bearer(name) do
    Targets.whereis(name)
  rescue
    _ -> nil
  catch
    _, _ -> nil
  end

  @doc "Whether a process says by `$callers` or `$ancestors` that it works for a member."
  @spec works_for_member?(t(), pid()) :: boolean()
  def works_for_member?(follow, pid) do
    case Facts.dictionary(pid, [:"$callers", :"$ancestors"]) do
      %{} = found ->
        found |> Map.values() |> Enum.concat() |> Enum.any?(&(is_pid(&1) and &1 in follow.members))

      _ ->
        false
    end
  end
end
