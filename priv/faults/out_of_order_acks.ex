# A sender numbers its messages and takes an acknowledgement for one of all up to it. The receiver stores a message, then
# acknowledges it. In the faulty variant each is stored by a task of its own.

defmodule OutOfOrderAcks.Receiver do
  @moduledoc "Stores what comes."
  use GenServer
  alias BeamScopeFaults.Stage

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil), do: {:ok, %{seen: 0}}

  @impl true
  def handle_cast({:message, n, sender}, state) do
    variant(healthy: store(n, sender), faulty: Task.start(fn -> store(n, sender) end))
    {:noreply, %{state | seen: state.seen + 1}}
  end

  defp store(n, sender) do
    Stage.hold({:storing, n})
    GenServer.cast(sender, {:ack, n})
  end
end

defmodule OutOfOrderAcks.Sender do
  @moduledoc "Keeps what is not acknowledged."
  use GenServer
  alias OutOfOrderAcks.Receiver

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def deliver(count), do: GenServer.cast(__MODULE__, {:deliver, count})

  @impl true
  def init(nil), do: {:ok, %{acked: 0, kept: []}}

  @impl true
  def handle_cast({:deliver, count}, state) do
    for n <- 1..count, do: GenServer.cast(Receiver, {:message, n, self()})
    {:noreply, %{state | kept: Enum.to_list(1..count)}}
  end

  def handle_cast({:ack, n}, state), do: {:noreply, %{acked: n, kept: Enum.reject(state.kept, &(&1 <= n))}}
end

defmodule OutOfOrderAcks.Expectations do
  @moduledoc "What a sender and a receiver should do."
  use BeamScope.Expectation

  role :sender, OutOfOrderAcks.Sender
  role :receiver, OutOfOrderAcks.Receiver

  expect "acknowledgements count up" do
    transition :sender, %{acked: n} ~> %{acked: m} when m == n + 1, on: {:ack, _}, all: true
  end

  expect "nothing is acknowledged before what came before it" do
    refute_leads_to sent({:ack, n}, to: :sender), sent({:ack, m}, to: :sender) when m < n
  end

  expect "every message is acknowledged, once" do
    causality sent({:message, n, _}, from: :sender, to: :receiver) ~> sent({:ack, n}, to: :sender),
      strict: true
  end

  expect "what is not acknowledged is kept" do
    always :sender, %{acked: n, kept: kept} when kept == [] or hd(kept) == n + 1
  end

  expect "nothing is kept in the end" do
    state :sender, %{kept: []}
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule OutOfOrderAcks do
  @moduledoc "Of all that is being stored, the last is stored first."
  import BeamScopeFaults.Stage
  alias OutOfOrderAcks.{Expectations, Receiver, Sender}

  def fault do
    %{
      title: "out-of-order acks",
      expectations: Expectations,
      breaks: "acknowledgements count up",
      at: &match?(%BeamScope.Transition{content: {:ack, 3}, from: %{acked: 0}}, &1),
      says: ["OutOfOrderAcks.Sender", "{:ack, 3}", "%{acked: 0"]
    }
  end

  def run do
    start([Receiver, Sender])
    Sender.deliver(3)
    rest()
    last_first()
  end

  defp last_first do
    case all_held() |> Enum.sort_by(fn {_, point} -> point end, :desc) do
      [] ->
        :ok

      held ->
        for {pid, point} <- held do
          go(pid, point)
          rest()
        end

        last_first()
    end
  end
end
