defmodule BeamScope.Test.InnerSuite do
  @moduledoc """
  Runs a test suite of its own in a virtual machine of its own, as users do: what it prints, what it leaves.
  """

  @suites Path.expand("suites", __DIR__)

  @doc """
  Runs `test/support/suites/<name>.exs` in a directory; `{output, status}`. The release is the one that runs this suite.
  """
  @spec run(String.t(), Path.t(), keyword) :: {String.t(), non_neg_integer}
  def run(name, dir, env \\ []) do
    File.mkdir_p!(dir)
    suite = Path.join(dir, name <> ".exs")
    File.cp!(Path.join(@suites, name <> ".exs"), suite)

    env =
      [{"MIX_ENV", nil}, {"NO_COLOR", "1"}] ++
        for({key, value} <- env, do: {to_string(key), value && to_string(value)})

    System.cmd("elixir", ["-pa", Path.join(:code.lib_dir(:beam_scope), "ebin"), suite],
      cd: dir,
      env: env,
      stderr_to_stdout: true
    )
  end

  @doc "What was printed of a failed test: under its own name in front of the failure, and the failure."
  @spec failure(String.t(), String.t()) :: {before :: String.t(), failure :: String.t()}
  def failure(output, test) do
    [before, rest] = String.split(output, ~r/\n +\d+\) test #{Regex.escape(test)} \(.*\)\n/, parts: 2)
    own = "\n     test #{test} ("

    before =
      case String.split(before, own, parts: 2) do
        [_, text] -> own <> text
        [_] -> ""
      end

    {before, rest |> String.split(~r/\n\n\n/) |> hd()}
  end

  @doc "The paths of saved recordings that are named in a text."
  @spec paths(String.t()) :: [Path.t()]
  def paths(text), do: for([path] <- Regex.scan(~r/\S+\.bsr/, text), do: path)
end
