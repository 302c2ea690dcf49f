defmodule BeamScope.Transition do
  @moduledoc """
  One step of a process: the state before, what was handled, the state after.

    * `moment` – when it was completed: from here on the state is `to`; `track`; `module` – the process's callback module
    * `began` – the moment at which the message was taken up
    * `kind` – `:init`, `:call`, `:cast`, `:info`, `:continue`, `:timeout`, `:state_timeout`, `:enter`, `:internal`, `:event`,
      `:end`, `:read` (the state was read from a living process, or seen for the first time), `:changed` (by something that was
      no message: `sys:replace_state`, a code change), `:gap` (events were lost: the state is unknown until it is seen again)
    * `message` – what was handled: the whole message as it stood in the mailbox; `content` without the wrapping of a call
      or cast
    * `from`, `to` – the state before and after; a `%BeamScope.Unknown{}` where it is not known, `nil` where there is none
      (before `:init`)
    * `diff` – a `%BeamScope.Diff{}` of the two, or `nil` where one of them is not known
    * `from_process` – who sent the message, as far as the recording knows: a pid, a name, or `nil`
    * `reply` – `{:ok, term}` where a reply to the caller was seen, else `nil`
    * `result` – `:ok`, `{:stop, reason}`, `{:crash, class, reason}`, or `:pending` where its end was not seen (yet)
    * `handler` – for gen_event: which handler's state this is
    * `lost` – for a gap: how many events were lost; 0 where that is not known, and where what happened was not recorded on purpose
      (the governor only watched the process, or the level was lowered): a note on its timeline says why
  """

  alias BeamScope.{Diff, Event, Moment, Transition, Unknown}

  defstruct [
    :moment,
    :began,
    :track,
    :module,
    :kind,
    :message,
    :content,
    :from,
    :to,
    :diff,
    :from_process,
    :from_name,
    :reply,
    :handler,
    result: :ok,
    lost: 0
  ]

  @type t :: %Transition{
          moment: Moment.t(),
          began: Moment.t() | nil,
          track: non_neg_integer,
          module: module | String.t() | nil,
          kind: atom,
          message: term,
          content: term,
          from: term | Unknown.t() | nil,
          to: term | Unknown.t(),
          diff: Diff.t() | nil,
          from_process: pid | term | nil,
          reply: {:ok, term} | nil,
          handler: term,
          result: term,
          lost: non_neg_integer
        }

  @doc false
  @spec from_native(map) :: t
  def from_native(map) do
    %{
      Kernel.struct(Transition, map)
      | moment: %Moment{seq: map.seq, at_ns: map.at_ns},
        began: %Moment{seq: map.began_seq, at_ns: map.began_ns},
        content: content(map),
        from: if(map[:kind] == :init, do: nil, else: state(map[:from])),
        to: state(map[:to]),
        diff: diff(map[:diff])
    }
  end

  # gen_statem hands its events over as pairs of type and content; the type is the kind.
  defp content(%{kind: kind, content: {kind, content}}) when kind in [:state_timeout, :timeout, :internal],
    do: content

  defp content(%{content: content}) when content != nil, do: content
  defp content(map), do: map[:message] |> Event.classify() |> elem(1)

  defp state({:ok, state}), do: state
  defp state({:unknown, reason}) when is_atom(reason), do: %Unknown{reason: reason}
  defp state(_), do: %Unknown{}

  defp diff(nil), do: nil
  defp diff(term), do: Diff.new(term)
end

defimpl Inspect, for: BeamScope.Transition do
  alias BeamScope.Terminal.{History, Style}

  def inspect(one, opts),
    do: opts |> Style.from_inspect() |> Style.nested() |> then(&Style.to_doc(History.transition(one, &1), &1))
end
