defmodule BeamScope.Recorder.Flight.Latencies do
  @moduledoc """
  How long calls of one function take, from its calls and returns as they come; those that run on are found out by the clock.
  """

  alias BeamScope.Terminal.{Style, Term}

  # Processes whose calls are followed at once.
  @most 10_000

  @enforce_keys [:mfa, :limit_ns]
  defstruct [:mfa, :limit_ns, open: %{}]

  @type t :: %__MODULE__{mfa: mfa, limit_ns: pos_integer, open: %{term => [map]}}

  @doc "Calls of a function that take so many milliseconds."
  @spec new(mfa, pos_integer) :: t
  def new(mfa, ms), do: %__MODULE__{mfa: mfa, limit_ns: ms * 1_000_000}

  @doc "Takes the next event of the function."
  @spec event(t, BeamScope.Event.t()) :: {[{:latency, String.t()}], t}
  def event(%{open: open} = state, %{kind: :call} = event) do
    # Read a little after it happened: a call that runs on is told of that much later.
    call = %{
      at_ns: event.at_ns,
      since: System.monotonic_time(:nanosecond),
      who: event.name || event.pid,
      told: false
    }

    if map_size(open) < @most or is_map_key(open, event.track),
      do: {[], put_in(state.open[event.track], [call | open[event.track] || []])},
      else: {[], state}
  end

  def event(%{open: open} = state, event) do
    case open[event.track] do
      [call | rest] ->
        open = if rest == [], do: Map.delete(open, event.track), else: Map.put(open, event.track, rest)
        took = event.at_ns - call.at_ns
        slow = took >= state.limit_ns and not call.told
        {if(slow, do: [found(state, call, "took #{Style.time(took)}")], else: []), %{state | open: open}}

      nil ->
        {[], state}
    end
  end

  @doc "Those that have been running for longer, each once."
  @spec late(t) :: {[{:latency, String.t()}], t}
  def late(%{open: open} = state) do
    now = System.monotonic_time(:nanosecond)
    late = for {track, calls} <- open, call <- calls, late?(state, call, now), do: {track, call}

    found =
      for {_track, call} <- late,
          do: found(state, call, "has been running for #{Style.time(now - call.since)}")

    open =
      late
      |> Enum.uniq_by(&elem(&1, 0))
      |> Enum.reduce(open, fn {track, _}, open ->
        Map.update!(open, track, fn calls -> Enum.map(calls, &tell(state, &1, now)) end)
      end)

    {found, %{state | open: open}}
  end

  defp late?(state, call, now), do: not call.told and now - call.since >= state.limit_ns
  defp tell(state, call, now), do: %{call | told: call.told or late?(state, call, now)}

  defp found(%{mfa: {m, f, a}}, call, text) do
    function = if a == :_, do: "#{inspect(m)}.#{f}", else: Exception.format_mfa(m, f, a)
    {:latency, "#{function} in #{Term.text(call.who, 60)} #{text}"}
  end
end
