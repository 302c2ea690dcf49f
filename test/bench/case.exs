# What a recording adds to a test that does nothing: milliseconds a test, for modules without BeamScope.Case, with it, and with
# the tag. Run it on a quiet machine, after MIX_ENV=test mix compile:
#
#     elixir -pa _build/test/lib/beam_scope/ebin test/bench/case.exs [tests] [other processes]
#
# The aim is 2 ms at most. The first test of a module also makes what the others find ready (BeamScope.Recorder.Keeper).
[tests, others] =
  case Enum.map(System.argv(), &String.to_integer/1) do
    [] -> [500, 0]
    [tests] -> [tests, 0]
    [tests, others] -> [tests, others]
  end

defmodule Clock do
  use GenServer

  @impl true
  def init(_), do: {:ok, %{}}

  @impl true
  def handle_cast({:module_started, %{name: name}}, began), do: {:noreply, Map.put(began, name, now())}

  def handle_cast({:module_finished, %{name: name, tests: tests}}, began) do
    ms = Float.round((now() - began[name]) / length(tests) / 1_000, 3)
    IO.puts("#{String.pad_trailing(inspect(name), 10)} #{ms} ms a test")
    {:noreply, began}
  end

  def handle_cast(_, began), do: {:noreply, began}

  defp now, do: System.monotonic_time(:microsecond)
end

ExUnit.start(seed: 0, formatters: [Clock])

for n <- 1..others//1 do
  if rem(n, 20) == 0,
    do: DynamicSupervisor.start_link(strategy: :one_for_one),
    else: Agent.start(fn -> n end)
end

for {name, use_it?, tag} <- [{Plain, false, false}, {Untagged, true, false}, {Tagged, true, true}] do
  defmodule name do
    use ExUnit.Case
    if use_it?, do: use(BeamScope.Case)
    @moduletag record: tag
    for n <- 1..tests, do: test("number #{n}", do: :ok)
  end
end
