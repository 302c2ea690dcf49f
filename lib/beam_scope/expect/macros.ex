defmodule BeamScope.Expect.Macros do
  @moduledoc false
  # What the macros of `BeamScope.Assertions` have in common: a shape, and the code that asks it of a recording.

  alias BeamScope.Expect.{Shape, Syntax}

  @doc "`assert_sent` and the like: a message."
  def message(name, what, rec, pattern, opts, fields, env) do
    expr = expr(name, [rec, pattern], opts)
    name |> Shape.message(what, pattern, opts, fields, expr, env) |> Syntax.build(name, rec, expr, env)
  end

  @doc "Assertions about the states of a process."
  def state(name, rec, process, pattern, opts, fields, env) do
    expr = expr(name, [rec, process, pattern], opts)
    name |> Shape.state(process, pattern, opts, fields, expr, env) |> Syntax.build(name, rec, expr, env)
  end

  @doc "Assertions about transitions."
  def transition(name, rec, process, step, opts, fields, env) do
    expr = expr(name, [rec, process, step], opts)
    name |> Shape.transition(process, step, opts, fields, expr, env) |> Syntax.build(name, rec, expr, env)
  end

  @doc "Assertions about calls of functions."
  def called(name, rec, call, opts, fields, env) do
    expr = expr(name, [rec, call], opts)
    name |> Shape.called(call, opts, fields, expr, env) |> Syntax.build(name, rec, expr, env)
  end

  @doc "A flow of steps."
  def flow(name, rec, opts, block, fields, env) do
    expr = {name, [], [rec] ++ if(opts == [], do: [], else: [opts]) ++ [[do: block]]}
    name |> Shape.flow(opts, block, fields, expr, env) |> Syntax.build(name, rec, expr, env)
  end

  @doc "Assertions about two steps."
  def pair(name, rec, steps, opts, expr, fields, env),
    do: name |> Shape.pair(steps, opts, fields, expr, env) |> Syntax.build(name, rec, expr, env)

  @doc "That nothing crashed."
  def crash(name, rec, process, opts, env) do
    expr = expr(name, [rec] ++ List.wrap(process), opts)
    name |> Shape.crash(process, opts, expr, env) |> Syntax.build(name, rec, expr, env)
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
