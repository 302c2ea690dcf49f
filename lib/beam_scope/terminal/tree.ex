defmodule BeamScope.Terminal.Tree do
  @moduledoc """
  A supervision tree, drawn.
  """

  alias BeamScope.Terminal.{Processes, Style}
  alias BeamScope.Tree

  @doc "The tree; siblings beyond the style's limit are counted instead of drawn. `below` gives lines to stand under a process."
  @spec lines(Tree.t(), Style.t(), (BeamScope.Process.t() -> [Style.line()])) :: [Style.line()]
  def lines(tree, style, below \\ fn _process -> [] end)
  def lines(%Tree{roots: []}, _style, _below), do: [["No processes at that moment"]]

  def lines(%Tree{roots: roots}, style, below) do
    {shown, hidden} = Processes.split(roots, style.limit)
    pen = %{limit: style.limit, below: below}
    Enum.flat_map(shown, &root(&1, pen)) ++ Processes.more(hidden, "process", "processes")
  end

  defp root(node, pen), do: [text(node) | beneath(node, "", pen) ++ children(node, "", pen)]

  defp beneath(%{process: process, children: children}, prefix, pen) do
    line = if children == [], do: "    ", else: "│   "
    for text <- pen.below.(process), do: [{:dim, prefix <> line} | text]
  end

  defp children(%{children: children}, prefix, pen) do
    {shown, hidden} = Processes.split(children, pen.limit)
    last = if hidden == 0, do: length(shown) - 1, else: -1

    drawn =
      shown |> Enum.with_index() |> Enum.flat_map(fn {child, n} -> child(child, prefix, n == last, pen) end)

    drawn ++ Enum.map(Processes.more(hidden, "process", "processes"), &[{:dim, prefix <> "└── "} | &1])
  end

  defp child(node, prefix, last?, pen) do
    {branch, below} = if last?, do: {"└── ", "    "}, else: {"├── ", "│   "}
    prefixed = prefix <> below
    [[{:dim, prefix <> branch} | text(node)] | beneath(node, prefixed, pen) ++ children(node, prefixed, pen)]
  end

  defp text(%{process: process, restarts: restarts}) do
    [{:name, name(process)}, pid(process), {:dim, kind(process)}] ++
      restarts(restarts) ++ Processes.ended(process)
  end

  defp name(process), do: Processes.label(process)

  # A label without a name has the pid already.
  defp pid(%{name: nil}), do: ""
  defp pid(process), do: " " <> Processes.who(process.pid)

  defp kind(%{module: :erlang} = process), do: kind(%{process | module: nil})
  defp kind(%{behaviour: :plain} = process), do: kind(%{process | behaviour: nil})
  defp kind(%{behaviour: nil, module: nil}), do: ""
  defp kind(%{behaviour: nil, module: module}), do: "  #{inspect(module)}"

  defp kind(%{behaviour: behaviour, module: module}) when module in [nil, behaviour],
    do: "  #{inspect(behaviour)}"

  defp kind(%{behaviour: behaviour, module: module, name: module}), do: "  #{inspect(behaviour)}"
  defp kind(%{behaviour: behaviour, module: module}), do: "  #{inspect(behaviour)} #{inspect(module)}"

  defp restarts(0), do: []
  defp restarts(n), do: ["  ", {:warn, "↻ #{Style.count(n, "restart")}"}]
end
