defmodule BeamScope.Expect.Names do
  @moduledoc false
  # What a reader calls the processes of a recording: in a sentence a name says more than a pid, and so does a role.

  alias BeamScope.{Event, Process, Transition}
  alias BeamScope.Expect.Assertion
  alias BeamScope.Terminal.{Processes, Term}

  defstruct pids: %{}, tracks: %{}, roles: %{}, test: nil

  @type t :: %__MODULE__{
          pids: %{pid => term},
          tracks: %{non_neg_integer => Process.t()},
          roles: %{pid => atom},
          test: pid | nil
        }

  @doc "The names that the processes of a recording bore; the test has one too, and so has who plays a role."
  @spec new(BeamScope.Recording.t(), Assertion.t()) :: t
  def new(rec, %Assertion{test: test, roles: roles}) do
    processes = BeamScope.processes(rec).processes

    %__MODULE__{
      test: test,
      pids: for(%{name: name, pid: pid} <- processes, name != nil, into: %{}, do: {pid, name}),
      tracks: Map.new(processes, &{&1.track, &1}),
      roles: for({role, process} <- roles, pid <- players(process, processes), into: %{}, do: {pid, role})
    }
  rescue
    # Names are a help; a failure is told without them too.
    BeamScope.Error -> %__MODULE__{test: test}
  end

  defp players(pid, _processes) when is_pid(pid), do: [pid]

  defp players({:module, module}, processes),
    do: for(process <- processes, Process.runs?(process, module), do: process.pid)

  defp players(_name, _processes), do: []

  @doc "What stands for a process in a question: a name as it was written, a pid by its name."
  def selector(names, pid) when is_pid(pid), do: pid(names, pid)
  def selector(_names, {:module, module}), do: "any #{Term.text(module, 40)}"

  def selector(%{roles: roles} = names, %Process{name: nil, pid: pid}) when is_map_key(roles, pid),
    do: pid(names, pid)

  def selector(_names, %Process{} = process), do: Processes.label(process)
  def selector(names, %Event{} = event), do: track(names, event.track, event.pid)
  def selector(names, %Transition{track: track}), do: track(names, track, nil)
  def selector(names, track) when is_integer(track), do: track(names, track, nil)
  def selector(_names, other), do: Term.text(other, 40)

  @doc "A pid by its name."
  def pid(names, pid) do
    case names.pids do
      %{^pid => name} -> Processes.who(pid, name)
      _ when is_map_key(names.roles, pid) -> "#{names.roles[pid]} #{Processes.who(pid)}"
      _ when pid == names.test -> "the test #{Processes.who(pid)}"
      _ -> Processes.who(pid)
    end
  end

  @doc "A track by its name, else by what else is known."
  def track(names, track, otherwise) do
    case names.tracks do
      %{^track => %{name: name, pid: pid}} when name != nil -> Processes.who(pid, name)
      %{^track => %{pid: pid}} when is_pid(pid) -> pid(names, pid)
      _ when otherwise == nil -> "track #{track}"
      _ -> otherwise(names, otherwise)
    end
  end

  @doc "The end of a message: by its name, its track, or what it was addressed to."
  def message_end(_names, who, name, _track) when name != nil, do: Processes.who(who, name)
  def message_end(names, who, nil, track) when is_integer(track), do: track(names, track, who)
  def message_end(names, who, nil, nil), do: otherwise(names, who)

  defp otherwise(names, pid) when is_pid(pid), do: pid(names, pid)
  defp otherwise(_names, who) when who in [nil, :undefined, :clock_service, :system], do: "the runtime"
  defp otherwise(_names, other), do: Processes.who(other)
end
