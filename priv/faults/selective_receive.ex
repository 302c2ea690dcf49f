# A printer takes urgent jobs first, but after three of them in a row one that is not. In the faulty variant it does not count,
# and what is not urgent waits for as long as there is anything urgent.

defmodule SelectiveReceive.Printer do
  @moduledoc "A process of its own making, with a mailbox for its queue."
  alias BeamScopeFaults.Stage

  @in_a_row 3

  def child_spec(_), do: %{id: __MODULE__, start: {__MODULE__, :start_link, []}}
  def start_link, do: :proc_lib.start_link(__MODULE__, :init, [])
  def print(kind, job), do: send(__MODULE__, {kind, job, self()})

  def init do
    Process.register(self(), __MODULE__)
    :proc_lib.init_ack({:ok, self()})
    Stage.hold(:warming_up)
    loop(0)
  end

  defp loop(@in_a_row) do
    receive do
      {:normal, job, from} -> printed(:normal, job, from)
    after
      0 -> any()
    end

    loop(0)
  end

  defp loop(in_a_row) do
    receive do
      {:urgent, job, from} ->
        printed(:urgent, job, from)
        loop(variant(healthy: in_a_row + 1, faulty: in_a_row))
    after
      0 ->
        any()
        loop(0)
    end
  end

  defp any do
    receive do
      {kind, job, from} -> printed(kind, job, from)
    end
  end

  defp printed(kind, job, from), do: send(from, {:printed, kind, job})
end

defmodule SelectiveReceive.Expectations do
  @moduledoc "What a printer should do. Urgent jobs are numbered."
  use BeamScope.Expectation

  role :printer, SelectiveReceive.Printer

  expect "a normal job lets no more than five urgent ones pass" do
    leads_to sent({:normal, job, _}, to: :printer),
             sent({:printed, :normal, job}, from: :printer),
             before: sent({:printed, :urgent, n}, from: :printer) when n > 5
  end

  expect "every job is printed, and who sent it is told" do
    leads_to sent({kind, job, _} when kind in [:normal, :urgent], from: who, to: :printer),
             sent({:printed, kind, job}, from: :printer, to: who)
  end

  expect "nothing is printed that was not sent" do
    causality sent({kind, job, _}, to: :printer) ~> sent({:printed, kind, job}, from: :printer)
  end

  expect "urgent jobs keep their order" do
    refute_leads_to sent({:printed, :urgent, n}, from: :printer),
                    sent({:printed, :urgent, m}, from: :printer) when m < n
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule SelectiveReceive do
  @moduledoc "All jobs are there when the printer begins."
  import BeamScopeFaults.Stage
  alias SelectiveReceive.{Expectations, Printer}

  def fault do
    %{
      title: "selective receive that starves",
      expectations: Expectations,
      breaks: "a normal job lets no more than five urgent ones pass",
      at: &match?(%BeamScope.Event{kind: :send, content: {:printed, :urgent, 6}}, &1),
      says: ["SelectiveReceive.Printer", "{:printed, :urgent, 6}", "{:normal, :letter"]
    }
  end

  def run do
    start([Printer])
    printer = held(:warming_up)

    client(:clerk, fn ->
      Printer.print(:normal, :letter)
      for n <- 1..9, do: Printer.print(:urgent, n)
      hold(:has_sent)
      for _ <- 1..10, do: receive(do: ({:printed, _, _} -> :ok))
    end)

    clerk = held(:has_sent)
    go(printer, :warming_up)
    go(clerk, :has_sent)
    result(:clerk)
  end
end
