defmodule BeamScope.Tui.Screen do
  @moduledoc """
  The terminal: raw keys, an alternate screen, and as it was before when all is over.

  A small shell script, the *keeper*, holds the terminal. It sets it up, copies what we paint to it, and puts it back when it
  is told to or when its input ends. The input ends whenever this system does, in whatever way: by an exception, a signal,
  `kill -9`. So there is one place that restores, and nothing of it depends on what is left of us.

  This works the same on every release of OTP: the terminal is set by `stty` (POSIX), and keys are read through the
  group leader, since a reader of our own beside the VM's would have to share the input with it. `shell:start_interactive/1` with raw
  input exists from OTP 28 on, restores nothing after a `kill -9`, and would make two ways of one.

  Painting writes the lines that are others than before.
  """

  @enforce_keys [:port]
  defstruct [:port, shown: [], size: nil]

  @type t :: %__MODULE__{port: port, shown: [String.t()], size: {pos_integer, pos_integer} | nil}

  # A port's program has no controlling terminal (the VM calls setsid), so /dev/tty is of no use there: our standard input is opened
  # by its name, once, and kept open: the name is gone when we are. What we paint comes as lines, one a picture; `q` ends it.
  # In the background of another session signals of the terminal do not come; those that are sent to us all are ignored.
  @keeper ~S"""
  if [ -e "/proc/$1/fd/0" ]; then
    tty=/proc/$1/fd/0
    [ -t 0 ] <"/proc/$1/fd/1" || { echo no; exit 1; }
  else
    tty=/dev/$(ps -o tty= -p "$1" | tr -d ' ')
  fi
  saved=$(stty -g <"$tty") 2>/dev/null || { echo no; exit 1; }
  exec 3<>"$tty" || { echo no; exit 1; }
  trap '' INT HUP TERM QUIT TSTP TTOU
  stty raw -echo <&3 || { echo no; exit 1; }
  printf '\033[?1049h\033[?25l\033[?7l\033[2J' >&3
  echo yes
  while IFS= read -r line; do
    case $line in
      q) break ;;
      *) printf '%s' "$line" >&3 || break ;;
    esac
  done
  printf '\033[?7h\033[?25h\033[0m\033[?1049l' >&3
  stty "$saved" <&3
  """

  @start_ms 5_000
  @end_ms 2_000
  # A question that takes longer than this is worth a word.
  @busy_ms 300

  @doc "Takes the terminal, if standard input and output are one."
  @spec open() :: {:ok, t} | {:error, :no_terminal}
  def open do
    with {:ok, _} <- :io.columns(),
         sh when is_binary(sh) <- System.find_executable("sh"),
         do: keep(sh),
         else: (_ -> {:error, :no_terminal})
  end

  defp keep(sh) do
    args = ["-c", @keeper, "beam_scope_keeper", System.pid()]
    port = Port.open({:spawn_executable, sh}, [:binary, :exit_status, :stderr_to_stdout, args: args])
    if ready?(port, ""), do: {:ok, %__MODULE__{port: port}}, else: {:error, :no_terminal}
  end

  defp ready?(port, said) do
    receive do
      {^port, {:data, data}} ->
        if String.contains?(said <> data, "yes\n"), do: true, else: ready?(port, said <> data)

      {^port, {:exit_status, _}} ->
        false
    after
      @start_ms -> false
    end
  end

  @doc "Columns and rows."
  @spec size() :: {pos_integer, pos_integer}
  def size do
    with {:ok, columns} when columns > 0 <- :io.columns(), {:ok, rows} when rows > 0 <- :io.rows() do
      {columns, rows}
    else
      # A terminal that does not know: the size that all had once.
      _ -> {80, 24}
    end
  end

  @doc "Paints the lines: those that changed, or all where the size did. Colours and all, they must fit."
  @spec paint(t, [String.t()], {pos_integer, pos_integer}) :: t
  def paint(%{size: size, shown: shown} = screen, lines, size) do
    changed =
      lines
      |> Enum.zip(shown)
      |> Enum.with_index(1)
      |> Enum.flat_map(fn {{line, old}, row} -> if line == old, do: [], else: [at(row, line)] end)

    put(screen, changed)
    %{screen | shown: lines}
  end

  def paint(screen, lines, size) do
    put(screen, ["\e[2J", lines |> Enum.with_index(1) |> Enum.map(fn {line, row} -> at(row, line) end)])
    %{screen | shown: lines, size: size}
  end

  # Cleared first: behind a line that is as wide as the terminal the cursor stands on its last character.
  defp at(row, line), do: ["\e[", Integer.to_string(row), ";1H\e[2K", line]

  defp put(_screen, []), do: :ok

  # The keeper may have ended with the terminal; that it has comes as a message.
  defp put(%{port: port}, data) do
    Port.command(port, [data, "\n"])
    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc "Forgets what is on the screen, so that the next picture is painted as a whole."
  @spec forget(t) :: t
  def forget(screen), do: %{screen | size: nil}

  @doc "Does something and says so at the bottom where it takes long."
  @spec busy(t, (() -> answer)) :: {t, answer} when answer: term
  def busy(%{size: nil} = screen, fun), do: {screen, fun.()}

  def busy(%{size: {_, rows}} = screen, fun) do
    caller = self()

    light =
      spawn_link(fn ->
        receive do
          :done -> send(caller, {self(), :dark})
        after
          @busy_ms ->
            put(screen, [at(rows, "Looking through the recording … Ctrl-C quits")])
            receive do: (:done -> send(caller, {self(), :lit}))
        end
      end)

    answer = fun.()
    send(light, :done)

    # Its line is painted over in any case.
    receive do
      {^light, :dark} -> {screen, answer}
      {^light, :lit} -> {%{screen | shown: List.replace_at(screen.shown, -1, nil)}, answer}
    end
  end

  @doc "Gives the terminal back and waits until it is as it was."
  @spec close(t) :: :ok
  def close(%{port: port} = screen) do
    put(screen, "\nq")

    receive do
      {^port, {:exit_status, _}} -> :ok
    after
      @end_ms -> if Port.info(port), do: Port.close(port), else: true
    end

    :ok
  end
end
