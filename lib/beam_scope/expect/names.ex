defmodule BeamScope.Expect.Names do
  @moduledoc false
  # What a reader calls the processes of a recording: in a sentence a name says more than a pid.

  alias BeamScope.{Event, Process, Transition}
  alias BeamScope.Terminal.{Processes, Term}

  defstruct pids: %{}, tracks: %{}, test: nil
  @type t :: %__MODULE__{pids: %{pid => term}, tracks: %{non_neg_integer => Process.t()}, test: pid | nil}

  @doc "The names that the processes of a recording bore; the test has one too."
  def new(rec, test) do
    processes = BeamScope.processes(rec).processes

    %__MODULE__{
      test: test,
      pids: for(%{name: name, pid: pid} <- processes, name != nil, into: %{}, do: {pid, name}),
      tracks: Map.new(processes, &{&1.track, &1})
    }
  rescue
    # Names are a help; a failure is told without them too.
    BeamScope.Error -> %__MODULE__{test: test}
  end

  @doc "What stands for a process in a question: a name as it was written, a pid by its name."
  def selector(names, pid) when is_pid(pid), do: pid(names, pid)
  def selector(_names, %Process{} = process), do: Processes.label(process)
  def selector(names, %Event{} = event), do: track(names, event.track, event.pid)
  def selector(names, %Transition{track: track}), do: track(names, track, nil)
  def selector(names, track) when is_integer(track), do: track(names, track, nil)
  def selector(_names, other), do: Term.text(other, 40)

  @doc "A pid by its name."
  def pid(names, pid) do
    case names.pids do
      %{^pid => name} -> Processes.who(pid, name)
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
