defmodule BeamScope.Recorder.Flight.Mailboxes do
  @moduledoc """
  Which of the recorded processes have many messages waiting. A bounded number of them is looked at at once, the others next time.
  """

  # To ask a process for the length of its queue takes about a microsecond.
  @at_once 500

  @typedoc "The least length that counts, whom to look at, and who was full last time."
  @type t :: %{least: pos_integer, queue: [pid], full: MapSet.t(pid)} | nil

  @doc "For these lengths; `nil` where there is none."
  @spec new([pos_integer]) :: t
  def new([]), do: nil
  def new(lengths), do: %{least: Enum.min(lengths), queue: [], full: MapSet.new()}

  @doc "A process has ended."
  @spec leave(t, pid) :: t
  def leave(nil, _pid), do: nil
  def leave(state, pid), do: %{state | full: MapSet.delete(state.full, pid)}

  @doc "Those that are full now and were not: once each, until they are half empty again."
  @spec poll(t, [pid]) :: {[{pid, non_neg_integer}], t}
  def poll(nil, _pids), do: {[], nil}

  def poll(%{queue: [], least: _} = state, pids) when pids != [], do: poll(%{state | queue: pids}, [])

  def poll(state, _pids) do
    {now, later} = Enum.split(state.queue, @at_once)
    lengths = for pid <- now, {:message_queue_len, n} <- [Process.info(pid, :message_queue_len)], do: {pid, n}
    full = for {pid, n} <- lengths, n >= state.least, do: {pid, n}
    new = Enum.reject(full, fn {pid, _} -> pid in state.full end)
    calm = for {pid, n} <- lengths, n < div(state.least, 2), do: pid

    known =
      full |> MapSet.new(&elem(&1, 0)) |> MapSet.union(state.full) |> MapSet.difference(MapSet.new(calm))

    {new, %{state | queue: later, full: known}}
  end
end
