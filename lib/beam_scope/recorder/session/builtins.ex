defmodule BeamScope.Recorder.Session.Builtins do
  @moduledoc """
  Whether trace sessions can trace the same built-in function beside each other.

  On early releases with sessions (OTP 27 and 28, until erlang/otp#10349) a session that ends stops the tracing of built-in functions for
  all others too, in silence. Two sessions are tried, once: a virtual machine tells its patches to nobody.
  """

  alias BeamScope.Recorder
  alias BeamScope.Recorder.Session

  @wait_ms 50
  @known {__MODULE__, :independent?}
  # One that nobody traces, and that costs nothing.
  @probe {:erlang, :md5, 1}

  @doc "Whether sessions leave each other's built-in functions alone."
  @spec independent?() :: boolean()
  def independent? do
    case :persistent_term.get(@known, nil) do
      nil -> tap(not Session.sessions?() or ask(), &:persistent_term.put(@known, &1))
      known -> known
    end
  end

  @doc "Those of some functions that are built in."
  @spec among([mfa()]) :: [mfa()]
  def among(functions), do: Enum.filter(functions, fn {m, f, a} -> :erlang.is_builtin(m, f, a) end)

  defp ask do
    tracer = self()

    {caller, monitor} =
      spawn_monitor(fn ->
        receive do: (:call -> :erlang.md5(""))
        send(tracer, {self(), :called})
        receive do: (:never -> :ok)
      end)

    independent = try_out(caller, tracer)
    Process.demonitor(monitor, [:flush])
    Process.exit(caller, :kill)
    forget(caller)
    independent
  end

  defp try_out(caller, tracer) do
    with {:ok, one} <- Session.open(Recorder.next_id(), tracer),
         {:ok, other} <- Session.open(Recorder.next_id(), tracer) do
      Session.pattern(one, @probe, :plain)
      Session.trace(one, [caller], [:call])
      Session.pattern(other, @probe, :plain)
      Session.close(other)
      send(caller, :call)
      heard = heard(caller)
      Session.close(one)
      heard
    else
      _ -> false
    end
  end

  defp heard(caller) do
    receive do
      {:trace, ^caller, :call, _} -> true
    after
      @wait_ms -> false
    end
  end

  defp forget(caller) do
    receive do
      {:trace, ^caller, _, _} -> forget(caller)
      {^caller, :called} -> forget(caller)
    after
      0 -> :ok
    end
  end
end
