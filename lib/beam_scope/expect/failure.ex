defmodule BeamScope.Expect.Failure do
  @moduledoc false
  # A report as the exception that ExUnit, editors and formatters know.

  alias BeamScope.Error
  alias BeamScope.Expect.{Assertion, Left, Report}

  @exception ExUnit.AssertionError

  @doc "Raises `ExUnit.AssertionError`; where ExUnit is not there, a `BeamScope.Error` with the same words."
  @spec raise!(BeamScope.Recording.t(), Assertion.t(), Report.t()) :: no_return
  def raise!(rec, %Assertion{} = a, %Report{} = report) do
    raise exception(
            [message: report |> Report.gather(rec) |> to_string(), expr: a.expr] ++ Left.fields(a, report)
          )
  end

  @doc "The exception, with the fields of `ExUnit.AssertionError`."
  @spec exception(keyword) :: Exception.t()
  def exception(fields) do
    if Code.ensure_loaded?(@exception),
      do: struct!(@exception, fields),
      else: Error.new(:assertion_failed, fields[:message])
  end
end
