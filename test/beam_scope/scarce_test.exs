defmodule BeamScope.ScarceTest do
  # Memory that runs short and file systems that take nothing, in virtual machines of their own.
  use ExUnit.Case, async: false

  alias BeamScope.Test.Scarce

  defp works?(command, arguments) do
    System.find_executable(command) != nil and
      match?({_, 0}, System.cmd(command, arguments, stderr_to_stdout: true))
  end

  @tag timeout: 150_000
  test "a recording for which the system has no more memory ends, the node does not" do
    if works?("prlimit", ["--as=unlimited:unlimited", "true"]) and File.exists?("/proc/self/status") do
      {status, output} = Scarce.run(:memory)
      assert status == 0, output

      assert output =~ "the recording was ended by an error: there is no memory for more events",
             output

      assert output =~ ~r/^asked meanwhile: no_memory: .*what was recorded is kept/m, output
      assert output =~ "served: 150000, recorded: true", output
      assert output =~ "account: true", output
    end
  end

  @tag :tmp_dir
  @tag timeout: 100_000
  test "a file system that is mounted to be read only", %{tmp_dir: dir} do
    mount = "mount -t tmpfs -o ro none \"$BEAM_SCOPE_READ_ONLY\""

    if works?("unshare", ["-m", "sh", "-c", "mount -t tmpfs -o ro none '#{dir}'"]) do
      {status, output} =
        Scarce.run(:read_only,
          env: [{"BEAM_SCOPE_READ_ONLY", dir}],
          under: ["unshare", "-m", "sh", "-c", mount <> " && exec \"$@\"", "sh"]
        )

      assert status == 0, output
      assert output =~ ~r/^sink: .*read-only/mi, output
      assert [_, _] = Regex.scan(~r/^flight recorder: .*(read-only|permission denied)/mi, output), output
      assert output =~ ~r/^save: .*read-only/mi, output
      assert output =~ "after that: running, {:ok, 3}", output
    end
  end
end
