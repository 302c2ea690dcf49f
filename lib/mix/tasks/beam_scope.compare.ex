defmodule Mix.Tasks.BeamScope.Compare do
  @shortdoc "Compares two recordings: who did something else first"
  @moduledoc """
  Compares two recordings that `BeamScope.save/2` wrote, here or elsewhere, and prints where they parted. The first is what is
  expected, the second what is compared with it.

      mix beam_scope.compare good.bsr bad.bsr
      mix beam_scope.compare good.bsr bad.bsr --role Counter        # and what it did, side by side
      mix beam_scope.compare good.bsr bad.bsr --only Counter --only "Sup/Worker 2"
      mix beam_scope.compare good.bsr bad.bsr --ignore Heartbeat --no-times

  Roles are written as they are printed: `Counter`, `:queue`, `caller`, `MyApp.Sup/Worker 2`.

  | option | meaning |
  |---|---|
  | `--role ROLE` | shows also what this role did in both, around the place where they parted; may be given several times |
  | `--only ROLE` | compares this role; may be given several times |
  | `--ignore ROLE` | leaves this role out, with what it says to others; may be given several times |
  | `--no-times` | points in time are numbers like any other |

  | exit status | meaning |
  |---|---|
  | 0 | both did the same |
  | 1 | something is different |
  | 2 | the command line or a file is wrong; what is wrong with it stands on standard error |
  | 3 | nothing is different of what is known, but parts were truncated, redacted or lost |

  What is compared and what does not count is in `BeamScope.Comparison`. Your own application is compiled but not started.
  """
  use Mix.Task

  alias BeamScope.{Comparison, Error}
  alias BeamScope.Terminal.{Align, Style}
  alias BeamScope.Terminal.Comparison, as: Printed

  @switches [role: :keep, only: :keep, ignore: :keep, times: :boolean]
  @status %{same: 0, different: 1, unknown: 3}

  @impl true
  def run(args) do
    {paths, asked} = parse(args)
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:beam_scope)
    [a, b] = Enum.map(paths, &load/1)
    comparison = compare(a, b, asked)
    style = Style.new(width: max(Style.columns(100), 80))
    IO.puts(comparison |> Printed.lines(style) |> Style.render(style))
    for role <- Keyword.get_values(asked, :role), do: show(comparison, role, style)
    finish(status(comparison))
  end

  defp parse(args) do
    case OptionParser.parse(args, strict: @switches) do
      {asked, [_, _] = paths, []} -> {paths, asked}
      {_, _, [{option, nil} | _]} -> wrong("unknown option #{option}, or one without a value")
      {_, _, [{option, value} | _]} -> wrong("#{option} does not take #{inspect(value)}")
      {_, paths, []} -> wrong("two recordings are compared, got #{length(paths)}: mix beam_scope.compare A B")
    end
  end

  defp load(path) do
    case BeamScope.load(path) do
      {:ok, rec} -> rec
      {:error, error} -> wrong("#{path}: #{Exception.message(error)}")
    end
  end

  defp compare(a, b, asked) do
    opts = [
      only: Keyword.get_values(asked, :only),
      ignore: Keyword.get_values(asked, :ignore),
      times: Keyword.get(asked, :times, true)
    ]

    case Comparison.run(a, b, opts) do
      {:ok, comparison} -> comparison
      {:error, %Error{} = error} -> wrong(Exception.message(error))
    end
  end

  defp show(comparison, role, style) do
    align = Comparison.view(comparison, role)
    IO.puts(["\n", align |> Align.lines(style, who: role) |> Style.render(style)])
  rescue
    error in Error -> wrong(Exception.message(error))
  end

  defp status(comparison) do
    if Comparison.same?(comparison) do
      0
    else
      # Messages that might have been ones to ignore leave it open as well.
      verdict = Comparison.verdict(comparison)
      if verdict == :same, do: @status.unknown, else: @status[verdict]
    end
  end

  defp finish(0), do: :ok
  defp finish(status), do: exit({:shutdown, status})

  @spec wrong(String.t()) :: no_return
  defp wrong(what) do
    Mix.shell().error("** (mix beam_scope.compare) " <> what)
    exit({:shutdown, 2})
  end
end
