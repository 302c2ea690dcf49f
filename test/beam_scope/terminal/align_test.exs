defmodule BeamScope.Terminal.AlignTest do
  use ExUnit.Case, async: true

  alias BeamScope.Align
  alias BeamScope.Terminal.Style

  doctest BeamScope.Terminal.Align

  defp style(width, opts \\ []),
    do: Style.new(Keyword.merge([width: width, ansi: false, unicode: true], opts))

  defp text(expected, actual, width, opts \\ []) do
    style = style(width)
    expected |> Align.align(actual) |> BeamScope.Terminal.Align.lines(style, opts) |> Style.render(style)
  end

  defp replies(numbers), do: Enum.map(numbers, &{:ok, &1})

  test "side by side from 100 columns on" do
    lines = text(replies(1..9), replies([1, 2, 3, 4, 0, 6, 7, 8, 9]), 100) |> String.split("\n")

    assert [
             "{:ok, 0} came as entry 5; {:ok, 5} was expected.",
             "8 matched, 1 different",
             "- expected" <> head,
             "  … 2 matched",
             "  {:ok, 3}" <> _,
             "  {:ok, 4}" <> _,
             "- {:ok, 5}" <> different,
             "  {:ok, 6}" <> _,
             "  {:ok, 7}" <> _,
             "  … 2 matched"
           ] = lines

    assert head =~ ~r/^ +│ \+ actual$/
    assert different =~ ~r/^ +│ \+ \{:ok, 0\}$/
  end

  test "one above the other below" do
    assert text(replies(1..9), replies([1, 2, 3, 4, 0, 6, 7, 8, 9]), 80, sentence: false) ==
             """
             8 matched, 1 different
               … 2 matched
               {:ok, 3}
               {:ok, 4}
             - {:ok, 5}
             + {:ok, 0}
               {:ok, 6}
               {:ok, 7}
               … 2 matched\
             """
  end

  test "missing and unexpected stand on their side" do
    assert text([:a, :b], [:a, :c, :d], 100) =~ ~r/^ +│ \+ :d$/m
    assert text([:a, :b, :c], [:a], 100) =~ ~r/^- :c +│$/m
  end

  test "what is out of order says where it was expected and where it came" do
    assert text([:a, :b, :c], [:c, :a, :b], 80) =~ "out of order: expected as 3, came as 1"
  end

  test "of long terms, the difference is shown" do
    state = &%{count: &1, items: Enum.to_list(1..100), name: String.duplicate("x", 200)}
    assert text([state.(1)], [state.(2)], 80) =~ "- count: 1\n    + count: 2"
    refute text([{:ok, 1}], [{:ok, 2}], 80) =~ "elem"
  end

  test "the first divergence is on top, however late it comes" do
    numbers = Enum.to_list(1..5_000)
    lines = text(numbers, List.replace_at(numbers, 4_900, :x), 80) |> String.split("\n")
    assert "  … 4,898 matched" in Enum.take(lines, 3)
    assert "+ :x" in Enum.take(lines, 8)
  end

  test "an excerpt has the first divergence and counts the others" do
    style = style(80)
    align = Align.align(1..1_000, Enum.map(1..1_000, &if(rem(&1, 100) == 0, do: {:x, &1}, else: &1)))
    text = align |> BeamScope.Terminal.Align.excerpt(style) |> Style.render(style)
    assert text =~ "- 100\n+ {:x, 100}"
    refute text =~ "{:x, 200}"
    assert text =~ "9 more divergences after it"
    assert length(String.split(text, "\n")) < 12
  end

  test "never exceeds the width" do
    wide = &%{String.duplicate("日本語", 20) => Enum.to_list(1..100), k: String.duplicate("x#{&1}", 200)}
    expected = [wide.(1), :a, :b, wide.(2), String.duplicate("y", 300), :c]
    actual = [wide.(3), :b, :a, :z, wide.(2), :c, {:new, wide.(9)}]

    for width <- [20, 37, 80, 99, 100, 101, 160], what <- [:lines, :excerpt] do
      style = style(width)
      lines = apply(BeamScope.Terminal.Align, what, [Align.align(expected, actual), style])
      assert Enum.all?(lines |> Style.render(style) |> String.split("\n"), &(Style.width(&1) <= width))
    end
  end

  test "expected is red and actual green, where colours are on" do
    style = %{style(80) | ansi?: true}
    text = Align.align([:a], [:b]) |> BeamScope.Terminal.Align.lines(style) |> Style.render(style)
    assert text =~ IO.ANSI.red() <> "- "
    assert text =~ IO.ANSI.green() <> "+ "
    refute inspect(Align.align([:a], [:b])) =~ "\e["
  end

  test "NO_COLOR switches colours off" do
    code = """
    style = BeamScope.Terminal.Style.new(ansi: true, width: 80)
    align = BeamScope.Align.align([:a], [:b])
    IO.write(BeamScope.Terminal.Style.render(BeamScope.Terminal.Align.lines(align, style), style))
    IO.write(inspect(align, syntax_colors: [atom: :blue]))
    """

    args = ["-pa", Application.app_dir(:beam_scope, "ebin"), "-e", code]
    {output, 0} = System.cmd("elixir", args, env: [{"NO_COLOR", "1"}])
    assert output =~ "- :a"
    refute output =~ "\e["
  end

  test "control characters do not reach the terminal" do
    refute text(["a\e[31m"], ["b\e[32m"], 80) =~ "\e"
  end

  test "the limit of inspect cuts it" do
    assert inspect(Align.align(1..100, 201..300), limit: 5) =~ "more entries"
  end

  test "an alignment that ran out of time says so" do
    numbers = Enum.to_list(1..2_000)
    style = style(80)
    align = Align.align(numbers, Enum.reverse(numbers), deadline: 0)
    assert align |> BeamScope.Terminal.Align.lines(style) |> Style.render(style) =~ "time ran out"
  end
end
