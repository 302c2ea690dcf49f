defmodule Mix.Tasks.BeamScope.Bisect do
  @shortdoc "Finds the first commit whose recording of a test differs"
  @moduledoc """
  Finds the first commit in which a test *did* something else, whether it failed or not: runs it in the good commit and in those after it,
  records each run, compares the recordings (`BeamScope.compare/3`), and prints where the first one parted.

      mix beam_scope.bisect --good v1.2.0 -- mix test test/cart_test.exs:42
      mix beam_scope.bisect --good v1.2.0 --bad main --only Cart -- mix test test/cart_test.exs --seed 0

  | option | meaning |
  |---|---|
  | `--good REV` | a commit that does what is expected |
  | `--bad REV` | a later one that does not (`HEAD`) |
  | `--only ROLE`, `--ignore ROLE`, `--no-times` | as in `mix beam_scope.compare`; supervisors without a name, such as ExUnit's own of a test, are left out |

  | exit status | meaning |
  |---|---|
  | 0 | the commit was found |
  | 1 | the bad commit did the same as the good one |
  | 2 | it cannot be looked for; why stands on standard error |

  Commits are checked out into a git worktree of their own, in a directory for temporary files: your tree, your index and your branch are
  not touched, and the worktree is removed in any case. Between the two commits the search is binary, as that of `git bisect`, over
  `git rev-list`. A commit that does not build (`mix do deps.get, compile --force`), or whose command leaves no recording, is skipped, and said.

  The commits need not know of BeamScope: it comes in by `ERL_LIBS`, and begins by itself when ExUnit does. What is recorded are the tests,
  what they start, and the processes of the project's application. One test, or `--seed 0`, keeps the order of several.

  The good commit runs twice: a test that does not do the same twice cannot be told from one that changed. Costs a build and a run of
  the command for each commit that is tried: about log2 of how many there are, and three more.
  """
  use Mix.Task

  alias BeamScope.Bisect
  alias BeamScope.Terminal.{Comparison, Style}

  @switches [good: :string, bad: :string, only: :keep, ignore: :keep, times: :boolean]

  @impl true
  def run(args) do
    asked = parse(args)
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:beam_scope)

    case Bisect.run(asked) do
      {:ok, found} -> tell(found)
      {:none, what} -> none(what)
      {:error, what} -> wrong(what)
    end
  end

  defp parse(args) do
    {own, command} = Enum.split_while(args, &(&1 != "--"))

    case {OptionParser.parse(own, strict: @switches), Enum.drop(command, 1)} do
      {{_, _, [{option, _} | _]}, _} -> wrong("unknown option #{option}, or one without a value")
      {{_, [extra | _], _}, _} -> wrong("what is #{extra}? The command stands behind --")
      {_, []} -> wrong("no command to run: mix beam_scope.bisect --good REV -- mix test path:line")
      {{opts, [], []}, command} -> asked(opts, command)
    end
  end

  defp asked(opts, command) do
    unless opts[:good], do: wrong("--good REV is missing: a commit that does what is expected")

    %{
      good: opts[:good],
      bad: Keyword.get(opts, :bad, "HEAD"),
      command: command,
      compare: [
        only: Keyword.get_values(opts, :only),
        ignore: Keyword.get_values(opts, :ignore),
        times: Keyword.get(opts, :times, true)
      ],
      say: &say/1
    }
  end

  defp say({:same, commit}), do: IO.puts("same       #{commit}")
  defp say({:different, commit}), do: IO.puts("different  #{commit}")
  defp say({:skip, commit, why}), do: IO.puts("skipped    #{commit}\n           #{why}")

  defp tell(%{first: first, comparison: comparison, unsure: unsure}) do
    IO.puts("\n#{first} is the first commit that did something else")

    if unsure != [] do
      IO.puts(
        "(or one of those just before it that were skipped: #{Enum.map_join(unsure, ", ", &String.slice(&1, 0, 12))})"
      )
    end

    style = Style.new(width: max(Style.columns(100), 80))
    IO.puts(["\n", comparison |> Comparison.lines(style) |> Style.render(style)])
  end

  defp none(what) do
    IO.puts(what)
    exit({:shutdown, 1})
  end

  @spec wrong(String.t()) :: no_return
  defp wrong(what) do
    Mix.shell().error("** (mix beam_scope.bisect) " <> what)
    exit({:shutdown, 2})
  end
end
