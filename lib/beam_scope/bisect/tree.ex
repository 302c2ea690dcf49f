defmodule BeamScope.Bisect.Tree do
  @moduledoc false
  # A git worktree of our own in a directory for temporary files, in which commits are checked out and run. The user's tree is never
  # touched. Whatever ends this, an error, Ctrl-C or a kill, the worktree is removed: a shell waits for the end of its input, which
  # comes when this virtual machine closes it or ends.

  @enforce_keys [:repository, :dir, :path, :project, :libraries]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          repository: Path.t(),
          dir: Path.t(),
          path: Path.t(),
          project: Path.t(),
          libraries: Path.t()
        }

  @doc "The repository of the current directory: its top, and where below it the project lies."
  @spec repository() :: {:ok, {Path.t(), Path.t()}} | {:error, String.t()}
  def repository do
    with {:ok, top} <- git(File.cwd!(), ~w(rev-parse --show-toplevel)),
         {:ok, below} <- git(File.cwd!(), ~w(rev-parse --show-prefix)),
         do: {:ok, {top, below}}
  end

  @doc "The commit that a revision stands for."
  @spec commit({Path.t(), Path.t()}, String.t()) :: {:ok, String.t()} | {:error, String.t()}
  def commit({top, _}, revision) do
    case git(top, ["rev-parse", "--verify", "--quiet", "--end-of-options", revision <> "^{commit}"]) do
      {:ok, commit} -> {:ok, commit}
      {:error, _} -> {:error, "#{revision} is no commit of this repository"}
    end
  end

  @doc "The commits after a good one up to a bad one, the oldest first."
  @spec between({Path.t(), Path.t()}, String.t(), String.t()) :: {:ok, [String.t()]} | {:error, String.t()}
  def between({top, _}, good, bad) do
    with {:ok, text} <- git(top, ["rev-list", "--topo-order", "--reverse", "#{good}..#{bad}"]),
         do: {:ok, String.split(text, "\n", trim: true)}
  end

  @doc "Gives a worktree to a function, and removes it in any case."
  @spec in_tree({Path.t(), Path.t()}, String.t(), (t -> result)) :: result | {:error, String.t()}
        when result: term
  def in_tree({top, below}, commit, fun) do
    dir =
      Path.join(System.tmp_dir!(), "beam_scope_bisect_#{System.pid()}_#{System.unique_integer([:positive])}")

    path = Path.join(dir, "tree")
    libraries = Path.join(dir, "libraries")
    File.mkdir_p!(libraries)
    guard = guard(top, path, dir)

    try do
      File.ln_s!(Application.app_dir(:beam_scope), Path.join(libraries, "beam_scope"))

      with {:ok, _} <- git(top, ["worktree", "add", "--quiet", "--detach", path, commit]) do
        tree = %__MODULE__{
          repository: top,
          dir: dir,
          path: path,
          project: Path.join(path, below),
          libraries: libraries
        }

        copy_deps(tree)
        fun.(tree)
      end
    after
      remove(top, path, dir)
      Port.close(guard)
    end
  end

  @script """
  trap '' INT TERM HUP QUIT
  cat >/dev/null
  git -C "$1" worktree remove --force "$2" >/dev/null 2>&1
  rm -rf "$3"
  git -C "$1" worktree prune >/dev/null 2>&1
  """

  defp guard(top, path, dir) do
    sh = System.find_executable("sh")
    Port.open({:spawn_executable, sh}, [:binary, :exit_status, args: ["-c", @script, "sh", top, path, dir]])
  end

  defp remove(top, path, dir) do
    _ = git(top, ["worktree", "remove", "--force", path])
    File.rm_rf(dir)
    _ = git(top, ["worktree", "prune"])
  end

  # So that what was fetched need not be fetched again.
  defp copy_deps(tree) do
    deps = Path.expand("deps")
    target = Path.join(tree.project, "deps")
    if File.dir?(deps) and not File.exists?(target), do: File.cp_r(deps, target)
  end

  @doc "Where the command is to leave its recording."
  @spec recording(t) :: Path.t()
  def recording(%__MODULE__{dir: dir}), do: Path.join(dir, "recording.bsr")

  @doc "Checks a commit out. What was built and fetched stays, so that the next build is a short one."
  @spec checkout(t, String.t()) :: :ok | {:skip, String.t()}
  def checkout(tree, commit) do
    with {:ok, _} <- git(tree.path, ["checkout", "--quiet", "--force", "--detach", commit]),
         {:ok, _} <- git(tree.path, ~w(clean -ffdxq -e _build -e deps)) do
      :ok
    else
      {:error, what} -> {:skip, "it cannot be checked out: #{what}"}
    end
  end

  @doc "Runs a command in the project: what it printed, and its exit status."
  @spec run(t, [String.t()], [{String.t(), String.t()}]) :: {String.t(), integer} | {:skip, String.t()}
  def run(tree, [program | args], env) do
    if File.dir?(tree.project),
      do: System.cmd(program, args, cd: tree.project, env: env, stderr_to_stdout: true),
      else: {:skip, "the project's directory is not there"}
  rescue
    error in ErlangError -> {:skip, "#{program} cannot be run: #{inspect(error.original)}"}
  end

  @doc "A commit as people know it."
  @spec describe(t, String.t()) :: String.t()
  def describe(%__MODULE__{repository: top}, commit) do
    case git(top, ["log", "-1", "--format=%h %s", commit]) do
      {:ok, text} -> text
      {:error, _} -> String.slice(commit, 0, 12)
    end
  end

  defp git(dir, args) do
    case System.cmd("git", ["-C", dir | args], stderr_to_stdout: true) do
      {text, 0} -> {:ok, String.trim(text)}
      {text, _} -> {:error, text |> String.split("\n", trim: true) |> List.last() || "git failed"}
    end
  rescue
    ErlangError -> {:error, "git is not installed"}
  end
end
