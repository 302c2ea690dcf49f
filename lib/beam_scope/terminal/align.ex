defmodule BeamScope.Terminal.Align do
  @moduledoc """
  Expected against actual, for a terminal: the sentence that says it, then the entries from the first divergence on.

  At 100 columns and more the two stand side by side, else one above the other. `-` is what was expected, `+` what came.
  Entries that matched are folded to a count, but for a few around each divergence.

      :x came as entry 4; :d was expected.
      4 matched, 1 different
        … 1 matched
        :b
        :c
      - :d
      + :x
        :e
  """

  alias BeamScope.{Align, Diff}
  alias BeamScope.Align.{Entry, Step}
  alias BeamScope.Golden.{Difference, Text}
  alias BeamScope.Terminal.{Style, Term}

  @side_by_side 100
  @context 2
  @lines_a_term 3
  @lines_a_diff 8
  @gap " │ "

  @doc """
  The whole alignment. Options: `text:` a function from an entry's term and a width to its text; `diff:` one
  from an entry that differs to the diff to show; `who:` whose sequence it is;
  `sentence: false` leaves out the first line.

      iex> align = BeamScope.Align.align([:a, :b, :c, :d, :e], [:a, :b, :c, :x, :e])
      iex> style = BeamScope.Terminal.Style.new(width: 60, ansi: false)
      iex> [sentence, counts | _] = BeamScope.Terminal.Align.lines(align, style)
      iex> BeamScope.Terminal.Style.render([sentence, counts], style)
      ":x came as entry 4; :d was expected.\\n4 matched, 1 different"
  """
  @spec lines(Align.t(), Style.t(), keyword) :: [Style.line()]
  def lines(%Align{} = align, %Style{} = style, opts \\ []) do
    at = at(style, opts)
    {shown, more} = align.entries |> fold() |> limit(style.limit)

    sentence(align, style, opts) ++
      [counts(align)] ++ head(at, shown) ++ Enum.flat_map(shown, &part(&1, at)) ++ more(more)
  end

  @doc "The same, but of the first divergence alone: it and what is around it."
  @spec excerpt(Align.t(), Style.t(), keyword) :: [Style.line()]
  def excerpt(%Align{} = align, %Style{} = style, opts \\ []) do
    at = at(style, opts)
    {before, from} = Enum.split_while(align.entries, &(&1.kind == :matched))
    {shown, rest} = Enum.split(from, 2 * @context + 1)
    entries = before ++ shown
    parts = fold(entries)
    left = Enum.count(rest, &(&1.kind != :matched))

    sentence(align, style, opts) ++ head(at, parts) ++ Enum.flat_map(parts, &part(&1, at)) ++ later(left)
  end

  defp later(0), do: []
  defp later(n), do: [[{:dim, "  … #{Style.count(n, "more divergence")} after it"}]]

  defp at(style, opts) do
    opts = Keyword.validate!(opts, text: &text/2, diff: &difference/1, who: nil, sentence: true)
    column = if style.width >= @side_by_side, do: div(style.width - Style.width(@gap), 2)
    %{style: style, text: opts[:text], diff: opts[:diff], column: column}
  end

  # Steps in the words of golden executions.
  defp text(%Step{} = step, width), do: [Text.flat(step)] |> Style.fit(max(width, 1)) |> hd()
  defp text(term, width), do: Term.text(term, width)

  defp difference(%Entry{expected: %Step{}, actual: %Step{}} = entry), do: Difference.diff(entry)
  defp difference(entry), do: entry.diff

  # ---- above the entries ----

  defp sentence(align, style, opts) do
    words = Keyword.take(opts, [:who, :text])

    case Keyword.get(opts, :sentence, true) && Align.sentence(align, words) do
      text when is_binary(text) -> Style.wrap([{:heading, text}], style.width, 4)
      _ -> []
    end
  end

  @names [matched: "matched", different: "different", out_of_order: "out of order"] ++
           [missing: "missing", unexpected: "unexpected"]

  defp counts(%Align{counts: counts} = align) do
    parts = for {kind, name} <- @names, counts[kind] > 0, do: "#{Style.number(counts[kind])} #{name}"
    text = if parts == [], do: "nothing on either side", else: Enum.join(parts, ", ")
    [{:dim, text}] ++ if(align.exact?, do: [], else: [{:warn, "  (time ran out: a coarse alignment)"}])
  end

  defp head(%{column: nil}, _parts), do: []
  defp head(_at, []), do: []
  defp head(at, _parts), do: beside([[{:old, "- expected"}]], [[{:new, "+ actual"}]], at)

  # ---- folding ----

  # Runs of matched entries become `{:fold, n}`, but for what stands next to a divergence.
  defp fold(entries) do
    chunks = Enum.chunk_by(entries, &(&1.kind == :matched))
    last = length(chunks) - 1
    chunks |> Enum.with_index() |> Enum.flat_map(fn {chunk, n} -> fold(chunk, n == 0, n == last) end)
  end

  defp fold([%Entry{kind: :matched} | _] = run, first?, last?) do
    before = if first?, do: 0, else: @context
    later = if last?, do: 0, else: @context

    case length(run) - before - later do
      n when n > 0 and (n > 1 or (first? or last?)) ->
        Enum.take(run, before) ++ [{:fold, n}] ++ Enum.take(run, -later)

      _ ->
        run
    end
  end

  defp fold(chunk, _first?, _last?), do: chunk

  defp limit(parts, :infinity), do: {parts, 0}
  defp limit(parts, n), do: {Enum.take(parts, n), parts |> Enum.drop(n) |> Enum.map(&size/1) |> Enum.sum()}

  defp size({:fold, n}), do: n
  defp size(_entry), do: 1

  defp more(0), do: []

  defp more(n),
    do: [
      [{:dim, "… #{Style.count(n, "more entry", "more entries")} (inspect with limit: :infinity shows all)"}]
    ]

  # ---- entries ----

  defp part({:fold, n}, _at), do: [[{:dim, "  … #{Style.number(n)} matched"}]]

  defp part(%Entry{kind: :matched} = e, %{column: nil} = at),
    do: term("  ", :dim, e.actual, at.style.width, 1, at)

  defp part(%Entry{kind: :matched} = e, at) do
    beside(term("  ", :dim, e.expected, at.column, 1, at), term("  ", :dim, e.actual, at.column, 1, at), at)
  end

  defp part(%Entry{kind: :missing} = e, at),
    do: sides(term("- ", :old, e.expected, room(at), @lines_a_term, at), [], at)

  defp part(%Entry{kind: :unexpected} = e, at),
    do: sides([], term("+ ", :new, e.actual, room(at), @lines_a_term, at), at)

  defp part(%Entry{kind: :out_of_order} = e, at) do
    note = "  out of order: expected as #{e.expected_at + 1}, came as #{e.actual_at + 1}"
    both(e, at) ++ [[{:changed, note}]]
  end

  defp part(%Entry{kind: :different} = e, at), do: both(e, at) ++ diff(e, at)

  defp both(e, at) do
    sides(
      term("- ", :old, e.expected, room(at), @lines_a_term, at),
      term("+ ", :new, e.actual, room(at), @lines_a_term, at),
      at
    )
  end

  # Of terms that stand there whole, the difference can be seen.
  defp diff(e, at) do
    if whole?(e.expected, at) and whole?(e.actual, at) and not unknown?(e.diff) do
      []
    else
      {shown, rest} =
        e |> at.diff.() |> Diff.lines(%{at.style | width: at.style.width - 4}) |> Enum.split(@lines_a_diff)

      more = if rest == [], do: [], else: [[{:dim, "… #{Style.count(length(rest), "more line")}"}]]
      Enum.map(shown ++ more, &["    " | &1])
    end
  end

  defp unknown?(diff), do: Enum.any?(Diff.changes(diff), &match?({_, {:unknown, _}}, &1))

  defp whole?(term, at) do
    text = at.text.(term, 1_000)
    Style.width(text) <= room(at) - 2 and not String.contains?(text, "\n")
  end

  defp room(%{column: nil, style: style}), do: style.width
  defp room(%{column: column}), do: column

  defp sides(old, new, %{column: nil}), do: old ++ new
  defp sides(old, new, at), do: beside(old, new, at)

  defp beside(old, new, %{column: column}) do
    height = max(length(old), length(new))
    fill = &(&1 ++ List.duplicate([], height - length(&1)))

    Enum.zip_with(fill.(old), fill.(new), fn left, right ->
      (left |> Style.fit(column) |> Style.pad(column)) ++ [{:dim, @gap}] ++ Style.fit(right, column)
    end)
  end

  # A term in at most so many lines, the sign before the first.
  defp term(sign, role, term, width, max, at) do
    [{role, at.text.(term, (width - 2) * max)}]
    |> Style.wrap(width - 2, max)
    |> Enum.with_index(fn line, n -> [{role, if(n == 0, do: sign, else: "  ")} | line] end)
  end
end
