defmodule BeamScope.Golden.Text do
  @moduledoc false
  # A golden execution as text. It is Elixir syntax, so that editors colour it and `Reader` need not invent a grammar.

  alias BeamScope.Align.Step
  alias BeamScope.Golden.Print

  @version 1
  @header "# BeamScope golden execution, version "
  @footer "# end\n"
  @hint "# What the processes did, by role. BEAM_SCOPE_UPDATE=1 writes it anew; see BeamScope.Golden.\n"

  def version, do: @version
  def header, do: @header
  def footer, do: @footer

  @doc "The whole text."
  @spec render(%{level: atom, roles: [{term, [Step.t()]}]}) :: String.t()
  def render(%{level: level, roles: roles}) do
    IO.iodata_to_binary([
      [@header, Integer.to_string(@version), "\n", @hint, "\n"],
      ["level ", inspect(level), "\n"],
      Enum.map(roles, &role/1),
      ["\n", @footer]
    ])
  end

  defp role({role, steps}),
    do: ["\nrole ", argument(role), " do\n", steps |> Enum.chunk_by(& &1.order) |> Enum.map(&run/1), "end\n"]

  defp run([%Step{order: :any} | _] = steps),
    do: ["  unordered do\n", Enum.map(steps, &[step(&1, 4), "\n"]), "  end\n"]

  defp run(steps), do: Enum.map(steps, &[step(&1, 2), "\n"])

  @doc "A step on one line."
  @spec flat(Step.t()) :: String.t()
  def flat(step), do: step |> parts() |> one_line() |> IO.iodata_to_binary()

  defp step(step, indent) do
    margin = String.duplicate(" ", indent)
    parts = parts(step)
    text = parts |> one_line() |> IO.iodata_to_binary()
    if Print.fits?(text, indent), do: [margin, text], else: [margin, block(parts, indent)]
  end

  # `{word, [argument], [{key, value}]}`
  defp parts(%Step{} = step) do
    fields = for key <- [:handler, :from, :to], value = Map.fetch!(step, key), value != nil, do: {key, value}

    {argument, state} = argument_and_state(step)
    {Atom.to_string(step.what), [argument], fields ++ reply(step.reply) ++ state}
  end

  # Steps that are about a state and nothing else.
  defp argument_and_state(%Step{what: what, state: {:ok, state}}) when what in [:start, :state, :changed],
    do: {state, []}

  defp argument_and_state(%Step{message: message, state: nil}), do: {message, []}
  defp argument_and_state(%Step{message: message, state: {:ok, state}}), do: {message, [state: state]}

  defp reply({:ok, value}), do: [reply: value]
  defp reply({:error, value}), do: [failed: value]
  defp reply(nil), do: []

  defp one_line({word, arguments, fields}) do
    shown =
      Enum.map(arguments, &argument/1) ++
        Enum.map(fields, fn {key, value} -> [key(key), Print.flat(value)] end)

    [word, " " | Enum.intersperse(shown, ", ")]
  end

  # One field a line.
  defp block({word, arguments, fields}, indent) do
    margin = "\n" <> String.duplicate(" ", indent + 2)
    first = Enum.map(arguments, &long_argument(&1, indent, String.length(word) + 1))

    rest =
      for {key, value} <- fields do
        key = key(key)
        [key, Print.layout(value, indent + 2, indent + 3 + String.length(key))]
      end

    [word, " ", Enum.intersperse(first ++ rest, [",", margin])]
  end

  defp long_argument(term, indent, column) do
    text = Print.layout(term, indent, indent + column + 1)
    guarded(term, text)
  end

  defp argument(term), do: guarded(term, Print.flat(term))

  # `call -1` would be a subtraction.
  defp guarded(term, text) when is_number(term) and term < 0, do: "(#{text})"
  defp guarded(_term, text), do: text

  defp key(key), do: "#{key}: "
end
