defmodule BeamScope.ExpectationTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false
  doctest BeamScope.Expectation

  import BeamScope.Assertions

  alias BeamScope.{Error, Moment, Verdict}
  alias BeamScope.Servers.Tally

  defmodule Books do
    @moduledoc "Expectations of all kinds of a Tally that is registered as `Till`."
    use BeamScope.Expectation

    @limit 100

    role :till, Till
    role :client

    expect "is never below zero" do
      always :till, %{count: c} when c >= 0
    end

    expect "adds what it is told" do
      transition :till, %{count: n} ~> %{count: m} when m == n + by, on: {:add, by}, all: true
    end

    expect "stays below its limit", do: never(:till, %{count: ^@limit})

    expect "answers",
      do: leads_to(sent({:add, _}, to: :till), sent({_tag, n} when is_integer(n), from: :till))

    expect "is asked by the client", do: sent({:add, _}, from: :client, to: :till)
    expect "answers none without a question", do: causality(sent({:add, n}) ~> received({:add, n}))
    expect "ends with more", do: state(:till, %{count: n} when n > @limit - 99)

    expect "goes on" do
      flow do
        sent {:add, by}, from: :client, to: :till
        sent {_tag, _sum}, from: :till, to: :client
      end
    end

    expect "is not told to reset", do: refute_sent(:reset)
    expect "nothing crashes", do: refute_crash()
  end

  defmodule Quiet do
    @moduledoc "What nothing may put to the test."
    use BeamScope.Expectation
    expect "quiet", do: refute_sent(:hello)
  end

  defmodule Gone do
    @moduledoc "A role that nobody plays now."
    use BeamScope.Expectation
    role :gone, Process.whereis(:nobody_of_this_name)
    expect "quiet", do: refute_sent(:hello, to: :gone)
  end

  defmodule Crowd do
    @moduledoc "Expectations of every Tally."
    use BeamScope.Expectation

    role :tally, module: Tally

    expect "none is below zero", do: always(:tally, %{count: c} when c >= 0)
    expect "all end with something", do: state(:tally, %{count: c} when c > 0)
    expect "each is asked", do: sent({:add, _}, to: :tally, times: 3)
  end

  setup do
    on_exit(fn -> BeamScope.clear() end)
    till = start_supervised!(%{id: Till, start: {Tally, :start_link, [[name: Till]]}})
    %{till: till}
  end

  defp record(targets, fun, opts \\ []) do
    {_, rec} = BeamScope.record([trace: targets] ++ opts, fun)
    rec
  end

  defp client, do: [roles: [client: self()]]
  defp verdicts(verdict), do: Map.new(verdict.expectations, &{&1.name, &1.verdict})
  defp one(verdict, name), do: Enum.find(verdict.expectations, &(&1.name == name))

  describe "check" do
    test "all that holds, in one pass" do
      rec = record(Till, fn -> for n <- [1, 2], do: Tally.add(Till, n) end)
      verdict = BeamScope.check(rec, Books, client())
      assert Verdict.ok?(verdict)
      assert Verdict.first_broken(verdict) == nil
      assert verdict.module == Books

      assert Enum.all?(
               verdict.expectations,
               &match?(%{verdict: :held, sentence: nil, report: nil, moment: nil}, &1)
             )

      assert length(verdict.expectations) == 10
      assert %{name: "is never below zero", source: {file, line}} = hd(verdict.expectations)
      assert file == "test/beam_scope/expectation_test.exs"
      assert File.stream!(file) |> Enum.at(line - 1) =~ ~s(expect "is never below zero" do)
    end

    test "what is broken, with its first moment, and what came instead" do
      rec = record(Till, fn -> for n <- [3, -5, 1], do: Tally.add(Till, n) end)
      verdict = BeamScope.check(rec, Books, client())
      refute Verdict.ok?(verdict)

      assert %{verdict: :broken, moment: %Moment{seq: seq}, sentence: sentence, report: report} =
               one(verdict, "is never below zero")

      assert sentence == report.sentence
      assert sentence =~ "Till became %{count: -2, history: [-5, 3], password: "
      assert sentence =~ "by {:add, -5}; %{count: c} when c >= 0 was expected of every state."
      assert to_string(report) =~ "The guard c >= 0 does not hold for c = -2"
      assert {:ok, %{count: -2}} = BeamScope.state_at(rec, Till, %Moment{seq: seq, at_ns: 0})
      assert {:ok, %{count: 3}} = BeamScope.state_at(rec, Till, %Moment{seq: seq - 1, at_ns: 0})

      assert one(verdict, "ends with more").sentence =~ "Till ended with %{count: -1"
      assert %{name: "is never below zero"} = Verdict.first_broken(verdict)
      assert ["is never below zero", "ends with more"] = Enum.map(Verdict.broken(verdict), & &1.name)
      assert one(verdict, "adds what it is told").verdict == :held
    end

    test "what was never exercised says what was missing" do
      # With the reading of a living process' state alone not every profile could say so much.
      rec = record(Till, fn -> send(Till, :tick) end, level: :states)
      verdict = BeamScope.check(rec, Books, client())

      assert %{
               "is never below zero" => :held,
               "adds what it is told" => :never_exercised,
               "answers" => :never_exercised,
               "is asked by the client" => :broken,
               "answers none without a question" => :never_exercised,
               "goes on" => :broken,
               "is not told to reset" => :never_exercised,
               "nothing crashes" => :held
             } = verdicts(verdict)

      assert one(verdict, "is not told to reset").sentence =~ "No message was sent at all"

      assert inspect(verdict) =~
               "At level :states messages are not recorded as such: use level: :messages or\n:full."
    end

    test "after a loss it cannot be said, and why" do
      rec = BeamScope.start!(Till, level: :full, limits: [events: 40])
      for _ <- 1..100, do: Tally.add(Till, 0)
      stopped(rec)
      verdict = BeamScope.check(rec, Books, client())
      assert %{verdict: :unknown, sentence: sentence} = one(verdict, "is never below zero")
      assert sentence =~ ~r/^It cannot be said that .*: [\d,]+ events .*were lost between/
      assert one(verdict, "is not told to reset").verdict == :unknown
      refute Verdict.ok?(verdict)
      assert inspect(verdict) =~ "The recording had stopped at its limit of events: raise limits: [events:"
    end

    test "nor of what was cut off" do
      defmodule Large do
        use BeamScope.Expectation
        expect "is small", do: never(Till, %{big: ^Enum.to_list(1..5_000)})
      end

      rec = record(Till, fn -> Tally.get(grow(Till, 5_000)) end, budget: [bytes: 512])

      assert %{expectations: [%{verdict: :unknown, sentence: sentence}]} = BeamScope.check(rec, Large)
      assert sentence =~ "truncated"
    end

    test "a recording that runs is asked up to now; one that was loaded as well" do
      rec = BeamScope.start!([Till, self()], level: :full)
      Tally.add(Till, 2)
      assert %{"adds what it is told" => :held} = rec |> BeamScope.check(Books, client()) |> verdicts()
      Tally.add(Till, -3)
      assert %{"is never below zero" => :broken} = rec |> BeamScope.check(Books, client()) |> verdicts()
      {:ok, rec} = BeamScope.stop(rec)

      path = Path.join(System.tmp_dir!(), "beam_scope_expectation_#{System.unique_integer([:positive])}")
      on_exit(fn -> File.rm(path) end)
      :ok = BeamScope.save(rec, path)
      loaded = BeamScope.load!(path)

      for {module, opts} <- [{Books, client()}, {Crowd, []}] do
        assert verdicts(BeamScope.check(loaded, module, opts)) == verdicts(BeamScope.check(rec, module, opts))
      end

      assert %{"each is asked" => :broken, "none is below zero" => :broken} =
               verdicts(BeamScope.check(loaded, Crowd))
    end

    test "the check itself is not recorded" do
      rec = BeamScope.start!([Till, self()], level: :full)
      Tally.add(Till, 2)
      # Which loads what is not loaded yet, in this process.
      BeamScope.check(rec, Books, client())
      rec |> BeamScope.events() |> Enum.count()
      before = rec |> BeamScope.events() |> Enum.count()
      BeamScope.check(rec, Books, client())
      assert_expectations rec, Books, roles: [client: self()]
      assert rec |> BeamScope.events() |> Enum.count() == before
    end

    test "of several lines all hold, and the one that broke first speaks" do
      defmodule Several do
        use BeamScope.Expectation

        expect "several" do
          never Till, %{count: 3}
          never Till, %{count: 2}
          always Till, %{count: _}
        end

        expect "one is open" do
          always Till, %{count: _}
          refute_sent :hello, from: Nobody
        end
      end

      rec = record(Till, fn -> for _ <- 1..3, do: Tally.add(Till, 1) end)
      verdict = BeamScope.check(rec, Several)
      assert one(verdict, "several").sentence =~ "Till became %{count: 2"
      assert one(verdict, "one is open").verdict == :never_exercised
    end

    test "what never came has no moment; a flow is broken where it did not go on" do
      defmodule Missing do
        use BeamScope.Expectation
        expect "hears hello", do: sent(:hello)

        expect "resets" do
          flow do
            sent {:add, 1}
            sent :reset
          end
        end

        expect "asked once", do: sent({:add, _}, times: 1)
      end

      rec = record(Till, fn -> for n <- [1, 2], do: Tally.add(Till, n) end)
      verdict = BeamScope.check(rec, Missing)
      asked = for %{content: {:add, _}, moment: moment} <- BeamScope.messages(rec, to: Till), do: moment.seq

      assert %{moment: nil, sentence: "No message matching :hello was sent" <> _} =
               one(verdict, "hears hello")

      assert one(verdict, "resets").moment.seq == hd(asked)
      assert one(verdict, "asked once").moment.seq == List.last(asked)
      # That something never comes is certain at the end only.
      assert ["asked once", "resets", "hears hello"] = Enum.map(Verdict.broken(verdict), & &1.name)
    end

    test "processes that never lived are no error" do
      defmodule Absent do
        use BeamScope.Expectation
        role :absent, Nobody
        expect "stays", do: always(:absent, _)
        expect "speaks", do: sent(:hello, from: :absent)
        expect "ends well", do: state(:absent, _)
      end

      rec = record(Till, fn -> Tally.add(Till, 1) end)
      verdict = BeamScope.check(rec, Absent)

      assert %{"stays" => :never_exercised, "speaks" => :broken, "ends well" => :broken} = verdicts(verdict)
      assert one(verdict, "stays").sentence =~ "Nobody does not appear in the recording. It has Till"
      assert one(verdict, "ends well").sentence =~ "Nobody does not appear in the recording."
      assert to_string(one(verdict, "speaks").report) =~ "Nobody does not appear in the recording."
    end
  end

  describe "roles" do
    test "by module, also those that come later, each for itself" do
      rec =
        record(Till, fn ->
          {:ok, one} = Tally.start_link()
          {:ok, two} = Tally.start_link()
          for {pid, n} <- [{Till, 1}, {one, -1}, {two, 2}], do: Tally.add(pid, n)
          one
        end)

      verdict = BeamScope.check(rec, Crowd)
      assert one(verdict, "each is asked").verdict == :held
      assert one(verdict, "none is below zero").sentence =~ ~r/^Tally <[\d.]+> became %{count: -1/
      assert one(verdict, "all end with something").sentence =~ ~r/^Tally <[\d.]+> ended with %{count: -1/
    end

    test "given at the check, and in place of what the module says", %{till: till} do
      {:ok, other} = Tally.start_link()
      rec = record([till, other], fn -> for pid <- [till, other], do: Tally.add(pid, -1) end)
      assert %{"is never below zero" => :broken} = rec |> BeamScope.check(Books, client()) |> verdicts()

      for roles <- [[client: self(), till: other], %{client: self(), till: other}] do
        verdict = BeamScope.check(rec, Books, roles: roles)
        assert one(verdict, "is never below zero").sentence =~ ~r/^Till <[\d.]+> became/
      end

      every = BeamScope.check(rec, Books, roles: [client: self(), till: [module: Tally]])
      assert one(every, "is asked by the client").verdict == :held
    end

    test "by other registries" do
      start_supervised!({Registry, keys: :unique, name: Desk})

      defmodule Via do
        use BeamScope.Expectation
        role :till, {:via, Registry, {Desk, :till}}
        role :main, {:global, :main_till}
        expect "adds", do: transition(:till, _ ~> %{count: 1})
        expect "adds too", do: transition(:main, _ ~> %{count: 2})
      end

      {:ok, _} = Tally.start_link(name: {:via, Registry, {Desk, :till}})
      {:ok, _} = Tally.start_link(name: {:global, :main_till})

      rec =
        record([{:via, Registry, {Desk, :till}}, {:global, :main_till}], fn ->
          Tally.add({:via, Registry, {Desk, :till}}, 1)
          Tally.add({:global, :main_till}, 2)
        end)

      assert rec |> BeamScope.check(Via) |> Verdict.ok?()
    end

    test "every process of a module, in any question", %{till: till} do
      {:ok, other} = Tally.start_link()
      rec = record([till, other], fn -> for pid <- [till, other], do: Tally.add(pid, 5) end)
      assert [a, b] = BeamScope.history(rec, {:module, Tally}).processes
      assert Enum.sort([a.pid, b.pid]) == Enum.sort([till, other])
      assert [_, _] = BeamScope.messages(rec, to: {:module, Tally}, match: {:add, 5}).events

      assert_raise Error, ~r/does not appear in the recording/, fn ->
        BeamScope.history(rec, {:module, Registry})
      end
    end
  end

  describe "what makes no sense" do
    setup do
      %{rec: record(Till, fn -> :ok end)}
    end

    test "is an error that says what to do", %{rec: rec} do
      for {call, text} <- [
            {fn -> BeamScope.check(:rec, Books) end, ":rec is not a recording"},
            {fn -> BeamScope.check(rec, Tally) end,
             "is no module of expectations. Such a module says `use BeamScope.Expectation`"},
            {fn -> BeamScope.check(rec, Nowhere) end, "Nowhere is no module of expectations"},
            {fn -> BeamScope.check(rec, "Books") end, "\"Books\" is no module of expectations"},
            {fn -> BeamScope.check(rec, Books) end,
             "does not say who :client is: give them as roles: [client: pid]"},
            {fn -> BeamScope.check(rec, Books, roles: [clint: self()]) end,
             "has no role :clint. Its roles are :client, :till"},
            {fn -> BeamScope.check(rec, Books, roles: [client: "me"]) end,
             "option :roles → :client must be a pid"},
            {fn -> BeamScope.check(rec, Gone) end, "option :roles → :gone must be a pid"},
            {fn -> BeamScope.check(rec, Books, roles: self()) end, "option :roles must be processes by role"},
            {fn -> BeamScope.check(rec, Books, role: []) end, "unknown option :role. Did you mean :roles?"}
          ] do
        error = assert_raise(Error, call)
        assert Exception.message(error) =~ text
      end
    end

    test "a closed recording", %{rec: rec} do
      BeamScope.close(rec)
      assert %Error{reason: :closed} = assert_raise(Error, fn -> BeamScope.check(rec, Books, client()) end)
    end
  end

  describe "assert_expectations" do
    test "returns the verdict" do
      rec = record(Till, fn -> Tally.add(Till, 2) end)
      assert %Verdict{module: Books} = assert_expectations(rec, Books, roles: [client: self()])
    end

    test "fails with what broke, from the line of the test" do
      rec = record(Till, fn -> Tally.add(Till, -2) end)

      error =
        assert_raise(ExUnit.AssertionError, fn -> assert_expectations rec, Books, roles: [client: self()] end)

      assert error.message =~ "✗ is never below zero  broken at #"
      assert error.message =~ "The guard c >= 0 does not hold for c = -2"
      assert Macro.to_string(error.expr) == "assert_expectations(rec, Books, roles: [client: self()])"
      assert Enum.all?(String.split(error.message, "\n"), &(String.length(&1) <= 95))

      {_, trace} =
        try do
          {assert_expectations(rec, Books, roles: [client: self()]), []}
        rescue
          error -> {error, __STACKTRACE__}
        end

      assert {__MODULE__, _, _, _} = hd(trace)
      assert %Error{reason: :unbound_role} = assert_raise(Error, fn -> assert_expectations rec, Books end)

      none = Process.get(:no_recording)

      assert %Error{reason: :invalid_recording} =
               assert_raise(Error, fn -> assert_expectations none, Books end)
    end

    test "fails where nothing was put to the test" do
      rec = record(Till, fn -> :ok end, level: :crashes)
      error = assert_raise(ExUnit.AssertionError, fn -> assert_expectations rec, Quiet end)
      assert error.message =~ "Nothing put these to the test.\n\n"
    end
  end

  describe "how it looks" do
    setup do
      rec = record(Till, fn -> for n <- [3, -5], do: Tally.add(Till, n) end)
      verdict = BeamScope.check(rec, Books, client())
      BeamScope.close(rec)
      %{verdict: verdict}
    end

    test "one line each, then what broke, also when the recording is gone", %{verdict: verdict} do
      text = verdict |> inspect(width: 100) |> masked()

      assert String.starts_with?(text, """
             BeamScope.ExpectationTest.Books  2 broken, 8 held
             ✗ is never below zero  broken at #n (T): Till became %{count: -2, history: [-5, 3], pass…
             ✓ adds what it is told
             ✓ stays below its limit
             """)

      assert text =~ """
             ✓ nothing crashes

             ✗ is never below zero  test/beam_scope/expectation_test.exs:n
               Till became %{count: -2, history: [-5, 3], password: #redacted<binary, … by {:add, -5}; %{count:
               c} when c >= 0 was expected of every state.

               The guard c >= 0 does not hold for c = -2

             """

      assert text =~ "\n  > #n T  CALL {:add, -5}  from <pid>  → -2\n"
      assert [_, _] = String.split(text, "✗ ends with more  test/")
    end

    test "never wider than asked for", %{verdict: verdict} do
      for width <- [80, 100] do
        lines = verdict |> inspect(width: width) |> String.split("\n")
        assert Enum.all?(lines, &(String.length(&1) <= width))
        assert Enum.any?(lines, &(String.length(&1) > width - 15))
      end

      report = verdict |> Verdict.first_broken() |> Map.fetch!(:report)
      assert report |> inspect(width: 80) |> String.split("\n") |> Enum.all?(&(String.length(&1) <= 80))
    end

    test "of many only some are told whole" do
      defmodule Many do
        use BeamScope.Expectation
        expect "a", do: sent(:a)
        expect "b", do: sent(:b)
        expect "c", do: sent(:c)
        expect "d", do: sent(:d)
        expect "e", do: sent(:e)
        expect "f", do: sent(:f)
        expect "g", do: sent(:g)
      end

      rec = record(Till, fn -> :ok end)
      text = rec |> BeamScope.check(Many) |> inspect()
      assert length(Regex.scan(~r/^✗ \w  test/m, text)) == 5
      assert text =~ "… and 2 more: look at their report"
    end
  end

  defp masked(text) do
    text
    |> String.replace(~r/<\d+\.\d+\.\d+>/, "<pid>")
    |> String.replace(~r/ *#\d+/, " #n")
    |> String.replace(~r/exs:\d+/, "exs:n")
    |> String.replace(~r/ *[\d.]+\s(µs|ms|s)\b/u, " T")
    |> String.replace("( T)", "(T)")
    # Where a line is cut depends on how long the time is.
    |> String.replace(~r/pass\w*…/u, "pass…")
  end

  defp grow(tally, n) do
    GenServer.cast(tally, {:grow, n})
    tally
  end

  defp stopped(rec) do
    {:ok, sub} = BeamScope.subscribe(rec)
    assert_receive {:beam_scope, ^sub, {:stopped, _}}, 5_000
  end
end
