defmodule BeamScope.Lines.InstrumentTest do
  # What instrumentation makes of single constructs; that it changes nothing is proved at large by `SemanticsTest` and `GrammarTest`.
  use ExUnit.Case, async: false

  alias BeamScope.Error
  alias BeamScope.Lines.Instrument
  alias BeamScope.Lines.Instrument.{Forms, Scope}
  alias BeamScope.Test.Lines.{Peer, Programs}

  doctest Instrument
  doctest Scope

  setup_all do
    %{peer: Programs.peer()}
  end

  # What probes told of a call, after it has been seen to give what it gives without them.
  defp erlang(peer, body, arguments) do
    {[original], [{outcome, probes}]} =
      Peer.call(peer, Programs, :erlang, ["-module(m).\n-compile(export_all).\n" <> body, :f, [arguments]])

    assert original == outcome
    {outcome, for({line, true, told} <- probes, do: {line, told})}
  end

  defp elixir(peer, body, arguments) do
    text = "defmodule BeamScope.Test.Lines.One do\n" <> body <> "\nend"
    {[original], [{outcome, probes}]} = Peer.call(peer, Programs, :elixir, [text, :f, [arguments]])
    assert original == outcome
    {outcome, probes}
  end

  describe "Erlang" do
    test "a variable that every clause binds is told after the case", %{peer: peer} do
      body = "f(X) ->\n case X of\n 1 ->\n Y = a;\n _ ->\n Y = b, Z = c, Z\n end,\n Y."
      assert {{:returned, :a}, lines} = erlang(peer, body, [1])
      assert lines == [{4, [X: 1]}, {6, []}, {10, [Y: :a]}]
      assert {{:returned, :b}, lines} = erlang(peer, body, [2])

      # Told inside, and again where it is known of whatever clause was taken.
      assert lines == [{4, [X: 2]}, {8, []}, {8, [Y: :b]}, {8, [Z: :c]}, {10, [Y: :b]}]
    end

    test "records", %{peer: peer} do
      body = "-record(r, {a = 1, b}).\nf(X) ->\n R = #r{b = X},\n #r{a = A} = R,\n R#r{b = A}."

      assert {{:returned, {:r, 1, 1}}, [{5, [X: 7]}, {6, [R: {:r, 1, 7}]}, {7, [A: 1]}]} =
               erlang(peer, body, [7])
    end

    test "receive with a timeout", %{peer: peer} do
      body = "f(X) ->\n self() ! {X, 2},\n receive\n {X, Y} when Y > 1 ->\n Y\n after 0 ->\n none\n end."
      assert {{:returned, 2}, [{4, [X: 1]}, {5, []}, {7, [Y: 2]}]} = erlang(peer, body, [1])
      after_it = "f(X) ->\n receive\n {X, Y} ->\n Y\n after 0 ->\n {none, X}\n end."
      assert {{:returned, {:none, 1}}, [{4, [X: 1]}, {8, []}]} = erlang(peer, after_it, [1])
    end

    test "named funs call themselves", %{peer: peer} do
      body = "f(X) ->\n F = fun G(0) ->\n X;\n G(N) ->\n G(N - 1)\n end,\n F(2)."

      assert {{:returned, :x}, lines} = erlang(peer, body, [:x])
      assert [{4, [X: :x]}, {9, [F: {:a_fun, _, _, 1}]}, {7, [N: 2]}, {7, [N: 1]}, {5, []}] = plain(lines)
    end

    test "comprehensions of lists and binaries", %{peer: peer} do
      assert {{:returned, [2, 4]}, lines} =
               erlang(peer, "f(L) ->\n [\n X * 2\n || X <- L, X < 3].", [[1, 2, 3]])

      assert lines == [{4, [L: [1, 2, 3]]}, {5, [X: 1]}, {5, [X: 2]}]

      assert {{:returned, <<2, 4>>}, [{4, [B: <<1, 2>>]}]} =
               erlang(peer, "f(B) ->\n << <<(X * 2)>> || <<X>> <= B >>.", [<<1, 2>>])
    end

    test "catch, if, andalso and orelse with what they bind", %{peer: peer} do
      body =
        "f(X) ->\n catch error(X),\n A = (is_atom(X) andalso (Y = true)),\n if\n A ->\n {A, X};\n true ->\n no\n end."

      assert {{:returned, {true, :x}}, [{4, [X: :x]}, {5, []}, {6, [A: true]}, {8, []}]} =
               erlang(peer, body, [:x])

      assert {{:returned, :no}, _} = erlang(peer, body, [1])
    end

    test "try with of, catch and after", %{peer: peer} do
      body = "f(X) ->\n try\n X + 1\n of\n Y ->\n Y\n catch\n C:R:_S ->\n {C, R}\n after\n self()\n end."
      assert {{:returned, 2}, [{4, [X: 1]}, {5, []}, {8, [Y: 2]}, {13, []}]} = erlang(peer, body, [1])

      assert {{:returned, {:error, :badarith}},
              [{4, [X: :a]}, {5, []}, {11, [C: :error, R: :badarith]}, {13, []}]} = erlang(peer, body, [:a])
    end

    test "maps in patterns, and keys that are bound", %{peer: peer} do
      body = "f(M, K) ->\n \#{K := V} = M,\n M\#{K => [V]}."
      assert {{:returned, _}, [{4, [M: %{a: 1}, K: :a]}, {5, [V: 1]}]} = erlang(peer, body, [%{a: 1}, :a])
    end

    if System.otp_release() |> String.to_integer() >= 27 do
      test "maybe", %{peer: peer} do
        body = "f(X) ->\n maybe\n {ok, A} ?= X,\n A\n else\n E ->\n {no, E}\n end."

        assert {{:returned, 1}, [{4, [X: {:ok, 1}]}, {5, []}, {6, [A: 1]}]} = erlang(peer, body, [{:ok, 1}])
        assert {{:returned, {:no, :x}}, [{4, [X: :x]}, {5, []}, {9, [E: :x]}]} = erlang(peer, body, [:x])
      end

      test "comprehensions of maps", %{peer: peer} do
        assert {{:returned, {:a_map, [a: 2]}}, [_]} =
                 erlang(peer, "f(M) ->\n \#{K => V * 2 || K := V <- M}.", [%{a: 1}])
      end
    end
  end

  defp plain(lines),
    do:
      for(
        {line, told} <- lines,
        do: {line, for({name, value} <- told, do: {name, BeamScope.Test.Lines.Outcome.plain(value)})}
      )

  describe "Elixir" do
    test "a name bound again is numbered", %{peer: _peer} do
      %{table: table} = made("def f(count) do\ncount = count + 1\ncount = count * 2\ncount\nend")

      told =
        for {_, site} <- Enum.sort(table.sites),
            {_, name, version, line} <- site.variables,
            do: {site.line, name, version, line}

      assert [{3, :count, first, 2}, {4, :count, second, 3}, {5, :count, third, 4}] = told
      assert first < second and second < third
    end

    test "variables of macros are not told", %{peer: peer} do
      body = "def f(x) do\ny = if x, do: (if x > 1, do: 2), else: 3\nz = x && y\n{y, z}\nend"
      {{:returned, {2, 2}}, probes} = elixir(peer, body, [5])

      assert probes |> Enum.flat_map(&elem(&1, 2)) |> Enum.map(&elem(&1, 0)) |> Enum.uniq() |> Enum.sort() ==
               [:x, :y, :z]
    end

    test "more variables than a probe has room for are told by several", %{peer: peer} do
      names = for n <- 1..70, do: "v#{n}"
      body = "def f(list) do\n[#{Enum.join(names, ", ")}] = list\nv70\nend"

      {{:returned, 70}, [_, {4, true, a}, {4, true, b}, {4, true, c}]} =
        elixir(peer, body, [Enum.to_list(1..70)])

      assert [length(a), length(b), length(c)] == [32, 32, 6]
      assert a ++ b ++ c == for(n <- 1..70, do: {:"v#{n}", n})
      %{table: table} = made(body)
      assert [false, false, true, true] = for({_, site} <- Enum.sort(table.sites), do: site.more)
    end

    test "a literal stands on the line of its clause, or further down, and that is said", %{peer: peer} do
      body = "def f(x) do\ncase x do\n1 ->\n\n:one\n_ ->\n[x,\n2]\nend\nend"
      assert {{:returned, :one}, [{3, true, [x: 1]}, {4, false, []}]} = elixir(peer, body, [1])
      assert {{:returned, [2, 2]}, [{3, true, [x: 2]}, {8, true, []}]} = elixir(peer, body, [2])
    end

    test "tail calls stay tail calls", %{peer: peer} do
      body = """
      def f(n), do: loop(n, 0)

      defp loop(0, most), do: most

      defp loop(n, most) do
        {:stack_size, size} = Process.info(self(), :stack_size)
        next = max(most, size)
        Process.put(BeamScope.Line, [])

        case rem(n, 2) do
          0 ->
            loop(n - 1, next)

          1 ->
            if next do
              loop(n - 1, next)
            else
              n
            end
        end
      end
      """

      # The stack is as deep after a million turns as after ten.
      text = "defmodule BeamScope.Test.Lines.One do\n" <> body <> "\nend"

      {_, [{{:returned, few}, _}, {{:returned, many}, _}]} =
        Peer.call(peer, Programs, :elixir, [text, :f, [[10], [1_000_000]]])

      assert many < few + 20
    end

    test "arguments of captures have no name of the source's", %{peer: peer} do
      assert {{:returned, [2, 3]}, probes} =
               elixir(peer, "def f(x) do\nEnum.map(x, &(&1 + 1))\nend", [[1, 2]])

      assert [{3, true, [x: [1, 2]]} | inside] = probes
      for {3, _, told} <- inside, do: assert(told == [])
    end

    test "what a with binds is told inside of it", %{peer: peer} do
      body = "def f(x) do\ny = with z <- x + 1 do\nw = z * 2\nw\nend\n{x, y}\nend"
      assert {{:returned, {1, 4}}, probes} = elixir(peer, body, [1])
      assert probes == [{3, true, [x: 1]}, {4, true, [z: 2]}, {5, true, [w: 4]}, {7, true, [y: 4]}]
    end

    test "default arguments, and a branch that is not there", %{peer: peer} do
      body = "def f(x, y \\\\ 2) do\nif x > y do\nx\nend\nend"
      assert {{:returned, 5}, probes} = elixir(peer, body, [5])
      assert List.last(probes) == {4, true, []}
      assert {{:returned, nil}, _} = elixir(peer, body, [1])
    end

    test "only the functions that are asked for, and numbers from where they are to begin" do
      {module, beam} = compiled("def f(x) do\nx\nend\ndef g(x) do\nx\nend")
      {:ok, %{table: table}} = Instrument.module(module, beam, [{:g, 1}], 40)
      assert [{40, %{function: {:g, 1}, clause: 0}}] = Enum.sort(table.sites)
      assert %{next_id: 41, language: :elixir, functions: functions} = table
      assert Map.keys(functions) == [{:g, 1}]
      assert table.md5 == module.module_info(:md5)
    end
  end

  describe "refusals" do
    test "a function that the module has not" do
      {module, beam} = compiled("def f(x), do: x")

      assert {:error, %Error{reason: :no_such_function, detail: {^module, :g, 2}}} =
               Instrument.module(module, beam, [{:g, 2}], 0)
    end

    test "stripped object code, and such as was made without debug information" do
      {module, beam} = compiled("def f(x), do: x")
      {:ok, {^module, stripped}} = :beam_lib.strip(beam)
      assert refused(module, stripped) == :stripped

      {:ok, :m, bare} =
        :compile.noenv_forms(Programs.erlang_forms("-module(m).\n-export([f/0]).\nf() -> 1."), [:binary])

      assert refused(:m, bare) == :stripped
      assert refused(:m, "no object code") == :stripped
    end

    test "encrypted debug information" do
      forms = Programs.erlang_forms("-module(m).\n-export([f/0]).\nf() -> 1.")
      {:ok, :m, beam} = :compile.noenv_forms(forms, [:binary, :debug_info, debug_info_key: ~c"secret"])
      assert refused(:m, beam) == :encrypted
    end

    test "object code of another module" do
      {module, beam} = compiled("def f(x), do: x")
      assert refused(Other, beam) in [{:other_module, module}, :stripped]
    end

    defp refused(module, beam) do
      assert {:error, %Error{reason: :cannot_instrument, detail: %{module: ^module, why: why}}} =
               Instrument.module(module, beam, :all, 0)

      why
    end
  end

  describe "Forms" do
    # What a macro brought along has no probe of its own, so that what was bound before it is still to be told inside of it.
    test "a fun holds only what it used" do
      [module, export, {:function, at, :f, 1, [{:clause, _, patterns, [], [bind, call]}]}] =
        Programs.erlang_forms(
          "-module(m).\n-export([f/1]).\nf(X) ->\n Big = X,\n g(fun(Y) -> Used = X, {Y, Used} end)."
        )

      generated = :erl_anno.set_generated(true, elem(call, 1))

      forms = [
        module,
        export,
        {:function, at, :f, 1, [{:clause, at, patterns, [], [bind, put_elem(call, 1, generated)]}]}
      ]

      {[_, _, function], _} = Forms.instrument(forms, :erlang, fn _ -> true end, 0)
      {:function, _, :f, 1, [{:clause, _, _, _, body}]} = function
      {:call, _, _, [fun]} = List.last(body)
      assert Enum.sort(Scope.names(fun)) == [:Used, :X, :Y]
    end

    test "no probe stands last in a body" do
      for module <- [:lists, :gb_trees, :supervisor] do
        {:ok, {_, [abstract_code: {_, forms}]}} = :beam_lib.chunks(:code.which(module), [:abstract_code])
        {forms, _} = Forms.instrument(forms, :erlang, fn _ -> true end, 0)

        lasts =
          for {:function, _, _, _, clauses} <- forms, {:clause, _, _, _, body} <- clauses, do: List.last(body)

        refute Enum.any?(lasts, &match?({:call, _, {:remote, _, {:atom, _, BeamScope.Line}, _}, _}, &1))
      end
    end
  end

  describe "Scope" do
    test "what is bound for certain" do
      assert bound("X = 1") == [:X]
      assert bound("{A, [B | A]} = f(C = 2)") == [:C, :A, :B]
      assert bound("case f() of 1 -> X = 1, Y = 2; _ -> X = 3 end") == [:X]
      assert bound("if a -> X = 1; true -> Y = X end") == []
      assert bound("g(a andalso (X = 1), (Y = 2) orelse b)") == [:Y]
      assert bound("fun() -> X = 1 end") == []
      assert bound("[X || X <- (Y = [])]") == []
      assert bound("try X = 1 catch _:_ -> Y = 2 end") == []
      assert bound("catch X = 1") == []
      assert bound("receive X -> Y = 1 after 0 -> Y = 2 end") == [:Y]
      assert bound("<<N, B:N/binary>> = f()") == [:N, :B]
      assert bound("\#{k := V} = f()") == [:V]
      assert bound("begin X = 1, Y = 2 end") == [:X, :Y]
    end

    test "names of variables that the compiler made" do
      assert Scope.source_name(:_, :elixir) == nil
      assert Scope.source_name(:___STACKTRACE__@1, :elixir) == nil
      assert Scope.source_name(:_a@b@3, :elixir) == {:a@b, 3}
      assert Scope.source_name(:__, :erlang) == {:__, 1}
    end

    defp bound(text) do
      {:ok, tokens, _} = :erl_scan.string(to_charlist(text <> "."))
      {:ok, [expression]} = :erl_parse.parse_exprs(tokens)
      for {name, _line} <- Scope.bound(expression), do: name
    end
  end

  defp made(body) do
    {module, beam} = compiled(body)
    {:ok, made} = Instrument.module(module, beam, :all, 0)
    made
  end

  defp compiled(body) do
    module = Module.concat(__MODULE__, "M#{System.unique_integer([:positive])}")
    text = "defmodule #{inspect(module)} do\n#{body}\nend"
    before = Code.get_compiler_option(:debug_info)
    Code.put_compiler_option(:debug_info, true)
    # Its warnings are of no interest here.
    {[{^module, beam}], _} = ExUnit.CaptureIO.with_io(:stderr, fn -> Code.compile_string(text) end)
    Code.put_compiler_option(:debug_info, before)
    {module, beam}
  end
end
