defmodule BeamScope.Diff.Printer do
  @moduledoc false
  # A diff as lines: `- old` and `+ new` with the path to what changed, unchanged parts as counts. Where a container
  # has one change, the path runs on (`config.ports[2]: 80`); where it has more, they stand indented below it.

  alias BeamScope.Diff
  alias BeamScope.Terminal.{Style, Term}

  # Added or removed neighbours in a list: more than this many are elided.
  @run 6
  @shown_of_run 4
  # Unchanged text shown beside a change in a long string.
  @context 16
  @max_indent 24

  defstruct [:style, label: [], indent: 0]

  def lines(:same, _style), do: [[{:dim, "no difference"}]]
  def lines(tree, %Style{} = style), do: tree |> tree(%__MODULE__{style: style}) |> Enum.to_list()

  defp tree({:unknown, why}, at), do: [line("? ", at, :warn, [{:warn, "unknown (#{why})"}])]
  defp tree({:replace, old, new}, at), do: [value("- ", at, :old, old), value("+ ", at, :new, new)]

  defp tree({:map, name, changes, unchanged, hidden}, at) do
    container(children(Diff.sort(changes), &key/1), at, unchanged, hidden, name && inspect(name))
  end

  defp tree({:keyword, changes, unchanged, reordered?}, at) do
    order =
      if reordered?, do: [fn at -> [line("  ", at, :dim, [{:dim, "keys in another order"}])] end], else: []

    container(children(changes, &key/1) ++ order, at, unchanged, nil, nil)
  end

  defp tree({:set, removed, added, unchanged}, at) do
    members = run(Enum.sort(removed), "- ", :old) ++ run(Enum.sort(added), "+ ", :new)
    group(members, at, unchanged, nil, "MapSet")
  end

  defp tree({:tuple, changes, unchanged, hidden}, at) do
    changes = for {index, tree} <- changes, do: {index, :changed, tree}
    container(children(changes, &".elem(#{&1})"), at, unchanged, hidden, nil)
  end

  defp tree({:list, steps, hidden}, at) do
    unchanged = for({:keep, n} <- steps, do: n) |> Enum.sum()
    container(steps |> Diff.indexed() |> elements(), at, unchanged, hidden, nil)
  end

  defp tree({:string, parts, kind, hidden}, at) do
    old = string(parts, :add, kind, hidden)
    new = string(parts, :remove, kind, hidden)
    [line("- ", at, :old, [{:old, old}]), line("+ ", at, :new, [{:new, new}])]
  end

  # ---- containers ----

  # A child is a function from its place to lines.
  defp children(changes, step) do
    for {key, how, what} <- changes,
        do: fn at -> change(how, what, %{at | label: at.label ++ [step.(key)]}) end
  end

  defp change(:added, value, at), do: [value("+ ", at, :new, value)]
  defp change(:removed, value, at), do: [value("- ", at, :old, value)]
  defp change(:changed, tree, at), do: tree(tree, at)

  defp container([child], at, unchanged, nil, _name), do: child.(at) |> note(unchanged)
  defp container(children, at, unchanged, hidden, name), do: group(children, at, unchanged, hidden, name)

  defp group(children, at, unchanged, hidden, name) do
    inner = inside(at)

    header(at, name) ++
      Enum.flat_map(children, & &1.(inner)) ++ folded(inner, unchanged) ++ unseen(inner, hidden)
  end

  defp inside(%{label: []} = at), do: at
  defp inside(at), do: %{at | label: [], indent: min(at.indent + 2, @max_indent)}

  defp header(%{label: []}, nil), do: []
  defp header(%{label: []} = at, name), do: [gutter("  ", at) ++ [{:dim, "%#{name}{}"}]]
  defp header(at, nil), do: [gutter("  ", at) ++ [{:name, label(at)}]]
  defp header(at, name), do: [gutter("  ", at) ++ [{:name, label(at)}, {:dim, " %#{name}{}"}]]

  defp folded(_at, 0), do: []
  defp folded(at, n), do: [gutter("  ", at) ++ [{:dim, "… #{Style.number(n)} unchanged"}]]

  defp unseen(_at, nil), do: []
  defp unseen(at, why), do: [gutter("? ", at) ++ [{:warn, "more is unknown (#{why})"}]]

  # The count of what did not change, beside the one change.
  defp note(lines, 0), do: lines

  defp note(lines, n) do
    List.update_at(lines, -1, fn line ->
      if folded?(line), do: line, else: line ++ [{:dim, "  … #{Style.number(n)} unchanged"}]
    end)
  end

  defp folded?(line), do: match?({:dim, _}, List.last(line))

  # ---- elements of lists ----

  # Runs of added or removed elements are elided in the middle.
  defp elements(changes) do
    changes
    |> Enum.chunk_while([], &chunk/2, fn run -> {:cont, Enum.reverse(run), []} end)
    |> Enum.flat_map(&elided/1)
  end

  defp chunk(change, []), do: {:cont, [change]}
  defp chunk({_, :changed, _} = change, run), do: {:cont, Enum.reverse(run), [change]}
  defp chunk({_, how, _} = change, [{_, how, _} | _] = run), do: {:cont, [change | run]}
  defp chunk(change, run), do: {:cont, Enum.reverse(run), [change]}

  defp elided(run) do
    step = &"[#{&1}]"

    case length(run) do
      n when n > @run ->
        {shown, rest} = Enum.split(run, @shown_of_run)
        children(shown, step) ++ [elision(rest)]

      _ ->
        children(run, step)
    end
  end

  defp elision([{_, how, _} | _] = rest) do
    {sign, role} = if how == :added, do: {"+ ", :new}, else: {"- ", :old}
    text = "… #{Style.number(length(rest))} more #{how}"
    fn at -> [gutter(sign, at, role) ++ [{role, text}]] end
  end

  defp run(members, sign, role) do
    {shown, rest} = if length(members) > @run, do: Enum.split(members, @shown_of_run), else: {members, []}
    lines = for member <- shown, do: fn at -> [value(sign, at, role, member)] end
    if rest == [], do: lines, else: lines ++ [elision(for(member <- rest, do: {member, how(role), member}))]
  end

  defp how(:new), do: :added
  defp how(:old), do: :removed

  # ---- strings ----

  # One side of a string: unchanged parts in the middle of a long one are cut to what stands beside the change.
  defp string(parts, without, kind, hidden) do
    side = for {part_kind, part} <- parts, part_kind != without, do: {part_kind, part}
    last = length(side) - 1

    pieces =
      for {{part_kind, part}, index} <- Enum.with_index(side), do: piece(part_kind, part, index, last, kind)

    cut = if hidden, do: "…", else: ""
    text = IO.iodata_to_binary(pieces)
    if kind == :text, do: ~s("#{text}#{cut}"), else: "<<#{text}#{cut}>>"
  end

  defp piece(:keep, part, index, last, :text) do
    case {String.length(part) > 3 * @context, index, last} do
      {false, _, _} -> escape(part)
      {true, 0, last} when last > 0 -> "…" <> escape(String.slice(part, -@context, @context))
      {true, last, last} -> escape(String.slice(part, 0, @context)) <> "…"
      _ -> escape(String.slice(part, 0, @context)) <> "…" <> escape(String.slice(part, -@context, @context))
    end
  end

  defp piece(_, part, _index, _last, :text), do: escape(part)

  defp piece(kind, part, index, last, :bytes) do
    size = byte_size(part)
    bytes = :binary.bin_to_list(part)

    shown =
      cond do
        kind != :keep or size <= @context -> Enum.join(bytes, ", ")
        index == 0 -> "… #{Style.count(size - 4, "byte")}, " <> Enum.join(Enum.take(bytes, -4), ", ")
        true -> Enum.join(Enum.take(bytes, 4), ", ") <> ", … #{Style.count(size - 4, "byte")}"
      end

    if index < last, do: shown <> ", ", else: shown
  end

  defp escape(text),
    do: text |> inspect(printable_limit: :infinity, binaries: :as_strings) |> String.slice(1..-2//1)

  # ---- lines ----

  defp value(sign, at, role, term) do
    room = max(at.style.width - 2 - at.indent - Style.width(prefix(at)), 10)
    line(sign, at, role, [{role, Term.text(term, room)}])
  end

  defp line(sign, at, role, spans), do: gutter(sign, at, role) ++ [{role, prefix(at)} | spans]

  defp gutter(sign, at, role \\ :dim), do: [{role, sign}, String.duplicate(" ", at.indent)]

  defp prefix(%{label: []}), do: ""
  defp prefix(at), do: label(at) <> " "

  defp label(at), do: at.label |> IO.iodata_to_binary() |> String.trim_leading(".") |> Kernel.<>(":")

  # `elem(1)` and `.name` run on with a dot, `[0]` and `["key"]` without.
  defp key(key) when is_atom(key) do
    case inspect(key) do
      ":" <> name -> "." <> name
      name -> "[" <> name <> "]"
    end
  end

  defp key(key), do: "[" <> Term.text(key, 40) <> "]"
end
