defmodule BeamScope.Expect.Report do
  @moduledoc false
  # What a failed assertion says, before it is text: a sentence, what is near, what to know, what went on around it.

  # `nearest` is what came nearest, or with `itself` what the sentence is about.
  defstruct sentence: "", nearest: nil, itself: false, notes: [], around: nil, lines: []

  @type t :: %__MODULE__{
          sentence: String.t(),
          nearest: BeamScope.Expect.Nearest.t() | nil,
          itself: boolean,
          notes: [String.t()],
          around: BeamScope.Event.t() | BeamScope.Transition.t() | nil,
          lines: [{:events | :lines | :flow, list}]
        }
end
