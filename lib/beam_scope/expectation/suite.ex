defmodule BeamScope.Expectation.Suite do
  @moduledoc false
  # An expectations module made ready to be asked: who its roles are, and what each expectation is made of.

  alias BeamScope.Error
  alias BeamScope.Expect.{Assertion, Step}
  alias BeamScope.Recording.Query

  @enforce_keys [:module]
  defstruct [:module, roles: %{}, expectations: []]

  @type expectation :: %{name: String.t(), source: {String.t(), pos_integer}, assertions: [Assertion.t()]}
  @type t :: %__MODULE__{module: module, roles: %{atom => term}, expectations: [expectation]}

  @doc "Loads a module; `given` are processes for roles."
  @spec load(module, keyword | map) :: {:ok, t} | {:error, Error.t()}
  def load(module, given) do
    with :ok <- known(module),
         declared =
           Map.new(module.__beam_scope__(:roles), fn {name, fun, _, _} -> {name, apply(module, fun, [])} end),
         {:ok, given} <- given(given, module, declared),
         {:ok, roles} <- bind(module, declared, given) do
      expectations =
        for {name, fun, file, line} <- module.__beam_scope__(:expectations) do
          assertions = for a <- apply(module, fun, []), do: cast(a, roles)
          Enum.each(assertions, &Assertion.check!/1)
          %{name: name, source: {Path.relative_to_cwd(file), line}, assertions: assertions}
        end

      {:ok, %__MODULE__{module: module, roles: roles, expectations: expectations}}
    end
  end

  defp known(module) do
    if is_atom(module) and module not in [nil, true, false] and Code.ensure_loaded?(module) and
         function_exported?(module, :__beam_scope__, 1),
       do: :ok,
       else: {:error, Error.new(:no_expectations, module)}
  end

  # ---- roles ----

  defp given(given, module, declared) do
    cond do
      not (is_map(given) or Keyword.keyword?(given)) ->
        invalid(given, "processes by role, such as [client: pid]")

      role = Enum.find(names(given), &(not is_map_key(declared, &1))) ->
        {:error, Error.new(:unknown_role, %{module: module, role: role, known: Map.keys(declared)})}

      true ->
        bound(given)
    end
  end

  defp names(given), do: for({name, _process} <- given, do: name)

  defp bound(given) do
    Enum.reduce_while(given, {:ok, %{}}, fn {name, process}, {:ok, all} ->
      case process(process) do
        {:ok, process} -> {:cont, {:ok, Map.put(all, name, process)}}
        {:error, error} -> {:halt, {:error, put_in(error.detail.key, [:roles, name])}}
      end
    end)
  end

  defp process([{:module, module}]), do: process({:module, module})

  defp process(process) do
    with {:ok, _selector} <- Query.selector(process), do: {:ok, process}
  end

  defp bind(module, declared, given) do
    case for {name, :given} <- declared, not is_map_key(given, name), do: name do
      [] ->
        {:ok,
         Map.new(declared, fn {name, value} ->
           {name, Map.get_lazy(given, name, fn -> declared(value) end)}
         end)}

      unbound ->
        {:error, Error.new(:unbound_role, %{module: module, roles: unbound})}
    end
  end

  defp declared({:process, process}), do: process
  defp declared({:module, module}), do: {:module, module}

  defp invalid(value, expected),
    do: {:error, Error.new(:invalid_option, %{key: :roles, value: value, expected: expected})}

  # An atom that is a role means the role.
  defp cast(%Assertion{steps: steps} = a, roles),
    do: %{a | steps: Enum.map(steps, &cast_step(&1, roles)), roles: roles}

  defp cast_step(%Step{} = step, roles) do
    %{step | process: who(step.process, roles), from: who(step.from, roles), to: who(step.to, roles)}
  end

  defp who(name, roles) when is_atom(name) and is_map_key(roles, name), do: Map.fetch!(roles, name)
  defp who(process, _roles), do: process
end
