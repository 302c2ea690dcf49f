defmodule BeamScope.OwedTest do
  # Events that are dropped at the end of what a process does: nothing tells of them until it does something again.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  setup :none_after

  @moduletag timeout: 120_000
  @rounds 10
  @burst 300
  @bytes 200_000

  defmodule Heavy do
    @moduledoc false
    use GenServer

    @impl true
    def init(parent), do: {:ok, %{parent: parent, n: 0, blob: ""}}

    @impl true
    def handle_cast({:set, n, last, blob}, state) do
      if n == last, do: send(state.parent, {:done, n})
      {:noreply, %{state | n: n, blob: <<n::32, blob::binary>>}}
    end
  end

  test "the state of a recording that runs is the last one or unknown, never an older one" do
    {:ok, server} = GenServer.start_link(Heavy, self())

    {:ok, rec} =
      BeamScope.start(server,
        level: :states,
        budget: [bytes: 250_000],
        limits: [bytes: 256_000_000, events: 10_000_000]
      )

    answers = for round <- 1..@rounds, do: after_burst(rec, server, round * @burst)
    BeamScope.stop(rec)

    assert Enum.all?(answers, &(&1 in [:last, :unknown])), inspect(answers)
    # Otherwise nothing was tried.
    assert BeamScope.info(rec).events.dropped > 0
    assert :unknown in answers
    BeamScope.close(rec)
  end

  defp after_burst(rec, server, last) do
    blob = :binary.copy(<<last::64>>, div(@bytes, 8))
    for n <- (last - @burst + 1)..last, do: GenServer.cast(server, {:set, n, last, blob})
    assert_receive {:done, ^last}, 30_000
    # It sends before it tells its state.
    Process.sleep(20)

    case BeamScope.state_at(rec, server, :end) do
      {:ok, %{n: ^last}} -> :last
      {:ok, %{n: n}} -> {:older, n}
      {:error, %BeamScope.Error{reason: :unknown_state}} -> :unknown
    end
  end
end
