defmodule BeamScope.Expect.Form do
  @moduledoc false
  # One step as it was written (`sent {:inc, by} when by > 0, from: a, to: b`), taken apart at compile time: which terms the
  # patterns are asked of, and whom. Nothing is translated here; what cannot be a step is reported at its line.

  alias BeamScope.Pattern.Compiler

  # `parties` are the processes. Of what stands `aside`, only the first step's variables are known.
  defstruct [:what, :source, parts: [], fields: [], parties: [], aside: false]

  @type t :: %__MODULE__{}

  # `nil` is a pattern like others; what was not written is one that anything matches.
  @any {:_, [], nil}

  @steps "steps are `sent pattern, from: a, to: b`, `received pattern, from: a, to: b`, `handled pattern, by: process`, " <>
           "`state process, pattern`, `transition process, from ~> to, on: pattern`, " <>
           "`called Module.function(args), returns: pattern, by: process`, `crashed process, reason` and `exited process, reason`"

  @doc "A step by its name."
  def parse(ast, env) do
    case ast do
      {:__block__, _, [single]} -> parse(single, env)
      {:when, meta, [step, guard]} -> step |> guarded(&{:when, meta, [&1, guard]}) |> parse(env)
      {name, _, [_ | _] = args} when is_atom(name) -> named(name, args, ast, env)
      _ -> unknown(ast, env)
    end
  end

  # `sent({:n, n}, to: a) when n > 0` reads as well as `sent({:n, n} when n > 0, to: a)`, and means the same.
  defp guarded({:__block__, _, [single]}, guard), do: guarded(single, guard)

  defp guarded({name, meta, [process, pattern | more]}, guard)
       when name in [:state, :transition, :crashed, :exited],
       do: {name, meta, [process, guard.(pattern) | more]}

  defp guarded({name, meta, [process]}, guard) when name in [:crashed, :exited],
    do: {name, meta, [process, guard.(@any)]}

  defp guarded({name, meta, [pattern | more]}, guard) when is_atom(name),
    do: {name, meta, [guard.(pattern) | more]}

  defp guarded(other, guard), do: guard.(other)

  defp named(name, [pattern], ast, env) when name in [:sent, :received],
    do: message(name, pattern, [], ast, env)

  defp named(name, [pattern, opts], ast, env) when name in [:sent, :received],
    do: message(name, pattern, opts, ast, env)

  defp named(:handled, [pattern], ast, env), do: handled(pattern, [], ast, env)
  defp named(:handled, [pattern, opts], ast, env), do: handled(pattern, opts, ast, env)
  defp named(:state, [process, pattern], _ast, _env), do: state(process, pattern)
  defp named(:transition, [process, step], ast, env), do: transition(process, step, [], ast, env)
  defp named(:transition, [process, step, opts], ast, env), do: transition(process, step, opts, ast, env)
  defp named(:called, [call], ast, env), do: called(call, [], ast, env)
  defp named(:called, [call, opts], ast, env), do: called(call, opts, ast, env)
  defp named(:crashed, [process], _ast, _env), do: crashed(process)
  defp named(:crashed, [process, reason], _ast, _env), do: crashed(process, reason)
  defp named(:exited, [process], _ast, _env), do: exited(process, @any)
  defp named(:exited, [process, reason], _ast, _env), do: exited(process, reason)
  defp named(_name, _args, ast, env), do: unknown(ast, env)

  @spec unknown(Macro.t(), Macro.Env.t()) :: no_return
  defp unknown(ast, env), do: error(ast, env, "`#{Macro.to_string(ast)}` is no step: #{@steps}")

  @doc "A message, `:sent` or `:received`."
  def message(what, pattern, opts, ast, env) do
    opts = options(opts, [:from, :to], ast, env)
    form(what, [message: pattern], [from: opts[:from], to: opts[:to]], pattern)
  end

  defp handled(pattern, opts, ast, env) do
    opts = options(opts, [:by], ast, env)
    form(:transition, [from: @any, to: @any, message: pattern], [process: opts[:by]], pattern)
  end

  @doc "A state of a process."
  def state(process, pattern), do: form(:state, [state: pattern], [process: process], pattern)

  @doc "A crash, of a certain process or of any, for a certain reason or any."
  def crashed(process, reason \\ @any),
    do: form(:crashed, [reason: reason], [process: process], reason)

  defp exited(process, reason), do: form(:exited, [reason: reason], [process: process], reason)

  @doc "A transition: `from ~> to when guard`, and the message that it is `on:`."
  def transition(process, step, opts, ast, env) do
    opts = options(opts, [:on], ast, env)
    {from, to} = arrow(step, env)

    %{
      form(:transition, [from: from, to: to, message: Keyword.get(opts, :on, @any)], [process: process], step)
      | source: on(step, opts)
    }
  end

  defp on(step, opts) do
    case Keyword.fetch(opts, :on) do
      {:ok, on} -> Macro.to_string(step) <> " on " <> Macro.to_string(on)
      :error -> Macro.to_string(step)
    end
  end

  @doc "Both sides of `a ~> b`, a guard behind it on the right one."
  def arrow({:__block__, _, [single]}, env), do: arrow(single, env)
  def arrow({:~>, _, [from, to]}, _env), do: {from, to}

  def arrow({:when, meta, [{:~>, _, [from, to]}, guards]}, _env), do: {from, {:when, meta, [to, guards]}}

  def arrow(ast, env), do: error(ast, env, "expected `from ~> to`, got: #{Macro.to_string(ast)}")

  @doc "A call as it is written, `Module.function(patterns) when guard`, or `&Module.function/arity` with any arguments."
  def called(call, opts, ast, env) do
    opts = options(opts, [:returns, :by], ast, env)
    {mfa, args} = mfa(call, env)
    parts = [args: args, result: Keyword.get(opts, :returns, @any)]
    %{form(:called, parts, [process: opts[:by], mfa: mfa], call) | source: Macro.to_string(call)}
  end

  defp mfa({:__block__, _, [single]}, env), do: mfa(single, env)

  defp mfa({:when, meta, [call, guards]}, env) do
    {mfa, args} = mfa(call, env)
    {mfa, {:when, meta, [args, guards]}}
  end

  defp mfa({:&, _, [{:/, _, [{{:., _, [module, name]}, _, []}, arity]}]}, env)
       when is_atom(name) and is_integer(arity),
       do: {{:{}, [], [Macro.expand(module, env), name, arity]}, @any}

  defp mfa({{:., _, [module, name]}, _, args}, env) when is_atom(name) and is_list(args),
    do: {{:{}, [], [Macro.expand(module, env), name, length(args)]}, args}

  defp mfa(ast, env) do
    error(
      ast,
      env,
      "`#{Macro.to_string(ast)}` is no call: write it as `MyApp.Repo.insert(%{name: \"x\"}, _)`, the module in front, a pattern " <>
        "for each argument, or as `&MyApp.Repo.insert/2` for any arguments"
    )
  end

  defp form(what, parts, fields, source) do
    {fields, parties} = for({key, ast} <- fields, ast != nil, do: {key, ast}) |> Keyword.split([:mfa])
    %__MODULE__{what: what, parts: parts, fields: fields, parties: parties, source: Macro.to_string(source)}
  end

  @doc "The patterns of the step."
  def patterns(%__MODULE__{parts: parts}), do: Keyword.values(parts)

  @doc "The variables that stand for a process: all but the test's own, `^pinned` or not."
  def variables(%__MODULE__{parties: parties}, env),
    do: for({_key, ast} <- parties, {variable, _process} <- [variable(ast, env)], do: variable)

  @doc "The variable in a process' place, and the process that it must be (`who = :client`) or `nil`; else `nil`."
  def variable({:=, _, [variable, process]}, env) do
    with {variable, nil} <- variable(variable, env), do: {variable, process}
  end

  def variable({name, meta, context} = ast, env) when is_atom(name) and is_atom(context) and name != :_,
    do: unless(Macro.Env.has_var?(env, {name, Keyword.get(meta, :counter, context)}), do: {ast, nil})

  def variable(_ast, _env), do: nil

  @doc "Whether a pattern is one that anything matches."
  def any?({:_, _, context}) when is_atom(context), do: true
  def any?(_pattern), do: false

  # ---- options ----

  @doc "A keyword list that is written out, of which only keys in `allowed` are known."
  def options(opts, allowed, ast, env) do
    cond do
      not Keyword.keyword?(opts) ->
        error(
          ast,
          env,
          "expected #{spell(allowed)} written out behind the pattern, got: #{Macro.to_string(opts)}"
        )

      key = Enum.find(Keyword.keys(opts), &(&1 not in allowed)) ->
        error(
          ast,
          env,
          "unknown option #{key}: in `#{headline(ast)}`, allowed are #{spell(allowed)}" <> hint(key, allowed)
        )

      true ->
        opts
    end
  end

  defp spell([one]), do: "#{one}:"
  defp spell(keys), do: Enum.map_join(Enum.drop(keys, -1), ", ", &"#{&1}:") <> " and #{List.last(keys)}:"

  defp hint(key, allowed) do
    best = Enum.max_by(allowed, &String.jaro_distance("#{&1}", "#{key}"))
    if String.jaro_distance("#{best}", "#{key}") > 0.7, do: ". Did you mean #{best}:?", else: ""
  end

  # A block of steps would drown the message.
  defp headline(ast), do: ast |> Macro.to_string() |> String.split("\n") |> hd()

  @doc "Reports at its line what cannot be."
  @spec error(Macro.t(), Macro.Env.t(), String.t()) :: no_return
  def error(ast, env, message), do: Compiler.error(ast, %{env: env}, message)
end
