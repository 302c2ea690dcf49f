defmodule BeamScope.Tui.Model do
  @moduledoc """
  What the viewer shows, and what each key makes of it.

  `update/2` takes a key and answers the next model; `refresh/1` asks the recording, once for many keys, what is so at the
  cursor. A recording does not change, so the same keys always lead to the same model, and a test needs no terminal.
  """

  alias BeamScope.{Recording, Replay, World}
  alias BeamScope.Tui.{Ask, Forest, Outline, Prompt, Steps, Timeline}

  @panes [:tree, :change, :state, :mailbox, :flight]
  # Rows that a page key passes over.
  @page 10

  @enforce_keys [:rec, :info, :cursor, :name]
  defstruct [
    :rec,
    :info,
    :cursor,
    :name,
    :world,
    :step,
    :ending,
    :state,
    :member,
    # The track that the panes are about; who the steps are limited to: `%{who:, label:}`
    :selected,
    :picked,
    :prompt,
    :search,
    :said,
    :overlay,
    # Numbers of the first and the last event, and when the last was
    :ends,
    timeline: %Timeline{},
    focus: :tree,
    tree: [],
    row: 0,
    folded: MapSet.new(),
    outline: [],
    part: 0,
    unfolded: %{[] => 1},
    scroll: %{},
    waiting: %{},
    typed: %{},
    done?: false
  ]

  @type t :: %__MODULE__{rec: Recording.t(), cursor: Replay.t(), world: World.t() | nil, done?: boolean}

  @doc "A model that stands at a cursor."
  @spec new(Replay.t(), String.t()) :: t
  def new(%Replay{recording: rec} = cursor, name) do
    refresh(%__MODULE__{
      rec: rec,
      info: BeamScope.info(rec),
      cursor: cursor,
      name: name,
      ends: Ask.ends(rec),
      selected: cursor.event.track
    })
  end

  @doc "The panes, in the order of the Tab key."
  @spec panes() :: [atom]
  def panes, do: @panes

  @doc "What is so at the cursor, asked anew where the cursor, the process or a fold is another."
  @spec refresh(t) :: t
  def refresh(%__MODULE__{} = model) do
    world = Ask.world(model.world, model.cursor)
    rows = Forest.rows(world.tree, model.folded)
    member = World.member(world, model.selected)
    step = Ask.step(model.cursor, model.selected)
    module = (member && member.process.module) || (step && step.module)
    state = model.rec |> Ask.state(model.selected, model.cursor.moment, step) |> Ask.shown(module)
    outline = outline(state, model.unfolded)

    %{
      model
      | world: world,
        waiting: for(%{waiting: n} = one when n > 0 <- world.members, into: %{}, do: {one.process.track, n}),
        tree: rows,
        row: Forest.index(rows, model.selected) || model.row |> min(length(rows) - 1) |> max(0),
        member: member,
        step: step,
        ending: Ask.ending(model.rec, model.selected, member, step),
        state: state,
        outline: outline,
        part: model.part |> min(length(outline) - 1) |> max(0)
    }
  end

  defp outline({known, term}, unfolded) when known in [:ok, :last], do: Outline.rows(term, unfolded)
  defp outline(_unknown, _unfolded), do: []

  @doc "The model after a key."
  @spec update(t, BeamScope.Tui.Keys.key()) :: t
  def update(model, key) when key in [:ctrl_c, :eof], do: %{model | done?: true}
  def update(%{prompt: %Prompt{}} = model, key), do: typed(model, Prompt.update(model.prompt, key))
  def update(%{overlay: overlay} = model, key) when overlay != nil, do: overlay(model, key)
  def update(model, key), do: act(%{model | said: nil}, key)

  defp typed(model, %Prompt{} = prompt), do: %{model | prompt: prompt}
  defp typed(model, :cancel), do: %{model | prompt: nil}

  defp typed(model, {:done, kind, text}) do
    %{model | prompt: nil, said: nil, typed: Map.put(model.typed, kind, text)}
    |> refresh()
    |> Steps.answer(kind, text)
  end

  defp overlay(model, key) when key in [:up, :down, :page_up, :page_down, :home, :end],
    do: scroll(model, :overlay, key)

  defp overlay(model, {:char, letter}) when letter in ["j", "k"],
    do: scroll(model, :overlay, if(letter == "j", do: :down, else: :up))

  defp overlay(model, {:char, "q"}), do: %{model | overlay: nil}
  defp overlay(model, _key), do: %{model | overlay: nil}

  defp act(model, {:char, "q"}), do: %{model | done?: true}
  defp act(model, {:char, "?"}), do: open(model, :help)
  defp act(model, {:char, "i"}), do: open(model, :info)
  defp act(model, {:char, "/"}), do: ask(model, :search)
  defp act(model, {:char, ":"}), do: ask(model, :place)
  defp act(model, {:char, "#"}), do: ask(model, :place, "#")
  defp act(model, {:char, "f"}), do: ask(model, :process)
  defp act(model, key) when key in [:right, {:char, "l"}], do: Steps.step(model, :event, :forward)
  defp act(model, key) when key in [:left, {:char, "h"}], do: Steps.step(model, :event, :backward)
  defp act(model, {:char, "."}), do: Steps.step(model, :line, :forward)
  defp act(model, {:char, ","}), do: Steps.step(model, :line, :backward)
  defp act(model, {:char, "m"}), do: Steps.step(model, :message, :forward)
  defp act(model, {:char, "M"}), do: Steps.step(model, :message, :backward)
  defp act(model, {:char, "s"}), do: Steps.step(model, :state, :forward)
  defp act(model, {:char, "S"}), do: Steps.step(model, :state, :backward)
  defp act(model, {:char, "c"}), do: Steps.search(model, :crash, :forward)
  defp act(model, {:char, "C"}), do: Steps.search(model, :crash, :backward)
  defp act(model, {:char, "n"}), do: Steps.again(model, :forward)
  defp act(model, {:char, "N"}), do: Steps.again(model, :backward)
  defp act(model, key) when key in [:home, {:char, "g"}], do: Steps.jump(model, :start)
  defp act(model, key) when key in [:end, {:char, "G"}], do: Steps.jump(model, :end)
  defp act(model, :tab), do: focus(model, 1)
  defp act(model, :back_tab), do: focus(model, -1)
  defp act(model, {:char, "a"}), do: %{model | picked: nil}
  defp act(model, key), do: model |> refresh() |> choose(key)

  # Keys about what is on the screen: the keys before may have changed that.
  defp choose(model, {:char, "j"}), do: move(model, :down)
  defp choose(model, {:char, "k"}), do: move(model, :up)
  defp choose(model, key) when key in [:up, :down, :page_up, :page_down], do: move(model, key)
  defp choose(model, {:char, "p"}), do: Steps.pick(model)
  defp choose(model, key) when key in [:enter, {:char, " "}], do: fold(model, key)
  defp choose(model, _key), do: model

  defp ask(model, kind, text \\ ""),
    do: %{model | prompt: Prompt.new(kind, text, Map.get(model.typed, kind, ""))}

  defp open(model, overlay), do: %{model | overlay: overlay, scroll: Map.delete(model.scroll, :overlay)}

  defp focus(model, by) do
    at = Enum.find_index(@panes, &(&1 == model.focus))
    %{model | focus: Enum.at(@panes, rem(at + by + length(@panes), length(@panes)))}
  end

  defp move(%{focus: :tree, tree: []} = model, _key), do: model

  defp move(%{focus: :tree} = model, key) do
    row = moved(model.row, key, length(model.tree))
    %{model | row: row, selected: Enum.at(model.tree, row).track, part: 0}
  end

  defp move(%{focus: :state} = model, key),
    do: %{model | part: moved(model.part, key, length(model.outline))}

  defp move(%{focus: pane} = model, key), do: scroll(model, pane, key)

  defp moved(at, key, count), do: (at + by(key)) |> min(count - 1) |> max(0)

  # Where the end is, only the view knows: it shows the last page at most.
  defp scroll(model, pane, :home), do: %{model | scroll: Map.delete(model.scroll, pane)}
  defp scroll(model, pane, :end), do: %{model | scroll: Map.put(model.scroll, pane, 1_000_000)}

  defp scroll(model, pane, key),
    do: %{model | scroll: Map.update(model.scroll, pane, max(by(key), 0), &max(&1 + by(key), 0))}

  defp by(:up), do: -1
  defp by(:down), do: 1
  defp by(:page_up), do: -@page
  defp by(:page_down), do: @page

  defp fold(%{focus: :tree} = model, :enter), do: Steps.pick(model)

  defp fold(%{focus: :tree} = model, _space) do
    case Enum.at(model.tree, model.row) do
      %{fold: :open, track: track} -> %{model | folded: MapSet.put(model.folded, track)}
      %{fold: {:closed, _}, track: track} -> %{model | folded: MapSet.delete(model.folded, track)}
      _ -> model
    end
  end

  defp fold(%{focus: :state} = model, _key) do
    case Enum.at(model.outline, model.part) do
      nil -> model
      row -> %{model | unfolded: Outline.toggle(model.unfolded, row)}
    end
  end

  defp fold(model, _key), do: model
end
