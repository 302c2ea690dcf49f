defmodule BeamScope.Recorder.Rings do
  @moduledoc """
  How large the rings are that events wait in until they are drained: part of what a recording may hold.

  By default the library decides, for floods. A flight recorder holds less than that for ever, so its rings are a quarter of it at most, as
  far as they can be small: smaller ones lose events where a scheduler writes more in the time between two looks of the drainer.
  Recordings share their rings: whoever comes first decides.
  """

  alias BeamScope.{Error, Native}

  @part 4
  @least 512 * 1024
  @most 4 * 1024 * 1024

  @doc "The bytes of a scheduler's ring; `nil` leaves it to the library."
  @spec bytes(map) :: pos_integer | nil
  def bytes(%{mode: :ring, keep: %{bytes: bytes}}) do
    each = div(bytes, @part * :erlang.system_info(:schedulers))
    each |> power_of_two(@most) |> max(@least)
  end

  def bytes(_options), do: nil

  defp power_of_two(bytes, size) when size <= bytes or size <= @least, do: size
  defp power_of_two(bytes, size), do: power_of_two(bytes, div(size, 2))

  @doc "Whether the rings that there are leave a flight recorder at least half of what it may hold."
  @spec leave_room(map) :: :ok | {:error, Error.t()}
  def leave_room(%{mode: :ring, keep: %{bytes: bytes}}) do
    %{pool_bytes: rings, recordings: recordings} = Native.engine_info()
    least = 2 * div(rings, max(recordings, 1))

    if bytes >= least,
      do: :ok,
      else:
        {:error,
         Error.new(:invalid_option, %{
           key: [:keep, :bytes],
           value: bytes,
           expected: "#{least} or more on this machine: the rings of its schedulers take half of that"
         })}
  end

  def leave_room(_options), do: :ok
end
