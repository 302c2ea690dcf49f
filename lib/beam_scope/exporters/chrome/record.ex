defmodule BeamScope.Exporters.Chrome.Record do
  @moduledoc false
  # The records of Chrome's Trace Event Format, each on a line of its own. All tracks are threads of one process.

  alias BeamScope.Export.Words
  alias BeamScope.Exporters.Json

  @pid 1

  @doc "What the process is called: the first record, so no comma stands before it."
  @spec process(String.t()) :: iodata
  def process(name), do: Json.encode(%{name: "process_name", ph: "M", pid: @pid, args: %{name: name}})

  @doc "What a track is called, and its place."
  @spec thread(non_neg_integer, String.t()) :: iodata
  def thread(track, name) do
    [
      put(%{name: "thread_name", ph: "M", tid: tid(track), args: %{name: name}}),
      put(%{name: "thread_sort_index", ph: "M", tid: tid(track), args: %{sort_index: track}})
    ]
  end

  @doc "A slice begins; `close/3` ends the innermost of its track."
  @spec open(String.t(), atom, non_neg_integer, non_neg_integer, map) :: iodata
  def open(name, category, track, ns, args),
    do: put(%{name: name, cat: category, ph: "B", args: args}, track, ns)

  @doc "A slice ends."
  @spec close(non_neg_integer, non_neg_integer, map) :: iodata
  def close(track, ns, args), do: put(%{ph: "E", args: args}, track, ns)

  @doc "A slice whose length is known."
  @spec slice(String.t(), String.t(), non_neg_integer, non_neg_integer, non_neg_integer, map) :: iodata
  def slice(name, category, track, ns, length_ns, args),
    do: put(%{name: name, cat: category, ph: "X", dur: Words.us(length_ns), args: args}, track, ns)

  @doc "A mark on a track, or through all of them."
  @spec instant(String.t(), String.t(), non_neg_integer | nil, non_neg_integer, map) :: iodata
  def instant(name, category, nil, ns, args),
    do: put(%{name: name, cat: category, ph: "i", s: "g", tid: 0, ts: Words.us(ns), args: args})

  def instant(name, category, track, ns, args),
    do: put(%{name: name, cat: category, ph: "i", s: "t", args: args}, track, ns)

  @doc "A number at a moment, of a track or of all."
  @spec counter(String.t(), non_neg_integer | nil, non_neg_integer, map) :: iodata
  def counter(name, nil, ns, args), do: put(%{name: name, ph: "C", tid: 0, ts: Words.us(ns), args: args})
  def counter(name, track, ns, args), do: put(%{name: name, ph: "C", args: args}, track, ns)

  @doc "From the slice at one track and time to that at another."
  @spec arrow(String.t(), integer, {non_neg_integer, non_neg_integer}, {non_neg_integer, non_neg_integer}) ::
          iodata
  def arrow(name, id, {from, from_ns}, {to, to_ns}) do
    record = %{name: name, cat: "flow", id: id, bp: "e"}
    [put(Map.put(record, :ph, "s"), from, from_ns), put(Map.put(record, :ph, "f"), to, to_ns)]
  end

  defp put(record, track, ns), do: put(Map.merge(record, %{tid: tid(track), ts: Words.us(ns)}))

  defp put(record),
    do: [
      ",\n",
      record |> Map.put(:pid, @pid) |> Map.update(:args, nil, &present/1) |> present() |> Json.encode()
    ]

  defp present(map), do: Map.reject(map, fn {_key, value} -> value == nil end)

  # Perfetto takes thread 0 for the idle one, and that with the number of its process for the main one.
  defp tid(track), do: track + @pid + 1
end
