defmodule Mix.Tasks.BeamScope.ReplayTest do
  # The task as a person has it: in a terminal, which is tmux here; and as a pipe has it.
  use ExUnit.Case, async: true

  import ExUnit.{CaptureIO, CaptureLog}

  alias BeamScope.Test.Shop
  alias Mix.Tasks.BeamScope.Replay

  @moduletag :capture_log
  @moduletag timeout: 180_000

  setup_all do
    path = Shop.path()
    {rec, _} = with_log(fn -> Shop.recorded(:replay_till) end)
    BeamScope.save!(rec, path)
    on_exit(fn -> File.rm(path) end)
    %{path: path}
  end

  describe "without a terminal" do
    test "--print prints what was so at a moment", %{path: path} do
      text = capture_io(fn -> Replay.run([path, "--print", "--at", "end"]) end)
      assert text =~ "After event #"
      assert text =~ "offered"
      # The number of the event that the crash is.
      {:ok, rec} = BeamScope.load(path)
      crash = rec |> BeamScope.Replay.open!() |> BeamScope.Replay.seek!(crash: true)
      text = capture_io(fn -> Replay.run([path, "--print", "--at", "##{crash.moment.seq}"]) end)
      assert text =~ "After event ##{crash.moment.seq}"
      assert text =~ "balance: 15"
    end

    test "the viewer says what to do instead", %{path: path} do
      # The device that captures has no columns.
      capture_io(fn ->
        assert_raise Mix.Error, ~r/needs a terminal.*--print/, fn -> Replay.run([path]) end
      end)
    end

    test "what is wrong is said, and nothing is opened", %{path: path} do
      assert_raise Mix.Error, ~r/give the file/, fn -> Replay.run([]) end
      assert_raise Mix.Error, ~r/one file at a time/, fn -> Replay.run([path, "another"]) end
      assert_raise Mix.Error, ~r/--at: noon is no moment/, fn -> Replay.run([path, "--at", "noon"]) end

      assert_raise Mix.Error, ~r/outside the recording/, fn ->
        Replay.run([path, "--print", "--at", "999s"])
      end

      assert_raise Mix.Error, ~r/No such file/, fn -> Replay.run([path <> ".missing"]) end

      damaged = Shop.path()
      File.write!(damaged, "no recording at all")
      assert_raise Mix.Error, ~r/could not be used/, fn -> Replay.run([damaged, "--print"]) end
      File.rm!(damaged)
    end
  end

  # A terminal at one end only is none.
  @tag skip: if(System.find_executable("tmux"), do: nil, else: "tmux is not installed")
  test "a pipe behind it gets no viewer", %{path: path} do
    {tmux, _dir} = tmux()
    {_, 0} = tmux.(["send-keys", "-l", "mix beam_scope.replay #{path} | cat; echo i''s over"])
    {_, 0} = tmux.(["send-keys", "Enter"])
    assert see(%{tmux: tmux}, ~r/is over/) =~ "this needs a terminal"
  end

  describe "in a terminal" do
    @describetag skip: if(System.find_executable("tmux"), do: nil, else: "tmux is not installed")

    setup %{path: path} do
      {tmux, dir} = tmux()
      term = %{tmux: tmux, dir: dir}

      # The number of the process stays while one program becomes the next. What is waited for must not stand in the command.
      view = "sh -c 'echo $$ >#{dir}/pid; exec mix beam_scope.replay #{path}'"
      type(term, "stty -g >#{dir}/before; #{view}; echo \"left with $?\"; echo i''s over")
      key(term, "Enter")
      see(term, ~r/help +q/)
      %{term: term}
    end

    test "finds the crash, follows a resize, and leaves the terminal as it was", %{term: term} do
      key(term, "/")
      see(term, ~r/handled PATTERN/)
      type(term, "crash")
      key(term, "Enter")
      shown = see(term, ~r/INFO \{:divide, 0\}.*✗ error/s)
      assert shown =~ "balance: 15"

      key(term, "Enter")
      see(term, ~r/only :replay_till/)

      term.tmux.(["resize-window", "-x", "60", "-y", "12"])
      small = see(term, fn text -> not (text =~ "│ ") and length(String.split(text, "\n")) <= 13 end)
      for line <- String.split(small, "\n"), do: assert(BeamScope.Terminal.Style.width(line) <= 60)

      key(term, "q")
      assert see(term, ~r/is over/) =~ "left with 0"
      assert_restored(term)
    end

    test "Ctrl-C leaves, also while something is typed", %{term: term} do
      key(term, "/")
      see(term, ~r/handled PATTERN/)
      key(term, "C-c")
      see(term, ~r/is over/)
      assert_restored(term)
    end

    test "a kill that nobody can catch leaves the terminal as it was", %{term: term} do
      pid = term.dir |> Path.join("pid") |> File.read!() |> String.trim()
      {_, 0} = System.cmd("kill", ["-KILL", pid])
      # What the shell says may come before the keeper leaves the other screen, and be gone with that.
      until(fn -> {flags(term) == "0 1", flags(term)} end, 600)
      assert_restored(term)
    end

    test "a terminal that is closed leaves nothing behind", %{term: term} do
      pid = term.dir |> Path.join("pid") |> File.read!() |> String.trim()
      term.tmux.(["kill-server"])

      until(
        fn ->
          {text, status} = System.cmd("kill", ["-0", pid], stderr_to_stdout: true)
          {status > 0, text}
        end,
        100
      )
    end
  end

  # A terminal of our own with a shell, and a folder.
  defp tmux do
    socket = "beam_scope_#{System.pid()}_#{System.unique_integer([:positive])}"
    dir = Path.join(System.tmp_dir!(), socket)
    File.mkdir_p!(dir)
    # Nothing of the person's own settings; text as UTF-8, whatever the locale is.
    tmux = fn args ->
      System.cmd("tmux", ["-u", "-f", "/dev/null", "-L", socket | args], stderr_to_stdout: true)
    end

    {_, 0} =
      tmux.(["new-session", "-d", "-x", "100", "-y", "30", "-e", "LC_ALL=C.UTF-8", "-e", "PS1=$ ", "sh"])

    on_exit(fn ->
      tmux.(["kill-server"])
      File.rm_rf!(dir)
    end)

    {tmux, dir}
  end

  defp assert_restored(%{tmux: tmux, dir: dir}) do
    before = File.read!(Path.join(dir, "before"))
    # The keeper of a system that was killed has its work to do yet when the shell goes on.
    type(%{tmux: tmux}, "sleep 1; stty -g >#{dir}/after; echo at l''ast")
    key(%{tmux: tmux}, "Enter")
    see(%{tmux: tmux}, ~r/at last/)
    assert File.read!(Path.join(dir, "after")) == before
    assert flags(%{tmux: tmux}) == "0 1"
  end

  # Whether the alternate screen is on, and the cursor.
  defp flags(%{tmux: tmux}) do
    {flags, 0} = tmux.(["display", "-p", "\#{alternate_on} \#{cursor_flag}"])
    String.trim(flags)
  end

  defp type(%{tmux: tmux}, text), do: {_, 0} = tmux.(["send-keys", "-l", text])
  defp key(%{tmux: tmux}, key), do: {_, 0} = tmux.(["send-keys", key])

  # What the screen shows, once it does.
  defp see(%{tmux: tmux}, pattern) do
    until(
      fn ->
        {text, _} = tmux.(["capture-pane", "-p"])
        {if(is_function(pattern), do: pattern.(text), else: text =~ pattern), text}
      end,
      600
    )
  end

  defp until(fun, left) do
    case fun.() do
      {true, text} ->
        text

      {false, text} when left == 0 ->
        flunk("it did not come. There is:\n" <> text)

      {false, _} ->
        Process.sleep(100)
        until(fun, left - 1)
    end
  end
end
