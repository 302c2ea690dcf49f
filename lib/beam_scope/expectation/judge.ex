defmodule BeamScope.Expectation.Judge do
  @moduledoc false
  # What the engine answers to an expectation's assertions, as one verdict with its sentence.

  alias BeamScope.{Error, Expect, Process, Recording, Verdict}
  alias BeamScope.Expect.{Assertion, Explain, Report, StateAt, Words}
  alias BeamScope.Expectation.Suite
  alias BeamScope.Recording.Query

  # What speaks for an expectation of several lines, where none is broken.
  @order [:unknown, :never_exercised, :held]

  @doc "Everything that a suite expects, in one pass over the recording."
  @spec check(Recording.t(), Suite.t()) :: {:ok, Verdict.t()} | {:error, Error.t()}
  def check(rec, %Suite{} = suite) do
    asked = for e <- suite.expectations, a <- e.assertions, a.check != :state_at, do: to_check(a)

    with {:ok, results} <- Expect.run(rec, asked) do
      {expectations, []} = Enum.map_reduce(suite.expectations, results, &expectation(rec, &1, &2))
      {:ok, %Verdict{module: suite.module, expectations: expectations}}
    end
  end

  @doc "The engine's check: a process that it names may be none that the recording knows, which then is told."
  def to_check(a), do: a |> Assertion.to_check() |> Map.put(:lenient, true)

  defp expectation(rec, expectation, results) do
    {answers, results} = Enum.map_reduce(expectation.assertions, results, &answer(rec, &1, &2))
    {verdict(expectation, answers), results}
  end

  defp answer(rec, %{check: :state_at} = a, results), do: {state_at(rec, a), results}
  defp answer(rec, a, [result | results]), do: {judge(rec, a, result), results}

  @doc "The verdict of an expectation from the answers to its assertions: the first broken one speaks, else what is least certain."
  @spec verdict(map, [{atom, Report.t() | nil, struct | nil}]) :: Verdict.Expectation.t()
  def verdict(%{name: name, source: source}, answers) do
    {verdict, report, moment} = worst(answers)
    sentence = report && Words.sentence(report.sentence)

    %Verdict.Expectation{
      name: name,
      source: source,
      verdict: verdict,
      moment: moment,
      sentence: sentence,
      report: report
    }
  end

  defp worst(answers) do
    case for {:broken, _report, _moment} = broken <- answers, do: broken do
      [] -> Enum.min_by(answers, fn {verdict, _, _} -> Enum.find_index(@order, &(&1 == verdict)) end)
      broken -> Enum.min_by(broken, fn {_, _, moment} -> Verdict.order(moment) end)
    end
  end

  @doc "What a result of the engine says: the verdict, the report where it does not hold, and the first moment of the break."
  @spec judge(Recording.t(), Assertion.t(), Expect.Result.t()) :: {atom, Report.t() | nil, struct | nil}
  def judge(rec, a, result) do
    case Assertion.verdict(a, result) do
      :ok -> {:held, nil, nil}
      why -> told(rec, a, why, result)
    end
  end

  defp told(rec, a, :broken, result) do
    report = Explain.report(rec, a, :broken, result)
    {:broken, report |> note(absent(rec, a, result)) |> Report.gather(rec), moment(report)}
  end

  defp told(rec, a, why, result) when why in [:empty, :idle] do
    report = Explain.report(rec, a, why, result)

    case absent(rec, a, result) do
      nil -> {:never_exercised, report, nil}
      error -> {:never_exercised, gone(error), nil}
    end
  end

  defp told(rec, a, why, result), do: {:unknown, Explain.report(rec, a, why, result), nil}

  defp note(report, nil), do: report

  defp note(report, error),
    do: %{report | notes: report.notes ++ [Words.sentence(Exception.message(error)) <> "."]}

  # A process that was never there explains why nothing came.
  defp absent(rec, a, %{seen: 0}) do
    Enum.find_value(a.steps, fn step ->
      Enum.find_value([process: step.process, from: step.from, to: step.to], &unknown(rec, &1))
    end)
  end

  defp absent(_rec, _a, _result), do: nil

  defp unknown(_rec, {_key, nil}), do: nil

  defp unknown(rec, {key, process}) do
    case Query.process(rec, process, key) do
      {:error, %Error{reason: :no_such_process} = error} -> error
      _ -> nil
    end
  end

  # ---- the state at a moment ----

  @doc "What the state of a process at a moment says; of many, that of each."
  @spec state_at(Recording.t(), Assertion.t()) :: {atom, Report.t() | nil, struct | nil}
  def state_at(rec, %{steps: [%{process: {:module, module}} = step]} = a) do
    alive =
      for %{exited_at: nil} = process <- BeamScope.processes(rec, at: a.at),
          Process.runs?(process, module),
          do: process

    case for process <- alive, do: state(rec, %{a | steps: [%{step | process: process}]}) do
      [] -> {:never_exercised, %Report{sentence: "no process that runs #{inspect(module)} was alive."}, nil}
      answers -> worst(answers)
    end
  end

  def state_at(rec, a), do: state(rec, a)

  defp state(rec, a) do
    case StateAt.ask(rec, a) do
      {:ok, _state, _bindings} -> {:held, nil, nil}
      {:no, why, report} -> {why, report, moment(report)}
      {:error, %Error{reason: :no_such_process} = error} -> {:broken, gone(error), nil}
      {:error, error} -> raise error
    end
  end

  @doc "What is left to say where the recording does not answer."
  @spec gone(Error.t()) :: Report.t()
  def gone(error), do: %Report{sentence: Exception.message(error) <> "."}

  defp moment(%Report{at: at}), do: at && at.moment
end
