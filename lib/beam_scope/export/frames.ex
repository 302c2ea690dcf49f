defmodule BeamScope.Export.Frames do
  @moduledoc false
  # What each process is in the middle of: the calls that have not returned and the message that is being handled, as a stack. Fed
  # with Steps.stream/2 it answers what opens and what closes, always nested: whatever is missing (a return that was lost) is closed
  # with what encloses it, and marked as unfinished.

  alias BeamScope.{Event, Transition}
  alias BeamScope.Export.{End, Words}

  defmodule Frame do
    @moduledoc false
    # `id` is its key among all frames of an export, `parent` that of the frame around it or `nil`; `what` the call's event or the
    # transition.
    @enforce_keys [:id, :kind, :track, :at_ns, :what]
    defstruct [:id, :kind, :track, :at_ns, :what, :function, :parent]
  end

  @typedoc "How a frame ended: by this event, this transition, or not at all within the export."
  @type how :: {:return | :exception, Event.t()} | {:handled, Transition.t()} | :unfinished
  @type action :: {:open, %Frame{}} | {:close, %Frame{}, at_ns :: non_neg_integer, how}
  @opaque t :: %{non_neg_integer => [%Frame{}]}

  @doc "Nothing is open."
  @spec new() :: t
  def new, do: %{}

  @doc "What the next item of a stream opens and closes, in this order."
  @spec step(t, term) :: {[action], t}
  def step(frames, %Event{kind: :call} = event) do
    frame = %Frame{
      id: event.moment.seq,
      kind: :call,
      track: event.track,
      at_ns: event.at_ns,
      what: event,
      function: Words.arity(event.mfa)
    }

    open(frames, frame)
  end

  def step(frames, %Event{kind: kind} = event) when kind in [:return, :exception] do
    function = Words.arity(event.mfa)
    close(frames, event.track, &same?(&1.function, function), event.at_ns, {kind, event})
  end

  def step(frames, %Event{kind: :exit} = event), do: close_all(frames, event.track, event.at_ns)

  def step(frames, {:begin, %Transition{track: track, began: began} = t}) do
    # One message at a time: what was taken up before it has ended, though that was not seen.
    {closed, frames} = close(frames, track, &(&1.kind == :handled), began.at_ns, :unfinished)
    {opened, frames} = open(frames, handled(t))
    {closed ++ opened, frames}
  end

  def step(frames, {:end, %Transition{track: track, began: began, moment: moment} = t}),
    do: close(frames, track, &(&1.id == {:handled, began.seq}), moment.at_ns, {:handled, t})

  # Told whole when it was over: it has no time of its own.
  def step(frames, {:at, %Transition{kind: kind} = t}) when kind not in [:read, :gap, :changed] do
    {[{:open, frame}], _} = open(frames, handled(t))
    {[{:open, frame}, {:close, frame, t.moment.at_ns, {:handled, t}}], frames}
  end

  def step(frames, %End{last_ns: last_ns}) do
    tracks = frames |> Map.keys() |> Enum.sort()
    Enum.flat_map_reduce(tracks, frames, &close_all(&2, &1, last_ns))
  end

  def step(frames, _other), do: {[], frames}

  @doc "The innermost open frame of a process, or `nil`."
  @spec top(t, non_neg_integer) :: %Frame{} | nil
  def top(frames, track), do: frames |> Map.get(track, []) |> List.first()

  defp handled(t),
    do: %Frame{id: {:handled, t.began.seq}, kind: :handled, track: t.track, at_ns: t.began.at_ns, what: t}

  defp open(frames, %Frame{track: track} = frame) do
    frame = %{frame | parent: with(%Frame{id: id} <- top(frames, track), do: id)}
    {[{:open, frame}], Map.update(frames, track, [frame], &[frame | &1])}
  end

  # Down to the one that is meant; a return never ends the handling of the message that it happened in.
  defp close(frames, track, meant?, at_ns, how) do
    stack = Map.get(frames, track, [])

    case Enum.split_while(stack, &(not meant?.(&1))) do
      {_, []} ->
        {[], frames}

      {above, [frame | below]} ->
        if returned?(how) and Enum.any?(above, &(&1.kind == :handled)),
          do: {[], frames},
          else:
            {Enum.map(above, &unfinished(&1, at_ns)) ++ [{:close, frame, at_ns, how}],
             put(frames, track, below)}
    end
  end

  defp returned?({kind, _event}), do: kind in [:return, :exception]
  defp returned?(_how), do: false

  defp close_all(frames, track, at_ns) do
    {stack, frames} = Map.pop(frames, track, [])
    {Enum.map(stack, &unfinished(&1, at_ns)), frames}
  end

  defp unfinished(frame, at_ns), do: {:close, frame, at_ns, :unfinished}

  defp put(frames, track, []), do: Map.delete(frames, track)
  defp put(frames, track, stack), do: Map.put(frames, track, stack)

  defp same?({m, f, a}, {m, f, b}), do: a == b or a == :_ or b == :_
  defp same?(one, other), do: one == other
end
