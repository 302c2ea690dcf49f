# A desk starts a helper for each session, and ends it when the session is closed. In the faulty variant it only forgets it.

defmodule LeakedProcess.Helper do
  @moduledoc "Helps one session."
  use GenServer, restart: :temporary

  def start_link(user), do: GenServer.start_link(__MODULE__, user)
  def help(helper, what), do: GenServer.call(helper, {:help, what})

  @impl true
  def init(user), do: {:ok, %{user: user, helped: 0}}

  @impl true
  def handle_call({:help, what}, _from, state),
    do: {:reply, {:helped, what}, %{state | helped: state.helped + 1}}
end

defmodule LeakedProcess.Desk do
  @moduledoc "Knows who helps whom."
  use GenServer
  alias LeakedProcess.Helper

  @helpers LeakedProcess.Helpers

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def open(user), do: GenServer.call(__MODULE__, {:open, user})
  def close(helper), do: GenServer.call(__MODULE__, {:close, helper})

  @impl true
  def init(nil), do: {:ok, %{open: %{}}}

  @impl true
  def handle_call({:open, user}, _from, state) do
    {:ok, helper} = DynamicSupervisor.start_child(@helpers, {Helper, user})
    {:reply, {:opened, helper}, put_in(state.open[helper], user)}
  end

  def handle_call({:close, helper}, _from, state) do
    {user, open} = Map.pop!(state.open, helper)
    variant(healthy: :ok = DynamicSupervisor.terminate_child(@helpers, helper))
    {:reply, {:closed, user}, %{state | open: open}}
  end
end

defmodule LeakedProcess.Expectations do
  @moduledoc "What a desk should do."
  use BeamScope.Expectation

  role :desk, LeakedProcess.Desk
  role :helper, module: LeakedProcess.Helper

  expect "a helper ends when its session is closed" do
    leads_to sent({:close, helper}, to: :desk), exited(helper)
  end

  expect "a helper does not end before" do
    causality sent({:close, helper}, to: :desk) ~> exited(helper = :helper)
  end

  expect "who opens a session gets a helper" do
    leads_to sent({:open, _}, from: who, to: :desk), sent({:opened, _}, from: :desk, to: who)
  end

  expect "who closes a session is told" do
    leads_to sent({:close, _}, from: who, to: :desk), sent({:closed, _}, from: :desk, to: who)
  end

  expect "each helper counts what it did" do
    transition :helper, %{helped: n} ~> %{helped: m} when m == n + 1, on: {:help, _}, all: true
  end

  expect "no session is left" do
    state :desk, %{open: open} when map_size(open) == 0
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule LeakedProcess do
  @moduledoc "Two sessions, one after the other."
  import BeamScopeFaults.Stage
  alias LeakedProcess.{Desk, Expectations, Helper}

  def fault do
    %{
      title: "leaked process",
      expectations: Expectations,
      breaks: "a helper ends when its session is closed",
      at: &match?(%BeamScope.Event{kind: :send, content: {:close, _}, from_name: :ann}, &1),
      says: [":ann", "{:close,", "end of"]
    }
  end

  def run do
    start([{DynamicSupervisor, name: LeakedProcess.Helpers, strategy: :one_for_one}, Desk])

    for user <- [:ann, :bob] do
      client(user, fn ->
        {:opened, helper} = Desk.open(user)
        Helper.help(helper, :find_keys)
        Desk.close(helper)
      end)

      result(user)
    end

    rest()
  end
end
