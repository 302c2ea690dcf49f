defmodule BeamScope.Terminal.Comparison do
  @moduledoc """
  Two executions side by side, for a terminal: who did something else first and what, then who followed, then what is missing, ended
  otherwise, got slower, or is not known.
  """

  alias BeamScope.{Align, Comparison, Diff}
  alias BeamScope.Align.Entry
  alias BeamScope.Comparison.{Options, Role}
  alias BeamScope.Terminal.{Style, Term}

  @diff_lines 12
  @most 8

  @doc "All of it."
  @spec lines(Comparison.t(), Style.t()) :: [Style.line()]
  def lines(%Comparison{} = comparison, %Style{} = style) do
    parted = Enum.filter(comparison.roles, &(&1.divergence != nil))

    head(comparison, style) ++
      first(comparison.first, style) ++
      others(Enum.drop(parted, 1), style) ++
      ends(comparison.roles, style) ++
      tallies(comparison.roles, style) ++
      shifts(comparison.roles, style) ++
      free(comparison.roles, style) ++ unknown(comparison, style) ++ left_out(comparison)
  end

  # ---- the verdict ----

  defp head(%{roles: []}, _style),
    do: [[{:warn, "there is nothing to compare: no process did anything that counts"}]]

  defp head(%{counts: counts} = comparison, style) do
    parted = count(counts, :different) + count(counts, :only_first) + count(counts, :only_second)

    text =
      case Comparison.verdict(comparison) do
        :same -> {:heading, "the same in both: #{roles(count(counts, :same))}"}
        :unknown -> {:heading, "nothing different of what is known: #{roles(count(counts, :same))} the same"}
        :different -> {:heading, "#{roles(parted)} did something else, #{count(counts, :same)} the same"}
      end

    unknown = count(counts, :unknown)
    Style.wrap([text | if(unknown > 0, do: [{:dim, ", #{unknown} not known"}], else: [])], style.width, 3)
  end

  defp count(counts, verdict), do: Map.get(counts, verdict, 0)
  defp roles(n), do: Style.count(n, "role")

  defp first(nil, _style), do: []

  defp first(%Role{} = role, style) do
    [[], [{:dim, "first: "}, {:name, Options.text(role.role)}]] ++
      indent(Style.wrap([{:heading, sentence(role)}], style.width - 2, 4)) ++
      side("- ", :old, role.divergence.expected, style) ++
      side("+ ", :new, role.divergence.actual, style) ++ diff(role.divergence, style)
  end

  defp side(_sign, _style_role, nil, _style), do: []

  defp side(sign, role, side, style) do
    place = "#{sign}##{side.moment.seq} #{Style.time(side.moment.at_ns)}  "
    room = max(style.width - Style.width(place) - 2, 20)
    [line | more] = Style.wrap([{role, step(side, 3 * room)}], room, 3)
    pad = String.duplicate(" ", Style.width(place))
    [["  ", {role, place} | line] | Enum.map(more, &["  ", pad | &1])]
  end

  defp step(%{step: step, ended: ended}, room) do
    [
      what(step),
      if(step.from, do: " from #{Options.text(step.from)}", else: ""),
      if(step.to, do: " to #{Options.text(step.to)}", else: ""),
      reply(step.reply, room),
      state(step.state, room),
      ended(ended, room)
    ]
    |> IO.iodata_to_binary()
  end

  defp what(%{what: :born}), do: "began"
  defp what(%{what: :start}), do: "start"
  defp what(%{what: :invoke, message: {m, f, args}} = _step), do: "invoke #{call(m, f, args)}"
  defp what(%{what: what, message: message}), do: "#{what} #{Term.text(message, 60)}"

  defp call(m, f, args) when is_list(args),
    do: "#{Term.text(m, 40)}.#{f}(#{Enum.map_join(args, ", ", &Term.text(&1, 30))})"

  defp call(m, f, arity), do: "#{Term.text(m, 40)}.#{f}/#{Term.text(arity, 10)}"

  defp reply(nil, _room), do: ""
  defp reply({:ok, value}, room), do: " → " <> Term.text(value, max(div(room, 3), 20))
  defp reply({:error, value}, room), do: " raised " <> Term.text(value, max(div(room, 3), 20))

  defp state(nil, _room), do: ""
  defp state({:ok, state}, room), do: " ⇒ " <> Term.text(state, max(div(room, 2), 20))

  defp ended(nil, _room), do: ""
  defp ended({how, reason}, room), do: ", #{how}: " <> Term.text(reason, max(div(room, 3), 20))

  # Of terms that stand there whole, the difference can be seen; of states it is told anyway.
  defp diff(%{diff: %Diff{same?: false} = diff, kind: kind}, style)
       when kind in [:state, :handled, :sent, :received, :called] do
    {shown, rest} = diff |> Diff.lines(%{style | width: style.width - 4}) |> Enum.split(@diff_lines)
    more = if rest == [], do: [], else: [[{:dim, "… #{Style.count(length(rest), "more line")}"}]]
    Enum.map(shown ++ more, &["    " | &1])
  end

  defp diff(_divergence, _style), do: []

  # ---- sentences ----

  @doc "What a role did otherwise, in one sentence."
  @spec sentence(Role.t()) :: String.t()
  def sentence(%Role{role: role, divergence: %{kind: kind, expected: expected, actual: actual}}) do
    who = Options.text(role)

    case {kind, expected, actual} do
      {:role, nil, _} ->
        "#{who} is in the second execution only."

      {:role, _, nil} ->
        "#{who} is in the first execution only."

      {:order, expected, actual} ->
        "#{who}: #{short(actual)} came before #{short(expected)}, which it came because of."

      {:ended, expected, actual} ->
        ended_sentence(who, expected, actual)

      {:state, %{step: %{state: {:ok, old}} = step}, %{step: %{state: {:ok, new}}}} ->
        state_sentence(who, step, old, new)

      _ ->
        entry_sentence(role, expected, actual)
    end
  end

  defp short(nil), do: "something"
  defp short(%{step: step}), do: what(step)

  defp state_sentence(who, step, old, new),
    do:
      "#{who}'s state was #{Term.text(new, 60)} after #{what(step)}#{from(step)}; #{Term.text(old, 60)} was expected."

  defp from(%{from: nil}), do: ""
  defp from(%{from: from}), do: " from #{Options.text(from)}"

  defp ended_sentence(who, expected, actual) do
    case {ending(expected), ending(actual)} do
      {nil, {how, reason, step}} ->
        "#{who} #{how} #{Term.text(reason, 60)}#{during(step)}, which was not expected."

      {{how, reason, step}, nil} ->
        "#{who} was expected to have #{how} #{Term.text(reason, 60)}#{during(step)}, and had not."

      {{_, old, _}, {how, new, step}} ->
        "#{who} #{how} #{Term.text(new, 60)}#{during(step)}; #{Term.text(old, 60)} was expected."

      {nil, nil} ->
        "#{who} ended otherwise."
    end
  end

  defp ending(nil), do: nil
  defp ending(%{ended: {:crash, reason}, step: step}), do: {"crashed with", reason, step}
  defp ending(%{ended: {:stop, reason}, step: step}), do: {"stopped with", reason, step}
  defp ending(%{step: %{what: :exit, message: reason}}), do: {"ended with", reason, nil}
  defp ending(_other), do: nil

  defp during(nil), do: ""
  defp during(step), do: " while handling #{what(step)}#{from(step)}"

  defp entry_sentence(role, expected, actual) do
    kind = if expected && actual, do: :different, else: if(expected, do: :missing, else: :unexpected)

    entry = %Entry{
      kind: kind,
      expected: expected && expected.step,
      actual: actual && actual.step,
      expected_at: expected && 0,
      actual_at: actual && 0
    }

    Align.sentence(%Align{entries: [entry]}, who: role) || "#{Options.text(role)} did something else."
  end

  # ---- who followed ----

  defp others([], _style), do: []

  defp others(roles, style) do
    {shown, rest} = Enum.split(roles, @most)
    more = if rest == [], do: [], else: [[{:dim, "  … and #{Style.count(length(rest), "more role")}"}]]
    [[], [{:dim, "then:"}]] ++ Enum.flat_map(shown, &follower(&1, style)) ++ more
  end

  defp follower(role, style), do: indent(Style.wrap([sentence(role)], style.width - 2, 2))

  defp indent(lines), do: Enum.map(lines, &["  " | &1])

  # ---- what is left ----

  defp ends(roles, style) do
    case for %{ends: ends} = role <- roles, ends != nil, do: role do
      [] -> []
      roles -> section("ends with another state:", roles, &ended_otherwise(&1, style))
    end
  end

  defp ended_otherwise(%{role: role, ends: %{diff: diff}}, style) do
    {shown, rest} = diff |> Diff.lines(%{style | width: style.width - 4}) |> Enum.split(4)
    more = if rest == [], do: [], else: [[{:dim, "… #{Style.count(length(rest), "more line")}"}]]
    [["  ", {:name, Options.text(role)}] | Enum.map(shown ++ more, &["    " | &1])]
  end

  defp section(title, roles, lines) do
    {shown, rest} = Enum.split(roles, @most)
    more = if rest == [], do: [], else: [[{:dim, "  … and #{Style.count(length(rest), "more role")}"}]]
    [[], [{:dim, title}]] ++ Enum.flat_map(shown, lines) ++ more
  end

  @tallied [
    processes: "processes",
    messages: "messages",
    sends: "sends",
    calls: "calls",
    crashes: "crashes",
    restarts: "restarts"
  ]

  defp tallies(roles, style) do
    changed =
      for %{tally: {one, other}, verdict: verdict} = role when verdict in [:different, :unknown] <- roles,
          parts =
            for({key, name} <- @tallied, one[key] != other[key], do: "#{name} #{one[key]} → #{other[key]}"),
          parts != [],
          do: {role, parts}

    if changed == [],
      do: [],
      else:
        section("counts:", changed, fn {role, parts} ->
          indent(
            Style.wrap([{:name, Options.text(role.role)}, "  " <> Enum.join(parts, ", ")], style.width - 2, 2)
          )
        end)
  end

  defp shifts(roles, style) do
    shifted =
      for %{shifts: shifts} = role <- roles, %{significant?: true} = shift <- shifts, do: {role, shift}

    if shifted == [],
      do: [],
      else:
        section("times (Mann–Whitney U):", shifted, fn {role, shift} ->
          indent(Style.wrap([{:name, Options.text(role.role)}, "  " <> shift(shift)], style.width - 2, 2))
        end)
  end

  defp shift(%{measure: measure, n: {n, m}, median: {old, new}, p: p, effect: effect}) do
    "#{measure} #{amount(measure, old)} → #{amount(measure, new)} at the median " <>
      "(n #{n} and #{m}, P(longer) #{:erlang.float_to_binary(effect, decimals: 2)}, #{chance(p)})"
  end

  defp amount(:mailbox, n), do: Style.count(n, "message")
  defp amount(_time, ns), do: Style.time(ns)

  defp chance(p) when p < 0.0001, do: "p < 0.0001"
  defp chance(p), do: "p #{:erlang.float_to_binary(p, decimals: 4)}"

  defp free(roles, style) do
    case roles |> Enum.map(& &1.reordered) |> Enum.sum() do
      0 ->
        []

      n ->
        [
          []
          | Style.wrap(
              [{:dim, "#{Style.count(n, "message")} came in another order that was free"}],
              style.width,
              2
            )
        ]
    end
  end

  defp unknown(%{roles: roles, lost: {lost_a, lost_b}, unclear: unclear} = comparison, style) do
    parts = roles |> Enum.map(& &1.unknown) |> Enum.sum()
    vague = Enum.count(roles, & &1.vague?)

    notes =
      [
        parts > 0 && "#{Style.count(parts, "part")} could not be compared: truncated, redacted or lost",
        lost_a > 0 && "#{Style.count(lost_a, "event")} of the first lost",
        lost_b > 0 && "#{Style.count(lost_b, "event")} of the second lost",
        unclear > 0 && "#{Style.count(unclear, "message")} might have been one to ignore: not captured whole",
        comparison.fallback? &&
          "states come from callbacks (fallback): orders that were free, and moments at which a state was told, may count as differences",
        vague > 0 && "in #{roles(vague)} some orders were taken for free: too much to look at"
      ]
      |> Enum.filter(&is_binary/1)

    if notes == [],
      do: [],
      else: [[] | Enum.flat_map(notes, &Style.wrap([{:warn, "note: "}, &1], style.width, 2))]
  end

  defp left_out(%{left_out: 0}), do: []
  defp left_out(%{left_out: n}), do: [[{:dim, "… #{Style.count(n, "more role")} not told"}]]
end
