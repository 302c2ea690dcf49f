defmodule BeamScope.Expect.Nearest do
  @moduledoc false
  # How something that happened differs from what a step expects: which part does not match, and in what.

  alias BeamScope.{Diff, Event, Native, Transition, Unknown}
  alias BeamScope.Expect.{Party, Step, Stencil, Words}
  alias BeamScope.Terminal.Term

  # `failed` is the part that does not match (its role), `:guard` when all parts do and the guard does not, `:party` when it is
  # somebody else's, `nil` when it matches; `unknown` why that cannot be said. `known` is what earlier steps bound, `bindings` that and its own.
  defstruct [:step, :subject, :failed, :diff, :unknown, terms: [], known: %{}, bindings: %{}]

  @type t :: %__MODULE__{}

  @doc "Compares a subject with a step. `known` are variables that earlier steps bound."
  @spec new(Step.t(), struct, map) :: t
  def new(%Step{} = step, subject, known \\ %{}) do
    {heads, guard} = Step.heads(step)
    heads = Stencil.bind(heads, known)
    terms = heads |> Enum.zip(candidates(step, subject)) |> Enum.map(&best/1)

    %__MODULE__{step: step, subject: subject, terms: terms, known: known, bindings: known}
    |> parts(Enum.zip([step.parts, heads, terms]))
    |> parties()
    |> guard(guard)
  end

  @doc "Whether a subject is of the step's kind and matches it, its variables aside that others bind."
  @spec fits?(Step.t(), struct) :: boolean
  def fits?(%Step{} = step, subject), do: of_kind?(step, subject) and new(step, subject).failed == nil

  defp of_kind?(%Step{what: what}, %Transition{}), do: what in [:state, :transition, :crashed]
  defp of_kind?(%Step{what: :called, mfa: {m, f, _}}, %Event{mfa: mfa}), do: match?({^m, ^f, _}, mfa)
  defp of_kind?(%Step{what: :sent}, %Event{kind: kind}), do: kind in [:send, :send_to_dead]
  defp of_kind?(%Step{what: :received}, %Event{kind: kind}), do: kind == :receive
  defp of_kind?(%Step{what: what}, %Event{kind: kind}) when what in [:crashed, :exited], do: kind == :exit
  defp of_kind?(_step, _subject), do: false

  @doc "The terms that the parts of a step are asked of; a message may be asked of as a whole or of what it carries."
  def candidates(%Step{what: :state}, %Transition{to: to}), do: [[to]]

  def candidates(%Step{what: :transition}, %Transition{} = t),
    do: [[t.from], [t.to], Enum.uniq([t.content, t.message])]

  def candidates(%Step{what: :called}, %Event{mfa: {_, _, args}} = e), do: [[args], [e.value]]
  def candidates(%Step{what: :crashed}, %Transition{result: {:crash, _class, reason}}), do: [reasons(reason)]
  def candidates(%Step{what: :crashed}, %Transition{result: result}), do: [[result]]

  def candidates(%Step{what: what}, %Event{reason: reason}) when what in [:crashed, :exited],
    do: [reasons(reason)]

  def candidates(%Step{}, %Event{} = e), do: [Enum.uniq([e.content, e.message])]

  # An error leaves its stacktrace beside the reason.
  defp reasons({reason, [{_, _, _, _} | _]} = whole), do: [reason, whole]
  defp reasons(reason), do: [reason]

  defp best({_head, [one]}), do: one
  defp best({head, several}), do: Enum.min_by(several, &distance(head, &1))

  defp distance(head, term) do
    case head |> Stencil.diff(term) |> Diff.changes() do
      [{[], _}] -> 1_000_000
      changes -> length(changes)
    end
  end

  defp parts(nearest, []), do: nearest

  defp parts(nearest, [{{role, _, _}, head, term} | rest]) do
    head = Stencil.bind(head, nearest.bindings)

    case match(head, term) do
      {:match, bindings} -> parts(%{nearest | bindings: Map.merge(nearest.bindings, bindings)}, rest)
      {:unknown, why} -> %{nearest | failed: role, unknown: why}
      :nomatch -> %{nearest | failed: role, diff: Stencil.diff(head, term)}
    end
  end

  defp match(:any, _term), do: {:match, %{}}
  defp match(_head, %Unknown{reason: reason}), do: {:unknown, reason}
  defp match(head, term), do: Native.match({:pattern, head, nil}, term)

  defp parties(%__MODULE__{failed: nil, step: step, subject: subject} = nearest) do
    Enum.reduce(Party.of(step, subject), nearest, fn {name, pid}, nearest ->
      case nearest.bindings do
        %{^name => ^pid} -> nearest
        %{^name => _other} -> %{nearest | failed: :party}
        bindings -> %{nearest | bindings: Map.put(bindings, name, pid)}
      end
    end)
  end

  defp parties(nearest), do: nearest

  defp guard(%__MODULE__{failed: nil} = nearest, guard) when guard != nil do
    guard = Stencil.bind(guard, nearest.bindings)

    case Native.match({:pattern, :any, guard}, nil) do
      {:match, _} -> nearest
      {:unknown, why} -> %{nearest | failed: :guard, unknown: why}
      # Also where a variable of another step is not bound yet.
      _no -> %{nearest | failed: :guard}
    end
  end

  defp guard(nearest, _guard), do: nearest

  @doc "The term of the part that does not match, of the last part when all do."
  def term(%__MODULE__{} = nearest) do
    case index(nearest) do
      nil -> List.last(nearest.terms)
      index -> Enum.at(nearest.terms, index)
    end
  end

  @doc "What was expected of it, as it was written: the pattern of that part, or all where no single part is to blame."
  def source(%__MODULE__{failed: failed, step: %Step{what: :transition, parts: [_, {:to, to, _} | _]} = step})
      when failed in [:to, :guard] and to != nil,
      do: Words.flat(to) <> guarded(step)

  def source(%__MODULE__{failed: :result, step: %Step{parts: [_, {:result, result, _}]}}),
    do: Words.flat(result)

  def source(%__MODULE__{step: step}), do: Words.source(step)

  defp guarded(%Step{guards: nil}), do: ""
  defp guarded(%Step{guards: {text, _}}), do: " when " <> text

  defp index(%__MODULE__{failed: role, step: step}), do: Enum.find_index(step.parts, &(elem(&1, 0) == role))

  @doc """
  Whether the two have something in common: whether to speak of the one as what came instead of the other.
  """
  def kin?(%__MODULE__{failed: failed}) when failed in [:guard, :party], do: true
  def kin?(%__MODULE__{diff: nil}), do: false
  def kin?(%__MODULE__{diff: diff}), do: diff |> Diff.changes() |> Enum.all?(&kin_change?/1)

  defp kin_change?({[], {:changed, a, b}}),
    do: Enum.any?([&is_number/1, &is_binary/1, &is_atom/1], &(&1.(a) and &1.(b)))

  defp kin_change?(_inside), do: true

  @doc "Why the guard does not hold: its text, and the values of its variables."
  def guard_text(%__MODULE__{failed: :guard, step: %Step{guards: {text, _}} = step, bindings: bindings}) do
    {_heads, guard} = Step.heads(step)

    values =
      for name <- guard |> variables() |> Enum.uniq(), is_map_key(bindings, name), do: value(name, bindings)

    "the guard #{text} does not hold" <> if(values == [], do: "", else: " for " <> Enum.join(values, ", "))
  end

  def guard_text(_nearest), do: nil

  defp value(name, bindings), do: "#{name} = #{Term.text(Map.fetch!(bindings, name), 40)}"

  @doc "The variables of pattern data."
  def variables({:lit, _}), do: []
  def variables({:var, name}), do: [name]
  def variables({:map, pairs}), do: Enum.flat_map(pairs, &variables(elem(&1, 1)))
  def variables(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> variables()
  def variables(list) when is_list(list), do: Enum.flat_map(list, &variables/1)
  def variables(_other), do: []
end
