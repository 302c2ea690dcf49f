defmodule BeamScope.Expectation.Declare do
  @moduledoc false
  # What an expectations module declares, gathered while its body runs: names that are taken, and in the end one function that
  # tells all.

  alias BeamScope.Expect.Form
  alias BeamScope.Expectation.Words

  @kinds %{role: :beam_scope_roles, expect: :beam_scope_expectations}
  @role "roles are declared as `role :counter, MyApp.Counter` (a pid, a registered name, {:via, …}, {:global, …}), " <>
          "`role :worker, module: MyApp.Worker` (every process that runs it), or `role :client` (given at the check)"

  @doc "Makes a module one of expectations."
  def prepare(module) do
    for {_kind, attribute} <- @kinds, do: Module.register_attribute(module, attribute, accumulate: true)
    Module.put_attribute(module, :before_compile, BeamScope.Expectation)
  end

  @doc "Code that declares one more, with the function that has its data."
  def declare(kind, name, function, body, env) do
    quote do
      unquote(__MODULE__).add!(
        __MODULE__,
        unquote(kind),
        {unquote(name), unquote(function), unquote(env.file), unquote(env.line)}
      )

      @doc false
      def unquote(function)(), do: unquote(body)
    end
  end

  @doc "Notes a name; one that is taken is a compile error."
  def add!(module, kind, {name, _function, file, line} = entry) do
    attribute = Map.fetch!(@kinds, kind)

    case List.keyfind(Module.get_attribute(module, attribute), name, 0) do
      nil ->
        Module.put_attribute(module, attribute, entry)

      {_, _, _, first} ->
        raise CompileError, file: file, line: line, description: taken(kind, name, first)
    end
  end

  defp taken(:role, name, line), do: "the role #{inspect(name)} is declared already, in line #{line}"

  defp taken(:expect, name, line),
    do: "there is an expectation #{inspect(name)} already, in line #{line}: give this one another name"

  # ---- roles ----

  @doc "The quoted role: what is known of it now."
  def role(value, env) do
    case value do
      nil ->
        :given

      [module: module] ->
        {:module, module}

      [{_, _} | _] ->
        Form.error(value, env, "unknown option in `role …, #{Macro.to_string(value)}`: #{@role}")

      process ->
        {:process, process}
    end
  end

  @doc "The name of a role must be known when the module is compiled."
  def role_name(name, _env) when is_atom(name) and name not in [nil, true, false], do: name

  def role_name(ast, env) do
    case Macro.expand(ast, env) do
      name when is_atom(name) and name not in [nil, true, false] -> name
      _ -> Form.error(ast, env, "`#{Macro.to_string(ast)}` is no name of a role: #{@role}")
    end
  end

  # ---- expectations ----

  @doc "The name of an expectation: a text, written out."
  def name(name, _env) when is_binary(name), do: name

  def name(ast, env) do
    Form.error(
      ast,
      env,
      "an expectation's name is a text that is written out, as in `expect \"is never below zero\" do … end`, got: " <>
        Macro.to_string(ast)
    )
  end

  @doc "A name for a function that no user would give."
  def function(kind, name) do
    digest = name |> to_string() |> :erlang.md5() |> Base.encode16(case: :lower)
    :"__beam_scope_#{kind}_#{digest}__"
  end

  @doc "The quoted assertions of an expectation. Within a function, so that module attributes are known."
  def assertions(block, name, line, env), do: Words.compile(block, name, %{env | line: line})

  @doc "All that was declared, in order."
  def all(module) do
    for {kind, attribute} <- @kinds,
        into: %{},
        do: {kind, module |> Module.get_attribute(attribute) |> Enum.reverse()}
  end
end
