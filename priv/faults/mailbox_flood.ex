# A reader sends lines to a parser, five at most that were not acknowledged. In the faulty variant it looks at the number after it
# has sent, and never stops.

defmodule MailboxFlood.Parser do
  @moduledoc "Takes its time for each line."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil), do: {:ok, %{lines: 0}}

  @impl true
  def handle_cast({:line, n, reader}, state) do
    BeamScopeFaults.Stage.hold(:parsing)
    GenServer.cast(reader, {:ack, n})
    {:noreply, %{state | lines: state.lines + 1}}
  end
end

defmodule MailboxFlood.Reader do
  @moduledoc "Sends lines as fast as it may."
  use GenServer
  alias MailboxFlood.Parser

  @window 5

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def read(lines), do: GenServer.cast(__MODULE__, {:read, lines})

  @impl true
  def init(nil), do: {:ok, %{next: 1, last: 0, acked: 0}}

  @impl true
  def handle_cast({:read, lines}, state), do: {:noreply, pump(%{state | last: lines})}
  def handle_cast({:ack, n}, state), do: {:noreply, pump(%{state | acked: n})}

  defp pump(%{next: next, last: last} = state) when next > last, do: state

  defp pump(%{next: next, acked: acked} = state) do
    if variant(healthy: next, faulty: acked) - acked > @window do
      state
    else
      GenServer.cast(Parser, {:line, next, self()})
      pump(%{state | next: next + 1})
    end
  end
end

defmodule MailboxFlood.Expectations do
  @moduledoc "What a reader should do."
  use BeamScope.Expectation

  role :reader, MailboxFlood.Reader
  role :parser, MailboxFlood.Parser

  expect "no more than five lines are on their way" do
    leads_to sent({:line, n, _}, to: :parser),
             sent({:ack, n}, from: :parser),
             before: sent({:line, m, _}, to: :parser) when m > n + 4
  end

  expect "every line is acknowledged, once" do
    causality sent({:line, n, _}, from: :reader, to: :parser) ~> sent({:ack, n}, from: :parser, to: :reader),
      strict: true
  end

  expect "lines are acknowledged in their order" do
    transition :reader, %{acked: n} ~> %{acked: m} when m == n + 1, on: {:ack, m}, all: true
  end

  expect "no line is sent twice" do
    refute_leads_to sent({:line, n, _}, to: :parser), sent({:line, n, _}, to: :parser)
  end

  expect "all lines are parsed in the end" do
    state :parser, %{lines: 12}
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule MailboxFlood do
  @moduledoc "The parser is busy with its first line."
  import BeamScopeFaults.Stage
  alias MailboxFlood.{Expectations, Parser, Reader}

  def fault do
    %{
      title: "mailbox flood",
      expectations: Expectations,
      breaks: "no more than five lines are on their way",
      at: &match?(%BeamScope.Event{kind: :send, content: {:line, 6, _}}, &1),
      says: ["MailboxFlood.Reader", "{:line, 6", "MailboxFlood.Parser", "{:line, 1"]
    }
  end

  def run do
    start([Parser, Reader])
    Reader.read(12)
    parser = held(:parsing)
    rest()
    go(parser, :parsing)
    for _ <- 2..12, do: pass(:parsing)
    rest()
  end
end
