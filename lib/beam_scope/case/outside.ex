defmodule BeamScope.Case.Outside do
  @moduledoc false
  # The last of a test, in the process that runs its `on_exit` callbacks: what went unsaid is said, and the recording is freed.

  alias BeamScope.Case.{Run, Told}
  alias BeamScope.Terminal.Style

  # As ExUnit indents what it prints of a failure.
  @indent "     "

  @doc "The test is over."
  @spec over(Run.t()) :: :ok
  def over(run) do
    case Run.standing(run) do
      :passed -> :ok
      :told -> :ok
      standing -> tell(run, standing)
    end
  after
    Run.close(run)
  end

  defp tell(run, standing) do
    if Run.failed?(run), do: print(run, standing)
  end

  defp print(run, standing) do
    text = header(run, standing) <> "\n\n" <> Told.text(run)
    IO.puts("\n\n" <> @indent <> String.replace(text, "\n", "\n" <> @indent))
  end

  defp header(%{test: test} = run, standing),
    do: Style.clean("#{test.name} (#{inspect(test.module)})#{place(test)} #{how(run, standing)}")

  defp place(%{file: file, line: line}) when is_binary(file),
    do: " " <> Exception.format_file_line(Path.relative_to_cwd(file), line)

  defp place(_test), do: ""

  defp how(_run, :exiting), do: "passed, but one of its on_exit callbacks was ended from outside"

  defp how(run, :running) do
    case Told.last_word(run) do
      nil -> "was ended from outside"
      reason -> "was ended from outside: #{reason}"
    end
  end
end
