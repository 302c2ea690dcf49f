defmodule BeamScope.Terminal.StyleTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Terminal.Style

  alias BeamScope.Terminal.Style

  describe "widths" do
    test "wide characters take two columns, combining ones none" do
      assert Style.width("日本語") == 6
      assert Style.width("e\u0301") == 1
      assert Style.width("👍🏽") == 2
      assert Style.width([{:name, "ab"}, "c"]) == 3
    end

    test "a cut never leaves more than asked for, wherever a wide character stands" do
      for width <- 1..12 do
        assert Style.width(Style.fit(["a日本語b", {:new, "日本"}], width)) <= width
      end
    end

    test "wrapped lines hold the same text and no more columns than asked for" do
      line = [{:name, "Counter"}, " → ", {:call, "日本語"}, " done"]
      lines = Style.wrap(line, 5, 100)
      assert Enum.all?(lines, &(Style.width(&1) <= 5))
      assert text(Enum.concat(lines)) == text(line)
    end

    test "the last wrapped line shows that there is more" do
      assert [["abc"], ["de…"]] = Style.wrap(["abcdefghi"], 3, 2)
    end
  end

  describe "render" do
    test "without colours there is no escape code" do
      assert Style.render([[{:old, "- 1"}, " ", {:new, "+ 2"}]], style(ansi?: false)) == "- 1 + 2"
    end

    test "with colours, old is red and new is green, and each is reset" do
      text = Style.render([[{:old, "a"}, {:new, "b"}]], style(ansi?: true))
      assert text == "\e[31ma\e[0m\e[32mb\e[0m"
    end

    test "no line is wider than the style, coloured or not" do
      long = [{:name, String.duplicate("x", 300)}]
      assert [long] |> Style.render(style(ansi?: false, width: 40)) |> String.length() == 40
      plain = [long] |> Style.render(style(ansi?: true, width: 40)) |> String.replace(~r/\e\[[0-9;]*m/, "")
      assert String.length(plain) == 40
    end

    test "recorded text cannot smuggle escape codes, new lines or reversed text in" do
      text = Style.render([["a\e[2Jb\r\nc\u202Ed", {:name, <<255, "x">>}]], style(ansi?: false))
      refute text =~ ~r/[\e\r\n\x{202E}]/u
      assert String.valid?(text)
    end

    test "devices that are not Unicode get ASCII" do
      assert Style.render([["A → B …"]], style(unicode?: false)) == "A > B ~"
    end
  end

  describe "colours" do
    test "an Inspect implementation colours only where syntax colours are wanted" do
      refute Style.from_inspect(%Inspect.Opts{}).ansi?
    end

    test "numbers and times for people" do
      assert Style.time(-1_000_000) == "-1.000 ms"
      assert Style.number(-12_345) == "-12,345"
      assert Style.bytes(0) == "0 B"
    end
  end

  defp style(fields), do: struct(%Style{width: 80, ansi?: false, unicode?: true}, fields)
  defp text(line), do: Enum.map_join(line, &Style.text/1)
end
