defmodule BeamScope.Expect.Party do
  @moduledoc false
  # Variables that stand for processes: `sent {:ask, q}, from: who` and `sent {:answer, q}, to: who`. At compile time they
  # become variables like those of patterns; of what was found they are pids.

  alias BeamScope.{Event, Process}
  alias BeamScope.Expect.{Form, Step}
  alias BeamScope.Pattern.Compiler

  @keys [:process, :from, :to]

  # ---- at compile time ----

  @doc "A variable that nothing else could have is a mistake."
  @spec check!([Form.t()], Macro.Env.t()) :: :ok
  def check!(forms, env) do
    variables = Enum.flat_map(forms, &Form.variables(&1, env))
    uses = uses([variables | Enum.map(forms, &Form.patterns/1)])
    for variable <- variables, do: check!(variable, uses[id(variable)], length(forms), env)
    :ok
  end

  defp check!({name, _, _} = ast, _uses, 1, env) do
    Form.error(
      ast,
      env,
      "undefined variable \"#{name}\": only where an expectation has several steps can a variable stand for a process"
    )
  end

  defp check!({name, _, _} = ast, 1, _steps, env) do
    Form.error(
      ast,
      env,
      "undefined variable \"#{name}\": it stands for a process, and nothing else here is to be the same one"
    )
  end

  defp check!(_ast, _uses, _steps, _env), do: :ok

  defp uses(asts) do
    {_, ids} = Macro.prewalk(asts, [], fn ast, ids -> {ast, if(variable?(ast), do: [id(ast) | ids], else: ids)} end)
    Enum.frequencies(ids)
  end

  defp variable?({name, _, context}), do: is_atom(name) and is_atom(context)
  defp variable?(_ast), do: false

  defp id({name, meta, context}), do: {name, Keyword.get(meta, :counter, context)}

  @doc "The quoted fields of a step that say whose it is; its variables are known from here on."
  @spec fields(Form.t(), struct, Macro.Env.t()) :: {keyword, struct}
  def fields(%Form{parties: parties}, state, env) do
    Enum.map_reduce(parties, state, fn {key, ast}, state ->
      if Form.variable?(ast, env) do
        {variable, state} = Compiler.head(ast, state)
        {{key, variable}, state}
      else
        {{key, unpin(ast)}, state}
      end
    end)
  end

  # A process is an expression, not a pattern; `from: ^client` reads well beside patterns and means the same.
  defp unpin({:^, _, [expr]}), do: expr
  defp unpin(expr), do: expr

  # ---- of what was found ----

  @doc "The variables of a step, each with the process that it is in a subject, where that tells."
  @spec of(Step.t(), struct) :: [{atom, pid}]
  def of(%Step{} = step, subject) do
    for key <- @keys, {:var, name} <- [Map.fetch!(step, key)], pid = who(key, subject), do: {name, pid}
  end

  defp who(:process, %Event{pid: pid}), do: pid
  defp who(:from, %Event{from: from}) when is_pid(from), do: from
  defp who(:to, %Event{to: to}) when is_pid(to), do: to
  defp who(_key, _subject), do: nil

  @doc "The names of a step's variables for processes."
  @spec names(Step.t()) :: [atom]
  def names(%Step{} = step), do: for(key <- @keys, {:var, name} <- [Map.fetch!(step, key)], do: name)

  @doc "A step whose variables for processes are those processes, as far as they are known; else they restrict nothing."
  @spec bind(Step.t(), map) :: Step.t()
  def bind(%Step{} = step, known) do
    Enum.reduce(@keys, step, fn key, step ->
      case Map.fetch!(step, key) do
        {:var, name} -> Map.put(step, key, process(known[name]))
        _ -> step
      end
    end)
  end

  defp process(%Process{} = process), do: process
  defp process(pid) when is_pid(pid), do: pid
  defp process(_other), do: nil
end
