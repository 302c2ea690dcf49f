# Servers whose whole state matters: of each kind that programs have, one of a size at which copying it would be felt. Every call
# changes a small part.

defmodule BeamScopeBench.States.Item do
  @moduledoc "What a shop would keep of a thing."
  defstruct [:id, :name, price: 0, stock: 0, tags: []]
end

defmodule BeamScopeBench.States.Server do
  @moduledoc "A server that changes its state by a function."
  use GenServer

  def start(state, change, opts), do: GenServer.start(__MODULE__, {state, change}, opts)

  # The function is no part of the state: what a state holds is what is recorded.
  @impl true
  def init({state, change}) do
    Process.put(:change, change)
    {:ok, state}
  end

  @impl true
  def handle_call({:step, i}, _from, state), do: {:reply, i, Process.get(:change).(state, i)}
end

defmodule BeamScopeBench.States do
  @moduledoc "The states, by the names of their workloads: how each begins, and how a call changes it."

  alias BeamScopeBench.States.Item

  @doc "`{name, begin, change}` of each."
  def all do
    [
      {"state_100b", &small/0, &%{&1 | count: &2}},
      {"state_10kb", fn -> map(100) end, &change_one(&1, &2, 100)},
      {"state_live_view", &live_view/0, &event/2},
      {"state_1mb", fn -> map(10_000) end, &change_one(&1, &2, 10_000)},
      {"state_50k_structs", fn -> items(50_000) end, &buy(&1, &2, 50_000)},
      {"state_list_10k", fn -> Enum.to_list(1..10_000) end, &[&2 | &1]},
      {"state_gb_tree_10k", &tree/0, &:gb_trees.update(rem(&2, 10_000), &2, &1)},
      {"state_gc_heavy", fn -> map(100) end, &collected/2}
    ]
  end

  defp small, do: %{count: 0, name: "a small server", since: 1_700_000_000, options: [:a, :b]}

  # About 100 B an entry.
  defp map(n), do: for(k <- 0..(n - 1), into: %{}, do: {k, {k, :crypto.strong_rand_bytes(48)}})
  defp change_one(map, i, n), do: %{map | rem(i, n) => {i, <<i::64, i * 0x9E3779B97F4A7C15::64>>}}

  defp collected(map, i) do
    :erlang.garbage_collect()
    change_one(map, i, 100)
  end

  defp items(n), do: for(id <- 0..(n - 1), into: %{}, do: {id, item(id)})
  defp item(id), do: %Item{id: id, name: "item number #{id}", price: id * 7, stock: 100, tags: [:new, :cheap]}
  defp buy(items, i, n), do: Map.update!(items, rem(i * 7_919, n), &%{&1 | stock: &1.stock - 1})

  # What a page keeps: assigns, among them a list of things, one of which changes.
  defp live_view do
    %{
      id: "phx-F0x1aBcD",
      transport_pid: self(),
      assigns: %{
        __changed__: %{},
        flash: %{},
        live_action: :index,
        page_title: "Listing things",
        current_user: %{id: 7, email: "somebody@example.com", name: "Somebody", roles: [:admin, :editor]},
        count: 0,
        form: %{data: %{}, errors: [], params: %{"name" => "", "price" => ""}},
        items: items(60)
      },
      private: %{lifecycle: %{mount: [], handle_event: []}, root_view: MyApp.Live}
    }
  end

  defp event(socket, i) do
    assigns = %{
      socket.assigns
      | count: i,
        __changed__: %{count: true},
        items: buy(socket.assigns.items, i, 60)
    }

    %{socket | assigns: assigns}
  end

  defp tree, do: Enum.reduce(0..9_999, :gb_trees.empty(), &:gb_trees.insert(&1, {&1, "value"}, &2))
end
