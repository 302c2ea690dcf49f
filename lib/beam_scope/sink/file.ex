defmodule BeamScope.Sink.File do
  @moduledoc """
  Keeps a recording in a file that grows as it is recorded: `BeamScope.start(target, to: "monday.beamscope")`.

  Killed at any moment, the file opens with everything up to the last piece that was written: at most a second of events, and what
  waited, is missing.

  ## Options

    * `path:` the file
    * `overwrite:` whether a file that is there may be replaced (`false`)
    * `sync:` when the disk must have it, not only the operating system: `:close` when the recording ends (the default), `:chunk`
      after each piece, `:never`
  """

  @behaviour BeamScope.Sink

  @impl true
  def open(opts) do
    with {:ok, state} <- options(opts),
         {:ok, device} <-
           :file.open(state.path, [:raw, :binary, if(state.overwrite, do: :write, else: :exclusive)]),
         do: {:ok, Map.put(state, :device, device)}
  end

  defp options(opts) do
    state = %{path: opts[:path], overwrite: opts[:overwrite] || false, sync: opts[:sync] || :close}

    cond do
      not is_binary(state.path) ->
        {:error, "path: must be a string"}

      not is_boolean(state.overwrite) ->
        {:error, "overwrite: must be true or false"}

      state.sync not in [:close, :chunk, :never] ->
        {:error, "sync: must be :close, :chunk or :never"}

      unknown = Enum.find(Keyword.keys(opts), &(&1 not in [:path, :overwrite, :sync])) ->
        {:error, "#{unknown}: is unknown"}

      true ->
        {:ok, %{state | path: Path.expand(state.path)}}
    end
  end

  @impl true
  def write(piece, state) do
    with :ok <- :file.write(state.device, piece),
         :ok <- sync(state, :chunk),
         do: {:ok, state}
  end

  defp sync(%{sync: policy, device: device}, policy), do: :file.datasync(device)
  defp sync(_state, _policy), do: :ok

  @impl true
  def close(state) do
    synced = sync(state, :close)
    with :ok <- :file.close(state.device), do: synced
  end

  @impl true
  def read(opts) do
    with {:ok, %{path: path}} <- options(opts),
         {:ok, device} <- :file.open(path, [:raw, :binary, :read]),
         do: {:ok, Stream.resource(fn -> device end, &part/1, &:file.close/1)}
  end

  defp part(device) do
    case :file.read(device, 1_048_576) do
      {:ok, part} -> {[part], device}
      :eof -> {:halt, device}
    end
  end

  @impl true
  def path(%{path: path}), do: path
end
