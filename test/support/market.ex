defmodule BeamScope.Test.Market do
  @moduledoc """
  A small market whose parts keep many invariants, for tests of what is inferred. Each part takes `fault:`, by which it breaks one.
  """

  defmodule Stall do
    @moduledoc "Sells: counts, keeps a history, a status, and what is in stock."
    use GenServer

    defstruct [
      :name,
      :fault,
      count: 0,
      sold: [],
      last: nil,
      status: :open,
      stock: %{},
      picked: nil,
      free: 20,
      used: 0
    ]

    def start_link(opts), do: GenServer.start_link(__MODULE__, opts, Keyword.take(opts, [:name]))

    @impl true
    def init(opts), do: {:ok, %__MODULE__{name: "stall", fault: opts[:fault]}}

    @impl true
    def handle_call({:sell, item}, _from, s) do
      count = if s.fault == :count and item == 15, do: s.count, else: s.count + 1
      {:reply, reply(s, item), %{s | count: count, sold: [item | s.sold], last: item}}
    end

    def handle_call(:count, _from, s), do: {:reply, s.count, touch(s)}

    def handle_call({:stock, item}, _from, s),
      do: {:reply, :ok, %{s | stock: Map.put(s.stock, item, 1), picked: picked(s, item)}}

    @impl true
    def handle_cast({:take, n}, s),
      do: {:noreply, %{s | free: s.free - n, used: s.used + n + extra(s)}}

    def handle_cast({:give, n}, s), do: {:noreply, %{s | free: s.free + n, used: s.used - n}}
    def handle_cast(:toggle, s), do: {:noreply, %{s | status: toggled(s)}}

    defp reply(%{fault: :reply}, 15), do: {:error, :sold_out}
    defp reply(_s, item), do: {:ok, item}

    defp picked(%{fault: :picked}, item) when item > 9, do: :nothing
    defp picked(_s, item), do: item

    defp extra(%{fault: :sum, used: used}) when used > 0, do: 1
    defp extra(_s), do: 0

    defp touch(%{fault: :name, count: count} = s) when count > 9, do: %{s | name: "other"}
    defp touch(s), do: s

    defp toggled(%{fault: :status, count: count}) when count > 9, do: :burnt
    defp toggled(%{status: :open}), do: :closed
    defp toggled(_s), do: :open
  end

  defmodule Shop do
    @moduledoc "Sends each order to the store, which ships it."
    use GenServer

    def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: opts[:name])

    @impl true
    def init(opts), do: {:ok, %{store: opts[:store], fault: opts[:fault], orders: 0}}

    @impl true
    def handle_cast({:order, id, what}, s) do
      unless s.fault == :lost and id == 21, do: send(s.store, {:ship, what, id})
      if s.fault == :twice and id == 21, do: send(s.store, {:ship, what, id})
      {:noreply, %{s | orders: s.orders + 1}}
    end
  end

  defmodule Store do
    @moduledoc "Ships, and tells nobody."
    use GenServer

    def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: opts[:name])

    @impl true
    def init(_opts), do: {:ok, {:store, 0, []}}

    @impl true
    def handle_info({:ship, _what, id}, {:store, n, log}), do: {:noreply, {:store, n + 1, [id | log]}}

    @impl true
    def handle_call(:flush, _from, s), do: {:reply, :ok, s}
  end

  defmodule Worker do
    @moduledoc "One of several; has an id of its own."
    use GenServer

    def start_link(id), do: GenServer.start_link(__MODULE__, id)

    @impl true
    def init(id), do: {:ok, %{id: id, done: 0, queue: {[], []}, waiting: 0}}

    @impl true
    def handle_call({:push, x}, _from, %{queue: {back, front}} = s),
      do: {:reply, :ok, %{s | queue: {[x | back], front}, waiting: s.waiting + 1}}

    def handle_call(:pop, _from, s) do
      {x, queue} = pop(s.queue)
      {:reply, x, %{s | queue: queue, waiting: s.waiting - 1, done: s.done + 1}}
    end

    defp pop({[], []}), do: {nil, {[], []}}
    defp pop({back, []}), do: pop({[], Enum.reverse(back)})
    defp pop({back, [x | front]}), do: {x, {back, front}}
  end

  defmodule Door do
    @moduledoc "A gen_statem: open or closed, counts how often."
    @behaviour :gen_statem

    def start_link(_opts), do: :gen_statem.start_link({:local, __MODULE__}, __MODULE__, [], [])

    @impl true
    def callback_mode, do: :handle_event_function
    @impl true
    def init(_opts), do: {:ok, :closed, %{turns: 0}}

    @impl true
    def handle_event({:call, from}, :turn, name, data) do
      next = if name == :open, do: :closed, else: :open
      {:next_state, next, %{data | turns: data.turns + 1}, [{:reply, from, next}]}
    end

    def handle_event(:cast, :knock, _name, _data), do: :keep_state_and_data
  end
end
