# A user has one session: whoever asks for it gets the same. The directory looks and starts in one go. In the faulty variant the
# caller looks, and starts one itself where it finds none.

defmodule DoubleStart.Journal do
  @moduledoc "What happened."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def note(what), do: GenServer.cast(__MODULE__, what)

  @impl true
  def init(nil), do: {:ok, []}

  @impl true
  def handle_cast(what, notes), do: {:noreply, [what | notes]}
end

defmodule DoubleStart.Session do
  @moduledoc "The session of a user."
  use GenServer, restart: :temporary
  alias DoubleStart.Journal

  def start_link(user), do: GenServer.start_link(__MODULE__, user)

  @impl true
  def init(user) do
    Journal.note({:session, user, self()})
    {:ok, %{user: user, greeted: 0}}
  end

  @impl true
  def handle_call(:greet, _from, %{user: user} = state),
    do: {:reply, {:hello, user}, %{state | greeted: state.greeted + 1}}
end

defmodule DoubleStart.Directory do
  @moduledoc "Who has which session."
  use GenServer
  alias BeamScopeFaults.Stage
  alias DoubleStart.Session

  @sessions DoubleStart.Sessions

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  def session(user) do
    variant(
      healthy: GenServer.call(__MODULE__, {:session, user}, :infinity),
      faulty: GenServer.call(__MODULE__, {:known, user}) || start(user)
    )
  end

  def greet(user), do: user |> session() |> GenServer.call(:greet)

  defp start(user) do
    Stage.hold(:starting)
    {:ok, session} = DynamicSupervisor.start_child(@sessions, {Session, user})
    GenServer.cast(__MODULE__, {:started, user, session})
    session
  end

  @impl true
  def init(nil), do: {:ok, %{}}

  @impl true
  def handle_call({:known, user}, _from, sessions), do: {:reply, sessions[user], sessions}

  def handle_call({:session, user}, _from, sessions) do
    session = sessions[user] || start(user)
    {:reply, session, Map.put(sessions, user, session)}
  end

  @impl true
  def handle_cast({:started, user, session}, sessions), do: {:noreply, Map.put(sessions, user, session)}
end

defmodule DoubleStart.Expectations do
  @moduledoc "What a directory of sessions should do."
  use BeamScope.Expectation

  role :session, module: DoubleStart.Session
  role :journal, DoubleStart.Journal

  expect "a user has one session at a time" do
    refute_leads_to sent({:session, user, session}, to: :journal),
                    sent({:session, user, another}, to: :journal) when another != session,
                    before: exited(session)
  end

  expect "every session is noted by itself" do
    causality sent({:session, _, session}, from: session, to: :journal) ~> state(session, %{greeted: 0})
  end

  expect "everybody is greeted by name" do
    leads_to sent(:greet, from: who), sent({:hello, _}, to: who)
    always :session, %{user: :ann}
  end

  expect "a session counts its greetings" do
    transition :session, %{greeted: n} ~> %{greeted: m} when m == n + 1, on: :greet, all: true
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule DoubleStart do
  @moduledoc "Two windows of one user ask for her session at the same time."
  import BeamScopeFaults.Stage
  alias DoubleStart.{Directory, Expectations, Journal}

  def fault do
    %{
      title: "double start",
      expectations: Expectations,
      breaks: "a user has one session at a time",
      at: &match?(%BeamScope.Event{kind: :send, content: {:session, :ann, _}}, &1),
      says: ["{:session, :ann", "DoubleStart.Journal"]
    }
  end

  def run do
    start([Journal, {DynamicSupervisor, name: DoubleStart.Sessions, strategy: :one_for_one}, Directory])
    client(:left_window, fn -> Directory.greet(:ann) end)
    left = held(:starting)
    client(:right_window, fn -> Directory.greet(:ann) end)
    rest()
    go(left, :starting)
    result(:left_window)
    result(:right_window)
    rest()
  end
end
