defmodule BeamScope.Code.Functions do
  @moduledoc false
  # Where functions begin, from debug information: Elixir's own, or Erlang's abstract code.

  @doc "The lines of functions, all of these modules or those asked for."
  @spec lines([module], MapSet.t(mfa) | :all) :: %{mfa => pos_integer}
  def lines(modules, wanted \\ :all) do
    for module <- modules,
        {{function, arity}, line} <- of(module),
        mfa = {module, function, arity},
        wanted == :all or mfa in wanted,
        into: %{},
        do: {mfa, line}
  end

  @doc "The functions of a module and their lines; none where its code is not the one that is loaded, or tells nothing."
  @spec of(module) :: [{{atom, arity}, pos_integer}]
  def of(module) do
    md5 = module.module_info(:md5)

    # Read once: tests ask for the functions of the same modules again and again.
    case Application.get_env(:beam_scope, __MODULE__, %{}) do
      %{^module => {^md5, known}} ->
        known

      others ->
        found = read(module, md5)
        Application.put_env(:beam_scope, __MODULE__, Map.put(others, module, {md5, found}))
        found
    end
  rescue
    _ -> []
  end

  defp read(module, md5) do
    with path when is_list(path) <- :code.which(module),
         {:ok, {^module, [debug_info: info]}} <- :beam_lib.chunks(path, [:debug_info]),
         {:ok, {^module, ^md5}} <- :beam_lib.md5(path) do
      definitions(info, module)
    else
      _ -> []
    end
  end

  defp definitions({:debug_info_v1, :elixir_erl, {:elixir_v1, %{definitions: definitions}, _specs}}, _module) do
    for {{name, arity}, _kind, meta, _clauses} <- definitions,
        line = meta[:line],
        is_integer(line),
        do: {{name, arity}, line}
  end

  defp definitions({:debug_info_v1, backend, data}, module) do
    case backend.debug_info(:erlang_v1, module, data, []) do
      {:ok, forms} ->
        for {:function, at, name, arity, _clauses} <- forms, do: {{name, arity}, :erl_anno.line(at)}

      _ ->
        []
    end
  end

  defp definitions(_other, _module), do: []
end
