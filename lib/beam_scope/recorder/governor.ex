defmodule BeamScope.Recorder.Governor do
  @moduledoc """
  Keeps a recording within a budget: `level: :auto`.

  A process beside the recorder. Every 50 ms (100, while it costs next to nothing; 25 in the beginning and once the budget was crossed) it reads what tracing has cost (`Governor.Meter`), decides (`Governor.Control`), and
  asks the recorder to do what it decided (`Governor.Hands`). It runs at high priority, so that it runs when nothing else does, and is
  itself never recorded.

  The cost is the time that tracing takes: of each kind of event, how many there were times what one costs the virtual machine
  (`Governor.Cost`), and the time in our callbacks, of which every 61st is timed, and the time of the thread that collects the
  events. Where recordings share a tracer (Erlang/OTP 25 and 26) that is the cost of all of them.

  Of a process that is only watched the end is recorded, by a monitor of the recorder's. Its states and messages are not, nor are the
  names it takes, its links and what it starts; who asks for its state hears that it was not recorded then, and why. `info/1` says how
  many are watched, and in `unseen` what is not known of them. They are 64 at most.

  ## Levels over time
  The controller in simulation, over a minute; a column is a second. `#`: states of all processes; `w`: some are only watched; `2`, `4`,
  `8`, `x`: states of every second, fourth, eighth, sixteenth process; `c`: crashes; `.`: off.

        a step               ##########xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
      a step, one process  ##########wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww
      a ramp               #########222222244444444888888888888xxxxxxxxxxxcccccccccccc.
      a sawtooth, recover  ####22224444888888xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
      bursts, recover      ###############cccccccccc#####cccccccccccccccccccccccccccccc
      too much, recover    ##########..................................................
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Recorder.Governor.{Control, Cost, Meter}

  @tick_ms 50
  # Where a second sample decides, and where nothing is known yet.
  @close_tick_ms 25
  # While next to nothing happens: each wakes a core that could sleep.
  @calm_tick_ms 100
  # The library wakes the governor as soon as events come. What it cannot see, that processes are scheduled and do nothing that is
  # recorded, waits for so long.
  @idle_tick_ms 2_000
  # Where memory counts, or time itself (before a step up), somebody has to look.
  @watchful_tick_ms 500

  @doc "Starts the governor of the calling recorder."
  @spec start(map()) :: {:ok, pid()} | {:error, BeamScope.Error.t()}
  def start(arguments),
    do: BeamScope.Recorder.start_helper(__MODULE__, Map.put(arguments, :recorder, self()))

  @doc "The recording has ended."
  @spec stop(pid()) :: :ok
  def stop(governor), do: GenServer.cast(governor, :stop)

  @doc "The level was set by hand."
  @spec set(pid(), atom()) :: :ok
  def set(governor, level), do: GenServer.cast(governor, {:set, level})

  @doc "A process that was only watched has ended."
  @spec gone(pid(), pid()) :: :ok
  def gone(governor, pid), do: GenServer.cast(governor, {:gone, pid})

  @doc "A process took the place of one that was only watched."
  @spec follows(pid(), pid()) :: :ok
  def follows(governor, pid), do: GenServer.cast(governor, {:follows, pid})

  @impl true
  def init(%{recorder: recorder} = arguments) do
    Process.flag(:priority, :high)
    Process.monitor(recorder)
    budget = arguments.overhead

    control =
      Control.new(
        budget: budget,
        memory: arguments.memory,
        recover: arguments.recover,
        floors: arguments.floors,
        rung: {:level, arguments.level}
      )

    meter =
      Meter.new(
        native: arguments.native,
        data: arguments.data,
        floors: arguments.floors,
        budget: budget,
        memory?: arguments.memory != nil,
        recover: arguments.recover
      )

    {:ok, tick(%{control: control, meter: meter, recorder: recorder, timer: nil}, @close_tick_ms)}
  end

  @impl true
  def handle_cast(:stop, state), do: {:stop, :normal, state}

  def handle_cast({:follows, pid}, state),
    do: {:noreply, %{state | control: Control.follows(state.control, pid)}}

  def handle_cast({:gone, pid}, state), do: {:noreply, %{state | control: Control.gone(state.control, pid)}}
  def handle_cast({:set, level}, state), do: {:noreply, %{state | control: Control.set(state.control, level)}}

  @impl true
  def handle_info({:timeout, timer, :tick}, %{timer: timer} = state) do
    case Meter.sample(state.meter, state.control.watched) do
      :ended ->
        {:stop, :normal, state}

      {sample, meter} ->
        {control, actions} = Control.step(state.control, sample)
        act(actions, next(%{state | control: control, meter: meter}, sample))
    end
  end

  # Something happens again. The time without anything is none of the next sample's.
  def handle_info(:wake, state) do
    :erlang.cancel_timer(state.timer, async: true, info: false)
    {:noreply, tick(%{state | meter: Meter.begin_anew(state.meter)}, @close_tick_ms)}
  end

  def handle_info({:looked, found}, state), do: {:noreply, %{state | meter: Meter.looked(state.meter, found)}}
  def handle_info({:DOWN, _, :process, pid, _}, %{recorder: pid} = state), do: {:stop, :normal, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state), do: Meter.stop(state.meter)

  # To look wakes schedulers, which stay awake for a while: where nothing happens it is the library that says when that ends.
  defp next(state, sample) do
    cond do
      Control.doubtful?(state.control) -> tick(state, @close_tick_ms)
      Meter.idle?(sample) -> tick(%{state | meter: Meter.sleep(state.meter)}, idle_ms(state.control))
      Meter.calm?(state.meter, sample) -> tick(state, @calm_tick_ms)
      true -> tick(state, @tick_ms)
    end
  end

  defp idle_ms(%{memory: nil, recover: false}), do: @idle_tick_ms
  defp idle_ms(_control), do: @watchful_tick_ms

  defp tick(state, ms), do: %{state | timer: :erlang.start_timer(ms, self(), :tick)}

  defp act([], state), do: {:noreply, state}

  defp act([action | rest], state) do
    :ok = GenServer.call(state.recorder, {:govern, action}, :infinity)
    act(rest, state)
  catch
    # The recorder has ended: so has the recording.
    :exit, _ -> {:stop, :normal, state}
  end

  @doc "What an event costs here, measured once: for who starts a governor, before anything of his is traced."
  @spec floors() :: Cost.t()
  def floors, do: Cost.floors()
end
