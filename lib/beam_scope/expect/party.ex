defmodule BeamScope.Expect.Party do
  @moduledoc false
  # Variables that stand for processes: `sent {:ask, q}, from: who` and `sent {:answer, q}, to: who`. At compile time they
  # become variables like those of patterns; of what was found they are pids.

  alias BeamScope.Event
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
    {_, ids} =
      Macro.prewalk(asts, [], fn ast, ids -> {ast, if(variable?(ast), do: [id(ast) | ids], else: ids)} end)

    Enum.frequencies(ids)
  end

  defp variable?({name, _, context}), do: is_atom(name) and is_atom(context)
  defp variable?(_ast), do: false

  defp id({name, meta, context}), do: {name, Keyword.get(meta, :counter, context)}

  @doc "The quoted fields of a step that say whose it is; its variables are known from here on."
  @spec fields(Form.t(), struct, Macro.Env.t()) :: {keyword, struct}
  def fields(%Form{parties: parties}, state, env) do
    Enum.map_reduce(parties, state, fn {key, ast}, state ->
      case Form.variable(ast, env) do
        nil ->
          {{key, unpin(ast)}, state}

        {variable, process} ->
          {{:var, name}, state} = Compiler.head(variable, state)
          {{key, quoted(name, process)}, state}
      end
    end)
  end

  defp quoted(name, nil), do: {:var, name}
  defp quoted(name, process), do: {:{}, [], [:var, name, unpin(process)]}

  # A process is an expression, not a pattern; `from: ^client` reads well beside patterns and means the same.
  defp unpin({:^, _, [expr]}), do: expr
  defp unpin(expr), do: expr

  # ---- of what was found ----

  @doc "The variables of a step, each with the process that it is in a subject, where that tells."
  @spec of(Step.t(), struct) :: [{atom, pid}]
  def of(%Step{} = step, subject) do
    for key <- @keys, name = name(Map.fetch!(step, key)), pid = who(key, subject), do: {name, pid}
  end

  defp who(:process, %Event{pid: pid}), do: pid
  defp who(:from, %Event{from: from}) when is_pid(from), do: from
  defp who(:to, %Event{to: to}) when is_pid(to), do: to
  defp who(_key, _subject), do: nil

  @doc "The names of a step's variables for processes."
  @spec names(Step.t()) :: [atom]
  def names(%Step{} = step), do: for(key <- @keys, name = name(Map.fetch!(step, key)), do: name)

  defp name({:var, name}), do: name
  defp name({:var, name, _process}), do: name
  defp name(_process), do: nil

  @doc "A process, or what a variable for one must be: `nil` where that may be any."
  @spec process(term) :: term
  def process({:var, _name}), do: nil
  def process({:var, _name, process}), do: process
  def process(process), do: process

  @doc "A step whose variables for processes are those processes, as far as they are known; else they restrict nothing."
  @spec bind(Step.t(), map) :: Step.t()
  def bind(%Step{} = step, known) do
    Enum.reduce(@keys, step, fn key, step ->
      party = Map.fetch!(step, key)
      Map.put(step, key, known(known[name(party)]) || process(party))
    end)
  end

  defp known(pid) when is_pid(pid), do: pid
  defp known(_other), do: nil
end
