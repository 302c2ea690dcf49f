defmodule BeamScope.Expect.Await do
  @moduledoc false
  # Waiting for an assertion to hold. A helper process watches the recording as it grows and tells the test when it does:
  # nothing is asked of the recorded processes, and neither the helper nor what it says is recorded.

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.{Error, Expect, Recorder, Recording}
  alias BeamScope.Expect.{Aside, Assertion, Explain, Failure, Report}

  # Events reach the recording within 10 ms; to look costs microseconds.
  @poll_ms 4
  # In every so many looks it is asked whether the recording still runs.
  @quiet 10
  @default_ms 100

  @typedoc "What the waiting ended with."
  @type seen :: {:held, Expect.Result.t()} | {:timeout, non_neg_integer} | :stopped | {:error, Error.t()}

  @doc "Waits, in the test, until the assertion holds or the time is over."
  @spec watch(Recording.t(), Assertion.t()) :: seen
  def watch(rec, %Assertion{} = a) do
    Assertion.check!(a)
    timeout = timeout!(a.timeout)
    # An alias, so that nothing stays in the test's mailbox when the answer comes too late.
    reply_to = :erlang.alias([:reply])

    helper =
      Aside.start!({GenServer, :start_link, [__MODULE__, {rec, Assertion.to_check(a), reply_to, self()}]})

    monitor = Process.monitor(helper)
    send(helper, :look)
    seen = await(reply_to, monitor, timeout)
    :erlang.unalias(reply_to)
    Process.demonitor(monitor, [:flush])
    Process.exit(helper, :shutdown)
    seen
  end

  defp timeout!(nil), do: Application.get_env(:ex_unit, :assert_receive_timeout, @default_ms)
  defp timeout!(ms) when is_integer(ms) and ms >= 0, do: ms

  defp timeout!(other) do
    expected = "milliseconds, a non-negative integer"
    raise Error.new(:invalid_option, %{key: :timeout, value: other, expected: expected})
  end

  defp await(reply_to, monitor, timeout) do
    receive do
      {^reply_to, answer} -> answer
      {:DOWN, ^monitor, _, _, _reason} -> :stopped
    after
      timeout -> {:timeout, timeout}
    end
  end

  @doc "The value and the bindings where the assertion held in time; else the failure."
  @spec hold!(Recording.t(), Assertion.t(), seen) :: {term, map}
  def hold!(rec, a, {:held, result}), do: Assertion.judge!(rec, a, result)
  def hold!(_rec, _a, {:error, error}), do: raise(error)
  def hold!(rec, a, {:timeout, timeout}), do: last_look!(rec, a, "Waited #{timeout} ms.")

  def hold!(rec, a, :stopped),
    do: last_look!(rec, a, "The recording has stopped, so that nothing more can come.")

  # What came in the last moment counts; else the answer as of now says what came instead.
  defp last_look!(rec, a, note) do
    Assertion.flush(rec)

    case Expect.run(rec, [Assertion.to_check(a)]) do
      {:ok, [result]} -> judge!(rec, a, result, note)
      {:error, %Error{reason: :no_such_process} = error} -> never_came!(rec, a, error, note)
      {:error, error} -> raise error
    end
  end

  defp judge!(rec, a, result, note) do
    case Assertion.verdict(a, result) do
      :ok ->
        Assertion.judge!(rec, a, result)

      why ->
        report = Explain.report(rec, a, why, result)
        Failure.raise!(rec, a, %{report | notes: [note | report.notes]})
    end
  end

  @spec never_came!(Recording.t(), Assertion.t(), Error.t(), String.t()) :: no_return
  defp never_came!(rec, a, error, note),
    do: Failure.raise!(rec, a, %Report{sentence: Exception.message(error) <> ".", notes: [note]})

  # ---- the helper ----

  @impl true
  def init({rec, check, reply_to, waiting}) do
    case Expect.monitor(rec, [check]) do
      {:ok, monitor} ->
        Process.monitor(waiting)
        {:ok, %{rec: rec, monitor: monitor, reply_to: reply_to, looks: 0}}

      {:error, error} ->
        {:stop, error}
    end
  end

  @impl true
  def handle_info(:look, state), do: look(state)
  def handle_info({:DOWN, _ref, :process, _pid, _reason}, state), do: {:stop, :normal, state}
  def handle_info(_other, state), do: {:noreply, state}

  # Whether it runs is asked before looking, so that what came last is still seen.
  defp look(state) do
    state = %{state | looks: state.looks + 1}
    over? = rem(state.looks, @quiet) == 1 and not running?(state.rec)

    case Expect.poll(state.monitor) do
      {:ok, %{events: [{0, :held, result} | _]}} -> tell(state, {:held, result})
      {:ok, _nothing} when not over? -> again(state)
      _over -> tell(state, :stopped)
    end
  end

  defp running?(rec), do: match?({:ok, %{status: :running}}, Recorder.info(rec))

  defp again(state) do
    Process.send_after(self(), :look, @poll_ms)
    {:noreply, state}
  end

  # It stays until it is sent away: see `BeamScope.Expect.Aside`.
  defp tell(%{reply_to: reply_to} = state, answer) do
    send(reply_to, {reply_to, answer})
    {:noreply, state}
  end
end
