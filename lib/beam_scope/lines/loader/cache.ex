defmodule BeamScope.Lines.Loader.Cache do
  @moduledoc """
  Instrumented code, kept for whoever wants the same again: a test, of the module that the test before it recorded. To make it takes tens of
  milliseconds.

  It holds code and source of what was recorded, so it is small, and gone with the loader. What is in it keeps its site ids to itself: nobody
  else gets them.
  """

  @most 16
  @most_bytes 16_000_000

  @typedoc "A module, the MD5 of its original and the functions that are instrumented."
  @type key :: {module(), binary(), :all | [{atom(), arity()}]}

  @typedoc "The latest first."
  @type t :: [{key(), map()}]

  @doc """
  What is kept under a key, and the cache in which it is the latest.

      iex> alias BeamScope.Lines.Loader.Cache
      iex> cache = Cache.put([], {M, "md5", :all}, %{binary: "code"})
      iex> {%{binary: "code"}, ^cache} = Cache.get(cache, {M, "md5", :all})
      iex> Cache.get(cache, {M, "other", :all})
      nil
  """
  @spec get(t(), key()) :: {map(), t()} | nil
  def get(cache, key) do
    case :lists.keytake(key, 1, cache) do
      {:value, {^key, made} = entry, rest} -> {made, [entry | rest]}
      false -> nil
    end
  end

  @doc "Adds what was made, and drops what was not asked for longest where it gets too much."
  @spec put(t(), key(), map()) :: t()
  def put(cache, key, made), do: within([{key, made} | :lists.keydelete(key, 1, cache)], @most, @most_bytes)

  defp within([{_, %{binary: binary}} = entry | rest], n, bytes) when n > 0 and byte_size(binary) <= bytes,
    do: [entry | within(rest, n - 1, bytes - byte_size(binary))]

  defp within(_rest, _n, _bytes), do: []
end
