defmodule BeamScope.ScarceTest do
  # Memory that runs short and file systems that take nothing, in virtual machines of their own.
  use ExUnit.Case, async: false

  alias BeamScope.Test.Scarce

  works? = fn command, arguments ->
    System.find_executable(command) != nil and
      match?({_, 0}, System.cmd(command, arguments, stderr_to_stdout: true))
  end

  @mount "mount -t tmpfs -o ro none "
  @prlimit works?.("prlimit", ["--as=unlimited:unlimited", "true"]) and File.exists?("/proc/self/status")
  @unshare works?.("unshare", ["-m", "sh", "-c", @mount <> System.tmp_dir!()])

  unless @prlimit, do: @tag(skip: "limits of a process cannot be set here")

  @tag timeout: 150_000
  test "a recording for which the system has no more memory ends, the node does not" do
    {status, output} = Scarce.run(:memory)
    assert status == 0, output
    assert output =~ "the recording was ended by an error: there is no memory for more events", output
    assert output =~ ~r/^asked meanwhile: no_memory: .*what was recorded is kept/m, output
    assert output =~ "served: 150000, recorded: true", output
    assert output =~ "account: true", output
  end

  unless @unshare, do: @tag(skip: "nothing can be mounted here")

  @tag :tmp_dir
  @tag timeout: 100_000
  test "a file system that is mounted to be read only", %{tmp_dir: dir} do
    {status, output} =
      Scarce.run(:read_only,
        env: [{"BEAM_SCOPE_READ_ONLY", dir}],
        under: ["unshare", "-m", "sh", "-c", @mount <> ~s("$BEAM_SCOPE_READ_ONLY" && exec "$@"), "sh"]
      )

    assert status == 0, output
    assert output =~ ~r/^sink: .*read-only/mi, output
    assert [_, _] = Regex.scan(~r/^flight recorder: .*(read-only|permission denied)/mi, output), output
    assert output =~ ~r/^save: .*read-only/mi, output
    assert output =~ "after that: running, {:ok, 3}", output
  end
end
