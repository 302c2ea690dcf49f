defmodule BeamScope.Terminal.History do
  @moduledoc """
  The history of a process' state: what was handled, when, from whom, and what it changed.
  """

  alias BeamScope.{Diff, Event, History, Transition, Unknown}
  alias BeamScope.Terminal.{Events, Processes, Shown, Style, Table, Term}

  @indent 6
  @lines_a_diff 12

  @doc "The whole history."
  @spec lines(History.t(), Style.t()) :: [Style.line()]
  def lines(%History{transitions: transitions} = history, style) do
    {shown, hidden} = Processes.split(transitions, style.limit)
    heads = shown |> Enum.map(&cells/1) |> Table.lines(align: [:right, :right])

    [title(history)] ++
      (shown |> Enum.zip(heads) |> Enum.flat_map(&block(&1, history, style))) ++
      Processes.more(hidden, "transition") ++ cut(history)
  end

  defp title(%History{process: nil, transitions: transitions}),
    do: [{:heading, "History"}, "  " <> Style.count(length(transitions), "transition")]

  defp title(%History{process: process, processes: processes, transitions: transitions}) do
    lives = if length(processes) > 1, do: ", #{length(processes)} lives", else: ""
    gaps = for %Transition{kind: :gap, lost: lost} <- transitions, do: lost

    [{:heading, "History of " <> Processes.label(process)}, "  ", behaviour(process), "  "] ++
      [Style.count(length(transitions) - length(gaps), "transition") <> lives] ++ losses(gaps)
  end

  defp behaviour(%{behaviour: nil}), do: ""
  defp behaviour(%{behaviour: behaviour}), do: "#{behaviour}"

  defp losses([]), do: []

  defp losses(gaps),
    do: ["  ", {:warn, "#{Style.count(length(gaps), "gap")}, #{Style.count(Enum.sum(gaps), "event")} lost"}]

  defp cut(%History{more: true}), do: [[{:warn, "… there are more: raise limit: or narrow since:/until:"}]]
  defp cut(_), do: []

  defp block({transition, head}, history, style) do
    new_life(transition, history) ++
      [head] ++ (transition |> Shown.transition() |> changes(style, @lines_a_diff) |> without_secrets())
  end

  # A restarted server is another process under the same name: say so where it begins.
  defp new_life(%Transition{kind: :init} = t, %History{processes: [_, _ | _] = processes}) do
    case Enum.find(processes, &(&1.track == t.track)) do
      nil -> []
      process -> [[{:dim, "─── #{Processes.label(process)} #{Processes.who(process.pid)} begins"}]]
    end
  end

  defp new_life(_transition, _history), do: []

  @doc "One transition, with all of its diff that fits on a screen."
  @spec transition(Transition.t(), Style.t()) :: [Style.line()]
  def transition(%Transition{} = transition, style) do
    [line(transition)] ++ (transition |> Shown.transition() |> changes(style, 40))
  end

  defp line(transition), do: transition |> cells() |> Enum.intersperse(["  "]) |> Enum.concat()

  defp cells(%Transition{moment: moment} = transition) do
    [[{:moment, "##{moment.seq}"}], [{:time, Style.time(moment.at_ns)}], what(transition)]
  end

  defp what(%Transition{kind: :gap, lost: 0}),
    do: [
      {:warn,
       "GAP  what it did was not recorded (a note says why), or events were lost, how many is not known: " <>
         "the state is unknown until the next one"}
    ]

  defp what(%Transition{kind: :gap, lost: lost}),
    do: [{:warn, "GAP  #{Style.count(lost, "event")} lost: the state is unknown until the next one"}]

  defp what(%Transition{} = t),
    do: handled(t) ++ sender(t) ++ reply(t.reply) ++ handler(t.handler) ++ result(t.result)

  defp handled(%Transition{kind: :init}), do: [{:dim, "INIT"}]
  defp handled(%Transition{kind: :read}), do: [{:dim, "READ"}, " from the living process"]
  defp handled(%Transition{kind: :changed, message: nil}), do: [{:dim, "CHANGED"}, " without a message"]
  defp handled(%Transition{kind: :end, message: nil}), do: [{:exit, "END"}]

  defp handled(%Transition{kind: kind, message: message, content: content})
       when kind in [:call, :cast, :info, :end, :event] do
    {label, _} = Event.classify(message)
    prefix = if kind == :end, do: [{:exit, "END"}, " on "], else: []
    prefix ++ Events.message(label(kind, label), message, content)
  end

  defp handled(%Transition{kind: kind, message: nil}), do: [{:dim, shout(kind)}]

  defp handled(%Transition{kind: kind, message: message}),
    do: [{:dim, shout(kind)}, " ", Term.text(message, 200)]

  # The behaviour knows best what was a call or a cast; what it calls info may be an exit or a reply.
  defp label(kind, :info) when kind in [:call, :cast], do: kind
  defp label(_kind, label), do: label

  defp shout(kind), do: kind |> to_string() |> String.upcase()

  defp sender(%Transition{from_process: nil}), do: []

  defp sender(%Transition{from_process: from}) when from in [:clock_service, :system, :undefined],
    do: [{:dim, "  from the runtime"}]

  defp sender(%Transition{from_process: from, from_name: name}),
    do: [{:dim, "  from "}, {:name, Processes.who(from, name)}]

  defp reply({:ok, reply}), do: ["  ", {:reply, "→ " <> Term.text(reply, 80)}]
  defp reply(_), do: []

  defp handler(nil), do: []
  defp handler(handler), do: [{:dim, "  in " <> Term.text(handler, 60)}]

  defp result({:crash, class, reason}), do: ["  ", {:exit, "✗ #{class} " <> Processes.reason(reason, 120)}]
  defp result(:pending), do: ["  ", {:warn, "not finished"}]
  defp result({:stop, reason}), do: ["  ", {:exit, "stopped: " <> Processes.reason(reason, 120)}]
  defp result(_), do: []

  defp changes(%Transition{kind: :gap}, _style, _max), do: []
  defp changes(%Transition{kind: :end}, _style, _max), do: []

  defp changes(%Transition{to: %Unknown{reason: reason}}, _style, _max),
    do: [indent([{:warn, "state unknown (#{reason})"}])]

  defp changes(%Transition{diff: nil, to: to}, style, max),
    do:
      to
      |> Term.line(width(style) * 3)
      |> Style.wrap(width(style), min(max, 3))
      |> Enum.map(&indent([{:new, "= "} | &1]))

  defp changes(%Transition{diff: diff}, style, max) do
    lines = Diff.lines(diff, %{style | width: width(style)})
    {shown, hidden} = Enum.split(lines, max)
    Enum.map(shown, &indent/1) ++ folded(length(hidden))
  end

  # What is redacted cannot be told to be the same, in no transition: to say so in each would drown what did change.
  defp without_secrets(lines) do
    case Enum.reject(lines, &redacted?/1) do
      [] when lines != [] -> [indent([{:dim, "no difference, redacted parts aside"}])]
      rest -> rest
    end
  end

  defp redacted?(line), do: Enum.any?(line, &(&1 == {:warn, "unknown (redacted)"}))

  defp folded(0), do: []
  defp folded(n), do: [indent([{:dim, "… #{Style.count(n, "more line")} (inspect the transition alone)"}])]

  defp width(style), do: max(style.width - @indent - 2, 10)
  defp indent(line), do: [String.duplicate(" ", @indent) | line]
end
