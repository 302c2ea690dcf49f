defmodule BeamScope.Table do
  @moduledoc """
  What an ETS table held at a moment, and who wrote it: the answer to `BeamScope.table/3` for a recording with `ets: [table]`.

    * `objects` – the objects, in no order; `type`, `keypos` – of the table; `exists?` – whether it did
    * `writes` – every write of a recorded process by then, as `%BeamScope.Table.Write{}`, in the order in which they returned
    * `unordered` – keys that two processes wrote at the same time: which write came last cannot be known, and so neither what the key
      holds until it is written again
    * `in_progress` – writes that had begun and not returned
    * `unknown` – how many objects of the beginning are not in the recording: the table was too large, or private
    * `failed` – writes that could not be repeated, since what they need is not in the recording (truncated, redacted)
    * `mismatches` – at the end of the recording, where the table was read again: `%{key:, recorded:, actual:}` for each key that holds
      something else than these writes made it hold. Somebody wrote it who was not recorded, or after the end

  It is put together as a table is: a table of the same type gets the objects of the beginning, and then the recorded writes, by the
  very functions of `:ets`. Where a write has a result that says what it made (`update_counter`), the result counts.

  A call is seen before it writes and holds no lock then, so that two writes whose calls overlap are unordered, whatever the order of
  their events.
  """

  alias BeamScope.Table.Write

  defstruct [
    :table,
    :moment,
    :type,
    :keypos,
    exists?: false,
    objects: [],
    writes: [],
    unordered: [],
    in_progress: [],
    unknown: 0,
    failed: 0,
    mismatches: nil
  ]

  @type t :: %__MODULE__{
          table: term,
          moment: BeamScope.Moment.like(),
          type: :set | :ordered_set | :bag | :duplicate_bag | nil,
          keypos: pos_integer | nil,
          exists?: boolean,
          objects: [tuple],
          writes: [Write.t()],
          unordered: [term],
          in_progress: [Write.t()],
          unknown: non_neg_integer,
          failed: non_neg_integer,
          mismatches: [%{key: term, recorded: [tuple], actual: [tuple]}] | nil
        }

  @doc """
  The objects with a key.

      iex> BeamScope.Table.lookup(%BeamScope.Table{keypos: 1, objects: [{:a, 1}, {:b, 2}]}, :b)
      [{:b, 2}]
  """
  @spec lookup(t, term) :: [tuple]
  def lookup(%__MODULE__{objects: objects, keypos: keypos}, key),
    do: Enum.filter(objects, &(tuple_size(&1) >= keypos and elem(&1, keypos - 1) === key))
end

defmodule BeamScope.Table.Write do
  @moduledoc """
  One write to an ETS table: `function` and `arguments` (without the table), `result`, who wrote (`track`, `pid`, `name`), and the events
  of its call and of its return, `began` and `moment`. `keys` are those that it wrote, or `:all`.
  """
  defstruct [:function, :arguments, :result, :track, :pid, :name, :began, :moment, keys: []]

  @type t :: %__MODULE__{
          function: atom,
          arguments: [term],
          result: term,
          track: non_neg_integer,
          began: BeamScope.Moment.t(),
          moment: BeamScope.Moment.t() | nil,
          keys: [term] | :all
        }
end

defimpl Inspect, for: BeamScope.Table do
  alias BeamScope.Terminal.{Style, Tables}

  def inspect(table, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(Tables.lines(table, &1), &1))
end

defimpl Inspect, for: BeamScope.Table.Write do
  alias BeamScope.Terminal.{Style, Tables}

  def inspect(write, opts),
    do: Style.to_doc([Tables.write(write)], opts |> Style.from_inspect() |> Style.nested())
end
