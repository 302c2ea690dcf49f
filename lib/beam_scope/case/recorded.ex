defmodule BeamScope.Case.Recorded do
  @moduledoc """
  What a recording has to say about the failure of a test: never a failure of its own, always one beside the first.
  """

  defexception [:message]

  @type t :: %__MODULE__{message: String.t()}
end
