defmodule BeamScopeBench.Selection do
  @moduledoc "The flags and patterns of a `:full` recording, for the tools it is compared with."

  alias BeamScope.Recorder.{Plan, Profile}

  @doc "Trace flags of a process under `:full`."
  def flags, do: Enum.uniq(plan().flags ++ [:call])

  @doc "Functions of OTP that `:full` listens to, each with its match spec."
  def patterns, do: for({mfa, _plain} <- plan().patterns, do: {mfa, true})

  defp plan, do: Plan.new(:full, Profile.points(Profile.current(:checked)), [], :spawn)
end
