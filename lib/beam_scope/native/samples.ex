defmodule BeamScope.Native.Samples do
  @moduledoc false
  # Terms of every kind. The library checks its reading of memory against them when it is loaded.

  @doc "The samples by kind; `nil` (`BEAM_SCOPE_NO_RAW=1`) makes the library use the VM's interface alone."
  def all do
    unless System.get_env("BEAM_SCOPE_NO_RAW") == "1", do: make()
  rescue
    # On a VM where a sample cannot be made, the interface alone is right too.
    _ -> nil
  end

  defp make do
    %{
      atoms: [nil, true, :"", :undefined, :é, __MODULE__, node()],
      integers: [0, 1, -1, 255, -256, 123_456_789_012, 0x7FFFFFFFFFFFFFF, -0x800000000000000],
      pids: [self() | Enum.take(Process.list(), 3)],
      ports: Enum.take(Port.list(), 3),
      nils: [[]],
      lists: [[1], [:a | :b], [[], 2], ~c"text", Enum.to_list(1..100)],
      tuples: [{1}, {:a, 2}, {self(), [], {}}, List.to_tuple(Enum.to_list(1..300))],
      floats: [1.5, -2.25, 1.0e300, 5.0e-324, dynamic(0) / 3],
      positive_bigs: for(n <- [60, 63, 64, 65, 127, 128, 500, 1000], do: Bitwise.bsl(dynamic(1), n)),
      negative_bigs: for(n <- [60, 64, 65, 127, 128, 500, 1000], do: -Bitwise.bsl(dynamic(1), n) - 1),
      binaries: binaries(),
      bitstrings: bitstrings(),
      maps: small_maps() ++ large_maps(),
      small_maps: small_maps(),
      large_maps: large_maps(),
      references: for(_ <- 1..4, do: make_ref()),
      self: [self()],
      aliases: for(_ <- 1..3, do: dead_alias()),
      magic_references: for(n <- 1..2, do: :atomics.new(n, [])),
      funs: [fn -> :ok end, dynamic(&dynamic/1), &:erlang.node/0, &String.length/1, capture(self())],
      external_pids: for(n <- 1..3, do: external(88, <<n::32, 0::32, 7::32>>)),
      external_ports: for(n <- 1..3, do: external(89, <<n::32, 7::32>>)),
      external_references: for(n <- 1..3, do: external(90, <<7::32, n::32, 5::32, 6::32>>))
    }
  end

  # Of the heap, of the binary allocator, parts of each, and none of them aligned by luck alone.
  defp binaries do
    long = :binary.copy("0123456789", 50)
    parts = for size <- [0, 1, 63, 64, 65, 200], do: binary_part(long, 7, size)
    whole = for size <- [0, 1, 7, 8, 63, 64, 65, 1000], do: :binary.copy("x", size)
    <<_::3, unaligned::binary-size(100), _::bitstring>> = long
    parts ++ whole ++ [long, unaligned]
  end

  defp bitstrings do
    long = :binary.copy("abc", 200)

    <<_::5, a::bitstring-size(9), b::bitstring-size(511), c::bitstring-size(1999), _::bitstring>> = long
    <<d::bitstring-size(1), _::7, e::bitstring-size(100), _::4, f::bitstring-size(513), _::bitstring>> = long

    [a, b, c, d, e, f]
    |> Enum.concat(for size <- [3, 65, 600, 2001], do: <<0::size(size)>>)
    |> Enum.filter(&(rem(bit_size(&1), 8) != 0))
  end

  defp small_maps, do: for(n <- [1, 2, 5, 31, 32], do: Map.new(1..n, &{&1, {&1}}))

  defp large_maps do
    plain = for n <- [33, 100, 1000, 20_000], do: Map.new(1..n, &{{&1}, &1})
    [Map.new(1..200, &{"key #{&1}", [&1]}), Map.new(1..70, &{[&1], %{}}) | plain]
  end

  defp dead_alias do
    reference = :erlang.alias()
    :erlang.unalias(reference)
    reference
  end

  defp external(tag, rest) do
    words = if tag == 90, do: <<3::16>>, else: <<>>
    :erlang.binary_to_term(<<131, tag, words::binary, 119, 11, "other@place", rest::binary>>)
  end

  defp capture(pid), do: fn -> pid end

  # What the compiler must not make a literal of.
  defp dynamic(term), do: :erlang.binary_to_term(:erlang.term_to_binary(term))
end
