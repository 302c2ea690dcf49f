defmodule BeamScope.Lines.Instrument.Site do
  @moduledoc """
  One probe in instrumented code: where it is, and what it tells.

    * `function` – `{name, arity}`; `clause` – which of its clauses, from 0
    * `line` – of the expression that comes next; `exact` – `false` where debug information does not say on which line a literal stands:
      it is this one or one of the next
    * `path` – `[{body, index}, …]` from the function's body inwards: which expression of which body; see `BeamScope.Lines.Order`
    * `variables` – what its values are, in their order: see `t:variable/0`
    * `subject` – at the beginning of a clause that is not the first of its construct: what was matched, as forms made of variables, so
      that one can tell why the clauses above were not taken; `nil` where that cannot be told
    * `calls` – the functions that the expression itself calls, each as often as it stands there, and `:any` where it may call what
      nobody can tell: funs, functions of other modules; bodies inside of it have sites of their own. `tail` – whether it is a call
    * `more` – whether it goes on with the variables of the probe before it, which had room for no more
  """

  @typedoc """
  Its name in the forms, its name in the source (`nil`: none, it is a subject), the how-many-eth binding of that name it is in the
  function, and the line on which it was bound.
  """
  @type variable :: {atom, atom | nil, pos_integer, non_neg_integer}

  @type t :: %__MODULE__{
          function: {atom, arity},
          clause: non_neg_integer,
          line: non_neg_integer,
          exact: boolean,
          path: [{non_neg_integer, non_neg_integer}],
          variables: [variable],
          subject: [term] | nil,
          calls: [{atom, arity} | :any],
          tail: boolean,
          more: boolean
        }

  defstruct [
    :function,
    :clause,
    :line,
    :path,
    exact: true,
    variables: [],
    subject: nil,
    calls: [],
    tail: false,
    more: false
  ]
end
