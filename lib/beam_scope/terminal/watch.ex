defmodule BeamScope.Terminal.Watch do
  @moduledoc """
  Prints what happens, live, until Enter is pressed or a limit is reached. Whatever ends the display ends the tracing.
  """

  alias BeamScope.{Event, Recorder, Recording}
  alias BeamScope.Recording.{Query, Relay}
  alias BeamScope.Terminal.{Events, Style}

  @filters [:kind, :kinds, :process, :from, :to, :call, :match]
  @own [:lines, :ansi, :width]
  # More than a person can read; the rest is in the recording.
  @lines_a_batch 25
  @kinds [
    :send,
    :send_to_dead,
    :receive,
    :spawn,
    :exit,
    :register,
    :call,
    :return,
    :exception,
    :state,
    :note,
    :system
  ]
  @defaults [level: :messages, limits: [events: 200_000, ms: 600_000]]

  @doc "Runs the display. Answers the stopped recording."
  @spec run(term, keyword) :: {:ok, Recording.t()} | {:error, BeamScope.Error.t()}
  def run(targets, opts) do
    with :ok <- keyword(opts),
         {filters, opts} = Keyword.split(opts, @filters),
         {own, opts} = Keyword.split(opts, @own),
         {:ok, query} <- Query.build(filters, @filters, %{kinds: @kinds}),
         {:ok, rec} <- Recorder.start(targets, Keyword.merge(@defaults, opts)),
         do: watch(rec, query, own)
  end

  defp keyword(opts), do: if(Keyword.keyword?(opts), do: :ok, else: Query.known(opts, []))

  defp watch(rec, query, own) do
    with {:ok, relay} <- Relay.start(rec, query, self()) do
      key = wait_for_key()

      state = %{
        relay: relay,
        key: key,
        style: Style.new(own),
        left: Keyword.get(own, :lines, :infinity),
        shown: 0,
        hidden: 0,
        lost: 0
      }

      try do
        puts([{:dim, "Watching #{BeamScope.Terminal.Term.text(rec.targets, 60)}. Enter stops."}], state)
        state |> loop() |> finish()
      after
        Relay.stop(relay)
        drain(relay)
      end
    end

    {:ok, rec}
  after
    Recorder.stop(rec)
  end

  # The shell has one reader: it must get its line before the prompt comes back, else it would eat the next one.
  defp wait_for_key do
    {watcher, shell} = {self(), Process.group_leader()}

    read = fn ->
      Process.group_leader(self(), shell)
      send(watcher, {:beam_scope, self(), IO.gets("")})
    end

    {:ok, key} = Recorder.start_helper(%{id: :key, start: {Task, :start_link, [read]}, restart: :temporary})
    key
  end

  defp loop(%{left: left} = state) when left <= 0, do: {:lines, state}

  defp loop(%{relay: relay, key: key} = state) do
    receive do
      {:beam_scope, ^relay, {:events, events, lost}} -> events |> show(lost, state) |> loop()
      {:beam_scope, ^relay, {:stopped, reason}} -> {reason, state}
      {:beam_scope, ^key, :eof} -> loop(%{state | key: nil})
      {:beam_scope, ^key, _line} -> {:key, %{state | key: nil}}
    end
  end

  defp show(events, lost, state) do
    {shown, hidden} = events |> Enum.reject(&paired?/1) |> Enum.split(min(@lines_a_batch, state.left))
    if lost > 0, do: puts([{:warn, "… #{Style.count(lost, "event")} came too fast to be shown"}], state)
    for line <- Events.rows(shown, state.style), do: puts(line, state)

    if hidden != [],
      do: puts([{:dim, "… #{Style.count(length(hidden), "more event")} (recorded, not shown)"}], state)

    counted(state, length(shown), length(hidden) + lost)
  end

  defp counted(state, shown, hidden) do
    left = if state.left == :infinity, do: :infinity, else: state.left - shown
    %{state | left: left, shown: state.shown + shown, hidden: state.hidden + hidden}
  end

  # The other end of a message that was shown when it was sent.
  defp paired?(%Event{kind: :receive, partner: partner}), do: is_integer(partner)
  defp paired?(_event), do: false

  defp finish({reason, state}) do
    hidden = if state.hidden > 0, do: ", #{Style.number(state.hidden)} not shown", else: ""
    puts([{:heading, "Stopped"}, " (#{reason}): #{Style.count(state.shown, "event")} shown#{hidden}."], state)
    if state.key, do: give_back_shell(state)
  end

  defp give_back_shell(%{key: key} = state) do
    puts([{:dim, "Press Enter to go back to the prompt."}], state)

    receive do
      {:beam_scope, ^key, _} -> :ok
    end
  end

  defp drain(relay) do
    receive do
      {:beam_scope, ^relay, _} -> drain(relay)
    after
      0 -> :ok
    end
  end

  defp puts(line, state), do: IO.puts(Style.render([line], state.style))
end
