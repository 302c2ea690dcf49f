defmodule BeamScope.Expect.Report do
  @moduledoc false
  # What a broken expectation says, before it is text: a sentence, what is near, what to know, what went on around it.

  alias BeamScope.Expect.{Excerpt, Nearest, Printer}
  alias BeamScope.Terminal.Style

  # `nearest` is what came nearest, or with `itself` what the sentence is about. `at` is where it first went another way: `nil`
  # where what is missing just never came. `around` is the thing to look around; once gathered, `excerpt` is what was there.
  defstruct sentence: "",
            nearest: nil,
            itself: false,
            notes: [],
            at: nil,
            around: nil,
            excerpt: nil,
            lines: []

  @type t :: %__MODULE__{
          sentence: String.t(),
          nearest: Nearest.t() | nil,
          itself: boolean,
          notes: [String.t()],
          at: BeamScope.Event.t() | BeamScope.Transition.t() | nil,
          around: BeamScope.Event.t() | BeamScope.Transition.t() | nil,
          excerpt: Excerpt.t() | nil,
          lines: [{:events | :states | :flow, list}]
        }

  @doc "Takes from the recording what is to be shown, so that the report can be printed when that is gone."
  @spec gather(t, BeamScope.Recording.t()) :: t
  def gather(%__MODULE__{} = report, rec),
    do: %{report | excerpt: Excerpt.around(rec, report.around)}

  defimpl String.Chars do
    def to_string(report) do
      style = Style.for_message()
      report |> Printer.lines(style) |> Style.render(style)
    end
  end

  defimpl Inspect do
    def inspect(report, opts) do
      style = Style.from_inspect(opts)
      report |> Printer.lines(style) |> Style.to_doc(style)
    end
  end
end
