defmodule Mix.Tasks.BeamScope.BenchTest do
  # That the bench measures what it says and leaves nothing switched on; not how fast anything is.
  use ExUnit.Case, async: false

  alias Mix.Tasks.BeamScope.Bench

  @fields ~w(workload mode ns_per_op ratio events_per_op events dropped bytes_per_event peak_rss_mb)

  setup_all do
    {bench, report} = Bench.load()
    %{bench: bench, report: report}
  end

  @tag timeout: 300_000
  test "every workload runs in every mode of BeamScope and of the tools beside it", %{
    bench: bench,
    report: report
  } do
    options = [quick: true, rounds: 1, sample_ms: 1, flood_ms: 20]
    rows = bench.run(options, fn rows -> assert report.table(rows) =~ "untraced" end)

    names = Enum.map(rows, &{&1.workload, &1.mode})
    assert names == bench.measured()
    for name <- bench.workloads(), do: assert({name, "untraced"} in names)
    for mode <- bench.modes(), do: assert(Enum.any?(names, &(elem(&1, 1) == mode)))

    for row <- rows do
      assert row.ns_per_op > 0
      assert row.ratio > 0
    end

    saw = for row <- rows, row.events > 0, into: MapSet.new(), do: {row.workload, row.mode}
    for mode <- ~w(full pid_drop dbg_ets dbg_port), do: assert({"genserver_100b", mode} in saw)
    assert {"call", "full"} in saw

    assert_json(report.json(rows), length(rows))
    assert_nothing_left()
  end

  test "unknown names are refused, and the known ones named" do
    assert_raise Mix.Error, ~r/unknown name "tea"; there are: call, ping_pong/, fn ->
      Bench.run(["--only", "tea"])
    end
  end

  defp assert_json(text, count) do
    objects = String.split(text, "\n", trim: true) |> Enum.filter(&String.starts_with?(&1, "  {"))
    assert length(objects) == count

    for object <- objects do
      assert Regex.scan(~r/"([a-z_]+)":/, object) |> Enum.map(&List.last/1) == @fields
    end
  end

  defp assert_nothing_left do
    for pid <- Process.list(), do: assert(:erlang.trace_info(pid, :flags) in [{:flags, []}, :undefined])
    assert :erlang.trace_info({:gen_server, :loop, 7}, :traced) in [{:traced, false}, {:traced, :undefined}]
    assert :erlang.trace_info({:gen_server, :loop, 4}, :traced) in [{:traced, false}, {:traced, :undefined}]
    assert Process.whereis(:dbg) == nil
  end
end
