defmodule BeamScope.Recorder.Vitals.Shared do
  @moduledoc """
  The system monitor of a node that has only one (`erlang:system_monitor/2`, before OTP 28), for all recordings.

  It takes over the monitor that is there and sets what all of them want together, the former owner included. Each gets what it asked
  for: the former owner the same messages, unchanged, each recording's helper those above its own thresholds. When nobody is left, or this
  process ends, the former owner has its monitor back, with its own settings.

  To take over is one step of the virtual machine, which answers what was there. What is not free of races: somebody who sets the
  monitor between two of our looks (every 500 ms) is seen late. Then it is theirs, the former owner's settings were theirs to replace,
  and nothing is given back. Who sets it within the microseconds in which we give back gets it back from us. And where this
  process and every helper are killed at the same time, nobody is left to give anything back.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Recorder

  @check_ms 500
  @attempts 5

  @typedoc "Kinds of warnings with their thresholds, as `Vitals.Monitor.settings/1` has them."
  @type settings :: %{atom() => term()}
  @typedoc "A monitor as `erlang:system_monitor/0` tells it."
  @type former :: {pid(), [term()]} | nil

  # Asking

  @doc "The calling process wants to be told. `queues` says whether long message queues are among what it is told of."
  @spec subscribe(settings()) :: {:ok, pid(), %{former: former(), queues: boolean()}} | {:error, term()}
  def subscribe(settings), do: subscribe(settings, @attempts)

  # The one there is may just be ending.
  defp subscribe(settings, attempts) do
    with {:ok, pid} <- running() do
      {:ok, pid, GenServer.call(pid, {:subscribe, settings}, :infinity)}
    end
  catch
    :exit, _ when attempts > 0 -> subscribe(settings, attempts - 1)
    :exit, reason -> {:error, reason}
  end

  defp running do
    child = %{id: __MODULE__, start: {GenServer, :start_link, [__MODULE__, nil, [name: __MODULE__]]}}

    with nil <- Process.whereis(__MODULE__),
         {:error, {:already_started, pid}} <- Recorder.start_helper(child) do
      {:ok, pid}
    else
      pid when is_pid(pid) -> {:ok, pid}
      other -> other
    end
  end

  @doc "The calling process is to be told nothing any more."
  @spec unsubscribe(pid()) :: :ok
  def unsubscribe(pid) do
    GenServer.call(pid, :unsubscribe, :infinity)
  catch
    :exit, _ -> :ok
  end

  @doc "The calling process is to be told nothing for a while, or again."
  @spec pause(pid(), boolean()) :: :ok
  def pause(pid, paused), do: GenServer.cast(pid, {:pause, self(), paused})

  @doc "This process was killed, and with it the monitor: whoever sees that gives it back, unless it has a new owner."
  @spec restore(former()) :: :ok
  def restore(nil), do: :ok

  def restore({pid, options}) do
    if :erlang.system_monitor() == :undefined, do: set(pid, options)
    :ok
  end

  @doc """
  Settings that serve all of several: the least of each threshold.

      iex> alias BeamScope.Recorder.Vitals.Shared
      iex> Shared.union([%{long_gc: 100}, %{long_gc: 50, busy_port: true}])
      %{busy_port: true, long_gc: 50}
  """
  @spec union([settings()]) :: settings()
  def union(all), do: Enum.reduce(all, %{}, &Map.merge(&1, &2, fn _kind, a, b -> min(a, b) end))

  @doc "Whether a message is one that these settings ask for."
  @spec wants?(settings(), atom(), term()) :: boolean()
  def wants?(settings, kind, info) do
    case settings do
      %{^kind => limit} -> over?(kind, info, limit)
      _ -> false
    end
  end

  defp over?(kind, info, ms) when kind in [:long_gc, :long_schedule], do: info[:timeout] >= ms
  # As the virtual machine counts (`monitor_large_heap` in erl_gc.c): all blocks of the heap.
  defp over?(:large_heap, info, words), do: info[:heap_block_size] + info[:old_heap_block_size] >= words
  defp over?(_kind, _info, _set), do: true

  # Doing

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    Process.send_after(self(), :check, @check_ms)
    {:ok, %{former: nil, helpers: %{}, set: nil, lost: false, taken: false, queues: queues?()}}
  end

  # OTP 27 and later watch queues.
  defp queues?, do: :otp_release |> :erlang.system_info() |> List.to_integer() >= 27

  @impl true
  def handle_call({:subscribe, settings}, {pid, _}, %{lost: false} = state) do
    helper = %{settings: settings, paused: false, monitor: Process.monitor(pid)}
    state = %{state | helpers: Map.put(state.helpers, pid, helper)} |> take_over()
    own? = state.queues and not is_map_key(settings_of(state.former), :long_message_queue)
    {:reply, %{former: former(state), queues: own?}, apply_settings(state)}
  end

  # The next one finds another process, which takes over from whoever has it now.
  def handle_call({:subscribe, _}, _from, state), do: {:stop, :normal, state}

  def handle_call(:unsubscribe, {pid, _}, state) do
    case leave(state, pid) do
      {:noreply, state} -> {:reply, :ok, state}
      {:stop, reason, state} -> {:stop, reason, :ok, state}
    end
  end

  @impl true
  def handle_cast({:pause, pid, paused}, state) when is_map_key(state.helpers, pid),
    do: {:noreply, apply_settings(put_in(state.helpers[pid].paused, paused))}

  def handle_cast(_other, state), do: {:noreply, state}

  @impl true
  def handle_info({:monitor, _who, kind, info} = message, state) do
    with %{pid: pid, settings: settings} <- state.former,
         true <- wants?(settings, kind, info),
         do: send(pid, message)

    for {pid, %{paused: false, settings: settings}} <- state.helpers,
        tells?(state, kind),
        wants?(settings, kind, info) do
      send(pid, message)
    end

    {:noreply, state}
  end

  def handle_info(:check, state) do
    Process.send_after(self(), :check, @check_ms)
    {:noreply, check(state)}
  end

  def handle_info({:DOWN, ref, :process, _, _}, %{former: %{monitor: ref}} = state),
    do: {:noreply, apply_settings(%{state | former: nil})}

  def handle_info({:DOWN, _, :process, pid, _}, state), do: leave(state, pid)
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state), do: give_back(state)

  defp leave(state, pid) do
    case Map.pop(state.helpers, pid) do
      {nil, _} ->
        {:noreply, state}

      {%{monitor: monitor}, helpers} ->
        Process.demonitor(monitor, [:flush])
        left(%{state | helpers: helpers})
    end
  end

  defp left(%{helpers: helpers} = state) when helpers == %{}, do: {:stop, :normal, state}
  defp left(state), do: {:noreply, apply_settings(state)}

  # One exchange; the second one is for who came between the look and the exchange.
  defp take_over(%{taken: true} = state), do: state

  defp take_over(state) do
    state = %{state | former: known(:erlang.system_monitor()), taken: true}

    case exchange(state) do
      {pid, _} = other when pid != self() -> %{state | former: other |> known() |> watched(state.former)}
      _ -> state
    end
  end

  defp watched(new, nil), do: new

  defp watched(new, old) do
    Process.demonitor(old.monitor, [:flush])
    new
  end

  defp known({pid, options}) when pid != self(),
    do: %{pid: pid, options: options, settings: settings(options), monitor: Process.monitor(pid)}

  defp known(_none), do: nil

  defp former(%{former: nil}), do: nil
  defp former(%{former: %{pid: pid, options: options}}), do: {pid, options}

  defp settings(options), do: Map.new(options, &if(is_tuple(&1), do: &1, else: {&1, true}))
  defp settings_of(nil), do: %{}
  defp settings_of(former), do: former.settings

  # Settings change while the monitor is ours; whoever else has it keeps it.
  defp apply_settings(%{lost: true} = state), do: state

  defp apply_settings(state) do
    case exchange(state) do
      {pid, options} when pid != self() ->
        set(pid, options)
        lose(state, inspect(pid))

      _ ->
        %{state | set: union_of(state)}
    end
  end

  # The monitor as it was just before.
  defp exchange(state) do
    case to_options(union_of(state)) do
      [] -> :erlang.system_monitor(:undefined)
      options -> set(self(), options)
    end
  end

  # Two thresholds for queues cannot be served: the former owner's is the one.
  defp union_of(state) do
    theirs = settings_of(state.former)
    ours = for {_, %{paused: false, settings: settings}} <- state.helpers, do: settings
    ours = union(ours)

    ours =
      if state.queues and not is_map_key(theirs, :long_message_queue),
        do: ours,
        else: Map.delete(ours, :long_message_queue)

    union([theirs, ours])
  end

  defp tells?(state, :long_message_queue), do: not is_map_key(settings_of(state.former), :long_message_queue)
  defp tells?(_state, _kind), do: true

  defp to_options(settings),
    do: for({kind, value} <- settings, do: if(value == true, do: kind, else: {kind, value}))

  # The owner may have ended.
  defp set(pid, options) do
    :erlang.system_monitor(pid, options)
  rescue
    ArgumentError -> :erlang.system_monitor()
  end

  defp check(%{lost: true} = state), do: state
  defp check(%{taken: false} = state), do: state

  defp check(%{set: set} = state) do
    case :erlang.system_monitor() do
      {pid, _} when pid == self() -> state
      {pid, _} -> lose(state, inspect(pid))
      :undefined when set == %{} -> state
      :undefined -> lose(state, "somebody")
    end
  end

  defp lose(state, by) do
    for {pid, _} <- state.helpers, do: send(pid, {:sysmon_lost, self(), by})
    %{state | lost: true}
  end

  defp give_back(%{lost: true}), do: :ok
  defp give_back(%{taken: false}), do: :ok

  defp give_back(%{set: set, former: former}) do
    ours? = fn ->
      match?({pid, _} when pid == self(), :erlang.system_monitor()) or
        (set == %{} and :erlang.system_monitor() == :undefined)
    end

    if ours?.(), do: return(former)
    :ok
  end

  defp return(former) do
    was =
      case former do
        nil ->
          :erlang.system_monitor(:undefined)

        %{pid: pid, options: options} ->
          if Process.alive?(pid), do: set(pid, options), else: :erlang.system_monitor(:undefined)
      end

    # Somebody came between: theirs is the newer wish.
    with {pid, options} when pid != self() <- was,
         true <- former == nil or former.pid != pid,
         do: set(pid, options)
  end
end
