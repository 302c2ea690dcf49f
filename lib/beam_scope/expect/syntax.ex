defmodule BeamScope.Expect.Syntax do
  @moduledoc false
  # From what stands in a test to the code that runs there. Macros stay thin: the patterns become data here, and a
  # function does the rest (`BeamScope.Expect.Assertion`).

  alias BeamScope.Expect.{Aside, Assertion, Await, Form, Quoted, Step}
  alias BeamScope.Pattern.Compiler
  alias BeamScope.Recorder

  @span [:since, :until]

  # Which options an assertion takes, beside those that its step takes.
  @options %{
    assert_state: [:at],
    assert_transition: [:on, :all, :times, :allow_empty] ++ @span,
    assert_sent: [:from, :to, :times, :allow_empty] ++ @span,
    refute_sent: [:from, :to, :allow_empty] ++ @span,
    assert_delivered: [:from, :to, :times, :allow_empty] ++ @span,
    refute_delivered: [:from, :to, :allow_empty] ++ @span,
    assert_called: [:returns, :by, :times, :allow_empty] ++ @span,
    refute_called: [:returns, :by, :allow_empty] ++ @span,
    assert_flow: @span,
    assert_always: [:allow_empty] ++ @span,
    assert_never: [:allow_empty] ++ @span,
    assert_eventually: @span,
    assert_leads_to: [:within, :allow_empty] ++ @span,
    assert_causality: [:strict, :allow_empty] ++ @span,
    refute_crash: [:allow_empty] ++ @span,
    await_state: [:since, :timeout],
    await_transition: [:on, :times, :since, :timeout],
    await_sent: [:from, :to, :times, :since, :timeout],
    await_delivered: [:from, :to, :times, :since, :timeout],
    await_called: [:returns, :by, :times, :since, :timeout],
    await_flow: [:since, :timeout]
  }

  @form_options [:from, :to, :on, :returns, :by]

  # The words of `BeamScope.Expectation`, which take the same options. When it is asked is the check's business.
  @words %{
    state: :assert_state,
    always: :assert_always,
    never: :assert_never,
    eventually: :assert_eventually,
    transition: :assert_transition,
    sent: :assert_sent,
    delivered: :assert_delivered,
    called: :assert_called,
    flow: :assert_flow,
    leads_to: :assert_leads_to,
    causality: :assert_causality,
    refute_sent: :refute_sent,
    refute_delivered: :refute_delivered,
    refute_called: :refute_called,
    refute_crash: :refute_crash
  }

  @doc "The options of an assertion, or of a word as `{:word, name}`, and apart from them those of its step."
  def options(name, opts, ast, env) do
    {form, own} = opts |> Form.options(allowed(name), ast, env) |> Keyword.split(@form_options)
    {own, form}
  end

  defp allowed({:word, word}), do: Map.fetch!(@options, Map.fetch!(@words, word)) -- @span
  defp allowed(name), do: Map.fetch!(@options, name)

  @doc """
  The code of an assertion in a test: its shape, the recording, and `expr`, the whole as it was written.
  """
  def build({fields, forms}, name, rec, expr, env) do
    preload()
    {assertion, assignments, bound} = assertion({fields, forms}, name, expr, env)
    run(assertion, rec, assignments, bound)
  end

  @doc """
  The quoted `%Assertion{}` of a shape, the assignments to come before it, and the variables that it binds.
  """
  def assertion({fields, forms}, name, expr, env) do
    {forms, assignments} = Enum.map_reduce(forms, [], &hoist/2)
    patterns = Enum.flat_map(forms, &Form.patterns/1)
    start = Compiler.start(patterns, env)
    {steps, state} = Enum.map_reduce(forms, start, &step(&1, &2, env))
    bound = if binds?(fields), do: Compiler.bound(state), else: []

    more = [
      name: name,
      steps: steps,
      scope: scope(fields[:check], forms, start),
      vars: Keyword.keys(bound),
      pins: Quoted.pins(patterns, Map.keys(state.vars), env),
      expr: Macro.escape(expr, prune_metadata: true)
    ]

    {quote(do: %Assertion{unquote_splicing(fields ++ more)}), assignments, Keyword.values(bound)}
  end

  # The test itself runs these, and often is recorded: to load a module is to send a message. Tests are compiled where they run.
  defp preload, do: Enum.each([Aside, Assertion, Await, Recorder, Recorder.Hub], &Code.ensure_loaded/1)

  # What is said of all, or of none, cannot bind one.
  defp binds?(fields), do: fields[:check] in [:count, :flow, :state_at] and fields[:times] != 0

  defp hoist(form, assignments) do
    {parts, assignments} =
      Enum.map_reduce(form.parts, assignments, fn {role, ast}, assignments ->
        {ast, assignments} = Quoted.hoist(ast, assignments)
        {{role, ast}, assignments}
      end)

    {%{form | parts: parts}, assignments}
  end

  # Of all transitions, those whose message matches are asked.
  defp scope(:every, [%Form{what: :transition, parts: parts}], state) do
    unless Form.any?(parts[:message]), do: parts[:message] |> Compiler.next(state) |> elem(0)
  end

  defp scope(_check, _forms, _state), do: nil

  # ---- steps ----

  defp step(%Form{parts: parts} = form, state, env) do
    {pattern, state} = pattern(Keyword.values(parts), state)

    fields =
      form.fields ++
        [
          what: form.what,
          pattern: pattern,
          source: form.source,
          parts: for({role, ast} <- parts, do: part(role, ast, env)),
          guards: Quoted.guards(Form.patterns(form), env)
        ]

    {quote(do: %Step{unquote_splicing(fields)}), state}
  end

  defp pattern([one], state), do: Compiler.next(one, state)
  defp pattern(several, state), do: Compiler.next_tuple(several, state)

  defp part(role, ast, env) do
    {pattern, _guards} = Compiler.split_when(ast)

    if Form.any?(pattern),
      do: {:{}, [], [role, nil, nil]},
      else: {:{}, [], [role, Macro.to_string(pattern), {:ok, Quoted.left(pattern, env)}]}
  end

  # ---- code ----

  # The match keeps the call from being the test's last: a failure must come from the test's own line. Variables are bound in the
  # test, and used as far as the compiler can tell.
  defp run(assertion, rec, assignments, vars) do
    quote do
      unquote_splicing(assignments)
      {value, unquote(vars)} = Assertion.run!(unquote(rec), unquote(assertion))
      _ = unquote(vars)
      value
    end
  end
end
