defmodule BeamScope.Expectation do
  @moduledoc """
  What a system should do, under names and in one place: checked against any recording, or beside one that runs.

      defmodule MyApp.CounterExpectations do
        use BeamScope.Expectation

        role :counter, MyApp.Counter
        role :worker, module: MyApp.Worker
        role :client

        expect "is never below zero" do
          always :counter, %{count: c} when c >= 0
        end

        expect "adds what it is told" do
          transition :counter, %{count: n} ~> %{count: m} when m == n + by, on: {:increment, by}, all: true
        end

        expect "every order is shipped", do: leads_to(sent({:order, id}, to: :counter), sent({:shipped, id}), within: 500)

        expect "tells the echo" do
          flow do
            sent {:increment, by}, from: :client, to: :counter
            sent {:echo, by}, from: :counter, to: Echo
          end
        end

        expect "nothing crashes", do: refute_crash()
      end

  `BeamScope.check(rec, MyApp.CounterExpectations, roles: [client: pid])` says how each stands, `BeamScope.expect/3` watches while
  the recording runs, and `BeamScope.Assertions.assert_expectations/3` is for tests.

      iex> defmodule StepByStep do
      ...>   use BeamScope.Expectation
      ...>   role :counter
      ...>   expect "counts one by one", do: transition(:counter, n ~> m when m == n + 1, all: true)
      ...>   expect "stays small", do: always(:counter, n when n < 2)
      ...>   expect "is never reset", do: refute_sent(:reset, to: :counter, from: :nobody)
      ...> end
      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> for _ <- 1..2, do: Agent.update(agent, &(&1 + 1)) end)
      iex> verdict = BeamScope.check(rec, StepByStep, roles: [counter: agent])
      iex> for one <- verdict.expectations, do: {one.name, one.verdict}
      [{"counts one by one", :held}, {"stays small", :broken}, {"is never reset", :never_exercised}]

  ## Roles

  A role is a name for a process, and an atom that is one stands for it wherever a process may stand; other atoms are registered
  names. `role :counter, MyApp.Counter` takes what `BeamScope` takes for a process: a registered name, a pid, `{:via, module,
  name}`, `{:global, name}`, an expression that is evaluated at each check. `role :worker, module: MyApp.Worker` is played by
  every process that runs the module, however many there are and whenever they come: what is said of it is said of each, and in a
  flow each step may be another's. `role :client` is given at the check; `roles:` also takes the place of what a role
  says otherwise.

  ## Words

  An expectation's block has one line or several; all of them must hold, and of several that do not the one that broke first speaks.
  Variables are shared within a line, not between lines. The words are the assertions of `BeamScope.Assertions`, without the recording:

  | word | options |
  |---|---|
  | `always process, pattern`, `never process, pattern` | `allow_empty:` |
  | `eventually process, pattern` | |
  | `state process, pattern` – at the end | `at:` a moment |
  | `transition process, from ~> to` | `on:`, `all:`, `times:`, `allow_empty:` |
  | `sent pattern`, `delivered pattern` | `from:`, `to:`, `times:`, `allow_empty:` |
  | `refute_sent pattern`, `refute_delivered pattern` | `from:`, `to:`, `allow_empty:` |
  | `called Module.function(args)` | `returns:`, `by:`, `times:`, `allow_empty:` |
  | `refute_called Module.function(args)` | `returns:`, `by:`, `allow_empty:` |
  | `flow do … end` of steps, see `BeamScope.Assertions.assert_flow/3` | |
  | `leads_to step, step`, `refute_leads_to step, step` | `within:` milliseconds, `before:` a step, `allow_empty:` |
  | `causality step ~> step` | `strict:`, `shared:`, `allow_empty:` |
  | `refute_crash()`, `refute_crash(process)` | `allow_empty:` |

  A variable may stand for a process, in its place as in a pattern; `who = :worker` is one that must be a certain process:

      expect "who asks is answered", do: leads_to(sent({:ask, q}, from: who, to: :desk), sent({:answer, q, _}, to: who))
      expect "nothing is locked twice", do: refute_leads_to(sent({:lock, k}), sent({:lock, k}), before: sent({:unlock, k}))
      expect "no worker is left", do: leads_to(sent({:stop, pid}, to: :desk), exited(pid))

  There are no variables of a test to pin: `^x` is a compile error. Module attributes and expressions can be pinned (`^@limit`), and
  guards may use module attributes. Whatever cannot be compiled is an error at its line that says what can.

  ## Verdicts

  `:held`; `:broken`, with the first moment of the break; `:never_exercised` where nothing of the kind was recorded, so that it could
  not have broken (`allow_empty: true` takes that for held); `:unknown` where events were lost or terms truncated, so that it cannot
  be said. See `BeamScope.Verdict`.

  A process that never appears in the recording is no error: what must happen to it is broken, what must never happen was never
  exercised, and both say why. `.formatter.exs` of this package exports the words: `import_deps: [:beam_scope]` keeps them without
  parentheses.
  """

  alias BeamScope.Expectation.Declare

  @doc false
  defmacro __using__(_opts) do
    quote do
      import BeamScope.Expectation, only: [role: 1, role: 2, expect: 2]
      BeamScope.Expectation.Declare.prepare(__MODULE__)
    end
  end

  @doc """
  Names a process, so that expectations may speak of it.

      role :counter, MyApp.Counter
      role :worker, module: MyApp.Worker
      role :client

  See the module's text. A name that is taken is a compile error.
  """
  defmacro role(name, process \\ nil) do
    name = Declare.role_name(name, __CALLER__)
    body = Declare.role(process, __CALLER__)
    Declare.declare(:role, name, Declare.function(:role, name), body, __CALLER__)
  end

  @doc """
  An expectation: what is said in its block holds, all of it.

      expect "is never below zero" do
        always :counter, %{count: c} when c >= 0
      end

  The name is a text, written out, that no other expectation of the module has. The words are listed in the module's text.
  """
  defmacro expect(name, body) do
    name = Declare.name(name, __CALLER__)
    block = block(body, __CALLER__)

    body =
      quote do
        BeamScope.Expectation.__assertions__(unquote(block), unquote(name), unquote(__CALLER__.line))
      end

    Declare.declare(:expect, name, Declare.function(:expect, name), body, __CALLER__)
  end

  defp block([do: block], _env), do: block

  defp block(other, env) do
    BeamScope.Expect.Form.error(
      other,
      env,
      "an expectation is written as `expect \"name\" do … end`, got: #{Macro.to_string(other)}"
    )
  end

  @doc """
  Ends a watch of `BeamScope.expect/3`. What was broken by now is still reported; what has not come yet is not missed. To end one
  twice, or one whose recording has ended, is no error.
  """
  @spec stop(pid) :: :ok
  defdelegate stop(watch), to: BeamScope.Expectation.Watch

  @doc false
  defmacro __assertions__(block, name, line), do: Declare.assertions(block, name, line, __CALLER__)

  @doc false
  defmacro __before_compile__(env) do
    all = Declare.all(env.module)

    if all.expect == [],
      do:
        IO.warn(
          "#{inspect(env.module)} uses BeamScope.Expectation and expects nothing",
          Macro.Env.stacktrace(env)
        )

    quote do
      @doc false
      def __beam_scope__(:roles), do: unquote(Macro.escape(all.role))
      def __beam_scope__(:expectations), do: unquote(Macro.escape(all.expect))
    end
  end
end
