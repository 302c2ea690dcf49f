defmodule BeamScope.CaseTest do
  # Suites of their own, in virtual machines of their own: what a user sees of each kind of failure.
  use ExUnit.Case, async: true

  alias BeamScope.Case.{Excerpt, Run}
  alias BeamScope.Terminal.Style
  alias BeamScope.Test.InnerSuite

  @moduletag timeout: 120_000

  setup_all do
    dir = Path.join(System.tmp_dir!(), "beam_scope_case_#{System.pid()}")
    on_exit(fn -> File.rm_rf!(dir) end)
    {output, 2} = InnerSuite.run("kinds", Path.join(dir, "kinds"))
    %{dir: dir, output: output}
  end

  describe "a failure" do
    setup %{dir: dir}, do: %{dir: Path.join(dir, "kinds")}

    # The last two messages and what they did, the path of the file, and the file itself.
    defp assert_told(text, dir) do
      assert text =~ ~r/#\d+ .* the test  → Counter +CALL {:add, 2}\n/
      assert text =~ ~r/#\d+ .* Counter +count: 1 → 3\n/
      assert_saved(text, dir)
    end

    defp assert_saved(text, dir) do
      assert text =~ "Recorded before this (the last of"
      assert [path] = InnerSuite.paths(text)
      assert path =~ "tmp/beam_scope/KindsTest/test-"
      assert {:ok, rec} = BeamScope.load(Path.join(dir, path))
      BeamScope.close(rec)
    end

    test "of ExUnit's assertions keeps left, right and code, and is told more", %{output: output, dir: dir} do
      {before, failure} = InnerSuite.failure(output, "asserts")

      assert failure =~
               ~r/^     \S*kinds.exs:\d+\n     Assertion with == failed\n *\n     Recorded before this/

      assert failure =~
               ~r/code:  assert Map.new\(a: 1\) == %{a: 2}\n     left:  %{a: 1}\n     right: %{a: 2}\n/

      assert failure =~ ~r/stacktrace:\n       \S*kinds.exs:\d+: \(test\)/
      assert before == ""
      assert_told(failure, dir)
    end

    test "of a match keeps its pattern", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "asserts a match")
      assert failure =~ "match (=) failed"
      assert failure =~ ~r/left:  {:ok, _}\n     right: {:error, 1}\n/
      assert_told(failure, dir)
    end

    test "of assert_receive keeps its mailbox", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "receives")
      assert failure =~ "The process mailbox is empty."
      assert_told(failure, dir)
    end

    test "by an exception stays what it was, a second failure beside it", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "raises")
      [first, second] = String.split(failure, "Failure #2")

      assert first =~
               ~r/Failure #1\n     \*\* \(ArgumentError\) planned\n     code: raise ArgumentError, "planned"\n/

      assert first =~ ~r/stacktrace:\n       \S*kinds.exs:\d+: \(test\)\n/
      refute first =~ "overridable"
      assert second =~ "** (BeamScope.Case.Recorded) Recorded before this"
      assert_told(second, dir)
    end

    test "by a missing clause is blamed as ever", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "has no clause")
      assert failure =~ "Attempted function clauses"
      assert_told(failure, dir)
    end

    test "by an exit or a throw", %{output: output, dir: dir} do
      for {test, text} <- [{"exits", "** (exit) :planned"}, {"throws", "** (throw) :planned"}] do
        {_, failure} = InnerSuite.failure(output, test)
        assert failure =~ text
        assert_told(failure, dir)
      end
    end

    test "that was several has one more", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "fails twice")

      assert failure =~
               ~r/Failure #1\n     \*\* \(RuntimeError\) one\n.*Failure #2\n     \*\* \(exit\) :two\n/s

      assert [_, third] = String.split(failure, "Failure #3")
      assert_told(third, dir)
    end

    test "by a linked process is told before it, with what the process died of", %{output: output, dir: dir} do
      {before, failure} = InnerSuite.failure(output, "loses a linked process")
      assert failure =~ "** (EXIT from #PID<"
      assert before =~ ~r/\n     test loses a linked process \(KindsTest\)\n     \S*kinds.exs:\d+\n/
      assert before =~ "It was ended from outside: {:boom, %{count: 1}}."
      assert before =~ ~r/the test  → Counter +CALL :boom\n/
      assert before =~ ~r/Counter +ended: {:boom, %{count: 1}}\n/
      assert_saved(before, dir)
    end

    test "by a kill or a timeout is told before it, up to the end of the test", %{output: output, dir: dir} do
      for {test, text} <- [{"is killed", "killed"}, {"takes too long", "timed out after 200ms"}] do
        {before, failure} = InnerSuite.failure(output, test)
        assert failure =~ text
        assert before =~ "It was ended from outside: killed (ExUnit kills a test that takes too long)."
        assert [_, after_it] = String.split(before, ~r/the test +ended: :killed\n/)
        refute after_it =~ "#"
        assert_told(before, dir)
      end
    end

    test "of an on_exit callback, whatever others there are", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "fails at its exit")
      assert failure =~ ~r/Failure #1\n     \*\* \(RuntimeError\) in on_exit\n/
      refute failure =~ "BeamScope.Case.Callbacks"
      assert [_, second] = String.split(failure, "Failure #2")
      assert_told(second, dir)
    end

    test "of an on_exit callback that is killed", %{output: output, dir: dir} do
      {before, failure} = InnerSuite.failure(output, "is killed at its exit")
      assert failure =~ "killed"
      assert before =~ "It passed, then one of its on_exit callbacks was ended from outside."
      assert_told(before, dir)
    end

    test "is told once", %{output: output, dir: dir} do
      {before, failure} = InnerSuite.failure(output, "fails, then at its exit")
      assert failure =~ "first"
      refute failure =~ "second"
      assert before == ""
      assert_told(failure, dir)
    end

    test "of a setup", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "a setup fails")
      assert failure =~ ~r/Failure #1\n     \*\* \(RuntimeError\) in setup\n/
      refute failure =~ "overridable"
      assert failure =~ ~r/Counter +count: 0 → 5\n/
      assert_saved(failure, dir)
    end

    test "without the tag is as ever", %{output: output} do
      {before, failure} = InnerSuite.failure(output, "fails without")
      assert before == ""
      refute failure =~ "Recorded before"
      refute failure =~ "overridable"
      assert failure =~ ~r/left:  %{a: 1}\n/
    end

    test "without the tag, in a test that records itself", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "records itself")
      assert failure =~ ~r/Counter +count: 3 → 12\n/
      assert_saved(failure, dir)
    end

    test "says which limit has stopped the recording before it", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "is at a limit")
      assert failure =~ "(the last of 40 events, stopped by its limit of events)"
      assert failure =~ ~r/#\d+ .* Counter  .* (is|count: \d+ →) /
      assert failure =~ ~r/\d+ events came too late and were not recorded\n/
      assert_saved(failure, dir)
    end

    test "says which names nobody bore", %{output: output, dir: dir} do
      {_, failure} = InnerSuite.failure(output, "waits for nobody")
      assert failure =~ "note: nobody was registered as NoSuch.Server while this was recorded"
      refute failure =~ "as Counter"
      assert_told(failure, dir)
    end

    test "by a mistake in the tag", %{output: output} do
      {_, failure} = InnerSuite.failure(output, "misspells an option")
      assert failure =~ "(BeamScope.Error) unknown option :levle. Did you mean :level?"
    end

    test "is no wider than 100 columns, and what passed left nothing", %{output: output, dir: dir} do
      ours = for line <- String.split(output, "\n"), line =~ ~r/^     +(#\d|note:|Recorded|It )/, do: line
      assert length(ours) > 100
      assert Enum.filter(ours, &(Style.width(&1) > 100)) == []
      assert output =~ ~r/21 tests, 20 failures|1\/21 passed/
      refute output =~ "test passes"
      assert dir |> Path.join("tmp/beam_scope/KindsTest/*passes*") |> Path.wildcard() == []
    end
  end

  test "tests at once have their own processes only, and what they share in both", %{dir: dir} do
    {output, status} = InnerSuite.run("side_by_side", Path.join(dir, "side_by_side"))
    assert {status, output =~ ~r/8 tests, 0 failures|Result: 8 passed/} == {0, true}, output
  end

  test "tags, names that come later, restarts, templates; and nothing is left", %{dir: dir} do
    {output, status} = InnerSuite.run("tags", Path.join(dir, "tags"))
    assert {status, output =~ ~r/17 tests, 0 failures|Result: 17 passed/} == {0, true}, output
    assert output =~ "LEFT: {[], true, true, [], [], false, false}"
  end

  describe "the file" do
    test "has a plain and bounded name, another one for each test" do
      name = &BeamScope.Case.File.name(%{module: __MODULE__, name: &1, parameters: %{}})
      long = String.to_atom("test " <> String.duplicate("é/", 120))
      names = Enum.map([:"test a/b", :"test a b", :"test ../../b", :"test 日本", long], name)
      assert length(Enum.uniq(names)) == 5

      for name <- names do
        assert [dir, file] = Path.split(name)
        assert dir == "BeamScope.CaseTest" and file =~ ~r/^test[A-Za-z0-9_.-]*-[0-9a-f]{8}\.bsr$/
        assert byte_size(file) < 140
      end

      with_parameters = %{module: __MODULE__, name: :"test a b", parameters: %{n: 1}}
      refute BeamScope.Case.File.name(with_parameters) == name.(:"test a b")
    end

    test "replaces the one before, and goes elsewhere where it cannot be written", %{dir: dir} do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      test = %{module: __MODULE__, name: :"test saved", parameters: %{}}

      run = fn dir ->
        %Run{rec: rec, entry: nil, standing: :atomics.new(1, []), test: test, dir: dir, pid: self()}
      end

      files = Path.join(dir, "files")
      assert {:ok, path} = BeamScope.Case.File.save(run.(files))
      assert {:ok, ^path} = BeamScope.Case.File.save(run.(files))
      assert [_] = Path.wildcard(Path.join(files, "**/*.bsr"))
      assert {:ok, other} = BeamScope.Case.File.save(run.(Path.join(Path.expand(path), "no/directory")))
      assert other =~ "beam_scope/BeamScope.CaseTest/test-saved-"
      File.rm!(Path.expand(other))
      BeamScope.close(rec)
    end
  end

  describe "the excerpt" do
    test "of nothing says so" do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      assert [line | _] = rec |> Excerpt.lines(:end, self(), %Style{width: 95}) |> rendered()
      assert line =~ ~r/^Recorded before this \(nothing to show among \d+ events?\)$/
    end

    test "has fifteen lines at most, the last ones, with what large states became" do
      {:ok, agent} = Agent.start_link(fn -> %{n: 0, big: Enum.to_list(1..500)} end)

      {_, rec} =
        BeamScope.record([trace: agent], fn ->
          for n <- 1..30, do: Agent.update(agent, &%{&1 | n: n})
          Agent.update(agent, fn _ -> %{a: 1, b: 2, c: 3, d: 4} end)
        end)

      lines = rec |> Excerpt.lines(:end, self(), %Style{width: 95}) |> rendered()
      lines = Enum.reject(lines, &(&1 =~ "note:" or &1 =~ "fallback"))
      assert length(lines) == 16
      assert Enum.all?(lines, &(Style.width(&1) <= 95))
      assert Enum.any?(lines, &(&1 =~ ~r/n: 29 → 30$/))
      assert Enum.any?(lines, &(&1 =~ "is %{a: 1, b: 2, c: 3, d: 4}"))
    end

    defp rendered(lines), do: lines |> Style.render(%Style{width: 95}) |> String.split("\n")
  end

  test "options other than dir: are refused" do
    assert Run.options([]) == %{dir: "tmp/beam_scope"}

    assert_raise ArgumentError, ~r/takes `dir: "a\/directory"` and nothing else/, fn ->
      Run.options(async: true)
    end

    assert_raise ArgumentError, fn -> Run.options(dir: :here) end
  end
end
