defmodule BeamScope.Recording.Relay do
  @moduledoc """
  Stands between a recording and a subscriber: asks every 40 ms what came, turns it into structs and sends it on.

  While the subscriber's mailbox is full, what comes is counted as lost instead of sent, so that neither of them fills memory.
  One relay serves one subscription; it ends with its subscriber, with its recording, or on `stop/1`.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.{Error, Event, Native, Recording}
  alias BeamScope.Recording.Sites

  @poll_ms 40
  @max_batch 500
  @max_queue 2_000
  # What a slow subscriber misses is only counted, so more of it can be taken at once.
  @count_batch 20_000
  # Polls without an event before asking whether the recording has ended.
  @quiet 3

  @doc "Starts a relay for `subscriber`; `query` is the core's, with `max_batch` and `max_queue`."
  @spec start(Recording.t(), map, pid) :: {:ok, pid} | {:error, Error.t()}
  def start(%Recording{} = rec, query, subscriber) do
    BeamScope.Recorder.start_helper(__MODULE__, {rec, query, subscriber})
  end

  @doc "Ends a subscription. What was sent before stays in the subscriber's mailbox."
  @spec stop(pid) :: :ok
  def stop(relay) do
    GenServer.stop(relay, :normal, 5_000)
  catch
    :exit, _ -> :ok
  end

  @impl true
  def init({rec, query, subscriber}) do
    case Native.live_open(rec.native, Map.drop(query, [:max_batch, :max_queue])) do
      {:ok, live} ->
        Process.monitor(subscriber)
        {:ok, wait(state(rec, live, query, subscriber))}

      {:error, {:closed, _}} ->
        {:stop, Error.new(:closed, rec.id)}

      {:error, reason} ->
        {:stop, Error.from_native(reason)}
    end
  end

  defp state(rec, live, query, subscriber) do
    %{
      rec: rec,
      live: live,
      to: subscriber,
      batch: Map.get(query, :max_batch, @max_batch),
      queue: Map.get(query, :max_queue, @max_queue),
      # Of what was instrumented, once a line comes.
      tables: nil,
      lost: 0,
      quiet: 0
    }
  end

  defp wait(state) do
    Process.send_after(self(), :poll, @poll_ms)
    state
  end

  @impl true
  def handle_info(:poll, state) do
    case poll(state) do
      {:more, state} ->
        send(self(), :poll)
        {:noreply, state}

      {:done, %{quiet: quiet} = state} when quiet >= @quiet ->
        if stopped?(state), do: {:stop, :normal, state}, else: {:noreply, wait(%{state | quiet: 0})}

      {:done, state} ->
        {:noreply, wait(state)}

      {:closed, reason} ->
        tell(state, {:stopped, reason})
        {:stop, :normal, state}
    end
  end

  def handle_info({:DOWN, _ref, :process, _pid, _reason}, state), do: {:stop, :normal, state}
  def handle_info(_other, state), do: {:noreply, state}

  defp poll(state) do
    if waiting(state.to) < state.queue, do: forward(state), else: count(state)
  end

  defp forward(state) do
    case Native.live_poll(state.live, state.batch, true) do
      {:ok, %{events: [], more: more}} when state.lost == 0 -> next(more, %{state | quiet: state.quiet + 1})
      {:ok, %{events: events, more: more}} -> next(more, deliver(state, events))
      {:error, {reason, _detail}} -> {:closed, reason}
    end
  end

  defp deliver(state, events) do
    {events, state} = events |> Enum.map(&Event.from_native/1) |> filled(state)
    tell(state, {:events, events, state.lost})
    %{state | lost: 0, quiet: 0}
  end

  # A recording's tables are all there before its first line.
  defp filled(events, %{tables: nil} = state) do
    if Enum.any?(events, &(&1.kind == :line)),
      do: filled(events, %{state | tables: Sites.tables(state.rec)}),
      else: {events, state}
  end

  defp filled(events, state), do: {Sites.fill_from(events, state.tables), state}

  defp count(state) do
    case Native.live_poll(state.live, @count_batch, false) do
      {:ok, %{count: count, more: more}} ->
        next(more, %{state | lost: state.lost + count, quiet: state.quiet + 1})

      {:error, {reason, _detail}} ->
        {:closed, reason}
    end
  end

  defp next(true, state), do: {:more, state}
  defp next(false, state), do: {:done, state}

  defp tell(state, what), do: send(state.to, {:beam_scope, self(), what})

  defp waiting(pid) do
    case Process.info(pid, :message_queue_len) do
      {_, n} -> n
      nil -> 0
    end
  end

  # What was lost at the very end must be told too.
  defp stopped?(state) do
    case status(Native.recording_info(state.rec.native)) do
      :running ->
        false

      reason ->
        if state.lost > 0, do: tell(state, {:events, [], state.lost})
        tell(state, {:stopped, reason})
        true
    end
  end

  defp status({:ok, info}), do: status(info)
  defp status(%{status: :running}), do: :running
  defp status(%{stop_reason: reason}), do: reason
  defp status({:error, {reason, _detail}}), do: reason
  defp status(_other), do: :stopped
end
