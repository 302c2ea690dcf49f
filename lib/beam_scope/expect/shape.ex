defmodule BeamScope.Expect.Shape do
  @moduledoc false
  # What every kind of expectation is made of, at compile time: the fields of its `%Assertion{}`, quoted, and its steps. `name` says
  # which options there are (`{:word, name}` for one of an expectations module), `expr` is the whole as it was written.

  alias BeamScope.Expect.{Form, Syntax}

  @type t :: {keyword, [struct]}

  @doc "A message, `:sent` or `:received`."
  def message(name, what, pattern, opts, fields, expr, env) do
    {own, form} = Syntax.options(name, opts, expr, env)
    {fields ++ own, [Form.message(what, pattern, form, expr, env)]}
  end

  @doc "The states of a process."
  def state(name, process, pattern, opts, fields, expr, env) do
    {own, []} = Syntax.options(name, opts, expr, env)
    {fields ++ own, [Form.state(process, pattern)]}
  end

  @doc "Transitions of a process."
  def transition(name, process, step, opts, fields, expr, env) do
    {own, form} = Syntax.options(name, opts, expr, env)
    {all, own} = Keyword.pop(own, :all, false)
    {check(all, expr, env) ++ fields ++ own, [Form.transition(process, step, form, expr, env)]}
  end

  defp check(false, _expr, _env), do: [check: :count]
  defp check(true, _expr, _env), do: [check: :every]
  # Whether variables are bound afterwards depends on it.
  defp check(_, expr, env), do: Form.error(expr, env, "all: must be true or false, written out")

  @doc "Calls of functions."
  def called(name, call, opts, fields, expr, env) do
    {own, form} = Syntax.options(name, opts, expr, env)
    {fields ++ own, [Form.called(call, form, expr, env)]}
  end

  @doc "A flow of steps."
  def flow(name, opts, block, fields, {written, _, _} = expr, env) do
    {own, []} = Syntax.options(name, opts, expr, env)
    forms = block |> lines() |> Enum.map(&Form.parse(&1, env))
    if forms == [], do: Form.error(expr, env, "#{written} needs at least one step in its block")
    {[check: :flow] ++ fields ++ own, forms}
  end

  @doc "What stands in a block, line by line."
  def lines({:__block__, _, lines}), do: lines
  def lines(nil), do: []
  def lines(line), do: [line]

  @doc "Two steps."
  def pair(name, steps, opts, fields, expr, env) do
    {own, []} = Syntax.options(name, opts, expr, env)
    {fields ++ own, Enum.map(steps, &Form.parse(&1, env))}
  end

  @doc "That nothing crashed, or that a process did not."
  def crash(name, process, opts, expr, env) do
    {own, []} = Syntax.options(name, opts, expr, env)
    {[check: :count, times: 0] ++ own, [Form.crashed(process)]}
  end
end
