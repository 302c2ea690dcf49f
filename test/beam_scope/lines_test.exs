defmodule BeamScope.LinesTest do
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  alias BeamScope.{Error, Lines, Replay}
  alias LinesShop, as: Shop

  @source File.read!(Path.join(__DIR__, "../support/lines_shop.ex"))

  setup :none_after

  # The number of the line of the fixture on which this text stands, the how-many-eth of them.
  defp line(text, nth \\ 1) do
    @source
    |> String.split("\n")
    |> Enum.with_index(1)
    |> Enum.filter(fn {line, _} -> String.contains?(line, text) end)
    |> Enum.at(nth - 1)
    |> elem(1)
  end

  defp shop(_context) do
    {:ok, pid} = Shop.start_link([])
    Process.unlink(pid)
    on_exit(fn -> Process.exit(pid, :kill) end)
    %{shop: pid}
  end

  defp lines(what, fun, opts \\ []) do
    {result, rec} = BeamScope.record([lines: [Shop]] ++ opts, fun)
    {result, BeamScope.lines(rec, what), rec}
  end

  defp trodden(run), do: Enum.map(run.steps, & &1.line)
  defp values(run), do: Enum.flat_map(run.steps, & &1.values)
  defp text(term, width \\ 100), do: inspect(term, width: width)

  describe "a run" do
    test "has its lines in their order, and what its variables became" do
      {result, lines, rec} = lines({Shop, :again}, fn -> Shop.again(2) end)
      assert result == {6, -6}
      assert [run] = lines.runs
      assert trodden(run) == [line("x = x + 1"), line("x = x * 2"), line("{x, -x}")]
      assert values(run) == [x: 2, x: 3, x: 6]
      assert {run.function, run.clause, run.depth, run.parent} == {{Shop, :again, 1}, 0, 0, nil}
      assert run.pid == self() and run.entered and run.ended == nil
      # Bound again, numbered.
      assert text(run) =~ ~r/x = x \+ 1 +x#2 = 3/
      assert text(run) =~ ~r/x = x \* 2 +x#3 = 6/
      BeamScope.close(rec)
    end

    test "has literals on their lines" do
      {:done, lines, rec} =
        lines({Shop, :literals}, fn ->
          Shop.literals(false)
          Shop.literals(true)
        end)

      [no, yes] = lines.runs
      tail = [line("short = if"), line("short = if"), line("nothing(short)"), line(":done", 2)]
      assert trodden(no) == [line("if x do"), line(":no", 1) | tail]
      assert trodden(yes) == [line("if x do"), line(":yes") | tail]
      BeamScope.close(rec)
    end

    test "of clauses says why those above were not taken" do
      {_, lines, rec} =
        lines({Shop, :price, 2}, fn -> for name <- [:gold, :tea, :air, :coal], do: Shop.price(name, 7) end)

      assert [gold, tea, air, coal] = lines.runs
      assert Enum.map(lines, & &1.clause) == [0, 1, 1, 1]
      assert trodden(gold) == [line("cond do"), line("n > 5 -> n * 95")]
      assert trodden(tea) == [line("with {:ok, base}"), line("base * n")]
      assert List.last(trodden(air)) == line("false -> :free")
      assert List.last(trodden(coal)) == line(":error -> 0")
      assert text(tea) =~ ~r/def price\(:gold, n\) do +✗ no match/u
      assert text(tea) =~ ~r/def price\(name, n\) when is_atom\(name\) do +✓ +name = :tea, n = 7/u
      BeamScope.close(rec)
    end

    test "of a loop is a table of its iterations", context do
      %{shop: shop} = shop(context)
      items = for n <- 1..30, do: {:"item#{n}", n - 1}

      {_, lines, rec} =
        lines({Shop, :handle_call}, fn -> GenServer.call(shop, {:fill, items}) end, trace: shop)

      assert [run] = lines.runs
      # The first has none and is left out by the filter.
      assert Enum.count(trodden(run), &(&1 == line("sum = old + n"))) == 29
      shown = text(run)
      assert shown =~ ~r/sum = old \+ n +×29/u
      assert shown =~ ~r/↻ +name +n +old +sum/u
      assert shown =~ ~r/\n +1 +:item2 +1 +0 +1\n/
      assert shown =~ "… 18 more iterations"
      assert shown =~ ~r/\n +29 +:item30 +29 +0 +29\n/
      # Bound after the loop, in a line that the loop is part of.
      assert shown =~ "↳ stock = %{item"
      BeamScope.close(rec)
    end

    test "that recurs nests, and goes on where it was" do
      {24, lines, rec} = lines(Shop, fn -> Shop.fact(4) end)
      assert Enum.map(lines, & &1.depth) == [0, 1, 2, 3, 4]
      assert Enum.map(lines, & &1.parent) == [nil, 1, 2, 3, 4]
      assert Enum.map(lines, & &1.number) == [1, 2, 3, 4, 5]

      assert for(%{clause: 1} = run <- lines, do: values(run)) ==
               [[n: 4, rest: 6], [n: 3, rest: 2], [n: 2, rest: 1], [n: 1, rest: 1]]

      BeamScope.close(rec)
    end

    test "entered twice from one function has that one as its parent both times" do
      {12, lines, rec} = lines(Shop, fn -> Shop.twice(3) end)
      [outer | _] = lines.runs
      assert values(outer) == [n: 3, a: 6, b: 6]

      assert for(%{depth: 1} = run <- lines, do: {run.parent, hd(values(run))}) == [
               {1, {:n, 3}},
               {1, {:n, 3}}
             ]

      BeamScope.close(rec)
    end

    test "in a tail position takes the place of the one before, however often" do
      {:done, lines, rec} = lines(Shop, fn -> Shop.count_down(2_000) end)
      assert length(lines.runs) == 1_000 and lines.more
      assert Enum.uniq(Enum.map(lines, & &1.depth)) == [0]
      all = BeamScope.lines(rec, Shop, limit: :infinity)
      assert length(all.runs) == 2_001 and not all.more
      assert text(lines) =~ "more runs"
      assert text(lines) =~ "There is more"
      BeamScope.close(rec)
    end

    test "goes on in its rescue and after" do
      {{:error, _}, lines, rec} = lines({Shop, :safe}, fn -> Shop.safe(0) end)
      [run] = lines.runs

      assert trodden(run) == [
               line("try do"),
               line("y = 10 / x"),
               line("e in ArithmeticError"),
               line("Process.put(:safe, x)")
             ]

      assert [x: 0, e: %ArithmeticError{}] = values(run)
      BeamScope.close(rec)
    end

    test "that a throw went through ends where it was, and who caught it goes on" do
      {{:caught, {:too_large, 7}}, lines, rec} = lines(Shop, fn -> Shop.outer(7) end)
      assert [outer, inner] = lines.runs
      assert inner.parent == outer.number
      assert List.last(trodden(inner)) == line("if x > 1, do: throw")
      assert inner.ended == :left
      assert List.last(trodden(outer)) == line("thrown -> {:caught, thrown}")
      assert values(outer) == [x: 7, thrown: {:too_large, 7}]
      assert text(inner) =~ "it did not go on from here"
      BeamScope.close(rec)
    end

    @tag capture_log: true
    test "in which its process ended has the exception at its line", context do
      %{shop: shop} = shop(context)

      {_, lines, rec} =
        lines(
          Shop,
          fn ->
            GenServer.call(shop, {:fill, tea: 1})
            catch_exit(GenServer.call(shop, {:divide, 0}))
          end,
          trace: shop
        )

      run = Enum.find(lines, &(&1.clause == 3))
      at = line("part = div(whole, by)")
      assert {:exit, {:badarith, [_ | _]}, ^at} = run.ended
      assert List.last(trodden(run)) == at
      assert values(run)[:whole] == 10 and values(run)[:by] == 0
      assert text(run) =~ ~r/✗ +#{at} │ +part = div/u
      assert text(run) =~ "its process ended here"
      # `terminate/2` ran after it, and is none of it.
      assert Enum.any?(lines, &(&1.function == {Shop, :terminate, 2} and &1.ended == nil))
      BeamScope.close(rec)
    end

    test "knows its result where its call was recorded, and how it failed" do
      fun = fn ->
        Shop.again(1)
        catch_throw(Shop.outer(%{}) |> throw())
      end

      {_, lines, rec} = lines(Shop, fun, calls: [{Shop, :again, 1}, {Shop, :inner, 1}])
      assert Enum.find(lines, &(&1.function == {Shop, :again, 1})).ended == {:returned, {4, -4}}
      inner = Enum.find(lines, &(&1.function == {Shop, :inner, 1}))
      assert {:exception, :throw, {:too_large, %{}}} = inner.ended
      assert text(inner) =~ "✗ throw {:too_large, %{}}"

      # Any recorded call can be opened.
      call = rec |> BeamScope.calls(call: {Shop, :inner, 1}) |> Enum.find(&(&1.kind == :call))
      assert [%{function: {Shop, :inner, 1}} = opened] = BeamScope.lines(rec, call).runs
      assert opened.moment == inner.moment
      BeamScope.close(rec)
    end

    test "of another process stays apart" do
      fun = fn -> 1..4 |> Enum.map(&Task.async(fn -> Shop.fact(&1) end)) |> Enum.map(&Task.await/1) end
      {[1, 2, 6, 24], lines, rec} = lines({Shop, :fact}, fun)

      for {_pid, runs} <- Enum.group_by(lines, & &1.pid) do
        assert Enum.map(runs, & &1.depth) == Enum.to_list(0..(length(runs) - 1))
      end

      assert lines |> Enum.map(& &1.pid) |> Enum.uniq() |> length() == 4
      pid = hd(lines.runs).pid
      assert Enum.all?(BeamScope.lines(rec, Shop, process: pid), &(&1.pid == pid))
      BeamScope.close(rec)
    end

    test "of a fun that runs elsewhere says that its beginning was not seen" do
      {3, lines, rec} = lines(Shop, fn -> Task.await(Task.async(fn -> Shop.later(1) end)).(2) end)
      fun = Enum.find(lines, &(&1.pid == self()))
      refute fun.entered
      assert values(fun) == [y: 2, sum: 3]
      assert text(fun) =~ "its beginning was not seen here"
      BeamScope.close(rec)
    end
  end

  describe "Erlang" do
    @erlang """
    -module(lines_shop_erlang).
    -export([total/2, find/2, both/1]).
    -record(item, {name, price = 0}).

    total(Items, Limit) ->
        Prices = [begin
                      P = price(I),
                      P * 2
                  end || I <- Items],
        Sum = lists:sum(Prices),
        case Sum of
            S when S > Limit ->
                {too_much, S - Limit};
            _ ->
                {ok, Sum}
        end.

    price({Name, N}) ->
        #item{name = Name, price = Price} = #item{name = Name, price = N},
        Price.

    find(Key, [{Key, Value} | _]) ->
        {ok, Value};
    find(Key, [_ | Rest]) ->
        find(Key, Rest);
    find(_, []) ->
        error.

    both(X) ->
        if
            X > 1 -> Y = many;
            true -> Y = few
        end,
        {X, Y}.
    """

    # What was instrumented once is kept for a while, with the source that it had.
    setup context do
      name = Map.get(context, :named, "lines_shop_erlang")
      dir = Path.join(System.tmp_dir!(), "beam_scope_lines_erlang_#{System.pid()}")
      File.mkdir_p!(dir)
      path = Path.join(dir, name <> ".erl")
      File.write!(path, String.replace(@erlang, "lines_shop_erlang", name))
      {:ok, module} = :compile.file(to_charlist(path), [:debug_info, outdir: to_charlist(dir)])
      Code.prepend_path(dir)

      on_exit(fn ->
        :code.purge(module)
        :code.delete(module)
        :code.purge(module)
        Code.delete_path(dir)
        File.rm_rf!(dir)
      end)

      %{module: module, path: path}
    end

    @tag named: "lines_shop_erlang_bare"
    test "without its source is written anew from debug information", %{module: m, path: path} do
      File.rm!(path)
      {_, rec} = BeamScope.record([lines: [m]], fn -> m.total([a: 1], 6) end)
      shown = rec |> BeamScope.lines({m, :total}) |> text()
      assert shown =~ "its source is not at hand"
      assert shown =~ ~r/ 5 │ total\(Items, Limit\) -> +Items = \[a: 1\], Limit = 6/u
      assert shown =~ ~r/▸ 10 │ Sum = lists:sum\(Prices\) +Sum = 2/u
      assert shown =~ ~r/S when S > Limit -> +✗ guard failed/u
      # Bodies have lines of their own.
      assert shown =~ ~r/▸ 11 │ case\(Sum\)\n/u
      BeamScope.close(rec)
    end

    test "has its variables under their names, and its own rules of what is bound", %{module: m} do
      fun = fn ->
        {:too_much, 2} = m.total([a: 1, b: 3], 6)
        {:ok, 3} = m.find(:c, a: 1, b: 2, c: 3)
        {1, :few} = m.both(1)
      end

      {_, rec} = BeamScope.record([lines: [m]], fun)
      [total] = BeamScope.lines(rec, {m, :total}).runs
      assert trodden(total) == [6, 6, 7, 8, 6, 7, 8, 10, 11, 13]

      assert values(total) ==
               [
                 Items: [a: 1, b: 3],
                 Limit: 6,
                 I: {:a, 1},
                 P: 1,
                 I: {:b, 3},
                 P: 3,
                 Prices: [2, 6],
                 Sum: 8,
                 S: 8
               ]

      assert text(total) =~ ~r/↻ +I +P\n +1 +\{:a, 1\} +1/u
      [last, second, first] = rec |> BeamScope.lines({m, :find}) |> Enum.map(& &1.clause) |> Enum.reverse()
      assert {first, second, last} == {1, 1, 0}
      found = rec |> BeamScope.lines({m, :find}) |> Enum.at(0)
      # The same variable twice in a pattern.
      assert text(found) =~ ~r/find\(Key, \[\{Key, Value\} \| _\]\) -> +✗ no match/u
      [both] = BeamScope.lines(rec, {m, :both}).runs
      assert values(both) == [X: 1, Y: :few]
      BeamScope.close(rec)
    end
  end

  describe "values" do
    test "named like a secret are redacted, truncated ones say so and explain nothing" do
      fun = fn ->
        Shop.login("ann", "hunter2")
        Shop.large(Enum.to_list(1..5_000))
        Shop.large([1, 3])
      end

      {:many, lines, rec} = lines(Shop, fun, budget: [bytes: 256])
      [login, large, small] = lines.runs
      assert [{:user, "ann"}, {:password, %BeamScope.Redacted{}}, {:size, 7}] = values(login)
      refute text(lines) =~ "hunter2"
      assert [list: %BeamScope.Truncated{}] = values(large)
      refute text(large) =~ "✗ no match"
      assert text(small) =~ ~r/\[1, 2\] -> :two +✗ no match/u
      BeamScope.close(rec)
    end
  end

  describe "elsewhere" do
    test "a cursor goes by line, and a line has its source" do
      {_, rec} = BeamScope.record([lines: [Shop]], fn -> Shop.again(2) end)
      step = &Replay.next!(&1, by: :line)
      cursor = rec |> Replay.open!() |> step.() |> step.()
      assert cursor.event.line == line("x = x * 2")
      assert cursor.event.variables == [x: 3]
      assert Replay.prev!(cursor, by: :line).event.line == line("x = x + 1")
      source = BeamScope.source!(rec, cursor.event)
      assert source.line == line("x = x * 2") and source.from == :recording
      assert Enum.at(source.lines, source.line - source.first) =~ "x = x * 2"
      assert {:ok, run} = Lines.at(rec, cursor.event)
      assert values(run) == [x: 2, x: 3]
      BeamScope.close(rec)
    end

    test "a file answers as the recording did" do
      {_, lines, rec} = lines(Shop, fn -> Shop.fact(3) + elem(Shop.again(1), 0) end)
      path = Path.join(System.tmp_dir!(), "beam_scope_lines_#{System.pid()}.beamscope")
      on_exit(fn -> File.rm(path) end)
      BeamScope.save!(rec, path)
      loaded = BeamScope.load!(path)

      plain = fn lines ->
        for run <- lines, do: {run.function, run.number, run.parent, run.ended, trodden(run), values(run)}
      end

      assert plain.(BeamScope.lines(loaded, Shop)) == plain.(lines)
      # Only the pid is of another life.
      hidden = &String.replace(&1, ~r/<[\d.]+>|#PID<[\d.]+>/, "")
      assert hidden.(text(BeamScope.lines(loaded, Shop))) == hidden.(text(lines))
      Enum.each([loaded, rec], &BeamScope.close/1)
    end

    test "recordings that overlap have their lines, also when the later one wants more of the module" do
      one = BeamScope.start!(self(), lines: [{Shop, :again, 1}], level: :states)
      Shop.again(1)
      two = BeamScope.start!(self(), lines: [{Shop, :fact, 1}], level: :states)
      # Told by a message.
      assert %{status: :running} = BeamScope.info(one)
      Shop.again(2)
      Shop.fact(1)
      BeamScope.stop(one)
      Shop.fact(0)
      BeamScope.stop(two)

      assert for(run <- BeamScope.lines(one, {Shop, :again}), do: values(run)) == [
               [x: 1, x: 2, x: 4],
               [x: 2, x: 3, x: 6]
             ]

      assert length(BeamScope.lines(two, {Shop, :fact}).runs) == 3
      assert BeamScope.info(one).notes |> Enum.any?(&(&1 =~ "more functions of LinesShop"))
      Enum.each([one, two], &BeamScope.close/1)
      assert Lines.Loader.status(Shop) == :original
      {:ok, {_, md5}} = :beam_lib.md5(:code.which(Shop))
      assert Shop.module_info(:md5) == md5
    end

    test "lines that were not recorded are an error that says what to do" do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      assert_raise Error, ~r/Give lines: \[LinesShop\]/, fn -> BeamScope.lines(rec, Shop) end
      assert_raise Error, ~r/:lines/, fn -> BeamScope.lines(rec, "Shop") end
      BeamScope.close(rec)
      {_, lines, rec} = lines(Shop, fn -> :ok end)
      assert text(lines) =~ "no recorded process ran it"
      assert_raise Error, ~r/no lines of Map, but of/, fn -> BeamScope.lines(rec, Map) end
      BeamScope.close(rec)
    end
  end
end
