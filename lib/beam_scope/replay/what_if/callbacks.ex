defmodule BeamScope.Replay.WhatIf.Callbacks do
  @moduledoc """
  In the peer: one message given to the callback that it is for, and what the return means, as `gen_server` has it.
  """

  @type outcome :: %{state: term, reply: {:ok, term} | nil, result: term, next: term}

  @doc """
  The outcome of a message. `result` is `:ok`, `{:stop, reason}` or `{:crash, class, reason}`; `next` is `nil`, a number of milliseconds, or
  `{:continue, term}`. `failing` is called before `terminate/2` is, where the process fails: what it sends from there on is mixed with what the
  handlers of logs send in a recording.
  """
  @spec handle(module, {:message | :continue, term}, term, (() -> term)) :: outcome
  def handle(module, what, state, failing) do
    outcome = what |> attempt(module, state) |> outcome(state)
    if outcome.result != :ok and fails?(outcome.because), do: failing.()
    ended(outcome, module)
  end

  defp fails?(reason) when reason in [:normal, :shutdown], do: false
  defp fails?({:shutdown, _}), do: false
  defp fails?(_reason), do: true

  # A thrown value counts as returned.
  defp attempt(what, module, state) do
    {:returned, call(what, module, state)}
  catch
    :throw, value -> {:returned, value}
    class, reason -> {:failed, class, reason, __STACKTRACE__}
  end

  defp call({:continue, term}, module, state), do: module.handle_continue(term, state)

  defp call({:message, {:"$gen_call", from, request}}, module, state),
    do: module.handle_call(request, from, state)

  defp call({:message, {:"$gen_cast", request}}, module, state), do: module.handle_cast(request, state)

  defp call({:message, message}, module, state) do
    if function_exported?(module, :handle_info, 2),
      do: module.handle_info(message, state),
      else: {:noreply, state}
  end

  defp outcome({:returned, {:reply, reply, state}}, _old), do: fine(state, {:ok, reply}, nil)
  defp outcome({:returned, {:reply, reply, state, next}}, _old), do: fine(state, {:ok, reply}, next(next))
  defp outcome({:returned, {:noreply, state}}, _old), do: fine(state, nil, nil)
  defp outcome({:returned, {:noreply, state, next}}, _old), do: fine(state, nil, next(next))
  defp outcome({:returned, {:stop, reason, state}}, _old), do: stop(state, nil, {:stop, reason}, reason)

  defp outcome({:returned, {:stop, reason, reply, state}}, _old),
    do: stop(state, {:ok, reply}, {:stop, reason}, reason)

  defp outcome({:returned, other}, old),
    do: stop(old, nil, {:crash, :exit, {:bad_return_value, other}}, {:bad_return_value, other})

  # A callback that exits is told as a stop, as a recording tells it.
  defp outcome({:failed, :exit, reason, _stack}, old), do: stop(old, nil, {:stop, reason}, reason)

  defp outcome({:failed, :error, reason, stack}, old),
    do: stop(old, nil, {:crash, :error, reason}, {reason, stack})

  defp fine(state, reply, next), do: %{state: state, reply: reply, result: :ok, next: next, because: nil}

  defp stop(state, reply, result, because),
    do: %{state: state, reply: reply, result: result, next: nil, because: because}

  defp next({:continue, _} = continue), do: continue
  defp next(timeout) when is_integer(timeout), do: timeout
  defp next(_infinity_or_hibernate), do: nil

  defp ended(%{result: :ok} = outcome, _module), do: Map.delete(outcome, :because)

  defp ended(%{because: reason} = outcome, module) do
    if function_exported?(module, :terminate, 2), do: module.terminate(reason, outcome.state)
    Map.delete(outcome, :because)
  catch
    # What fails last is what the process ends with.
    :throw, _value -> Map.delete(outcome, :because)
    :exit, reason -> outcome |> Map.delete(:because) |> Map.put(:result, {:stop, reason})
    :error, reason -> outcome |> Map.delete(:because) |> Map.put(:result, {:crash, :error, reason})
  end
end
