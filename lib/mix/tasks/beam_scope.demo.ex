defmodule Mix.Tasks.BeamScope.Demo do
  @shortdoc "Records three small systems and shows what BeamScope knows of them"
  @moduledoc """
  Starts three systems for real, records each, and prints its supervision tree, its messages, the state history of its
  servers, the loss account, and the time it took.

      mix beam_scope.demo            # all of it
      mix beam_scope.demo counter    # a counter with a bug that only its history shows
      mix beam_scope.demo workers    # two workers: when did a count become 2, and through which message?
      mix beam_scope.demo web        # OTP's own web server, asked 1,000 times

  Your own application is compiled but not started. The systems live in `priv/demo` and are loaded for the time of this
  task only. `NO_COLOR` is respected.
  """
  use Mix.Task

  alias BeamScope.Terminal.Style

  @parts ~w(counter workers web)
  @width 100

  @impl true
  def run(args) do
    parts = parts(args)
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:beam_scope)
    demo = load()
    # Applications that stop as planned are not news.
    Logger.configure(level: :warning)
    style = Style.new(width: min(Style.columns(@width), @width))

    for part <- parts do
      %{lines: lines} = apply(demo, String.to_existing_atom(part), [style])
      IO.puts(Style.render(lines, style))
    end

    :ok
  end

  defp parts([]), do: @parts

  defp parts(args) do
    case args -- @parts do
      [] -> args
      [unknown | _] -> Mix.raise("unknown part #{inspect(unknown)}; there are: #{Enum.join(@parts, ", ")}")
    end
  end

  @doc false
  # In memory only: nothing of it is compiled into the application that depends on BeamScope.
  @spec load() :: module
  def load do
    # httpd and httpc; Mix leaves out of the code path what a project does not name.
    # By name: Elixir 1.14 has no such function, and leaves nothing out.
    if function_exported?(Mix, :ensure_application!, 1),
      do: Enum.each([:inets, :ssl], &apply(Mix, :ensure_application!, [&1]))

    dir = Application.app_dir(:beam_scope, "priv/demo")
    for file <- ~w(counter_echo two_workers web demo), do: Code.require_file("#{file}.ex", dir)
    # A module that the compiler cannot know.
    Module.safe_concat(["BeamScopeDemo"])
  end
end
