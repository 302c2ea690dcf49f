defmodule BeamScope.Expect.Macros do
  @moduledoc false
  # What the macros of `BeamScope.Assertions` have in common: one function for each shape of assertion.

  alias BeamScope.Expect.{Form, Syntax}

  @doc "`assert_sent` and the like: a message."
  def message(name, what, rec, pattern, opts, fields, env) do
    expr = expr(name, [rec, pattern], opts)
    {own, form} = Syntax.options(name, opts, expr, env)
    form = Form.message(what, pattern, form, expr, env)
    Syntax.build(name, rec, fields ++ own, [form], expr, env)
  end

  @doc "Assertions about the states of a process."
  def state(name, rec, process, pattern, opts, fields, env) do
    expr = expr(name, [rec, process, pattern], opts)
    {own, []} = Syntax.options(name, opts, expr, env)
    Syntax.build(name, rec, fields ++ own, [Form.state(process, pattern)], expr, env)
  end

  @doc "Assertions about transitions."
  def transition(name, rec, process, step, opts, fields, env) do
    expr = expr(name, [rec, process, step], opts)
    {own, form} = Syntax.options(name, opts, expr, env)
    {all, own} = Keyword.pop(own, :all, false)
    form = Form.transition(process, step, form, expr, env)
    Syntax.build(name, rec, check(all, expr, env) ++ fields ++ own, [form], expr, env)
  end

  defp check(false, _expr, _env), do: [check: :count]
  defp check(true, _expr, _env), do: [check: :every]
  # Whether variables are bound afterwards depends on it.
  defp check(_, expr, env), do: Form.error(expr, env, "all: must be true or false, written out")

  @doc "Assertions about calls of functions."
  def called(name, rec, call, opts, fields, env) do
    expr = expr(name, [rec, call], opts)
    {own, form} = Syntax.options(name, opts, expr, env)
    form = Form.called(call, form, expr, env)
    Syntax.build(name, rec, fields ++ own, [form], expr, env)
  end

  @doc "A flow of steps."
  def flow(name, rec, opts, block, fields, env) do
    expr = {name, [], [rec] ++ if(opts == [], do: [], else: [opts]) ++ [[do: block]]}
    {own, []} = Syntax.options(name, opts, expr, env)
    forms = block |> steps() |> Enum.map(&Form.parse(&1, env))
    if forms == [], do: Form.error(expr, env, "#{name} needs at least one step in its block")
    Syntax.build(name, rec, [check: :flow] ++ fields ++ own, forms, expr, env)
  end

  defp steps({:__block__, _, steps}), do: steps
  defp steps(nil), do: []
  defp steps(step), do: [step]

  @doc "Assertions about two steps."
  def pair(name, rec, forms, opts, expr, fields, env) do
    {own, []} = Syntax.options(name, opts, expr, env)
    Syntax.build(name, rec, fields ++ own, Enum.map(forms, &Form.parse(&1, env)), expr, env)
  end

  @doc "That nothing crashed."
  def crash(name, rec, process, opts, env) do
    expr = expr(name, [rec] ++ List.wrap(process), opts)
    {own, []} = Syntax.options(name, opts, expr, env)
    Syntax.build(name, rec, [check: :count, times: 0] ++ own, [Form.crashed(process)], expr, env)
  end

  @doc "The options of an `await_*`: its last argument is a timeout, or options with `timeout:`, or there are both."
  def waiting(opts, timeout) do
    cond do
      timeout != nil -> {opts, [await: true, timeout: timeout]}
      Keyword.keyword?(opts) -> {opts, [await: true]}
      true -> {[], [await: true, timeout: opts]}
    end
  end

  @doc "The assertion as it was written."
  def expr(name, args, []), do: {name, [], args}
  def expr(name, args, opts), do: {name, [], args ++ [opts]}
end
