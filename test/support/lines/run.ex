defmodule BeamScope.Test.Lines.Run do
  @moduledoc false
  # Two peers, one with the originals and one with instrumented modules, that are given the same calls.

  alias BeamScope.Test.Lines.{Doctests, Peer, Remote}

  @batch 250
  # A call may take so long, and so much memory (words); instrumented code ten times as long and four times as much.
  @ms 1_000
  @words 8_000_000

  @doc """
  Starts the two; `replaced` is `[{module, own file, file of object code}]`, and `compiled_again` the same for the originals' peer.
  """
  def start(replaced, compiled_again, sites, double) do
    [original, instrumented] = for _ <- 1..2, do: Peer.start()
    atoms = atoms(replaced)

    for peer <- [original, instrumented] do
      :ok = Peer.call(peer, Remote, :quiet, [])
      :ok = Peer.call(peer, Remote, :atoms, [atoms])
    end

    :ok = Peer.call(original, Remote, :load, [compiled_again])
    :ok = Peer.call(instrumented, Remote, :count, [double, sites])
    :ok = Peer.call(instrumented, Remote, :load, [replaced])
    %{original: original, instrumented: instrumented}
  end

  # The order of keys in maps hangs on which atoms were made first; instrumented code brings some along.
  defp atoms(replaced) do
    for(
      {_, _, file} <- replaced,
      {:ok, {_, [atoms: atoms]}} = :beam_lib.chunks(to_charlist(file), [:atoms]),
      {_, atom} <- atoms,
      do: Atom.to_string(atom)
    )
    |> Enum.uniq()
    |> Enum.sort()
  end

  def stop(%{original: original, instrumented: instrumented}) do
    Peer.stop(original)
    Peer.stop(instrumented)
  end

  @doc """
  Gives `calls` to both. `%{compared:, skipped: [call], different: [call]}`: skipped is what the original had no time or memory for.
  """
  def compare(peers, calls, scale \\ 1) do
    calls
    |> Enum.chunk_every(max(div(@batch, scale), 1))
    |> pipeline(peers, scale, nil, %{compared: 0, skipped: [], different: []})
  end

  # One batch is at the instrumented peer while the next is at the original.
  defp pipeline([], _peers, _scale, nil, sum), do: sum
  defp pipeline([], _peers, _scale, task, sum), do: add(sum, Task.await(task, :infinity))

  defp pipeline([calls | rest], peers, scale, task, sum) do
    originals = batch(peers.original, calls, @ms * scale, @words * scale, false)
    sum = if task, do: add(sum, Task.await(task, :infinity)), else: sum
    task = Task.async(fn -> judge(calls, originals, peers.instrumented, scale) end)
    pipeline(rest, peers, scale, task, sum)
  end

  defp judge(calls, originals, instrumented, scale) do
    {skipped, asked} = calls |> Enum.zip(originals) |> Enum.split_with(&(elem(&1, 1) == :limit))
    outcomes = batch(instrumented, Enum.map(asked, &elem(&1, 0)), @ms * 10 * scale, @words * 4 * scale, false)
    different = for {{call, original}, outcome} <- Enum.zip(asked, outcomes), original != outcome, do: call
    {asked |> Enum.map(&inputs(elem(&1, 0))) |> Enum.sum(), Enum.map(skipped, &elem(&1, 0)), different}
  end

  defp inputs({Doctests, :evaluate, [texts]}), do: length(texts)
  defp inputs(_call), do: 1

  defp batch(peer, calls, time, words, whole?),
    do: Peer.call(peer, Remote, :batch, [calls, time, words, whole?])

  defp add(sum, {compared, skipped, different}) do
    %{
      sum
      | compared: sum.compared + compared,
        skipped: sum.skipped ++ skipped,
        different: sum.different ++ different
    }
  end

  @doc "What a call gives in one and in the other, whole."
  def details(peers, call) do
    for peer <- [peers.original, peers.instrumented],
        do: batch(peer, [call], 10 * @ms, 8 * @words, true) |> hd()
  end
end
