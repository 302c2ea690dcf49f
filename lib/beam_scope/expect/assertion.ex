defmodule BeamScope.Expect.Assertion do
  @moduledoc false
  # An assertion as data, and what becomes of it: it holds and binds, or `BeamScope.Expect.Failure` says why not.

  alias BeamScope.Expect.Step

  @enforce_keys [:name, :check, :steps]
  defstruct [
    :name,
    :check,
    :steps,
    :scope,
    :times,
    :within,
    :since,
    :until,
    :timeout,
    :expr,
    at: :end,
    negate: false,
    strict: false,
    allow_empty: false,
    await: false,
    vars: [],
    pins: []
  ]

  @type t :: %__MODULE__{steps: [Step.t()]}

  @doc "Holds, or raises `ExUnit.AssertionError`. Returns the first match, or `true`."
  def run!(_rec, assertion), do: assertion

  @doc "The same, with the values of the variables that the patterns bind."
  def bind!(_rec, assertion), do: {assertion, Enum.map(assertion.vars, & &1)}
end
