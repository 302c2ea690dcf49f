defmodule BeamScope.FlightRecorder do
  @moduledoc """
  A flight recorder as a child of a supervisor: it starts with the application and is there when something happens.

      children = [
        MyApp.Repo,
        MyApp.Orders,
        {BeamScope.FlightRecorder,
         target: {:app, :my_app}, level: :states, freeze_on: [:crash], to: "/var/log/my_app/flights", files: 20}
      ]

  Put it behind what it is to record. `target:` is what `BeamScope.start/2` takes first, all other options are that function's, with
  `mode: :ring` and the level `:crashes` unless said otherwise; `name:` registers the process. The recording's owner is this process.

  It does not take the application down: a mistake in the options is an error at the start, but where the virtual machine or the targets
  refuse to be recorded that is logged and the rest starts without it. When the recording ends for another reason than its owner's end, that
  is logged too, and it is not started again.
  """

  use GenServer, restart: :transient
  use BeamScope.Recorder.Discreet

  require Logger

  alias BeamScope.{Error, Recording}

  @mistakes [:unknown_option, :invalid_option, :invalid_target, :no_targets, :no_such_function, :needs_force]

  @doc """
  Starts it, linked to the caller.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {:ok, recorder} = BeamScope.FlightRecorder.start_link(target: agent, keep: [ms: 10_000])
      iex> rec = BeamScope.FlightRecorder.recording(recorder)
      iex> BeamScope.info(rec).status
      :running
      iex> GenServer.stop(recorder)
      iex> BeamScope.close(rec)
      :ok
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts) do
    {own, opts} = Keyword.split(opts, [:name])
    GenServer.start_link(__MODULE__, opts, own)
  end

  @doc "The recording, for `BeamScope.freeze/1` and every question."
  @spec recording(GenServer.server()) :: Recording.t()
  def recording(server), do: GenServer.call(server, :recording)

  @impl true
  def init(opts) do
    {target, opts} = Keyword.pop(opts, :target, [])

    case BeamScope.start(target, Keyword.merge([mode: :ring, level: :crashes], opts)) do
      {:ok, rec} ->
        Process.monitor(rec.pid)
        {:ok, rec}

      {:error, %Error{reason: reason} = error} when reason in @mistakes ->
        {:stop, error}

      {:error, error} ->
        Logger.error("BeamScope does not record: " <> Exception.message(error))
        :ignore
    end
  end

  @impl true
  def handle_call(:recording, _from, rec), do: {:reply, rec, rec}

  @impl true
  def handle_info({:DOWN, _, :process, pid, _}, %Recording{pid: pid} = rec) do
    Logger.warning("BeamScope's flight recorder has ended#{why(rec)}")
    {:stop, :normal, rec}
  end

  def handle_info(_other, rec), do: {:noreply, rec}

  defp why(rec) do
    ": #{BeamScope.info(rec).stop_reason}"
  rescue
    _closed in Error -> ""
  end
end
