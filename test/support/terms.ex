defmodule BeamScope.Test.Terms do
  @moduledoc false
  # Random terms of every kind that can be captured whole, from a seed.

  @doc "`count` terms of growing size. The same seed gives the same terms, references and pids aside."
  def stream(seed, count) do
    Stream.unfold({:rand.seed_s(:exsss, seed), 0}, fn
      {_state, ^count} -> nil
      {state, n} -> with_state(state, fn -> term(rem(n, 40) + 1) end, n)
    end)
  end

  defp with_state(state, fun, n) do
    :rand.seed(state)
    term = fun.()
    {term, {:rand.export_seed() |> :rand.seed_s(), n + 1}}
  end

  @doc "A random term of about `size` nodes."
  def term(size) when size <= 1, do: leaf()

  def term(size) do
    case :rand.uniform(9) do
      1 -> list(size)
      2 -> list(size) ++ leaf_tail()
      3 -> size |> list() |> List.to_tuple()
      4 -> map(size)
      5 -> for {key, value} <- Enum.zip(keys(), list(size)), do: {key, value}
      6 -> struct(URI, host: term(div(size, 2)), port: leaf())
      7 -> [term(size - 1)]
      8 -> {term(div(size, 2)), term(div(size, 2))}
      9 -> leaf()
    end
  end

  defp list(size), do: for(_ <- 1..:rand.uniform(size), do: term(div(size, 4)))
  defp leaf_tail, do: Enum.random([[], :tail, 1, "tail"])
  defp keys, do: [:a, :b, :name, :"strange key", :é, nil, true]

  defp map(size) do
    count = Enum.random([0, 1, 5, 31, 32, 33, 40, size])
    Map.new(0..count//1, fn i -> {key(i), term(div(size, 8))} end)
  end

  defp key(i), do: Enum.random([i, {i}, "key #{i}", [i], i * 1.0, leaf()])

  @doc "A random term without parts."
  def leaf do
    case :rand.uniform(16) do
      1 -> Enum.random([:ok, nil, true, :"", :"with space", :é, :日本, __MODULE__, :undefined])
      2 -> :rand.uniform(1000) - 500
      3 -> Enum.random(edges()) + :rand.uniform(3) - 2
      4 -> Enum.random([1, -1]) * :rand.uniform(1_000_000_000_000_000_000_000_000)
      5 -> Enum.random([0.0, -0.0, 1.5, -2.25e-300, 5.0e-324, 1.7976931348623157e308, :rand.uniform()])
      6 -> :rand.bytes(:rand.uniform(100) - 1)
      7 -> binary_part(:rand.bytes(200), :rand.uniform(50), :rand.uniform(100))
      8 -> bits()
      9 -> unaligned()
      10 -> []
      11 -> {}
      12 -> Enum.random([%{}, ~c"charlist", "", "ünï"])
      13 -> Enum.random([self(), Process.whereis(:init), Process.whereis(:logger)])
      14 -> Enum.random([make_ref(), dead_alias()])
      15 -> remote()
      16 -> Enum.random([&String.length/1, &:erlang.node/0, &Enum.map/2])
    end
  end

  defp edges do
    for n <- [7, 8, 27, 28, 31, 32, 58, 59, 60, 62, 63, 64, 65, 127, 128, 511, 2000],
        sign <- [1, -1],
        do: sign * Bitwise.bsl(1, n)
  end

  # Without its knowledge of memory the library cannot tell a bitstring's size, and leaves bitstrings out.
  defp bits, do: if(System.get_env("BEAM_SCOPE_NO_RAW") == "1", do: <<>>, else: some_bits())

  @doc "A random bitstring."
  def some_bits do
    size = :rand.uniform(300)
    <<bits::bitstring-size(300), _::bitstring>> = :rand.bytes(38)

    for <<bit::1 <- bits>>, reduce: {<<>>, size} do
      {acc, 0} -> {acc, 0}
      {acc, n} -> {<<acc::bitstring, bit::1>>, n - 1}
    end
    |> elem(0)
  end

  defp unaligned do
    <<_::3, binary::binary-size(70), _::bitstring>> = :rand.bytes(80)
    binary
  end

  defp dead_alias do
    reference = :erlang.alias()
    :erlang.unalias(reference)
    reference
  end

  @doc "A pid, port or reference of another node."
  def remote do
    n = :rand.uniform(1000)
    node = <<119, 11, "other@place">>

    :erlang.binary_to_term(
      case :rand.uniform(3) do
        1 -> <<131, 88, node::binary, n::32, 0::32, 7::32>>
        2 -> <<131, 89, node::binary, n::32, 7::32>>
        3 -> <<131, 90, 3::16, node::binary, 7::32, n::32, 5::32, 6::32>>
      end
    )
  end
end
