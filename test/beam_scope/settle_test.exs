defmodule BeamScope.SettleTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  import BeamScope.Assertions

  alias BeamScope.Error

  defmodule Slow do
    @moduledoc "Answers first, and comes to its new state when it is told to go on."
    use GenServer

    def start_link(opts \\ []), do: GenServer.start_link(__MODULE__, 0, opts)

    @impl true
    def init(count), do: {:ok, count}

    @impl true
    def handle_call({:answer_first, after_ms}, from, count) do
      if after_ms, do: Process.send_after(self(), :go, after_ms)
      GenServer.reply(from, :ok)
      receive do: (:go -> {:noreply, count + 1})
    end

    def handle_call(:add, _from, count), do: {:reply, count + 1, count + 1}
    def handle_call({:stop, rec}, _from, count), do: {:reply, BeamScope.stop(rec), count}
  end

  defmodule Machine do
    @moduledoc "The same as a state machine."
    @behaviour :gen_statem

    def start_link(name), do: :gen_statem.start_link({:local, name}, __MODULE__, 0, [])

    @impl true
    def callback_mode, do: :handle_event_function
    @impl true
    def init(count), do: {:ok, :on, count}

    @impl true
    def handle_event({:call, from}, {:answer_first, after_ms}, :on, count) do
      Process.send_after(self(), :go, after_ms)
      :gen_statem.reply(from, :ok)
      receive do: (:go -> {:keep_state, count + 1})
    end
  end

  defmodule Counts do
    @moduledoc false
    use BeamScope.Expectation
    expect("counts", do: state(:settle_slow, 1))
  end

  setup do
    start_supervised!(%{id: Slow, start: {Slow, :start_link, [[name: :settle_slow]]}})
    on_exit(fn -> BeamScope.clear() end)
  end

  defp later(name, ms \\ 15), do: :ok = GenServer.call(name, {:answer_first, ms})

  test "an assertion waits until a server that has answered has come to its state" do
    rec = BeamScope.start!(:settle_slow, level: :states)
    later(:settle_slow)
    assert_state rec, :settle_slow, 1
    later(:settle_slow)
    assert_transition rec, :settle_slow, 1 ~> 2
    later(:settle_slow)
    assert BeamScope.state_at!(rec, :settle_slow, :end) == 3
    later(:settle_slow)
    assert Enum.count(BeamScope.history(rec, :settle_slow).transitions, &(&1.kind == :call)) == 4
  end

  test "so does what asks for all at once" do
    rec = BeamScope.start!(:settle_slow, level: :states)
    later(:settle_slow)
    assert BeamScope.Verdict.ok?(BeamScope.check(rec, Counts))
  end

  test "a recording ends after the last state that an answer promised" do
    {:ok, rec} = BeamScope.record([trace: :settle_slow], fn -> later(:settle_slow) end)
    assert BeamScope.state_at!(rec, :settle_slow, :end) == 1
    rec = BeamScope.start!(:settle_slow, level: :states)
    later(:settle_slow)
    BeamScope.stop!(rec)
    assert BeamScope.state_at!(rec, :settle_slow, :end) == 2
  end

  test "each of many answers is followed by its state" do
    rec = BeamScope.start!(:settle_slow)

    for n <- 1..200 do
      ^n = GenServer.call(:settle_slow, :add)
      assert_state rec, :settle_slow, ^n
    end
  end

  test "a state machine is waited for where its messages are recorded" do
    start_supervised!(%{id: Machine, start: {Machine, :start_link, [:settle_machine]}})

    for n <- 1..2 do
      {_, rec} = BeamScope.record([trace: :settle_machine], fn -> later(:settle_machine) end)
      assert BeamScope.state_at!(rec, :settle_machine, :end) == {:on, n}
    end
  end

  test "nobody waits for what does not end, nor for oneself" do
    rec = BeamScope.start!(:settle_slow, level: :states)
    GenServer.call(:settle_slow, :add)
    later(:settle_slow, nil)

    assert_raise ExUnit.AssertionError, ~r/ended with 1; 2 was expected/, fn ->
      assert_state rec, :settle_slow, 2
    end

    assert BeamScope.state_at!(rec, :settle_slow, :end) == 1
    send(:settle_slow, :go)
    await_state rec, :settle_slow, 2, 5_000
    assert {:ok, _} = GenServer.call(:settle_slow, {:stop, rec})
    assert {:ok, %{status: :stopped}} = {:ok, BeamScope.info(rec)}
    BeamScope.close(rec)
    assert {:error, %Error{reason: :closed}} = BeamScope.state_at(rec, :settle_slow, :end)
  end
end
