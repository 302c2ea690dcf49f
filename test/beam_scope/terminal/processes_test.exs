defmodule BeamScope.Terminal.ProcessesTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Terminal.Processes

  alias BeamScope.{Processes, Samples}

  defp processes do
    list = [
      Samples.process(0, name: My.Supervisor, module: My.Supervisor, behaviour: :supervisor, known: :baseline),
      Samples.process(1, name: CounterServer, behaviour: :gen_server, module: Counter),
      Samples.process(2,
        initial_call: {Echo, :loop, 1},
        exited_at: %{seq: 8, at_ns: 9_000_000},
        exit_reason: :normal
      ),
      Samples.process(3, known: :seen)
    ]

    %Processes{processes: Enum.map(list, &BeamScope.Process.from_native/1)}
  end

  test "prints a table" do
    lines = processes() |> inspect(width: 120) |> String.split("\n")
    assert hd(lines) == "4 processes"
    assert Enum.at(lines, 2) =~ ~r/0  My.Supervisor +<0.100.0> +supervisor My.Supervisor +before/
    assert Enum.at(lines, 4) =~ ~r/2  Echo.loop\/1 +<0.102.0> +2.000 ms +✗ 9.000 ms :normal/
    assert Enum.at(lines, 5) =~ "only seen"
  end

  test "a process alone is one line" do
    assert inspect(Enum.at(processes(), 1)) ==
             "#BeamScope.Process<CounterServer <0.101.0>, gen_server Counter>"
  end

  test "moments are structs" do
    assert %BeamScope.Process{spawned_at: %BeamScope.Moment{seq: 1, at_ns: 1_000_000}} =
             Enum.at(processes(), 1)
  end
end
