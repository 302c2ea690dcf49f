defmodule BeamScope.Lines.Instrument.Forms do
  @moduledoc """
  Puts probes into Erlang's abstract code: `'Elixir.BeamScope.Line':line({Id, names…}, Values…)` before each expression of each body,
  with the variables bound since the last one.

  A probe is one more expression of a body, and never the last: tail calls stay tail calls, and the value of a body is what it was.
  What only the compiler makes a tail call is none any more: in `x = f(); x` there is `x` to tell. Stacktraces may have frames more than
  the original's, where the compiler had made functions part of others (`inline`), and names of lifted functions another arity.
  Guards and patterns are left alone, save that a clause which is not the first of its construct may name what it matches
  (`Pattern = Subject`), so that one can tell afterwards why the clauses above it were not taken.

  The shapes are those of the abstract format of the Erlang Run-Time System's documentation.
  """

  alias BeamScope.Lines.Instrument.{Calls, Scope, Site}

  @module BeamScope.Line
  @mark :at
  @probe :line
  # What a probe has room for, see `BeamScope.Line`.
  @most 32
  @generators [
    :generate,
    :b_generate,
    :m_generate,
    :generate_strict,
    :b_generate_strict,
    :m_generate_strict
  ]
  @leaves [:var, :atom, :integer, :char, :float, :string, nil, :remote_type]

  @typedoc "What is gathered on the way: sites by their number, bodies, and the clauses of constructs."
  @type gathered :: %{
          next_id: non_neg_integer,
          sites: %{non_neg_integer => Site.t()},
          bodies: %{non_neg_integer => map},
          constructs: %{non_neg_integer => map}
        }

  @doc false
  def mark_module, do: @module
  @doc false
  def mark_function, do: @mark

  @doc false
  @spec mark?(term) :: boolean
  def mark?(form), do: mark(form, :elixir) != :none

  @doc """
  Instruments the functions that `wanted?` answers true for. In code of Elixir where `BeamScope.Lines.Instrument.Marks` put marks, in
  code of Erlang before every expression.
  """
  @spec instrument([term], :elixir | :erlang, ({atom, arity} -> boolean), non_neg_integer) ::
          {[term], gathered}
  def instrument(forms, language, wanted?, first_id) do
    state = %{
      language: language,
      next_id: first_id,
      next: 0,
      aliases: 0,
      function: nil,
      clause: nil,
      sites: %{},
      bodies: %{},
      constructs: %{}
    }

    {forms, state} = Enum.map_reduce(forms, state, &form(&1, &2, wanted?))
    {forms, Map.take(state, [:next_id, :sites, :bodies, :constructs])}
  end

  defp form({:function, at, name, arity, clauses} = form, state, wanted?) do
    if name not in [:__info__, :module_info] and wanted?.({name, arity}) do
      state = %{state | function: {name, arity}, aliases: 0}
      context = %{bound: MapSet.new(), pending: [], path: []}
      {clauses, state} = clauses(clauses, :function, context, state, false)
      {{:function, at, name, arity, clauses}, state}
    else
      {form, state}
    end
  end

  defp form(form, state, _wanted?), do: {form, state}

  # Clauses

  defp clauses(clauses, kind, context, state, generated?) do
    {construct, state} = construct(clauses, kind, state, generated?)

    clauses
    |> Enum.with_index()
    |> Enum.map_reduce(state, fn {{:clause, at, patterns, guards, body}, n}, state ->
      state = if kind == :function, do: %{state | clause: n}, else: state
      context = enter(patterns, kind, context)
      why? = n > 0 and not generated? and explained?(kind) and marked?(body, state.language)
      {patterns, subject, state} = if why?, do: subject(patterns, state), else: {patterns, nil, state}
      about = %{kind: kind, construct: construct, clause: n, subject: subject}
      {body, state} = body(body, about, context, state)
      {{:clause, at, patterns, guards, body}, state}
    end)
  end

  # Without a probe there is nothing that could tell.
  defp marked?([first | _], :elixir),
    do: mark(first, :elixir) != :none and not :erl_anno.generated(elem(first, 1))

  defp marked?([first | _], :erlang), do: every(first, :erlang) != nil

  defp explained?(kind), do: kind in [:function, :case, :fun]

  defp construct(clauses, kind, state, generated?) do
    about = %{
      kind: kind,
      function: state.function,
      clauses:
        for {:clause, at, patterns, guards, _} <- clauses do
          shown? = explained?(kind) or kind == :if
          %{line: Scope.line(at), patterns: if(shown?, do: patterns), guards: if(shown?, do: guards)}
        end,
      generated: generated?
    }

    {state.next, %{state | next: state.next + 1, constructs: Map.put(state.constructs, state.next, about)}}
  end

  # What a clause of a function or a fun binds is new; in a `case` a variable may be there already.
  defp enter(patterns, kind, context) when kind in [:fun, :lc] do
    variables = Scope.pattern(patterns)
    shadowed = for {name, _} <- variables, do: name
    pending = Enum.reject(context.pending, fn {name, _} -> name in shadowed end) ++ variables
    %{context | bound: bind(context.bound, variables), pending: pending}
  end

  defp enter(patterns, :catch, context), do: bring(context, patterns |> without_stack() |> Scope.pattern())
  defp enter(patterns, _kind, context), do: bring(context, Scope.pattern(patterns))

  # To use the stacktrace has it built, which costs more than a line may.
  defp without_stack([{:tuple, at, [class, reason, _stack]}]), do: [{:tuple, at, [class, reason]}]
  defp without_stack(patterns), do: patterns

  defp bring(context, variables) do
    fresh = Enum.reject(variables, fn {name, _} -> name in context.bound end)
    %{context | bound: bind(context.bound, fresh), pending: context.pending ++ fresh}
  end

  defp bind(bound, variables),
    do: Enum.reduce(variables, bound, fn {name, _}, bound -> MapSet.put(bound, name) end)

  # What was matched, as expressions: of a pattern that says all, itself; else a name is given to it.
  defp subject(patterns, state) do
    case Enum.map(patterns, &{&1, whole(&1)}) do
      [] ->
        {patterns, nil, state}

      told ->
        if List.keymember?(told, :untold, 1), do: {patterns, nil, state}, else: name_subject(told, state)
    end
  end

  defp name_subject(told, state) do
    {named, {next, aliases}} =
      Enum.map_reduce(told, {state.aliases, []}, fn
        {pattern, {:ok, form}}, counted ->
          {{pattern, form}, counted}

        {pattern, :alias}, {next, aliases} ->
          # As many atoms as the function with the most of them needs.
          variable = {:var, 0, :"BeamScope@#{next}"}
          {{{:match, 0, pattern, variable}, variable}, {next + 1, [elem(variable, 2) | aliases]}}
      end)

    {patterns, forms} = Enum.unzip(named)
    {patterns, {forms, Enum.reverse(aliases)}, %{state | aliases: next}}
  end

  defp whole({:var, _, :_}), do: :alias
  defp whole({tag, _, _} = leaf) when tag in [:var, :atom, :integer, :char, :float, :string], do: {:ok, leaf}
  defp whole({nil, _} = empty), do: {:ok, empty}

  defp whole({:tuple, at, elements}),
    do: with({:ok, elements} <- wholes(elements), do: {:ok, {:tuple, at, elements}})

  defp whole({:cons, at, head, tail}),
    do: with({:ok, [head, tail]} <- wholes([head, tail]), do: {:ok, {:cons, at, head, tail}})

  defp whole({:match, _, left, right}), do: with(:alias <- whole(left), do: whole(right))
  # The name would have the virtual machine make a part of the binary for each clause it enters.
  defp whole({:bin, _, _}), do: :untold
  defp whole({:op, _, :++, _, _}), do: :untold
  defp whole(_other), do: :alias

  defp wholes(patterns) do
    all = Enum.map(patterns, &whole/1)

    cond do
      :untold in all -> :untold
      :alias in all -> :alias
      true -> {:ok, Enum.map(all, &elem(&1, 1))}
    end
  end

  # Bodies

  defp body(expressions, about, context, state) do
    number = state.next
    size = Enum.count(expressions, &(mark(&1, state.language) == :none))
    known = about |> Map.delete(:subject) |> Map.put(:size, size)
    state = %{state | next: number + 1, bodies: Map.put(state.bodies, number, known)}
    step = %{context: context, subject: about.subject, mark: nil, names: :all, index: 0, body: number}

    {expressions, {_step, state}} =
      Enum.flat_map_reduce(expressions, {step, state}, fn expression, {step, state} ->
        case mark(expression, state.language) do
          {:mark, line, exact?, names} ->
            {[], {%{step | mark: {line, exact?}, names: names}, state}}

          :none ->
            step(expression, step, state)
        end
      end)

    {expressions, state}
  end

  defp mark(
         {:call, _, {:remote, _, {:atom, _, @module}, {:atom, _, @mark}},
          [{:integer, _, line}, exact, names]},
         :elixir
       ),
       do: {:mark, line, elem(exact, 2), :erl_parse.normalise(names)}

  defp mark(_expression, _language), do: :none

  defp step(expression, step, state) do
    place = step.mark || every(expression, state.language)
    context = %{step.context | path: step.context.path ++ [{step.body, step.index}]}

    {probes, context, state} =
      probe(place, step.subject, Calls.of(expression, state.language), context, state)

    {expression, state} = expression(expression, context, state)
    bound = for variable <- Scope.bound(expression), seen?(variable, step.names, state.language), do: variable
    after_it = bring(%{context | path: step.context.path}, bound)
    subject = if probes == [], do: step.subject
    step = %{step | context: after_it, subject: subject, mark: nil, names: :all, index: step.index + 1}
    {probes ++ [expression], {step, state}}
  end

  defp seen?(_variable, :all, _language), do: true

  defp seen?({name, _}, names, language) do
    case Scope.source_name(name, language) do
      {source, _} -> source in names
      nil -> false
    end
  end

  defp every(expression, :erlang) do
    case Scope.line(elem(expression, 1)) do
      0 -> nil
      line -> if :erl_anno.generated(elem(expression, 1)), do: nil, else: {line, true}
    end
  end

  defp every(_expression, :elixir), do: nil

  # Probes

  defp probe(nil, _subject, _calls, context, state), do: {[], context, state}

  defp probe({line, exact?}, subject, {calls, tail?}, context, state) do
    {told, aliases} = subject || {nil, []}

    variables =
      for(
        {name, at} <- context.pending,
        known = Scope.source_name(name, state.language),
        do: variable(name, known, at)
      ) ++
        for name <- aliases, do: {name, nil, 1, line}

    site = %Site{
      function: state.function,
      clause: state.clause,
      line: line,
      exact: exact?,
      path: context.path,
      subject: told,
      calls: calls,
      tail: tail?
    }

    {probes, state} =
      variables
      |> parts()
      |> Enum.with_index()
      |> Enum.map_reduce(state, fn {part, n}, state ->
        site = %{site | variables: part, more: n > 0, subject: if(n == 0, do: told)}
        id = state.next_id
        {call(id, part, line), %{state | next_id: id + 1, sites: Map.put(state.sites, id, site)}}
      end)

    {probes, %{context | pending: []}, state}
  end

  defp variable(name, {source, version}, at), do: {name, source, version, at}

  defp parts([]), do: [[]]
  defp parts(variables), do: Enum.chunk_every(variables, @most)

  defp call(id, variables, line) do
    at = :erl_anno.set_generated(true, :erl_anno.new(line))
    names = for {_, name, _, _} <- variables, do: {:atom, at, name || :_}
    values = for {name, _, _, _} <- variables, do: {:var, at, name}

    {:call, at, {:remote, at, {:atom, at, @module}, {:atom, at, @probe}},
     [{:tuple, at, [{:integer, at, id} | names]} | values]}
  end

  # Expressions

  defp expression({:match, at, pattern, value}, context, state) do
    {value, state} = expression(value, context, state)
    {{:match, at, pattern, value}, state}
  end

  defp expression({:maybe_match, at, pattern, value}, context, state) do
    {value, state} = expression(value, context, state)
    {{:maybe_match, at, pattern, value}, state}
  end

  defp expression({:case, at, value, clauses}, context, state) do
    {walked, state} = expression(value, context, state)

    {clauses, state} =
      clauses(clauses, :case, bring(context, Scope.bound(value)), state, :erl_anno.generated(at))

    {{:case, at, walked, clauses}, state}
  end

  defp expression({:if, at, clauses}, context, state) do
    {clauses, state} = clauses(clauses, :if, context, state, false)
    {{:if, at, clauses}, state}
  end

  defp expression({:receive, at, clauses}, context, state) do
    {clauses, state} = clauses(clauses, :receive, context, state, false)
    {{:receive, at, clauses}, state}
  end

  defp expression({:receive, at, clauses, timeout, body}, context, state) do
    {timeout, state} = expression(timeout, context, state)
    {clauses, state} = clauses(clauses, :receive, context, state, false)
    {body, state} = alone(body, :after, context, state)
    {{:receive, at, clauses, timeout, body}, state}
  end

  defp expression({:try, at, body, of, catches, finally}, context, state) do
    {body, state} = alone(body, :try, context, state)
    {of, state} = clauses(of, :of, context, state, false)
    {catches, state} = clauses(catches, :catch, context, state, false)
    {finally, state} = alone(finally, :finally, context, state)
    {{:try, at, body, of, catches, finally}, state}
  end

  defp expression({:fun, at, {:clauses, clauses}}, context, state) do
    context = only_used(context, clauses)
    {clauses, state} = clauses(clauses, :fun, context, state, :erl_anno.generated(at))
    {{:fun, at, {:clauses, clauses}}, state}
  end

  defp expression({:fun, _, _} = fun, _context, state), do: {fun, state}

  defp expression({:named_fun, at, name, clauses}, context, state) do
    context = only_used(context, clauses)
    {clauses, state} = clauses(clauses, :fun, context, state, false)
    {{:named_fun, at, name, clauses}, state}
  end

  defp expression({:block, at, body}, context, state) do
    {body, state} = alone(body, :block, context, state)
    {{:block, at, body}, state}
  end

  defp expression({:maybe, at, body}, context, state) do
    {body, state} = alone(body, :maybe, context, state)
    {{:maybe, at, body}, state}
  end

  defp expression({:maybe, at, body, {:else, else_at, clauses}}, context, state) do
    {body, state} = alone(body, :maybe, context, state)
    {clauses, state} = clauses(clauses, :else, context, state, false)
    {{:maybe, at, body, {:else, else_at, clauses}}, state}
  end

  defp expression({:lc, at, template, qualifiers}, context, state) do
    {qualifiers, state} = Enum.map_reduce(qualifiers, state, &qualifier(&1, context, &2))
    patterns = for qualifier <- qualifiers, pattern <- drawn(qualifier), do: pattern
    {body, state} = alone([template], :lc, enter(patterns, :lc, context), state)
    {{:lc, at, whole_body(body, at), qualifiers}, state}
  end

  # What these make is no body: a binary, or a key and a value.
  defp expression({kind, at, template, qualifiers}, context, state) when kind in [:bc, :mc] do
    {qualifiers, state} = Enum.map_reduce(qualifiers, state, &qualifier(&1, context, &2))
    {template, state} = expression(template, context, state)
    {{kind, at, template, qualifiers}, state}
  end

  defp expression({leaf, _, _} = form, _context, state) when leaf in @leaves, do: {form, state}
  defp expression({_, _} = form, _context, state), do: {form, state}

  # Whatever else there is has expressions side by side: none sees what another binds.
  defp expression(form, context, state) when is_tuple(form) do
    [tag, at | parts] = Tuple.to_list(form)
    {parts, state} = Enum.map_reduce(parts, state, &part(&1, context, &2))
    {List.to_tuple([tag, at | parts]), state}
  end

  # What a fun holds, it holds for as long as it is held, and takes along where it is sent: to tell a variable is no reason to.
  defp only_used(%{pending: []} = context, _clauses), do: context

  defp only_used(context, clauses) do
    used = Scope.names(clauses)
    %{context | pending: Enum.filter(context.pending, fn {name, _} -> name in used end)}
  end

  defp part(form, context, state) when is_tuple(form), do: expression(form, context, state)
  defp part([_ | _] = list, context, state), do: Enum.map_reduce(list, state, &part(&1, context, &2))
  defp part(other, _context, state), do: {other, state}

  defp alone([], _kind, _context, state), do: {[], state}

  defp alone(body, kind, context, state) do
    {construct, state} = construct([], kind, state, false)
    body(body, %{kind: kind, construct: construct, clause: 0, subject: nil}, context, state)
  end

  defp whole_body([single], _at), do: single
  defp whole_body(body, at), do: {:block, at, body}

  defp qualifier({generator, at, pattern, value}, context, state)
       when generator in @generators do
    {value, state} = expression(value, context, state)
    {{generator, at, pattern, value}, state}
  end

  defp qualifier({:zip, at, generators}, context, state) do
    {generators, state} = Enum.map_reduce(generators, state, &qualifier(&1, context, &2))
    {{:zip, at, generators}, state}
  end

  # A filter may be a guard, which has no bodies.
  defp qualifier(filter, context, state), do: expression(filter, context, state)

  defp drawn({:zip, _, generators}), do: Enum.flat_map(generators, &drawn/1)

  defp drawn({generator, _, pattern, _})
       when generator in @generators,
       do: [pattern]

  defp drawn(_filter), do: []
end
