defmodule BeamScope.Test.Lines.Double do
  @moduledoc false
  # A `BeamScope.Line` for a peer: it counts or collects what probes tell, by functions of the virtual machine alone, as any module
  # that could help may be an instrumented one.

  @most 33

  @doc "Object code of a module that adds to a counter for each probe by its number, or gathers what they tell in the process."
  def binary(kind) when kind in [:count, :collect] do
    exports = for name <- [:line, :mark], arity <- 1..@most, do: {name, arity}

    forms =
      [
        {:attribute, 1, :module, BeamScope.Line},
        {:attribute, 1, :export, exports}
      ] ++ for {name, arity} <- exports, do: function(name, arity, kind)

    {:ok, BeamScope.Line, binary} = :compile.noenv_forms(forms, [:binary])
    binary
  end

  defp function(name, arity, kind) do
    variables = for n <- 1..arity, do: {:var, 1, :"V#{n}"}
    {:function, 1, name, arity, [{:clause, 1, variables, [], [body(kind, variables)]}]}
  end

  defp body(:count, [site | _]) do
    counters = call(:persistent_term, :get, [{:atom, 1, BeamScope.Line}])
    index = {:op, 1, :+, call(:erlang, :element, [{:integer, 1, 1}, site]), {:integer, 1, 1}}
    call(:counters, :add, [counters, index, {:integer, 1, 1}])
  end

  defp body(:collect, variables) do
    key = {:atom, 1, BeamScope.Line}
    told = Enum.reduce(Enum.reverse(variables), {nil, 1}, &{:cons, 1, &1, &2})
    call(:erlang, :put, [key, {:cons, 1, told, call(:erlang, :get, [key])}])
  end

  defp call(module, name, arguments),
    do: {:call, 1, {:remote, 1, {:atom, 1, module}, {:atom, 1, name}}, arguments}
end
