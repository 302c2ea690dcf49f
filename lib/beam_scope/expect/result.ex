defmodule BeamScope.Expect.Result do
  @moduledoc """
  What came of an expectation.

    * `verdict` – `:held`, `:broken`, or why neither can be said: `:unknown` (what decides was truncated or redacted, or would
      take too long to find), `:gap` (events were lost that could change the answer), `:empty` (nothing that could have broken
      it was recorded)
    * `count` – how many matched; of two steps the causes of a `:leads_to`, the effects of a `:causality`
    * `seen` – how many of that kind there were, before the pattern was asked
    * `unknown` – how many could not be decided
    * `bindings` – the variables of the first match; of a flow that was not found, of what its best attempt matched
    * `first` – the first match
    * `violation` – what broke it
    * `nearest` – what came nearest to what is missing; for `:unknown` the first that could not be decided
    * `steps` – of a flow: what each step matched in the best attempt; `failed_step` is the index of the one that found nothing
    * `open` – of two steps: how many still wait for their other end, and have time
    * `gap` – `%{count:, from_ns:, to_ns:, pid:}` of the events that were lost of what it looks at, or `nil`

  What was found is a `BeamScope.Event` (of a call the call, with the `value`, or the `class` and `reason`, that it ended with)
  or a `BeamScope.Transition` (of a state the one that led to it).
  """

  alias BeamScope.{Event, Transition}
  alias BeamScope.Expect.Result

  defstruct [
    :verdict,
    :first,
    :violation,
    :nearest,
    :failed_step,
    :gap,
    count: 0,
    seen: 0,
    unknown: 0,
    bindings: %{},
    steps: [],
    open: 0
  ]

  @type verdict :: :held | :broken | :unknown | :empty | :gap
  @type subject :: Event.t() | Transition.t()
  @type gap :: %{
          count: pos_integer,
          from_ns: non_neg_integer,
          to_ns: non_neg_integer,
          pid: pid | nil
        }
  @type t :: %Result{
          verdict: verdict,
          count: non_neg_integer,
          seen: non_neg_integer,
          unknown: non_neg_integer,
          bindings: %{atom => term},
          first: subject | nil,
          violation: subject | nil,
          nearest: subject | nil,
          steps: [subject | nil],
          failed_step: non_neg_integer | nil,
          open: non_neg_integer,
          gap: gap | nil
        }

  @doc false
  @spec from_native(map) :: t
  def from_native(map) do
    %{
      Kernel.struct(Result, map)
      | first: subject(map.first),
        violation: subject(map.violation),
        nearest: subject(map.nearest),
        steps: Enum.map(map.steps, &subject/1)
    }
  end

  defp subject(nil), do: nil
  defp subject(%{began_seq: _} = map), do: Transition.from_native(map)
  defp subject(map), do: Event.from_native(map)
end
