defmodule BeamScope.Expect.Assertion do
  @moduledoc false
  # An assertion as data, and what becomes of it: it holds and binds, or `BeamScope.Expect.Failure` says why not.

  alias BeamScope.{Error, Expect, Recording}
  alias BeamScope.Expect.{Aside, Await, Explain, Failure, StateAt, Step}
  alias BeamScope.Recording.Query

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
    :test,
    at: :end,
    negate: false,
    strict: false,
    allow_empty: false,
    await: false,
    vars: [],
    pins: [],
    roles: %{}
  ]

  @type t :: %__MODULE__{steps: [Step.t()]}

  @pairs [:leads_to, :excludes, :precedes, :causality]

  @doc """
  Holds, or raises `ExUnit.AssertionError`. Returns the first match, or `true`, and the values of the variables that the patterns
  bind.
  """
  @spec run!(Recording.t(), t) :: {term, [term]}
  def run!(%Recording{} = rec, %__MODULE__{} = a) do
    a = %{a | test: self()}
    seen = a.await && Await.watch(rec, a)
    {value, bindings} = Aside.run(rec, fn -> hold!(rec, a, seen) end)
    {value, Enum.map(a.vars, &Map.get(bindings, &1))}
  end

  def run!(other, _a), do: raise(Query.not_a_recording(other))

  defp hold!(rec, %{await: true} = a, seen), do: Await.hold!(rec, a, seen)

  defp hold!(rec, a, _seen) do
    check!(a)
    Query.settle(rec, spoken_of(a.steps), [a.test])
    if a.check == :state_at, do: StateAt.hold!(rec, a), else: judge!(rec, a, ask!(rec, a))
  end

  # Whose doings the steps are about; what anybody may have sent or done is about all.
  defp spoken_of(steps) do
    all = Enum.map(steps, &doers/1)
    if [] in all, do: :all, else: all |> Enum.concat() |> Enum.uniq()
  end

  defp doers(%Step{what: :sent, process: nil, from: nil}), do: []
  defp doers(step), do: Enum.reject([step.process, step.from, step.to], &is_nil/1)

  @doc "Waits until all that happened before is in the recording, and what was being handled is done."
  @spec flush(Recording.t()) :: :ok
  def flush(rec), do: Query.settle(rec, :all, [self()])

  @doc "The engine's answer, as of now."
  @spec ask!(Recording.t(), t) :: map
  def ask!(rec, a) do
    case Expect.run(rec, [to_check(a)]) do
      {:ok, [result]} -> result
      {:error, %Error{} = error} -> raise error
    end
  end

  @doc "The value and the bindings of a result that satisfies, else the failure."
  @spec judge!(Recording.t(), t, map) :: {term, map}
  def judge!(rec, a, result) do
    case verdict(a, result) do
      :ok -> {value(a, result), result.bindings}
      why -> Failure.raise!(rec, a, Explain.report(rec, a, why, result))
    end
  end

  @doc "`:ok`, or why not: `:broken`, `:unknown`, `:gap`, `:empty`, and `:idle` where nothing put it to the test."
  @spec verdict(t, map) :: :ok | :broken | :unknown | :gap | :empty | :idle
  def verdict(a, %{verdict: :empty} = result) do
    cond do
      not vacuous?(a) -> :broken
      pair?(a) and result.seen > 0 -> permit(a, :idle)
      true -> permit(a, :empty)
    end
  end

  def verdict(a, %{verdict: :held, count: 0}), do: if(pair?(a), do: permit(a, :idle), else: :ok)
  def verdict(_a, %{verdict: :held}), do: :ok
  def verdict(_a, %{verdict: why}), do: why

  defp vacuous?(%{check: :count} = a), do: least(a.times) == 0
  defp vacuous?(%{check: check}), do: check in [:every | @pairs]

  # Of which the one half may never have come: then nothing asked for the other.
  defp pair?(%{check: check}), do: check in @pairs

  defp permit(%{allow_empty: true}, _why), do: :ok
  # That there was no crash to be seen is what one wants to know.
  defp permit(%{steps: [%Step{what: :crashed}]}, _why), do: :ok
  defp permit(_a, why), do: why

  defp value(%{check: :count, times: times}, result), do: if(times == 0, do: true, else: result.first)
  defp value(%{check: :flow}, result), do: result.steps
  defp value(_a, _result), do: true

  # ---- what the engine is asked ----

  @doc "The engine's check for an assertion."
  @spec to_check(t) :: map
  def to_check(%__MODULE__{} = a) do
    %{
      check: a.check,
      steps: Enum.map(a.steps, &Step.to_check/1),
      min: least(a.times),
      max: most(a),
      scope: a.scope,
      negate: a.negate,
      within_ms: a.within,
      strict: a.strict,
      since: a.since,
      until: a.until
    }
  end

  @doc "At least so many."
  def least(nil), do: 1
  def least(%Range{first: first}), do: first
  def least(n), do: n

  # To wait for exactly three is to wait for three.
  defp most(%{await: true}), do: nil
  defp most(%{times: nil}), do: nil
  defp most(%{times: %Range{last: last}}), do: last
  defp most(%{times: n}), do: n

  # ---- options that are known only now ----

  @doc "Refuses options that make no sense."
  @spec check!(t) :: :ok
  def check!(a) do
    valid!(:times, a.times, times?(a.times), "a number or a range, such as 3 or 1..3")
    valid!(:within, a.within, a.within == nil or positive?(a.within), "milliseconds, a positive integer")
    valid!(:strict, a.strict, is_boolean(a.strict), "true or false")
    valid!(:allow_empty, a.allow_empty, is_boolean(a.allow_empty), "true or false")

    Enum.each(a.steps, &call!/1)
  end

  defp call!(%Step{mfa: {module, _, _}}), do: valid!(:call, module, is_atom(module), "a module's function")
  defp call!(_step), do: :ok

  defp times?(nil), do: true
  defp times?(%Range{first: first, last: last, step: step}), do: step == 1 and first >= 0 and last >= first
  defp times?(n), do: is_integer(n) and n >= 0

  defp positive?(n), do: is_integer(n) and n > 0

  defp valid!(_key, _value, true, _expected), do: :ok

  defp valid!(key, value, false, expected),
    do: raise(Error.new(:invalid_option, %{key: key, value: value, expected: expected}))
end
