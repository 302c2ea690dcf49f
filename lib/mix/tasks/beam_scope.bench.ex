defmodule Mix.Tasks.BeamScope.Bench do
  @shortdoc "Measures what recording costs, beside the VM's floor and other tools"
  @moduledoc """
  Measures what tracing costs on this machine: BeamScope at each level, the VM's own floor (a tracer that does nothing),
  a tracer process that drops everything, `dbg` into ETS and `dbg` to a file.

      mix beam_scope.bench                        # about five minutes
      mix beam_scope.bench --quick                # at most a minute
      mix beam_scope.bench --json FILE            # the same figures as a list of objects

  | option | |
  |---|---|
  | `--quick` | fewer and shorter measurements |
  | `--json FILE` | writes `workload, mode, ns_per_op, ratio, events_per_op, events, dropped, bytes_per_event, peak_rss_mb` |
  | `--only NAME` | one workload (may be repeated): `call`, `ping_pong`, `ping_pong_2`, `genserver_100b`, `genserver_10kb`, `genserver_1mb`, `flood`, and of whole states `state_100b`, `state_10kb`, `state_live_view`, `state_1mb`, `state_50k_structs`, `state_list_10k`, `state_gb_tree_10k`, `state_gc_heavy` |
  | `--mode NAME` | one mode (may be repeated): `untraced`, `floor`, `crashes`, `states`, `messages`, `full`, `pid_drop`, `dbg_ets`, `dbg_port`; of states `whole` (complete, by what changed) and `bounded` (4 KB each time) |
  | `--rounds N` | rounds of the steady workloads |

  Times are medians over rounds in which all modes take turns; ratios are to `untraced`. In the steady workloads tracees
  and clients are bound to schedulers. State changes on every call, replies differ and payloads vary, except in `ping_pong`,
  whose payload is constant; `genserver_10kb` starts a new server after every 500 calls. `dropped` are events that a tool
  saw and did not keep, `queued` (in the table) those that it had not yet looked at two seconds after the end.

  Nothing stays switched on afterwards. Do not run it in a system that matters: other tools' trace flags and patterns are
  cleared.
  """
  use Mix.Task

  @switches [quick: :boolean, json: :string, only: :keep, mode: :keep, rounds: :integer]

  @impl true
  def run(args) do
    {opts, rest} = OptionParser.parse!(args, strict: @switches)
    if rest != [], do: Mix.raise("unknown argument #{hd(rest)}; see mix help beam_scope.bench")
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:beam_scope)
    {bench, report} = load()
    only = known(opts, :only, bench.workloads())
    modes = known(opts, :mode, bench.modes())

    Mix.shell().info(report.machine() <> "\n")
    options = Keyword.take(opts, [:quick, :rounds]) ++ [only: only, modes: modes]
    rows = bench.run(options, &Mix.shell().info(report.table(&1)))
    if file = opts[:json], do: File.write!(file, report.json(rows))
    :ok
  end

  defp known(opts, key, names) do
    given = Keyword.get_values(opts, key)

    case given -- names do
      [] -> if given != [], do: given
      [unknown | _] -> Mix.raise("unknown name #{inspect(unknown)}; there are: #{Enum.join(names, ", ")}")
    end
  end

  @doc false
  # In memory only: nothing of it is compiled into the application that depends on BeamScope.
  @spec load() :: {module, module}
  def load do
    # dbg; Mix leaves out of the code path what a project does not name.
    # By name: Elixir 1.14 has no such function, and leaves nothing out.
    if function_exported?(Mix, :ensure_application!, 1),
      do: apply(Mix, :ensure_application!, [:runtime_tools])

    dir = Application.app_dir(:beam_scope, "priv/bench")
    for file <- ~w(states workloads selection modes report bench), do: Code.require_file("#{file}.ex", dir)
    # Modules that the compiler cannot know.
    {Module.safe_concat(["BeamScopeBench"]), Module.safe_concat(["BeamScopeBench", "Report"])}
  end
end
