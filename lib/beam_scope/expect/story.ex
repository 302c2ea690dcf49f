defmodule BeamScope.Expect.Story do
  @moduledoc false
  # What happened, as half a sentence: "Counter answered {:ok, 3} to the second {:increment, 1}".

  alias BeamScope.{Event, Expect, Transition, Unknown}
  alias BeamScope.Expect.Names
  alias BeamScope.Terminal.{Events, Processes, Shown, Term}

  @text 60
  @messages [:send, :send_to_dead, :receive]
  # How far back a call is looked for.
  @back 500
  @ordinals ~w(first second third fourth fifth sixth seventh eighth ninth tenth)

  @doc "What a subject was. `what` tells a transition's state from the transition."
  @spec tell(BeamScope.Recording.t(), Names.t(), atom, Event.t() | Transition.t()) :: String.t()
  def tell(rec, names, what, %Event{kind: kind} = event) when kind in @messages,
    do: message(rec, names, what, event)

  def tell(_rec, names, _what, %Event{kind: :call} = e),
    do: "#{who(names, e)} called #{Events.mfa(e.mfa)}#{returned(e)}"

  def tell(_rec, names, _what, %Event{kind: :exit} = e),
    do: "#{who(names, e)} ended: #{Processes.reason(e.reason, @text)}"

  def tell(_rec, names, _what, %Event{} = e), do: "#{who(names, e)}: #{e.kind}"

  def tell(_rec, names, :state, %Transition{} = t),
    do: "#{track(names, t)} #{became(t)} #{text(t.to, t)}#{because(t)}"

  def tell(_rec, names, :crashed, %Transition{} = t),
    do: "#{track(names, t)} crashed#{because(t, " on ")}: #{crash(t.result)}"

  def tell(_rec, names, _what, %Transition{} = t),
    do: "#{track(names, t)} went from #{text(t.from, t)} to #{text(t.to, t)}#{because(t, " on ")}"

  defp who(names, event), do: Names.track(names, event.track, event.pid)
  defp track(names, transition), do: Names.track(names, transition.track, nil)
  defp text(state, t), do: (t.handler || t.module) |> Shown.state(state) |> text()
  defp text(%Unknown{}), do: "an unknown state"
  defp text(term), do: Term.text(term, @text)

  defp became(%Transition{kind: kind}) when kind in [:init, :read], do: "began with"
  defp became(%Transition{from: same, to: same}), do: "stayed at"
  defp became(_transition), do: "became"

  defp because(transition, word \\ " by ")
  defp because(%Transition{kind: kind}, _) when kind in [:init, :read], do: ""
  defp because(%Transition{message: nil, content: nil}, _), do: ""
  defp because(%Transition{content: content}, word), do: word <> text(content)

  defp crash({:crash, :error, reason}), do: Processes.reason(reason, @text)
  defp crash({:crash, class, reason}), do: "#{class} #{Processes.reason(reason, @text)}"
  defp crash(other), do: Term.text(other, @text)

  defp returned(%Event{class: class, reason: reason}) when class != nil,
    do: ", which failed: #{Processes.reason(reason, @text)}"

  defp returned(%Event{value: nil}), do: ""
  defp returned(%Event{value: value}), do: ", which returned #{text(value)}"

  # ---- messages ----

  defp message(_rec, names, :received, e),
    do: "#{to(names, e)} received #{text(e.content)} from #{from(names, e)}"

  defp message(rec, names, _what, %Event{label: :reply} = e) do
    case question(rec, e) do
      nil -> sent(names, e)
      call -> "#{from(names, e)} answered #{text(e.content)} to #{nth(rec, call)}#{text(call.content)}"
    end
  end

  defp message(_rec, names, _what, e), do: sent(names, e)

  defp sent(names, e), do: "#{from(names, e)} sent #{text(e.content)} to #{to(names, e)}"
  defp from(names, e), do: Names.message_end(names, e.from, e.from_name, e.from_track)
  defp to(names, e), do: Names.message_end(names, e.to, e.to_name, e.to_track)

  @doc "The call that a reply answers, if it is among those shortly before."
  def question(rec, %Event{label: :reply, from_track: track} = reply) when is_integer(track) do
    tag = Event.tag(reply.message)

    rec
    |> BeamScope.messages(to: %BeamScope.Process{track: track}, until: reply, order: :desc, limit: @back)
    |> Enum.find(&(&1.label == :call and Event.tag(&1.message) == tag))
  end

  def question(_rec, _event), do: nil

  # The how-manieth of its kind, where there was more than one.
  defp nth(rec, call) do
    what = if call.kind == :receive, do: :received, else: :sent

    same = %{
      what: what,
      to: %BeamScope.Process{track: call.to_track},
      pattern: {:pattern, {:lit, call.content}, nil}
    }

    count = %{check: :count, min: 0, steps: [same]}

    case Expect.run(rec, [Map.put(count, :until, call), count]) do
      {:ok, [%{count: at}, %{count: all}]} when all > 1 -> "the #{ordinal(at)} "
      _ -> ""
    end
  end

  @doc """
  A number as a word, where there is one.

      iex> Enum.map([2, 11, 22, 103], &BeamScope.Expect.Story.ordinal/1)
      ["second", "11th", "22nd", "103rd"]
  """
  @spec ordinal(pos_integer) :: String.t()
  def ordinal(n), do: Enum.at(@ordinals, n - 1) || "#{n}#{ending(rem(n, 100))}"

  defp ending(n) when n in 11..13, do: "th"
  defp ending(n), do: Map.get(%{1 => "st", 2 => "nd", 3 => "rd"}, rem(n, 10), "th")
end
