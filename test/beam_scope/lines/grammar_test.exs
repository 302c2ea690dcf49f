defmodule BeamScope.Lines.GrammarTest do
  # Programs drawn from a grammar: instrumented they give what they gave before, and their probes tell what an interpreter of the same
  # grammar says ran, with the variables that it says were bound.
  use ExUnit.Case, async: false

  alias BeamScope.Test.Lines.{Grammar, Interpreter, Judge, Peer, Printer, Programs}

  @module BeamScope.Test.Lines.Program

  setup_all do
    %{peer: Programs.peer()}
  end

  @tag timeout: 300_000
  test "programs mean the same, and their lines and variables are those that ran", %{peer: peer} do
    told = for seed <- 1..400, do: check(peer, seed, rem(seed, 4))
    # Enough of them went on for a while.
    assert told |> Enum.map(&elem(&1, 1)) |> Enum.sum() > 5_000
  end

  @tag :endurance
  @tag timeout: 3_600_000
  test "ten thousand larger ones", %{peer: peer} do
    for seed <- 1..10_000, do: check(peer, 1_000_000 + seed, rem(seed, 6))
  end

  defp check(peer, seed, size) do
    case run(peer, seed, size) do
      {:ok, probes} -> {:ok, probes}
      {:failed, _} -> peer |> smallest(seed, size) |> flunk()
    end
  end

  # The first of the smaller programs of seeds near by that fails too, or this one.
  defp smallest(peer, seed, size) do
    smaller = for smaller <- 0..(size - 1)//1, near <- seed..(seed + 150), do: {near, smaller}

    Enum.find_value(smaller ++ [{seed, size}], fn {seed, size} ->
      with {:failed, message} <- run(peer, seed, size), do: message, else: (_ -> nil)
    end)
  end

  defp run(peer, seed, size) do
    :rand.seed(:exsss, {seed, size, 7})
    {text, program} = size |> Grammar.program() |> Printer.print(@module, options(seed))
    inputs = Grammar.inputs()
    {originals, instrumented} = Peer.call(peer, Programs, :elixir, [text, :run, inputs])

    found =
      for {arguments, original, {outcome, probes}} <- Enum.zip([inputs, originals, instrumented]),
          fault = fault(seed, flat(original), flat(outcome), probes, Interpreter.run(program, arguments)),
          do: {arguments, fault}

    case found do
      [] ->
        {:ok, instrumented |> Enum.map(&length(elem(&1, 1))) |> Enum.sum()}

      [{arguments, fault} | _] ->
        {:failed,
         "seed #{seed}, size #{size}: run(#{Enum.map_join(arguments, ", ", &inspect/1)})\n#{fault}\n#{numbered(text)}"}
    end
  end

  defp flat({class, reason, trace}), do: {class, reason, Judge.flat(trace)}
  defp flat(returned), do: returned

  defp fault(seed, original, outcome, probes, {expected, lines}) do
    cond do
      original != outcome and not fewer?(seed, original, outcome, expected) ->
        "original      #{inspect(original)}\ninstrumented  #{inspect(outcome)}"

      not same?(original, expected) ->
        "it gives      #{inspect(original)}\ninterpreter   #{inspect(expected)}"

      not same_lines?(probes, lines) ->
        differing(probes, lines)

      true ->
        nil
    end
  end

  # Every other program is compiled without what the compiler does to whole functions. With it, where two expressions can but fail there
  # is one piece of code for both, with the line of one of them, and what calls what never returns has no frame. In any case
  # `x = f(); x` is made a tail call, which it is no more when `x` is told. So the original's stacktrace may say less, and of the
  # former a line that is wrong. Ours must be right.
  defp options(seed) when rem(seed, 2) == 0, do: [:no_ssa_opt, :no_type_opt]
  defp options(_seed), do: []

  defp fewer?(seed, {class, reason, trace}, {class, reason, other}, {class, _, right}) do
    first = Enum.find_value(other, fn {module, _, _, {_, line}} -> module == @module && line end)
    within?(frames(seed, trace), frames(seed, other)) and first == right
  end

  defp fewer?(_, _, _, _), do: false

  defp frames(seed, trace) when rem(seed, 2) == 0, do: trace

  defp frames(_seed, trace),
    do: for({module, function, arity, {file, _}} <- trace, do: {module, function, arity, file})

  # In this order, others between them. A trace has eight frames at most.
  defp within?([], _), do: true
  defp within?(_, []), do: true
  defp within?([frame | rest], [frame | others]), do: within?(rest, others)
  defp within?(frames, [_ | others]), do: others != [] and within?(frames, others)

  defp same?({:returned, value}, {:returned, expected}),
    do: value == BeamScope.Test.Lines.Outcome.plain(expected)

  defp same?({:throw, value, _}, {:throw, expected, _}),
    do: value == BeamScope.Test.Lines.Outcome.plain(expected)

  defp same?({:error, reason, _}, {:error, kind, _}), do: kind(reason) == kind
  defp same?(_, _), do: false

  # Elixir 1.20 makes Erlang's `maybe` of a `with`.
  defp kind({:else_clause, _}), do: :with_clause
  defp kind({:a_map, fields}), do: {:exception, Keyword.get(fields, :__struct__)}
  defp kind(reason) when is_tuple(reason), do: elem(reason, 0)
  defp kind(reason), do: reason

  defp same_lines?(probes, lines),
    do:
      length(probes) == length(lines) and
        Enum.zip(probes, lines) |> Enum.all?(fn {probe, line} -> one?(probe, line) end)

  defp one?({told_line, exact?, told}, {line, bound, more}) do
    (told_line == line or (not exact? and told_line <= line)) and
      Map.take(Map.new(told), Map.keys(bound)) == bound and
      Enum.all?(told, fn {name, value} -> bound[name] == value or more[name] == value end)
  end

  defp differing(probes, lines) do
    same = probes |> Enum.zip(lines) |> Enum.take_while(fn {probe, line} -> one?(probe, line) end) |> length()

    """
    the first #{same} probes are right, then
      told      #{inspect(Enum.slice(probes, same, 3))}
      expected  #{inspect(Enum.slice(lines, same, 3))}
    """
  end

  defp numbered(text) do
    text
    |> String.split("\n")
    |> Enum.with_index(1)
    |> Enum.map_join("\n", fn {line, n} -> "#{String.pad_leading("#{n}", 4)}  #{line}" end)
  end
end
