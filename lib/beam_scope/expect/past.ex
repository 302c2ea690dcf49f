defmodule BeamScope.Expect.Past do
  @moduledoc false
  # The latest transitions of a process up to a moment. Histories are read forwards, and whole ones may be long: so it is begun
  # a little before that moment, and further back until there is enough.

  alias BeamScope.{Moment, Transition}

  @windows [200, 5_000, 100_000]

  @doc "Transitions up to `until`, at least as many of the last ones as `enough?` asks for, if there are."
  @spec transitions(BeamScope.Recording.t(), term, Moment.like(), keyword, ([Transition.t()] -> boolean)) :: [
          Transition.t()
        ]
  def transitions(rec, process, until, opts, enough?) do
    case last(rec, process, until) do
      nil -> []
      seq -> back(rec, process, seq, [until: until, limit: :infinity] ++ opts, enough?)
    end
  end

  defp last(rec, process, until) do
    case BeamScope.events(rec, process: process, until: until, order: :desc, limit: 1).events do
      [event] -> event.moment.seq
      [] -> nil
    end
  end

  defp back(rec, process, seq, opts, enough?) do
    Enum.reduce_while(@windows ++ [:all], [], fn window, _found ->
      found = BeamScope.history(rec, process, [since: since(seq, window)] ++ opts).transitions
      if window == :all or seq <= window or enough?.(found), do: {:halt, found}, else: {:cont, found}
    end)
  end

  defp since(_seq, :all), do: :start
  defp since(seq, window), do: %Moment{seq: max(seq - window, 0), at_ns: 0}
end
