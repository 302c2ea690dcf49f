defmodule BeamScope.Process do
  @moduledoc """
  One life of a process in a recording: a *track*.

    * `track` – its number in the recording; a restarted server is another track
    * `pid`, `name` (the first registered name, or `nil`), `names` (all it bore)
    * `module`, `behaviour`, `initial_call` (`{m, f, arity}`), as far as known
    * `parent`, `parent_track`, `ancestors`, `links` – pids or names
    * `spawned_at`, `exited_at` – `%BeamScope.Moment{}` or `nil`; `exit_reason`
    * `known` – how the recording learnt of it: `:spawned` (from its first moment), `:baseline` (alive at the start),
      `:seen` (only met in somebody's events)
    * `restart_of` – the track it took the place of, or `nil`

  It can be given wherever a process is asked for.
  """

  alias BeamScope.{Moment, Process}

  defstruct [
    :track,
    :pid,
    :name,
    :module,
    :behaviour,
    :initial_call,
    :parent,
    :parent_track,
    :spawned_at,
    :exited_at,
    :exit_reason,
    :known,
    :restart_of,
    names: [],
    ancestors: [],
    links: []
  ]

  @type t :: %Process{
          track: non_neg_integer,
          pid: pid,
          name: term | nil,
          names: [term],
          module: module | nil,
          behaviour: atom | nil,
          initial_call: mfa | nil,
          parent: pid | atom | nil,
          parent_track: non_neg_integer | nil,
          ancestors: [pid | atom],
          links: [pid],
          spawned_at: Moment.t() | nil,
          exited_at: Moment.t() | nil,
          exit_reason: term,
          known: :spawned | :baseline | :seen | nil,
          restart_of: non_neg_integer | nil
        }

  @doc false
  @spec from_native(map) :: t
  def from_native(map) do
    process = Kernel.struct(Process, map)
    %{process | spawned_at: moment(process.spawned_at), exited_at: moment(process.exited_at)}
  end

  @doc false
  # A behaviour's callback module, or that of the call it began with.
  @spec runs?(t, module) :: boolean
  def runs?(%Process{module: module}, module) when module != nil, do: true
  def runs?(%Process{initial_call: {module, _, _}}, module), do: true
  def runs?(_process, _module), do: false

  defp moment(%{seq: seq, at_ns: at_ns}), do: %Moment{seq: seq, at_ns: at_ns}
  defp moment({seq, at_ns}), do: %Moment{seq: seq, at_ns: at_ns}
  defp moment(_), do: nil
end

defimpl Inspect, for: BeamScope.Process do
  alias BeamScope.Terminal.{Processes, Style}

  def inspect(process, opts),
    do: Style.to_doc([Processes.line(process)], opts |> Style.from_inspect() |> Style.nested())
end
