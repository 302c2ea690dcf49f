defmodule BeamScopeBench.Selection do
  @moduledoc "The flags and patterns of a recording at `:full` or `:states`, for what it is compared with."

  alias BeamScope.Recorder.{Plan, Profile}

  @doc "Trace flags of a process at a level."
  def flags(level), do: Enum.uniq(plan(level).flags ++ [:call])

  @doc "Functions of OTP that a level listens to, each with its match spec."
  def patterns(level), do: for({mfa, _plain} <- plan(level).patterns, do: {mfa, true})

  # Other tools have one pattern for where processes end, with the call flag.
  defp plan(level), do: Plan.new(level, Profile.points(Profile.current(:checked)), [], :spawn, [], :flagged)
end
