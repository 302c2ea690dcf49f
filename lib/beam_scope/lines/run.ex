defmodule BeamScope.Lines.Run do
  @moduledoc """
  One run of an instrumented function: what `BeamScope.lines/3` lists.

    * `function` – `{module, name, arity}`; `clause` – which of its clauses, from 0
    * `moment`, `at_ns` – when it began; `track`, `pid`, `name` – whose it is
    * `steps` – the `%BeamScope.Lines.Step{}`s in order
    * `number` – of the run, from 1; `parent` – the number of the run that called it, `nil` where that is not known; `depth` – how many
      runs it is inside of
    * `ended` – how it ended, as far as that was seen: `nil`; `{:returned, value}` where the call was recorded as well (`calls:`);
      `{:exception, class, reason}`; `{:exit, reason, line}` where its process ended in it; `:left` when it did not go on and its
      callers did: an exception or a throw went through it
    * `entered` – whether its beginning was seen: `false` for a run that the recording found under way, and for a fun that ran when the
      function around it was over, or in another process
    * `lost` – how many events of its process were lost while it ran: lines may be missing

  It prints as its source with the values beside it.
  """

  alias BeamScope.Lines.Step

  defstruct [
    :number,
    :function,
    :clause,
    :moment,
    :at_ns,
    :track,
    :pid,
    :name,
    :parent,
    :ended,
    :table,
    depth: 0,
    entered: true,
    lost: 0,
    steps: []
  ]

  @type t :: %__MODULE__{
          number: pos_integer,
          function: mfa,
          clause: non_neg_integer,
          steps: [Step.t()],
          parent: pos_integer | nil,
          depth: non_neg_integer,
          entered: boolean,
          lost: non_neg_integer
        }
end

defmodule BeamScope.Lines.Step do
  @moduledoc """
  One line that a run came to.

    * `line` – about to be evaluated; `exact` – `false` where it may be one of the next lines instead
    * `values` – `[{name, value}]`: the variables bound since the step before; `bindings` – the same with all that is known:
      `%{name:, nth:, value:, line:}`, where `nth` numbers a name that is bound again, and `line` is where it was bound
    * `moment`, `at_ns` – when; `site` – the number of the place
    * `stack` – the callers, where the recording has `stack: true`
  """
  defstruct [:moment, :at_ns, :line, :site, :stack, exact: true, values: [], bindings: [], subject: []]

  @type t :: %__MODULE__{
          moment: BeamScope.Moment.t(),
          at_ns: non_neg_integer,
          line: non_neg_integer,
          site: non_neg_integer,
          exact: boolean,
          values: [{atom, term}],
          bindings: [map]
        }
end
