defmodule BeamScope.Inference.Words do
  @moduledoc false
  # What a candidate says, in words: the name of its expectation.

  alias BeamScope.Inference.Pattern
  alias BeamScope.Terminal.Term

  @width 60

  @doc "The words, without whose it is."
  @spec say(map) :: String.t()
  def say(%{template: :constant, operands: [{path, _}], values: [value]} = found) do
    case List.pop_at(path, -1) do
      {{:key, :__struct__}, whole} -> "#{path(whole)} is a #{term(value)}"
      _ -> "#{first(found)} is always #{term(value)}"
    end
  end

  def say(%{template: :one_of, values: values} = found),
    do: "#{first(found)} is one of #{Enum.map_join(values, ", ", &term/1)}"

  def say(%{template: :range, low: n, high: n} = found), do: "#{first(found)} is always #{n}"
  def say(%{template: :range} = found), do: "#{first(found)} is #{found.low} to #{found.high}"
  def say(%{template: :lower_bound} = found), do: "#{first(found)} is at least #{found.low}"
  def say(%{template: :upper_bound} = found), do: "#{first(found)} is at most #{found.high}"

  def say(%{template: :type, sorts: sorts} = found),
    do: "#{first(found)} is #{Enum.map_join(sorts, " or ", &sort/1)}"

  def say(%{template: :not_nil} = found), do: "#{first(found)} is never nil"
  def say(%{template: :equal} = found), do: "#{first(found)} is the same as #{second(found)}"
  def say(%{template: :difference, plus: by} = found), do: "#{first(found)} is #{second(found)} plus #{by}"
  def say(%{template: :order, relation: :less} = found), do: "#{first(found)} is below #{second(found)}"
  def say(%{template: :order} = found), do: "#{first(found)} is at most #{second(found)}"
  def say(%{template: :sum, sum: sum} = found), do: "#{first(found)} and #{second(found)} make #{sum}"
  def say(%{template: :head} = found), do: "#{second(found)} is the first of #{first(found)}"

  def say(%{template: :key, exception: exception} = found),
    do: "#{second(found)} is a key of #{first(found)}#{if exception, do: ", or nil"}"

  def say(%{template: :sorted, descending: true} = found), do: "#{first(found)} is sorted, largest first"
  def say(%{template: :sorted} = found), do: "#{first(found)} is sorted"
  def say(%{template: :strictly_monotonic, up: true} = found), do: "#{first(found)} always grows"
  def say(%{template: :strictly_monotonic} = found), do: "#{first(found)} always falls"
  def say(%{template: :monotonic, up: true} = found), do: "#{first(found)} never falls"
  def say(%{template: :monotonic} = found), do: "#{first(found)} never grows"
  def say(%{template: :fixed} = found), do: "nothing changes #{all(found)}"

  def say(%{template: :unchanged, on: on} = found),
    do:
      "#{message(on)} leaves #{all(found)} as #{if match?([_], found.operands), do: "it was", else: "they were"}"

  def say(%{template: :step, literal: literal, on: on} = found) do
    args = if literal, do: Map.new([literal], fn {at, n} -> {at, Integer.to_string(n)} end), else: %{}
    "#{Pattern.message(on, args)} adds #{found.by} to #{first(found)}"
  end

  def say(%{template: :step_by, at: at, minus: true} = found),
    do: "#{message(found.on, at, "by")} takes it from #{first(found)}"

  def say(%{template: :step_by, at: at} = found),
    do: "#{message(found.on, at, "by")} adds it to #{first(found)}"

  def say(%{template: :set_to, at: at, operands: [{path, _}]} = found),
    do: "#{message(found.on, at, Pattern.variable(path, []))} sets #{first(found)}"

  def say(%{template: :answered, on: on}), do: "#{message(on)} is answered"
  def say(%{template: :reply, on: on, reply: reply}), do: "#{message(on)} is answered #{answer(reply)}"

  def say(%{template: :leads_to, by: by} = found) do
    {i, j} = by || {nil, nil}
    "#{message(found.on, i, "id")} leads to #{message(found.effect, j, "id")}"
  end

  def say(%{template: :caused, by: by} = found) do
    {i, j} = by || {nil, nil}
    "each #{message(found.effect, j, "id")} has a #{message(found.on, i, "id")} of its own"
  end

  defp answer({:constant, value}), do: "with #{term(value)}"
  defp answer({:tagged, tag}), do: "with #{message(tag)}"
  defp answer({:sort, sort}), do: "with #{sort(sort)}"

  defp first(%{operands: [operand | _]}), do: operand(operand)
  defp second(%{operands: [_, operand]}), do: operand(operand)
  defp all(%{operands: operands}), do: Enum.map_join(operands, ", ", &operand/1)

  defp operand({path, :value}), do: path(path)
  defp operand({path, :map_size}), do: "the size of #{path(path)}"
  defp operand({path, _length}), do: "the length of #{path(path)}"

  @doc "A field in words."
  @spec path(list) :: String.t()
  def path([]), do: "the state"

  def path(path) do
    Enum.map_join(path, ".", fn
      {:key, key} when is_atom(key) -> key |> Atom.to_string() |> String.replace_prefix("Elixir.", "")
      {:key, %{text: text}} -> text
      {:at, index, _arity} -> "elem_#{index}"
    end)
  end

  defp message(tag), do: Pattern.message(tag)
  defp message(tag, nil, _name), do: message(tag)
  defp message(tag, at, name), do: Pattern.message(tag, %{at => name})

  defp sort(nil), do: "nil"
  defp sort(sort) when sort in [:atom, :integer], do: "an #{sort}"
  defp sort(sort), do: "a #{sort}"

  defp term(term), do: Term.text(term, @width)
end
