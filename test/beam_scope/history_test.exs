defmodule BeamScope.HistoryTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  defmodule Oracle do
    @moduledoc "A server that writes down each message with the states before and after it."
    use GenServer

    def start(log), do: GenServer.start(__MODULE__, log)

    @impl true
    def init(log), do: {:ok, %{n: 0, log: log}}

    @impl true
    def handle_call({:add, n} = request, _from, state) do
      {:reply, state.n, noted(state, :call, request, %{state | n: state.n + n})}
    end

    def handle_call({:chain, n} = request, _from, state) do
      {:reply, :ok, noted(state, :call, request, %{state | n: -n}), {:continue, {:go_on, n}}}
    end

    @impl true
    def handle_cast({:set, n} = request, state), do: {:noreply, noted(state, :cast, request, %{state | n: n})}
    def handle_cast(:wait = request, state), do: {:noreply, noted(state, :cast, request, state), 1}

    @impl true
    def handle_info(:timeout, state),
      do: {:noreply, noted(state, :timeout, :timeout, %{state | n: state.n + 1000})}

    def handle_info(request, state), do: {:noreply, noted(state, :info, request, %{state | n: state.n * 2})}

    @impl true
    def handle_continue({:go_on, n} = what, state),
      do: {:noreply, noted(state, :continue, what, %{state | n: n * 10})}

    defp noted(before, kind, message, later) do
      :ets.insert(before.log, {System.unique_integer([:monotonic]), kind, message, before, later})
      later
    end
  end

  setup do
    on_exit(fn -> BeamScope.clear() end)
    log = :ets.new(:oracle, [:public, :ordered_set])
    {:ok, server} = Oracle.start(log)
    %{server: server, log: log}
  end

  defp drive(server, seed) do
    :rand.seed(:exsss, {1, 2, seed})

    for _ <- 1..60 do
      case :rand.uniform(5) do
        1 -> GenServer.call(server, {:add, :rand.uniform(9)})
        2 -> GenServer.cast(server, {:set, :rand.uniform(9)})
        3 -> send(server, {:double, :rand.uniform(9)})
        4 -> GenServer.call(server, {:chain, :rand.uniform(9)})
        5 -> wait(server)
      end
    end

    GenServer.call(server, {:add, 0})
  end

  defp wait(server) do
    GenServer.cast(server, :wait)
    Process.sleep(3)
  end

  test "the history is what the server itself wrote down", %{server: server, log: log} do
    {_, rec} = BeamScope.record([trace: server], fn -> drive(server, 7) end)

    written =
      for {_, kind, message, before, later} <- :ets.tab2list(log), do: {kind, message, before.n, later.n}

    transitions = Enum.filter(BeamScope.history(rec, server).transitions, &(&1.kind not in [:read, :init]))
    assert Enum.map(transitions, &{&1.kind, &1.content, &1.from.n, &1.to.n}) == written

    for one <- transitions do
      assert {:ok, state} = BeamScope.state_at(rec, server, one)
      assert state == one.to
      if one.kind in [:call, :cast, :info] and one.content != :timeout, do: assert(one.from_process == self())
      if one.kind == :call and match?({:add, _}, one.content), do: assert(one.reply == {:ok, one.from.n})
    end
  end

  test "a state put in from outside is a change, not a message's doing", %{server: server} do
    {_, rec} =
      BeamScope.record([trace: server], fn ->
        GenServer.call(server, {:add, 1})
        :sys.replace_state(server, &%{&1 | n: 500})
        GenServer.call(server, {:add, 1})
      end)

    changes =
      for one <- BeamScope.history(rec, server), one.kind != :read, do: {one.kind, one.from.n, one.to.n}

    assert changes == [{:call, 0, 1}, {:changed, 1, 500}, {:call, 500, 501}]
  end

  defmodule Door do
    @moduledoc "A state machine: state functions, a postponed event, a timeout."
    @behaviour :gen_statem

    def start, do: :gen_statem.start(__MODULE__, [], [])

    @impl true
    def callback_mode, do: :state_functions
    @impl true
    def init(_), do: {:ok, :open, 0}

    def open({:call, from}, :shut, n), do: {:next_state, :shut, n + 1, [{:reply, from, :done}]}
    def open(:cast, :later, _n), do: {:keep_state_and_data, [:postpone]}
    def shut(:cast, :later, n), do: {:next_state, :open, n + 10}
    def shut(:info, _message, n), do: {:keep_state, n + 100}
  end

  # A state that the loop told is not told again with the next message: whoever may not have heard it must not be told less.
  test "what a pause hides is not taken for the state before", %{server: server} do
    rec = BeamScope.start!(server, level: :states)
    GenServer.call(server, {:add, 1})
    {:ok, _} = BeamScope.set_level(rec, :off)
    GenServer.call(server, {:add, 10})
    {:ok, _} = BeamScope.set_level(rec, :states)
    GenServer.call(server, {:add, 100})
    BeamScope.stop(rec)

    assert %{from: %{n: 11}, to: %{n: 111}} =
             rec |> BeamScope.history(server) |> Enum.find(&(&1.content == {:add, 100}))
  end

  test "a recording that begins later knows the state before its first message", %{server: server} do
    first = BeamScope.start!(server, level: :states)
    GenServer.call(server, {:add, 1})
    second = BeamScope.start!(server, level: :states)
    GenServer.call(server, {:add, 10})
    third = BeamScope.start!(server, level: :full)
    GenServer.call(server, {:add, 100})

    for {rec, steps} <- [
          {first, [{0, 1}, {1, 11}, {11, 111}]},
          {second, [{1, 11}, {11, 111}]},
          {third, [{11, 111}]}
        ] do
      BeamScope.stop(rec)
      calls = rec |> BeamScope.history(server) |> Enum.filter(&(&1.kind == :call))
      assert Enum.map(calls, &{&1.from.n, &1.to.n}) == steps
    end
  end

  test "a gen_statem's history has state and data" do
    {:ok, door} = Door.start()

    {_, rec} =
      BeamScope.record([trace: door], fn ->
        :gen_statem.cast(door, :later)
        :done = :gen_statem.call(door, :shut)
        :done = :gen_statem.call(door, :shut)
        send(door, :knock)
        :sys.get_state(door)
      end)

    steps =
      for one <- BeamScope.history(rec, door),
          one.kind != :read,
          do: {one.kind, one.content, one.from, one.to}

    assert steps == [
             {:cast, :later, {:open, 0}, {:open, 0}},
             {:call, :shut, {:open, 0}, {:shut, 1}},
             {:cast, :later, {:shut, 1}, {:open, 11}},
             {:call, :shut, {:open, 11}, {:shut, 12}},
             {:info, :knock, {:shut, 12}, {:shut, 112}}
           ]

    assert BeamScope.state_at(rec, door, :end) == {:ok, {:shut, 112}}
  end

  defmodule Sum do
    @moduledoc "A handler that adds up."
    @behaviour :gen_event

    @impl true
    def init(n), do: {:ok, n}
    @impl true
    def handle_event(k, n), do: {:ok, n + k}
    @impl true
    def handle_call(:get, n), do: {:ok, n, n}
  end

  # Callbacks do not tell a handler's id, so two handlers of one module cannot be told apart by them.
  if System.get_env("BEAM_SCOPE_PROFILE") == "fallback", do: @tag(:skip)

  test "a gen_event has a history for each handler" do
    {:ok, manager} = :gen_event.start()
    :ok = :gen_event.add_handler(manager, {Sum, :a}, 0)
    :ok = :gen_event.add_handler(manager, {Sum, :b}, 100)

    {_, rec} =
      BeamScope.record([trace: manager], fn ->
        :gen_event.notify(manager, 1)
        :gen_event.sync_notify(manager, 2)
        3 = :gen_event.call(manager, {Sum, :a}, :get)
      end)

    steps =
      for %{kind: :event} = one <- BeamScope.history(rec, manager),
          do: {one.handler, one.content, one.from, one.to}

    assert Enum.sort(steps) == [
             {{Sum, :a}, 1, 0, 1},
             {{Sum, :a}, 2, 1, 3},
             {{Sum, :b}, 1, 100, 101},
             {{Sum, :b}, 2, 101, 103}
           ]

    {:ok, handlers} = BeamScope.state_at(rec, manager, :end)
    assert Enum.sort(handlers) == Enum.sort(:sys.get_state(manager))
  end
end
