defmodule BeamScope.Expect.Report do
  @moduledoc false
  # What a failed assertion says, before it is text: a sentence, what is near, what to know, what went on around it.

  defstruct sentence: "", nearest: nil, notes: [], around: nil, lines: []

  @type t :: %__MODULE__{
          sentence: String.t(),
          nearest: BeamScope.Expect.Nearest.t() | nil,
          notes: [String.t()],
          around: BeamScope.Event.t() | BeamScope.Transition.t() | nil,
          lines: [BeamScope.Terminal.Style.line()]
        }
end
