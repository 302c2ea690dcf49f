defmodule BeamScope.Lines.Instrument.TextsTest do
  use ExUnit.Case, async: true

  alias BeamScope.Lines.Instrument.{Marks, Texts}

  test "Elixir is written as it was, as far as that is known" do
    {:ok, {_, [debug_info: {:debug_info_v1, _, {:elixir_v1, %{definitions: definitions}, _}}]}} =
      :beam_lib.chunks(:code.which(LinesShop), [:debug_info])

    texts =
      definitions
      |> Marks.put(fn {name, _} -> name in [:count_down, :price, :large] end)
      |> Texts.elixir()
      |> Map.values()

    assert "def count_down(n)" in texts
    assert "less = n - 1" in texts
    assert "def price(name, n) when is_atom(name)" in texts
    assert "base * n" in texts
    assert "case(list)" in texts
    assert "[1, 2] ->" in texts
  end
end
