defmodule BeamScope.Test.Basket do
  @moduledoc "Mix's own processes are left out, and this test's module is one of Mix's: so the basket has its own."
  def start, do: Agent.start_link(fn -> [] end, name: :compared_basket)
  def put(basket, x), do: Agent.update(basket, &[x | &1])
end

defmodule Mix.Tasks.BeamScope.CompareTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias BeamScope.Test.Basket
  alias Mix.Tasks.BeamScope.Compare

  setup do
    dir = Path.join(System.tmp_dir!(), "beam_scope_mix_compare_#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    on_exit(fn -> [File.rm_rf!(dir), BeamScope.clear()] end)
    %{dir: dir}
  end

  defp recording(dir, name, last, opts \\ []) do
    {:ok, basket} = Basket.start()

    {_, rec} =
      BeamScope.record([trace: basket] ++ opts, fn -> for x <- [1, last], do: Basket.put(basket, x) end)

    Agent.stop(basket)
    path = Path.join(dir, name)
    :ok = BeamScope.save(rec, path)
    path
  end

  # What is printed, what is complained of, and the exit status.
  defp run(args) do
    parent = self()

    complaint =
      capture_io(:stderr, fn ->
        said = capture_io(fn -> send(parent, {:status, status(args)}) end)
        send(parent, {:said, said})
      end)

    assert_received {:status, status}
    assert_received {:said, said}
    {status, said, complaint}
  end

  defp status(args) do
    Compare.run(args)
    0
  catch
    :exit, {:shutdown, status} -> status
  end

  test "two that did the same", %{dir: dir} do
    assert {0, said, ""} = run([recording(dir, "a", 2), recording(dir, "b", 2)])
    assert said =~ "the same in both: 2 roles"
  end

  test "two that did not, and what one of them did", %{dir: dir} do
    paths = [recording(dir, "a", 2), recording(dir, "b", 3)]
    assert {1, said, ""} = run(paths)
    assert said =~ "first: :compared_basket"
    assert said =~ ":compared_basket's state was [3, 1]"
    refute said =~ "matched"
    assert {1, said, ""} = run(paths ++ ["--role", ":compared_basket"])
    assert said =~ ~r/[23] matched, 1 different/
    assert {0, _said, ""} = run(paths ++ ["--only", "caller"])
    # Then nobody is left who did anything.
    assert {3, _said, ""} = run(paths ++ ["--ignore", ":compared_basket"])
  end

  test "two of which something is not known", %{dir: dir} do
    long = String.duplicate("x", 10_000)
    budget = [budget: [bytes: 256, depth: 100]]
    paths = for name <- ["a", "b"], do: recording(dir, name, long, budget)
    assert {3, said, ""} = run(paths)
    assert said =~ "nothing different of what is known"
  end

  test "what is wrong is said, and is status 2", %{dir: dir} do
    path = recording(dir, "a", 2)
    nothing = Path.join(dir, "nothing")
    damaged = Path.join(dir, "damaged")
    File.write!(damaged, "no recording")

    for {args, complaint} <- [
          {[path], "two recordings are compared, got 1"},
          {[path, path, path], "got 3"},
          {[path, path, "--colour"], "unknown option --colour"},
          {[path, path, "--times=maybe"], "--times"},
          {[path, nothing], nothing},
          {[damaged, path], damaged},
          {[path, path, "--only", "Nobody"], "neither recording has a role Nobody"},
          {[path, path, "--role", "Nobody"], "neither recording has a role Nobody"}
        ] do
      assert {2, _said, said} = run(args)
      assert said =~ complaint
    end
  end
end
