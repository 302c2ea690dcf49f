defmodule BeamScope.Terminal.Inference do
  @moduledoc """
  What was inferred, for a terminal: a summary, then the code of a module of expectations, to be copied from there.

  The code is not cut at the terminal's width: what was cut could not be pasted.
  """

  alias BeamScope.Inference
  alias BeamScope.Terminal.{Style, Term}

  @doc "The summary and the code as a document. Of many candidates the first are shown, as many as the style's limit says."
  @spec doc(Inference.t(), Style.t()) :: Inspect.Algebra.t()
  def doc(%Inference{} = inference, %Style{} = style) do
    {shown, more} = limit(inference.candidates, style.limit)
    code = if shown == [], do: [], else: code(%{inference | candidates: shown}, style)

    summary = Style.to_doc(lines(inference, more), style)
    lines = for line <- code, do: [Inspect.Algebra.line(), Inspect.Algebra.string(line)]
    Inspect.Algebra.concat([summary | List.flatten(lines)])
  end

  defp limit(all, :infinity), do: {all, 0}
  defp limit(all, n), do: {Enum.take(all, n), max(length(all) - n, 0)}

  defp code(inference, style) do
    ["" | inference |> Inference.to_code(width: min(style.width, 98)) |> String.split("\n")]
  end

  @doc "The summary. `more`: so many candidates are not shown."
  @spec lines(Inference.t(), non_neg_integer) :: [Style.line()]
  def lines(%Inference{} = inference, more \\ 0) do
    [head(inference)] ++
      Enum.map(inference.roles, &role(&1, inference.candidates)) ++
      lost(inference) ++ Enum.map(inference.notes, &[{:warn, "note: "}, &1]) ++ more(more)
  end

  defp head(%{candidates: candidates} = inference) do
    [
      {:heading, Style.count(length(candidates), "likely invariant")},
      " from #{Style.count(inference.recordings, "recording")}",
      {:dim, ", each at least #{percent(inference.confidence)} % not by chance"}
    ]
  end

  defp percent(confidence),
    do:
      (confidence * 100)
      |> :erlang.float_to_binary([:compact, decimals: 4])
      |> String.replace_suffix(".0", "")

  defp role(role, candidates) do
    count = Enum.count(candidates, &(&1.role == role.name))

    [
      "  ",
      {:name, role.name},
      "  #{process(role.process)}  ",
      {:dim,
       "#{Style.count(role.processes, "process", "processes")}, #{Style.count(role.states, "state")}, " <>
         Style.count(role.transitions, "transition")},
      "  #{count}"
    ]
  end

  defp process(module: module), do: "module: #{Term.text(module, 40)}"
  defp process(name), do: Term.text(name, 40)

  defp lost(%{lost: 0}), do: []

  defp lost(%{lost: lost}) do
    [
      [
        {:warn, "note: "},
        "#{Style.count(lost, "event")} lost: checked, what speaks of them is unknown, not held"
      ]
    ]
  end

  defp more(0), do: []

  defp more(n),
    do: [[{:dim, "… #{Style.number(n)} more are not shown (inspect with limit: :infinity, or to_code/2)"}]]
end
