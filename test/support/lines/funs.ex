defmodule BeamScope.Test.Lines.Funs do
  @moduledoc false
  # Functions to give to functions: by name, so that they are the same in every virtual machine.

  def none, do: 42
  def same(x), do: x
  def boxed(x), do: [x]
  def truth(x), do: x not in [nil, false, 0, ""]
  def number(x) when is_integer(x), do: rem(x, 3)
  def number(x), do: :erlang.phash2(x, 5)
  def pair_up(x), do: {x, x}
  def fails(x), do: raise(ArgumentError, inspect(x, limit: 3))
  def thrown(x), do: throw(x)
  def value({_, value}), do: value

  def both(x, y), do: {x, y}
  def first(x, _y), do: x
  def second(_x, y), do: y
  def ordered(x, y), do: x <= y
  def equal(x, y), do: x == y
  def gather(x, acc) when is_list(acc), do: [x | acc]
  def gather(x, acc), do: [x, acc]
  def go_on(x, acc), do: if(x == :stop, do: {:halt, acc}, else: {:cont, [x | List.wrap(acc)]})
  def flat(x, acc), do: {[x, x], acc}
  def mapped(x, acc), do: {x, [x | List.wrap(acc)]}

  def third(_x, _y, z), do: z
  def three(x, y, z), do: [x, y | List.wrap(z)]
  def four(a, b, c, d), do: {a, b, c, d}

  @doc "All of an arity."
  def all(0), do: [&__MODULE__.none/0]

  def all(1) do
    [
      &__MODULE__.same/1,
      &__MODULE__.boxed/1,
      &__MODULE__.truth/1,
      &__MODULE__.number/1,
      &__MODULE__.pair_up/1,
      &__MODULE__.fails/1,
      &__MODULE__.thrown/1,
      &__MODULE__.value/1,
      &is_integer/1,
      &:erlang.length/1,
      &String.upcase/1,
      &to_string/1
    ]
  end

  def all(2) do
    [
      &__MODULE__.both/2,
      &__MODULE__.first/2,
      &__MODULE__.second/2,
      &__MODULE__.ordered/2,
      &__MODULE__.equal/2,
      &__MODULE__.gather/2,
      &__MODULE__.go_on/2,
      &__MODULE__.flat/2,
      &__MODULE__.mapped/2,
      &:erlang.+/2
    ]
  end

  def all(3), do: [&__MODULE__.third/3, &__MODULE__.three/3]
  def all(_), do: [&__MODULE__.four/4]
end
