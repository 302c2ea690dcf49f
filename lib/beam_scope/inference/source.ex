defmodule BeamScope.Inference.Source do
  @moduledoc false
  # What the core found, as the line that an expectation is made of.

  alias BeamScope.Inference.{Candidate, Pattern, Words}

  # A guard is made for so many elements of a sorted list.
  @sorted 4

  # How long what had not come when a recording ended may take: what the core counts by (infer/calls.rs).
  @within ", within: 5_000"

  @doc "The candidate as a list of one; of none where something in it cannot be written."
  @spec candidate(map, [String.t()]) :: [Candidate.t()]
  def candidate(found, names) do
    if Pattern.writable?(found), do: [written(found, names)], else: []
  end

  defp written(found, names) do
    role = Enum.at(names, found.role)
    to = found[:to] && Enum.at(names, found.to)
    found = Map.merge(found, %{who: ":" <> role, to: to && ":" <> to})

    %Candidate{
      template: found.template,
      role: role,
      name: "#{role}: #{Words.say(found)}",
      code: code(found),
      observations: found.observations,
      chance: found.chance,
      roles: Enum.uniq([role] ++ List.wrap(to)),
      remark: remark(found)
    }
  end

  defp remark(%{template: :sorted, most: most}) when most > @sorted,
    do: "All elements were in order, of up to #{most}; a guard sees the first #{@sorted}."

  defp remark(_found), do: nil

  # ---- states ----

  defp code(%{template: :constant, operands: [{path, _}], values: [value]} = found) do
    if Pattern.exact?(value),
      do: "always #{found.who}, #{Pattern.state([{path, Pattern.literal(value)}])}",
      else: always(found, fn [x] -> "#{x} == #{Pattern.literal(value)}" end)
  end

  defp code(%{template: :one_of, values: values} = found) do
    always(found, fn [x] -> "#{x} in [#{Enum.map_join(values, ", ", &Pattern.literal/1)}]" end)
  end

  defp code(%{template: :range, low: low, high: high} = found),
    do: always(found, fn [x] -> "#{x} in #{low}..#{high}" end)

  defp code(%{template: :lower_bound, low: low} = found), do: always(found, fn [x] -> "#{x} >= #{low}" end)
  defp code(%{template: :upper_bound, high: high} = found), do: always(found, fn [x] -> "#{x} <= #{high}" end)

  defp code(%{template: :type, sorts: sorts} = found),
    do: always(found, fn [x] -> sorts |> tests() |> Enum.map_join(" or ", &test(&1, x)) end)

  defp code(%{template: :not_nil} = found), do: always(found, fn [x] -> "#{x} != nil" end)

  defp code(%{template: template, relation: relation, plus: plus} = found)
       when template in [:equal, :difference, :order] do
    sign = %{equal: "==", less: "<", at_most: "<="}[relation]
    always(found, fn [a, b] -> "#{a} #{sign} #{plus(b, plus)}" end)
  end

  defp code(%{template: :sum, sum: sum} = found), do: always(found, fn [a, b] -> "#{a} + #{b} == #{sum}" end)

  defp code(%{template: :head, exception: exception} = found) do
    always(found, fn [list, x] -> "#{if exception, do: "#{list} == [] or "}hd(#{list}) == #{x}" end)
  end

  defp code(%{template: :key, exception: exception} = found) do
    always(found, fn [map, x] -> "#{if exception, do: "#{x} == nil or "}is_map_key(#{map}, #{x})" end)
  end

  defp code(%{template: :sorted, most: most, descending: descending} = found) do
    sign = if descending, do: ">=", else: "<="

    always(found, fn [list] ->
      Enum.map_join(1..(min(most, @sorted) - 1), " and ", fn at ->
        {first, second} = {tails(list, at - 1), tails(list, at)}
        "(length(#{list}) < #{at + 1} or hd(#{first}) #{sign} hd(#{second}))"
      end)
    end)
  end

  # ---- steps ----

  defp code(%{template: template, up: up} = found) when template in [:monotonic, :strictly_monotonic] do
    sign = if(up, do: ">", else: "<") <> if(template == :monotonic, do: "=", else: "")
    step(found, nil, fn n, m -> "#{m} #{sign} #{n}" end)
  end

  defp code(%{template: template, operands: operands} = found) when template in [:fixed, :unchanged] do
    {leaves, _} = leaves(operands, [])
    pattern = Pattern.state(leaves)
    transition(found, pattern, pattern, nil, found.on && Pattern.message(found.on))
  end

  defp code(%{template: :step, by: by, literal: literal} = found) do
    args = if literal, do: Map.new([literal], fn {at, n} -> {at, Integer.to_string(n)} end), else: %{}
    step(found, Pattern.message(found.on, args), fn n, m -> "#{m} == #{plus(n, by)}" end)
  end

  defp code(%{template: :step_by, at: at, minus: minus} = found) do
    sign = if minus, do: "-", else: "+"
    step(found, Pattern.message(found.on, %{at => "by"}), fn n, m -> "#{m} == #{n} #{sign} by" end)
  end

  defp code(%{template: :set_to, at: at, operands: [{path, _}]} = found) do
    x = Pattern.variable(path, [])
    transition(found, "_", Pattern.state([{path, x}]), nil, Pattern.message(found.on, %{at => x}))
  end

  # ---- messages ----

  defp code(%{template: template, reply: reply, by_itself: by_itself} = found)
       when template in [:answered, :reply] do
    asked = "{:\"$gen_call\", {_, tag}, #{Pattern.message(found.on)}}"
    from = if by_itself, do: ", from: #{found.who}", else: ""

    "leads_to received(#{asked}, to: #{found.who}), sent(#{answer(reply)}#{from})#{within(found)}"
  end

  defp code(%{template: :leads_to} = found) do
    {cause, effect} = ends(found)
    "leads_to #{cause}, #{effect}#{within(found)}"
  end

  defp code(%{template: :caused} = found) do
    {cause, effect} = ends(found)
    "causality #{cause} ~> #{effect}"
  end

  defp within(%{in_time: true}), do: @within
  defp within(_found), do: ""

  defp answer(nil), do: "{tag, _}"
  defp answer({:constant, value}), do: "{tag, #{Pattern.literal(value)}}"
  defp answer({:tagged, tag}), do: "{tag, #{Pattern.message(tag)}}"
  defp answer({:sort, sort}), do: "{tag, reply} when #{test(sort, "reply")}"

  defp ends(%{by: by, who: who, to: to} = found) do
    {i, j} = by || {nil, nil}
    args = &if(&1, do: %{&1 => "id"}, else: %{})
    to = if to, do: ", to: #{to}", else: ""

    {"received(#{Pattern.message(found.on, args.(i))}, to: #{who})",
     "sent(#{Pattern.message(found.effect, args.(j))}, from: #{who}#{to})"}
  end

  # ---- parts ----

  defp always(%{operands: operands, who: who}, guard) do
    {leaves, values} = leaves(operands, [])
    "always #{who}, #{Pattern.state(leaves)} when #{guard.(values)}"
  end

  defp step(%{operands: [operand]} = found, on, guard) do
    {[from], [n], taken} = leaf(operand, ["n", "n_2"], [])
    {[to], [m], _taken} = leaf(operand, ["m", "m_2"], taken)
    transition(found, Pattern.state([from]), Pattern.state([to]), guard.(n, m), on)
  end

  defp transition(%{who: who}, from, to, guard, on) do
    guard = if guard, do: " when #{guard}", else: ""
    on = if on, do: ", on: #{on}", else: ""
    "transition #{who}, #{from} ~> #{to}#{guard}#{on}, all: true"
  end

  # The ends of a pattern, and what stands for each operand in a guard.
  defp leaves(operands, taken) do
    {ends, values, _taken} =
      Enum.reduce(operands, {[], [], taken}, fn {path, _} = operand, {ends, values, taken} ->
        first = Pattern.variable(path, taken)
        {more, value, taken} = leaf(operand, [first, Pattern.variable(path, [first | taken])], taken)
        {ends ++ more, values ++ value, taken}
      end)

    {ends, values}
  end

  defp leaf({path, :queue_length}, [a, b], taken),
    do: {[{path, "{#{a}, #{b}}"}], ["length(#{a}) + length(#{b})"], [a, b | taken]}

  defp leaf({path, :value}, [a, _], taken), do: {[{path, a}], [a], [a | taken]}
  defp leaf({path, measure}, [a, _], taken), do: {[{path, a}], ["#{measure}(#{a})"], [a | taken]}

  defp plus(x, 0), do: x
  defp plus(x, by) when by < 0, do: "#{x} - #{-by}"
  defp plus(x, by), do: "#{x} + #{by}"

  defp tails(list, 0), do: list
  defp tails(list, n), do: "tl(#{tails(list, n - 1)})"

  # Numbers of both kinds are one type.
  defp tests(sorts) do
    if :integer in sorts and :float in sorts, do: [:number | sorts -- [:integer, :float]], else: sorts
  end

  defp test(nil, x), do: "#{x} == nil"
  defp test(sort, x), do: "is_#{sort}(#{x})"
end
