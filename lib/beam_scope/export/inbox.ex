defmodule BeamScope.Export.Inbox do
  @moduledoc false
  # The messages that wait at servers, as BeamScope.mailbox/3 has them, followed along an export: an OTP loop takes the first
  # message in its queue, so whatever came before the one that is handled was taken by somebody else; a reply to a call of its own
  # is taken by whoever waits for it. Of other processes it is not seen when they take a message: they have no inbox here.

  alias BeamScope.{Event, Transition}
  alias BeamScope.Export.Source

  # Of one process; more is no longer told apart.
  @most 10_000
  # What is not among the first came before the recording, or was no message.
  @look 500

  defstruct served: MapSet.new(), queues: %{}, calls: %{}

  @type t :: %__MODULE__{}

  @doc "Empty inboxes for the servers of a recording."
  @spec new(Source.t()) :: t
  def new(%Source{processes: processes, info: info}) do
    served = for {track, %{behaviour: b}} <- processes, b not in [nil, :plain, :task], do: track
    if Map.get(info.by_kind, :state, 0) > 0, do: %__MODULE__{served: MapSet.new(served)}, else: %__MODULE__{}
  end

  @doc "Whether the messages that wait at this process are known."
  @spec served?(t, non_neg_integer) :: boolean
  def served?(inbox, track), do: MapSet.member?(inbox.served, track)

  @doc "Takes in an event; with a message that arrived, `data` is kept."
  @spec event(t, Event.t(), term) :: t
  def event(inbox, event, data \\ nil)

  def event(inbox, %Event{kind: :send, label: :call} = event, _data) do
    if served?(inbox, event.track),
      do: %{inbox | calls: Map.put(inbox.calls, event.track, Event.tag(event.message))},
      else: inbox
  end

  def event(inbox, %Event{kind: :receive, track: track} = event, data) do
    cond do
      not served?(inbox, track) or internal?(event) -> inbox
      answers_own_call?(inbox, event) -> %{inbox | calls: Map.delete(inbox.calls, track)}
      true -> arrived(inbox, track, {event.message, event.label, event.content, data})
    end
  end

  def event(inbox, %Event{kind: :exit, track: track}, _data),
    do: %{inbox | queues: Map.delete(inbox.queues, track), calls: Map.delete(inbox.calls, track)}

  def event(inbox, _event, _data), do: inbox

  # What a loop takes from its queue itself: system messages, and replies to an alias, which somebody waits for.
  defp internal?(%Event{label: :system}), do: true
  defp internal?(%Event{message: {[:alias | _], _}}), do: true
  defp internal?(_event), do: false

  defp answers_own_call?(inbox, %Event{label: :reply, track: track, message: message}) do
    tag = Event.tag(message)
    tag != nil and Map.get(inbox.calls, track) == tag
  end

  defp answers_own_call?(_inbox, _event), do: false

  defp arrived(inbox, track, entry) do
    queue = Map.get(inbox.queues, track, {0, :queue.new()})
    %{inbox | queues: Map.put(inbox.queues, track, put(queue, entry))}
  end

  defp put({@most, queue}, entry), do: {@most, :queue.in(entry, :queue.drop(queue))}
  defp put({n, queue}, entry), do: {n + 1, :queue.in(entry, queue)}

  @doc "A message was taken up: what was kept with it, or `nil` where its arrival was not seen."
  @spec taken(t, Transition.t()) :: {term, t}
  def taken(inbox, %Transition{track: track} = transition) do
    with {n, queue} <- Map.get(inbox.queues, track),
         {data, left, queue} <- search(:queue.out(queue), n, transition, @look) do
      {data, %{inbox | queues: Map.put(inbox.queues, track, {left, queue})}}
    else
      nil -> {nil, inbox}
    end
  end

  # Nearly always the first.
  defp search({{:value, {_, _, _, data} = entry}, queue}, n, transition, look) when look > 0 do
    if is?(entry, transition),
      do: {data, n - 1, queue},
      else: search(:queue.out(queue), n - 1, transition, look - 1)
  end

  defp search(_out, _n, _transition, _look), do: nil

  # A gen_statem is told of messages in another form; what it carries is the same.
  defp is?({_message, _label, _content, _data}, %Transition{message: nil}), do: false

  defp is?({message, label, content, _data}, %Transition{} = t) do
    message == t.message or (label == t.kind and content == t.content) or
      (t.kind == :info and message == t.content)
  end

  @doc "How many messages wait at a process."
  @spec size(t, non_neg_integer) :: non_neg_integer
  def size(inbox, track), do: inbox.queues |> Map.get(track, {0, nil}) |> elem(0)
end
