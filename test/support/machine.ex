defmodule BeamScope.Test.Machine do
  @moduledoc """
  A virtual machine of its own for a test that could end one: without distribution, of the same release, with the code of this one.
  """

  @doc """
  Runs a function there that ends with `System.halt/1`: its exit status and all it printed. Options: `env:`, `under:` a command that starts
  it (`["sh", "-c", "ulimit …; exec \\"$@\\"", "sh"]`), `args:` given to the function.
  """
  @spec run(module, atom, [String.t()], keyword) :: {non_neg_integer, String.t()}
  def run(module, function, flags, opts \\ []) do
    dump =
      Path.join(System.tmp_dir!(), "beam_scope_#{System.unique_integer([:positive])}_#{System.pid()}.dump")

    args = Enum.map_join(opts[:args] || [], ", ", &"'Elixir.String':to_integer(<<\"#{&1}\">>)")

    eval =
      "{ok, _} = application:ensure_all_started(elixir), {ok, _} = application:ensure_all_started(logger), " <>
        "'#{module}':#{function}(#{args})."

    erl = [System.find_executable("erl"), "-noinput", "-boot", "start_clean", "-start_epmd", "false"]
    [command | arguments] = (opts[:under] || []) ++ erl ++ flags ++ paths() ++ ["-eval", eval]
    env = [{"ERL_CRASH_DUMP", dump}, {"ERL_FLAGS", nil}, {"ERL_AFLAGS", nil}, {"ERL_ZFLAGS", nil}]
    {output, status} = System.cmd(command, arguments, stderr_to_stdout: true, env: env ++ (opts[:env] || []))
    {status, output <> slogan(dump)}
  end

  defp paths do
    paths = for path <- :code.get_path(), path != ~c".", do: path |> Path.expand()
    Enum.flat_map(paths, &["-pa", &1])
  end

  defp slogan(dump) do
    case File.read(dump) do
      {:ok, text} -> "\ncrash dump: " <> (text |> String.split("\n") |> Enum.take(4) |> Enum.join("\n"))
      {:error, _} -> ""
    end
  after
    File.rm(dump)
  end
end
