# Two tellers pay into one account: each reads the balance, adds to it and writes it back. A write must be refused when somebody
# else has written since the read. In the faulty variant the check lets older versions pass.

defmodule LostUpdate.Account do
  @moduledoc "A balance with a version that grows with every write."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def read, do: GenServer.call(__MODULE__, :read)
  def write(balance, version), do: GenServer.call(__MODULE__, {:write, balance, version})

  @impl true
  def init(nil), do: {:ok, %{balance: 0, version: 0}}

  @impl true
  def handle_call(:read, _from, state), do: {:reply, {:balance, state.balance, state.version}, state}

  def handle_call({:write, balance, version}, _from, state) do
    if variant(healthy: version == state.version, faulty: version <= state.version),
      do: {:reply, :written, %{balance: balance, version: state.version + 1}},
      else: {:reply, :conflict, state}
  end
end

defmodule LostUpdate.Teller do
  @moduledoc "Pays in, and begins anew where somebody else was faster."
  alias BeamScopeFaults.Stage
  alias LostUpdate.Account

  def pay_in(amount) do
    {:balance, balance, version} = Account.read()
    Stage.hold(:has_read)
    with :conflict <- Account.write(balance + amount, version), do: pay_in(amount)
  end
end

defmodule LostUpdate.Expectations do
  @moduledoc "What an account should do."
  use BeamScope.Expectation

  role :account, LostUpdate.Account

  expect "a write counts only on the version that was read" do
    transition :account, %{version: n} ~> %{version: m} when m == n or v == n, on: {:write, _, v}, all: true
  end

  expect "each write is one version" do
    transition :account, %{version: n} ~> %{version: m} when m in [n, n + 1], on: {:write, _, _}, all: true
  end

  expect "reading changes nothing" do
    transition :account, same ~> same, on: :read, all: true
  end

  expect "nobody writes what was not read before" do
    causality sent(:read, from: who, to: :account) ~> sent({:write, _, _}, from: who, to: :account)
  end

  expect "every write is answered" do
    leads_to sent({:write, _, _}, from: who, to: :account),
             sent(answer when answer in [:written, :conflict], from: :account, to: who)
  end

  expect "all that was paid in is there" do
    state :account, %{balance: 30}
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule LostUpdate do
  @moduledoc "Both read before either writes."
  import BeamScopeFaults.Stage
  alias LostUpdate.{Account, Expectations, Teller}

  def fault do
    %{
      title: "lost update between two calls",
      expectations: Expectations,
      breaks: "a write counts only on the version that was read",
      at: &match?(%BeamScope.Transition{content: {:write, 20, 0}, to: %{version: 2}}, &1),
      says: ["LostUpdate.Account", "{:write, 20, 0}"]
    }
  end

  def run do
    start([Account])
    client(:ann, fn -> Teller.pay_in(10) end)
    ann = held(:has_read)
    client(:bob, fn -> Teller.pay_in(20) end)
    bob = held(:has_read)
    go(ann, :has_read)
    result(:ann)
    go(bob, :has_read)
    result(:bob)
  end
end
