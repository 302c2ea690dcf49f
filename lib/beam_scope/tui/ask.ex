defmodule BeamScope.Tui.Ask do
  @moduledoc """
  What the viewer asks of a recording for one picture.
  """

  alias BeamScope.{Error, Event, Moment, Recording, Replay, Transition, Unknown, World}
  alias BeamScope.Recording.Query
  alias BeamScope.Terminal.Shown

  # More than fits on a screen; all are counted.
  @messages 100

  @doc "The world at the cursor; the one at hand, if it is that. States are asked for those that are seen."
  @spec world(World.t() | nil, Replay.t()) :: World.t()
  def world(%World{moment: %{seq: seq}} = world, %Replay{moment: %{seq: seq}}), do: world
  def world(_other, cursor), do: Replay.world(cursor, states: false, messages: @messages)

  @doc "The state of a track at a moment."
  @spec state(Recording.t(), non_neg_integer, Moment.t()) :: {:ok, term} | {:error, Error.t()}
  def state(rec, track, moment), do: BeamScope.state_at(rec, track, moment)

  @doc "The state to show of a track: of one that has ended the last that is known."
  @spec state(Recording.t(), non_neg_integer, Moment.t(), Transition.t() | nil) ::
          {:ok | :last, term} | {:error, Error.t()}
  def state(rec, track, moment, step) do
    case {state(rec, track, moment), step} do
      {{:error, %Error{reason: :not_alive}}, %Transition{to: state}}
      when not is_nil(state) and not is_struct(state, Unknown) ->
        {:last, state}

      {state, _} ->
        state
    end
  end

  @doc "Such a state as its module wants it shown."
  @spec shown({atom, term}, module | nil) :: {atom, term}
  def shown({known, state}, module) when known in [:ok, :last], do: {known, Shown.state(module, state)}
  def shown(unknown, _module), do: unknown

  @doc "The last thing that a track handled up to the cursor, or `nil`."
  @spec step(Replay.t(), non_neg_integer) :: Transition.t() | nil
  def step(%Replay{event: %{track: track}} = cursor, track) do
    case Replay.transition(cursor) do
      {:ok, step} -> step
      {:error, _} -> before(cursor, track)
    end
  end

  def step(cursor, track), do: before(cursor, track)

  defp before(cursor, track) do
    with {:ok, found} <- Replay.prev(cursor, by: :message, process: track),
         {:ok, step} <- Replay.transition(found),
         do: step,
         else: (_ -> nil)
  end

  @doc """
  How a track ended: its exit, where it was over by then, or where what it handled last failed: the reason with its stack comes
  only then. `nil` for one that lives on.
  """
  @spec ending(Recording.t(), non_neg_integer, World.member() | nil, Transition.t() | nil) :: Event.t() | nil
  def ending(_rec, _track, member, %{result: result}) when member != nil and not is_tuple(result), do: nil
  def ending(_rec, _track, member, nil) when member != nil, do: nil

  def ending(rec, track, _member, _step) do
    case Query.events(rec, process: track, kind: :exit, order: :desc, limit: 1) do
      {:ok, %{events: [exit]}} -> exit
      _ -> nil
    end
  end

  @doc "The ends of a recording: the numbers of its first and its last event, and when the last one was."
  @spec ends(Recording.t()) :: {non_neg_integer, non_neg_integer, non_neg_integer}
  def ends(rec) do
    with {:ok, %{events: [first]}} <- Query.events(rec, limit: 1),
         {:ok, %{events: [last]}} <- Query.events(rec, order: :desc, limit: 1) do
      {first.moment.seq, last.moment.seq, last.at_ns}
    else
      _ -> {0, 0, 0}
    end
  end
end
