defmodule BeamScope.Tui.Place do
  @moduledoc """
  A moment as people type it: `start`, `end`, `#1234` (an event's number), `12.5`, `12.5ms`, `3s`, `800us` since the start.
  """

  alias BeamScope.Moment

  @doc """
  The moment for a text.

      iex> BeamScope.Tui.Place.parse("#1,234")
      {:ok, %BeamScope.Moment{seq: 1234, at_ns: 0}}
      iex> BeamScope.Tui.Place.parse("1.5 s")
      {:ok, {:ms, 1.5e3}}
      iex> BeamScope.Tui.Place.parse("noon")
      {:error, "noon is no moment: give start, end, #1234 (an event) or a time such as 12.5, 12.5ms, 3s"}
  """
  @spec parse(String.t()) :: {:ok, Moment.like()} | {:error, String.t()}
  def parse(text) do
    # Numbers as the screen shows them.
    case text |> String.trim() |> String.downcase() |> String.replace([",", "_"], "") do
      "start" -> {:ok, :start}
      "end" -> {:ok, :end}
      "#" <> number -> number |> Integer.parse() |> event() || no_moment(text)
      time -> time |> Float.parse() |> time() || no_moment(text)
    end
  end

  defp event({seq, ""}) when seq >= 0, do: {:ok, %Moment{seq: seq, at_ns: 0}}
  defp event(_), do: nil

  defp time({n, unit}) when n >= 0 do
    case String.trim(unit) do
      ms when ms in ["", "ms"] -> {:ok, {:ms, n}}
      "s" -> {:ok, {:ms, n * 1_000}}
      us when us in ["us", "µs"] -> {:ok, {:ms, n / 1_000}}
      _ -> nil
    end
  end

  defp time(_), do: nil

  defp no_moment(text) do
    {:error,
     "#{String.slice(text, 0, 40)} is no moment: give start, end, #1234 (an event) or a time such as 12.5, 12.5ms, 3s"}
  end
end
