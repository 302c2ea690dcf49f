defmodule BeamScope.Lines.Loader.Maker do
  @moduledoc """
  Has instrumented code made by a process that ends with it: what that takes in memory, and what goes wrong in it, is no matter of the loader's.
  """

  alias BeamScope.Error
  alias BeamScope.Lines.Loader

  @longest_ms 60_000

  @typedoc "As `BeamScope.Lines.Instrument.module/4`: module, its code, functions, the first site id."
  @type make ::
          (module(), binary(), Loader.Held.functions(), non_neg_integer() ->
             {:ok, %{binary: binary(), table: map()}} | {:error, Error.t()})

  @doc "The code and its table. Waits for it, a minute at most."
  @spec make(make(), module(), binary(), Loader.Held.functions(), non_neg_integer()) ::
          {:ok, %{binary: binary(), table: map()}} | {:error, Error.t()}
  def make(make, module, binary, functions, first_id) do
    {pid, monitor} = spawn_monitor(fn -> exit({:made, made(make, [module, binary, functions, first_id])}) end)

    receive do
      {:DOWN, ^monitor, :process, _, {:made, made}} -> made
      {:DOWN, ^monitor, :process, _, reason} -> failed(module, reason)
    after
      @longest_ms ->
        Process.demonitor(monitor, [:flush])
        Process.exit(pid, :kill)
        {:error, Error.new(:timeout, "to instrument #{inspect(module)} took more than a minute")}
    end
  end

  # What it raises may hold a user's code: only its kind is told.
  defp made(make, arguments) do
    Loader.settle_in()
    apply(make, arguments)
  catch
    kind, reason ->
      failed(hd(arguments), BeamScope.Recorder.Discreet.failed(kind(kind), reason, __STACKTRACE__))
  after
    Loader.move_out(self())
  end

  defp kind(:error), do: :error
  defp kind(_), do: :exit

  defp failed(module, reason), do: {:error, Error.new(:setup_failed, {:instrument, module, reason})}
end
