defmodule BeamScope.Line.Spot do
  @moduledoc false
  # What `BeamScope.line/1` expands to: calls of `BeamScope.Line.mark` with the variables of the place.

  alias BeamScope.Line

  # A label that is computed is the value of the first variable.
  @computed :"$label"

  @doc "The label of a site whose own is its first value."
  @spec computed() :: atom
  def computed, do: @computed

  @doc "The code for a place; `:ok` where the caller's project does not want any."
  @spec quoted(Macro.t(), Macro.Env.t()) :: Macro.t()
  def quoted(label, env) do
    # By a function, so that Mix compiles the caller again when it changes.
    if Application.compile_env(env, :beam_scope, :inline, true),
      do: marks(Macro.expand(label, env), env),
      else: :ok
  end

  defp marks(label, env) do
    {label, first} = if Macro.quoted_literal?(label), do: {label, []}, else: {@computed, [{:label, label}]}

    case Enum.chunk_every(variables(env), Line.most() - length(first)) do
      [] -> mark(label, first, env)
      [chunk] -> mark(label, first ++ chunk, env)
      chunks -> split(chunks, label, first, env)
    end
  end

  # A label that is computed is computed once.
  defp split(chunks, label, [], env), do: {:__block__, [], for(chunk <- chunks, do: mark(label, chunk, env))}

  defp split(chunks, label, [{:label, computed}], env) do
    held = Macro.unique_var(:label, __MODULE__)
    bound = quote(do: unquote(held) = unquote(computed))
    {:__block__, [], [bound | for(chunk <- chunks, do: mark(label, [{:label, held} | chunk], env))]}
  end

  defp mark(label, variables, env) do
    {names, values} = Enum.unzip(variables)
    {function, arity} = env.function || {nil, nil}
    place = {:{}, [], [env.module, function, arity, env.line, label]}

    quote do
      BeamScope.Line.mark(unquote({:{}, [], [place | names]}), unquote_splicing(values))
    end
  end

  # In the order in which they were bound.
  defp variables(%{versioned_vars: versions} = env) do
    named = for {name, nil} = variable <- Macro.Env.vars(env), shown?(name), do: variable
    for {name, nil} <- Enum.sort_by(named, &versions[&1]), do: {name, Macro.var(name, nil)}
  end

  # What is called so is meant not to be used.
  defp shown?(name), do: not match?("_" <> _, Atom.to_string(name))
end
