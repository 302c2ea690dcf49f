defmodule BeamScope.Lines.Explain do
  @moduledoc """
  Why the clauses above the one that was taken were not: because what they match was something else, or because of their guard.

  What was matched is known from the recorded variables. The patterns and guards are those of the code itself, tried again by Erlang's
  own evaluator (`:erl_eval`); guards have no effects. Where a value was truncated, redacted, or not recorded, nobody can tell.
  """

  alias BeamScope.Lines.{Run, Step}

  @typedoc "The line of a clause, and what became of it."
  @type verdict :: {pos_integer, :taken | :no_match | :guard | :unknown}

  # A value is looked through for parts that are missing, so far.
  @most_parts 20_000

  @doc "The clauses that were tried when a run came to this step, the one taken last; `[]` unless it is the first of a clause's body."
  @spec clauses(Run.t(), Step.t()) :: [verdict]
  def clauses(%Run{table: table} = run, %Step{} = step) do
    site = table.sites[step.site]

    with {body, 0} <- List.last(site.path),
         %{clause: taken, construct: construct} <- table.bodies[body],
         %{clauses: [_, _ | _] = clauses, generated: false} = about <- table.constructs[construct],
         true <- apart?(clauses) do
      tried = clauses |> Enum.take(taken) |> Enum.map(&{&1.line, verdict(&1, about.kind, site, run, step)})
      tried ++ [{Enum.at(clauses, taken).line, :taken}]
    else
      _ -> []
    end
  end

  # What `if` and its like become has its clauses on one line: what could be said of them stands on others.
  defp apart?(clauses), do: clauses |> Enum.map(& &1.line) |> then(&(Enum.uniq(&1) == &1))

  defp verdict(%{patterns: patterns, guards: guards}, kind, %{subject: [_ | _] = subject}, run, step)
       when is_list(patterns) do
    before = bindings(run, step)
    here = Enum.reduce(step.subject, before, &Map.put(&2, &1.form, &1.value))

    with {:ok, values} <- values(subject, here),
         true <- whole?(values, @most_parts) do
      attempt(patterns, guards, values, if(kind == :case, do: before, else: %{}))
    else
      _ -> :unknown
    end
  end

  defp verdict(_clause, _kind, _site, _run, _step), do: :unknown

  # Of one run a variable of the forms has one value at a time.
  defp bindings(run, step) do
    run.steps
    |> Enum.take_while(&(&1.moment.seq < step.moment.seq))
    |> Enum.flat_map(& &1.subject)
    |> Map.new(&{&1.form, &1.value})
  end

  defp values(forms, bindings) do
    {:ok, Enum.map(forms, &evaluate(&1, bindings))}
  catch
    _, _ -> :error
  end

  defp attempt(patterns, guards, values, bindings) do
    at = :erl_anno.new(1)
    subject = {:tuple, at, for({_, n} <- Enum.with_index(values), do: {:var, at, :"Subject#{n}"})}
    pattern = {:tuple, at, patterns}

    form =
      {:case, at, subject,
       [
         {:clause, at, [pattern], guards, [{:atom, at, :taken}]},
         {:clause, at, [pattern], [], [{:atom, at, :guard}]},
         {:clause, at, [{:var, at, :_}], [], [{:atom, at, :no_match}]}
       ]}

    given = for {value, n} <- Enum.with_index(values), into: bindings, do: {:"Subject#{n}", value}

    # What holds now and did not then hangs on something else, such as the node it is asked on.
    with :taken <- evaluate(form, given), do: :unknown
  catch
    _, _ -> :unknown
  end

  defp evaluate(form, bindings) do
    # Maps are sorted otherwise from OTP 26 on.
    {:value, value, _} = :erl_eval.expr(form, bindings |> Map.to_list() |> :orddict.from_list())
    value
  end

  defp whole?(term, left), do: parts(term, left) > 0

  defp parts(_term, left) when left <= 0, do: 0

  defp parts(%module{}, _left)
       when module in [BeamScope.Truncated, BeamScope.Redacted, BeamScope.Opaque, BeamScope.Unknown],
       do: 0

  defp parts([head | tail], left), do: parts(tail, parts(head, left - 1))
  defp parts(tuple, left) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> parts(left)
  defp parts(%{} = map, left), do: map |> Map.to_list() |> parts(left)
  defp parts(_leaf, left), do: left - 1
end
