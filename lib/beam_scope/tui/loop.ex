defmodule BeamScope.Tui.Loop do
  @moduledoc """
  Keys in, pictures out, until the end.
  """

  alias BeamScope.{Error, Recording, Replay}
  alias BeamScope.Terminal.Style
  alias BeamScope.Tui.{Keys, Model, Screen, Timeline, View}

  # How often the size is looked at: nobody tells a program without a controlling terminal.
  @look_ms 250
  # The rest of a key comes at once, or it was the Escape key.
  @escape_ms 50
  # A question that cannot be broken off must not keep anybody from leaving.
  @stuck_ms 1_500

  @doc """
  Shows a recording from a moment on until a key ends it. `:no_terminal` where standard input and output are none.

  For a program that has the terminal to itself, as a mix task has; not for a shell, which reads the same keys.
  """
  @spec run(Recording.t(), BeamScope.moment(), String.t()) :: :ok | {:error, :no_terminal | Error.t()}
  def run(%Recording{} = rec, moment, name) do
    with {:ok, screen} <- Screen.open() do
      level = Logger.level()
      # What is logged would be printed into the picture.
      Logger.configure(level: :none)

      try do
        start(screen, rec, moment, name)
      after
        Logger.configure(level: level)
        Screen.close(screen)
      end
    end
  end

  defp start(screen, rec, moment, name) do
    reader = spawn_link(reader(self(), Process.group_leader()))
    screen = Screen.paint(screen, ["Reading #{Style.clean(name)} …"], {1, 1})

    try do
      # The first question to a long recording takes seconds.
      case Screen.busy(screen, fn -> first(rec, moment, name) end) do
        {screen, %Model{} = model} -> begin(screen, model)
        {_screen, error} -> error
      end
    after
      Process.unlink(reader)
      Process.exit(reader, :kill)
    end
  end

  defp first(rec, moment, name) do
    with {:ok, cursor} <- Replay.open(rec, at: moment), do: Model.new(cursor, name)
  end

  defp begin(screen, model) do
    timeline(model, self())
    loop(%{screen: screen, model: model, style: Style.new(ansi: true), rest: ""})
  end

  defp reader(loop, leader) do
    fn ->
      Process.group_leader(self(), leader)
      read(loop)
    end
  end

  defp read(loop) do
    case :io.get_chars(:standard_io, ~c"", 1) do
      # The terminal went away.
      :eof -> send(loop, :eof)
      {:error, _} -> send(loop, :eof)
      text -> pass(loop, IO.chardata_to_string(text))
    end
  end

  defp pass(loop, text) do
    send(loop, {:keys, text})
    if text == <<3>>, do: interrupted()
    read(loop)
  end

  # Whoever is done with Ctrl-C ends this process. The keeper restores the terminal when the system ends.
  @spec interrupted() :: no_return
  defp interrupted do
    Process.sleep(@stuck_ms)
    System.halt(130)
  end

  # Crashes may be far apart, so the bar comes first and they come later.
  defp timeline(%{rec: rec, info: info}, loop) do
    spawn_link(fn ->
      density = Timeline.density(rec, info)
      send(loop, {:timeline, density})
      send(loop, {:timeline, Timeline.crashes(density, rec)})
    end)
  end

  defp loop(%{model: %{done?: true}}), do: :ok
  defp loop(state), do: state |> draw() |> wait() |> loop()

  defp draw(%{screen: screen, model: model, style: style} = state) do
    size = Screen.size()
    %{state | screen: Screen.paint(screen, View.texts(model, size, style), size)}
  end

  defp wait(%{screen: %{port: port}, rest: rest} = state) do
    receive do
      {:keys, text} -> keys(more(%{state | rest: rest <> text}))
      {:timeline, timeline} -> put_in(state.model.timeline, timeline)
      {^port, {:exit_status, _}} -> put_in(state.model.done?, true)
      :eof -> put_in(state.model.done?, true)
    after
      if(rest == "", do: @look_ms, else: @escape_ms) -> pressed(%{state | rest: ""}, Keys.flush(rest))
    end
  end

  # All that was typed meanwhile, so that a key that is held down ends when it is let go.
  defp more(state) do
    receive do
      {:keys, text} -> more(%{state | rest: state.rest <> text})
    after
      0 -> state
    end
  end

  defp keys(state) do
    {keys, rest} = Keys.decode(state.rest)
    pressed(%{state | rest: rest}, keys)
  end

  defp pressed(state, []), do: state

  defp pressed(%{screen: screen, model: model} = state, keys) do
    screen = if :ctrl_l in keys, do: Screen.forget(screen), else: screen
    {screen, model} = Screen.busy(screen, fn -> after_keys(model, keys) end)
    %{state | screen: screen, model: model}
  end

  # A file that went away, or a part of it that cannot be read: what was so elsewhere may still be seen.
  defp after_keys(model, keys) do
    keys |> Enum.reduce(model, &press/2) |> seen()
  rescue
    error in Error -> %{model | said: error |> Exception.message() |> String.replace("\n", " ")}
  end

  defp press(_key, %{done?: true} = model), do: model
  defp press(key, model), do: Model.update(model, key)

  defp seen(%{done?: true} = model), do: model
  defp seen(model), do: Model.refresh(model)
end
