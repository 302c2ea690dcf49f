defmodule BeamScope.Diff do
  @moduledoc """
  What differs between two terms, to print or to walk.

  `BeamScope.diff/2` makes one of any two terms, and each transition of a history has one of the states before and after.

      iex> diff = BeamScope.Diff.diff(%{count: 1, name: "a"}, %{count: 2, name: "a"})
      iex> BeamScope.Diff.changes(diff)
      [{[:count], {:changed, 1, 2}}]
      iex> inspect(diff)
      "- count: 1\\n+ count: 2  … 1 unchanged"

  Maps and structs of one name are compared by key, keyword lists with unique keys as maps of their keys, lists and
  strings by alignment (nearly equal elements count as one that changed), `MapSet`s by member and tuples of one size by
  position, at any depth. What a recording truncated or redacted is never the same as anything: it is told as unknown.
  Differences are followed 64 levels down; past 128 levels a term given here counts as truncated.

  A diff is enumerable: its elements are those of `changes/1`.
  """

  alias BeamScope.Diff.Printer
  alias BeamScope.Native
  alias BeamScope.Terminal.Style

  @enforce_keys [:tree]
  defstruct [:tree, same?: false]

  @typedoc """
  Keys of maps and keyword lists, indices of lists and tuples from 0. An index of a list counts in the new list, of
  something removed in the old one.
  """
  @type path :: [term]

  @typedoc """
  One change. `:unknown` is a part that was not captured, or what there may be beyond the captured part of a container;
  `:reordered` a keyword list with the same keys in another order.
  """
  @type change ::
          {:added, term}
          | {:removed, term}
          | {:changed, old :: term, new :: term}
          | {:unknown, :truncated | :redacted}
          | :reordered

  @type t :: %__MODULE__{tree: tuple | atom, same?: boolean}

  @doc "What differs between two terms."
  @spec diff(term, term) :: t
  def diff(a, b), do: a |> Native.diff(b) |> new()

  @doc false
  # The core's diff term, see native/beam_scope_nif/src/calls/diff.rs.
  @spec new(tuple | atom) :: t
  def new({:error, {reason, detail}}), do: raise(BeamScope.Error, reason: reason, detail: detail)
  def new(tree), do: %__MODULE__{tree: tree, same?: tree == :same}

  @doc """
  Whether the two terms are the same, for sure: not where a part of them is not known.

      iex> BeamScope.Diff.equal?(BeamScope.Diff.diff([1, 2], [1, 2]))
      true
  """
  @spec equal?(t) :: boolean
  def equal?(%__MODULE__{same?: same?}), do: same?

  @doc """
  Every change with the path to it, as a flat list.

      iex> old = %{user: %{name: "a", tags: [:x]}, n: 1}
      iex> new = %{user: %{name: "b", tags: [:x, :y]}, n: 1}
      iex> BeamScope.Diff.changes(BeamScope.Diff.diff(old, new))
      [{[:user, :name], {:changed, "a", "b"}}, {[:user, :tags, 1], {:added, :y}}]
  """
  @spec changes(t) :: [{path, change}]
  def changes(%__MODULE__{tree: tree}), do: tree |> flat([], []) |> Enum.reverse()

  @doc "The diff as lines for a terminal, see `BeamScope.Terminal.Style`."
  @spec lines(t, Style.t()) :: [Style.line()]
  def lines(%__MODULE__{tree: tree}, %Style{} = style \\ Style.new()), do: Printer.lines(tree, style)

  # ---- walking ----

  defp flat(:same, _path, done), do: done
  defp flat({:unknown, why}, path, done), do: add(done, path, {:unknown, why})
  defp flat({:replace, old, new}, path, done), do: add(done, path, {:changed, old, new})

  defp flat({:map, _name, changes, _unchanged, hidden}, path, done) do
    changes |> sort() |> Enum.reduce(done, &keyed(&1, path, &2)) |> hidden(path, hidden)
  end

  defp flat({:keyword, changes, _unchanged, reordered?}, path, done) do
    done = Enum.reduce(changes, done, &keyed(&1, path, &2))
    if reordered?, do: add(done, path, :reordered), else: done
  end

  defp flat({:set, removed, added, _unchanged}, path, done) do
    done = Enum.reduce(Enum.sort(removed), done, &add(&2, path, {:removed, &1}))
    Enum.reduce(Enum.sort(added), done, &add(&2, path, {:added, &1}))
  end

  defp flat({:tuple, changes, _unchanged, hidden}, path, done) do
    changes
    |> Enum.reduce(done, fn {index, tree}, done -> flat(tree, [index | path], done) end)
    |> hidden(path, hidden)
  end

  defp flat({:list, steps, hidden}, path, done) do
    steps |> indexed() |> Enum.reduce(done, &keyed(&1, path, &2)) |> hidden(path, hidden)
  end

  defp flat({:string, parts, _kind, hidden}, path, done) do
    {old, new} = strings(parts)
    done |> add(path, {:changed, old, new}) |> hidden(path, hidden)
  end

  defp keyed({key, :changed, tree}, path, done), do: flat(tree, [key | path], done)
  defp keyed({key, how, value}, path, done), do: add(done, [key | path], {how, value})

  defp hidden(done, _path, nil), do: done
  defp hidden(done, path, why), do: add(done, path, {:unknown, why})

  defp add(done, path, change), do: [{Enum.reverse(path), change} | done]

  @doc false
  # Maps have no order of their own: the order of the keys.
  def sort(changes), do: Enum.sort_by(changes, &elem(&1, 0))

  @doc false
  # The steps of a list as changes of its elements, by index.
  def indexed(steps) do
    {changes, _old, _new} =
      Enum.reduce(steps, {[], 0, 0}, fn
        {:keep, n}, {done, old, new} -> {done, old + n, new + n}
        {:change, tree}, {done, old, new} -> {[{new, :changed, tree} | done], old + 1, new + 1}
        {:remove, items}, {done, old, new} -> {run(items, old, :removed, done), old + length(items), new}
        {:add, items}, {done, old, new} -> {run(items, new, :added, done), old, new + length(items)}
      end)

    Enum.reverse(changes)
  end

  defp run(items, from, how, done) do
    items
    |> Enum.with_index(from)
    |> Enum.reduce(done, fn {item, index}, done -> [{index, how, item} | done] end)
  end

  @doc false
  # The old and the new binary.
  def strings(parts) do
    {for({kind, part} <- parts, kind != :add, into: "", do: part),
     for({kind, part} <- parts, kind != :remove, into: "", do: part)}
  end

  defimpl Enumerable do
    def count(_diff), do: {:error, __MODULE__}
    def member?(_diff, _change), do: {:error, __MODULE__}
    def slice(_diff), do: {:error, __MODULE__}
    def reduce(diff, acc, fun), do: Enumerable.List.reduce(BeamScope.Diff.changes(diff), acc, fun)
  end

  defimpl Inspect do
    alias BeamScope.Terminal.Style

    @lines 100

    def inspect(diff, opts) do
      style = Style.from_inspect(opts)
      {shown, rest} = diff |> BeamScope.Diff.lines(style) |> Enum.split(most(opts.limit))
      Style.to_doc(shown ++ more(length(rest)), style)
    end

    defp most(:infinity), do: 1_000_000
    defp most(limit), do: max(limit, @lines)

    defp more(0), do: []
    defp more(n), do: [[{:dim, "  … #{Style.count(n, "more line")} (BeamScope.Diff.changes/1 has all)"}]]
  end
end
