defmodule BeamScope.Recording.Sites do
  @moduledoc """
  What the numbers of `:line` events stand for: the function, the line and the variables, from the tables that a recording keeps of the
  code that was instrumented for it (`info.code.instrumented`).
  """

  alias BeamScope.{Event, Recorder, Recording}

  @type tables :: %{module => map}

  @doc "Events with what is known of their places filled in. The tables are read only if there is a line among them."
  @spec fill([Event.t()], Recording.t()) :: [Event.t()]
  def fill(events, %Recording{} = rec) do
    if Enum.any?(events, &(&1.kind == :line)), do: fill_from(events, tables(rec)), else: events
  end

  @doc "The same from tables."
  @spec fill_from([Event.t()], tables) :: [Event.t()]
  def fill_from(events, tables) do
    sites =
      Enum.sort(for %{module: module, first_id: first} = table <- all(tables), do: {first, module, table})

    Enum.map(events, &site(&1, sites))
  end

  @doc "The tables of a recording; empty where no code was instrumented, or the recording is closed."
  @spec tables(Recording.t()) :: tables
  def tables(rec) do
    case read(rec) do
      {:ok, tables} -> tables
      {:error, _} -> %{}
    end
  end

  @doc "The same; the error says why a recording cannot be asked."
  @spec read(Recording.t()) :: {:ok, tables} | {:error, BeamScope.Error.t()}
  def read(rec) do
    with {:ok, info} <- Recorder.info(rec), do: {:ok, get_in(info[:code] || %{}, [:instrumented]) || %{}}
  end

  @doc "All tables, those of a module that was instrumented once more included."
  @spec all(tables) :: [map]
  def all(tables),
    do: Enum.flat_map(tables, fn {_module, table} -> [table | Map.get(table, :earlier, [])] end)

  defp site(%Event{kind: :line, what: id} = event, tables) do
    with {_, module, %{sites: %{^id => site}}} <- Enum.find(tables, &within?(&1, id)),
         %{function: {function, arity}, line: line} <- site do
      %{
        event
        | mfa: {module, function, arity},
          line: line,
          variables: variables(site, event.value)
      }
    else
      _ -> event
    end
  end

  defp site(event, _tables), do: event

  # What has no name in the source was recorded to tell why a clause was taken.
  defp variables(%{variables: variables}, values) do
    names = for {_form, name, _nth, _line} <- variables, do: name
    for {name, _} = variable when name != nil <- Event.variables(names, values), do: variable
  end

  defp within?({first, _module, %{next_id: next}}, id), do: id >= first and id < next
end
