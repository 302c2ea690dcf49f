defmodule BeamScope.Terminal.TreeTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Samples, Tree}

  defp shown(opts \\ []),
    do: inspect(Tree.from_native(Samples.tree(), :end), Keyword.put_new(opts, :width, 100))

  test "draws a tree, with restarts and ends" do
    assert shown() == """
           My.Supervisor <0.100.0>  :supervisor
           ├── CounterServer <0.101.0>  :gen_server Counter  ↻ 2 restarts
           └── EchoServer <0.102.0>  :gen_server  ✗ 5.000 ms :boom
               └── Echo.loop/1 <0.103.0>\
           """
  end

  test "siblings beyond the limit are counted" do
    assert shown(limit: 1) =~ "└── … 1 more process"
  end

  test "no line is wider than asked for" do
    for width <- [20, 40],
        line <- String.split(shown(width: width), "\n"),
        do: assert(String.length(line) <= width)
  end

  test "an empty tree says so" do
    assert inspect(%Tree{}) == "No processes at that moment"
  end
end
