defmodule BeamScope.Recorder.KilledTest do
  # Whoever is killed, and whenever: nothing of ours stays. More rounds: BEAM_SCOPE_KILL_ROUNDS=2000.
  use ExUnit.Case, async: false

  import BeamScope.Test.RecorderCase, only: [eventually: 1]

  alias BeamScope.Recorder.{Hub, Session}
  alias BeamScope.Recorder.Session.Survivor
  alias BeamScope.Test.{Counter, Inventory, Leftovers}

  @moduletag timeout: 1_800_000, capture_log: true
  @rounds 40

  setup do
    churn = spawn(&churn/0)
    on_exit(fn -> Process.exit(churn, :kill) end)
    {:ok, counter} = Counter.start()
    %{counter: counter}
  end

  # Processes that end while they are asked about.
  defp churn do
    for _ <- 1..20, do: spawn(fn -> Process.sleep(:rand.uniform(3)) end)
    Process.sleep(1)
    churn()
  end

  # See Session.Trace.traced/1: the virtual machine kept what had asked a process that was gone.
  unless Session.sessions?(), do: @tag(skip: "no trace sessions here")

  test "a session that was asked for its processes ends with who held it", %{counter: counter} do
    for _ <- 1..20 do
      {_, monitor} =
        spawn_monitor(fn ->
          {:ok, session} = Session.open(1, self())
          [] = Session.trace(session, [counter], [:procs])
          for _ <- 1..20, do: true = counter in Session.traced(session)
        end)

      assert_receive {:DOWN, ^monitor, _, _, :normal}, 10_000
    end

    Inventory.settle_down()
    assert Leftovers.settle() == Leftovers.none()
  end

  test "owner, recorder, hub and survivor killed in any order and at any step", %{counter: counter} do
    rounds = String.to_integer(System.get_env("BEAM_SCOPE_KILL_ROUNDS") || "#{@rounds}")
    started = for(n <- 1..rounds, do: round(n, counter)) |> Enum.sum()
    # Both kinds: killed while it was set up, and while it ran.
    assert started > 0 and started < rounds

    Inventory.settle_down()
    left = settle(100)
    assert left == {Leftovers.none(), [], 0}, "left: #{inspect(left)}"
  end

  # From Erlang/OTP 27 on it is the end of the session's owner that ends it.
  unless Session.implementation() == Session.Classic,
    do: @tag(skip: "each recording has a session of its own here")

  test "hub and survivor killed at once: the recorders are the last that know", %{counter: counter} do
    for n <- 1..20 do
      {:ok, rec} = BeamScope.start(counter, level: :full, calls: [{Counter, :increment, 1}, {Enum, :map, 2}])
      {:ok, other} = BeamScope.start(:new, level: :messages)
      assert {:traced, :local} = :erlang.trace_info({Enum, :map, 2}, :traced)
      survivor = Process.whereis(Survivor)
      :erlang.suspend_process(survivor)
      kill(Hub)
      kill(survivor)
      # Somebody else may be at work before the recorder is.
      third = if rem(n, 2) == 0, do: started_anew(counter)
      assert eventually(fn -> off?({Enum, :map, 2}) end)
      if third, do: assert({:traced, :local} = :erlang.trace_info({Counter, :increment, 1}, :traced))
      for one <- [rec, other, third], one != nil, do: BeamScope.close(one)
      assert Leftovers.settle() == Leftovers.none()
      assert eventually(fn -> off?({Counter, :increment, 1}) end)
    end
  end

  # What nobody has undone yet is another tool's to whoever comes first.
  defp started_anew(counter) do
    case start(counter, level: :full, calls: [{Counter, :increment, 1}]) do
      {:ok, rec} -> rec
      {:error, %BeamScope.Error{reason: :pattern_in_use}} -> started_anew(counter)
    end
  end

  defp off?(mfa), do: :erlang.trace_info(mfa, :traced) == {:traced, false}

  defp settle(tries) do
    BeamScope.clear()
    left = {Leftovers.settle(1), recorders(), BeamScope.Native.engine_info().recordings}

    if left == {Leftovers.none(), [], 0} or tries == 0 do
      left
    else
      Inventory.settle_down()
      settle(tries - 1)
    end
  end

  # A set-up that failed waits half a minute for the one who asked.
  defp recorders do
    for pid <- Process.list(),
        {:initial_call, {:proc_lib, :init_p, _}} <- [Process.info(pid, :initial_call)],
        {BeamScope.Recorder.Server, :init, 1} <- [:proc_lib.translate_initial_call(pid)],
        do: pid
  end

  # Answers 1 where the recording had started before somebody was killed.
  defp round(n, counter) do
    :rand.seed(:exsss, n)
    me = self()
    {owner, monitor} = spawn_monitor(fn -> owner(me, counter) end)
    # A set-up takes some milliseconds; the first ones do not get to its end.
    late? = rem(n, 2) == 0
    recorder = if late?, do: started()
    pause(:rand.uniform(if late?, do: 10, else: 2_000))

    for who <- Enum.take_random([owner, recorder | ours()], :rand.uniform(4)) do
      kill(who)
      pause(:rand.uniform(300))
    end

    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}, 10_000
    if late?, do: 1, else: 0
  end

  # Without sessions nobody knows what is set once both are killed: the hub, and the survivor at its work or before it was started anew.
  defp ours, do: if(Session.sessions?(), do: [Hub, Survivor], else: [Hub])

  defp started do
    assert_receive {:started, started}, 30_000
    assert {:ok, rec} = started
    rec.pid
  end

  # Busy: a sleep takes a millisecond at least.
  defp pause(us) do
    until = System.monotonic_time(:microsecond) + us
    wait(until)
  end

  defp wait(until), do: if(System.monotonic_time(:microsecond) < until, do: wait(until))

  defp kill(nil), do: :ok
  defp kill(name) when is_atom(name), do: kill(Process.whereis(name))
  defp kill(pid), do: Process.exit(pid, :kill)

  defp owner(parent, counter) do
    options = [
      level: Enum.random([:off, :crashes, :states, :full]),
      calls: [{Counter, :increment, 1}],
      system: :rand.uniform(5) == 1
    ]

    started = start(Enum.random([counter, :new]), options)
    send(parent, {:started, started})
    with {:ok, rec} <- started, do: levels(rec)
  end

  # The hub that was asked may be one that was killed in the round before.
  defp start(target, options, tries \\ 20) do
    case BeamScope.start(target, options) do
      {:error, %BeamScope.Error{reason: :setup_failed}} when tries > 0 -> start(target, options, tries - 1)
      other -> other
    end
  end

  defp levels(rec) do
    with {:ok, rec} <- BeamScope.set_level(rec, Enum.random([:off, :crashes, :states, :messages, :full])),
         do: levels(rec)
  end
end
