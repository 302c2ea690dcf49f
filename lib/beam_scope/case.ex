defmodule BeamScope.Case do
  @moduledoc """
  A recording for a test: of the processes it names and of those it starts.

      defmodule CounterTest do
        use ExUnit.Case, async: true
        use BeamScope.Case

        @tag record: [trace: [Counter], calls: [MyApp.Repo]]
        test "counts", %{rec: rec} do
          start_supervised!(Counter)
          Counter.increment(1)
          assert_state rec, Counter, %{count: 1}
        end
      end

  `use BeamScope.Case` imports `BeamScope.Assertions`. A test that passes prints nothing and leaves nothing behind. Of one
  that fails, the failure message shows the last messages and state changes before the failure (an assertion about the
  recording shows what it is about instead) and names the file that the recording was saved to.

  ## Which tests are recorded

  Those with the tag `:record`: `@tag`, `@describetag` or `@moduletag`. Its value is

    * `true`, as in `@tag :record`: the test's process and what it starts
    * a keyword list: the options of `BeamScope.record/2`, `trace:` among them
    * anything else: the targets, so that `@tag record: Counter` is short for `@tag record: [trace: Counter]`
    * `false`: not this one, where the module or the describe block has the tag

  The recording is in the context as `rec`. It starts with the test's own setup, after those of case templates that are used before
  `BeamScope.Case`, and ends with the test's process. It can be asked at any time; what happened before a question is in the answer. It
  is the test's own: `BeamScope.recordings/0` and `last/0` do not know it. Without the tag a test costs nothing and can call
  `BeamScope.record/2` itself: when it fails in its body after that, its latest recording is shown and saved too.

  ## What is recorded

  The test's process, every process that it starts and what those start; so also all below the test's supervisor
  (`start_supervised/2`). Of the processes that other supervisors start meanwhile those that they start for the test: where
  `$callers` or `$ancestors` name one of its processes, or where one of them asked the supervisor for it. And what `trace:` names,
  whoever started it.

  A name in `trace:` need not be there yet. What the test starts is recorded from its first state on and known by
  its name; when nobody bears the name until the end, or only a process that is not recorded, a failure says so.

  Recordings of tests that run at the same time do not meet: what a shared `DynamicSupervisor` or `Task.Supervisor` starts belongs to
  the test that asked for it and to no other. A process that two tests name is in the recordings of both, with what each of them made
  it do, since it is one process. On OTP 25 and 26 a process has one tracer, which all recordings share; each gets the events of its own
  processes only.

  A recording adds about a millisecond to a test (`test/bench/case.exs`). For that, what all tests of a module need is made once: a
  trace session with its patterns from OTP 27 on; before that the patterns, which are global and stay set until the module's last test.

  ## How a failure is learnt of

  | failure | learnt of | the excerpt is |
  |---|---|---|
  | an assertion, of whatever library | in the test's process, by a function around the test | in the assertion's message |
  | an exception, an exit or a throw, in the test or in a setup after this one | in the same way | a second failure of the test |
  | an `on_exit` callback fails | around the callback | a second failure of the test |
  | a linked process crashes, the test's process is killed, the test or a callback takes too long | from outside: the test's process is gone, and the end of its function was never seen | printed before the failure |

  After `use ExUnit.Case` has defined the test functions, each is wrapped in one that lets what was raised go on: the
  exception, its kind and its stacktrace are what they were. An `ExUnit.AssertionError` keeps `left`, `right`, `expr` and all else but
  its message, to which the text is added. For everything else the text is an exception of its own,
  `BeamScope.Case.Recorded`, in an `ExUnit.MultiError` with the first: formatters get both, as failures 1 and 2 of one test.

  Where the test's process ends without a word, ExUnit makes up the failure in another process, and nobody can add to its
  message. The text is then printed when the test's `on_exit` callbacks run, which is just before ExUnit prints the failure. It
  names its test, since tests that run at the same time may print in between.

  ## Limits

    * Failures of `setup_all`, and of setups that run before this one, have no recording.
    * What `on_exit` callbacks do is not recorded: the recording has ended by then. That they failed is found out by wrapping them once the
      test has passed, which needs to read a table of ExUnit's; should a later ExUnit keep them elsewhere, their failures are as they
      are without a recording.
    * When ExUnit is told to end (Ctrl-C), tests that it ends have no say.
    * The first recording in a virtual machine takes some tenths of a second, which is time of its test.
    * A test that calls `BeamScope.record/2` itself, without the tag, is helped only where its own process fails.
    * The stacktrace that ExUnit shows of a test that took too long has the wrapped function in it, one line more.

  ## Files

  `tmp/beam_scope/<module>/<test>.bsr` under the directory in which the tests run, one for each test: the next failure of the same
  test replaces it, a success leaves it. `use BeamScope.Case, dir: "some/where"` puts them elsewhere. Where the directory cannot
  be written to, the system's own for temporary files is used. `BeamScope.load/1` reads the file, here or elsewhere.
  """

  alias BeamScope.Case.{Failure, Outside, Run}

  # ExUnit need not be there: this module compiles and loads without it.
  @compile {:no_warn_undefined, [ExUnit.Callbacks]}

  @doc """
  Records the tests of the module that have the tag `:record`, and imports `BeamScope.Assertions`.

  Brings `use ExUnit.Case` along; say that yourself for its options, before or after. `dir:` is where recordings of failed tests go.
  """
  defmacro __using__(opts) do
    quote do
      use ExUnit.Case
      unquote(assertions())
      @before_compile BeamScope.Case
      @beam_scope_case BeamScope.Case.Run.options(unquote(opts))

      setup context do
        BeamScope.Case.__setup__(context, @beam_scope_case)
      end
    end
  end

  defp assertions do
    if Code.ensure_loaded?(BeamScope.Assertions), do: quote(do: import(BeamScope.Assertions))
  end

  @doc false
  defmacro __before_compile__(%{module: module}) do
    if Module.get_attribute(module, :beam_scope_wrapped) do
      nil
    else
      Module.put_attribute(module, :beam_scope_wrapped, true)
      tests = for test <- Module.get_attribute(module, :ex_unit_tests), do: around_test(module, test)
      [around_setup(module) | tests]
    end
  end

  # Errors of the test go on as they were; `Failure` takes the two functions that are one too many out of the stacktrace.
  defp around_test(module, %{name: name, tags: %{line: line}}) do
    if Module.defines?(module, {name, 1}, :def) do
      quote line: line do
        defoverridable [{unquote(name), 1}]

        def unquote(name)(context) do
          super(context)
        catch
          kind, reason ->
            BeamScope.Case.__failed__(
              {kind, reason, __STACKTRACE__},
              {__MODULE__, unquote(name), 1},
              @beam_scope_case
            )
        else
          result ->
            BeamScope.Case.__passed__()
            result
        end
      end
    end
  end

  defp around_setup(module) do
    if Module.defines?(module, {:__ex_unit__, 2}, :def) do
      quote do
        defoverridable __ex_unit__: 2

        def __ex_unit__(callbacks, context) do
          super(callbacks, context)
        catch
          kind, reason ->
            BeamScope.Case.__failed__(
              {kind, reason, __STACKTRACE__},
              {__MODULE__, :__ex_unit__, 2},
              @beam_scope_case
            )
        end
      end
    end
  end

  @doc false
  # In the test's process, as its setup.
  @spec __setup__(map, map) :: %{optional(:rec) => BeamScope.Recording.t()}
  def __setup__(context, options) do
    with {:ok, what} <- Run.wanted(context),
         {:ok, run} <- Run.start(what, context, options) do
      ExUnit.Callbacks.on_exit({__MODULE__, run.rec.id}, fn -> Outside.over(run) end)
      %{rec: run.rec}
    else
      :nothing -> %{}
      {:error, error} -> raise error
    end
  end

  @doc false
  @spec __passed__() :: :ok
  def __passed__, do: Run.passed()

  @doc false
  @spec __failed__(Failure.t(), mfa, map) :: no_return
  def __failed__(failure, wrapper, options), do: Failure.go_on(failure, wrapper, options)
end
