defmodule BeamScope.Replay.WhatIf.Edit do
  @moduledoc """
  One change to the messages that a process handles: checked, and made.
  """

  alias BeamScope.{Error, Event, Moment, Recording.Query, Terminal, Transition}
  alias BeamScope.Replay.WhatIf.Group

  @type which :: Transition.t() | Event.t() | Moment.t() | non_neg_integer
  @type t ::
          :none
          | {:skip, which}
          | {:replace, which, term}
          | {:insert, term}
          | {:insert, :before | :after, which, term}

  @words ":none, {:skip, which}, {:replace, which, message}, {:insert, message} or {:insert, :before | :after, which, message}"

  @doc "The groups of a plan with the edit in them."
  @spec apply([Group.t()], t | term, BeamScope.Recording.t(), map) :: {:ok, [Group.t()]} | {:error, Error.t()}
  def apply(groups, :none, _rec, _process), do: {:ok, groups}

  def apply(groups, {:insert, message}, _rec, _process),
    do: {:ok, [inserted(message, List.first(groups)) | groups]}

  def apply(groups, {:skip, which}, rec, process),
    do: at(groups, which, rec, process, &[%{&1 | edit: :skipped}])

  def apply(groups, {:replace, which, message}, rec, process),
    do: at(groups, which, rec, process, &[%{&1 | edit: :replaced, run: message, origin: nil}])

  def apply(groups, {:insert, :before, which, message}, rec, process),
    do: at(groups, which, rec, process, &[inserted(message, &1), &1])

  def apply(groups, {:insert, :after, which, message}, rec, process),
    do: at(groups, which, rec, process, &[&1, inserted(message, &1)])

  def apply(_groups, other, _rec, _process), do: Query.invalid(:edit, other, @words)

  defp inserted(message, neighbour) do
    at = if neighbour, do: Map.take(neighbour, [:seq, :began, :began_ns]), else: %{}
    Group.new(message, [edit: :inserted, done_ns: Map.get(at, :began_ns, 0)] ++ Map.to_list(at))
  end

  defp at(groups, which, rec, process, fun) do
    with {:ok, n} <- find(groups, which, rec, process) do
      case Enum.split(groups, n) do
        {_, [%{kind: kind} | _]} when kind in [:continue, :timeout] -> no_message(kind)
        {before, [group | rest]} -> {:ok, before ++ fun.(group) ++ rest}
      end
    end
  end

  defp find(groups, which, rec, process) do
    with {:ok, test} <- test(which, rec, process) do
      case Enum.find_index(groups, test) do
        nil -> not_handled(which)
        n -> {:ok, n}
      end
    end
  end

  # A message by either of its ends: it is the n-th of its like to be handled from then on, if n of its like waited.
  defp test(%Event{kind: :send, partner: partner}, rec, process) when is_integer(partner),
    do: received(partner, rec, process)

  defp test(%Event{kind: :receive, moment: moment}, rec, process), do: received(moment.seq, rec, process)
  defp test(%{moment: %Moment{seq: seq}}, _rec, _process), do: {:ok, &within?(&1, seq)}
  defp test(%Moment{seq: seq}, _rec, _process), do: {:ok, &within?(&1, seq)}
  defp test(seq, rec, process) when is_integer(seq) and seq >= 0, do: numbered(seq, rec, process)
  defp test(other, _rec, _process), do: not_handled(other)

  defp within?(group, seq), do: group.edit == nil and seq in group.began..group.seq

  # The number that is printed beside a message is that of its end or of its arrival.
  defp numbered(seq, rec, process) do
    moment = %Moment{seq: seq, at_ns: 0}

    case Query.events(rec, since: moment, until: moment, limit: 1) do
      {:ok, %{events: [%Event{kind: kind} = event]}} when kind in [:send, :receive] ->
        if event.track == process.track and kind == :send,
          do: {:ok, &within?(&1, seq)},
          else: test(event, rec, process)

      _ ->
        {:ok, &within?(&1, seq)}
    end
  end

  defp received(seq, rec, process) do
    moment = %Moment{seq: seq, at_ns: 0}

    with {:ok, %{events: [%Event{message: message, track: track}]}} when track == process.track <-
           Query.events(rec, since: moment, until: moment, limit: 1) do
      waiting = rec |> BeamScope.mailbox(process.track, moment) |> Enum.count(&(&1 === message))
      {:ok, nth(message, seq, max(waiting, 1))}
    else
      {:error, error} -> {:error, error}
      _ -> not_handled(moment)
    end
  end

  # `Enum.find_index/2` asks of one after the other, so the count can go along in the process.
  defp nth(message, seq, n) do
    counter = :counters.new(1, [])

    fn group ->
      if group.edit == nil and group.began >= seq and group.message === message do
        :counters.add(counter, 1, 1)
        :counters.get(counter, 1) == n
      else
        false
      end
    end
  end

  defp no_message(kind) do
    {:error,
     Error.new(
       :invalid_edit,
       "a #{kind} step is no message: it comes of what the callback before it returned. Edit the message before it"
     )}
  end

  defp not_handled(which) do
    what = Terminal.Term.text(which, 60)

    {:error,
     Error.new(
       :invalid_edit,
       "#{what} is no message that the process handled after the cursor. Give a transition of its history after the cursor, " <>
         "the event that brought the message, a moment, or its number"
     )}
  end
end
