defmodule BeamScope.Recorder.HazardsTest do
  use ExUnit.Case, async: true

  alias BeamScope.Error
  alias BeamScope.Recorder.Hazards

  @options %{garbage_collection: false, running: false}

  test "nobody who asks for nothing is refused" do
    for erts <- ["13.1.5", "14.0", "15.2.7", "16.1", "17.1.1"],
        do: assert(Hazards.flags(@options, erts) == {:ok, []})
  end

  test "garbage collections are refused where two sessions crash on them" do
    refused =
      for erts <- ["13.1.5", "14.2.5", "15.0", "15.2.7.1", "16.3", "17.0.2"],
          do: Hazards.crashes?(:garbage_collection, erts)

    assert refused == [false, false, true, true, true, true]
    refute Hazards.crashes?(:garbage_collection, "17.1")
    refute Hazards.crashes?(:garbage_collection, "17.1.1")
  end

  test "scheduling is refused until the runtime system looks for the tracer before it uses it" do
    assert Enum.map(["13.1.5", "13.2", "13.2.2", "15.0"], &Hazards.crashes?(:running, &1)) == [
             true,
             false,
             false,
             false
           ]
  end

  test "the error says which option, why, and where it is written" do
    assert {:error, %Error{reason: :known_crash} = error} =
             Hazards.flags(%{@options | garbage_collection: true}, "15.2.7")

    assert Exception.message(error) =~
             "garbage_collection: true is refused on this virtual machine (erts 15.2.7)"

    assert Exception.message(error) =~ "https://github.com/erlang/otp/issues/11624"

    assert {:ok, [:garbage_collection, :running]} =
             Hazards.flags(%{garbage_collection: true, running: true}, "17.1.1")
  end
end
