defmodule BeamScope.Test.FakeNative do
  @moduledoc """
  Stands in for the native library: an ordinary tracer process collects the trace messages, and tells the recorder
  of lifecycle events as the library would.
  """

  @doc "Starts a collector; pass `options/1` of it to the recorder."
  def start do
    spawn(fn ->
      loop(%{config: nil, injected: [], updates: [], trace: [], status: :new, members: [], starters: []})
    end)
  end

  @doc "The internal options that make a recorder use this collector. Tests of trace messages know which profile they look at."
  def options(collector),
    do: [native: __MODULE__, tracer: collector, profile: :checked, meta: %{collector: collector}]

  @doc "What the collector has seen, the latest last."
  def seen(collector) do
    state = ask(collector, :get)

    %{
      state
      | injected: Enum.reverse(state.injected),
        trace: Enum.reverse(state.trace),
        updates: Enum.reverse(state.updates)
    }
  end

  @doc "Tells the recorder something, as the library would."
  def notify(collector, event), do: ask(collector, {:notify, event})

  def recording_open(config) do
    collector = config.meta.meta.collector
    ask(collector, {:open, config})
    {:ok, {__MODULE__, collector}, 0}
  end

  def recording_update({_, collector}, changes), do: ask(collector, {:update, changes})
  def recording_add_members({_, collector}, pids), do: ask(collector, {:add, pids})
  def recording_add_starters({_, collector}, pids), do: ask(collector, {:starters, pids})
  def recording_remove_members({_, collector}, pids), do: ask(collector, {:remove, pids})
  def recording_inject({_, collector}, kind, pid, terms), do: ask(collector, {:inject, {kind, pid, terms}})

  def recording_unseen({_, collector}, pids, [text | _]),
    do: Enum.each(pids, &ask(collector, {:inject, {:unseen, &1, [text]}}))

  def recording_flush({_, collector}, _ms), do: ask(collector, :flush)
  def recording_settle({_, collector}, _who, _except, _ms), do: ask(collector, :flush)
  def recording_stop({_, collector}, reason), do: ask(collector, {:status, {:stopped, reason}})
  def recording_close({_, collector}), do: ask(collector, {:status, :closed})
  def query(_data, _query), do: {:ok, %{events: [], more: false, unknown: 0}}

  def recording_info({_, collector}) do
    state = ask(collector, :get)

    case state.status do
      :closed -> {:error, {:closed, nil}}
      {:stopped, reason} -> {:ok, %{status: :stopped, stop_reason: reason, meta: state.config.meta}}
      _ -> {:ok, %{status: :running, stop_reason: nil, meta: state.config.meta}}
    end
  end

  defp ask(collector, request) do
    monitor = Process.monitor(collector)
    send(collector, {:ask, self(), monitor, request})

    receive do
      {^monitor, answer} ->
        Process.demonitor(monitor, [:flush])
        answer

      {:DOWN, ^monitor, _, _, _} ->
        exit(:noproc)
    end
  end

  defp loop(state) do
    receive do
      {:ask, from, ref, request} ->
        {answer, state} = answer(request, state)
        send(from, {ref, answer})
        loop(state)

      message ->
        lifecycle(message, state)
        loop(%{state | trace: [message | state.trace]})
    end
  end

  defp answer(:get, state), do: {state, state}
  defp answer(:flush, state), do: {:ok, state}
  defp answer({:open, config}, state), do: {:ok, %{state | config: config, status: :running}}
  defp answer({:status, status}, state), do: {:ok, %{state | status: status}}
  defp answer({:inject, event}, state), do: {:ok, %{state | injected: [event | state.injected]}}
  defp answer({:add, pids}, state), do: {:ok, %{state | members: pids ++ state.members}}
  defp answer({:starters, pids}, state), do: {:ok, %{state | starters: pids ++ state.starters}}
  defp answer({:remove, pids}, state), do: {:ok, %{state | members: state.members -- pids}}

  defp answer({:update, changes}, state),
    do: {:ok, %{state | config: Map.merge(state.config, changes), updates: [changes | state.updates]}}

  defp answer({:notify, event}, state) do
    send(state.config.notify, {:beam_scope, state.config.id, event})
    {:ok, state}
  end

  defp lifecycle(_, %{config: nil}), do: :ok

  # Who asked a starter, only the library knows.
  defp lifecycle({:trace, parent, :spawn, child, mfa}, state) do
    event = if parent in state.starters, do: :stranger, else: :spawned
    tell(state, {event, parent, child, mfa})
  end

  defp lifecycle({:trace, pid, :register, name}, state), do: tell(state, {:registered, pid, name})
  defp lifecycle({:trace, pid, :exit, reason}, state), do: tell(state, {:exited, pid, reason})
  defp lifecycle(_, _), do: :ok

  defp tell(%{config: config}, event), do: send(config.notify, {:beam_scope, config.id, event})
end
