defmodule BeamScope.Expectation.Ranking do
  @moduledoc false
  # Of several expectations that are broken, which went wrong first.
  #
  # What was seen to break one did so when it happened, and what did not come in its time when that was over. What never came is
  # missing for certain at the end only, all of it at once: then the earliest that lacks something is first, unless it lacks it
  # because of another. A request is not answered because of what happened to those who were at work on it: they come before it.
  # What a state is in the end sums up all of it, and is told last.

  alias BeamScope.{Error, Event, Process, Transition, Verdict}
  alias BeamScope.Expect.Report

  # Who was asked by whom is followed through no more messages than this.
  @messages 200

  @doc "Gives each broken expectation its rank, 0 the first."
  @spec rank([Verdict.Expectation.t()], BeamScope.Recording.t()) :: [Verdict.Expectation.t()]
  def rank(expectations, rec) do
    ranks =
      expectations
      |> Enum.filter(&(&1.verdict == :broken))
      |> Enum.sort_by(&key/1)
      |> sort(rec)
      |> Enum.map(& &1.name)
      |> Enum.with_index()
      |> Map.new()

    for expectation <- expectations, do: %{expectation | rank: ranks[expectation.name]}
  end

  @doc "By when it was certain that something was broken."
  @spec key(Verdict.Expectation.t()) :: tuple
  def key(%{report: report, moment: moment}), do: key(report, moment)

  @doc "The same of one that is not told yet."
  @spec key(Report.t() | nil, BeamScope.Moment.t() | nil) :: tuple
  def key(_report, nil), do: {3, 0, 0}
  def key(%Report{certain_ns: :last}, moment), do: {2, moment.seq, 0}
  def key(%Report{certain_ns: :end}, moment), do: {1, moment.seq, 0}
  def key(%Report{certain_ns: ns}, moment) when is_integer(ns), do: {0, ns, moment.seq}
  def key(_report, moment), do: {0, moment.at_ns, moment.seq}

  defp sort([], _rec), do: []

  defp sort([first | others], rec) do
    {reasons, others} = Enum.split_with(others, &reason?(rec, &1, first))
    sort(reasons, rec) ++ [first] ++ sort(others, rec)
  end

  # Whether what `one` lacks may be why `other` lacks something: it is about who was asked, or about whom that one has asked since.
  defp reason?(rec, one, other) do
    missing?(one) and missing?(other) and asked?(rec, other.report.at, one.report.at)
  end

  defp missing?(%{report: %Report{certain_ns: :end, at: at}}), do: at != nil
  defp missing?(_expectation), do: false

  defp asked?(rec, %Event{to_track: asked} = request, later) when is_integer(asked) do
    track = track(later)
    later.moment.seq > request.moment.seq and (track == asked or told?(rec, asked, track, {request, later}))
  end

  defp asked?(_rec, _request, _later), do: false

  defp track(%Event{track: track}), do: track
  defp track(%Transition{track: track}), do: track

  defp told?(rec, from, to, {since, until}) do
    [from, to] = for track <- [from, to], do: %Process{track: track}
    options = [from: from, to: to, since: since.moment, until: until.moment, limit: @messages]
    Enum.any?(BeamScope.messages(rec, options), &(&1.moment.seq > since.moment.seq))
  rescue
    # Which is told first is a help; that they are broken is told in any case.
    Error -> false
  end
end
