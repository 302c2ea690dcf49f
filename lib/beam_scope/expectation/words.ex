defmodule BeamScope.Expectation.Words do
  @moduledoc false
  # The lines of an `expect` block, taken apart at compile time: each word is an assertion without its recording.

  alias BeamScope.Expect.{Form, Shape, Syntax}

  @words ~w(state always never eventually transition sent delivered called flow leads_to causality)a ++
           ~w(refute_sent refute_delivered refute_called refute_leads_to refute_crash)a
  @allowed "llowed are `state process, pattern`, `always process, pattern`, `never process, pattern`, " <>
             "`eventually process, pattern`, `transition process, from ~> to`, `sent pattern`, `delivered pattern`, " <>
             "`called Module.function(args)`, `flow do … end`, `leads_to first, second`, `refute_leads_to first, second`, " <>
             "`causality cause ~> effect`, " <>
             "`refute_sent pattern`, `refute_delivered pattern`, `refute_called call` and `refute_crash()`"

  @doc "The quoted list of the assertions in a block."
  @spec compile(Macro.t(), String.t(), Macro.Env.t()) :: Macro.t()
  def compile(block, name, env) do
    case Shape.lines(block) do
      [] -> Form.error(block, env, "the expectation #{inspect(name)} says nothing: a#{@allowed}")
      lines -> Enum.map(lines, &line(&1, env))
    end
  end

  defp line({:__block__, _, [single]}, env), do: line(single, env)

  defp line({word, meta, args} = expr, env) when is_atom(word) and is_list(args) do
    # What has no line of its own is reported at this one.
    env = %{env | line: Keyword.get(meta, :line, env.line)}
    no_variables(expr, env)
    {word, shape} = shape(word, args, expr, env)
    {assertion, assignments, _bound} = Syntax.assertion(shape, word, expr, env)

    quote do
      (fn ->
         unquote_splicing(assignments)
         unquote(assertion)
       end).()
    end
  end

  defp line(expr, env), do: unknown(expr, env)

  @spec unknown(Macro.t(), Macro.Env.t()) :: no_return
  defp unknown(expr, env) do
    written = expr |> Macro.to_string() |> String.split("\n") |> hd()
    Form.error(expr, env, "`#{written}` is no expectation" <> instead(expr))
  end

  defp instead({word, _, args}) when is_atom(word) and is_list(args) do
    best = Enum.max_by(@words, &String.jaro_distance("#{&1}", "#{word}"))

    if best != word and String.jaro_distance("#{best}", "#{word}") > 0.8,
      do: ". Did you mean `#{best}`? A#{@allowed}",
      else: ": a#{@allowed}"
  end

  defp instead(_expr), do: ": a#{@allowed}"

  # Of a test's variables there are none here.
  defp no_variables(expr, env) do
    Macro.prewalk(expr, fn
      {:^, _, [{name, _, context}]} = pin when is_atom(name) and is_atom(context) ->
        no_variable(pin, name, env)

      other ->
        other
    end)
  end

  @spec no_variable(Macro.t(), atom, Macro.Env.t()) :: no_return
  defp no_variable(pin, name, env) do
    Form.error(
      pin,
      env,
      "there is no variable #{name} to pin: an expectation stands outside of any test. Pin a module attribute (`^@#{name}`) or an " <>
        "expression (`^Application.get_env(:my_app, :#{name})`); without the pin, #{name} means the same wherever it stands"
    )
  end

  # ---- words ----

  defp shape(word, [process, pattern | opts], expr, env)
       when word in [:state, :always, :never, :eventually] and length(opts) <= 1 do
    fields =
      case word do
        :state -> [check: :state_at]
        :always -> [check: :every]
        :never -> [check: :every, negate: true]
        :eventually -> [check: :count]
      end

    {word, Shape.state({:word, word}, process, pattern, one(opts), fields, expr, env)}
  end

  defp shape(:transition, [process, step | opts], expr, env) when length(opts) <= 1,
    do: {:transition, Shape.transition({:word, :transition}, process, step, one(opts), [], expr, env)}

  defp shape(word, [pattern | opts], expr, env)
       when word in [:sent, :refute_sent, :delivered, :refute_delivered] and length(opts) <= 1 do
    what = if word in [:sent, :refute_sent], do: :sent, else: :received
    {word, Shape.message({:word, word}, what, pattern, one(opts), count(word), expr, env)}
  end

  defp shape(word, [call | opts], expr, env) when word in [:called, :refute_called] and length(opts) <= 1,
    do: {word, Shape.called({:word, word}, call, one(opts), count(word), expr, env)}

  defp shape(:flow, [[do: block]], expr, env),
    do: {:flow, Shape.flow({:word, :flow}, [], block, [], expr, env)}

  defp shape(word, [first, second | opts], expr, env)
       when word in [:leads_to, :refute_leads_to] and length(opts) <= 1 do
    check = if word == :leads_to, do: :leads_to, else: :excludes
    {word, Shape.pair({:word, word}, [first, second], one(opts), [check: check], expr, env)}
  end

  defp shape(:causality, [step | opts], expr, env) when length(opts) <= 1 do
    {cause, effect} = Form.arrow(step, env)
    {:causality, Shape.pair({:word, :causality}, [cause, effect], one(opts), [check: :causality], expr, env)}
  end

  defp shape(:refute_crash, args, expr, env) when length(args) <= 2 do
    {process, opts} =
      case args do
        [] -> {nil, []}
        [one] -> if Keyword.keyword?(one), do: {nil, one}, else: {one, []}
        [process, opts] -> {process, opts}
      end

    {:refute_crash, Shape.crash({:word, :refute_crash}, process, opts, expr, env)}
  end

  defp shape(_word, _args, expr, env), do: unknown(expr, env)

  defp count(word) when word in [:refute_sent, :refute_delivered, :refute_called],
    do: [check: :count, times: 0]

  defp count(_word), do: [check: :count]

  defp one([]), do: []
  defp one([opts]), do: opts
end
