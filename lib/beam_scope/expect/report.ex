defmodule BeamScope.Expect.Report do
  @moduledoc false
  # What a broken expectation says, before it is text: a sentence, what is near, what to know, what went on around it.

  alias BeamScope.Expect.{Excerpt, Nearest, Printer}
  alias BeamScope.Terminal.Style

  # `nearest` is what came nearest, or with `itself` what the sentence is about. `at` is where it first went another way: `nil`
  # where what is missing just never came. `certain_ns` is when it was certain, where that is another time: what never came is
  # missing for certain at the end only, `:end`, and what is in the end is so at last, `:last`. `around` is the thing to look around; once gathered, `excerpt` is what was there.
  defstruct sentence: "",
            nearest: nil,
            itself: false,
            notes: [],
            at: nil,
            certain_ns: nil,
            around: nil,
            excerpt: nil,
            lines: []

  @type t :: %__MODULE__{
          sentence: String.t(),
          nearest: Nearest.t() | nil,
          itself: boolean,
          notes: [String.t()],
          at: BeamScope.Event.t() | BeamScope.Transition.t() | nil,
          certain_ns: non_neg_integer | :end | :last | nil,
          around: BeamScope.Event.t() | BeamScope.Transition.t() | nil,
          excerpt: Excerpt.t() | nil,
          lines: [{:events | :states | :flow, list}]
        }

  @doc "Takes from the recording what is to be shown, so that the report can be printed when that is gone."
  @spec gather(t, BeamScope.Recording.t()) :: t
  def gather(%__MODULE__{} = report, rec),
    do: report |> Map.put(:excerpt, Excerpt.around(rec, report.around)) |> once()

  # What stands in the excerpt need not stand before it too.
  defp once(%__MODULE__{excerpt: {_kind, shown, _seq}} = report) do
    seen = MapSet.new(shown, & &1.moment.seq)
    %{report | lines: Enum.reject(report.lines, &seen?(&1, seen))}
  end

  defp once(report), do: report

  defp seen?({kind, [%{moment: %{seq: seq}}]}, seen) when kind in [:events, :states], do: seq in seen
  defp seen?(_lines, _seen), do: false

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
