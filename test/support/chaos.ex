defmodule BeamScope.Test.Chaos do
  @moduledoc """
  Everything at once: a system that spawns, kills, reloads and floods, and recordings of it that are started, asked, changed and killed at
  random. Afterwards nothing may be left, and every recording's account must be right.

  It runs in a virtual machine of its own (`run/1` starts it), so that a crash of that is a failed test with its output:

      BEAM_SCOPE_CHAOS_SECONDS=60 BEAM_SCOPE_CHAOS_SEED=7 mix test test/beam_scope/chaos_test.exs

  A first short round makes what is made once: caches, code, tables. What is there after it is what may be there after the second.
  """

  alias BeamScope.Test.Chaos.{Recordings, World}
  alias BeamScope.Test.Inventory

  @warm_ms 4_000
  @patience_ms 60_000
  # The allocators of the virtual machine keep what they once had: this says only that nothing grows without end.
  @rss_slack 256 * 1024 * 1024

  # The library says these by atoms that are made when they are said first, which may be late in the run.
  @words ~w(budget_too_large too_many_recordings setup_failed noroom ring stopped evicted damaged wire too_large file no_memory frozen
            warn_exported_vars rate events bytes ms owner_down recorder_down hub_down violation error unknown)a

  @doc "The atoms that may come late."
  @spec words() :: [atom]
  def words, do: @words

  @doc "Runs chaos for so many seconds in a virtual machine of its own: its exit status and what it printed."
  @spec run(pos_integer, keyword) :: {non_neg_integer, String.t()}
  def run(seconds, opts \\ []) do
    seconds = System.get_env("BEAM_SCOPE_CHAOS_SECONDS") || to_string(seconds)
    seed = System.get_env("BEAM_SCOPE_CHAOS_SEED") || to_string(:rand.uniform(1_000_000))
    env = [{"BEAM_SCOPE_CHAOS_SECONDS", seconds}, {"BEAM_SCOPE_CHAOS_SEED", seed}]

    BeamScope.Test.Machine.run(
      __MODULE__,
      :main,
      ~w(+S 2:2 +SDcpu 2:2 +SDio 2),
      [env: env, seconds: String.to_integer(seconds) + 200] ++ opts
    )
  end

  @doc "Runs chaos here, reports, and ends this virtual machine."
  def main do
    Logger.configure(level: :none)
    :logger.set_primary_config(:level, :none)
    seconds = "BEAM_SCOPE_CHAOS_SECONDS" |> System.fetch_env!() |> String.to_integer()
    seed = "BEAM_SCOPE_CHAOS_SEED" |> System.fetch_env!() |> String.to_integer()
    BeamScope.Test.Machine.watch(seconds * 1000 + 180_000)
    IO.puts("chaos: seed #{seed}, #{seconds} s, Erlang/OTP #{System.otp_release()}")

    dir = Path.join(System.tmp_dir!(), "beam_scope_chaos_#{System.pid()}")
    File.mkdir_p!(dir)
    problems = problems(seed, seconds, dir)
    File.rm_rf!(dir)

    Enum.each(problems, &IO.puts("chaos: " <> &1))
    IO.puts("chaos: #{length(problems)} problems")
    System.halt(if problems == [], do: 0, else: 1)
  end

  defp problems(seed, seconds, dir) do
    Inventory.load_code([:beam_scope, :elixir, :logger, :stdlib, :kernel, :compiler])
    :ets.new(:chaos_problems, [:named_table, :public, :duplicate_bag])
    :ets.new(:chaos_figures, [:named_table, :public])
    World.set_up(dir)
    Recordings.rehearse(dir)
    round(seed, @warm_ms, dir)
    :ets.delete_all_objects(:chaos_figures)
    before = rest()
    round(seed + 1, seconds * 1000, dir)
    left = Inventory.settle(before, 20_000, @rss_slack)
    figures()
    for({_, text} <- :ets.tab2list(:chaos_problems), do: text) ++ left
  end

  defp rest do
    Inventory.settle_down()
    Inventory.take()
  end

  # A round: all actors until the time is up, then the world ends, and then the recordings do.
  defp round(seed, ms, dir) do
    until = System.monotonic_time(:millisecond) + ms
    actors = World.actors() ++ Recordings.actors()

    running =
      for {{name, act}, n} <- Enum.with_index(actors) do
        {pid, monitor} = spawn_monitor(fn -> actor(act, %{dir: dir, until: until, seed: {seed, n}}) end)
        {monitor, {name, pid}}
      end

    await(Map.new(running), until + @patience_ms)
    Recordings.close_all()
    World.end_all()
    File.ls!(dir) |> Enum.each(&File.rm(Path.join(dir, &1)))
  end

  defp actor(act, %{seed: {seed, n}} = context) do
    :rand.seed(:exsss, {seed, n, 1})
    act.(context)
  end

  @doc "Does something again and again until the time is up."
  def until(context, pause_ms, act) do
    if System.monotonic_time(:millisecond) < context.until do
      act.()
      if pause_ms > 0, do: Process.sleep(:rand.uniform(pause_ms))
      until(context, pause_ms, act)
    end
  end

  defp await(running, _until) when running == %{}, do: :ok

  defp await(running, until) do
    receive do
      {:DOWN, monitor, :process, _, reason} when is_map_key(running, monitor) ->
        {{name, _}, running} = Map.pop(running, monitor)
        if reason != :normal, do: problem("#{name} ended: #{inspect(reason, limit: 20)}")
        await(running, until)
    after
      max(until - System.monotonic_time(:millisecond), 0) ->
        for {_, {name, pid}} <- running do
          where = Process.info(pid, [:current_stacktrace, :status, :message_queue_len])
          problem("#{name} does not end: #{inspect(where, limit: 60)}")
          Process.exit(pid, :kill)
        end
    end
  end

  @doc "Takes note of something that must not be. The first of each kind are told."
  def problem(text) do
    count(:problems)
    if :ets.info(:chaos_problems, :size) < 30, do: :ets.insert(:chaos_problems, {:problem, text})
    :ok
  end

  @doc "Counts something that was done."
  def count(what, n \\ 1), do: :ets.update_counter(:chaos_figures, what, n, {what, 0})

  defp figures do
    figures = :chaos_figures |> :ets.tab2list() |> Enum.sort()
    IO.puts("chaos: " <> Enum.map_join(figures, ", ", fn {what, n} -> "#{n} #{what}" end))
  end
end
