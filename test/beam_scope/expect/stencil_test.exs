defmodule BeamScope.Expect.StencilTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Expect.Stencil

  require BeamScope

  alias BeamScope.{Diff, Truncated}
  alias BeamScope.Expect.Stencil

  defmacrop changes(pattern, term) do
    quote do
      {:pattern, head, _guard} = BeamScope.pattern(unquote(pattern)).data
      head |> Stencil.diff(unquote(term)) |> Diff.changes() |> Enum.map(&shown/1)
    end
  end

  defp shown({path, {how, a, b}}), do: {path, how, text(a), text(b)}
  defp shown({path, {how, a}}), do: {path, how, text(a)}
  defp text(term), do: BeamScope.Terminal.Term.text(term, 80)

  test "only what the pattern says can differ" do
    assert changes(%{count: 2}, %{count: 3, other: 1}) == [{[:count], :changed, "2", "3"}]
    assert changes({:ok, _, n, n}, {:ok, 1, 2, 2}) == []
    assert changes({:ok, n, n}, {:ok, 1, 2}) == [{[2], :changed, "1", "2"}]
    assert changes([1, _ | rest], [2, 3, 4]) == [{[0], :removed, "1"}, {[0], :added, "2"}]

    assert changes(%{a: %{b: [_, :x]}} = _whole, %{a: %{b: [1, :y]}}) == [
             {[:a, :b, 1], :removed, ":x"},
             {[:a, :b, 1], :added, ":y"}
           ]
  end

  test "where a term has another shape, the pattern stands for itself" do
    assert changes({:ok, n}, :error) == [{[], :changed, "{:ok, n}", ":error"}]
    assert changes(%{a: x, b: _}, %{a: 1}) == [{[:b], :removed, "_"}]
    assert changes({:ok, n}, {:ok, 1, 2}) == [{[], :changed, "{:ok, n}", "{:ok, 1, 2}"}]
    assert changes(<<"id:", _::binary>>, "no") == [{[], :changed, "<<…>>", ~s("no")}]
    assert changes(<<"id:", _::binary>>, "id:7") == []
    assert changes(%URI{host: "a"}, %{host: "a"}) |> hd() |> elem(0) == []
  end

  test "what was cut off elsewhere is no difference" do
    big = %Truncated{kind: :binary, size: 5_000, known: "xx"}
    assert changes(%{count: 2}, %{count: 3, big: big}) == [{[:count], :changed, "2", "3"}]

    assert [{[:big], :changed, ~s("xy"), "#truncated<binary of 5,000: " <> _}] =
             changes(%{big: "xy"}, %{big: big})
  end

  test "an improper list and an empty one" do
    assert changes([_ | :tail], [1 | :other]) |> length() > 0
    assert changes([_ | _], []) |> length() > 0
  end
end
