defmodule BeamScope.Test.Machine do
  @moduledoc """
  A virtual machine of its own for a test that could end one: without distribution, of the same release, with the code of this one.
  """

  @doc """
  Runs a function there that ends with `System.halt/1`: its exit status and all it printed. Options: `env:`, `under:` a command that starts
  it (`["sh", "-c", "ulimit …; exec \\"$@\\"", "sh"]`), `args:` numbers given to the function,
  `seconds:` after which it is killed.
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

    [command | arguments] =
      patience(opts[:seconds] || 240) ++ (opts[:under] || []) ++ erl ++ flags ++ paths() ++ ["-eval", eval]

    env = [{"ERL_CRASH_DUMP", dump}, {"ERL_FLAGS", nil}, {"ERL_AFLAGS", nil}, {"ERL_ZFLAGS", nil}]
    {output, status} = System.cmd(command, arguments, stderr_to_stdout: true, env: env ++ (opts[:env] || []))
    {status, output <> slogan(dump)}
  end

  # A machine that hangs must not outlive its test. Its own watch says where it hangs, a little before.
  defp patience(seconds) do
    case System.find_executable("timeout") do
      nil -> []
      timeout -> [timeout, "-s", "KILL", to_string(seconds)]
    end
  end

  @doc "Ends this machine after so many milliseconds, and says what its processes wait for."
  @spec watch(pos_integer) :: pid
  def watch(ms) do
    spawn(fn ->
      Process.flag(:priority, :max)
      Process.sleep(ms)
      IO.puts("it hangs:")

      for pid <- Process.list(), info = Process.info(pid, [:current_stacktrace, :status]) do
        IO.puts("#{inspect(pid)} #{info[:status]} #{inspect(Enum.take(info[:current_stacktrace], 6))}")
      end

      # Without waiting for calls of libraries: those may be what hangs.
      :erlang.halt(3, flush: false)
    end)
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
