defmodule BeamScope.Golden.Noise do
  @moduledoc false
  # What a golden execution leaves out: what is another in every run, or says nothing about the system under test.

  alias BeamScope.{Event, Pattern}
  alias BeamScope.Golden.{Roles, Source}

  @doc "Whether a unit of a server's life is told, and so takes part in the order of its messages."
  @spec counts?(non_neg_integer, Source.unit(), map) :: boolean
  def counts?(track, unit, at) do
    Map.has_key?(at.roles.by_track, track) and
      not (noise?(unit.from, at) or idle?(unit) or system_unit?(unit) or
             Enum.all?(unit.acts, &ignored?(&1.content, &1.message, at)))
  end

  defp system_unit?(%{acts: [%{message: message} | _]}), do: system_message?(message)
  defp system_unit?(_unit), do: false

  # A message of the runtime's, a timer mostly, that changed nothing: how many there were is how long it took.
  defp idle?(%{from: from, effects: [], acts: [%{kind: kind} | _] = acts})
       when kind in [:info, :timeout, :state_timeout, :event] do
    (from == nil or from in [:clock_service, :system]) and Enum.all?(acts, &unchanged?/1)
  end

  defp idle?(_unit), do: false

  # Whether its end is still in the recording is chance as well.
  defp unchanged?(%{result: :pending}), do: true

  defp unchanged?(%{from: {:ok, state}, to: {:ok, state}, result: :ok, message: message}),
    do: not match?({label, _, _, _, _} when label == :DOWN, message) and not match?({:EXIT, _, _}, message)

  defp unchanged?(_act), do: false

  defp noise?(nil, _at), do: false
  defp noise?(who, at), do: MapSet.member?(at.roles.noise, who) or Roles.system?(who)

  defp ignored?(content, message, at) do
    Enum.any?(at.opts.ignore, fn pattern ->
      match?({:match, _}, Pattern.match(pattern, content)) or
        match?({:match, _}, Pattern.match(pattern, message))
    end)
  end

  # Of OTP's and Elixir's own protocols.
  defp system_message?({:ack, pid, _}) when is_pid(pid), do: true
  defp system_message?({:nack, pid, _}) when is_pid(pid), do: true
  defp system_message?({:code_call, _, _}), do: true
  defp system_message?({:code_server, _}), do: true
  defp system_message?({:"$gen_call", _, {:registrar, _}}), do: true
  defp system_message?({:system, _, _}), do: true
  # What a task is to do.
  defp system_message?({pid, _ref, _reply_to, callers, {_m, _f, _a}}) when is_pid(pid) and is_list(callers),
    do: true

  defp system_message?(_message), do: false

  defp system_answer?(%{label: :reply, message: message}, at), do: Event.tag(message) in at.system
  defp system_answer?(_event, _at), do: false

  # An answer to what was asked before the recording began, for instance to have it begun: whether it is still seen is
  # chance. The results of tasks look alike, but tasks are known.
  defp early?(%{kind: :receive, label: :reply} = e, at),
    do: not is_map_key(at.roles.by_pid, e.from) and not is_map_key(at.requests, Event.tag(e.message))

  defp early?(_event, _at), do: false

  @doc "Whether a message is left out, at either of its ends."
  @spec left_out?(Event.t(), map) :: boolean
  def left_out?(%{label: label}, _at) when label in [:io, :system], do: true
  def left_out?(%{label: label, content: {_, :normal}}, _at) when label in [:down, :exit], do: true

  def left_out?(e, at) do
    system_message?(e.message) or system_answer?(e, at) or early?(e, at) or noise?(e.from, at) or
      noise?(e.from_name, at) or
      noise?(e.to, at) or
      noise?(e.to_name, at) or ignored?(e.content, e.message, at)
  end
end
