defmodule BeamScope.Tui.Manual do
  @moduledoc """
  What covers the panes: the keys, and the account of the recording.
  """

  alias BeamScope.Terminal.{Info, Style}

  @keys [
    {"Step", nil},
    {"→ ←  or  l h", "next, previous event"},
    {"m M", "next, previous handled message"},
    {"s S", "next, previous change of a state"},
    {". ,", "next, previous line, where lines: were recorded"},
    {"c C", "next, previous crash"},
    {"Jump", nil},
    {"g G  or  Home End", "start, end"},
    {":", "go to: start, end, #1234 (an event), 12.5 (ms), 3s, 800us"},
    {"#", "go to an event by its number"},
    {"Search", nil},
    {"/", "search ahead"},
    {"n N", "the same again, ahead or back"},
    {"↑", "while typing: what was typed last"},
    {"  crash", "a callback failed, or a process ended badly"},
    {"  changed KEY", "changed balance, changed account.owner, changed \"total\""},
    {"  state PATTERN", "state %{balance: n} when n > 10"},
    {"  handled PATTERN", "handled {:pay, _}"},
    {"  kind KIND", "kind send, kind exit, kind send {:pay, _}"},
    {"  PATTERN", "a message: {:pay, 4}, or a word: pay"},
    {"Processes", nil},
    {"↑ ↓  or  k j, Page", "choose a process: the panes show it"},
    {"Enter  or  p", "pick it: steps and searches are of it alone; again: of all"},
    {"a", "of all again"},
    {"f", "find a process by its name"},
    {"Space", "fold, unfold a branch"},
    {"Panes", nil},
    {"Tab, Shift-Tab", "the next, the previous pane"},
    {"↑ ↓", "scroll; in the state: choose a part"},
    {"Enter  or  Space", "in the state: unfold, fold a part"},
    {"i", "the account of the recording: kinds, losses, damage"},
    {"Ctrl-L", "draw anew"},
    {"q  or  Ctrl-C", "quit"},
    {"Timeline", nil},
    {"▁▃█", "how much happened (heights are square roots)"},
    {"▲ ✗ ░", "the cursor, crashes, lost events"}
  ]
  @column 22

  @doc "The lines of an overlay."
  @spec lines(BeamScope.Tui.Model.t(), :help | :info, Style.t()) :: [Style.line()]
  def lines(%{timeline: timeline}, :help, _style), do: Enum.map(@keys, &key/1) ++ marked(timeline)
  def lines(%{info: info}, :info, style), do: Info.lines(info, %{style | limit: 200})

  defp key({title, nil}), do: [{:heading, title}]
  defp key({keys, what}), do: Style.pad(["  ", {:name, keys}], @column) ++ ["  " <> what]

  defp marked(%{more: true, crashes: crashes}),
    do: [[{:warn, "  Of the crashes the first #{length(crashes)} are marked; c finds all of them"}]]

  defp marked(_timeline), do: []
end
