defmodule BeamScopeDemo do
  @moduledoc """
  What `mix beam_scope.demo` shows. Each part starts its system for real, records it while a client uses it, and
  returns what it printed together with the facts that the print is about, so that a test can ask for both.
  """

  alias BeamScope.{Event, Events}
  alias BeamScope.Terminal.{History, Info, Style, Tree}

  @type part :: %{lines: [Style.line()], facts: map}

  @doc "A counter whose history shows a bug that its state does not."
  @spec counter(Style.t()) :: part
  def counter(style) do
    numbers = [1, 2, 2, 3]

    with_application(:counter_echo, CounterEcho, fn ->
      {rec, ns} = record({:app, :counter_echo}, fn -> Enum.each(numbers, &CounterServer.add/1) end)

      history = BeamScope.history(rec, CounterServer)
      ignored = Enum.filter(history, &match?(%{content: {:add, _}, from: same, to: same}, &1))
      count = CounterServer.count()

      lines =
        heading("1. A counter and an echo: where did the 2 go?") ++
          tree(rec, style) ++
          flow(rec, style, 16) ++
          state_history(history, style) ++
          state_history(BeamScope.history(rec, EchoServer), style) ++
          text("""
          The client added #{Enum.join(numbers, " + ")}, was told :ok each time, and the counter stands at #{count}, not at
          #{Enum.sum(numbers)}. One transition in its history took a message and changed nothing:
          """) ++
          Enum.flat_map(ignored, &History.transition(&1, style)) ++
          text("It is the second {:add, 2} in a row: taken for a repetition of the first.") ++
          account(rec, style, ns)

      close(rec, %{
        lines: lines,
        facts: %{count: count, sum: Enum.sum(numbers), ignored: ignored, info: info(rec)}
      })
    end)
  end

  @doc "Two workers: when did a count become 2, and through which message?"
  @spec workers(Style.t()) :: part
  def workers(style) do
    with_application(:two_workers, TwoWorkers, fn ->
      {rec, ns} =
        record({:app, :two_workers}, fn ->
          Enum.each(["books", "glass", "a piano"], &WorkerA.give/1)
          await(fn -> WorkerA.report().count == 3 end)
        end)

      {:ok, found} = BeamScope.find_state(rec, WorkerA, %{count: 2})

      lines =
        heading("2. Two workers: what was WorkerA's state when its count became 2?") ++
          tree(rec, style) ++
          flow(rec, style, 12) ++
          state_history(BeamScope.history(rec, WorkerA), style) ++
          state_history(BeamScope.history(rec, WorkerB), style) ++
          text(
            "\nBeamScope.find_state(rec, WorkerA, %{count: 2}) answers with the state and with the message:"
          ) ++
          History.transition(found, style) ++
          [["      the state: ", {:new, inspect(found.to)}]] ++
          [["    the message: ", {:changed, inspect(found.message)}, ", sent by ", {:name, sender(found)}]] ++
          account(rec, style, ns)

      close(rec, %{lines: lines, facts: %{found: found, info: info(rec)}})
    end)
  end

  @doc "OTP's own web server: every request found, and matched to its reply."
  @spec web(Style.t(), pos_integer) :: part
  def web(style, requests \\ 1_000) do
    web = WebDemo.start()

    try do
      limits = [events: 2_000_000, ms: 120_000]
      options = [level: :messages, budget: [bytes: 16_384], limits: limits]
      {rec, answered, ns} = record({:app, :inets}, options, fn -> WebDemo.ask(web, requests, 10) end)

      exchanges = WebDemo.exchanges(rec)
      handlers = WebDemo.handlers(rec)
      counts = count(exchanges)

      lines =
        heading("3. A system nobody here wrote: inets' httpd, asked #{Style.number(requests)} times by httpc") ++
          tree(rec, %{style | limit: 6}) ++
          first_exchange(rec, exchanges, style) ++
          [
            [],
            heading_line("What the recording of {:app, :inets} says, and what the client counted"),
            fact("requests that httpc took", counts.asked, requests),
            fact("requests that httpd received", counts.received, requests),
            fact("replies with status 200 and the right file", counts.replied, answered),
            fact("requests matched to their own reply", counts.matched, answered),
            fact(
              "handler processes, each with its parent",
              Enum.count(handlers, & &1.parent),
              length(handlers)
            )
          ] ++
          parents(rec, handlers) ++
          account(rec, style, ns)

      facts = %{requests: requests, answered: answered, handlers: handlers, counts: counts, info: info(rec)}
      close(rec, %{lines: lines, facts: facts})
    after
      WebDemo.stop(web)
    end
  end

  defp count(exchanges) do
    all = Map.values(exchanges)

    %{
      asked: Enum.count(all, & &1.asked),
      received: Enum.count(all, & &1.received),
      replied: Enum.count(all, & &1.replied),
      matched: Enum.count(all, &(&1.asked && &1.received && &1.replied))
    }
  end

  # What is shown

  defp heading(text), do: [[], heading_line(text), [{:dim, String.duplicate("─", Style.width(text))}]]
  defp heading_line(text), do: [{:heading, text}]
  defp text(text), do: text |> String.trim_trailing() |> String.split("\n") |> Enum.map(&[&1])

  defp tree(rec, style), do: titled("Supervision tree", Tree.lines(BeamScope.tree(rec), style))

  # A message is sent once and received once: its sending is shown, or what arrived from a process not recorded.
  defp flow(rec, style, limit) do
    events =
      rec |> BeamScope.messages() |> Enum.filter(&(&1.label in [:call, :cast, :reply, :info] and sent?(&1)))

    titled(
      "Message flow",
      BeamScope.Terminal.Events.lines(%Events{events: events, recording: rec}, %{style | limit: limit})
    )
  end

  defp sent?(%Event{kind: :receive, partner: nil}), do: true
  defp sent?(%Event{kind: kind}), do: kind == :send

  defp state_history(history, style), do: titled("State history", History.lines(history, style))

  defp first_exchange(_rec, exchanges, _style) when exchanges == %{}, do: []

  defp first_exchange(_rec, exchanges, style) do
    {_n, first} = Enum.min(exchanges)
    events = for %Event{} = event <- [first.asked, first.received, first.replied], do: event
    titled("The first exchange", BeamScope.Terminal.Events.rows(events, style))
  end

  defp parents(rec, handlers) do
    names = Map.new(BeamScope.processes(rec), &{&1.pid, &1.name})

    for {parent, list} <- Enum.group_by(handlers, & &1.parent) do
      {m, f, a} = hd(list).initial_call
      by = inspect(names[parent] || parent)
      [{:dim, "    #{length(list)} processes of #{m}:#{f}/#{a}, started by "}, {:name, by}]
    end
  end

  defp fact(what, got, expected) do
    mark = if got == expected, do: {:ok, "="}, else: {:error, "≠"}
    numbers = [{:new, String.pad_leading(Style.number(got), 7)}, " ", mark, " ", Style.number(expected)]
    ["  ", String.pad_trailing(what, 46)] ++ numbers
  end

  defp account(rec, style, ns) do
    titled("Loss account", Info.lines(info(rec), style)) ++
      [[{:dim, "time taken   "}, {:time, Style.time(ns)}]]
  end

  defp titled(title, lines), do: [[], [{:heading, title}] | lines]

  defp sender(%{from_name: name}) when name != nil, do: inspect(name)
  defp sender(%{from_process: process}), do: inspect(process)

  # How it is recorded

  # What is recorded is the system alone, as one would in production: its client is seen in what the system receives.
  defp record(target, fun) do
    {rec, _result, ns} = record(target, [level: :full], fun)
    {rec, ns}
  end

  defp record(target, options, fun) do
    rec = BeamScope.start!(target, options)
    {us, result} = :timer.tc(fun)
    {BeamScope.stop!(rec), result, us * 1_000}
  end

  defp info(rec), do: BeamScope.info(rec)

  defp close(rec, part) do
    BeamScope.close(rec)
    part
  end

  defp await(fun, tries \\ 500) do
    cond do
      fun.() -> :ok
      tries == 0 -> raise "the example system does not answer as it should"
      true -> Process.sleep(10) && await(fun, tries - 1)
    end
  end

  # An application as a release would start it, only that its `.app` file is a value.
  defp with_application(name, module, fun) do
    :ok = :application.load({:application, name, module.spec()})
    :ok = :application.start(name)

    try do
      fun.()
    after
      :application.stop(name)
      :application.unload(name)
    end
  end
end
