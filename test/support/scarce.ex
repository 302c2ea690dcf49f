defmodule BeamScope.Test.Scarce do
  @moduledoc """
  Virtual machines that have too little of something: memory, or a file system that takes nothing. `run/2` starts one and gives what it
  found out; a crash of it is a failed test with its output.
  """

  alias BeamScope.Test.Machine

  @doc "Runs one of the functions below; `under:` as for `BeamScope.Test.Machine.run/4`."
  @spec run(atom, keyword) :: {non_neg_integer, String.t()}
  def run(function, opts \\ []), do: Machine.run(__MODULE__, function, ~w(+S 2:2), [seconds: 120] ++ opts)

  @doc """
  A recording that grows until the system gives no more memory, is asked then, and once more when there is some.
  """
  def memory do
    Machine.watch(100_000)
    {:ok, server} = Agent.start_link(fn -> {0, nil} end)

    {:ok, rec} =
      BeamScope.start(server, level: :full, limits: [bytes: 2_000_000_000, events: 100_000_000, ms: :infinity])

    more(server, 1..200)
    limit("#{address_space() + 150_000_000}:unlimited")
    more(server, 1..150_000)
    %{events: events} = info = BeamScope.info(rec)
    short = answer(rec, server)
    limit("unlimited:unlimited")
    {:ok, {last, _}} = BeamScope.state_at(rec, server, :end)
    IO.puts("notes: #{Enum.join(info.notes, "; ")}")
    IO.puts("asked meanwhile: #{short}")
    IO.puts("served: #{Agent.get(server, &elem(&1, 0))}, recorded: #{last > 1_000}")
    IO.puts("account: #{events.offered == events.stored + events.dropped and events.dropped > 0}")
    System.halt(0)
  end

  defp more(server, range), do: for(n <- range, do: Agent.update(server, fn _ -> {n, :rand.bytes(2_000)} end))

  defp answer(rec, server) do
    {:error, error} = BeamScope.state_at(rec, server, :end)
    "#{error.reason}: #{Exception.message(error)}"
  end

  defp limit(bytes),
    do: {_, 0} = System.cmd("prlimit", ["--pid", System.pid(), "--as=" <> bytes])

  defp address_space do
    [_, kilobytes] = Regex.run(~r/VmSize:\s+(\d+) kB/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end

  @doc "A directory that takes no files: sinks and flight recorders are refused, what is saved is not lost."
  def read_only do
    Machine.watch(60_000)
    :logger.set_primary_config(:level, :none)
    dir = System.fetch_env!("BEAM_SCOPE_READ_ONLY")
    {:ok, server} = Agent.start(fn -> 0 end)
    {:error, error} = BeamScope.start(server, to: Path.join(dir, "a.beamscope"))
    IO.puts("sink: #{Exception.message(error)}")

    for to <- [dir, Path.join(dir, "new")] do
      {:error, error} = BeamScope.start(server, mode: :ring, freeze_on: [:crash], to: to)
      IO.puts("flight recorder: #{Exception.message(error)}")
    end

    {:ok, rec} = BeamScope.start(server, mode: :ring)
    for n <- 1..3, do: Agent.update(server, fn _ -> n end)
    {:error, error} = BeamScope.save(rec, Path.join(dir, "b.beamscope"))
    IO.puts("save: #{Exception.message(error)}")
    IO.puts("after that: #{BeamScope.info(rec).status}, #{inspect(BeamScope.state_at(rec, server, :end))}")
    System.halt(0)
  end
end
