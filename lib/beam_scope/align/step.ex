defmodule BeamScope.Align.Step do
  @moduledoc """
  Something that a process did or that was done to it, in words that alignments can be told in.

  `what` is one of

    * `:start` – the process began, or was alive at the start, with this `state`
    * `:call`, `:cast`, `:info` and the other kinds of `BeamScope.Transition` – it handled `message` from `from`, `reply` is
      `{:ok, answer}` to a call and `state` `{:ok, state}` what it was left in
    * `:got` – `message` from `from` arrived at a process of which more is not seen
    * `:ask` – it called `to` with `message` and got `reply`
    * `:tell` – it cast `message` to `to`; `:send` – it sent it
    * `:answer` – it answered a call of `to` later, or another's
    * `:invoke` – a function in `calls:`: `message` is `{m, f, args}`, `reply` its result
    * `:state` – it was in `state` at this point; `:changed` – its state was changed by no message
    * `:exit` – it ended with `message` as reason

  `role` is whose step it is, `handler` the handler of a gen_event, `order` is `:any` among steps that have no order between
  them, and `seq` the number of the event in its recording.

  Golden executions are made of these, and `new/1` makes them of events and transitions.
  """

  alias BeamScope.{Event, Transition, Unknown}
  alias BeamScope.Align.Step

  @enforce_keys [:what]
  defstruct [:what, :role, :message, :from, :to, :reply, :state, :handler, :order, :seq]

  @type t :: %Step{
          what: atom,
          role: term,
          message: term,
          from: term,
          to: term,
          reply: {:ok | :error, term} | nil,
          state: {:ok, term} | nil,
          handler: term,
          order: :any | nil,
          seq: non_neg_integer | nil
        }

  @sends [:send, :send_to_dead]

  @doc """
  The step that an event or a transition is, or `nil` for what is none.

      iex> BeamScope.Align.Step.new(%BeamScope.Event{kind: :send, label: :cast, content: :hello, to_name: Echo}).what
      :tell
  """
  @spec new(term) :: t | nil
  def new(%Step{} = step), do: step

  def new(%Event{kind: kind} = e) when kind in @sends do
    %Step{what: sent(e.label), role: e.from_name || e.from, message: e.content, to: e.to_name || e.to}
  end

  def new(%Event{kind: :receive} = e),
    do: %Step{what: :got, role: e.to_name || e.to, message: e.content, from: e.from_name || e.from}

  def new(%Event{kind: :exit} = e), do: %Step{what: :exit, role: e.name || e.pid, message: e.reason}

  def new(%Transition{} = t) do
    %Step{
      what: t.kind,
      message: t.content,
      from: t.from_name || t.from_process,
      reply: t.reply,
      state: known(t.to)
    }
  end

  def new(_other), do: nil

  defp sent(:call), do: :ask
  defp sent(:cast), do: :tell
  defp sent(:reply), do: :answer
  defp sent(_label), do: :send

  defp known(%Unknown{}), do: nil
  defp known(nil), do: nil
  defp known(state), do: {:ok, state}
end
