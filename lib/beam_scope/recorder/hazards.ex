defmodule BeamScope.Recorder.Hazards do
  @moduledoc """
  Trace flags that are known to crash the virtual machine, by release: the one place that knows.

    * `garbage_collection`: two trace sessions that get events of the garbage collections of one process write into memory that was
      freed (erlang/otp#11624, from erts 15.0 on: OTP 27 and 28). Nobody can know which other session there will be. On OTP 29.1 it was
      not seen any more. To *watch* collections, as every recording of states does, makes no event and is safe on all.
    * `running`: a process that comes to a dirty scheduler as its tracer goes makes the scheduler read a tracer that is not there
      (erlang/otp#6448, until erts 13.2: OTP 25.3).
  """

  alias BeamScope.Error

  @hazards [
    garbage_collection: %{
      from: [15, 0],
      below: [17, 1],
      link: "https://github.com/erlang/otp/issues/11624",
      why: "two trace sessions that are told of the garbage collections of one process crash it"
    },
    running: %{
      from: [0],
      below: [13, 2],
      link: "https://github.com/erlang/otp/issues/6448",
      why: "a process on a dirty scheduler whose tracer goes crashes it"
    }
  ]

  @doc "The flags among the options, or the error that this virtual machine does not survive one of them."
  @spec flags(map(), String.t()) :: {:ok, [atom()]} | {:error, Error.t()}
  def flags(options, erts \\ erts()) do
    wanted = for {flag, _} <- @hazards, options[flag], do: flag

    case Enum.find(wanted, &crashes?(&1, erts)) do
      nil -> {:ok, wanted}
      flag -> {:error, Error.new(:known_crash, details(flag, erts))}
    end
  end

  @doc "Whether a flag is known to crash a version of the runtime system."
  @spec crashes?(atom(), String.t()) :: boolean()
  def crashes?(flag, erts \\ erts()) do
    %{from: from, below: below} = @hazards[flag]
    version = version(erts)
    version >= from and version < below
  end

  defp details(flag, erts),
    do: Map.merge(Map.take(@hazards[flag], [:why, :link]), %{option: flag, erts: erts})

  # Lists compare element by element: [13, 1, 5] < [13, 2].
  defp version(erts), do: for(part <- String.split(erts, "."), {n, _} <- [Integer.parse(part)], do: n)

  defp erts, do: to_string(:erlang.system_info(:version))
end
