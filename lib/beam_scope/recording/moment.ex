defmodule BeamScope.Moment do
  @moduledoc """
  A position in a recording that can be kept, sent and pasted: `seq` is the number of the event (from 0, in the order in
  which things happened) and `at_ns` its time in nanoseconds since the recording's start.

  Wherever a moment is asked for, `:start`, `:end`, `{:ms, n}` since the start, and anything that has a moment (events,
  transitions) will do too. The state *at* a moment is the state once its event has happened.
  """

  alias BeamScope.{Error, Moment}

  @enforce_keys [:seq, :at_ns]
  defstruct [:seq, :at_ns]
  @type t :: %Moment{seq: non_neg_integer, at_ns: non_neg_integer}

  @typedoc "What stands for a moment wherever one is asked for."
  @type like :: :start | :end | {:ms, number} | t | %{:moment => t, optional(any) => any}

  @doc """
  What the core calls this moment, or an error that says what a moment is.

      iex> BeamScope.Moment.to_native({:ms, 1.5})
      {:ok, {:ns, 1_500_000}}
      iex> BeamScope.Moment.to_native(%BeamScope.Moment{seq: 7, at_ns: 10})
      {:ok, {:seq, 7}}
  """
  @spec to_native(like | term) :: {:ok, term} | {:error, Error.t()}
  def to_native(edge) when edge in [:start, :end], do: {:ok, edge}
  def to_native({:ms, n}) when is_number(n) and n >= 0, do: {:ok, {:ns, round(n * 1_000_000)}}
  def to_native(%Moment{seq: seq}) when is_integer(seq) and seq >= 0, do: {:ok, {:seq, seq}}
  def to_native(%{moment: %Moment{} = moment}), do: to_native(moment)

  def to_native(other) do
    {:error,
     Error.new(
       :invalid_moment,
       "#{BeamScope.Terminal.Term.text(other, 60)} is no moment: give :start, :end, {:ms, n} with n >= 0, a %BeamScope.Moment{}, " <>
         "or an event or transition of the recording"
     )}
  end
end
