defmodule BeamScope.Expect.SyntaxTest.Boxed do
  defmacro boxed(inner), do: quote(do: {x, unquote(inner), x})
end

defmodule BeamScope.Expect.SyntaxTest do
  use ExUnit.Case, async: true

  import BeamScope.Expect.SyntaxTest.Boxed
  import ExUnit.CaptureIO

  alias BeamScope.Expect.{Assertion, Step}

  # What a macro makes of an assertion, as data, without running it.
  defmacrop data({name, _, args}) do
    call = {{:., [], [BeamScope.Assertions, name]}, [], args}
    expanded = Macro.expand_once(call, %{__CALLER__ | requires: [BeamScope.Assertions | __CALLER__.requires]})
    {_, assertion} = Macro.prewalk(expanded, nil, &{&1, &2 || assertion(&1)})
    assertion
  end

  defp assertion({:%, _, [{:__aliases__, _, [:Assertion]}, _]} = ast), do: ast
  defp assertion(_), do: nil

  defp pattern(%Assertion{steps: [step]}), do: step.pattern

  describe "what an assertion becomes" do
    test "a message with its ends, a pin before a process meaning nothing" do
      client = self()
      a = data(assert_sent(rec, {:inc, by} when by > 0, from: ^client, to: Counter, times: 3))

      assert %Assertion{check: :count, times: 3, vars: [:by], steps: [step]} = a
      assert %Step{what: :sent, from: ^client, to: Counter, process: nil} = step
      assert step.source == "{:inc, by} when by > 0"

      assert step.pattern ==
               {:pattern, {:tuple, [{:lit, :inc}, {:var, :by}]}, {:op, :>, [{:var, :by}, {:lit, 0}]}}
    end

    test "a transition asks of both states and the message, the guard of all three" do
      a = data(assert_transition(rec, Counter, %{n: n} ~> %{n: m} when m == n + by, on: {:add, by}))

      assert {:pattern, {:tuple, heads}, {:op, :==, [{:var, :m}, {:op, :+, [{:var, :n}, {:var, :by}]}]}} =
               pattern(a)

      assert heads == [
               {:map, [n: {:var, :n}]},
               {:map, [n: {:var, :m}]},
               {:tuple, [{:lit, :add}, {:var, :by}]}
             ]

      assert {a.check, a.scope, a.vars} == {:count, nil, [:n, :m, :by]}
    end

    test "without on: any message will do" do
      a = data(assert_transition(rec, Counter, _ ~> :ready))
      assert pattern(a) == {:pattern, {:tuple, [:any, {:lit, :ready}, :any]}, nil}
    end

    test "guards of on: and of the states hold together" do
      a = data(assert_transition(rec, Counter, n ~> _ when n > 1, on: {:add, by} when by > 2))

      assert {:pattern, _, {:op, :andalso, [{:op, :>, [{:var, :n}, _]}, {:op, :>, [{:var, :by}, _]}]}} =
               pattern(a)
    end

    test "all: true asks of every transition whose message matches on:, and binds nothing" do
      a = data(assert_transition(rec, Counter, n ~> m when m == n + by, on: {:add, by}, all: true))
      assert {a.check, a.negate, a.vars} == {:every, false, []}
      assert a.scope == {:pattern, {:tuple, [{:lit, :add}, {:var, :by}]}, nil}

      assert {:pattern, {:tuple, [{:var, :n}, {:var, :m}, {:tuple, [{:lit, :add}, {:var, :by}]}]}, _} =
               pattern(a)
    end

    test "a call asks of its arguments and what it returned" do
      a = data(assert_called(rec, MyApp.Repo.insert(%{name: "x"}, _), returns: {:ok, row}, by: Worker))
      assert [%Step{what: :called, mfa: {MyApp.Repo, :insert, 2}, process: Worker}] = a.steps

      assert pattern(a) ==
               {:pattern,
                {:tuple,
                 [{:list, [{:map, [name: {:lit, "x"}]}, :any]}, {:tuple, [{:lit, :ok}, {:var, :row}]}]}, nil}

      assert pattern(data(assert_called(rec, :lists.seq(1, n) when n > 2))) ==
               {:pattern, {:tuple, [{:list, [{:lit, 1}, {:var, :n}]}, :any]},
                {:op, :>, [{:var, :n}, {:lit, 2}]}}

      any = data(assert_called(rec, &MyApp.Repo.insert/2))

      assert {[%Step{mfa: {MyApp.Repo, :insert, 2}}], {:pattern, {:tuple, [:any, :any]}, nil}} =
               {any.steps, pattern(any)}

      assert pattern(data(assert_called(rec, Repo.all()))) == {:pattern, {:tuple, [{:lit, []}, :any]}, nil}
    end

    test "steps of a flow share their variables" do
      a =
        data(
          assert_flow rec, since: :start do
            sent {:inc, by}, from: ^self(), to: Counter
            received {:inc, by}
            handled {:inc, _}, by: Counter
            state Counter, %{count: n} when n >= by
            transition Counter, %{count: n} ~> _, on: {:inc, _}
            called Base.encode16(x), returns: _
            crashed Counter, {:bad, x}
          end
        )

      assert Enum.map(a.steps, & &1.what) == [
               :sent,
               :received,
               :transition,
               :state,
               :transition,
               :called,
               :crashed
             ]

      assert {a.check, a.since, a.vars} == {:flow, :start, [:by, :n, :x]}

      assert Enum.at(a.steps, 2).pattern ==
               {:pattern, {:tuple, [:any, :any, {:tuple, [{:lit, :inc}, :any]}]}, nil}

      assert {:pattern, _, {:op, :>=, [{:var, :n}, {:var, :by}]}} = Enum.at(a.steps, 3).pattern
      assert [%Step{from: from} | _] = a.steps
      assert from == self()
    end

    test "what speaks of all or none binds nothing" do
      for a <- [
            data(refute_sent(rec, {:error, why})),
            data(assert_sent(rec, {:error, why}, times: 0)),
            data(assert_always(rec, Counter, %{n: n})),
            data(assert_never(rec, Counter, %{n: n})),
            data(assert_leads_to(rec, sent({:a, id}), sent({:b, id}), within: 5)),
            data(assert_causality(rec, sent({:a, id}) ~> sent({:b, id}), strict: true)),
            data(refute_called(rec, Repo.delete(id)))
          ],
          do: assert(a.vars == [])
    end

    test "nil is a pattern, not the lack of one" do
      assert pattern(data(assert_sent(rec, nil))) == {:pattern, {:lit, nil}, nil}

      assert {:pattern, {:tuple, [_, {:lit, nil}]}, nil} =
               pattern(data(assert_called(rec, A.f(1), returns: nil)))

      a = data(assert_transition(rec, C, nil ~> 1, on: nil, all: true))
      assert pattern(a) == {:pattern, {:tuple, [{:lit, nil}, {:lit, 1}, {:lit, nil}]}, nil}
      assert a.scope == {:pattern, {:lit, nil}, nil}
      assert {:pattern, :any, nil} = pattern(data(refute_crash(rec)))
    end

    test "refute_crash takes a process, options, both or neither" do
      assert [%Step{what: :crashed, process: nil}] = data(refute_crash(rec)).steps
      assert %Assertion{since: :start, steps: [%Step{process: nil}]} = data(refute_crash(rec, since: :start))
      assert [%Step{process: Counter}] = data(refute_crash(rec, Counter)).steps

      assert %Assertion{since: :start, steps: [%Step{process: Counter}]} =
               data(refute_crash(rec, Counter, since: :start))
    end

    test "await_* take a timeout, options, or both" do
      assert %Assertion{await: true, timeout: nil} = data(await_state(rec, Counter, %{n: 1}))
      assert %Assertion{timeout: 500} = data(await_state(rec, Counter, %{n: 1}, 500))
      assert %Assertion{timeout: 500, times: 2} = data(await_sent(rec, :tick, times: 2, timeout: 500))
      assert %Assertion{timeout: 500, times: 2} = data(await_sent(rec, :tick, [times: 2], 500))

      assert %Assertion{timeout: 500, check: :flow} =
               data(
                 await_flow rec, 500 do
                   sent :tick
                 end
               )
    end

    test "a macro's own variable does not take the place of the user's" do
      a = data(assert_sent(rec, {boxed(x), x}))

      assert {:pattern, {:tuple, [{:tuple, [{:var, own}, {:var, :x}, {:var, own}]}, {:var, :x}]}, nil} =
               pattern(a)

      assert own != :x
      assert a.vars == [:x]
    end
  end

  # ---- errors ----

  for {code, message} <- [
        {"assert_sent rec, foo(x)", "foo(x) cannot stand in a pattern: allowed are"},
        {"assert_sent rec, x when String.length(x) > 1",
         "cannot stand in the guard of a pattern: allowed are"},
        {"assert_sent rec, x when y > 1", ~s(undefined variable "y" in the guard)},
        {"assert_sent rec, :a, form: 1",
         "unknown option form: in `assert_sent(rec, :a, form: 1)`, allowed are from:, to:, times:"},
        {"assert_sent rec, :a, form: 1", "Did you mean from:?"},
        {"assert_sent rec, :a, opts", "expected from:, to:, times:"},
        {"assert_transition rec, C, %{n: 1}", "expected `from ~> to`, got: %{n: 1}"},
        {"assert_transition rec, C, 1 ~> 2, all: x", "all: must be true or false, written out"},
        {"assert_called rec, insert(1)", "`insert(1)` is no call: write it as `MyApp.Repo.insert("},
        {"assert_always rec, C, %{a | n: 1}", "a map update cannot stand in a pattern"},
        {"assert_leads_to rec, sent(:a), arrived(:b)",
         "`arrived(:b)` is no step: steps are `sent pattern, from: a, to: b`"},
        {"assert_causality rec, sent(:a)", "expected `from ~> to`, got: sent(:a)"},
        {"refute_crash rec, C, sinse: 1", "Did you mean since:?"}
      ] do
    test "#{code} says #{String.slice(message, 0, 40)}" do
      error = compile_error("\n\n" <> unquote(code))
      assert Exception.message(error) =~ unquote(message)
      assert error.line == 4
    end
  end

  test "a step that is none is reported at its own line" do
    error = compile_error("assert_flow rec do\n  sent :a\n  sent foo(x)\nend")
    assert {error.line, Exception.message(error) =~ "foo(x) cannot stand in a pattern"} == {4, true}
    error = compile_error("assert_flow rec do\n  sent :a\n  send :b\nend")
    assert {error.line, Exception.message(error) =~ "`send(:b)` is no step"} == {4, true}

    assert Exception.message(compile_error("assert_flow rec do\nend")) =~
             "assert_flow needs at least one step"
  end

  # The error at the line where it is: the code begins in the second.
  defp compile_error(code) do
    capture_io(:stderr, fn ->
      send(self(), assert_raise(CompileError, fn -> Code.compile_string(module(code), "test.exs") end))
    end)

    assert_received %CompileError{} = error
    error
  end

  defp module(code) do
    name = "BeamScope.Expect.SyntaxTest.M#{System.unique_integer([:positive])}"

    "defmodule #{name} do import BeamScope.Assertions; def run(rec, opts \\\\ []) do _ = opts\n#{code}\nend end"
  end

  # ---- warnings ----

  test "no assertion warns of variables, not of those used once either" do
    code = """
    client = self()
    limit = 3
    assert_sent rec, {:inc, by}, from: client
    assert_sent rec, {:inc, once, ^limit} when once > limit, to: ^client
    assert_transition rec, C, %{n: n} ~> %{n: m} when m > n, on: {:add, _}
    assert_transition rec, C, %{n: a} ~> %{n: b} when b > a, all: true
    assert_state rec, C, %{count: count}
    assert_always rec, C, %{c: c} when c >= 0
    refute_sent rec, {:error, why}
    assert_leads_to rec, sent({:order, id}), sent({:shipped, id}), within: 500
    assert_causality rec, sent({:req, id}) ~> sent({:resp, id})
    assert_called rec, Base.encode16(text), returns: result
    await_state rec, C, %{late: late}, 500

    assert_flow rec do
      sent {:one, x}, from: ^client
      sent {:two, x, y} when y > x
    end

    {by, x}
    """

    # Others that compile beside this one write there, too.
    refute capture_io(:stderr, fn -> Code.compile_string(module(code), "no_warning.exs") end) =~
             "no_warning.exs"
  end

  # ---- names ----

  test "no name is one of ExUnit's, present or to come" do
    taken =
      for module <- [ExUnit.Assertions, ExUnit.Callbacks, ExUnit.Case, Kernel, Kernel.SpecialForms],
          {name, _arity} <- module.__info__(:macros) ++ functions(module),
          do: name

    ours = for {name, _arity} <- BeamScope.Assertions.__info__(:macros), uniq: true, do: name
    assert ours -- ours -- [:trace | taken] == []
  end

  defp functions(Kernel.SpecialForms), do: []
  defp functions(module), do: module.__info__(:functions)

  test "the formatter leaves every assertion without parentheses" do
    {config, _} = Code.eval_file(".formatter.exs")
    exported = config[:export][:locals_without_parens]
    assert Enum.sort(BeamScope.Assertions.__info__(:macros) -- exported) == []
    assert {:sent, 2} in exported
  end
end
