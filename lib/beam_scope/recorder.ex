defmodule BeamScope.Recorder do
  @moduledoc """
  The control plane: what starts, changes and ends recordings.

  Nothing runs until the first recording, and nothing after the last. Each recording has a process
  (`BeamScope.Recorder.Server`); all have one hub (`BeamScope.Recorder.Hub`). Neither is linked to who asked.
  """

  alias BeamScope.{Error, Options, Recording}
  alias BeamScope.Recorder.{Hub, Server, Session, Shelf}
  alias BeamScope.Recording.Portable

  # What a freeze waits for: that what was committed before it is drained.
  @freeze_ms 1_000

  @doc "Starts a recording; it goes on until it is stopped, meets a limit or loses its owner."
  @spec start(term(), keyword()) :: {:ok, Recording.t()} | {:error, Error.t()}
  def start(targets, opts) do
    with {:ok, options} <- Options.validate(opts, :start),
         {:ok, recording, _} <- start_server(:start, targets, options) do
      {:ok, recording}
    end
  end

  @doc """
  Records what a function does: the calling process, what it starts, and the targets in `trace:`.

  The recording ends in any case. What the function raises, throws or exits with goes on as it was.
  """
  @spec record(keyword(), (() -> result)) :: {result, Recording.t()} when result: term()
  def record(opts, fun) when is_function(fun, 0) do
    case enter(opts) do
      {:ok, recording, entry} -> {run(fun, recording, entry), recording}
      {:error, error} -> raise error
    end
  end

  defp run(fun, recording, entry) do
    fun.()
  after
    leave(recording, entry)
    stop(recording)
  end

  @typedoc "What `leave/2` needs to know."
  @opaque entry :: map()

  @doc """
  Starts a recording of the calling process, what it starts, and the targets in `trace:`. The caller is traced from the
  return of this function on, until `leave/2`.
  """
  @spec enter(keyword() | term()) :: {:ok, Recording.t(), entry()} | {:error, Error.t()}
  def enter(opts) do
    {targets, opts} = targets(opts)

    with {:ok, options} <- Options.validate(opts, :record),
         {:ok, recording, entry} <- start_server(:record, targets, options) do
      join(recording, entry)
      {:ok, recording, entry}
    end
  end

  # `record(Counter, fun)` is short for `record([trace: Counter], fun)`.
  defp targets(opts) do
    if Keyword.keyword?(opts), do: {List.wrap(opts[:trace]), opts}, else: {List.wrap(opts), []}
  end

  # The calling process comes in last and goes out first, without a message.
  defp join(recording, %{session: session, native: native, flags: flags}) do
    native.recording_add_members(recording.native, [self()])
    if session.module != Session.Classic and flags != [], do: Session.trace(session, [self()], flags)
  end

  @doc "The calling process is traced no longer; the recording goes on."
  @spec leave(Recording.t(), entry()) :: term()
  def leave(recording, %{session: %{module: Session.Classic}, native: native}),
    do: native.recording_remove_members(recording.native, [self()])

  def leave(_recording, %{session: session}), do: Session.untrace(session, [self()], [:all])

  defp start_server(form, targets, options) do
    arguments = %{
      id: next_id(),
      form: form,
      given: targets,
      options: options,
      caller: self(),
      keeper: keeper(options)
    }

    case Hub.start_recorder(arguments) do
      {:ok, pid} -> Server.await(pid)
      {:error, reason} -> {:error, Error.new(:setup_failed, reason)}
    end
  catch
    :exit, {reason, _} -> {:error, Error.new(:setup_failed, reason)}
  end

  defp keeper(%{internal: %{keeper: owner}}), do: with({:ok, keeper} <- Hub.keeper(owner), do: keeper)
  defp keeper(_options), do: nil

  @doc "Ends a recording. Its data stays; to stop twice is no error."
  @spec stop(Recording.t(), atom()) :: {:ok, Recording.t()} | {:error, Error.t()}
  def stop(%Recording{} = recording, reason \\ :requested) do
    # To ask how it stands ends what nobody else could end.
    if ask(recording, {:stop, reason}) == :gone and closed?(recording),
      do: {:error, Error.new(:closed, recording.id)},
      else: {:ok, recording}
  end

  @doc "What a recording holds now, as a recording that has ended; the other goes on."
  @spec freeze(Recording.t()) :: {:ok, Recording.t()} | {:error, Error.t()}
  def freeze(%Recording{} = recording) do
    case native(recording).recording_freeze(recording.native, @freeze_ms) do
      {:ok, frozen} -> {:ok, %{recording | id: next_id(), native: frozen, pid: nil}}
      {:error, {:closed, _}} -> {:error, Error.new(:closed, recording.id)}
      {:error, reason} -> {:error, Error.from_native(reason)}
    end
  end

  @doc "Puts a recording that nobody holds where `last/0` finds it."
  @spec keep(Recording.t()) :: :ok
  def keep(%Recording{} = recording), do: Shelf.put(recording)

  @doc "Ends a recording and frees its data."
  @spec close(Recording.t()) :: :ok
  def close(%Recording{} = recording) do
    ask(recording, {:stop, :closed})
    _ = native(recording).recording_close(recording.native)
    Shelf.delete(recording.id)
  end

  @doc "Changes the level of a running recording."
  @spec set_level(Recording.t(), atom()) :: {:ok, Recording.t()} | {:error, Error.t()}
  def set_level(%Recording{} = recording, level) do
    with {:ok, level} <- Options.validate_level(level) do
      case ask(recording, {:set_level, level}) do
        :gone -> {:error, ended(recording)}
        answer -> answer
      end
    end
  end

  defp ended(recording) do
    case info(recording) do
      {:ok, info} -> Error.new(:stopped, info[:stop_reason])
      {:error, error} -> error
    end
  end

  @doc "All recordings that were not closed, the oldest first: the running ones and the latest of the others."
  @spec list() :: [Recording.t()]
  def list, do: Shelf.list()

  @doc "The recording that was started last, or `nil`."
  @spec last() :: Recording.t() | nil
  def last, do: List.last(list())

  @doc "Closes all recordings."
  @spec clear() :: :ok
  def clear, do: Enum.each(list(), &close/1)

  @doc "How a recording stands: the account of the native library and what the recorder knows."
  @spec info(Recording.t()) :: {:ok, map()} | {:error, Error.t()}
  def info(%Recording{} = recording) do
    case told(recording) do
      {:ok, %{} = info} -> {:ok, with_meta(info, recording)}
      {:error, {:closed, _}} -> {:error, Error.new(:closed, recording.id)}
      {:error, :closed} -> {:error, Error.new(:closed, recording.id)}
      {:error, reason} -> {:error, Error.from_native(reason)}
      %{} = info -> {:ok, with_meta(info, recording)}
    end
  end

  defp told(%{native: data, pid: pid} = recording) do
    native = native(recording)

    case native.recording_info(data) do
      %{status: :running} when is_pid(pid) ->
        unless Process.alive?(pid), do: orphaned(recording)
        native.recording_info(data)

      info ->
        info
    end
  end

  @doc "Ends the data half of a recording whose recorder is gone: usually the hub has done so, unless it was killed as well."
  @spec orphaned(Recording.t()) :: :ok
  def orphaned(recording), do: Server.stop_native(native(recording), recording.native, :recorder_down)

  defp with_meta(info, recording) do
    known = %{
      id: recording.id,
      level: recording.level,
      targets: recording.targets,
      started_at: recording.started_at
    }

    info |> Map.merge(known) |> Map.merge(meta(info))
  end

  # What the recorder wrote down; of a recording that was loaded, in the form that it has in files.
  defp meta(info) do
    case Portable.decode(info[:meta], info[:foreign] != false) do
      {:ok, %{notes: _} = ours} -> Map.delete(ours, :id)
      _ -> if is_map(info[:meta]) and is_map_key(info.meta, :notes), do: info.meta, else: %{}
    end
  end

  @doc "What a file is to say of a recording, from its native info; `nil` where the file that it came from has that already."
  @spec portable_meta(map()) :: binary() | nil
  def portable_meta(%{meta: %{notes: _} = meta}), do: Portable.encode(meta)
  def portable_meta(_info), do: nil

  @doc "The handle of a recording that was loaded."
  @spec loaded(reference()) :: Recording.t()
  def loaded(native) do
    recording = %Recording{id: next_id(), native: native}
    {:ok, info} = info(recording)
    started_at = info[:started_at_unix_ns] && DateTime.from_unix!(info.started_at_unix_ns, :nanosecond)

    %{
      recording
      | level: info[:level],
        targets: info[:targets] || [],
        started_at: started_at,
        meta: (is_map(info[:meta]) && info.meta) || %{}
    }
  end

  @doc "Starts a helper process under BeamScope's own, neither linked to the caller nor traced with it."
  @spec start_helper(map()) :: {:ok, pid()} | {:error, term()}
  def start_helper(child), do: Hub.start_helper(child)

  @doc "The same for a `GenServer` module and its argument; what it refuses to start with is an error of ours."
  @spec start_helper(module(), term()) :: {:ok, pid()} | {:error, Error.t()}
  def start_helper(module, argument) do
    case Hub.start_helper(%{id: module, start: {GenServer, :start_link, [module, argument]}}) do
      {:ok, pid} -> {:ok, pid}
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, Error.new(:setup_failed, reason)}
    end
  end

  @doc "Writes a recording to a file, with what is known of it: the bytes of the file."
  @spec save(Recording.t(), Path.t()) :: {:ok, non_neg_integer()} | {:error, term()}
  def save(%Recording{native: data}, path),
    do: BeamScope.Native.save(data, Path.expand(path), portable_meta(BeamScope.Native.recording_info(data)))

  @doc "A number for a recording, unique in this virtual machine and growing."
  @spec next_id() :: pos_integer()
  def next_id, do: System.unique_integer([:positive, :monotonic])

  # A recorder that has ended was heard: it has undone everything.
  defp ask(%Recording{pid: pid}, request) when is_pid(pid) do
    GenServer.call(pid, request, :infinity)
  catch
    :exit, _ -> :gone
  end

  defp ask(_, _), do: :gone

  defp closed?(recording), do: match?({:error, %Error{reason: :closed}}, info(recording))

  # Another native module than the usual one, as tests bring, marks its data with its name.
  defp native(%Recording{native: {module, _}}), do: module
  defp native(_), do: BeamScope.Native
end
