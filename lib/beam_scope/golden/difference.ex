defmodule BeamScope.Golden.Difference do
  @moduledoc false
  # Two stories against each other, role by role, and how that is told.

  alias BeamScope.{Align, Diff}
  alias BeamScope.Align.Step
  alias BeamScope.Golden.{Roles, Text}
  alias BeamScope.Terminal.{Style, Term}

  @doc "What differs, if anything does."
  @spec find(map, map, Path.t()) :: :ok | {:different, BeamScope.Golden.difference()}
  def find(expected, actual, path) do
    case expected |> aligned(actual) |> Enum.reject(fn {_role, align} -> Align.equal?(align) end) do
      [] -> :ok
      differing -> {:different, different(Enum.sort_by(differing, &moment/1), expected, actual, path)}
    end
  end

  defp aligned(expected, actual) do
    {expected, actual} = {Map.new(expected.roles), Map.new(actual.roles)}

    for role <- Map.keys(expected) ++ (Map.keys(actual) -- Map.keys(expected)) do
      {role, align(Map.get(expected, role, []), Map.get(actual, role, []))}
    end
  end

  @doc "The steps of a role against those that were expected. The message weighs as much as all that came of it."
  @spec align([Step.t()], [Step.t()]) :: Align.t()
  def align(expected, actual),
    do: Align.align(expected, actual, by: &{&1.message, details(&1)}, group: &{&1.what, &1.order})

  defp details(step), do: Map.take(step, [:from, :to, :reply, :state, :handler])

  # Which role went another way first: by the first step that is not as expected; for one that is missing, the one before.
  defp moment({role, align}) do
    {before, [first | _]} = Enum.split_while(align.entries, &(&1.kind == :matched))

    seq =
      [first | Enum.reverse(before)]
      |> Enum.find_value(fn entry -> entry.actual && entry.actual.seq end)

    {seq || -1, Roles.text(role)}
  end

  defp different([{role, align} | _] = differing, expected, actual, path) do
    sentence = sentence(role, align)

    %{
      path: path,
      sentence: sentence,
      message: message(sentence, differing, path),
      align: differing,
      expected: Text.render(expected),
      actual: Text.render(actual)
    }
  end

  defp sentence(role, %{counts: counts} = align) do
    steps = length(align.entries)

    cond do
      counts.missing == steps ->
        "#{Roles.text(role)} did nothing; #{Style.count(steps, "step")} expected."

      counts.unexpected == steps ->
        "#{Roles.text(role)} was not expected, and did #{Style.count(steps, "step")}."

      true ->
        Align.sentence(align, who: role)
    end
  end

  defp message(sentence, [{role, align} | others], path) do
    style = Style.new()

    [
      Style.render(Style.wrap([{:heading, sentence}], style.width, 4), style),
      ["\n\n", Style.render([[{:name, Roles.text(role)}] | excerpt(align, style)], style), "\n"],
      others(others, style),
      # A path is for copying: it is never cut.
      ["\ngolden execution: ", path, "\n"],
      [Style.render([[{:dim, "If this is as it should be: BEAM_SCOPE_UPDATE=1 mix test"}]], style), "\n"]
    ]
  end

  defp others([], _style), do: []

  defp others(others, style) do
    names = Enum.map_join(others, ", ", fn {role, _align} -> Roles.text(role) end)
    ["\n", Style.render(Style.wrap(["Different as well: " <> names], style.width, 4), style), "\n"]
  end

  @doc "The excerpt around the first divergence of a role."
  def excerpt(align, style),
    do: BeamScope.Terminal.Align.excerpt(align, style, sentence: false, text: &text/2, diff: &diff/1)

  defp text(%Step{} = step, _width), do: Text.flat(step)
  defp text(other, width), do: Term.text(other, width)

  @doc "What differs between two steps, in the words of the file."
  @spec diff(Align.Entry.t()) :: Diff.t()
  def diff(%{expected: expected, actual: actual}), do: Diff.diff(fields(expected), fields(actual))

  defp fields(step) do
    for {key, value} <- Map.take(step, [:what, :message, :from, :to, :reply, :state, :handler]),
        value != nil,
        into: %{} do
      {key, if(key in [:reply, :state], do: elem(value, 1), else: value)}
    end
  end
end
