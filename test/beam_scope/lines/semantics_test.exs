defmodule BeamScope.Lines.SemanticsTest do
  # Instrumented code does what the original does: two virtual machines, one with the standard libraries as they are, one with all of
  # their modules instrumented, are given the same work.
  use ExUnit.Case, async: false

  alias BeamScope.Test.Lines.{Arguments, Doctests, Double, Judge, Library, Peer, Pure, Remote, Run, Work}

  # Nothing here is recorded: how states are found makes no difference. From OTP 26 on maps of atoms have an order that differs from one
  # virtual machine to the other, and with it what many functions answer.
  @moduletag skip:
               (BeamScope.Recorder.Profile.wanted(nil) == :fallback && "the profile has no part in it") ||
                 (String.to_integer(System.otp_release()) >= 26 &&
                    "two virtual machines differ in the order of maps")

  @seed {2024, 2, 29}
  @applications [:stdlib, :elixir, :compiler]
  @least_modules 150
  @least_inputs 20_000
  @drawn 10

  # Minutes of compiling: `mix test --only proof`, as .ci/run does it.
  @tag :proof
  @tag timeout: 600_000
  test "standard libraries give the same, instrumented" do
    prove(Library.modules(@applications) |> Enum.reject(&(elem(&1, 0) in Library.giant())), @drawn)
  end

  @tag :endurance
  @tag timeout: 3_600_000
  test "all of them, the giants too, over many times the inputs" do
    prove(Library.modules(@applications), 12 * @drawn)
  end

  defp prove(modules, drawn) do
    # Another run of the tests may be under way here, on another release.
    directory = Path.join(System.tmp_dir!(), "beam_scope_semantics_#{System.pid()}")
    on_exit(fn -> File.rm_rf!(directory) end)
    library = Library.instrument(modules, Path.join(directory, "instrumented"))
    # Every module of these has debug information and none is of a kind that is refused.
    assert library.refused == []

    again = Library.recompile(modules, Path.join(directory, "again"))
    peers = Run.start(library.made, again, library.sites, Double.binary(:count))
    inlining = Library.inlining(modules)

    sums =
      for {what, calls, scale} <- [
            {"examples of documentation", examples(), 10},
            {"drawn arguments", drawn(drawn), 1},
            {"work", work(), 50}
          ] do
        sum = Run.compare(peers, calls, scale)
        assert_same(what, sum, peers, inlining)
        sum
      end

    ran = ran(peers, library)
    inputs = sums |> Enum.map(& &1.compared) |> Enum.sum()
    Run.stop(peers)

    assert inputs >= @least_inputs
    assert length(ran) >= @least_modules
    # What neither has time for is no proof.
    assert sums |> Enum.map(&length(&1.skipped)) |> Enum.sum() < div(inputs, 500)
  end

  defp examples do
    for {module, _} <- Library.modules([:elixir]),
        texts <- Doctests.of(module),
        do: {Doctests, :evaluate, [texts]}
  end

  defp drawn(times) do
    :rand.seed(:exsss, @seed)
    known = Map.new(Pure.modules(), &{&1, %{specs: Arguments.specifications(&1), types: Arguments.types(&1)}})

    for {module, name, arity} <- Pure.functions(), _ <- 1..if(arity == 0, do: 1, else: times) do
      {module, name, Arguments.draw(module, {name, arity}, known[module])}
    end
  end

  defp work do
    :rand.seed(:exsss, @seed)
    Enum.concat([texts(), compiled(), forms(), structures(), graphs(), small()])
  end

  defp texts,
    do: for(file <- Path.wildcard("{lib,test}/**/*.{ex,exs}"), do: {Work, :text, [File.read!(file)]})

  # These stand alone.
  defp compiled do
    for name <- ~w(error term verdict pattern options table diff),
        file = "lib/beam_scope/#{name}.ex",
        File.exists?(file) do
      {Work, :compiled, [File.read!(file), file]}
    end
  end

  @compiled [
    :queue,
    :orddict,
    :ordsets,
    :base64,
    :proplists,
    :gb_sets,
    :calendar,
    :sys_core_fold,
    :string,
    :erl_scan,
    :zip,
    :gen_statem
  ]

  defp forms do
    for module <- @compiled do
      {:ok, {_, [abstract_code: {_, forms}]}} = :beam_lib.chunks(:code.which(module), [:abstract_code])
      {Work, :forms, [forms]}
    end
  end

  defp structures do
    for kind <- [:gb_trees, :gb_sets, :queue, :array, :dict, :sets, :orddict, MapSet, :maps], _ <- 1..20 do
      {Work, :structure, [kind, for(_ <- 1..60, do: {Enum.random(0..2), Enum.random(0..30)})]}
    end
  end

  defp graphs do
    for n <- 1..60, do: {Work, :graph, [for(_ <- 1..n, do: {Enum.random(1..12), Enum.random(1..12)})]}
  end

  @texts ["", "abc def", "2024-02-29 and 1999-12-31", "key=value; k2=v2", "ünïcödé\nlines\r\n", "aaaa"]
  @expressions [
    "a",
    "(?<key>\\w+)=(\\w+)",
    "\\b",
    "(a|b)*c",
    "[",
    "\\d{4}-(?<month>\\d\\d)",
    ".",
    "(?<!x)a+?",
    "^|$"
  ]

  defp small do
    matches =
      for expression <- @expressions,
          options <- ["", "u", "im", "s"],
          do: {Work, :matches, [expression, options, @texts]}

    [{Work, :archive, [@texts]}] ++ for(n <- 1..20, do: {Work, :servers, [Enum.to_list(1..n)]}) ++ matches
  end

  defp assert_same(what, sum, peers, inlining) do
    told =
      for call <- sum.different,
          [original, instrumented] = Run.details(peers, call),
          not Judge.same?(original, instrumented, inlining),
          do: {call, original, instrumented}

    if told != [] do
      {{module, name, arguments}, original, instrumented} = hd(told)

      flunk("""
      #{what}: #{length(told)} of #{sum.compared} differ, seed #{inspect(@seed)}. The first of them:
      #{inspect(module)}.#{name} of #{inspect(arguments, limit: 50, printable_limit: 500)}
        original      #{inspect(original, limit: 100, printable_limit: 1_000)}
        instrumented  #{inspect(instrumented, limit: 100, printable_limit: 1_000)}
      Others: #{for {{module, name, arguments}, _, _} <- Enum.take(told, 50), uniq: true, do: "#{inspect(module)}.#{name}/#{length(arguments)} "}
      """)
    end
  end

  # The modules of which probes ran: else nothing is proved of them.
  defp ran(peers, library) do
    counts = peers.instrumented |> Peer.call(Remote, :counts, [library.sites]) |> Enum.map(&elem(&1, 0))
    for {module, first, next} <- library.ranges, Enum.any?(counts, &(&1 in first..(next - 1)//1)), do: module
  end
end
