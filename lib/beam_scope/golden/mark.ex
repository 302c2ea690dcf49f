defmodule BeamScope.Golden.Mark do
  @moduledoc """
  What stands in a golden execution for a value that is another in every run, or that is not there as a whole.

  | text | for |
  |---|---|
  | `pid(Counter)` | a process, by its role |
  | `ref(1)` | a reference, numbered by first appearance within the role |
  | `port()`, `fun("Counter")` | a port; a local function, by its module |
  | `time()` | a point in time during the recording |
  | `stacktrace()` | a stacktrace: its lines move with every edit |
  | `any()` | what depends on the order of messages that have none |
  | `truncated(:list, 12000)`, `redacted(:binary)`, `unknown()` | what was not captured |
  | `set([1, 2])` | a `MapSet` |
  | `text("#User<…>")` | a struct, as its `Inspect` implementation shows it |

      iex> inspect(%BeamScope.Golden.Mark{kind: :ref, args: [1]})
      "ref(1)"
  """
  @enforce_keys [:kind]
  defstruct [:kind, args: []]
  @type t :: %__MODULE__{kind: atom, args: [term]}

  @kinds [:pid, :ref, :port, :fun, :time, :truncated, :redacted, :unknown, :set, :text, :stacktrace, :any]

  @doc false
  def kinds, do: @kinds

  @doc false
  def new(kind, args \\ []) when kind in @kinds, do: %__MODULE__{kind: kind, args: args}

  defimpl Inspect do
    def inspect(mark, _opts), do: BeamScope.Golden.Print.flat(mark)
  end
end
