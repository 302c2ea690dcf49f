defmodule BeamScope.Bisect do
  @moduledoc false
  # The first commit whose recording of a command differs from that of a good one: what `mix beam_scope.bisect` does.

  alias BeamScope.{Comparison, Recording}
  alias BeamScope.Bisect.{Hook, Tree}

  @type verdict :: :same | :different | {:skip, String.t()}
  @type found :: %{
          first: String.t(),
          comparison: Comparison.t(),
          skipped: [{String.t(), String.t()}],
          unsure: [String.t()]
        }

  # ExUnit's runner, and the supervisor without a name that it starts for a test's processes: when it comes is a matter of chance.
  # Releases call it by either of these names.
  @runners ["runner", "Supervisor.Default", ~s(:"no callback module")]

  @doc """
  Looks for it. `asked` has `good`, `bad`, `command` (a list), `compare` (options of `BeamScope.compare/3`), and `say`, a function that
  is told how it goes.
  """
  @spec run(map) :: {:ok, found} | {:none, String.t()} | {:error, String.t()}
  def run(asked) do
    with {:ok, repository} <- Tree.repository(),
         {:ok, good} <- Tree.commit(repository, asked.good),
         {:ok, bad} <- Tree.commit(repository, asked.bad),
         {:ok, [_ | _] = commits} <- Tree.between(repository, good, bad) do
      Tree.in_tree(repository, good, fn tree -> search(tree, good, commits, asked) end)
    else
      {:ok, []} -> {:error, "#{asked.good} is not before #{asked.bad}: there is nothing between them"}
      {:error, what} -> {:error, what}
    end
  end

  defp search(tree, good, commits, asked) do
    with {:ok, expected} <- expected(tree, good, asked),
         bad = List.last(commits),
         {:different, comparison} <- judge(tree, bad, expected, asked) do
      state = %{tree: tree, commits: List.to_tuple(commits), expected: expected, asked: asked, skipped: %{}}
      {:ok, narrow(state, -1, length(commits) - 1, comparison)}
    else
      {:error, what} -> {:error, what}
      {:skip, why} -> {:error, "the bad commit cannot be judged: #{why}"}
      {:same, _} -> {:none, "the bad commit did the same as the good one"}
    end
  end

  # Twice: what is another in every run would be found in any commit.
  defp expected(tree, good, asked) do
    with {:ok, one} <- record(tree, good, asked),
         {:ok, again} <- record(tree, good, asked) do
      case Comparison.run(one, again, options(one, again, asked)) do
        {:ok, comparison} -> steady(one, comparison)
        {:error, error} -> {:error, Exception.message(error)}
      end
    else
      {:skip, why} -> {:error, "the good commit cannot be judged: #{why}"}
    end
  end

  defp steady(one, comparison) do
    case Comparison.verdict(comparison) do
      :different ->
        {:error,
         "the good commit does not do the same twice: " <>
           BeamScope.Terminal.Comparison.sentence(comparison.first) <>
           " Leave out with --ignore what is another in every run, or name with --only what is not"}

      _ ->
        {:ok, one}
    end
  end

  # ---- the search ----

  # The stories of all up to `low` are those of the good one, that of `high` is not.
  defp narrow(state, low, high, comparison) do
    case middle(low, high, state.skipped) do
      nil -> found(state, low, high, comparison)
      at -> step(state, low, high, at, comparison)
    end
  end

  defp step(state, low, high, at, comparison) do
    case judge(state.tree, elem(state.commits, at), state.expected, state.asked) do
      {:same, _} -> narrow(state, at, high, comparison)
      {:different, found} -> narrow(state, low, at, found)
      {:skip, why} -> narrow(put_in(state.skipped[at], why), low, high, comparison)
    end
  end

  @doc "The commit to try next: the one nearest to the middle that was not skipped."
  @spec middle(integer, integer, map) :: non_neg_integer | nil
  def middle(low, high, skipped) do
    center = div(low + high, 2)

    (low + 1)..(high - 1)//1
    |> Enum.reject(&is_map_key(skipped, &1))
    |> Enum.min_by(&abs(&1 - center), fn -> nil end)
  end

  defp found(state, low, high, comparison) do
    %{
      first: elem(state.commits, high),
      comparison: comparison,
      skipped: for({at, why} <- Enum.sort(state.skipped), do: {elem(state.commits, at), why}),
      unsure: for(at <- (low + 1)..(high - 1)//1, do: elem(state.commits, at))
    }
  end

  # ---- one commit ----

  defp judge(tree, commit, expected, asked) do
    with {:ok, actual} <- record(tree, commit, asked),
         {:ok, comparison} <- Comparison.run(expected, actual, options(expected, actual, asked)) do
      verdict = if Comparison.verdict(comparison) == :different, do: :different, else: :same
      asked.say.({verdict, Tree.describe(tree, commit)})
      {verdict, comparison}
    else
      {:skip, why} -> skip(tree, commit, why, asked)
      {:error, error} -> skip(tree, commit, Exception.message(error), asked)
    end
  end

  defp skip(tree, commit, why, asked) do
    asked.say.({:skip, Tree.describe(tree, commit), why})
    {:skip, why}
  end

  @spec record(Tree.t(), String.t(), map) :: {:ok, Recording.t()} | {:skip, String.t()}
  defp record(tree, commit, asked) do
    path = Tree.recording(tree)
    File.rm(path)

    with :ok <- Tree.checkout(tree, commit),
         :ok <- build(tree, asked.command),
         {output, _status} <- Tree.run(tree, asked.command, Hook.env(path, tree.libraries)) do
      case BeamScope.load(path) do
        {:ok, rec} -> {:ok, rec}
        {:error, _} -> {:skip, "the command left no recording; its last words: #{words(output)}"}
      end
    end
  end

  # Apart from the run, so that what compiles is not recorded, and what does not compile is known. All of it: Mix goes by the second in
  # which a file was written, and by its size, and commits are checked out faster than that.
  defp build(tree, ["mix" | _]) do
    case Tree.run(tree, ["mix", "do", "deps.get,", "compile", "--force"], [{"MIX_ENV", "test"}]) do
      {_, 0} -> :ok
      {output, _} -> {:skip, "it does not build: #{words(output)}"}
    end
  end

  defp build(_tree, _command), do: :ok

  defp words(output) do
    lines = String.split(output, "\n", trim: true)
    line = Enum.find(lines, List.last(lines) || "none", &String.starts_with?(&1, "** ("))
    line |> String.trim() |> String.slice(0, 200)
  end

  # ExUnit's own processes do not count; those of the tests are known by their order.
  defp options(a, b, asked) do
    {ours, theirs} = {Map.new(Hook.roles(a)), Map.new(Hook.roles(b))}
    names = Enum.uniq(Map.keys(ours) ++ Map.keys(theirs))
    roles = for name <- names, do: {name, [ours[name], theirs[name]]}
    asked.compare |> Keyword.put(:roles, roles) |> Keyword.update(:ignore, @runners, &(@runners ++ &1))
  end
end
