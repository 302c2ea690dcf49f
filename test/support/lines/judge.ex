defmodule BeamScope.Test.Lines.Judge do
  @moduledoc false
  # Whether two outcomes are the same, but for what instrumentation is known to change in stacktraces:
  #
  #   * `-compile(inline)`: the compiler puts small functions into those that call them, and their frames are gone. With probes they are
  #     not that small any more. Frames of modules that ask for it are left out.
  #   * `X = f(), [X | g()]`: the compiler makes `[f() | g()]` of it and says of `f()` that it stands where `g()` does. A probe stands
  #     between the two, so that instrumented code tells the right line. The functions where that is so are listed.
  #   * The functions that the compiler makes of funs and comprehensions (`-f/1-lc$^0/1-0-`) have an argument for each variable of
  #     outside that is used inside: with probes that can be one that is only told. Their arity is left out.

  #   * Of a long `after` the compiler makes a function, of a short one a part of the function it stands in: with probes it is longer.

  @moved [{Regex, "apply_list", 5}, {:rec_env, "new_key", 5}]

  @doc "Outcomes as of `BeamScope.Test.Lines.Outcome.of/1`; `inlining` is the set of modules that ask for it."
  def same?(outcome, outcome, _inlining), do: true

  def same?({class, reason, trace}, {class, reason, other}, inlining)
      when is_list(trace) and is_list(other) do
    [ours, theirs] =
      for frames <- [trace, other],
          do: frames |> flat() |> Enum.reject(&(elem(&1, 0) in inlining)) |> Enum.map(&line/1)

    # A trace has so many frames: more at its top are fewer at its end.
    least = min(length(ours), length(theirs))
    Enum.take(ours, least) == Enum.take(theirs, least)
  end

  def same?({:returned, one}, {:returned, other}, inlining) when is_list(one) and is_list(other),
    do:
      length(one) == length(other) and
        Enum.zip(one, other) |> Enum.all?(fn {a, b} -> same?(a, b, inlining) end)

  def same?(_outcome, _other, _inlining), do: false

  @doc "A stacktrace in which each `after` is a part of the function it stands in, and functions have names without the compiler's numbers."
  def flat([{module, function, _, place} = frame | rest]) do
    case Regex.run(~r/^-(.*)\/(\d+)-after\$\^/, Atom.to_string(function)) do
      [_, name, arity] ->
        name = String.to_existing_atom(name)
        flat([{module, name, String.to_integer(arity), place} | without(rest, module, name)])

      nil ->
        [numberless(frame) | flat(rest)]
    end
  end

  def flat([]), do: []

  # The compiler counts the functions that it makes.
  defp numberless({module, function, arity, place}),
    do: {module, function |> Atom.to_string() |> String.replace(~r/-\d+-$/, "-"), arity, place}

  # The frame below is that of the function; it is not there where the `after` never returns.
  defp without([{module, name, _, _} | rest], module, name), do: rest
  defp without(rest, _module, _name), do: rest

  defp line({module, function, arity, {file, _}}) when {module, function, arity} in @moved,
    do: {module, function, arity, file}

  defp line({module, function, arity, place} = frame) when is_integer(arity) do
    if match?("-" <> <<_, _::binary>>, function), do: {module, function, place}, else: frame
  end

  defp line(frame), do: frame
end
