defmodule BeamScope.Expect.Step do
  @moduledoc false
  # One thing that is expected to happen, as data: whom it is asked of, the pattern, and how it was written.
  #
  # `parts` are the terms that the pattern is asked of, in order: `{role, source, {:ok, left}}` with the pattern as it was
  # written and as ExUnit's diff reads it, both `nil` where any term will do. One part is the pattern itself; several are the heads of a
  # `{:tuple, heads}`. `guards` are all their guards, as written (`left`) and as text. A
  # process may be a variable, `{:var, name}`.

  defstruct [:what, :process, :from, :to, :mfa, :pattern, :source, parts: [], guards: nil]

  @type role :: :message | :state | :from | :to | :args | :result | :reason
  @type t :: %__MODULE__{
          what: :sent | :received | :called | :state | :transition | :crashed | :exited,
          process: term,
          from: term,
          to: term,
          mfa: {module, atom, arity} | nil,
          pattern: tuple,
          source: String.t(),
          parts: [{role, String.t() | nil, {:ok, Macro.t()} | nil}],
          guards: {String.t(), Macro.t() | nil} | nil
        }

  @doc "What the engine is asked."
  @spec to_check(t) :: map
  def to_check(%__MODULE__{} = step), do: Map.take(step, [:what, :process, :from, :to, :mfa, :pattern])

  @doc "The heads of the pattern, one for each part, and its guard."
  @spec heads(t) :: {[tuple | atom], tuple | nil}
  def heads(%__MODULE__{parts: [_], pattern: {:pattern, head, guard}}), do: {[head], guard}
  def heads(%__MODULE__{pattern: {:pattern, {:tuple, heads}, guard}}), do: {heads, guard}
end
