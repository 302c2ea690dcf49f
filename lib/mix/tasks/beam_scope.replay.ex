defmodule Mix.Tasks.BeamScope.Replay do
  @shortdoc "Walks through a recording in the terminal, forward and back"
  @moduledoc """
  Opens a file that `BeamScope.save/2` or `BeamScope.start(…, to: path)` wrote and shows it as it was at each moment: the tree of
  processes with their states, what the last message changed and who sent it, the messages that waited, and those on their way.

      mix beam_scope.replay orders.beamscope
      mix beam_scope.replay orders.beamscope --at end          # where to begin
      mix beam_scope.replay orders.beamscope --print --at 12.5ms   # once, without keys: for pipes, logs, CI

  | option | |
  |---|---|
  | `--at MOMENT` | `start`, `end`, `'#1234'` (an event's number), `12.5` or `12.5ms`, `3s`, `800us` since the start; the start unless given, the end with `--print` |
  | `--print` | prints what was so at that moment, and exits |

  ## Keys

  | key | |
  |---|---|
  | `→` `←` (`l` `h`) | next, previous event |
  | `m` `M` | next, previous handled message |
  | `s` `S` | next, previous change of a state |
  | `c` `C` | next, previous crash: a callback failed, or a process ended badly |
  | `g` `G` (Home, End) | start, end |
  | `:` | go to a moment, written as for `--at`; `#` to an event's number |
  | `/` | search ahead; `n` `N` the same again, ahead or back |
  | `↑` `↓` (`k` `j`), Page Up, Page Down | choose a process, scroll a pane, choose a part of the state |
  | Enter (`p`) | pick the chosen process: steps and searches are of it alone; again, or `a`: of all |
  | `f` | find a process by a part of its name |
  | Space | fold or unfold a branch of the tree; in the state Enter does it as well |
  | Tab, Shift-Tab | next, previous pane |
  | `i` | the account of the recording: kinds of events, losses, damage |
  | `?` | all keys |
  | `q`, Ctrl-C | quit |

  ## Searches

  | typed after `/` | finds |
  |---|---|
  | `crash` | as the key `c` |
  | `changed balance`, `changed account.owner` | where that part of a state changed |
  | `state %{balance: n} when n > 10` | a state that matches |
  | `handled {:pay, _}` | where such a message was handled |
  | `kind exit`, `kind send {:pay, _}` | an event of that kind (see `BeamScope.Event`), which matches |
  | `{:pay, 4}`, `pay` | a message that matches; a word is the message itself or how a tuple begins |

  Patterns are those of `BeamScope.pattern/1`. What was truncated or redacted is not decided by guessing: the answer says how much that was.

  ## The line below the bar

  The bar shows how much happened when (heights are square roots, so that little shows beside much), `▲` the cursor, `✗` crashes, `░` where events were lost. Of the crashes
  the first 200 are marked; `c` finds all.

  The terminal is left as it was, however it ends. On one that is 76 columns wide or wider, all panes are there; on a narrower one Tab
  goes through them. `NO_COLOR` is respected. Your application is compiled, so that its structs print as they do there, but not
  started.
  """
  use Mix.Task

  alias BeamScope.{Error, Replay}
  alias BeamScope.Terminal.{Info, Style, World}
  alias BeamScope.Tui.{Loop, Place}

  @switches [print: :boolean, at: :string]
  @width 120
  @limit 200

  @impl true
  def run(args) do
    {opts, files} = OptionParser.parse!(args, strict: @switches)
    file = file(files)
    moment = moment(opts[:at] || if(opts[:print], do: "end", else: "start"))
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:beam_scope)

    with {:ok, rec} <- BeamScope.load(file), :ok <- show(rec, moment, file, opts) do
      :ok
    else
      {:error, %Error{} = error} -> Mix.raise(Exception.message(error))
      {:error, :no_terminal} -> Mix.raise(no_terminal(file))
    end
  end

  defp show(rec, moment, file, opts) do
    if opts[:print],
      do: with({:ok, cursor} <- Replay.open(rec, at: moment), do: print(cursor)),
      else: Loop.run(rec, moment, Path.basename(file))
  end

  defp no_terminal(file) do
    "this needs a terminal, and standard input or output is none. " <>
      "To print what was so at a moment instead: mix beam_scope.replay #{file} --print --at end"
  end

  defp file([file]), do: file
  defp file([]), do: Mix.raise("give the file of a recording: mix beam_scope.replay FILE")
  defp file([_, more | _]), do: Mix.raise("one file at a time, got also: #{more}")

  defp moment(text) do
    case Place.parse(text) do
      {:ok, moment} -> moment
      {:error, why} -> Mix.raise("--at: " <> why)
    end
  end

  defp print(%Replay{recording: rec} = cursor) do
    style = Style.new(width: Style.columns(@width), limit: @limit)
    world = cursor |> Replay.world() |> World.lines(style)
    event = [[{:dim, "It was "} | BeamScope.Terminal.Events.line(cursor.event)], []]
    IO.puts(Style.render(Info.lines(BeamScope.info(rec), style) ++ [[]] ++ event ++ world, style))
  end
end
