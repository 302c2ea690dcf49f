defmodule LinesShop do
  @moduledoc "A shop whose lines are recorded: `test/beam_scope/lines_test.exs` speaks of what stands here, not of the numbers of its lines."
  use GenServer

  def start_link(opts), do: GenServer.start_link(__MODULE__, %{stock: %{}, sold: 0}, opts)

  @impl true
  def init(state), do: {:ok, state}

  @impl true
  def handle_call({:sell, name, n}, _from, state) when n > 100 do
    {:reply, {:error, {:too_many, name}}, state}
  end

  def handle_call({:sell, name, n}, _from, state) do
    left = Map.get(state.stock, name, 0)

    if left >= n do
      state = put_in(state.stock[name], left - n)
      price = price(name, n)
      {:reply, {:ok, price}, %{state | sold: state.sold + price}}
    else
      {:reply, {:error, :sold_out}, state}
    end
  end

  def handle_call({:fill, items}, _from, state) do
    stock =
      for {name, n} <- items, n > 0, into: state.stock do
        old = Map.get(state.stock, name, 0)
        sum = old + n
        {name, sum}
      end

    {:reply, :ok, %{state | stock: stock}}
  end

  def handle_call({:divide, by}, _from, state) do
    whole = map_size(state.stock) * 10
    part = div(whole, by)
    {:reply, part, state}
  end

  @impl true
  def terminate(_reason, state) do
    sold = state.sold
    sold
  end

  def price(:gold, n) do
    cond do
      n > 10 -> n * 90
      n > 5 -> n * 95
      true -> n * 100
    end
  end

  def price(name, n) when is_atom(name) do
    with {:ok, base} <- base(name),
         true <- base > 0 do
      base * n
    else
      :error -> 0
      false -> :free
    end
  end

  defp base(:tea), do: {:ok, 3}
  defp base(:air), do: {:ok, 0}
  defp base(_), do: :error

  def fact(0), do: 1

  def fact(n) do
    rest = fact(n - 1)
    n * rest
  end

  def count_down(0), do: :done

  def count_down(n) do
    less = n - 1
    count_down(less)
  end

  def twice(n) do
    a = fact(n)
    b = fact(n)
    a + b
  end

  def safe(x) do
    try do
      y = 10 / x
      {:ok, y}
    rescue
      e in ArithmeticError -> {:error, e.message}
    after
      Process.put(:safe, x)
    end
  end

  def outer(x) do
    safer = inner(x)
    {:ok, safer}
  catch
    thrown -> {:caught, thrown}
  end

  defp inner(x) do
    if x > 1, do: throw({:too_large, x})
    x + 1
  end

  def again(x) do
    x = x + 1
    x = x * 2
    {x, -x}
  end

  def later(x) do
    fn y ->
      sum = x + y
      sum
    end
  end

  def login(user, password) do
    size = byte_size(password)
    {user, size}
  end

  def large(list) do
    case list do
      [1, 2] -> :two
      [_ | _] -> :many
    end
  end

  def literals(x) do
    if x do
      :yes
    else
      :no
    end

    short = if x, do: 1, else: 2
    nothing(short)
    :done
  end

  defp nothing(_), do: nil
end
