defmodule BeamScope.Expectation.DeclareTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias BeamScope.Expect.{Assertion, Step}
  alias BeamScope.Expectation.Suite

  defmodule Plain do
    @moduledoc "All ways to write things."
    use BeamScope.Expectation

    @limit 3
    role :server, Server
    role :worker, module: Worker
    role :tick, {:via, Registry, {Desk, @limit}}
    role :client

    @limit 10
    expect "one", do: always(:server, %{count: c} when c < @limit)

    expect "two" do
      never :worker, %{count: ^@limit}, allow_empty: true
      eventually :server, %{count: ^(@limit + 1)}
      state :server, _, at: :start
      transition :server, n ~> m when m > n, on: :go, times: 2
      delivered :go, to: :server
      called Worker.run(_, 1), returns: :ok, by: :worker
      refute_delivered :stop, to: :other
      refute_called Worker.run(_, 2)
      refute_sent :stop, from: :client
      causality sent({:ask, id}) ~> sent({:answer, id}), strict: true
      leads_to state(:server, :full), crashed(:worker), within: 10
      refute_crash()
      refute_crash :server
      refute_crash allow_empty: true
    end

    def limit, do: @limit
  end

  defp load(module, roles), do: with({:ok, suite} <- Suite.load(module, roles), do: suite)

  test "the words become assertions, the roles processes" do
    suite = load(Plain, client: self())
    assert [%{name: "one", assertions: [one]}, %{name: "two", assertions: two}] = suite.expectations

    assert %Assertion{name: :always, check: :every, steps: [%Step{process: Server, pattern: pattern}]} = one
    assert {:pattern, {:map, [count: {:var, :c}]}, {:op, :<, [{:var, :c}, {:lit, 10}]}} = pattern

    assert Enum.map(two, & &1.name) ==
             ~w(never eventually state transition delivered called refute_delivered refute_called refute_sent)a ++
               ~w(causality leads_to refute_crash refute_crash refute_crash)a

    assert [never, eventually, state, transition, delivered, called, refute_delivered, _, refute_sent | more] =
             two

    assert %{negate: true, allow_empty: true, steps: [%{process: {:module, Worker}}]} = never
    assert %{steps: [%{pattern: {:pattern, {:map, [count: {:lit, 10}]}, nil}}]} = never
    assert %{check: :count, steps: [%{pattern: {:pattern, {:map, [count: {:lit, 11}]}, nil}}]} = eventually
    assert %{check: :state_at, at: :start} = state
    assert %{check: :count, times: 2} = transition
    assert %{check: :count, steps: [%{what: :received, to: Server, from: nil}]} = delivered
    assert %{steps: [%{mfa: {Worker, :run, 2}, process: {:module, Worker}}]} = called
    # An atom that is no role is a name.
    assert %{times: 0, steps: [%{to: :other}]} = refute_delivered
    me = self()
    assert %{times: 0, steps: [%{from: ^me}]} = refute_sent

    assert [
             %{strict: true},
             %{within: 10, steps: [_, %{what: :crashed, process: {:module, Worker}}]},
             all,
             one,
             _
           ] = more

    assert %{steps: [%{process: nil}]} = all
    assert %{steps: [%{process: Server}]} = one
    assert Plain.limit() == 10
  end

  test "an attribute has the value that it had at that line" do
    suite = load(Plain, client: self())

    assert suite.roles == %{
             server: Server,
             worker: {:module, Worker},
             client: self(),
             tick: {:via, Registry, {Desk, 3}}
           }
  end

  test "imports no more than its own words, and leaves no function that could collide" do
    assert [__beam_scope__: 1, limit: 0] =
             for({name, _} = fun <- Plain.__info__(:functions), not hidden?(name), do: fun)
  end

  defp hidden?(name), do: Atom.to_string(name) =~ ~r/^__beam_scope_(role|expect)_/

  describe "what cannot be compiled" do
    test "is reported at its line, with what is allowed" do
      for {line, body, text} <- [
            {4, "expect 1, do: refute_crash()", "an expectation's name is a text that is written out"},
            {4, "expect \"a \#{1}\", do: refute_crash()",
             "an expectation's name is a text that is written out"},
            {4, "expect \"a\", refute_crash()", "an expectation is written as `expect \"name\" do … end`"},
            {4, "expect \"a\" do\nend",
             "the expectation \"a\" says nothing: allowed are `state process, pattern`"},
            {5, "expect \"a\" do\n  alwys :a, _\nend",
             "`alwys(:a, _)` is no expectation. Did you mean `always`? Allowed are `state process, pattern`"},
            {5, "expect \"a\" do\n  x = 1\nend", "is no expectation: allowed are"},
            {4, "expect \"a\", do: :ok", "`:ok` is no expectation"},
            {4, "expect \"a\", do: always(:a)", "`always(:a)` is no expectation"},
            {6, "expect \"a\" do\n  refute_crash()\n  sent :x, form: :b\nend",
             "unknown option form: in `sent(:x, form: :b)`, allowed are from:, to:, times: and allow_empty:. Did you mean from:?"},
            {4, "expect \"a\", do: sent(:x, since: :start)", "unknown option since:"},
            {5, "expect \"a\" do\n  always :a, ^limit\nend",
             "there is no variable limit to pin: an expectation stands outside of any test. Pin a module attribute (`^@limit`)"},
            {4, "expect \"a\", do: always(:a, n when n > x)",
             "undefined variable \"x\" in the guard of a pattern"},
            {4, "expect \"a\", do: always(:a, f(1))", "f(1) cannot stand in a pattern: allowed are"},
            {4, "expect \"a\", do: transition(:a, 1)", "expected `from ~> to`, got: 1"},
            {4, "expect \"a\", do: transition(:a, _ ~> _, all: 1)",
             "all: must be true or false, written out"},
            {4, "expect \"a\", do: (flow do\nend)", "flow needs at least one step in its block"},
            {5, "expect \"a\" do\n  flow do\n refute_crash()\n end\nend",
             "`refute_crash()` is no step: steps are"},
            {5, "expect \"a\", do: refute_crash()\nexpect \"a\", do: refute_crash()",
             "there is an expectation \"a\" already, in line 4: give this one another name"},
            {5, "role :a\nrole :a, B\nexpect \"a\", do: refute_crash()",
             "the role :a is declared already, in line 4"},
            {4, "role \"a\", B\nexpect \"a\", do: refute_crash()",
             "`\"a\"` is no name of a role: roles are declared as"},
            {4, "role :a, modul: B\nexpect \"a\", do: refute_crash()",
             "unknown option in `role …, [modul: B]`: roles are declared as"}
          ] do
        error = assert_raise(CompileError, fn -> compile(body) end)
        assert {error.line, error.file} == {line + extra(body), "expectations.ex"}
        assert error.description =~ text
      end
    end

    # Of a flow's block the step's own line.
    defp extra("expect \"a\" do\n  flow do\n" <> _), do: 1
    defp extra(_), do: 0

    test "nothing expected is a warning" do
      assert capture_io(:stderr, fn -> compile("role :a") end) =~
               "uses BeamScope.Expectation and expects nothing"
    end

    test "no other warnings, of variables or anything else" do
      body = """
      role :a, A
      expect "a", do: transition(:a, n ~> m, on: {:x, y})
      expect "b" do
        always :a, %{count: n}
        never :a, %{count: n} when n > 1
      end
      """

      assert capture_io(:stderr, fn -> compile(body) end) == ""
    end
  end

  defp compile(body) do
    name = "Expectations#{System.unique_integer([:positive])}"

    Code.compile_string(
      "defmodule #{name} do\n\nuse BeamScope.Expectation\n" <> body <> "\nend",
      "expectations.ex"
    )
  end

  test "the formatter leaves every word without parentheses" do
    {config, _} = Code.eval_file(".formatter.exs")
    exported = config[:export][:locals_without_parens]
    assert [] == [role: 1, role: 2, expect: 2] -- exported

    for word <-
          ~w(state always never eventually transition sent delivered called leads_to causality)a ++
            ~w(refute_sent refute_delivered refute_called refute_crash)a do
      assert Enum.any?(exported, &match?({^word, _}, &1)), "#{word} is not exported"
    end
  end
end
