defmodule BeamScope.Inference.Code do
  @moduledoc false
  # Candidates as the code of a module of expectations.

  alias BeamScope.Inference
  alias BeamScope.Inference.{Chance, Pattern}
  alias BeamScope.Recording.Query

  @words [role: 2, expect: 2, always: 2, transition: 3, leads_to: 3, causality: 1]
  @width 98

  @doc "The code."
  @spec module(Inference.t(), keyword) :: String.t()
  def module(%Inference{candidates: candidates} = inference, opts) do
    with {:error, error} <- Query.known(opts, [:module, :comments, :width]), do: raise(error)
    comments = Keyword.get(opts, :comments, true)
    width = Keyword.get(opts, :width, @width)

    [
      "defmodule #{name(Keyword.get(opts, :module, "InferredExpectations"))} do",
      "use BeamScope.Expectation",
      ""
    ]
    |> Enum.concat(roles(inference))
    |> Enum.concat(Enum.flat_map(candidates, &expectation(&1, comments)))
    |> Enum.concat(["end"])
    |> Enum.join("\n")
    |> Code.format_string!(line_length: width, locals_without_parens: @words)
    |> IO.iodata_to_binary()
  end

  defp name(module) when is_atom(module), do: inspect(module)
  defp name(text) when is_binary(text), do: text

  # Those that anything is said of.
  defp roles(%{roles: roles, candidates: candidates}) do
    used = MapSet.new(candidates, & &1.roles) |> Enum.concat() |> MapSet.new()
    for role <- roles, MapSet.member?(used, role.name), do: "role :#{role.name}, #{process(role.process)}"
  end

  defp process(module: module), do: "module: #{Pattern.literal(module)}"
  defp process(name), do: Pattern.literal(name)

  defp expectation(candidate, comments) do
    comment = if comments, do: ["# " <> Chance.text(candidate)], else: []
    remark = if comments and candidate.remark, do: ["# " <> candidate.remark], else: []

    [""] ++ comment ++ remark ++ ["expect #{inspect(candidate.name)} do", candidate.code, "end"]
  end
end
