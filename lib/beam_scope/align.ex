defmodule BeamScope.Align do
  @moduledoc """
  What was expected beside what happened: two sequences of terms, entry by entry.

      iex> align = BeamScope.Align.align([:open, {:read, 1}, :close], [:open, {:read, 2}, :flush, :close])
      iex> Enum.map(align, & &1.kind)
      [:matched, :different, :unexpected, :matched]
      iex> BeamScope.Align.equal?(align)
      false
      iex> BeamScope.Align.first(align).diff |> BeamScope.Diff.changes()
      [{[1], {:changed, 1, 2}}]

  Each entry of both sequences is in exactly one `%BeamScope.Align.Entry{}`, whose `kind` is

    * `:matched` – as expected
    * `:different` – nearly as expected: a pair, with a `%BeamScope.Diff{}` from expected to actual
    * `:out_of_order` – there on both sides, but elsewhere; it stands where the first of its two places is
    * `:missing` – expected, and not there
    * `:unexpected` – there, and not expected

  An entry that is nearly equal to the one expected in its place is paired with it, rather than told as one missing and one
  unexpected. Of several explanations, the one that leaves the fewest entries to be explained is taken.

  What a recording truncated or redacted never matches for sure, not even itself: such entries are `:different`, with a diff
  that says what is not known.

  Fields: `entries`; `counts`, a map of how many entries there are of each kind; `exact?`, whether there was time enough to find
  the best alignment (else it is a valid one). An alignment is enumerable and prints itself, see `BeamScope.Terminal.Align`.
  """

  alias BeamScope.{Diff, Error, Native}
  alias BeamScope.Align.Entry

  @kinds [:matched, :different, :out_of_order, :missing, :unexpected]

  defstruct entries: [], counts: Map.new(@kinds, &{&1, 0}), exact?: true

  @type kind :: :matched | :different | :out_of_order | :missing | :unexpected
  @type t :: %__MODULE__{
          entries: [Entry.t()],
          counts: %{required(kind) => non_neg_integer},
          exact?: boolean
        }

  defmodule Entry do
    @moduledoc """
    An entry of an alignment: its `kind`, the terms `expected` and `actual` with their places `expected_at` and `actual_at`
    (from 0, in the lists that were given; `nil` where there is none), and for a pair that differs its `diff`.
    """
    @enforce_keys [:kind]
    defstruct [:kind, :expected, :actual, :expected_at, :actual_at, :diff]

    @type t :: %__MODULE__{
            kind: BeamScope.Align.kind(),
            expected: term,
            actual: term,
            expected_at: non_neg_integer | nil,
            actual_at: non_neg_integer | nil,
            diff: Diff.t() | nil
          }
  end

  @doc """
  Aligns two enumerables.

  Options:

    * `by:` – a function from an entry to the term that is compared; the entry itself by default
    * `group:` – a function from an entry to whatever tells whose it is, or of which kind: entries of different groups are
      never paired, and so never `:matched`, `:different` or `:out_of_order` with each other
    * `deadline:` – how long it may take, in milliseconds (500)

  ## Example

      iex> expected = [{:a, 1}, {:b, 1}]
      iex> actual = [{:b, 1}, {:a, 1}]
      iex> Enum.map(BeamScope.Align.align(expected, actual), & &1.kind)
      [:out_of_order, :matched]
      iex> Enum.map(BeamScope.Align.align(expected, actual, by: &elem(&1, 1)), & &1.kind)
      [:matched, :matched]
      iex> Enum.map(BeamScope.Align.align([{:a, 1}], [{:b, 1}], group: &elem(&1, 0)), & &1.kind)
      [:missing, :unexpected]
  """
  @spec align(Enumerable.t(), Enumerable.t(), keyword) :: t
  def align(expected, actual, opts \\ []) do
    opts = Keyword.validate!(opts, by: & &1, group: fn _ -> nil end, deadline: 500)
    {expected, actual} = {Enum.to_list(expected), Enum.to_list(actual)}
    limits = %{deadline_ms: deadline(opts[:deadline])}

    case Native.align(native(expected, opts), native(actual, opts), limits) do
      {:ok, found} -> new(found, List.to_tuple(expected), List.to_tuple(actual))
      {:error, {reason, detail}} -> raise Error, reason: reason, detail: detail
    end
  end

  defp deadline(ms) when is_integer(ms) and ms >= 0, do: ms

  defp deadline(other) do
    raise Error, reason: :invalid_option, detail: %{key: :deadline, value: other, expected: "milliseconds"}
  end

  defp native(entries, opts) do
    {by, group} = {opts[:by], opts[:group]}
    Enum.map(entries, &{by.(&1), group.(&1)})
  end

  defp new(%{steps: steps, exact: exact?}, expected, actual) do
    entries = Enum.map(steps, &entry(&1, expected, actual))
    counts = Enum.frequencies_by(entries, & &1.kind)
    %__MODULE__{entries: entries, counts: Map.merge(%__MODULE__{}.counts, counts), exact?: exact?}
  end

  defp entry({:missing, at}, expected, _actual),
    do: %Entry{kind: :missing, expected: elem(expected, at), expected_at: at}

  defp entry({:unexpected, at}, _expected, actual),
    do: %Entry{kind: :unexpected, actual: elem(actual, at), actual_at: at}

  defp entry({:different, e, a, diff}, expected, actual),
    do: %{entry({:different, e, a}, expected, actual) | diff: Diff.new(diff)}

  defp entry({kind, e, a}, expected, actual) do
    %Entry{kind: kind, expected: elem(expected, e), expected_at: e, actual: elem(actual, a), actual_at: a}
  end

  @doc """
  Whether all entries matched.

      iex> BeamScope.Align.equal?(BeamScope.Align.align(1..3, [1, 2, 3]))
      true
  """
  @spec equal?(t) :: boolean
  def equal?(%__MODULE__{entries: entries, counts: counts}), do: counts.matched == length(entries)

  @doc """
  The first entry that is not as expected, or `nil`.

      iex> BeamScope.Align.first(BeamScope.Align.align([1, 2], [1])).kind
      :missing
  """
  @spec first(t) :: Entry.t() | nil
  def first(%__MODULE__{entries: entries}), do: Enum.find(entries, &(&1.kind != :matched))

  @doc """
  The one sentence that says where the two went apart, or `nil` where they did not.

  `who:` names whose sequence it is. See `BeamScope.Align.Sentence` for entries that it has words for.

      iex> align = BeamScope.Align.align([{:ok, 1}, {:ok, 2}], [{:ok, 1}, {:ok, 3}])
      iex> BeamScope.Align.sentence(align)
      "{:ok, 3} came as entry 2; {:ok, 2} was expected."
  """
  @spec sentence(t, keyword) :: String.t() | nil
  defdelegate sentence(align, opts \\ []), to: BeamScope.Align.Sentence, as: :say

  defimpl Enumerable do
    def count(align), do: {:ok, length(align.entries)}
    def member?(align, entry), do: {:ok, Enum.member?(align.entries, entry)}
    def slice(_align), do: {:error, __MODULE__}
    def reduce(align, acc, fun), do: Enumerable.List.reduce(align.entries, acc, fun)
  end

  defimpl Inspect do
    alias BeamScope.Terminal.{Align, Style}

    def inspect(align, opts),
      do: opts |> Style.from_inspect() |> then(&Style.to_doc(Align.lines(align, &1), &1))
  end
end
