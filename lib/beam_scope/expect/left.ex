defmodule BeamScope.Expect.Left do
  @moduledoc false
  # `left`, `right` and `context` of `ExUnit.AssertionError`: the pattern against what came nearest, as ExUnit's own match
  # assertions give them, so that its diff and whatever reads it works.

  alias BeamScope.Expect.{Assertion, Nearest, Report, Step}

  # ExUnit computes its diff where a failure is printed; a pattern that it cannot take would bring the whole run down.
  @diff ExUnit.Diff
  @largest 64_000

  @doc "The fields, those that have no meaning left out."
  @spec fields(Assertion.t(), Report.t()) :: keyword
  def fields(%Assertion{} = a, %Report{nearest: nil}), do: one_sided(a)

  def fields(%Assertion{} = a, %Report{nearest: %Nearest{step: step} = nearest}) do
    right = right(nearest)

    with {:ok, left} <- pattern(step, Enum.map(shown(nearest), &elem(&1, 0))),
         {left, pins} = pin(left, nearest.known, a.pins),
         true <- safe?(left, right, {:match, pins}) do
      [left: left, right: right, context: {:match, pins}]
    else
      _ -> [right: right]
    end
  end

  # A pattern alone can be shown where there is one.
  defp one_sided(%Assertion{steps: [%Step{} = step], pins: pins}) do
    case pattern(step, step.parts) do
      {:ok, left} -> [left: left, context: {:match, pins}]
      :none -> []
    end
  end

  defp one_sided(_assertion), do: []

  defp right(%Nearest{} = nearest) do
    case Enum.map(shown(nearest), &elem(&1, 1)) do
      [one] -> one
      several -> List.to_tuple(several)
    end
  end

  # The part that does not match, or all where no single one is to blame.
  defp shown(%Nearest{step: step, terms: terms, failed: failed}) do
    parts = step.parts |> Enum.zip(terms) |> Enum.filter(fn {{_, source, _}, _} -> source != nil end)
    own = Enum.filter(parts, fn {{role, _, _}, _} -> role == failed end)
    if own == [], do: parts, else: own
  end

  defp pattern(step, parts) do
    case for({_role, _source, {:ok, left}} <- parts, do: left) do
      [] -> :none
      [left] -> {:ok, guarded(left, step, length(step.parts) == 1)}
      several -> {:ok, guarded({:{}, [], several}, step, true)}
    end
  end

  # A guard belongs to the whole.
  defp guarded(left, %Step{guards: {_text, guard}}, true) when guard != nil, do: {:when, [], [left, guard]}
  defp guarded(left, _step, _whole?), do: left

  # What earlier steps bound is as good as pinned; a guard has no pins.
  defp pin({:when, meta, [left, guard]}, known, pins) do
    {left, pins} = pin(left, known, pins)
    {_, more} = pin(guard, known, [])
    {{:when, meta, [left, guard]}, more ++ pins}
  end

  defp pin(left, known, pins) do
    Macro.postwalk(left, pins, fn
      {:^, meta, [{:^, _, [var]}]}, pins ->
        {{:^, meta, [var]}, pins}

      {name, meta, context} = var, pins when is_atom(name) and is_atom(context) and is_map_key(known, name) ->
        {{:^, [], [var]}, [{{name, Keyword.get(meta, :counter, context)}, known[name]} | pins]}

      other, pins ->
        {other, pins}
    end)
  end

  defp safe?(left, right, context) do
    if Code.ensure_loaded?(@diff) and function_exported?(@diff, :compute, 3),
      do: :erts_debug.flat_size(right) <= @largest and computes?(left, right, context),
      else: true
  end

  defp computes?(left, right, context) do
    apply(@diff, :compute, [left, right, context])
    true
  rescue
    _ -> false
  catch
    _, _ -> false
  end
end
