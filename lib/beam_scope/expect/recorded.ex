defmodule BeamScope.Expect.Recorded do
  @moduledoc false
  # `assert_recording`: the recording against the one that is kept in a file.

  @golden BeamScope.Golden

  @doc "Holds, or raises what `BeamScope.Golden` has to say."
  def run!(rec, name, opts, expr) do
    Code.ensure_loaded?(@golden) || raise BeamScope.Error, reason: :golden, detail: "is not there yet"
    {apply(@golden, :check, [rec, name, [expr: expr] ++ opts])}
  end
end
