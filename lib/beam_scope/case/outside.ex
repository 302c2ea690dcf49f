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

  # As ExUnit heads a failure.
  defp header(%{test: test} = run, standing) do
    heading = Style.clean("#{test.name} (#{inspect(test.module)})")
    Enum.join([heading] ++ place(test) ++ [Style.clean(how(run, standing))], "\n")
  end

  defp place(%{file: file, line: line}) when is_binary(file) and is_integer(line),
    do: ["#{Path.relative_to_cwd(file)}:#{line}"]

  defp place(_test), do: []

  defp how(_run, :exiting), do: "It passed, then one of its on_exit callbacks was ended from outside."

  defp how(run, :running) do
    case Told.last_word(run) do
      nil -> "It was ended from outside."
      reason -> "It was ended from outside: #{reason}."
    end
  end
end
