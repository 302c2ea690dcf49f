defmodule BeamScope.Replay.WhatIf.Stub do
  @moduledoc """
  In the peer: what stands where the recorded run had a server that the process called, or sent to by name.

  It gives the answers that the recording has, each once, to the same request in the same step. To any other call it answers as if nobody were
  there, and whatever else it is sent it forgets: the leader sees it in the trace.
  """

  alias BeamScope.Replay.WhatIf.Terms

  @doc "Starts one, under its names, for the pid that the token stands for (if any)."
  @spec start(Terms.token() | nil, [atom], pid) :: :ok
  def start(token, names, leader) do
    pid = spawn(fn -> loop(leader) end)
    if token, do: Terms.bind(token, pid)
    for name <- names, do: register(name, pid)
    :ok
  end

  @doc "Gives a process a name, unless something of this node has it: that stays."
  @spec register(atom, pid) :: boolean
  def register(name, pid) do
    Process.register(pid, name)
  rescue
    ArgumentError -> false
  end

  @doc "The answer to a call: `{:ok, reply}`, taken out of those left, or `:none`."
  @spec answer(pid, term, map) :: {{:ok, term} | :none, map}
  def answer(stub, request, calls) do
    case Enum.find_index(calls.answers, fn {to, asked, _} -> pid(to) == stub and asked === request end) do
      nil ->
        {:none, %{calls | unanswered: calls.unanswered ++ [{stub, request}]}}

      index ->
        {{_, _, reply}, left} = List.pop_at(calls.answers, index)
        {{:ok, reply}, %{calls | answers: left, answered: calls.answered ++ [{stub, request}]}}
    end
  end

  defp pid(name) when is_atom(name), do: Process.whereis(name)
  defp pid(pid), do: pid

  defp loop(leader) do
    receive do
      {:"$gen_call", {pid, tag} = from, request} ->
        ref = make_ref()
        send(leader, {__MODULE__, :call, self(), ref, request})
        receive do: ({^ref, reply} -> reply(reply, from, pid, tag))

      _ ->
        :ok
    end

    loop(leader)
  end

  defp reply({:ok, reply}, from, _pid, _tag), do: GenServer.reply(from, reply)
  # The words of the runtime to one who monitors what is not there; the tag of a call is its monitor.
  defp reply(:none, _from, pid, [:alias | ref]), do: send(pid, {:DOWN, ref, :process, self(), :noproc})
  defp reply(:none, _from, pid, ref), do: send(pid, {:DOWN, ref, :process, self(), :noproc})
end
