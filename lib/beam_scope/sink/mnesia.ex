defmodule BeamScope.Sink.Mnesia do
  @moduledoc """
  Keeps recordings in a Mnesia table, so that every node of a system can read them:
  `BeamScope.start(target, to: {BeamScope.Sink.Mnesia, name: :monday})`, and later
  `BeamScope.load({BeamScope.Sink.Mnesia, name: :monday})`.

  Mnesia must be running. The table is made by the first recording: on disk where this node's schema is, else in memory. Rows are
  `{table, {name, number}, piece}` of some hundred kilobytes; `delete/1` removes those of a recording.

  ## Options

    * `name:` of the recording: any term
    * `table:` (`BeamScope.Recordings`)
  """

  @behaviour BeamScope.Sink

  @wait_ms 5_000

  @impl true
  def open(opts) do
    with {:ok, name, table} <- options(opts),
         :ok <- make(table) do
      if stored(table, name, 0) == [],
        do: {:ok, %{name: name, table: table, next: 0}},
        else:
          {:error, "#{inspect(table)} has a recording named #{inspect(name)} already: delete/1 removes it"}
    end
  end

  defp options(opts) do
    case Keyword.split(opts, [:name, :table]) do
      {known, []} ->
        if Keyword.has_key?(known, :name),
          do: {:ok, known[:name], Keyword.get(known, :table, BeamScope.Recordings)},
          else: {:error, "name: is missing"}

      {_known, [{unknown, _} | _]} ->
        {:error, "#{unknown}: is unknown"}
    end
  end

  defp make(table) do
    where =
      if mnesia(:system_info, [:is_running]) == :yes and mnesia(:system_info, [:use_dir]),
        do: :disc_only_copies,
        else: :ram_copies

    case mnesia(:create_table, [table, [{:attributes, [:key, :piece]}, {where, [node()]}]]) do
      {:atomic, :ok} -> :ok
      {:aborted, {:already_exists, ^table}} -> ready(table)
      {:aborted, reason} -> {:error, reason}
    end
  end

  defp ready(table) do
    case mnesia(:wait_for_tables, [[table], @wait_ms]) do
      :ok -> :ok
      {:timeout, _} -> {:error, :timeout}
      error -> error
    end
  end

  @impl true
  def write(piece, %{table: table, name: name, next: next} = state) do
    case mnesia(:transaction, [fn -> mnesia(:write, [{table, {name, next}, piece}]) end]) do
      {:atomic, :ok} -> {:ok, %{state | next: next + 1}}
      {:aborted, reason} -> {:error, reason}
    end
  end

  @impl true
  def close(_state), do: :ok

  @impl true
  def read(opts) do
    with {:ok, name, table} <- options(opts), :ok <- ready(table) do
      if stored(table, name, 0) == [],
        do: {:error, :enoent},
        else: {:ok, Stream.unfold(0, &piece(table, name, &1))}
    end
  end

  defp piece(table, name, n) do
    case stored(table, name, n) do
      [piece] -> {piece, n + 1}
      [] -> nil
    end
  end

  defp stored(table, name, n) do
    for {_table, _key, piece} <-
          mnesia(:activity, [:transaction, fn -> mnesia(:read, [table, {name, n}]) end]),
        do: piece
  end

  @doc """
  Removes a recording. Options as above.

      BeamScope.Sink.Mnesia.delete(name: :monday)
  """
  @spec delete(keyword) :: :ok | {:error, term}
  def delete(opts) do
    with {:ok, name, table} <- options(opts), :ok <- ready(table), do: delete(table, name, 0)
  end

  defp delete(table, name, n) do
    if stored(table, name, n) == [] do
      :ok
    else
      mnesia(:activity, [:transaction, fn -> mnesia(:delete, [{table, {name, n}}]) end])
      delete(table, name, n + 1)
    end
  end

  # Whoever uses this sink has Mnesia started; nobody else needs it, so BeamScope does not depend on it.
  defp mnesia(function, arguments), do: apply(:mnesia, function, arguments)
end
