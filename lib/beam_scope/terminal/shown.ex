defmodule BeamScope.Terminal.Shown do
  @moduledoc """
  States as their modules want them shown.

  A module that exports `format_status/1` or `format_status/2` says what of its state may be seen. Wherever a state is *printed* for a
  process whose callback module has one, it is what that function makes of it; `BeamScope.state_at/3` and the fields of structs
  are the data that was recorded. The function runs in a process of its own, with a limit of time and memory: where it fails, and where
  what was recorded of the state is not enough for it, the state is not shown at all.

  A module that is not available, such as that of a file from elsewhere, cannot be asked: its states are shown as recorded.
  """

  alias BeamScope.{Diff, Hidden, Redacted, Transition, Unknown}

  @limit_ms 200
  # Words: far more than a recorded state and what becomes of it.
  @most_words 32 * 1024 * 1024

  @doc "A state of a process with this callback module, for printing."
  @spec state(module() | term(), term()) :: term()
  def state(module, state) do
    case how(module) do
      nil -> state
      how -> format(how, module, state)
    end
  end

  @doc "A transition whose states, and their difference, are for printing."
  @spec transition(Transition.t() | map()) :: Transition.t() | map()
  def transition(%{handler: _, module: _, diff: _} = t) do
    module = handler(t.handler) || t.module

    case how(module) do
      nil -> t
      how -> t |> formatted(&format(how, module, &1))
    end
  end

  defp formatted(t, format) do
    t = %{t | from: format.(t.from), to: format.(t.to)}
    %{t | diff: t.diff && diff(t.from, t.to)}
  end

  defp diff(%Hidden{}, _), do: nil
  defp diff(_, %Hidden{}), do: nil
  defp diff(from, to), do: Diff.diff(from, to)

  # A handler of gen_event has a state of its own.
  defp handler({module, _id}), do: handler(module)
  defp handler(module) when is_atom(module), do: module
  defp handler(_), do: nil

  defp how(module) when is_atom(module) and module not in [nil, true, false] do
    cond do
      not Code.ensure_loaded?(module) ->
        nil

      function_exported?(module, :format_status, 1) ->
        if(machine?(module), do: :machine, else: :server)

      function_exported?(module, :format_status, 2) ->
        if(machine?(module), do: :old_machine, else: :old_server)

      true ->
        nil
    end
  end

  defp how(_), do: nil

  defp machine?(module), do: function_exported?(module, :callback_mode, 0)

  # What is not there needs no hiding, and what was redacted as a whole is hidden already.
  defp format(_how, _module, nil), do: nil
  defp format(_how, _module, %unknown{} = state) when unknown in [Unknown, Redacted, Hidden], do: state

  defp format(how, module, state) do
    case alone(fn -> ask(how, module, state) end) do
      {:ok, shown} -> shown
      :error -> %Hidden{module: module}
    end
  end

  defp ask(:server, module, state), do: Map.fetch!(module.format_status(%{state: state}), :state)

  defp ask(:machine, module, {name, data}) do
    %{state: name, data: data} = module.format_status(%{state: name, data: data})
    {name, data}
  end

  defp ask(:old_server, module, state), do: module.format_status(:normal, [[], state]) |> old()
  defp ask(:old_machine, module, {name, data}), do: module.format_status(:normal, [[], name, data]) |> old()

  # As `:sys.get_status/1` shows it; some answer the state itself.
  defp old([_ | _] = answer) do
    with {:ok, [_ | _] = data} <- find(answer, :data),
         {:ok, state} <- find(data, ~c"State"),
         do: state,
         else: (_ -> answer)
  end

  defp old(answer), do: answer

  defp find(list, key) do
    case not List.improper?(list) and List.keyfind(list, key, 0) do
      {_, value} -> {:ok, value}
      _ -> :error
    end
  end

  # The process says nothing of its end: its reason may hold the state.
  defp alone(fun) do
    ref = make_ref()
    parent = self()

    run = fn ->
      try do
        send(parent, {ref, fun.()})
      catch
        _, _ -> :ok
      end
    end

    heap = %{size: @most_words, kill: true, error_logger: false}
    {pid, monitor} = :erlang.spawn_opt(run, [:monitor, max_heap_size: heap])

    receive do
      {^ref, shown} ->
        Process.demonitor(monitor, [:flush])
        {:ok, shown}

      {:DOWN, ^monitor, :process, ^pid, _} ->
        answered(ref)
    after
      @limit_ms ->
        Process.exit(pid, :kill)
        receive do: ({:DOWN, ^monitor, :process, ^pid, _} -> answered(ref))
    end
  end

  defp answered(ref) do
    receive do
      {^ref, shown} -> {:ok, shown}
    after
      0 -> :error
    end
  end
end
