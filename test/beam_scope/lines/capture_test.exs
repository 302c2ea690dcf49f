defmodule BeamScope.Lines.CaptureTest do
  # Classic flags are everybody's; and one recording at a time is told of.
  use ExUnit.Case, async: false

  alias BeamScope.Recorder.{Plan, Session}
  alias BeamScope.Test.{Leftovers, Probed}

  require BeamScope

  setup do
    Probed.Loader.listen(self())
    Probed.Loader.stay(false)

    on_exit(fn ->
      BeamScope.clear()
      assert Leftovers.settle() == Leftovers.none()
    end)
  end

  defp record(opts, fun), do: BeamScope.record([lines: [Probed], loader: Probed.Loader] ++ opts, fun)
  defp lines(rec, filters \\ []), do: Enum.to_list(BeamScope.events(rec, [kind: :line] ++ filters))
  defp shown(rec), do: for(e <- lines(rec), do: {e.mfa, e.line, e.variables})

  defp start!(pid, opts),
    do: BeamScope.start!(pid, [lines: [Probed], loader: Probed.Loader, limits: [bytes: 32_000_000]] ++ opts)

  # A process that runs what it is sent.
  defp worker do
    spawn_link(fn -> work() end)
  end

  defp work do
    receive do
      {:run, fun, from} -> send(from, {:done, fun.()})
    end

    work()
  end

  defp run(pid, fun) do
    send(pid, {:run, fun, self()})
    assert_receive {:done, result}, 5_000
    result
  end

  describe "a line" do
    test "is an event with its place and what its variables hold" do
      {3, rec} = record([], fn -> Probed.increment(1, 2) end)

      assert shown(rec) == [
               {{Probed, :increment, 2}, 9, [count: 1, by: 2]},
               {{Probed, :increment, 2}, 11, [sum: 3]}
             ]

      assert [%{what: 4_000_000, value: [1, 2], pid: pid, stack: nil}, _] = lines(rec)
      assert pid == self()
      assert %{line: 2} = BeamScope.info(rec).by_kind
    end

    test "without variables, and with as many as a probe has" do
      {:ok, rec} = record([], fn -> [Probed.nothing(), Probed.many(0)] |> hd() end)
      assert [%{variables: []}, %{variables: many}] = lines(rec)
      assert many == [large: 0, v2: 0, v3: 0, v4: 0] ++ for(n <- 5..32, do: {:"v#{n}", n})
    end

    test "has each of its values within the budget, and none looks whole that is not" do
      large = Enum.to_list(1..5_000)

      for bytes <- [64, 400, 4_096] do
        {:ok, rec} = record([budget: [bytes: bytes]], fn -> Probed.many(large) end)

        assert [%{variables: [{:large, %BeamScope.Truncated{} = cut} | rest], flags: [:truncated]}] =
                 lines(rec)

        assert cut.kind == :list
        assert length(rest) == 31
        assert {:v5, 5} in rest and {:v32, 32} in rest
        BeamScope.close(rec)
      end
    end

    test "hides what a variable holds by its name, and what a value is by its pattern" do
      {_, rec} = record([], fn -> Probed.secret("s3cret", %{token: "t0ken", n: 1}) end)
      assert [%{variables: [password: hidden, note: note], flags: [:redacted]}] = lines(rec)
      assert %BeamScope.Redacted{} = hidden
      assert %{n: 1, token: %BeamScope.Redacted{}} = note
      refute inspect(rec |> BeamScope.events() |> Enum.to_list(), limit: :infinity) =~ "s3cret"

      rule = BeamScope.pattern("s3" <> _)
      {_, rec} = record([redact: [rule]], fn -> {Probed.increment(1, 2), Probed.secret("x", "s3cret")} end)
      assert %{variables: [_, note: %BeamScope.Redacted{}]} = List.last(lines(rec))

      {_, rec} = record([redact: false], fn -> Probed.secret("s3cret", 1) end)
      assert [%{variables: [password: "s3cret", note: 1]}] = lines(rec)
    end

    test "that no instrumentation wrote is none" do
      {:ok, rec} = record([], fn -> Probed.nonsense() end)
      assert lines(rec) == []
      assert [mark] = Enum.to_list(BeamScope.events(rec, kind: :mark))

      assert %{what: {:odd}, mfa: nil, variables: nil, value: []} = mark
      assert %{panics: 0} = BeamScope.info(rec).extra
    end
  end

  describe "who gets a line" do
    test "an untraced process leaves none" do
      pid = worker()
      rec = start!(pid, level: :states)
      assert 3 == Probed.increment(1, 2)
      assert 30 == run(pid, fn -> Probed.increment(10, 20) end)
      BeamScope.stop!(rec)
      assert [[count: 10, by: 20], [sum: 30]] == for(e <- lines(rec), do: e.variables)
    end

    test "of two recordings of one process, each those of its own modules" do
      pid = worker()
      a = start!(pid, level: :states)
      b = BeamScope.start!(pid, level: :states, lines: [Probed.Other], loader: Probed.Loader)
      c = BeamScope.start!(pid, level: :full)
      run(pid, fn -> Probed.Other.run(5) end)
      for rec <- [a, b, c], do: BeamScope.stop!(rec)
      assert [[count: 5, by: 1], [sum: 6]] == for(e <- lines(a), do: e.variables)
      assert [[x: 5]] == for(e <- lines(b), do: e.variables)
      assert [] == lines(c)

      for rec <- [a, b, c],
          %{events: e} = BeamScope.info(rec),
          do: assert(e.offered == e.stored + e.dropped)
    end

    test "one that asks for both gets both" do
      {6, rec} =
        BeamScope.record([lines: [Probed, Probed.Other], loader: Probed.Loader], fn -> Probed.Other.run(5) end)

      assert [{{Probed.Other, :run, 1}, 96, [x: 5]} | _] = shown(rec)
      assert length(lines(rec)) == 3
    end
  end

  describe "levels" do
    test "lines are recorded at every level but :off" do
      pid = worker()

      for level <- [:crashes, :states, :messages, :full] do
        rec = start!(pid, level: level)
        run(pid, fn -> Probed.increment(1, 2) end)
        BeamScope.stop!(rec)
        assert length(lines(rec)) == 2, "at #{level}"
      end

      rec = start!(pid, level: :off)
      run(pid, fn -> Probed.increment(1, 2) end)
      rec = BeamScope.set_level!(rec, :crashes)
      run(pid, fn -> Probed.increment(3, 4) end)
      rec = BeamScope.set_level!(rec, :off)
      run(pid, fn -> Probed.increment(5, 6) end)
      rec = BeamScope.set_level!(rec, :full)
      run(pid, fn -> Probed.increment(7, 8) end)
      BeamScope.stop!(rec)
      assert [3, 7] == for(%{variables: [count: n, by: _]} <- lines(rec), do: n)
    end

    test "a plan that a governor stepped down to :crashes has none" do
      plan = fn level, auto ->
        state = %{options: %{lines: [Probed], auto: auto}}
        Plan.with_probes(Plan.new(level, [], [], :spawn), BeamScope.Recorder.Lines.at?(state, level))
      end

      assert Map.keys(plan.(:crashes, false).patterns) == Enum.sort(Plan.probes())
      assert plan.(:crashes, true).patterns == %{}
      assert :call in plan.(:states, true).flags
      assert plan.(:off, false).patterns == %{}
    end

    test "a flight recorder keeps lines, and what is frozen has them with their places" do
      pid = worker()
      rec = BeamScope.start!(pid, mode: :ring, lines: [Probed], loader: Probed.Loader)
      run(pid, fn -> Probed.increment(1, 2) end)
      {:ok, frozen} = BeamScope.freeze(rec)
      run(pid, fn -> Probed.increment(3, 4) end)
      assert [{_, 9, [count: 1, by: 2]}, {_, 11, [sum: 3]}] = shown(frozen)
      assert length(shown(rec)) == 4
      BeamScope.stop!(rec)
    end
  end

  describe "the recording" do
    test "keeps the tables from its start, and says how the code stands" do
      pid = worker()
      rec = start!(pid, level: :states)
      assert_received {:acquire, [{Probed, :all}], owner}

      assert %{code: %{instrumented: %{Probed => table}}, lines: %{Probed => :instrumented}} =
               BeamScope.info(rec)

      assert table == Probed.table()
      BeamScope.stop!(rec)
      assert_received {:release, ^owner}
      assert %{code: %{instrumented: _, otp: _}, lines: %{Probed => :original}} = BeamScope.info(rec)
    end

    test "says who is still inside" do
      Probed.Loader.stay(true)
      {_, rec} = record([], fn -> Probed.increment(1, 2) end)
      assert %{lines: %{Probed => :still_running}, notes: notes} = BeamScope.info(rec)
      assert Enum.any?(notes, &(&1 =~ "still inside the instrumented code of BeamScope.Test.Probed"))
      assert inspect(BeamScope.info(rec)) =~ "BeamScope.Test.Probed (still_running)"
    end

    defmodule NoMemory do
      def recording_open(_config), do: {:error, {:no_memory, "none is left"}}
    end

    test "gives the code back where the set-up fails after it was loaded" do
      assert {:error, %{reason: :no_memory}} =
               BeamScope.start(worker(), lines: [Probed], loader: Probed.Loader, native: NoMemory)

      assert_received {:acquire, _, owner}
      assert_receive {:release, ^owner}
    end

    test "functions are asked for by name, and must exist" do
      assert {:error, %{reason: :no_such_function}} = BeamScope.start(self(), lines: [{Probed, :nope, 1}])
      assert {:error, %{reason: :no_such_module}} = BeamScope.start(self(), lines: [Probed.Nowhere])
      assert {:error, %{reason: :invalid_option}} = BeamScope.start(self(), lines: Probed)

      rec =
        BeamScope.start!(worker(), lines: [{Probed, :loop, 1}, {Probed, :many, :_}], loader: Probed.Loader)

      assert_received {:acquire, [{Probed, functions}], _}
      assert Enum.sort(functions) == [loop: 1, many: 1]
      BeamScope.stop!(rec)
    end

    @tag :tmp_dir
    test "that was saved answers the same", %{tmp_dir: dir} do
      path = Path.join(dir, "lines.beamscope")

      {_, rec} =
        record([], fn ->
          x = 1
          BeamScope.line(:here)
          Probed.increment(x, 2)
          Probed.secret("s3cret", "n")
          Probed.many(Enum.to_list(1..100_000))
        end)

      :ok = BeamScope.save(rec, path)
      {:ok, loaded} = BeamScope.load(path)
      kinds = [kind: [:line, :mark], limit: :infinity]

      about =
        &for(
          e <- BeamScope.events(&1, kinds),
          do: Map.take(e, [:kind, :at_ns, :mfa, :line, :variables, :value, :label, :flags])
        )

      assert about.(loaded) == about.(rec)
      assert length(about.(loaded)) == 5
      assert BeamScope.info(loaded).lines == BeamScope.info(rec).lines
      refute File.read!(path) =~ "s3cret"
    end

    test "tells a subscriber the places too, and finds lines by what they hold" do
      pid = worker()
      rec = start!(pid, level: :states)
      {:ok, sub} = BeamScope.subscribe(rec, kind: :line)
      run(pid, fn -> Probed.increment(1, 2) end)
      assert_receive {:beam_scope, ^sub, {:events, [%{line: 9, variables: [count: 1, by: 2]} | _], 0}}, 2_000
      BeamScope.unsubscribe(sub)
      run(pid, fn -> Probed.loop(100) end)
      BeamScope.stop!(rec)
      assert [%{variables: [n: 42]}] = lines(rec, match: [42])
    end

    test "counts all that it was offered" do
      {_, rec} = record([limits: [bytes: 64_000_000]], fn -> Probed.loop(200_000) end)
      %{events: events, by_kind: kinds} = BeamScope.info(rec)
      assert events.offered == events.stored + events.dropped
      assert kinds.line + events.dropped >= 200_000
      numbers = for e <- lines(rec, limit: :infinity), do: hd(e.value)
      assert numbers == Enum.sort(numbers, :desc)
    end
  end

  describe "BeamScope.line/1" do
    defp marked(count, password, _hidden) do
      BeamScope.line()
      sum = count + 1
      BeamScope.line({:sum, "of", 2})
      count = sum
      BeamScope.line("at #{count}")
      {count, password}
    end

    test "tells where it stands and what the variables hold" do
      {{3, _}, rec} = BeamScope.record([], fn -> marked(2, "s3cret", 0) end)
      marks = Enum.to_list(BeamScope.events(rec, kind: :mark))

      assert [
               {nil, [count: 2, password: hidden]},
               {{:sum, "of", 2}, [count: 2, password: _, sum: 3]},
               {"at 3", third}
             ] = for(m <- marks, do: {m.label, m.variables})

      assert %BeamScope.Redacted{} = hidden
      assert Enum.sort(Keyword.keys(third)) == [:count, :password, :sum]
      assert third[:count] == 3
      assert [{__MODULE__, :marked, 3}] == marks |> Enum.map(& &1.mfa) |> Enum.uniq()
      [first, second, _] = for m <- marks, do: m.line
      assert second == first + 2
      assert inspect(hd(marks), width: 140) =~ "BeamScope.Lines.CaptureTest.marked/3"
    end

    test "is recorded where processes have the call flag anyway, and with lines: everywhere" do
      for {level, lines, n} <- [
            {:states, [], 1},
            {:full, [], 1},
            {:messages, [], 0},
            {:crashes, [], 0},
            {:crashes, [Probed], 1}
          ] do
        {_, rec} =
          BeamScope.record([level: level, lines: lines, loader: Probed.Loader], fn -> BeamScope.line() end)

        assert length(Enum.to_list(BeamScope.events(rec, kind: :mark))) == n, "#{level}"
      end
    end

    test "answers :ok, outside a recording as well, and computes a label once" do
      assert BeamScope.line() == :ok
      Process.put(:computed, 0)
      assert BeamScope.line(Process.put(:computed, Process.get(:computed) + 1)) == :ok
      assert Process.get(:computed) == 1
    end

    test "has more events where there are more variables than a probe has" do
      names = for n <- 1..70, do: Macro.var(:"v#{n}", nil)
      bind = for {name, n} <- Enum.with_index(names, 1), do: quote(do: unquote(name) = unquote(n))

      for {label, expected} <- [{:literal, :literal}, {quote(do: self()), self()}] do
        code =
          quote do:
                  (
                    require BeamScope
                    unquote_splicing(bind)
                    BeamScope.line(unquote(label))
                  )

        {:ok, rec} = BeamScope.record([], fn -> code |> Code.eval_quoted() |> elem(0) end)
        marks = Enum.to_list(BeamScope.events(rec, kind: :mark))
        assert length(marks) == 3
        assert Enum.map(marks, & &1.label) == [expected, expected, expected]
        assert Enum.flat_map(marks, & &1.variables) == for(n <- 1..70, do: {:"v#{n}", n})
      end
    end

    test "compiles to nothing where the project says so" do
      code =
        quote do:
                (
                  require BeamScope
                  x = 1
                  BeamScope.line(x)
                )

      expand = fn ->
        {:__block__, _, parts} = code
        Macro.expand(List.last(parts), env())
      end

      assert {:__block__, _, _} = wrap(expand.())
      Application.put_env(:beam_scope, :inline, false)
      assert expand.() == :ok
    after
      Application.delete_env(:beam_scope, :inline)
    end

    defp env do
      require BeamScope
      __ENV__
    end

    defp wrap({{:., _, _}, _, _} = call), do: {:__block__, [], [call]}
    defp wrap(other), do: other
  end

  describe "stack: true" do
    def outer(n) do
      result = middle(n)
      {:outer, result}
    end

    def middle(n) do
      result = Probed.increment(n, 1)
      {:middle, result}
    end

    test "adds the call stack to calls, lines and marks" do
      {_, rec} =
        record([stack: true, calls: [{Probed, :increment, 2}]], fn ->
          BeamScope.line()
          outer(1)
        end)

      assert [%{stack: frames, variables: [count: 1, by: 1]} | _] = lines(rec)
      [call] = for %{kind: :call} = e <- BeamScope.calls(rec), do: e
      assert %{mfa: {Probed, :increment, [1, 1]}, stack: [{__MODULE__, :middle, 1, at} | _]} = call
      assert Path.basename(to_string(at[:file])) == "capture_test.exs"
      assert is_integer(at[:line])
      assert {Probed, :increment, 2, [file: file, line: line]} = hd(frames)
      assert Path.basename(to_string(file)) == "probed.ex" and line > 0
      assert [%{value: 2}] = for(%{kind: :return} = e <- BeamScope.calls(rec), do: e)
      assert [%{stack: [{__MODULE__, _, _, _} | _]}] = Enum.to_list(BeamScope.events(rec, kind: :mark))

      if match?({:current_stacktrace, _}, Session.stack_spec()) do
        assert [:increment, :middle, :outer] == frames |> Enum.take(3) |> Enum.map(&elem(&1, 1))
        assert length(frames) <= 16
      else
        assert length(frames) == 1
      end
    end

    test "is within the budget, and absent where nobody asked" do
      {_, rec} = record([stack: true, budget: [bytes: 64]], fn -> outer(1) end)
      assert [%{variables: [count: 1, by: 1], flags: flags} | _] = lines(rec)
      if match?({:current_stacktrace, _}, Session.stack_spec()), do: assert(:truncated in flags)
      {_, rec} = record([calls: [{Probed, :increment, 2}]], fn -> outer(1) end)
      assert [nil] == for(%{kind: :call} = e <- BeamScope.calls(rec), do: e.stack)
    end

    test "wants of two recordings are merged" do
      assert Plan.stronger({:stack, :plain}, :outcomes) == {:stack, :outcomes}
      assert Plan.stronger(:returns, {:stack, :plain}) == {:stack, :returns}
      assert Plan.stronger({:stack, :returns}, {:stack, :plain}) == {:stack, :returns}
      assert Plan.stronger({:of, [1]}, {:stack, :plain}) == {:stack, :outcomes}

      assert [{:_, [], [{:message, _}, {:exception_trace}]}] =
               Session.match_spec({:stack, :outcomes}, {:m, :f, 1})
    end
  end

  test "lines and marks have a place in the source" do
    {_, rec} =
      record([], fn ->
        BeamScope.line()
        Probed.increment(1, 2)
      end)

    [mark, line | _] = Enum.to_list(BeamScope.events(rec, kind: [:line, :mark]))
    assert {:ok, %{file: file, line: at, lines: lines, first: first}} = BeamScope.source(rec, mark)
    assert {Path.basename(file), at} == {"capture_test.exs", mark.line}
    assert Enum.at(lines, at - first) =~ "BeamScope.line()"
    assert {:ok, %{file: file, line: 9, function: {Probed, :increment, 2}}} = BeamScope.source(rec, line)
    assert Path.basename(file) == "probed.ex"
  end

  test "prints lines and marks" do
    {_, rec} =
      record([], fn ->
        n = 1
        BeamScope.line(:spot)
        Probed.increment(n, 5)
      end)

    text = inspect(BeamScope.events(rec, kinds: [:line, :mark]), width: 200)
    assert text =~ ~r/line 9  count = 1, by = 5/
    assert text =~ ~r/line \d+ of BeamScope.Lines.CaptureTest.*:spot  n = 1/
  end

  @tag :tmp_dir
  test "exports carry them", %{tmp_dir: dir} do
    {_, rec} = record([stack: true], fn -> Probed.increment(1, 5) end)
    path = Path.join(dir, "lines.jsonl")
    :ok = BeamScope.export(rec, :jsonl, path)
    assert line = path |> File.stream!() |> Enum.find(&(&1 =~ ~s("kind":"line")))
    assert line =~ ~s("line":9)
    assert line =~ ~s("variables":[{"name":"count","value":{"text":"1","json":1}})
    assert line =~ ~s("stack":[)
    :ok = BeamScope.export(rec, :chrome, Path.join(dir, "lines.json"))
    assert File.read!(Path.join(dir, "lines.json")) =~ "line 9  count = 1, by = 5"
  end
end
