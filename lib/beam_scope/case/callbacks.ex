defmodule BeamScope.Case.Callbacks do
  @moduledoc false
  # What ExUnit keeps of a test beside its context: its supervisor and its `on_exit` callbacks. Both lie in a table that is
  # ExUnit's own, the same from Elixir 1.14 to 1.20; where it looks otherwise, less is seen and nothing breaks.

  alias BeamScope.Case.{Failure, Run}

  @compile {:no_warn_undefined, [ExUnit.Callbacks, ExUnit.OnExitHandler]}

  @tables [ExUnit.Server, ExUnit.OnExitHandler]
  @callbacks 3

  @doc "The supervisor of the calling process, a test's, as a target: what an earlier setup started runs below it already."
  @spec supervisor() :: [{:tree, pid}]
  def supervisor do
    case ExUnit.OnExitHandler.get_supervisor(self()) do
      {:ok, pid} when is_pid(pid) -> [tree: pid]
      _ -> []
    end
  rescue
    UndefinedFunctionError -> []
  end

  @doc """
  The test has passed; should one of its callbacks fail, the failure is to tell of the recording too. A callback that is
  registered under a name again takes the place of the one before.
  """
  @spec watch(Run.t()) :: :ok
  def watch(run) do
    for {name, callback} <- registered(), not ours?(name), is_function(callback, 0) do
      ExUnit.Callbacks.on_exit(name, fn -> watched(run, callback) end)
    end

    :ok
  end

  defp ours?(name), do: match?({BeamScope.Case, _}, name)

  defp registered do
    Enum.find_value(@tables, [], fn table ->
      if :ets.whereis(table) != :undefined, do: of_test(:ets.lookup(table, self()))
    end)
  end

  defp of_test([entry]) when tuple_size(entry) >= @callbacks do
    callbacks = elem(entry, @callbacks - 1)
    if is_list(callbacks) and Enum.all?(callbacks, &match?({_, _}, &1)), do: callbacks
  end

  defp of_test(_), do: nil

  # That one has begun and not come to its end is how an exit signal or a timeout is learnt of.
  defp watched(run, callback) do
    before = Run.standing(run)
    unless before == :told, do: Run.stand(run, :exiting)
    callback.()
    unless before == :told, do: Run.stand(run, :passed)
  catch
    kind, reason -> Failure.of_callback({kind, reason, __STACKTRACE__}, run)
  end
end
