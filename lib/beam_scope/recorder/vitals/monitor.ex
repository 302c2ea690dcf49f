defmodule BeamScope.Recorder.Vitals.Monitor do
  @moduledoc """
  Where a recording's helper gets the virtual machine's own warnings from.

  From OTP 28 on from a trace session of its own (`trace:system/3`): others' monitors are neither seen nor touched. Before that a node
  has one system monitor, which `Vitals.Shared` takes over, shares and gives back. On the releases where the end of any session
  switches off others' traces of built-in functions (see `Session.Builtins`) none is opened for this.
  """

  @compile {:no_warn_undefined, :trace}

  alias BeamScope.Recorder.Session.Builtins
  alias BeamScope.Recorder.Vitals.Shared

  @kinds [:long_gc, :long_schedule, :large_heap, :long_message_queue, :busy_port, :busy_dist_port]

  defstruct [:how, :handle, :former, settings: %{}, queues: false, paused: false]

  @type t :: %__MODULE__{how: :session | :shared | :none}

  @doc "What is asked of the virtual machine, from the options of `system:`."
  @spec settings(map()) :: %{atom() => term()}
  def settings(options) do
    for kind <- @kinds,
        value = Map.get(options, kind, false),
        value != false,
        into: %{},
        do: {kind, setting(kind, value)}
  end

  # A queue counts as short again at a tenth.
  defp setting(:long_message_queue, n), do: {div(n, 10), n}
  defp setting(_kind, value), do: value

  @doc "Switches the warnings on for the calling process; answers what has to be said about it."
  @spec open(map()) :: {t(), [String.t()]}
  def open(options) do
    settings = settings(options)

    cond do
      settings == %{} -> {%__MODULE__{how: :none}, []}
      sessions?() -> {session(settings), []}
      true -> shared(settings)
    end
  end

  @doc "Whether the virtual machine has system monitors of trace sessions."
  @spec sessions?() :: boolean()
  def sessions?,
    do: Code.ensure_loaded?(:trace) and function_exported?(:trace, :system, 3) and Builtins.independent?()

  defp session(settings) do
    handle = apply(:trace, :session_create, [:beam_scope_system, self(), []])
    set(handle, settings)
    %__MODULE__{how: :session, handle: handle, settings: settings, queues: true}
  end

  defp shared(settings) do
    case Shared.subscribe(settings) do
      {:ok, pid, %{former: former, queues: queues}} ->
        Process.monitor(pid)
        monitor = %__MODULE__{how: :shared, handle: pid, settings: settings, former: former, queues: queues}
        {monitor, said(former)}

      {:error, reason} ->
        {%__MODULE__{how: :none},
         ["the system monitor could not be taken over (#{inspect(reason, limit: 5)}): there are samples only"]}
    end
  end

  defp said(nil), do: []

  defp said({pid, _options}),
    do: [
      "the system monitor of #{inspect(pid)} was taken over for this recording: it still gets every message that it asked for, " <>
        "and has it back when no recording needs it any more"
    ]

  @doc "Nothing more is told until `resume/1`."
  @spec pause(t()) :: t()
  def pause(%{how: :session, handle: handle, settings: settings} = monitor) do
    set(handle, Map.new(settings, fn {kind, _} -> {kind, false} end))
    %{monitor | paused: true}
  end

  def pause(%{how: :shared, handle: pid} = monitor) do
    Shared.pause(pid, true)
    %{monitor | paused: true}
  end

  def pause(monitor), do: monitor

  @doc "Goes on after `pause/1`."
  @spec resume(t()) :: t()
  def resume(%{paused: false} = monitor), do: monitor

  def resume(%{how: :session} = monitor) do
    set(monitor.handle, monitor.settings)
    %{monitor | paused: false}
  end

  def resume(%{how: :shared} = monitor) do
    Shared.pause(monitor.handle, false)
    %{monitor | paused: false}
  end

  @doc "A message that the holder of a monitor got: whether it says that the monitor is lost."
  @spec heard(t() | nil, term()) :: {:lost, t(), String.t()} | :unknown
  def heard(%{how: :shared, handle: pid} = monitor, {:DOWN, _, :process, pid, _reason}) do
    Shared.restore(monitor.former)

    {:lost, gone(monitor),
     "the process that shared the system monitor was killed: from here on there are samples only"}
  end

  def heard(%{how: :shared, handle: pid} = monitor, {:sysmon_lost, pid, by}) do
    {:lost, gone(monitor),
     "#{by} has set the system monitor meanwhile: from here on there are samples only, and nothing is given back"}
  end

  def heard(_monitor, _message), do: :unknown

  defp gone(monitor), do: %{monitor | how: :none, handle: nil, former: nil}

  @doc "Switches off what was switched on, and gives back what was taken over."
  @spec close(t()) :: :ok
  def close(%{how: :session, handle: handle}) do
    _ = apply(:trace, :session_destroy, [handle])
    :ok
  end

  def close(%{how: :shared, handle: pid}), do: Shared.unsubscribe(pid)
  def close(_monitor), do: :ok

  defp set(session, settings),
    do: Enum.each(settings, fn {kind, value} -> apply(:trace, :system, [session, kind, value]) end)
end
