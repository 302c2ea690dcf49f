defmodule BeamScope.SourceTest do
  # Not async: the directory is changed, and what git says is remembered for the whole system.
  use ExUnit.Case, async: false
  alias BeamScope.Error

  @moduletag :capture_log

  setup do
    dir =
      Path.join(System.tmp_dir!(), "beam_scope_source_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(Path.join(dir, "lib"))
    here = File.cwd!()
    forget()

    on_exit(fn ->
      File.cd!(here)
      forget()
      File.rm_rf!(dir)
    end)

    # A link in the way would make git's name of it another one.
    {real, 0} = System.cmd("pwd", ["-P"], cd: dir)
    %{dir: String.trim(real)}
  end

  defp forget, do: Application.delete_env(:beam_scope, BeamScope.Code.Git)

  defp git(dir, arguments) do
    config = ~w(-c user.name=a -c user.email=a@example.org -c commit.gpgsign=false -c init.defaultBranch=main)
    {_, 0} = System.cmd("git", config ++ arguments, cd: dir, stderr_to_stdout: true)
  end

  # Compiled where it lies, with debug information on disk, as mix does.
  defp compile(dir, body) do
    file = Path.join(dir, "lib/till.ex")
    File.write!(file, body)
    previous = Code.get_compiler_option(:debug_info)
    Code.put_compiler_option(:debug_info, true)
    Code.put_compiler_option(:ignore_module_conflict, true)
    [{module, beam}] = Code.compile_file(file)
    Code.put_compiler_option(:ignore_module_conflict, false)
    Code.put_compiler_option(:debug_info, previous)
    ebin = Path.join(dir, "ebin")
    File.mkdir_p!(ebin)
    File.write!(Path.join(ebin, "#{module}.beam"), beam)
    Code.prepend_path(ebin)
    :code.purge(module)
    {:module, ^module} = :code.load_file(module)
    on_exit(fn -> Code.delete_path(ebin) end)
    module
  end

  @body """
  defmodule BeamScope.SourceTest.Till do
    use GenServer
    def init(n), do: {:ok, n}

    def handle_call({:pay, n}, _from, s), do: {:reply, :ok, s + add(n)}

    def add(n) do
      10 / n
    end
  end
  """

  defp recorded(module) do
    {_, rec} =
      BeamScope.record([calls: [module]], fn ->
        Process.flag(:trap_exit, true)
        {:ok, till} = GenServer.start_link(module, 0)
        GenServer.call(till, {:pay, 2})
        catch_exit(GenServer.call(till, {:pay, 0}))
      end)

    rec
  end

  defp marked(source), do: Enum.at(source.lines, source.line - source.first)

  test "of a call, a callback and a crash, at the commit that was recorded", %{dir: dir} do
    git(dir, ["init", "-q"])
    module = compile(dir, @body)
    git(dir, ["add", "lib"])
    git(dir, ["commit", "-qm", "one"])
    File.cd!(dir)
    rec = recorded(module)
    code = BeamScope.info(rec).code
    assert %{dirty: false, diff: nil, branch: "main", root: ^dir} = code.git
    assert code.lines[{module, :add, 1}] == 7
    assert %{source: source, md5: md5} = code.modules[module]
    assert {source, byte_size(md5)} == {Path.join(dir, "lib/till.ex"), 32}

    # What came later does not count.
    File.write!(Path.join(dir, "lib/till.ex"), "# empty now")
    git(dir, ["commit", "-qam", "two"])

    call = rec |> BeamScope.calls(call: {module, :add}) |> Enum.at(0)
    {:ok, source} = BeamScope.source(rec, call)
    assert marked(source) == "  def add(n) do"
    assert {source.from, source.warning} == {{:commit, code.git.commit}, nil}
    assert inspect(source) =~ "▶  7    def add(n) do"
    assert inspect(source) =~ "↳ add(2)"

    [handled, crash] =
      rec |> BeamScope.history({:module, module} |> elem(1)) |> Enum.filter(&(&1.kind == :call))

    assert marked(BeamScope.source!(rec, handled)) =~ "def handle_call({:pay, n}"
    exit = rec |> BeamScope.events(kind: :exit) |> Enum.find(&match?({:badarith, _}, &1.reason))
    source = BeamScope.source!(rec, exit)
    assert marked(source) == "    10 / n"
    assert inspect(source) =~ "↳ exit: "
    assert marked(BeamScope.source!(rec, crash)) =~ ~r"10 / n|def handle_call"

    # And from a file.
    path = Path.join(dir, "x.beamscope")
    BeamScope.save!(rec, path)
    assert BeamScope.source!(BeamScope.load!(path), exit) == source
  end

  test "changes that were not committed are said aloud", %{dir: dir} do
    git(dir, ["init", "-q"])
    compile(dir, @body)
    git(dir, ["add", "lib"])
    git(dir, ["commit", "-qm", "one"])
    module = compile(dir, String.replace(@body, "10 / n", "20 / n"))
    File.cd!(dir)
    rec = recorded(module)
    assert %{dirty: true, diff: <<_::binary-size(32)>>} = BeamScope.info(rec).code.git
    assert inspect(BeamScope.info(rec)) =~ "with changes"
    call = rec |> BeamScope.calls(call: {module, :add}) |> Enum.at(0)
    source = BeamScope.source!(rec, call)
    assert source.from == :working_tree and Enum.any?(source.lines, &(&1 =~ "20 / n"))
    assert source.warning =~ "the same ones now"
    git(dir, ["checkout", "-q", "."])
    source = BeamScope.source!(rec, call)
    assert {:commit, _} = source.from
    assert source.warning =~ "not there any more"
  end

  test "without git it is the file as it is", %{dir: dir} do
    File.write!(Path.join(dir, ".git"), "gitdir: /nowhere")
    module = compile(dir, @body)
    File.cd!(dir)
    rec = recorded(module)
    assert BeamScope.info(rec).code.git == nil
    call = rec |> BeamScope.calls(call: {module, :add}) |> Enum.at(0)
    source = BeamScope.source!(rec, call)
    assert source.from == :file and source.warning =~ "as it is now"
    File.rm!(Path.join(dir, "lib/till.ex"))
    assert {:error, %Error{reason: :no_source} = error} = BeamScope.source(rec, call)
    assert Exception.message(error) =~ "cannot be read"
  end
end
