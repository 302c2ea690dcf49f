defmodule BeamScope.Lines.Order do
  @moduledoc """
  Which line can come after which in one run of a function: that is how runs that call themselves, or one another, are told apart.

  A *path* leads from the function's body inwards, `[{body, index}, …]`. From one site the run can go on to another that stands later in
  a body both are in, that is in a body inside of the expression that runs now, or in the body of a loop (a fun, a comprehension)
  again. Of the clauses of one `case` only one is taken; a `try` goes on to its other parts in their order.
  """

  @loops [:fun, :lc]
  # What may go on in another part of the same expression.
  @late [:try, :of, :catch]

  @type path :: [{non_neg_integer, non_neg_integer}]
  @type bodies :: %{non_neg_integer => map}

  @doc "Whether a run that is at the first path can be at the second one next."
  @spec next?(path, path, bodies) :: boolean
  def next?(from, to, bodies), do: next?(from, to, bodies, false)

  # Inside of a loop that both are in, everything may come again.
  defp next?([{body, i} | from], [{body, j} | to], bodies, loop?) do
    loop? = loop? or bodies[body].kind in @loops
    if i == j, do: next?(from, to, bodies, loop?), else: j > i or loop?
  end

  defp next?([{a, _} | _], [{b, _} | _], bodies, loop?), do: loop? or follows?(bodies[a], bodies[b], b > a)
  defp next?([], [_ | _], _bodies, _loop?), do: true
  defp next?(_from, [], _bodies, loop?), do: loop?

  # Two parts of one expression. Of a fun any clause may come after any other.
  defp follows?(%{construct: same} = a, %{construct: same} = b, _later?),
    do: a.kind in @loops and b.kind in @loops

  defp follows?(_a, _b, later?), do: later?

  @doc "Whether nothing of the run can come after this path, the bodies inside of its expression aside."
  @spec last?(path, bodies) :: boolean
  def last?(path, bodies) do
    Enum.all?(path, fn {body, index} ->
      %{kind: kind, size: size} = bodies[body]
      index == size - 1 and kind not in @loops and kind not in @late
    end)
  end

  @doc "The bodies of loops on a path, from the outermost inwards."
  @spec loops(path, bodies) :: [non_neg_integer]
  def loops(path, bodies), do: for({body, _} <- path, bodies[body].kind in @loops, do: body)
end
