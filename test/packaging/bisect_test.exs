defmodule BeamScope.Packaging.BisectTest do
  # A scratch repository whose project has never heard of BeamScope; each of its commits is built and run by a `mix` of its own.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias Mix.Tasks.BeamScope.Bisect

  @moduletag :packaging
  @moduletag timeout: 10 * 60_000

  setup_all do
    dir = Path.join(System.tmp_dir!(), "beam_scope_bisected_#{System.pid()}")
    File.rm_rf!(dir)
    File.mkdir_p!(Path.join(dir, "lib"))
    File.mkdir_p!(Path.join(dir, "test"))
    on_exit(fn -> File.rm_rf!(dir) end)
    git(dir, ~w(init -q))

    write(dir, "mix.exs", """
    defmodule Till.MixProject do
      use Mix.Project
      def project, do: [app: :till, version: "0.1.0"]
      def application, do: [extra_applications: [:logger]]
    end
    """)

    write(dir, ".gitignore", "/_build\n")
    write(dir, "test/test_helper.exs", "ExUnit.start()")

    write(dir, "test/till_test.exs", """
    defmodule TillTest do
      use ExUnit.Case
      test "takes coins" do
        till = start_supervised!(Till)
        for n <- [1, 2, 3], do: GenServer.call(till, {:add, n})
        assert GenServer.call(till, :sum) > 0
      end
    end
    """)

    # The fault is of the fourth: the test passes all the same. The third does not compile.
    commits =
      for {change, at} <- Enum.with_index(["n", "n + 0", "n +", "n * 2", "n * 2 + 0", "2 * n"]) do
        write(dir, "lib/till.ex", till(change))
        write(dir, "NEWS", "#{at}")
        git(dir, ~w(add -A))
        git(dir, ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "commit #{at}"])
        dir |> git(~w(rev-parse HEAD)) |> String.trim()
      end

    %{dir: dir, commits: commits}
  end

  defp till(change) do
    """
    defmodule Till do
      use GenServer
      def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)
      def init(sum), do: {:ok, sum}
      def handle_call({:add, n}, _from, sum), do: {:reply, :ok, sum + (#{change})}
      def handle_call(:sum, _from, sum), do: {:reply, sum, sum}
    end
    """
  end

  defp write(dir, path, text), do: dir |> Path.join(path) |> File.write!(text)

  defp git(dir, args) do
    {text, 0} = System.cmd("git", ["-C", dir | args], stderr_to_stdout: true)
    text
  end

  defp bisect(dir, args) do
    parent = self()

    complaint =
      capture_io(:stderr, fn ->
        said = capture_io(fn -> send(parent, {:status, File.cd!(dir, fn -> status(args) end)}) end)
        send(parent, {:said, said})
      end)

    assert_received {:status, status}
    assert_received {:said, said}
    {status, said, complaint}
  end

  defp status(args) do
    Bisect.run(args)
    0
  catch
    :exit, {:shutdown, status} -> status
  end

  @test ~w(-- mix test test/till_test.exs)

  test "the first commit that did something else, past one that does not build", %{dir: dir, commits: commits} do
    [good, _, broken, faulty | _] = commits
    write(dir, "NEWS", "not committed")
    before = git(dir, ~w(status --porcelain))
    assert {0, said, ""} = bisect(dir, ["--good", good] ++ @test)
    assert said =~ "#{faulty} is the first commit that did something else"
    assert said =~ "or one of those just before it that were skipped: #{String.slice(broken, 0, 12)}"
    assert said =~ "it does not build"
    assert said =~ "Till's state was 2 after call {:add, 1} from test; 1 was expected."
    # The user's tree is as it was, and nothing is left behind.
    assert git(dir, ~w(status --porcelain)) == before
    assert git(dir, ~w(worktree list)) |> String.split("\n", trim: true) |> length() == 1
    assert Path.wildcard(Path.join(System.tmp_dir!(), "beam_scope_bisect_#{System.pid()}_*")) == []
  end

  test "where nothing differs, or nothing can be found out", %{dir: dir, commits: [good, same, broken | _]} do
    assert {1, said, ""} = bisect(dir, ["--good", good, "--bad", same] ++ @test)
    assert said =~ "did the same as the good one"

    for {args, complaint} <- [
          {@test, "--good REV is missing"},
          {["--good", good], "no command to run"},
          {["--good", "nothing"] ++ @test, "nothing is no commit"},
          {["--good", good, "--colour"] ++ @test, "unknown option --colour"},
          {["--good", "HEAD", "--bad", good] ++ @test, "nothing between them"},
          {["--good", broken] ++ @test, "the good commit cannot be judged: it does not build"},
          {["--good", good, "--bad", same, "--", "true"], "left no recording"}
        ] do
      assert {2, _said, said} = bisect(dir, args)
      assert said =~ complaint
    end

    assert git(dir, ~w(worktree list)) |> String.split("\n", trim: true) |> length() == 1
  end
end
