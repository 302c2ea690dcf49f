defmodule BeamScope.NativeReloadTest do
  # Reloading the module would end the recordings of every other test: another system does it.
  use ExUnit.Case, async: true

  @script ~S"""
  alias BeamScope.Native
  config = %{route: :own, kinds: 0x1FFFE, budget_bytes: 4096, budget_depth: 32, max_bytes: 100_000_000}
  {:ok, first, route} = Native.recording_open(Map.put(config, :id, 1))
  Native.trace(:send, route, self(), :message, %{extra: self()})
  1 = Native.before_reload()
  %{status: :stopped, stop_reason: :reloaded, events: %{stored: 1}} = Native.recording_info(first)
  0 = Native.engine_info().drainers

  {:ok, second, _} = Native.recording_open(Map.put(config, :id, 2))

  for n <- 1..3 do
    :code.purge(Native)
    :code.delete(Native)
    :code.purge(Native)
    {:module, _} = :code.load_file(Native)
    {:error, {:closed, _}} = Native.recording_info(second)
    0 = Native.engine_info().recordings
    {:ok, rec, route} = Native.recording_open(Map.put(config, :id, 10 + n))
    Native.trace(:send, route, self(), :message, %{extra: self()})
    true = Native.recording_flush(rec, 1000)
    1 = Native.recording_info(rec).events.stored
    :ok = Native.recording_close(rec)
  end

  IO.puts("reloaded #{inspect(is_reference(first))}")
  """

  defp run(script, env \\ []) do
    paths = for path <- :code.get_path(), path = to_string(path), path =~ "beam_scope", do: ["-pa", path]

    System.cmd(System.find_executable("elixir"), List.flatten(paths) ++ ["-e", script],
      env: env,
      stderr_to_stdout: true
    )
  end

  test "the module can be reloaded: what ran is stopped, and recording goes on" do
    assert {"reloaded true\n", 0} = run(@script)
  end

  test "without a library every call says what to do" do
    # The module alone, as if the library had not been built.
    dir =
      Path.join(System.tmp_dir!(), "beam_scope_bare_#{System.unique_integer([:positive])}/beam_scope/ebin")

    File.cp_r!(
      Application.app_dir(:beam_scope, "ebin"),
      (
        File.mkdir_p!(dir)
        dir
      )
    )

    on_exit(fn -> File.rm_rf!(Path.expand("../..", dir)) end)

    script =
      "try do BeamScope.Native.engine_info() rescue e -> IO.puts(inspect(e.reason) <> Exception.message(e)) end"

    {text, 0} =
      System.cmd(System.find_executable("elixir"), ["-pa", dir, "-e", script], stderr_to_stdout: true)

    assert text =~ ":native_unavailable"
    assert text =~ "mix deps.compile beam_scope --force"
  end
end
