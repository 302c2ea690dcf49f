defmodule BeamScope.Export.End do
  @moduledoc """
  The end of `BeamScope.Export.Source.events/2`: `more` whether `limit:` cut it, `count` how many events there were, `unknown` how
  many further ones could not be decided, `last_ns` the time of the last.
  """
  defstruct more: false, count: 0, unknown: 0, last_ns: 0

  @type t :: %__MODULE__{
          more: boolean,
          count: non_neg_integer,
          unknown: non_neg_integer,
          last_ns: non_neg_integer
        }
end

defmodule BeamScope.Export.Source do
  @moduledoc """
  What an exporter is given: a recording with the filters and options of the call.

    * `recording`, `info`, `processes` (by track), `filters`, `options` (a map, with the exporter's own defaults)
    * `last` – the `%BeamScope.Moment{}` up to which is exported, `nil` where there is nothing: a recording that still runs is
      exported up to the call

  `events/2` streams the events in pages, so that no more than a page of them is in memory; `caveats/2` says what is missing.
  """

  alias BeamScope.{Event, Info, Moment, Process, Recording}
  alias BeamScope.Export.End
  alias BeamScope.Terminal.Style

  @enforce_keys [:recording, :info, :processes, :filters, :options]
  defstruct [:recording, :info, :processes, :filters, :options, :last]

  @type t :: %__MODULE__{
          recording: Recording.t(),
          info: Info.t(),
          processes: %{non_neg_integer => Process.t()},
          filters: keyword,
          options: map,
          last: Moment.t() | nil
        }

  @doc false
  @spec new(Recording.t(), keyword, map) :: t
  def new(rec, filters, options) do
    last = rec |> BeamScope.events(order: :desc, limit: 1) |> Enum.at(0)
    # Unknown names in filters are refused before anything is written.
    BeamScope.events(rec, Keyword.put(filters, :limit, 1))

    %__MODULE__{
      recording: rec,
      info: BeamScope.info(rec),
      processes: Map.new(BeamScope.processes(rec), &{&1.track, &1}),
      filters: filters,
      options: options,
      last: last && last.moment
    }
  end

  @doc """
  The events that the filters let through, in order, then one `%BeamScope.Export.End{}`. `filters` are put over those of the
  call.
  """
  @spec events(t, keyword) :: Enumerable.t()
  def events(%__MODULE__{} = source, filters \\ []) do
    filters = source.filters |> Keyword.merge(filters) |> bounded(source)
    {limit, filters} = Keyword.pop(filters, :limit, :infinity)
    start = %{filters: filters, left: limit, last_ns: 0, count: 0, unknown: 0}
    Stream.unfold(start, &page(source, &1)) |> Stream.flat_map(& &1)
  end

  # A recording that runs would otherwise be followed for as long as it grows.
  defp bounded(filters, %{last: nil}), do: filters

  defp bounded(filters, %{last: last}) do
    if Keyword.get(filters, :until, :end) == :end, do: Keyword.put(filters, :until, last), else: filters
  end

  defp page(_source, :done), do: nil

  defp page(source, state) do
    size = if state.left == :infinity, do: source.options.page, else: min(state.left, source.options.page)
    found = BeamScope.events(source.recording, Keyword.put(state.filters, :limit, size))
    state = counted(state, found)

    if found.more and found.events != [] and state.left != 0,
      do: {found.events, after_page(state, List.last(found.events))},
      else: {found.events ++ [the_end(state, found)], :done}
  end

  defp counted(state, %{events: events, unknown: unknown}) do
    n = length(events)
    left = if state.left == :infinity, do: :infinity, else: state.left - n
    last_ns = if n > 0, do: List.last(events).at_ns, else: state.last_ns
    %{state | left: left, last_ns: last_ns, count: state.count + n, unknown: state.unknown + unknown}
  end

  defp after_page(state, %Event{moment: %Moment{seq: seq, at_ns: at_ns}}),
    do: %{state | filters: Keyword.put(state.filters, :since, %Moment{seq: seq + 1, at_ns: at_ns})}

  defp the_end(state, found),
    do: %End{more: found.more, count: state.count, unknown: state.unknown, last_ns: state.last_ns}

  @doc "What an export that has come to this end does not say, in sentences. Empty where it is complete."
  @spec caveats(t, End.t()) :: [String.t()]
  def caveats(%__MODULE__{recording: rec}, %End{} = the_end) do
    %{dropped: dropped} = events = BeamScope.info(rec).events

    [
      dropped > 0 && "#{Style.count(dropped, "event")} of the recording were lost#{evicted(events)}",
      the_end.more && "cut by limit: after #{Style.count(the_end.count, "event")}: there are more",
      the_end.unknown > 0 &&
        "#{Style.count(the_end.unknown, "further event")} could not be decided: what match: asks about was truncated or redacted"
    ]
    |> Enum.filter(& &1)
  end

  defp evicted(%{evicted: n}) when n > 0, do: " (#{Style.number(n)} of them the oldest, to make room)"
  defp evicted(_events), do: ""
end
