defmodule BeamScope.Expectation do
  @moduledoc """
  Expectations that have names and are kept in a module, to be checked against any recording.
  """

  alias BeamScope.Expectation.Declare

  @doc false
  defmacro __using__(_opts) do
    quote do
      import BeamScope.Expectation, only: [role: 1, role: 2, expect: 2]
      BeamScope.Expectation.Declare.prepare(__MODULE__)
    end
  end

  @doc """
  Names a process, so that expectations may speak of it.
  """
  defmacro role(name, process \\ nil) do
    name = Declare.role_name(name, __CALLER__)
    body = Declare.role(process, __CALLER__)
    Declare.declare(:role, name, Declare.function(:role, name), body, __CALLER__)
  end

  @doc """
  An expectation: what is said in its block holds, all of it.
  """
  defmacro expect(name, body) do
    name = Declare.name(name, __CALLER__)
    block = block(body, __CALLER__)

    body =
      quote do
        BeamScope.Expectation.__assertions__(unquote(block), unquote(name), unquote(__CALLER__.line))
      end

    Declare.declare(:expect, name, Declare.function(:expect, name), body, __CALLER__)
  end

  defp block([do: block], _env), do: block

  defp block(other, env) do
    BeamScope.Expect.Form.error(
      other,
      env,
      "an expectation is written as `expect \"name\" do … end`, got: #{Macro.to_string(other)}"
    )
  end

  @doc """
  Ends a watch of `BeamScope.expect/3`; what was broken by now is still reported.
  """
  @spec stop(pid) :: :ok
  defdelegate stop(watch), to: BeamScope.Expectation.Watch

  @doc false
  defmacro __assertions__(block, name, line), do: Declare.assertions(block, name, line, __CALLER__)

  @doc false
  defmacro __before_compile__(env) do
    all = Declare.all(env.module)

    if all.expect == [],
      do:
        IO.warn(
          "#{inspect(env.module)} uses BeamScope.Expectation and expects nothing",
          Macro.Env.stacktrace(env)
        )

    quote do
      @doc false
      def __beam_scope__(:roles), do: unquote(Macro.escape(all.role))
      def __beam_scope__(:expectations), do: unquote(Macro.escape(all.expect))
    end
  end
end
