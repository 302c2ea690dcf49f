defmodule BeamScope.Code.Git do
  @moduledoc false
  # What git says of the directory that the system runs in. Without git, or outside of a repository: nothing.

  @good_ms 30_000

  @type t :: %{
          commit: String.t(),
          branch: String.t() | nil,
          dirty: boolean,
          diff: String.t() | nil,
          root: String.t()
        }

  @doc "The state of the working tree, at most half a minute old."
  @spec current() :: t | nil
  def current do
    now = System.monotonic_time(:millisecond)

    with {:ok, here} <- File.cwd() do
      case Application.get_env(:beam_scope, __MODULE__) do
        {^here, at, known} when now - at < @good_ms ->
          known

        _ ->
          found = look(here)
          Application.put_env(:beam_scope, __MODULE__, {here, now, found})
          found
      end
    else
      _ -> nil
    end
  end

  @doc "The state of a working tree as it is now."
  @spec look(Path.t()) :: t | nil
  def look(directory) do
    with {:ok, root} <- run(directory, ["rev-parse", "--show-toplevel"]),
         root = String.trim(root),
         {:ok, commit} <- run(root, ["rev-parse", "HEAD"]) do
      diff = diff(root)

      %{
        root: root,
        commit: String.trim(commit),
        branch: branch(root),
        dirty: diff != nil,
        diff: diff
      }
    else
      _ -> nil
    end
  end

  defp branch(root) do
    case run(root, ["symbolic-ref", "--short", "-q", "HEAD"]) do
      {:ok, name} -> String.trim(name)
      _ -> nil
    end
  end

  @doc "The MD5 of what was changed since the commit, or `nil` if nothing was."
  @spec diff(Path.t()) :: String.t() | nil
  def diff(root) do
    case run(root, ["diff", "--no-ext-diff", "--no-color", "HEAD"]) do
      {:ok, ""} -> nil
      {:ok, diff} -> Base.encode16(:erlang.md5(diff), case: :lower)
      _ -> nil
    end
  end

  @doc "A file as it was at a commit."
  @spec show(Path.t(), String.t(), Path.t()) :: {:ok, String.t()} | :error
  def show(root, commit, path), do: run(root, ["show", "#{commit}:#{path}"])

  # Nothing is asked of the user, no lock is taken, and what git has against it nobody needs to see.
  defp run(directory, arguments) do
    with git when is_binary(git) <- System.find_executable("git"),
         true <- File.dir?(directory),
         {out, 0} <-
           System.cmd("/bin/sh", ["-c", "exec \"$@\" 2>/dev/null", "sh", git, "-C", directory | arguments],
             env: [{"GIT_OPTIONAL_LOCKS", "0"}, {"GIT_TERMINAL_PROMPT", "0"}]
           ) do
      {:ok, out}
    else
      _ -> :error
    end
  rescue
    _ -> :error
  end
end
