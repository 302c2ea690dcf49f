defmodule BeamScope.Verdict do
  @moduledoc """
  What came of the expectations of a module, see `BeamScope.check/3`: one line each, then what broke, with the difference.
  """

  alias BeamScope.{Moment, Verdict}
  alias BeamScope.Expect.Report

  defmodule Expectation do
    @moduledoc """
    What came of one expectation.

      * `name`, and `source`, the `{file, line}` that it stands at
      * `verdict` – `:held`, `:broken`, `:never_exercised` (nothing that could have broken it was recorded), or `:unknown` (events were
        lost, or a term was truncated, so that it cannot be said)
      * `moment` – the first moment of the break, a `BeamScope.Moment`; `nil` where what is missing never came
      * `sentence` – what came instead, or why nothing can be said; `nil` where it held
      * `report` – all that is to be said of it: prints itself, and `to_string/1` makes it a text; `nil` where it held
    """

    defstruct [:name, :verdict, :moment, :sentence, :report, :source]

    @type verdict :: :held | :broken | :never_exercised | :unknown
    @type t :: %__MODULE__{
            name: String.t(),
            verdict: verdict,
            moment: Moment.t() | nil,
            sentence: String.t() | nil,
            report: struct | nil,
            source: {Path.t(), pos_integer}
          }
  end

  @enforce_keys [:module]
  defstruct [:module, expectations: []]

  @type t :: %Verdict{module: module, expectations: [Expectation.t()]}

  @doc """
  Whether nothing is broken and nothing unknown. What was never exercised is not held against it.
  """
  @spec ok?(t) :: boolean
  def ok?(%Verdict{expectations: all}), do: Enum.all?(all, &(&1.verdict in [:held, :never_exercised]))

  @doc """
  The expectation that was broken first, by the moment; what was missing to the end comes last. `nil` where none was broken.
  """
  @spec first_broken(t) :: Expectation.t() | nil
  def first_broken(%Verdict{} = verdict), do: verdict |> broken() |> List.first()

  @doc "The broken ones, the earliest first."
  @spec broken(t) :: [Expectation.t()]
  def broken(%Verdict{expectations: all}),
    do: all |> Enum.filter(&(&1.verdict == :broken)) |> Enum.sort_by(&order(&1.moment))

  @doc false
  # What never came is missing until the end.
  def order(nil), do: :never
  def order(%Moment{seq: seq}), do: seq

  @doc false
  @spec text(t) :: String.t()
  def text(%Verdict{} = verdict) do
    style = BeamScope.Terminal.Style.for_message()
    verdict |> BeamScope.Terminal.Verdict.lines(style) |> BeamScope.Terminal.Style.render(style)
  end

  @doc false
  @spec reports(t) :: [Report.t()]
  def reports(%Verdict{} = verdict), do: for(one <- broken(verdict), do: one.report)

  defimpl Inspect do
    alias BeamScope.Terminal.{Style, Verdict}

    def inspect(verdict, opts),
      do: opts |> Style.from_inspect() |> then(&Style.to_doc(Verdict.lines(verdict, &1), &1))
  end
end
