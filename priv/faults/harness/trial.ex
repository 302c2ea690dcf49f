defmodule BeamScopeFaults.Trial do
  @moduledoc """
  One run of a system, recorded and judged: did its expectations hold, and if not, is what broke first what the fault is?
  """

  alias BeamScope.Verdict
  alias BeamScopeFaults.Stage

  # Nothing here waits for time: a run that takes so long hangs.
  @hangs_ms 60_000

  defstruct [:verdict, :first, :us, healthy?: false, named?: false, wrong: nil]

  @type t :: %__MODULE__{
          verdict: Verdict.t(),
          first: Verdict.Expectation.t() | nil,
          us: non_neg_integer,
          healthy?: boolean,
          named?: boolean,
          wrong: String.t() | nil
        }

  @doc "Runs a system once. `us` are the microseconds that recording and checking took."
  @spec run(module) :: t
  def run(system) do
    {pid, monitor} = spawn_monitor(fn -> exit({:trial, trial(system)}) end)

    receive do
      {:DOWN, ^monitor, _, _, {:trial, trial}} -> trial
      {:DOWN, ^monitor, _, _, reason} -> raise "#{inspect(system)} ended: #{Exception.format_exit(reason)}"
    after
      @hangs_ms ->
        Process.exit(pid, :kill)
        raise "#{inspect(system)} hangs"
    end
  end

  defp trial(system) do
    # What a system links to its driver is no business of the trial.
    Process.flag(:trap_exit, true)
    fault = system.fault()
    began = System.monotonic_time(:microsecond)

    {roles, rec} =
      BeamScope.record(Map.get(fault, :record, []), fn ->
        Stage.open()
        system.run()
      end)

    roles = if Keyword.keyword?(roles), do: roles, else: []
    verdict = BeamScope.check(rec, fault.expectations, roles: roles)
    us = System.monotonic_time(:microsecond) - began
    Stage.close()
    BeamScope.close(rec)
    judge(%__MODULE__{verdict: verdict, first: Verdict.first_broken(verdict), us: us}, fault)
  end

  # An expectation that nothing put to the test says nothing about a healthy system.
  defp judge(trial, fault) do
    wrong = wrong(trial.first, fault)

    %{
      trial
      | healthy?: Enum.all?(trial.verdict.expectations, &(&1.verdict == :held)),
        wrong: wrong,
        named?: wrong == nil
    }
  end

  defp wrong(nil, _fault), do: "nothing broke"

  defp wrong(first, fault) do
    missing = Enum.reject(fault.says, &String.contains?(first.sentence, &1))

    cond do
      first.name != fault.breaks ->
        "#{inspect(first.name)} broke before #{inspect(fault.breaks)}"

      first.report.at == nil ->
        "the break has no moment"

      not fault.at.(first.report.at) ->
        "it broke at another moment: #{first.sentence}"

      not String.contains?(to_string(first.report), Map.get(fault, :notes, "")) ->
        "the report does not say: #{fault.notes}"

      missing != [] ->
        "the sentence does not say #{Enum.join(missing, ", ")}: #{first.sentence}"

      true ->
        nil
    end
  end
end
