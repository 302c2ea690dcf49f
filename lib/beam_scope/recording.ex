defmodule BeamScope.Recording do
  @moduledoc """
  A recording: the handle that every question in `BeamScope` takes.

  `id` is its number in this VM, `level` what it was started at, `targets` what it was asked to follow, `meta` the map
  given with the `meta:` option. `native` holds the data and `pid` the process that runs the recording (`nil` for one that
  was loaded from a file). The data lives until `BeamScope.close/1` or until nothing refers to the handle any more.
  """

  @enforce_keys [:id, :native]
  defstruct [:id, :native, :pid, :level, :started_at, targets: [], meta: %{}]

  @type t :: %__MODULE__{
          id: pos_integer,
          native: reference,
          pid: pid | nil,
          level: BeamScope.level() | nil,
          targets: [BeamScope.target()],
          started_at: DateTime.t() | nil,
          meta: map
        }
end

defimpl Inspect, for: BeamScope.Recording do
  alias BeamScope.Terminal.{Style, Term}

  def inspect(rec, opts) do
    style = Style.from_inspect(opts)
    from = if rec.pid, do: "level #{Kernel.inspect(rec.level)}, #{Term.text(rec.targets, 40)}", else: "loaded"
    Style.to_doc([["#BeamScope.Recording<", {:name, "#{rec.id}"}, ", ", from, ">"]], style)
  end
end
