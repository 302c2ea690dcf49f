defmodule BeamScope.Expectation.Reporter do
  @moduledoc false
  # Tells of one violation: makes the report, and does with it what the user asked for. A process of its own, so that nobody
  # waits for a slow function and nobody dies of one that fails.

  require Logger

  alias BeamScope.{Error, Verdict}
  alias BeamScope.Expect.{Aside, Printer}
  alias BeamScope.Expectation.Judge
  alias BeamScope.Terminal.Style

  @type action :: :log | :stop | (Verdict.Expectation.t() -> term)

  @doc "What is to be done on a violation."
  @spec action(term) :: {:ok, action} | {:error, Error.t()}
  def action(action) when action in [:log, :stop] or is_function(action, 1), do: {:ok, action}

  def action(other) do
    expected = ":log, :stop or a function that takes the %BeamScope.Verdict.Expectation{}"
    {:error, Error.new(:invalid_option, %{key: :on_violation, value: other, expected: expected})}
  end

  @doc "Starts one, linked to the watch. What it prints goes where `leader` says."
  @spec start(map, pid, pid) :: pid
  def start(told, watch, leader) do
    pid = Aside.start!({Task, :start_link, [__MODULE__, :run, [watch]]})
    Process.link(pid)
    send(pid, {:tell, told, leader})
    pid
  end

  @doc false
  # It begins when it is known as one of BeamScope's own: what it says then is in no recording.
  def run(watch) do
    monitor = Process.monitor(watch)

    receive do
      {:tell, told, leader} -> tell(told, leader)
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  defp tell(told, leader) do
    Process.group_leader(self(), leader)
    verdict = verdict(told)
    if is_function(told.action), do: run_fun(told.action, verdict), else: log(told.module, verdict)
  end

  defp verdict(%{rec: rec, expectation: expectation, broken: broken}) do
    Judge.verdict(expectation, for({a, result} <- broken, do: answer(rec, a, result)))
  rescue
    # The recording may be gone by now; that it was broken is worth saying.
    error in Error -> Judge.verdict(expectation, [{:broken, Judge.gone(error), nil}])
  end

  defp answer(rec, a, nil), do: Judge.state_at(rec, a)
  defp answer(rec, a, result), do: Judge.judge(rec, a, result)

  defp run_fun(fun, verdict) do
    fun.(verdict)
  catch
    kind, reason ->
      Logger.error(
        "BeamScope: on_violation of #{inspect(verdict.name)} failed\n" <>
          Exception.format(kind, reason, __STACKTRACE__)
      )
  end

  defp log(module, %Verdict.Expectation{report: report, sentence: sentence} = verdict) do
    style = Style.new(width: 100, ansi?: false)
    more = for line <- Printer.more(report, style), do: ["  " | line]

    first =
      "BeamScope: #{inspect(verdict.name)} of #{inspect(module)} is broken#{at(verdict.moment)}: #{sentence}"

    Logger.error(if more == [], do: first, else: first <> "\n" <> Style.render(more, style))
  end

  defp at(nil), do: ""
  defp at(moment), do: " at ##{moment.seq} (#{Style.time(moment.at_ns)})"
end
