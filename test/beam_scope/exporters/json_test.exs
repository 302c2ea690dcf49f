defmodule BeamScope.Exporters.JsonTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Exporters.Json

  alias BeamScope.Exporters.Json
  alias BeamScope.Test.ReadJson

  test "a reader of its own gets back what was written" do
    :rand.seed(:exsss, {1, 2, 3})

    for _ <- 1..500 do
      term = random(4)
      assert term |> Json.encode!() |> ReadJson.read!() == term
    end
  end

  test "control characters, quotes and backslashes are escaped" do
    for char <- 0..0x1F, do: assert(Json.encode!(<<char>>) =~ ~r/^"\\(u00[01][0-9a-f]|[ntr])"$/)
    assert Json.encode!(~S(say "\"!)) == ~S("say \"\\\"!")
    assert Json.encode!("grüße 🙂 \u2028") == ~s("grüße 🙂 \u2028")
    assert Json.encode!(<<127>>) |> ReadJson.read!() == <<127>>
  end

  test "each byte that is no UTF-8 is replaced, the rest stays" do
    assert Json.encode!("a" <> <<0xFF, 0xC3>> <> "b") == ~S("a\ufffd\ufffdb")
    assert Json.encode!(<<"ü", 0xE2, 0x82>>) == ~S("ü\ufffd\ufffd")
    # A surrogate and an overlong form are no UTF-8 either.
    assert String.valid?(Json.encode!(<<0xED, 0xA0, 0x80, 0xC0, 0x80>>))
  end

  test "numbers read as what they were" do
    for x <- [0.0, -0.0, 0.1, 1.0e300, 5.0e-324, -2.5, 1.0e22, 123_456_789.125] do
      assert {^x, ""} = x |> Json.encode!() |> Float.parse()
    end

    assert Json.encode!(9_007_199_254_740_992) == "9007199254740992"
    assert Json.encode!(9_007_199_254_740_993) == ~S("9007199254740993")
    assert Json.encode!(-9_007_199_254_740_993) == ~S("-9007199254740993")
  end

  test "what has no JSON is refused, never guessed" do
    for term <- [self(), {1, 2}, make_ref(), %URI{}, [a: 1], <<1::3>>, &is_atom/1],
        do: assert_raise(ArgumentError, fn -> Json.encode!(term) end)
  end

  test "plain/2 takes no part of a term for the whole of it" do
    cut = %BeamScope.Truncated{kind: :list, size: 9, known: [1]}

    for term <- [
          cut,
          [1, cut],
          %{a: %BeamScope.Redacted{kind: :binary, size: 3}},
          %{{:a, 1} => 1},
          %{:a => 1, "a" => 2},
          [1 | 2],
          <<255>>,
          %{<<255>> => 1},
          self(),
          1..3,
          String.duplicate("long", 1000)
        ],
        do: assert(Json.plain(term, 100) == :error)

    assert Json.plain([nil, true, "ü", -1, 1.5, %{b: []}], 100) ==
             {:ok, [nil, true, "ü", -1, 1.5, %{"b" => []}]}
  end

  defp random(0),
    do: Enum.random([nil, true, false, :rand.uniform(1_000_000) - 500_000, :rand.uniform(), text()])

  defp random(depth) do
    case :rand.uniform(3) do
      1 -> for _ <- 1..:rand.uniform(4), do: random(depth - 1)
      2 -> for _ <- 1..:rand.uniform(4), into: %{}, do: {text(), random(depth - 1)}
      3 -> random(0)
    end
  end

  defp text,
    do:
      for(
        _ <- 1..:rand.uniform(9),
        into: "",
        do: <<Enum.random([?a, ?", ?\\, ?\n, 0, 7, 127, ?ü, ?€, 0x1F642])::utf8>>
      )
end
