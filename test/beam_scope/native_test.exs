defmodule BeamScope.NativeTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Native, Opaque, Redacted, Truncated}
  alias BeamScope.Test.Terms

  @whole %{bytes: 1_000_000, depth: 128}

  defp roundtrip(term, options \\ @whole), do: Native.roundtrip(term, options)

  describe "the library" do
    test "has the ABI of its module and its Mix compiler" do
      assert {abi, version} = Native.abi_version()
      assert abi == Native.abi()
      assert version == Mix.Project.config()[:version]
    end

    @tag :raw
    test "verified every layout on this release" do
      assert Enum.filter(Native.self_check(), fn {_, verified} -> not verified end) == []
    end
  end

  describe "law 1: decode(encode(t)) == t" do
    for seed <- 1..4 do
      test "for random terms, seed #{seed}" do
        for term <- Terms.stream(unquote(seed), 300) do
          assert roundtrip(term) === term
          # Floats that compare equal are told apart here.
          assert :erlang.term_to_binary(roundtrip(term), minor_version: 2) ==
                   :erlang.term_to_binary(term, minor_version: 2)
        end
      end
    end

    test "for the largest kinds" do
      for term <- [
            Map.new(1..2000, &{&1, "value #{&1}"}),
            Enum.to_list(1..20_000),
            List.to_tuple(Enum.to_list(1..5000)),
            :binary.copy("x", 500_000),
            Bitwise.bsl(1, 100_000),
            MapSet.new(1..500)
          ] do
        assert roundtrip(term) === term
      end
    end

    test "whatever fits its budget exactly is whole" do
      for term <- Terms.stream(99, 300) do
        needed = byte_size(Native.encode_term(term, @whole))
        assert roundtrip(term, %{bytes: needed + 130, depth: 128}) === term
      end
    end

    test "live references stay live" do
      reference = Process.monitor(self())
      assert roundtrip({:ok, reference}) == {:ok, reference}
      alias_reference = :erlang.alias()
      assert roundtrip(alias_reference) == alias_reference
    end
  end

  describe "what cannot live outside its process" do
    test "comes back as what it was" do
      secret = "environment"
      assert %Opaque{kind: :fun, text: "#Fun<" <> _} = roundtrip(fn -> secret end)
      assert %Opaque{kind: :port, text: "#Port<" <> _} = roundtrip(hd(Port.list()))
    end

    @tag :raw
    test "magic references are never live handles" do
      assert %Opaque{kind: :reference, text: "#Ref<" <> _} = roundtrip(:atomics.new(1, []))
      assert %Opaque{kind: :reference} = roundtrip(:ets.new(:table, []))
    end
  end

  describe "budgets" do
    test "say what was cut and how much there was" do
      assert %Truncated{kind: :list, size: 1000, known: [1, 2 | _]} =
               roundtrip(Enum.to_list(1..1000), %{bytes: 100})

      assert %Truncated{kind: :list, size: 20_000} = roundtrip(Enum.to_list(1..20_000), %{bytes: 4096})
      # Counting is bounded by the budget too.
      assert %Truncated{kind: :list, size: 0} = roundtrip(Enum.to_list(1..200_000), %{bytes: 4096})

      assert %Truncated{kind: :binary, size: 1000, known: "xxxxx" <> _} =
               roundtrip(:binary.copy("x", 1000), %{bytes: 100})

      assert %Truncated{kind: :map, size: 1000, known: known} =
               roundtrip(Map.new(1..1000, &{&1, &1}), %{bytes: 100})

      assert map_size(known) > 10 and Enum.all?(known, fn {k, v} -> k == v end)

      assert %Truncated{kind: :tuple, size: 1000, known: known} =
               roundtrip(List.to_tuple(Enum.to_list(1..1000)), %{bytes: 100})

      assert elem(known, 0) == 1
    end

    test "a huge part does not hide the small ones after it" do
      huge = Enum.to_list(1..10_000)
      assert {%Truncated{kind: :list}, :a, "b", 3} = roundtrip({huge, :a, "b", 3}, %{bytes: 300})
      assert [%Truncated{}, :a, :b] = roundtrip([:binary.copy("x", 5000), :a, :b], %{bytes: 300})
      assert %{a: %Truncated{}, z: :small} = roundtrip(%{a: huge, z: :small}, %{bytes: 300})
    end

    test "a pair is kept with its whole key or not at all" do
      map = Map.new(1..20, &{{&1, :binary.copy("k", 100)}, &1})
      assert %Truncated{kind: :map, size: 20, known: known} = roundtrip(map, %{bytes: 500})
      assert Enum.all?(known, fn {key, value} -> map[key] == value end)
    end

    test "hold for random terms and random budgets" do
      for {term, n} <- Enum.with_index(Terms.stream(7, 600)) do
        bytes = 16 + rem(n * 37, 400)
        wire = Native.encode_term(term, %{bytes: bytes, depth: rem(n, 12)})
        assert byte_size(wire) <= bytes
        roundtrip(term, %{bytes: bytes, depth: rem(n, 12)})
      end
    end

    test "depth is bounded" do
      deep = Enum.reduce(1..100_000, :bottom, fn _, acc -> [acc] end)
      assert [[[%Truncated{kind: :list}]]] = roundtrip(deep, %{bytes: 10_000, depth: 3})
      roundtrip(deep)
      deep = Enum.reduce(1..100_000, :bottom, fn n, acc -> %{n => acc} end)
      roundtrip(deep)
      deep = Enum.reduce(1..100_000, :bottom, fn n, acc -> {n, acc} end)
      roundtrip(deep)
    end

    test "improper lists, however they are cut" do
      improper = Enum.to_list(1..50) ++ :tail
      for bytes <- 16..200, do: roundtrip(improper, %{bytes: bytes})
      assert roundtrip(improper, %{bytes: 250}) == improper
    end
  end

  describe "redaction" do
    @redact Map.put(@whole, :redact, [:password, "token", "authorization"])

    defp hidden(term), do: roundtrip(term, @redact)

    test "by the key of a map, struct, keyword list or header" do
      assert %{password: %Redacted{kind: :binary}, name: "n"} = hidden(%{password: "s3cret", name: "n"})
      assert %{"Access-Token" => %Redacted{kind: :map}} = hidden(%{"Access-Token" => %{a: 1}})
      assert [password: %Redacted{kind: :binary}, user: "u"] = hidden(password: "s3cret", user: "u")
      assert [{"Authorization", %Redacted{}}] = hidden([{"Authorization", "Bearer s3cret"}])
      assert [{~c"authorization", %Redacted{kind: :list}}] = hidden([{~c"authorization", ~c"s3cret"}])
      assert %URI{userinfo: nil} = hidden(%URI{})
    end

    test "keeps the value out of the bytes, at any depth" do
      for _ <- 1..3 do
        term = %{
          deep: [{:x, %{"user_password" => "s3cret", list: [password: ["s3cret"]]}}],
          big: Map.new(1..50, &{&1, &1})
        }

        wire = Native.encode_term(term, @redact)
        assert :binary.match(wire, "s3cret") == :nomatch
      end
    end

    test "leaves everything else alone" do
      for term <- Terms.stream(5, 200), do: assert(hidden(term) === term)
    end
  end
end
