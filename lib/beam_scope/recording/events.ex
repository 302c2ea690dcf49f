defmodule BeamScope.Events do
  @moduledoc """
  The answer to `BeamScope.events/2`, `messages/2` and `calls/2`: use it with `Enum`, `Stream` and `for`.

    * `events` – the list of `%BeamScope.Event{}` in order
    * `more` – whether the limit cut the list: there are more events than `limit:` allowed
    * `unknown` – how many further events could not be decided, since what `match:` asks about was truncated or redacted
    * `recording` – the recording asked; `hint` – a sentence for an empty answer that has an explanation
  """
  defstruct events: [], more: false, unknown: 0, recording: nil, hint: nil

  @type t :: %__MODULE__{
          events: [BeamScope.Event.t()],
          more: boolean,
          unknown: non_neg_integer,
          hint: String.t() | nil
        }
end

defmodule BeamScope.Processes do
  @moduledoc """
  The answer to `BeamScope.processes/2`: `processes` is the list of `%BeamScope.Process{}`. Use it with `Enum`, `Stream`
  and `for`.
  """
  defstruct processes: [], moment: :end
  @type t :: %__MODULE__{processes: [BeamScope.Process.t()], moment: BeamScope.Moment.like()}
end

defmodule BeamScope.Mailbox do
  @moduledoc """
  The messages that had arrived at a process and were not yet handled at a moment, oldest first: use it with `Enum`.

  `exact` is `true` for processes whose handling is seen (OTP behaviours at a level with messages and states), and `false`
  where it is an estimate.
  """
  defstruct messages: [], exact: false, process: nil, moment: :end
  @type t :: %__MODULE__{messages: [term], exact: boolean, process: term, moment: BeamScope.Moment.like()}
end

defmodule BeamScope.History do
  @moduledoc """
  What became of a process' state: the answer to `BeamScope.history/3`.

    * `process` – the `%BeamScope.Process{}` (the latest, when several bore the name); `processes` – all of them, in order
    * `transitions` – the list of `%BeamScope.Transition{}`
    * `more` – whether `limit:` cut the list

  Use it with `Enum` to walk through the transitions.
  """
  defstruct process: nil, processes: [], transitions: [], more: false

  @type t :: %__MODULE__{
          process: BeamScope.Process.t() | nil,
          processes: [BeamScope.Process.t()],
          transitions: [BeamScope.Transition.t()],
          more: boolean
        }
end

for {listing, field} <- [
      {BeamScope.Events, :events},
      {BeamScope.Processes, :processes},
      {BeamScope.Mailbox, :messages},
      {BeamScope.History, :transitions}
    ] do
  defimpl Enumerable, for: listing do
    def reduce(%{unquote(field) => items}, acc, fun), do: Enumerable.List.reduce(items, acc, fun)
    def count(%{unquote(field) => items}), do: {:ok, length(items)}
    def member?(%{unquote(field) => items}, item), do: {:ok, Enum.member?(items, item)}
    def slice(_listing), do: {:error, __MODULE__}
  end
end

defimpl Inspect, for: BeamScope.Events do
  alias BeamScope.Terminal.{Events, Style}

  def inspect(events, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(Events.lines(events, &1), &1))
end

defimpl Inspect, for: BeamScope.Processes do
  alias BeamScope.Terminal.{Processes, Style}

  def inspect(list, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(Processes.lines(list, &1), &1))
end

defimpl Inspect, for: BeamScope.Mailbox do
  alias BeamScope.Terminal.{Events, Style}

  def inspect(mailbox, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(Events.mailbox(mailbox, &1), &1))
end

defimpl Inspect, for: BeamScope.History do
  alias BeamScope.Terminal.{History, Style}

  def inspect(history, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(History.lines(history, &1), &1))
end
