defmodule BeamScope.Tui.View do
  @moduledoc """
  The model as lines: exactly as many as the terminal has rows, none wider than it.

  Wide terminals show the tree on the left and the rest on the right, narrow ones the pane that has the focus. Only rows
  that are seen are built.
  """

  alias BeamScope.Terminal.{Events, Style}
  alias BeamScope.Tui.{Manual, Model, Pane, Prompt, Timeline}

  @two_columns 76
  # Below this many rows the timeline gives way.
  @with_timeline 12
  # Right panes with fewer rows than this for all of them show one at a time.
  @all_panes 12
  @right [:change, :state, :mailbox, :flight]
  @weights %{change: 5, state: 4, mailbox: 3, flight: 2}

  @type size :: {pos_integer, pos_integer}

  @doc "The lines."
  @spec lines(Model.t(), size, Style.t()) :: [Style.line()]
  def lines(model, {columns, rows}, style) do
    style = %{style | width: columns}
    top = Enum.take([header(model) | top(model, columns, rows)], max(rows - 1, 0))
    body = max(rows - length(top) - 1, 0)
    lines = top ++ fill(body(model, columns, body, style), body) ++ [bottom(model, columns)]
    Enum.map(lines, &Style.fit(&1, columns))
  end

  @doc "The lines as texts with colours, one a row."
  @spec texts(Model.t(), size, Style.t()) :: [String.t()]
  def texts(model, {columns, _} = size, style) do
    for line <- lines(model, size, style), do: Style.render([line], %{style | width: columns})
  end

  defp header(%{cursor: cursor, info: info} = model) do
    {_, last, end_ns} = model.ends

    [
      {:heading, " ##{Style.number(cursor.moment.seq)}"},
      {:dim, " of ##{Style.number(last)}"},
      "  ",
      {:heading, Style.time(cursor.moment.at_ns)},
      {:dim, " of " <> Style.time(end_ns)}
    ] ++ picked(model.picked) ++ lost(info) ++ damaged(info) ++ [{:dim, "  " <> model.name}]
  end

  defp picked(nil), do: []
  defp picked(%{label: label}), do: ["  ", {:selected, " only #{label} "}]

  defp lost(%{events: %{dropped: n}}) when n > 0, do: [{:error, "  #{Style.number(n)} lost"}]
  defp lost(_info), do: []

  defp damaged(%{damage: nil}), do: []
  defp damaged(_info), do: [{:error, "  DAMAGED"}, {:dim, " (i: how)"}]

  defp top(model, columns, rows) when rows >= @with_timeline do
    [
      Timeline.bar(model.timeline, columns),
      Timeline.marks(model.timeline, model.cursor.moment.at_ns, columns),
      event(model)
    ]
  end

  defp top(model, _columns, _rows), do: [event(model)]

  defp event(model), do: Events.line(model.cursor.event)

  defp body(_model, _columns, 0, _style), do: []

  defp body(%{overlay: overlay} = model, columns, rows, style) when overlay != nil,
    do: model |> Manual.lines(overlay, %{style | width: columns}) |> from(model, :overlay, rows)

  defp body(model, columns, rows, style) when columns >= @two_columns do
    left = div(columns * 9, 20)
    right = columns - left - 1

    pane(model, :tree, left, rows, style)
    |> fill(rows)
    |> Enum.zip(model |> right(right, rows, style) |> fill(rows))
    |> Enum.map(fn {a, b} -> (a |> Style.fit(left) |> Style.pad(left)) ++ [{:dim, "│"} | b] end)
  end

  defp body(model, columns, rows, style), do: pane(model, model.focus, columns, rows, style)

  defp right(model, columns, rows, style) when rows < @all_panes do
    pane(model, if(model.focus == :tree, do: :change, else: model.focus), columns, rows, style)
  end

  defp right(model, columns, rows, style) do
    for {name, height} <- heights(model.focus, rows),
        line <- model |> pane(name, columns, height, style) |> fill(height),
        do: line
  end

  # Fixed shares, more for the one in focus: what stands where must not depend on what is in it.
  defp heights(focus, rows) do
    weights = Map.update(Map.put_new(@weights, focus, 0), focus, 0, &(&1 + 5))
    total = @right |> Enum.map(&weights[&1]) |> Enum.sum()
    heights = for name <- @right, do: {name, max(div(rows * weights[name], total), 2)}
    Keyword.update!(heights, :state, &(&1 + rows - Enum.sum(Keyword.values(heights))))
  end

  defp pane(model, name, columns, rows, style) do
    {title, lines} = Pane.lines(name, model, max(rows - 1, 0), %{style | width: max(columns, 1)})
    [title(title, name, model, columns) | lines]
  end

  defp title(title, name, %{focus: focus} = _model, columns) do
    mark = if name == focus, do: {:selected, "▸"}, else: {:dim, "─"}
    line = [mark, {if(name == focus, do: :heading, else: :dim), " #{title} "}]
    rest = columns - Style.width(line)
    if rest > 0, do: line ++ [{:dim, String.duplicate("─", rest)}], else: line
  end

  @doc "A part of lines that are more than fit, from where one scrolled to; the last page at most."
  @spec from([Style.line()], Model.t(), atom, non_neg_integer) :: [Style.line()]
  def from(lines, model, pane, rows) do
    at = model.scroll |> Map.get(pane, 0) |> min(length(lines) - rows) |> max(0)
    lines |> Enum.drop(at) |> Enum.take(rows)
  end

  defp fill(lines, rows) do
    lines = Enum.take(lines, rows)
    lines ++ List.duplicate([], rows - length(lines))
  end

  defp bottom(%{prompt: %Prompt{} = prompt}, columns) do
    case {Prompt.words(prompt), prompt.text} do
      {{before, hint}, ""} ->
        [{:heading, before}, {:selected, " "}, {:dim, " " <> hint}]

      {{before, _}, text} ->
        [{:heading, before}, tail(text, columns - Style.width(before) - 1), {:selected, " "}]
    end
  end

  defp bottom(%{said: said}, _columns) when said != nil, do: [{:warn, said}]

  defp bottom(%{overlay: overlay}, _columns) when overlay != nil,
    do: [{:dim, "↑ ↓ scroll, any other key: back"}]

  defp bottom(_model, _columns),
    do: [
      {:heading, "?"},
      {:dim, " help  "},
      {:heading, "q"},
      {:dim, " quit  "},
      {:heading, "← →"},
      {:dim, " event  "},
      {:heading, "m"},
      {:dim, " message  "},
      {:heading, "s"},
      {:dim, " state  "},
      {:heading, "c"},
      {:dim, " crash  "},
      {:heading, "/"},
      {:dim, " search  "},
      {:heading, ":"},
      {:dim, " go to  "},
      {:heading, "Tab"},
      {:dim, " pane  "},
      {:heading, "Enter"},
      {:dim, " pick, unfold"}
    ]

  # While typing, the end is what one must see.
  defp tail(text, room) do
    if Style.width(text) <= room,
      do: text,
      else: text |> String.graphemes() |> Enum.take(-max(div(room, 2), 1)) |> Enum.join()
  end
end
