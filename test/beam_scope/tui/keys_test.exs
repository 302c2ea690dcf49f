defmodule BeamScope.Tui.KeysTest do
  use ExUnit.Case, async: true

  alias BeamScope.Tui.Keys

  doctest Keys

  test "arrows and pages in all the ways that terminals send them" do
    for {bytes, key} <- [
          {"\e[A", :up},
          {"\eOA", :up},
          {"\e[1;5C", :right},
          {"\e[H", :home},
          {"\e[1~", :home},
          {"\eOF", :end},
          {"\e[4~", :end},
          {"\e[6~", :page_down},
          {"\e[Z", :back_tab},
          {"\t", :tab},
          {"\r", :enter},
          {"\n", :enter},
          {"\d", :backspace},
          {<<8>>, :backspace},
          {<<3>>, :ctrl_c},
          {"é", {:char, "é"}},
          {"日", {:char, "日"}}
        ],
        do: assert(Keys.decode(bytes) == {[key], ""})
  end

  test "a key that comes in pieces is one key" do
    {keys, rest} =
      for <<byte <- "a\e[5~日\e[A">>, reduce: {[], ""} do
        {keys, rest} ->
          {more, rest} = Keys.decode(rest <> <<byte>>)
          {keys ++ more, rest}
      end

    assert {keys, rest} == {[{:char, "a"}, :page_up, {:char, "日"}, :up], ""}
  end

  test "an escape is the Escape key when nothing follows, or something that is no sequence" do
    assert Keys.decode("\e") == {[], "\e"}
    assert Keys.flush("\e") == [:escape]
    assert Keys.flush("\e[") == []
    assert Keys.decode("\eq") == {[:escape, {:char, "q"}], ""}
    assert Keys.decode("\e\e[A") == {[:escape, :up], ""}
  end

  test "what is no key is passed over, whatever it is" do
    assert Keys.decode("\e[200~x\e[?1;2cy") == {[{:char, "x"}, {:char, "y"}], ""}
    assert Keys.decode(<<255, ?a>>) == {[{:char, "a"}], ""}
    assert {_, ""} = Keys.decode("\e[" <> String.duplicate("1", 100) <> "A")

    for _ <- 1..500 do
      bytes = :rand.bytes(:rand.uniform(30))
      {keys, rest} = Keys.decode(bytes)
      assert is_list(keys) and byte_size(rest) <= 18
    end
  end
end
