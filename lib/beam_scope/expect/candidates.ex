defmodule BeamScope.Expect.Candidates do
  @moduledoc false
  # What came nearest to a step that found nothing: of the latest things of its kind, the one with the least that differs.

  alias BeamScope.{Diff, Error, Event}
  alias BeamScope.Expect.{Nearest, Step}

  # A failure is told in a moment, however long the recording is.
  @latest 300

  @doc "The nearest thing that does not match, or `nil` where there is none. `span` are `since:` and `until:`."
  @spec nearest(BeamScope.Recording.t(), Step.t(), keyword, map) :: Nearest.t() | nil
  def nearest(rec, %Step{} = step, span, known) do
    rec
    |> latest(step, for({key, moment} <- span, moment != nil, do: {key, moment}))
    |> Enum.map(&Nearest.new(step, &1, known))
    |> Enum.reject(&(&1.failed == nil))
    |> Enum.min_by(&distance/1, fn -> nil end)
  rescue
    Error -> nil
  end

  defp latest(rec, %Step{what: :sent} = step, span), do: messages(rec, step, [:send, :send_to_dead], span)
  defp latest(rec, %Step{what: :received} = step, span), do: messages(rec, step, [:receive], span)

  defp latest(rec, %Step{what: :called, mfa: mfa, process: process}, span) do
    rec |> BeamScope.calls([call: mfa] ++ given(process: process) ++ last(span)) |> Enum.reverse() |> ended()
  end

  defp latest(_rec, %Step{what: what, process: nil}, _span) when what in [:state, :transition], do: []

  defp latest(rec, %Step{what: what, process: process}, span) when what in [:state, :transition] do
    rec
    |> BeamScope.history(process, [limit: :infinity, diff: false] ++ span)
    |> Enum.filter(&(&1.kind not in [:gap, :end] and counts?(what, &1)))
    |> Enum.take(-@latest)
  end

  defp latest(_rec, %Step{what: :crashed}, _span), do: []

  # Of a state that lasts, what made it so.
  defp counts?(:state, transition), do: transition.kind in [:init, :read] or transition.from != transition.to
  defp counts?(:transition, transition), do: transition.kind not in [:init, :read]

  defp messages(rec, step, kinds, span),
    do: BeamScope.events(rec, [kind: kinds] ++ given(from: step.from, to: step.to) ++ last(span)).events

  defp last(span), do: [order: :desc, limit: @latest] ++ span
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

  # The more parts match, the nearer; then the fewer changes, the smaller ones, the later one.
  defp distance(%Nearest{step: step, failed: failed, subject: subject} = nearest) do
    matched =
      if failed == :guard, do: length(step.parts), else: Enum.find_index(step.parts, &(elem(&1, 0) == failed))

    {changes, size} = changes(nearest)
    {-matched, changes, size, -subject.moment.seq}
  end

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
