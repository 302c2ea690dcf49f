# A session that is idle hibernates, so that many of them fit into memory. In the faulty variant it stays awake.

defmodule DroppedHibernate.Session do
  @moduledoc "The session of a user."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def look(thing), do: GenServer.call(__MODULE__, {:look, thing})
  def idle, do: send(__MODULE__, :idle)

  @impl true
  def init(nil), do: {:ok, %{looks: 0, naps: 0}}

  @impl true
  def handle_call({:look, thing}, _from, state),
    do: {:reply, {:seen, thing}, %{state | looks: state.looks + 1}}

  @impl true
  def handle_info(:idle, state) do
    state = %{state | naps: state.naps + 1}
    variant(healthy: {:noreply, state, :hibernate}, faulty: {:noreply, state})
  end
end

defmodule DroppedHibernate.Expectations do
  @moduledoc "What a session should do."
  use BeamScope.Expectation
  alias DroppedHibernate.Session

  role :session, Session

  expect "an idle session hibernates" do
    called Session.handle_info(:idle, _), returns: {:noreply, _, :hibernate}, by: :session
    refute_called Session.handle_info(:idle, _), returns: {:noreply, _}
  end

  expect "whoever looks sees" do
    leads_to sent({:look, thing}, from: who, to: :session), sent({:seen, thing}, from: :session, to: who)
  end

  expect "a session naps when it is idle" do
    transition :session, %{naps: n} ~> %{naps: m} when m == n + 1, on: :idle, all: true
  end

  expect "a session that has napped goes on" do
    flow do
      handled :idle, by: :session
      handled {:look, _}, by: :session
    end
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule DroppedHibernate do
  @moduledoc "A look, a nap, a look."
  import BeamScopeFaults.Stage
  alias DroppedHibernate.{Expectations, Session}

  def fault do
    %{
      title: "dropped hibernate",
      record: [calls: [{Session, :handle_info, 2}]],
      expectations: Expectations,
      breaks: "an idle session hibernates",
      at: &match?(%BeamScope.Event{kind: :call, mfa: {Session, :handle_info, [:idle, _]}}, &1),
      says: ["DroppedHibernate.Session", "handle_info(:idle", "{:noreply,"]
    }
  end

  def run do
    start([Session])
    client(:ann, fn -> Session.look(:mail) end)
    result(:ann)
    Session.idle()
    rest()
    client(:bob, fn -> Session.look(:news) end)
    result(:bob)
  end
end
