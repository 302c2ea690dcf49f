defmodule BeamScope.Tui.Steps do
  @moduledoc """
  The ways of the cursor: steps, jumps and searches; and of the choice of a process.
  """

  alias BeamScope.{Error, Replay}
  alias BeamScope.Terminal.Processes
  alias BeamScope.Tui.{Forest, Model, Place, Search}

  @doc "One step, of the process that was picked or of all."
  @spec step(Model.t(), Replay.by(), :forward | :backward) :: Model.t()
  def step(model, by, direction) do
    opts = [by: by] ++ Search.of(who(model))

    case if(direction == :forward, do: Replay.next(model.cursor, opts), else: Replay.prev(model.cursor, opts)) do
      {:ok, cursor} -> stand(model, cursor)
      {:error, %Error{reason: :not_found}} -> say(model, no_more(by, direction, model))
      {:error, error} -> failed(model, error)
    end
  end

  defp no_more(by, direction, model) do
    what = %{event: "event", message: "handled message", state: "change of a state", line: "line"}[by]
    where = if direction == :forward, do: "after this", else: "before this"
    "No #{what}#{of(model)} #{where}"
  end

  @doc "To a moment."
  @spec jump(Model.t(), BeamScope.moment()) :: Model.t()
  def jump(model, moment) do
    case Replay.at(model.cursor, moment) do
      {:ok, cursor} -> stand(model, cursor)
      {:error, error} -> failed(model, error)
    end
  end

  @doc "To the next place that a search finds; it is kept for `again/2`."
  @spec search(Model.t(), Search.t(), :forward | :backward) :: Model.t()
  def search(model, search, direction), do: again(%{model | search: search}, direction)

  @doc "The same once more."
  @spec again(Model.t(), :forward | :backward) :: Model.t()
  def again(%{search: nil} = model, _direction), do: say(model, "Nothing was searched for yet: / asks for it")

  def again(model, direction) do
    case Search.run(model.cursor, model.search, who(model), direction) do
      {:ok, cursor} -> stand(model, cursor)
      {:error, %Error{reason: :not_found} = error} -> say(model, text(error) <> other_way(direction))
      {:error, error} -> failed(model, error)
    end
  end

  defp other_way(:forward), do: " (N looks back)"
  defp other_way(:backward), do: " (n looks ahead)"

  @doc "What was typed at a prompt."
  @spec answer(Model.t(), BeamScope.Tui.Prompt.kind(), String.t()) :: Model.t()
  def answer(model, :search, text) do
    case Search.parse(text) do
      {:ok, search} -> search(model, search, :forward)
      {:error, why} -> say(model, why)
    end
  end

  def answer(model, :place, text) do
    case Place.parse(text) do
      {:ok, moment} -> jump(model, moment)
      {:error, why} -> say(model, why)
    end
  end

  # From the row below the cursor on, and around: the same text again finds the next one.
  def answer(model, :process, text) do
    part = String.downcase(text)
    {before, rest} = Enum.split(model.tree, model.row + 1)

    case Enum.find(rest ++ before, &(label(&1.process) |> String.downcase() |> String.contains?(part))) do
      nil -> say(model, "No process that is shown has #{text} in its name")
      row -> %{model | selected: row.track, row: Forest.index(model.tree, row.track), focus: :tree}
    end
  end

  @doc "Picks the selected process: steps and searches are of it alone; of all again, if it was."
  @spec pick(Model.t()) :: Model.t()
  def pick(%{member: nil} = model), do: %{model | picked: nil}

  def pick(%{member: %{process: process}} = model) do
    who = selector(process)

    if who(model) == who,
      do: %{model | picked: nil},
      else: %{model | picked: %{who: who, label: label(process)}}
  end

  # A name goes on where the process does not: a restarted server is one story.
  defp selector(%{name: name}) when is_atom(name) and name not in [nil, true, false], do: name
  defp selector(%{track: track}), do: track

  defp who(%{picked: nil}), do: nil
  defp who(%{picked: %{who: who}}), do: who

  defp of(%{picked: nil}), do: ""
  defp of(%{picked: %{label: label}}), do: " of " <> label

  defp label(process), do: Processes.label(process)

  # The panes follow what happens: they are about the process that this event happened to.
  defp stand(model, cursor) do
    scroll = Map.take(model.scroll, [:overlay])
    %{model | cursor: cursor, selected: cursor.event.track, scroll: scroll}
  end

  defp failed(model, error), do: say(model, text(error))
  defp text(error), do: error |> Exception.message() |> String.replace("\n", " ")

  defp say(model, text), do: %{model | said: text}
end
