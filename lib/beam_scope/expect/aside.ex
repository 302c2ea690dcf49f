defmodule BeamScope.Expect.Aside do
  @moduledoc false
  # Asks a recording that still runs, without a trace in it: the test is often among the recorded, and what it would do to find
  # out (load a module, read a file, ask for the width of the terminal) is not what the test is about. So one of BeamScope's own
  # processes does it, which no recording sees, nor what it says to others.

  alias BeamScope.{Error, Recorder, Recording}

  @doc """
  Runs `fun` beside the calling process and returns what it returns. What it raises is raised here, from the line of the
  test: what lies between is of no interest to its author.
  """
  @spec run(Recording.t(), (() -> result)) :: result when result: term
  def run(rec, fun) do
    case if(running?(rec), do: beside(fun), else: captured(fun)) do
      {:ok, result} -> result
      {:raised, exception, trace} -> reraise exception, if(told?(exception), do: stacktrace(), else: trace)
    end
  end

  @doc "Whether the recording still runs."
  @spec running?(Recording.t()) :: boolean
  def running?(%Recording{pid: pid}), do: is_pid(pid) and Process.alive?(pid)

  defp captured(fun) do
    {:ok, fun.()}
  rescue
    exception -> {:raised, exception, __STACKTRACE__}
  end

  # Anything else is a fault of ours, and where it was is what one wants to know.
  defp told?(%module{}), do: module in [Error, ExUnit.AssertionError]

  # It is told when to begin and when to end: what it says is left out of recordings only while it is known as BeamScope's own.
  defp beside(fun) do
    reply_to = :erlang.alias([:reply])
    helper = start!({Task, :start_link, [__MODULE__, :wait, [fun, reply_to, self()]]})
    monitor = Process.monitor(helper)
    send(helper, {:go, reply_to})

    receive do
      {^reply_to, answer} ->
        Process.demonitor(monitor, [:flush])
        Process.exit(helper, :shutdown)
        answer

      {:DOWN, ^monitor, _, _, reason} ->
        {:raised, Error.new(:setup_failed, reason), []}
    end
  end

  @doc "Starts one of BeamScope's own processes."
  @spec start!({module, atom, list}) :: pid
  def start!(start) do
    case Recorder.start_helper(%{id: __MODULE__, start: start, restart: :temporary}) do
      {:ok, pid} -> pid
      {:error, %Error{} = error} -> raise error
      {:error, {%Error{} = error, _child}} -> raise error
      {:error, reason} -> raise Error.new(:setup_failed, reason)
    end
  end

  @doc false
  # What the helper does; it ends with who asked.
  def wait(fun, reply_to, asking) do
    monitor = Process.monitor(asking)

    receive do
      {:go, ^reply_to} -> send(reply_to, {reply_to, captured(fun)})
      {:DOWN, ^monitor, _, _, _} -> exit(:normal)
    end

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    end
  end

  defp stacktrace do
    {:current_stacktrace, trace} = Process.info(self(), :current_stacktrace)
    Enum.drop_while(trace, fn {module, _, _, _} -> ours?(Atom.to_string(module)) end)
  end

  defp ours?("Elixir.BeamScope.Expect." <> rest), do: not String.ends_with?(rest, "Test")
  defp ours?("Elixir.BeamScope.Expectation." <> rest), do: not String.ends_with?(rest, "Test")
  defp ours?(module), do: module == "Elixir.Process"
end
