defmodule BeamScope.Expect.Recorded do
  @moduledoc false
  # `assert_recording`: the recording against the one that is kept in a file.

  alias BeamScope.Error
  alias BeamScope.Expect.{Aside, Assertion, Failure}

  # By name, so that what is not there yet is an error and no warning.
  @golden BeamScope.Golden

  @doc "Holds, or raises with what went another way. New files are told aloud."
  @spec run!(BeamScope.Recording.t(), String.t(), keyword, Macro.t()) :: {true}
  def run!(rec, name, opts, expr) do
    rec |> Aside.run(fn -> check(rec, name, opts, expr) end) |> tell()
  end

  defp check(rec, name, opts, expr) do
    Code.ensure_loaded?(@golden) || raise Error.new(:not_found, "BeamScope.Golden is not there")
    Assertion.flush(rec)
    decide!(apply(@golden, :check, [rec, name, opts]), expr)
  end

  @doc "What becomes of the answer of `BeamScope.Golden.check/3`: what is to be told, if anything."
  def decide!(:ok, _expr), do: nil
  def decide!({:new, path}, _expr), do: "new golden execution written: #{path}"
  def decide!({:updated, path}, _expr), do: "golden execution updated: #{path}"
  def decide!({:error, %Error{} = error}, _expr), do: raise(error)

  def decide!({:different, difference}, expr) do
    message = difference.message |> IO.iodata_to_binary() |> String.trim_trailing()
    raise Failure.exception([message: message, expr: expr] ++ sides(difference.align))
  end

  defp tell(nil), do: {true}

  defp tell(text) do
    IO.puts("BeamScope: " <> text)
    {true}
  end

  # The first two that differ, or the one that has no other.
  defp sides([{_role, align} | _]) do
    entry = Enum.find(align.entries, &(&1.kind != :matched))
    for {side, step} <- [left: entry.expected, right: entry.actual], step != nil, do: {side, plain(step)}
  end

  defp sides(_none), do: []

  # Of a step, what it says: not where in the recording it stands.
  defp plain(%_{} = step),
    do:
      for(
        {key, value} <- Map.from_struct(step),
        value != nil,
        key not in [:seq, :order],
        into: %{},
        do: {key, value}
      )

  defp plain(other), do: other
end
