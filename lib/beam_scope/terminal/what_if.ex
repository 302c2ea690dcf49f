defmodule BeamScope.Terminal.WhatIf do
  @moduledoc """
  A life that was led again with an edit, as a story: what was changed, where the two lives part and what differs there, what differs at the
  end, what only one of them sent, and what was not run.

      What if Purse had not handled #21 CAST {:div, 0}?
      9 steps: 8 the same, 1 different

      The lives part at #21 CAST {:div, 0}
        only the recorded life handled it  ✗ error :badarith
  """

  alias BeamScope.{Diff, Event, WhatIf}
  alias BeamScope.Terminal.{Events, Processes, Shown, Style, Term}

  @lines_a_diff 12
  @sends 6

  @doc "The whole story."
  @spec lines(WhatIf.t(), Style.t()) :: [Style.line()]
  def lines(%WhatIf{} = life, style) do
    (title(life) ++ parting(life, style) ++ ending(life, style) ++ sends(life) ++ notes(life))
    |> Enum.flat_map(&wrapped(&1, style))
  end

  # A paragraph is wrapped, a line is cut.
  defp wrapped({:text, line}, style), do: Style.wrap(line, style.width, 6)

  defp wrapped({:note, line}, style) do
    [first | rest] = Style.wrap(line, style.width - 4, 6)
    [["  " | first] | Enum.map(rest, &["    " | &1])]
  end

  defp wrapped(line, _style), do: [line]

  # ---- what was changed ----

  defp title(%{process: process, steps: steps} = life) do
    edited = Enum.find(steps, &(&1.edit != nil))
    who = {:name, Processes.label(process)}
    [{:text, [{:heading, "What if "}, who | question(edited, life.edit)]}, {:text, [counts(steps)]}]
  end

  defp question(nil, :none), do: [{:heading, " lived again?"}, {:dim, "  nothing was changed"}]
  defp question(nil, _edit), do: [{:heading, "?"}, {:dim, "  the life ended before the edit"}]
  defp question(%{edit: :skipped} = step, _), do: asked([{:heading, " had not handled "} | what(step)])

  defp question(%{edit: :replaced, run: run} = step, _) do
    instead = [{:heading, " in place of "} | what(step)]
    asked([{:heading, " had handled "}] ++ message(step.kind, run) ++ instead)
  end

  defp question(%{edit: :inserted} = step, _),
    do: [{:heading, " had handled "} | what(step)] ++ [{:heading, " as well?"}]

  # In the last span, so that it is not wrapped alone.
  defp asked(line), do: List.update_at(line, -1, &mark/1)
  defp mark({role, text}), do: {role, text <> "?"}
  defp mark(text), do: text <> "?"

  defp counts(steps) do
    parts =
      for {verdict, word} <- [{true, "the same"}, {false, "different"}, {:unknown, "not known"}],
          do: {Enum.count(steps, &(&1.same? == verdict)), word}

    {:dim,
     for({n, word} <- parts, n > 0, do: "#{Style.number(n)} #{word}") |> Enum.join(", ") |> of_steps(steps)}
  end

  defp of_steps("", _steps), do: "nothing was handled"
  defp of_steps(text, steps), do: "#{Style.count(length(steps), "step")}: #{text}"

  defp what(%{moment: moment} = step) do
    number = if moment, do: [{:moment, "##{moment.seq} "}], else: []
    number ++ message(step.kind, step.message || step.run)
  end

  defp message(:continue, {:continue, term}), do: [{:dim, "CONTINUE "}, Term.text(term, 60)]
  defp message(:continue, _), do: [{:dim, "CONTINUE"}]
  defp message(:timeout, _), do: [{:dim, "TIMEOUT"}]

  defp message(_kind, message) do
    {label, content} = Event.classify(message)
    Events.message(label, message, content)
  end

  # ---- where they part ----

  defp parting(%{first_difference: nil, steps: steps}, _style) do
    if Enum.any?(steps, &(&1.same? == :unknown)),
      do: [{:text, [{:warn, "No difference was seen; where the recording is not whole there may be one."}]}],
      else: [{:text, [{:ok, "Both lives are the same."}]}]
  end

  defp parting(%{first_difference: step, edit: edit} = life, style) do
    [[], {:text, [{:heading, "The lives part at "}] ++ what(step)}] ++
      Enum.map(how(step), &{:note, &1}) ++ state(step, life, style) ++ again(edit)
  end

  defp again(:none),
    do: [
      {:note,
       [
         {:warn,
          "Nothing was changed: this server does not do the same when it is told the same, or needs what was not run (below)."}
       ]}
    ]

  defp again(_edit), do: []

  defp how(%{edited: nil, recorded: recorded} = step),
    do: [["only the recorded life handled it" | result(recorded.result)]] ++ reply(step)

  defp how(%{recorded: nil, edited: edited} = step),
    do: [["only the edited life handled it" | result(edited.result)]] ++ reply(step)

  defp how(%{recorded: recorded, edited: edited} = step) do
    results =
      if recorded.result == edited.result,
        do: [],
        else: [["recorded life:" | spoken(recorded.result)], ["edited life:" | spoken(edited.result)]]

    results ++ reply(step) ++ sent(step)
  end

  defp spoken(:ok), do: [" went on"]
  defp spoken(result), do: result(result)

  defp result(:ok), do: []
  defp result({:stop, reason}), do: ["  ", {:exit, "stopped: " <> Processes.reason(reason, 80)}]
  defp result({:crash, class, reason}), do: ["  ", {:exit, "✗ #{class} " <> Processes.reason(reason, 80)}]

  defp reply(%{recorded: %{reply: same}, edited: %{reply: same}}), do: []

  defp reply(%{recorded: recorded, edited: edited}) do
    for {sign, role, %{reply: {:ok, reply}}} <- [{"- ", :old, recorded}, {"+ ", :new, edited}],
        do: [{role, sign <> "reply " <> Term.text(reply, 80)}]
  end

  defp sent(%{recorded: %{sends: same}, edited: %{sends: same}}), do: []

  defp sent(%{recorded: %{sends: recorded}, edited: %{sends: edited}}) when is_list(recorded),
    do:
      Enum.map(recorded -- edited, &send_line("- ", :old, &1)) ++
        Enum.map(edited -- recorded, &send_line("+ ", :new, &1))

  defp sent(_step), do: []

  # The states after this step; that of a life that did not take it is the one before.
  defp state(step, life, style) do
    {recorded, edited} = states(step, life)
    diff = Diff.diff(recorded, edited)
    if Diff.equal?(diff), do: [], else: diff(diff, {recorded, edited}, life, style)
  end

  defp states(step, life) do
    {before, _} = Enum.split_while(life.steps, &(&1 != step))
    {after_it(step, before, :recorded, life), after_it(step, before, :edited, life)}
  end

  defp after_it(step, before, which, life) do
    Enum.find_value([step | Enum.reverse(before)], {:ok, life.start}, fn
      %{^which => %{state: state}} -> {:ok, state}
      _ -> nil
    end)
    |> elem(1)
  end

  # Two states that differ, as their module wants them shown.
  defp diff(diff, {recorded, edited}, %{module: module}, style) do
    case {Shown.state(module, recorded), Shown.state(module, edited)} do
      {^recorded, ^edited} -> diff(diff, style)
      {same, same} -> [["    they differ in what #{inspect(module)} does not show"]]
      {recorded, edited} -> recorded |> Diff.diff(edited) |> diff(style)
    end
  end

  defp diff(diff, style) do
    {shown, hidden} = diff |> Diff.lines(%{style | width: style.width - 4}) |> Enum.split(@lines_a_diff)
    more = if hidden == [], do: [], else: [["    ", {:dim, "… #{Style.count(length(hidden), "more line")}"}]]
    Enum.map(shown, &["    " | &1]) ++ more
  end

  # ---- the end ----

  defp ending(%{first_difference: nil}, _style), do: []

  defp ending(%{diff: diff} = life, style) do
    states =
      if Diff.equal?(diff), do: [["  the states are the same"]], else: diff(diff, life.final, life, style)

    [[], [{:heading, "At the end"}, {:dim, "  - recorded  + edited"}]] ++ ends(life) ++ states
  end

  # Two that ended alike, and at the same step, need no word.
  defp ends(%{ended: {recorded, edited}, steps: steps}) do
    if recorded == edited and last(steps, :recorded) == last(steps, :edited),
      do: [],
      else: [{:note, ["recorded life:" | alive(recorded)]}, {:note, ["edited life:" | alive(edited)]}]
  end

  defp last(steps, life),
    do: Enum.find_index(steps, &match?(%{result: result} when result != :ok, Map.fetch!(&1, life)))

  defp alive(nil), do: [" lives"]
  defp alive(result), do: result(result)

  # ---- what was sent, and what was not run ----

  defp sends(%{sends: %{recorded_only: recorded, edited_only: edited}}) do
    only("Sent in the recorded life only", "- ", :old, recorded) ++
      only("Sent in the edited life only", "+ ", :new, edited)
  end

  defp only(_title, _sign, _role, []), do: []

  defp only(title, sign, role, sends) do
    {shown, hidden} = Enum.split(sends, @sends)
    more = if hidden == [], do: [], else: [{:note, [{:dim, "… and #{length(hidden)} more"}]}]
    [[], [{:heading, title}]] ++ Enum.map(shown, &["  " | send_line(sign, role, &1)]) ++ more
  end

  defp send_line(sign, role, %{to: to, message: message} = send) do
    {label, content} = Event.classify(message)

    text =
      if send[:reply?],
        do: [{:reply, "REPLY "}, Term.text(message, 60)],
        else: Events.message(label, message, content)

    [{role, sign}] ++ text ++ [{:dim, " to "}, {:name, Processes.who(to)}]
  end

  defp notes(%{not_run: []}), do: []

  defp notes(%{not_run: notes}),
    do: [[], [{:heading, "To know"}] | Enum.map(notes, &{:note, [{:warn, "· "}, &1]})]
end
