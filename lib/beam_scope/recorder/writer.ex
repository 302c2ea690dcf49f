defmodule BeamScope.Recorder.Writer do
  @moduledoc """
  Takes a recording out of memory while it is recorded, piece by piece, to a `BeamScope.Sink`.

  It asks the core for what is new, which indexes what waits, and hands it on; slowly where little comes, without a pause where much
  does. It ends when the recording has: asked by the recorder, or by itself when that was killed.
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Error

  @poll_ms 50
  # How long the core works at once, and how old what was not written may become.
  @work_ms 20
  @age_ms 1_000

  @typedoc "How it went: what `info/1` shows as `sink`."
  @type report :: %{to: term, bytes: non_neg_integer, events: non_neg_integer, error: String.t() | nil}

  @doc "Starts to write the recording of the calling recorder."
  @spec start({module, keyword}, reference) :: {:ok, pid} | {:error, Error.t()}
  def start(sink, data) do
    child = %{id: __MODULE__, start: {GenServer, :start_link, [__MODULE__, {sink, data, self()}]}}

    case BeamScope.Recorder.start_helper(child) do
      {:ok, pid} -> {:ok, pid}
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, Error.new(:sink, %{sink: sink, reason: reason})}
    end
  end

  @doc "The recording has stopped: writes what is left. Takes as long as that takes."
  @spec finish(pid) :: report
  def finish(writer) do
    GenServer.call(writer, :finish, :infinity)
  catch
    :exit, reason -> %{to: nil, bytes: 0, events: 0, error: inspect(reason, limit: 8)}
  end

  @impl true
  def init({{module, opts} = sink, data, recorder}) do
    Process.monitor(recorder)
    Process.flag(:trap_exit, true)

    state = %{
      module: module,
      opts: opts,
      data: data,
      recorder: recorder,
      sink: nil,
      bytes: 0,
      events: 0,
      error: nil
    }

    with {:ok, opened} <- call(module, :open, [opts]),
         {:ok, piece} <- BeamScope.Native.stream_begin(data, meta(data)) do
      send(self(), :poll)
      {:ok, write(%{state | sink: opened}, piece, 0)}
    else
      {:error, reason} -> {:stop, Error.new(:sink, %{sink: sink, reason: reason})}
      other -> {:stop, Error.new(:sink, %{sink: sink, reason: {:bad_return, other}})}
    end
  end

  @impl true
  def handle_call(:finish, _from, state) do
    state = state |> drain() |> close()
    {:stop, :normal, report(state), state}
  end

  @impl true
  def handle_info(:poll, state) do
    case next(state) do
      {:more, state} -> again(state, 0)
      {:done, state} -> again(state, @poll_ms)
      {:ended, state} -> {:stop, :normal, state}
    end
  end

  # The recorder was killed: the hub stops the recording, and then there is an end to write.
  def handle_info({:DOWN, _, :process, pid, _}, %{recorder: pid} = state) do
    Process.send_after(self(), :orphaned, @age_ms)
    {:noreply, state}
  end

  def handle_info(:orphaned, state), do: {:stop, :normal, state |> drain() |> close()}
  def handle_info(_other, state), do: {:noreply, state}

  defp again(state, ms) do
    Process.send_after(self(), :poll, ms)
    {:noreply, state}
  end

  defp next(%{error: error} = state) when error != nil, do: {:done, state}

  defp next(state) do
    case BeamScope.Native.stream_next(state.data, @work_ms, @age_ms) do
      {:ok, piece, events} -> {:more, write(state, piece, events)}
      :none -> {:done, state}
      {:error, {:closed, _}} -> {:ended, close(state)}
      {:error, {_reason, detail}} -> {:done, failed(state, detail)}
    end
  end

  defp drain(state) do
    case next(state) do
      {:more, state} -> drain(state)
      {_, state} -> state
    end
  end

  defp write(state, piece, events) do
    case call(state.module, :write, [piece, state.sink]) do
      {:ok, sink} ->
        written(
          %{state | sink: sink, bytes: state.bytes + byte_size(piece), events: state.events + events},
          events
        )

      {:error, reason} ->
        failed(state, reason)

      other ->
        failed(state, {:bad_return, other})
    end
  end

  # Memory lets go of what can be read back.
  defp written(%{module: module} = state, events) when events > 0 do
    with true <- function_exported?(module, :path, 1),
         path when is_binary(path) <- call(module, :path, [state.sink]),
         {:error, {_, detail}} <- BeamScope.Native.stream_written(state.data, path) do
      failed(state, detail)
    else
      _ -> state
    end
  end

  defp written(state, _events), do: state

  defp failed(state, reason) do
    text = describe(reason)
    send(state.recorder, {:sink_failed, text})
    _ = call(state.module, :close, [state.sink])
    %{state | error: text}
  end

  defp close(%{error: error} = state) when error != nil, do: state

  defp close(state) do
    state =
      case BeamScope.Native.stream_end(state.data, meta(state.data)) do
        {:ok, piece} -> write(state, piece, 0)
        {:error, {:closed, _}} -> state
        {:error, {_reason, detail}} -> failed(state, detail)
      end

    case state.error || call(state.module, :close, [state.sink]) do
      :ok -> state
      {:error, reason} -> %{state | error: describe(reason)}
      _ -> state
    end
  end

  defp meta(data), do: BeamScope.Recorder.portable_meta(BeamScope.Native.recording_info(data))

  defp call(module, function, arguments) do
    apply(module, function, arguments)
  rescue
    error -> {:error, Exception.message(error)}
  catch
    kind, reason -> {:error, {kind, reason}}
  end

  defp report(state),
    do: %{to: {state.module, state.opts}, bytes: state.bytes, events: state.events, error: state.error}

  @doc "An error of a sink in words."
  @spec describe(term) :: String.t()
  def describe(:eexist), do: "it exists already; give another path, or overwrite: true"
  def describe(:enospc), do: "the disk is full"
  def describe(reason) when is_atom(reason), do: "#{:file.format_error(reason)} (#{inspect(reason)})"
  def describe(reason) when is_binary(reason), do: reason
  def describe(reason), do: inspect(reason, limit: 8, printable_limit: 120)
end
