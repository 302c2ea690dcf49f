defmodule BeamScope.Replay.WhatIf.Seen do
  @moduledoc """
  What the recorded process sent in each step, and what its calls were answered.
  """

  alias BeamScope.{Event, Recording.Query, Transition}

  # The runtime's own errands (loading code, logging) depend on what was loaded and logged before, not on the messages.
  @errands [
    :code_server,
    :logger,
    Logger,
    :logger_proxy,
    :logger_std_h_default,
    :error_logger,
    :standard_error
  ]

  @doc "What was sent and received in the transitions, in order."
  @spec events(BeamScope.Recording.t(), BeamScope.Process.t(), [Transition.t()]) :: [Event.t()]
  def events(_rec, _process, []), do: []

  def events(rec, process, [first | _] = run) do
    range = [since: first.began, until: until(List.last(run), process), limit: :infinity]

    case Query.events(rec, [process: process, kind: [:send, :send_to_dead, :receive]] ++ range) do
      {:ok, events} -> Enum.to_list(events)
      {:error, error} -> raise(error)
    end
  end

  # One that stops replies, and is done with `terminate/2`, after its last state was seen.
  defp until(%{result: :ok, moment: moment}, _process), do: moment
  defp until(_last, %{exited_at: nil}), do: :end
  defp until(_last, %{exited_at: moment}), do: moment

  @doc "Whom a message went to, as it is compared and shown: a name where there is one."
  @spec to(term, map) :: term
  def to(to, names), do: Map.get(names, to, to)

  @doc "Whether what was sent there is no errand of the runtime."
  @spec told?(term) :: boolean
  def told?(to), do: to not in @errands

  @doc "Those of one transition, and the later ones; both are in order. All that is left is of the one that ended it."
  @spec take(Transition.t(), [Event.t()]) :: {[Event.t()], [Event.t()]}
  def take(%{began: began, moment: moment, result: result}, events) do
    events
    |> Enum.drop_while(&(&1.moment.seq <= began.seq))
    |> Enum.split_while(&(result != :ok or &1.moment.seq <= moment.seq))
  end

  @doc "The outcome of a transition."
  @spec outcome(Transition.t(), [Event.t()], map) :: map
  def outcome(t, events, %{sends?: sends?} = context) do
    {reply, sends} = t.message |> tag() |> replied(Enum.filter(events, &(&1.kind != :receive)))
    sends = if failed?(t.result), do: Enum.filter(sends, &(&1.moment.seq <= t.moment.seq)), else: sends

    %{
      state: t.to,
      result: t.result,
      reply: if(sends?, do: reply, else: :unknown),
      sends: if(sends?, do: sends(sends, context), else: :unknown),
      message: t.message,
      kind: t.kind,
      moment: t.moment,
      answers: answers(events)
    }
  end

  # A process that ends so is logged: what handlers of logs send then is not to be told from what `terminate/2` does.
  defp failed?(:ok), do: false
  defp failed?({:stop, reason}) when reason in [:normal, :shutdown], do: false
  defp failed?({:stop, {:shutdown, _}}), do: false
  defp failed?(_result), do: true

  defp sends(events, context) do
    for %{to: to, to_name: name, message: message} <- events,
        to = name || to(to, context.names),
        told?(to),
        do: %{to: to, message: message}
  end

  defp tag({:"$gen_call", {_pid, tag}, _}), do: tag
  defp tag(_message), do: nil

  defp replied(nil, sends), do: {nil, sends}

  defp replied(tag, sends) do
    {replies, others} = Enum.split_with(sends, &match?({^tag, _}, &1.message))
    reply = for %{message: {_, reply}} <- replies, do: {:ok, reply}
    {List.first(reply), others}
  end

  # The calls of this step that were answered in it: whom, what, and with what.
  defp answers(events) do
    for %Event{kind: :send, message: {:"$gen_call", {_, tag}, request}} = call <- events,
        %Event{kind: :receive, message: {^tag, reply}} <- events,
        do: {call.to, request, reply}
  end
end
