defmodule BeamScopeFaults.Source do
  @moduledoc """
  Loads a system in one of its two variants, into memory only.

  A system is one file: its modules, its expectations, and last the module that drives it. Where the two variants differ it says
  `variant healthy: …, faulty: …`, with a line of code or none on either side: what a commit changed. Only the modules that
  hold such a line are compiled anew for the other variant.
  """

  @type variant :: :healthy | :faulty

  @doc "The files of the twenty systems."
  @spec files() :: [Path.t()]
  def files, do: __DIR__ |> Path.join("../*.ex") |> Path.expand() |> Path.wildcard() |> Enum.sort()

  @doc "The name of a system."
  @spec name(Path.t()) :: String.t()
  def name(file), do: Path.basename(file, ".ex")

  @doc "Loads a variant; returns the module that drives the system."
  @spec load(Path.t(), variant) :: module
  def load(file, variant) do
    {:__block__, _, modules} = file |> File.read!() |> Code.string_to_quoted!(file: file)

    modules =
      for {:defmodule, _, [{:__aliases__, _, name} | _]} = ast <- modules, do: {Module.concat(name), ast}

    wanted = for {module, ast} <- modules, varies?(ast) or not Code.ensure_loaded?(module), do: ast
    compile(choose({:__block__, [], wanted}, variant), file)
    modules |> List.last() |> elem(0)
  end

  @doc "The code of a variant as lines."
  @spec code(Path.t(), variant) :: [String.t()]
  def code(file, variant) do
    ast = file |> File.read!() |> Code.string_to_quoted!(file: file)
    ast |> choose(variant) |> Macro.to_string() |> String.split("\n")
  end

  defp compile(ast, file) do
    before = Code.compiler_options()
    Code.compiler_options(ignore_module_conflict: true)
    Code.compile_quoted(ast, Path.relative_to_cwd(file))
    Code.compiler_options(ignore_module_conflict: before[:ignore_module_conflict] || false)
  end

  defp varies?(ast) do
    {_, varies?} = Macro.prewalk(ast, false, &{&1, &2 or match?({:variant, _, [[_ | _]]}, &1)})
    varies?
  end

  defp choose(ast, variant) do
    Macro.prewalk(ast, fn
      {:variant, _, [sides]} -> Keyword.get(sides, variant, {:__block__, [], []})
      other -> other
    end)
  end
end
