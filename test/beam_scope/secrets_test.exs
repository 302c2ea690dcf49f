defmodule BeamScope.SecretsTest do
  use ExUnit.Case, async: false

  alias BeamScope.Test.Secrets

  @moduletag timeout: 600_000
  # All that the virtual machine allocates lies in one region then.
  @one_region ~w(+MMscs 3072 +MMsco true +Musac false -kernel logger_level none)c

  defp run(tmp, count, redact) do
    # Each virtual machine has marks of its own: what is in memory from elsewhere does not count.
    mark =
      "Q" <>
        (:crypto.strong_rand_bytes(9) |> Base.encode32(padding: false, case: :lower) |> binary_part(0, 13))

    open = "open text " <> Base.encode16(:crypto.strong_rand_bytes(6))
    dir = Path.join(tmp, "#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])

    {:ok, peer, _} =
      start(%{
        connection: :standard_io,
        args: @one_region ++ paths,
        env: [{~c"ERL_CRASH_DUMP_SECONDS", ~c"0"}]
      })

    try do
      {:ok, _} = :peer.call(peer, :application, :ensure_all_started, [:elixir])
      args = %{count: count, redact: redact, dir: dir, mark: mark, open: open}
      :peer.call(peer, Secrets, :run, [args], 500_000)
    after
      :peer.stop(peer)
      File.rm_rf!(dir)
    end
  end

  defp start(options) do
    case :peer.start_link(options) do
      {:ok, peer} -> {:ok, peer, nil}
      started -> started
    end
  end

  defp secrets(found),
    do: for({place, {forms, _}} <- found, forms -- [:open] != [], into: %{}, do: {place, forms})

  @tag :tmp_dir
  test "10,000 secrets in random shapes are nowhere", %{tmp_dir: tmp} do
    %{found: found, events: [events, others], deeds: 10_000} = run(tmp, 10_000, Secrets.rules())
    assert secrets(found) == %{}
    # What was looked at is what was recorded.
    assert {[:open], %{own: own}} = found.memory
    assert own in 1..3

    for place <- [:rows, :events, :messages, :history, {:export, :jsonl}],
        do: assert({[:open], _} = found[place])

    assert events.redacted > 10_000 and others.redacted > 2_500
    assert events.dropped == 0 and others.dropped == 0
  end

  @tag :tmp_dir
  test "nor in what is made of short recordings only", %{tmp_dir: tmp} do
    %{found: found} = run(tmp, 200, Secrets.rules())
    assert secrets(found) == %{}
    assert {_, bytes} = found.golden
    assert bytes > 1_000
  end

  @tag :tmp_dir
  test "without the rules they are found everywhere: the search is one", %{tmp_dir: tmp} do
    %{found: found} = run(tmp, 400, false)
    leaks = secrets(found)
    assert [:backwards, :bytes, :charlist, :open] = elem(found.memory, 0)

    for place <- [
          :info,
          :rows,
          :events,
          :messages,
          :calls,
          :history,
          :states,
          :table,
          :golden,
          {:export, :jsonl}
        ] do
      assert [_ | _] = leaks[place], "#{inspect(place)}: #{inspect(leaks)}"
    end

    assert :digits in leaks.events and :bytes in leaks.rows and :backwards in leaks.rows
    assert leaks[{:file, "saved.beamscope"}] && leaks[{:file, "to.beamscope"}]
  end
end
