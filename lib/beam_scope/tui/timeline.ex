defmodule BeamScope.Tui.Timeline do
  @moduledoc """
  How much happened when: a bar of a recording, with its losses, its crashes and where one stands.

  Events are not listed for it. They are numbered without holes, so the numbers of the last events before 120 points in
  time tell how many happened between them: 120 questions that the core answers from its index, however long the recording.
  """

  alias BeamScope.{Event, Info, Recording, Replay}
  alias BeamScope.Recording.Query
  alias BeamScope.Terminal.{Processes, Style}

  @buckets 120
  @marks 200
  @exits 1_000
  @heights ~w(▁ ▂ ▃ ▄ ▅ ▆ ▇ █)

  defstruct from_ns: 0, to_ns: 1, counts: [], gaps: [], crashes: [], more: false

  @type t :: %__MODULE__{
          from_ns: non_neg_integer,
          to_ns: pos_integer,
          counts: [non_neg_integer],
          gaps: [{integer, integer}],
          crashes: [non_neg_integer],
          more: boolean
        }

  @doc "The density and the losses of a recording."
  @spec density(Recording.t(), Info.t()) :: t
  def density(rec, info) do
    with {:ok, %{events: [first]}} <- Query.events(rec, limit: 1),
         {:ok, %{events: [last]}} <- Query.events(rec, order: :desc, limit: 1) do
      gaps = for %{from_ns: from, to_ns: to} <- info.losses, do: {from || 0, to || last.at_ns}
      # What was lost may have come after all that was kept.
      to_ns = Enum.max([last.at_ns, first.at_ns + 1 | Enum.map(gaps, &elem(&1, 1))])
      edges = edges(rec, first, last, to_ns) ++ [last.moment.seq]

      %__MODULE__{
        from_ns: first.at_ns,
        to_ns: to_ns,
        counts: [first.moment.seq - 1 | edges] |> Enum.zip(edges) |> Enum.map(fn {a, b} -> b - a end),
        gaps: gaps
      }
    else
      _ -> %__MODULE__{}
    end
  end

  defp edges(rec, %{at_ns: from, moment: first}, %{moment: last}, to) do
    for n <- 1..(@buckets - 1) do
      case from + div((to - from) * n, @buckets) do
        at when at < last.at_ns -> number(rec, at, first)
        _ -> last.seq
      end
    end
    |> Enum.scan(&max/2)
  end

  defp number(rec, at_ns, first) do
    case Query.events(rec, until: {:ms, at_ns / 1_000_000}, order: :desc, limit: 1) do
      {:ok, %{events: [event]}} -> event.moment.seq
      _ -> first.seq - 1
    end
  end

  @doc "The same with its crashes, of which the first #{@marks} are marked: that may read through the whole recording."
  @spec crashes(t, Recording.t()) :: t
  def crashes(timeline, rec) do
    failed = with {:ok, cursor} <- Replay.open(rec), do: failures(cursor, @marks), else: (_ -> [])
    exits = bad_exits(rec)
    marks = Enum.uniq(failed ++ exits)
    %{timeline | crashes: marks, more: length(failed) == @marks or length(exits) == @marks}
  end

  defp failures(_cursor, 0), do: []

  defp failures(cursor, left) do
    case Replay.seek(cursor, crash: true) do
      {:ok, found} -> [found.moment.at_ns | failures(found, left - 1)]
      {:error, _} -> []
    end
  end

  defp bad_exits(rec) do
    with {:ok, %{events: exits}} <- Query.events(rec, kind: :exit, limit: @exits) do
      bad = for %Event{reason: reason, at_ns: at} <- exits, not Processes.normal?(reason), do: at
      Enum.take(bad, @marks)
    else
      _ -> []
    end
  end

  @doc """
  The bar, `width` columns wide. Heights are square roots, so that a little activity beside a flood is seen; nothing is blank.

      iex> BeamScope.Tui.Timeline.bar(%BeamScope.Tui.Timeline{counts: [0, 1, 100, 1]}, 4)
      [{:bar, " ▁█▁"}]
  """
  @spec bar(t, pos_integer) :: Style.line()
  def bar(%__MODULE__{counts: []}, _width), do: [{:dim, "…"}]

  def bar(%__MODULE__{counts: counts}, width) do
    columns = columns(List.to_tuple(counts), width)
    top = Enum.max(columns)
    [{:bar, Enum.map_join(columns, &height(&1, top))}]
  end

  defp columns(counts, width) do
    size = tuple_size(counts)

    for column <- 0..(width - 1)//1 do
      first = div(column * size, width)
      last = max(div((column + 1) * size, width) - 1, first)
      # The mean: columns that span one bucket more would else stand out.
      Enum.reduce(first..last, 0, &(elem(counts, &1) + &2)) / (last - first + 1)
    end
  end

  defp height(n, _top) when n == 0, do: " "
  defp height(n, top), do: Enum.at(@heights, ceil(8 * :math.sqrt(n / top)) - 1)

  @doc "What stands below the bar: the cursor, over crashes, over losses."
  @spec marks(t, non_neg_integer, pos_integer) :: Style.line()
  def marks(%__MODULE__{counts: []}, _at_ns, _width), do: []

  def marks(%__MODULE__{} = timeline, at_ns, width) do
    crashes = MapSet.new(timeline.crashes, &column(timeline, &1, width))
    gaps = gaps(timeline, width)
    here = column(timeline, at_ns, width)

    for column <- 0..(width - 1)//1 do
      crash? = column in crashes

      cond do
        column == here -> {if(crash?, do: :exit, else: :heading), "▲"}
        crash? -> {:exit, "✗"}
        column in gaps -> {:warn, "░"}
        true -> " "
      end
    end
  end

  defp gaps(timeline, width) do
    spans = for {from, to} <- timeline.gaps, do: {column(timeline, from, width), column(timeline, to, width)}
    for {from, to} <- Enum.uniq(spans), column <- from..to//1, into: MapSet.new(), do: column
  end

  @doc """
  The column of a time.

      iex> BeamScope.Tui.Timeline.column(%BeamScope.Tui.Timeline{from_ns: 0, to_ns: 100}, 50, 10)
      5
  """
  @spec column(t, integer, pos_integer) :: non_neg_integer
  def column(%__MODULE__{from_ns: from, to_ns: to}, at_ns, width) do
    div((at_ns - from) * width, max(to - from, 1)) |> min(width - 1) |> max(0)
  end
end
