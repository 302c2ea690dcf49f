defmodule BeamScope.Replay.WhatIf.Driver do
  @moduledoc """
  In the peer: one process that lives the edited life, and one that leads it.

  The callbacks are called directly and their returns read here, rather than by a `:gen_server.enter_loop/3` that is sent the messages:

    * the state after each single callback, each continue step and each reply is at hand, without `:sys` or trace points that differ
      between OTP releases;
    * a timeout is due by the time of the recording, not by that of a run that takes milliseconds;
    * a crash is an outcome like any other: no crash report, no links that take the leader with it;
    * what the process sends itself is not handled by the loop before anybody could look.

  The returns are few and documented; what `gen_server` does besides (a thrown value is a return, a stop calls `terminate/2`, an unknown message
  without `handle_info/2` is passed over) is done here, too. Its own process dictionary, `:sys` and hibernation are not.

  The leader traces what the other process sends, and owns the stand-ins for servers whose answers the recording has.
  """

  alias BeamScope.Replay.WhatIf.{Callbacks, Sink, Stub, Terms}

  @doc """
  Begins a life. The binary holds `%{module:, state:, own:, names:, stubs: [{token | nil, [name]}], traps?:, env:}`.
  """
  @spec start(binary) :: :ok
  def start(setup) do
    caller = self()
    leader = spawn(fn -> lead(:erlang.binary_to_term(setup), caller) end)
    receive do: ({^leader, :ready} -> :ok)
  end

  @doc """
  Has one message handled: `{:message, message}`, `{:continue, term}`, or `:continue` for the continue step that the callback before asked
  for. `answers` are what calls in it get: `[{server, request, reply}]`. All of that, and the outcome, is packed.
  """
  @spec step(binary) :: binary
  def step(bytes), do: ask({:step, bytes})

  @doc "The names of the atoms in the latest outcome."
  @spec atoms() :: [String.t()]
  def atoms, do: ask(:atoms)

  @doc "The latest outcome without these atoms."
  @spec without([String.t()]) :: binary
  def without(names), do: ask({:without, names})

  defp ask(question) do
    leader = Process.whereis(__MODULE__)
    monitor = Process.monitor(leader)
    send(leader, {:ask, self(), question})

    receive do
      {^leader, :answer, answer} -> answer
      {:DOWN, ^monitor, _, _, reason} -> exit(reason)
    end
  end

  # ---- the leader ----

  defp lead(setup, caller) do
    Process.register(self(), __MODULE__)
    Terms.new()
    io = Sink.start()
    for {app, env} <- setup.env, {key, value} <- env, do: Application.put_env(app, key, value)
    for {token, names} <- setup.stubs, do: Stub.start(token, names, self())
    {pid, _monitor} = spawn_monitor(fn -> live(setup, io) end)
    Terms.bind(setup.own, pid)
    for name <- setup.names, do: Stub.register(name, pid)
    :erlang.trace(pid, true, [:send])
    send(pid, {__MODULE__, :begin, Terms.unpack(setup.state), self()})
    send(caller, {self(), :ready})
    serve(%{pid: pid, last: nil})
  end

  defp serve(life) do
    receive do
      {:ask, from, question} ->
        {answer, life} = answer(question, life)
        send(from, {self(), :answer, answer})
        serve(life)
    end
  end

  defp answer(:atoms, life), do: {Terms.atoms(Terms.pack(life.last)), life}

  defp answer({:without, names}, life) do
    unknown = Map.new(names, &{String.to_existing_atom(&1), true})
    {:erlang.term_to_binary(Terms.pack(life.last, unknown)), life}
  end

  defp answer({:step, bytes}, life) do
    %{do: what, answers: answers} = bytes |> :erlang.binary_to_term() |> Terms.unpack()
    send(life.pid, {__MODULE__, :handle, what})
    {outcome, calls} = wait(life.pid, %{answers: answers, answered: [], unanswered: []})
    sends = sends(life.pid)
    nobody = for {to, _} <- sends, is_atom(to), Process.whereis(to) == nil, do: to

    last =
      outcome |> Map.merge(Map.delete(calls, :answers)) |> Map.put(:nobody, nobody) |> replied(what, sends)

    {:erlang.term_to_binary(Terms.pack(last)), %{life | last: last}}
  end

  defp wait(pid, calls) do
    receive do
      {__MODULE__, :done, ^pid, outcome} ->
        {outcome, calls}

      {__MODULE__, :failed} ->
        wait(pid, calls)

      {:DOWN, _, :process, ^pid, reason} ->
        {%{state: :same, reply: nil, result: {:stop, reason}, next: nil}, calls}

      {Stub, :call, stub, ref, request} ->
        {reply, calls} = Stub.answer(stub, request, calls)
        send(stub, {ref, reply})
        wait(pid, calls)
    end
  end

  # What the process has sent, the oldest first. All of it has arrived once the runtime says so.
  defp sends(pid) do
    ref = :erlang.trace_delivered(pid)
    receive do: ({:trace_delivered, ^pid, ^ref} -> :ok)
    sent = pid |> sent([]) |> Enum.take_while(&(not match?({_, {__MODULE__, :failed}}, &1)))
    Enum.reject(sent, &match?({_, {__MODULE__, :done, _, _}}, &1))
  end

  defp sent(pid, done) do
    receive do
      {:trace, ^pid, kind, message, to} when kind in [:send, :send_to_non_existing_process] ->
        sent(pid, [{to, message} | done])
    after
      0 -> Enum.reverse(done)
    end
  end

  # A reply to this call is one, whether returned or sent by `reply/2`.
  defp replied(outcome, {:message, {:"$gen_call", {_pid, tag}, _}}, sends) do
    {replies, others} = Enum.split_with(sends, &match?({_, {^tag, _}}, &1))
    given = for {_, {_, reply}} <- replies, do: {:ok, reply}
    Map.merge(outcome, %{sends: others, reply: outcome.reply || List.first(given)})
  end

  defp replied(outcome, _what, sends), do: Map.put(outcome, :sends, sends)

  # ---- the process whose life it is ----

  defp live(setup, io) do
    Process.group_leader(self(), io)
    Process.flag(:trap_exit, setup.traps?)
    Process.put(:"$initial_call", {setup.module, :init, 1})
    Process.put(:"$ancestors", [])
    receive do: ({__MODULE__, :begin, state, leader} -> next(setup.module, state, leader, nil))
  end

  defp next(module, state, leader, continue) do
    receive do
      {__MODULE__, :handle, what} ->
        what = if what == :continue, do: {:continue, continue}, else: what
        outcome = Callbacks.handle(module, what, state, fn -> send(leader, {__MODULE__, :failed}) end)

        pass_over()
        {asked, action} = action(outcome.next)
        # A large state that did not change need not go over again.
        told = if outcome.state === state, do: :same, else: {:new, outcome.state}
        send(leader, {__MODULE__, :done, self(), %{outcome | state: told, next: action}})
        if outcome.result == :ok, do: next(module, outcome.state, leader, asked)
    end
  end

  defp action({:continue, term}), do: {term, :continue}
  defp action(other), do: {nil, other}

  # The next message is the recording's, or known from the trace: what else has come is a timer's, a monitor's or another process'.
  defp pass_over do
    receive do
      _ -> pass_over()
    after
      0 -> :ok
    end
  end
end
