defmodule BeamScope.Expect.Candidates do
  @moduledoc false
  # What came nearest to a step that found nothing: of some things of its kind, the one with the least that differs.

  alias BeamScope.{Diff, Error, Event}
  alias BeamScope.Expect.{Nearest, Party, Past, Step}

  # A failure is told in a moment, however long the recording is.
  @few 300

  @doc """
  The nearest thing that does not match, or `nil` where there is none: of the latest, or of the first after `since:`. `other` is
  one that the engine found, in all that there is; it counts where it is nearer.
  """
  @spec nearest(BeamScope.Recording.t(), Step.t(), keyword, map, struct | nil) :: Nearest.t() | nil
  def nearest(rec, %Step{} = step, span, known, other) do
    span = for {key, moment} <- span, moment != nil, do: {key, moment}
    order = if span[:since], do: :asc, else: :desc

    found =
      for subject <- found(rec, Party.bind(step, known), order, span),
          do: {Nearest.new(step, subject, known), 0}

    others = if other != nil, do: [{Nearest.new(step, other, known), 1}], else: []

    (found ++ others)
    |> Enum.reject(fn {nearest, _} -> nearest.failed == nil end)
    |> Enum.min_by(fn {nearest, rank} -> {distance(nearest), rank, earlier(nearest, order)} end, fn ->
      {nil, 0}
    end)
    |> elem(0)
  end

  # What cannot be listed is not compared.
  defp found(rec, step, order, span) do
    few(rec, step, order, span)
  rescue
    Error -> []
  end

  defp few(rec, %Step{what: :sent} = step, order, span),
    do: messages(rec, step, [:send, :send_to_dead], order, span)

  defp few(rec, %Step{what: :received} = step, order, span), do: messages(rec, step, [:receive], order, span)

  defp few(rec, %Step{what: :called, mfa: mfa, process: process}, order, span) do
    calls = BeamScope.calls(rec, [call: mfa] ++ given(process: process) ++ first(order, span)).events
    calls |> Enum.sort_by(& &1.moment.seq) |> ended()
  end

  defp few(rec, %Step{what: what, process: process}, order, span)
       when what in [:state, :transition] and process != nil do
    for t <- transitions(rec, process, order, span), t.kind not in [:gap, :end], counts?(what, t), do: t
  end

  defp few(_rec, _step, _order, _span), do: []

  defp transitions(rec, process, :asc, span),
    do: BeamScope.history(rec, process, [limit: @few, diff: false] ++ span).transitions

  defp transitions(rec, process, :desc, span) do
    rec
    |> Past.transitions(process, span[:until] || :end, [diff: false], &(length(&1) >= @few))
    |> Enum.take(-@few)
  end

  # Of a state that lasts, what made it so.
  defp counts?(:state, transition), do: transition.kind in [:init, :read] or transition.from != transition.to
  defp counts?(:transition, transition), do: transition.kind not in [:init, :read]

  defp messages(rec, step, kinds, order, span),
    do:
      BeamScope.events(rec, [kind: kinds] ++ given(from: step.from, to: step.to) ++ first(order, span)).events

  defp first(order, span), do: [order: order, limit: @few] ++ span
  defp given(filters), do: for({key, process} <- filters, process != nil, do: {key, process})

  # Each call with what it ended with; calls of one process are nested.
  defp ended(events) do
    {open, done} =
      Enum.reduce(events, {%{}, []}, fn
        %Event{kind: :call} = call, {open, done} -> {Map.update(open, call.track, [call], &[call | &1]), done}
        ending, {open, done} -> close(ending, Map.get(open, ending.track, []), open, done)
      end)

    Enum.concat([done | Map.values(open)])
  end

  defp close(_ending, [], open, done), do: {open, done}

  defp close(ending, [call | rest], open, done) do
    call = %{call | value: ending.value, class: ending.class, reason: ending.reason}
    {Map.put(open, ending.track, rest), [call | done]}
  end

  # The more parts match, the nearer; then the fewer changes, and the smaller ones.
  defp distance(%Nearest{step: step, failed: failed} = nearest) do
    matched =
      if failed in [:guard, :party],
        do: length(step.parts),
        else: Enum.find_index(step.parts, &(elem(&1, 0) == failed))

    {changes, size} = changes(nearest)
    {-matched, changes, size}
  end

  # Of equals, the one that was next, or last.
  defp earlier(%Nearest{subject: %{moment: %{seq: seq}}}, :asc), do: seq
  defp earlier(%Nearest{subject: %{moment: %{seq: seq}}}, :desc), do: -seq

  defp changes(%Nearest{diff: nil}), do: {0, 0}

  defp changes(%Nearest{diff: diff}) do
    changes = Diff.changes(diff)
    whole = if match?([{[], _}], changes), do: 1_000, else: 0
    {whole + length(changes), changes |> Enum.map(&size/1) |> Enum.sum()}
  end

  # Numbers differ by less than other terms of one kind, those by less than terms of two kinds.
  defp size({_path, {:changed, a, b}}) when is_number(a) and is_number(b), do: abs(a - b) / (1 + abs(a - b))
  defp size({_path, {:changed, a, b}}), do: if(kind(a) == kind(b), do: 1, else: 2)
  defp size(_change), do: 2

  defp kind(term) do
    Enum.find_index(
      [
        &is_atom/1,
        &is_number/1,
        &is_bitstring/1,
        &is_tuple/1,
        &is_list/1,
        &is_map/1,
        &is_pid/1,
        &is_reference/1
      ],
      & &1.(term)
    )
  end
end
