defmodule BeamScope.Tree do
  @moduledoc """
  The processes of a recording at a moment, by who started whom: the answer to `BeamScope.tree/2`.

  `roots` is a list of nodes `%{process: %BeamScope.Process{}, children: [node], restarts: n}`: `restarts` counts how
  often a supervisor started the child again under the same name or in the same place.
  """

  alias BeamScope.{Process, Tree}

  defstruct roots: [], moment: :end

  @type tree_node :: %{process: Process.t(), children: [tree_node], restarts: non_neg_integer}
  @type t :: %Tree{roots: [tree_node], moment: BeamScope.Moment.like()}

  @doc false
  @spec from_native([map], BeamScope.Moment.like()) :: t
  def from_native(nodes, moment), do: %Tree{roots: Enum.map(nodes, &tree_node/1), moment: moment}

  defp tree_node(%{process: process} = node) do
    %{
      process: Process.from_native(process),
      children: node |> Map.get(:children, []) |> Enum.map(&tree_node/1),
      restarts: Map.get(node, :restarts, 0)
    }
  end
end

defimpl Inspect, for: BeamScope.Tree do
  alias BeamScope.Terminal.{Style, Tree}
  def inspect(tree, opts), do: opts |> Style.from_inspect() |> then(&Style.to_doc(Tree.lines(tree, &1), &1))
end
