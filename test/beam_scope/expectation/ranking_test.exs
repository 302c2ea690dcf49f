defmodule BeamScope.Expectation.RankingTest do
  # Which of several broken expectations went wrong first, and why a request was not answered.
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  alias BeamScope.Verdict

  @moduletag :capture_log

  defmodule Office do
    @moduledoc "Passes on what it is asked, to the next office or to nobody."
    use GenServer

    def start(name, next), do: GenServer.start(__MODULE__, next, name: name)

    @impl true
    def init(next), do: {:ok, %{asked: 0, next: next}}

    @impl true
    def handle_call({:ask, n}, _from, %{next: nil} = state),
      do: {:reply, {:answer, n}, %{state | asked: state.asked + 1}}

    def handle_call({:ask, n}, _from, %{next: next} = state) do
      {:reply, GenServer.call(next, {:ask, n}, :infinity), %{state | asked: state.asked + 1}}
    end

    @impl true
    def handle_cast(:leave, state), do: {:stop, :retired, state}
    def handle_cast({:forget, _n}, state), do: {:noreply, state}
  end

  defmodule Answers do
    @moduledoc "Whoever asks is answered."
    use BeamScope.Expectation
    role :front, FrontOffice
    role :back, BackOffice

    expect "asks three times in the end", do: state(:back, %{asked: 3})
    expect "the front answers", do: leads_to(sent({:ask, n}, to: :front), sent({:answer, n}, from: :front))
    expect "the back answers", do: leads_to(sent({:ask, n}, to: :back), sent({:answer, n}, from: :back))
    expect "nothing is forgotten", do: refute_sent({:forget, _})
    expect "is told", do: sent(:told, to: :front)
    expect "is quick", do: leads_to(sent({:forget, _}), sent(:sorry), within: 60_000)
  end

  # Starts offices, does something, and stops when all of them rest: no one has a message that it could take.
  defp record(offices, fun) do
    {_, rec} =
      BeamScope.record([], fn ->
        for {name, next} <- offices, do: Office.start(name, next)
        fun.()
        for {name, _} <- offices, do: rest(name)
      end)

    on_exit(fn ->
      for {name, _} <- offices, pid = Process.whereis(name), do: Process.exit(pid, :kill)
      BeamScope.close(rec)
    end)

    rec
  end

  defp rest(name) do
    pid = Process.whereis(name)

    if pid != nil and Process.info(pid, :status) != {:status, :waiting} do
      :erlang.yield()
      rest(name)
    end
  end

  defp ask(name, n) do
    :gen_server.send_request(name, {:ask, n})
    rest(name)
  end

  defp check(rec), do: BeamScope.check(rec, Answers)
  defp broken(verdict), do: for(one <- Verdict.broken(verdict), do: one.name)

  test "what was seen comes before what never came, that before what the end sums up" do
    rec =
      record([{BackOffice, FrontOffice}, {FrontOffice, BackOffice}], fn ->
        ask(FrontOffice, 1)
        GenServer.cast(BackOffice, {:forget, 1})
      end)

    verdict = check(rec)

    assert [
             "nothing is forgotten",
             "the back answers",
             "the front answers",
             "asks three times in the end",
             "is told"
           ] = broken(verdict)

    assert Verdict.first_broken(verdict).name == "nothing is forgotten"
    assert for(one <- verdict.expectations, do: one.rank) == [3, 2, 1, 0, 4, nil]
  end

  test "two that wait for each other are named" do
    rec = record([{BackOffice, FrontOffice}, {FrontOffice, BackOffice}], fn -> ask(FrontOffice, 1) end)
    %{name: "the back answers", report: report} = Verdict.first_broken(check(rec))
    text = report |> to_string() |> String.split() |> Enum.join(" ")

    assert text =~
             ~r/BackOffice waited for FrontOffice to answer {:ask, 1} \(#\d+\), and FrontOffice for it: a deadlock\./
  end

  test "one who waits for somebody who has ended, too" do
    rec =
      record([{BackOffice, nil}, {FrontOffice, BackOffice}], fn ->
        back = Process.whereis(BackOffice)
        :erlang.suspend_process(back)
        ask(FrontOffice, 1)
        monitor = Process.monitor(back)
        Process.exit(back, :kill)
        assert_receive {:DOWN, ^monitor, _, _, :killed}
        rest(FrontOffice)
      end)

    [text] = for %{name: "the back answers", report: report} <- check(rec).expectations, do: to_string(report)
    assert text =~ "BackOffice had ended: :killed (#"
  end
end
