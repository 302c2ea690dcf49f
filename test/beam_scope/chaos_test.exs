defmodule BeamScope.ChaosTest do
  # A virtual machine in chaos, recorded: see BeamScope.Test.Chaos. Half a minute in every run, ten minutes nightly.
  use ExUnit.Case, async: false

  alias BeamScope.Test.Chaos

  @tag timeout: 300_000
  test "half a minute of chaos leaves nothing behind" do
    survived(Chaos.run(30))
  end

  @tag :endurance
  @tag timeout: 1_200_000
  test "ten minutes of chaos leave nothing behind" do
    survived(Chaos.run(600))
  end

  defp survived({status, output}) do
    assert status == 0, output
    assert output =~ "chaos: 0 problems", output
    if System.get_env("BEAM_SCOPE_CHAOS_SECONDS"), do: IO.puts(output)
  end
end
