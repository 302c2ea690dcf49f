defmodule BeamScope.Recording.PortableTest do
  use ExUnit.Case, async: true
  alias BeamScope.{Opaque, Recording.Portable}

  defp read(bytes), do: Portable.decode(:erlang.binary_to_term(bytes, [:safe]))

  test "terms come back, without what lives in one system only" do
    term = %{:a => [1, 2.5, "x", {:b, nil}], [] => %{"k" => true}, :at => ~D[2026-01-01], 1 => -(2 ** 80)}
    assert read(Portable.encode(term)) == {:ok, term}
    pid = self()

    assert read(Portable.encode({pid, make_ref(), &String.length/1, [1 | 2]})) |> elem(1) |> elem(0) ==
             %Opaque{kind: :pid, text: inspect(pid)}

    assert Portable.decode(:erlang.binary_to_term(Portable.encode([pid])), false) == {:ok, [pid]}
  end

  test "there is no atom in the bytes, and what is read makes a bounded number" do
    bytes = Portable.encode(for n <- 1..6_000, do: {:x, n})
    refute bytes |> :erlang.binary_to_term([:safe]) |> inspect(limit: :infinity) =~ ":x"
    many = :erlang.term_to_binary({1, for(n <- 1..6_000, do: {0, "beam_scope_unheard_of_#{n}"})})
    {:ok, atoms} = read(many)
    assert Enum.count(atoms, &is_atom/1) == 5_000
    assert is_binary(List.last(atoms))
  end

  test "anything else is refused" do
    for term <- [nil, {1, {9}}, {1, {0, 7}}, {1, {3, :x}}, {2, []}, "x", {1, {0, String.duplicate("a", 300)}}],
        do: assert(Portable.decode(term) == :error)
  end
end
