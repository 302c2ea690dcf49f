defmodule BeamScope.Case.Told do
  @moduledoc false
  # What a failed test says of its recording: the last that happened, and where the whole of it is.

  alias BeamScope.Case.{Excerpt, Run}
  alias BeamScope.Error
  alias BeamScope.Terminal.{Processes, Style}

  # ExUnit indents what it prints of a failure by five columns.
  @reason 60

  @doc "The text. Whatever goes wrong with it, the failure itself must not be lost."
  @spec text(Run.t(), boolean) :: String.t()
  def text(run, said? \\ false) do
    style = Style.for_message()
    excerpt = if said?, do: [], else: safely(fn -> excerpt(run, style) end)
    saved = safely(fn -> saved(run) end)
    [Style.render(excerpt, style) | saved] |> Enum.reject(&(&1 == "")) |> Enum.join("\n\n")
  end

  defp safely(fun) do
    fun.()
  rescue
    error -> ["What was recorded cannot be shown: " <> Exception.message(error)]
  catch
    _, reason -> ["What was recorded cannot be shown: " <> inspect(reason, limit: 5)]
  end

  defp excerpt(run, style), do: Excerpt.lines(run.rec, ended_at(run), run.pid, style)

  # A path is for copying: it is not cut to the width.
  defp saved(run) do
    case BeamScope.Case.File.save(run) do
      {:ok, path} -> ["The whole recording: " <> path]
      {:error, error} -> ["The recording could not be saved: " <> Error.message(error)]
    end
  end

  # What the end of a test's process sets off is no part of what led to it.
  defp ended_at(run), do: with(%{moment: moment} <- exit_of(run), do: moment) || :end

  @doc "What the test's process ended of, if its end was recorded."
  @spec last_word(Run.t()) :: String.t() | nil
  def last_word(run) do
    with %{reason: reason} <- exit_of(run), do: said(reason)
  rescue
    Error -> nil
  end

  defp said(:killed), do: "killed (ExUnit kills a test that takes too long)"
  defp said(reason), do: Processes.reason(reason, @reason)

  defp exit_of(run) do
    run.rec |> BeamScope.events(kind: :exit, process: run.pid, order: :desc, limit: 1) |> Enum.at(0)
  end
end
