defmodule BeamScope.Assertions.PairsTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  import BeamScope.Assertions

  alias BeamScope.Error

  @moduletag :capture_log

  defmodule Desk do
    @moduledoc "Has jobs done by workers of its own."
    use GenServer

    def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: HelpDesk)

    @impl true
    def init(nil), do: {:ok, %{jobs: 0}}

    @impl true
    def handle_call({:job, n}, _from, state) do
      desk = self()
      worker = spawn(fn -> send(desk, {:done, n, self()}) end)
      {:reply, {:given, n, worker}, %{state | jobs: state.jobs + 1}}
    end

    def handle_call(:close, _from, state), do: {:reply, :closed, state}

    @impl true
    def handle_info({:done, _n, _worker}, state), do: {:noreply, state}
  end

  # Two clients, each with a job; then the desk is closed, and a third job comes.
  setup_all do
    start_supervised!(Desk)
    test = self()

    {clients, rec} =
      BeamScope.record([trace: HelpDesk], fn ->
        clients = for n <- [1, 2], do: client(test, n)
        :closed = GenServer.call(HelpDesk, :close)
        [_ | _] = clients ++ [client(test, 3)]
      end)

    on_exit(fn -> BeamScope.close(rec) end)
    %{rec: rec, clients: clients}
  end

  defp client(test, n) do
    pid = spawn(fn -> send(test, {:client, GenServer.call(HelpDesk, {:job, n})}) end)
    assert_receive {:client, {:given, ^n, worker}}
    monitor = Process.monitor(worker)
    assert_receive {:DOWN, ^monitor, _, _, _}
    :sys.get_state(HelpDesk)
    pid
  end

  defp sentence(fun) do
    error = assert_raise(ExUnit.AssertionError, fun)

    error.message
    |> String.split("\n\n")
    |> hd()
    |> String.replace(~r/<\d+\.\d+\.\d+>/, "<pid>")
    |> String.replace(~r/#PID<pid>/, "<pid>")
    |> String.replace(~r/#\d+/, "#n")
    |> String.split()
    |> Enum.join(" ")
  end

  describe "refute_leads_to/4" do
    test "holds where nothing of the kind follows", %{rec: rec} do
      assert refute_leads_to(rec, sent({:done, n, _}), sent({:given, n, _}))
      assert refute_leads_to(rec, state(HelpDesk, %{jobs: n}), state(HelpDesk, %{jobs: m}) when m < n)
      assert refute_leads_to(rec, sent({:job, n}), sent({:job, n}))
    end

    test "says what followed what", %{rec: rec} do
      assert sentence(fn -> refute_leads_to rec, sent({:job, n}), sent({:done, n, _}) end) =~
               ~r/^\S+ sent {:done, 1, <pid>} to HelpDesk after .* sent {:job, 1} to \S+ \(#n\): that was not to follow\.$/

      assert sentence(fn -> refute_leads_to rec, sent(:close), sent({:job, _}) end) =~
               ~r/sent {:job, 3} to \S+ after .* sent :close to/
    end

    test "up to a step that it may follow", %{rec: rec} do
      assert refute_leads_to(rec, sent({:job, 1}), sent({:job, 3}), before: sent(:close))

      assert sentence(fn ->
               refute_leads_to rec, sent({:job, n}), sent({:given, n, _}), before: sent({:done, n, _})
             end) =~ "that was not to follow, and no message matching {:done, n, _} was sent between them"
    end

    test "or within some time", %{rec: rec} do
      assert_raise ExUnit.AssertionError, fn ->
        refute_leads_to rec, sent({:job, n}), sent({:given, n, _}), within: 60_000
      end
    end

    test "fails where the first never happened", %{rec: rec} do
      assert sentence(fn -> refute_leads_to rec, sent(:open), sent({:job, _}) end) ==
               "No message matching :open was sent, so this could not have failed."

      assert refute_leads_to(rec, sent(:open), sent({:job, _}), allow_empty: true)
    end
  end

  describe "assert_leads_to/4 with before:" do
    test "wants the second before the third", %{rec: rec} do
      assert assert_leads_to(rec, sent({:job, n}), sent({:given, n, _}), before: sent({:done, n, _}))
      assert assert_leads_to(rec, sent({:job, 1}), sent({:job, 2}), before: sent(:close))
    end

    test "says what came too early", %{rec: rec} do
      assert sentence(fn -> assert_leads_to rec, sent({:job, 1}), sent({:job, 3}), before: sent(:close) end) =~
               ~r/sent :close to HelpDesk, and no message matching {:job, 3} was sent before that and after .* sent {:job, 1} to \S+ \(#n\)\./
    end
  end

  describe "assert_causality/3 with shared: true" do
    test "lets one cause serve several effects", %{rec: rec} do
      assert assert_causality(rec, sent({:job, 1}) ~> sent({:given, _, _}), shared: true)

      assert_raise ExUnit.AssertionError, fn ->
        assert_causality rec, sent({:job, 1}) ~> sent({:given, _, _})
      end
    end

    test "names the effect without any", %{rec: rec} do
      assert sentence(fn -> assert_causality rec, sent(:close) ~> sent({:given, _, _}), shared: true end) =~
               ~r/^HelpDesk answered {:given, 1, <pid>} to {:job, 1}, and no message matching :close was sent before it\.$/
    end
  end

  describe "a cause that takes time" do
    test "may have its effect before it is over", %{rec: rec} do
      assert assert_causality(rec, handled({:job, n}, by: HelpDesk) ~> sent({:given, n, _}, from: HelpDesk))
      assert assert_causality(rec, state(HelpDesk, %{jobs: n}) ~> sent({:given, n, _}, from: HelpDesk))
      assert assert_leads_to(rec, handled({:job, n}, by: HelpDesk), sent({:given, n, _}, from: HelpDesk))

      assert_raise ExUnit.AssertionError, fn ->
        assert_causality rec, handled(:close) ~> sent({:given, 1, _})
      end
    end
  end

  describe "a variable for a process" do
    test "is the same process wherever it stands", %{rec: rec} do
      assert assert_leads_to(
               rec,
               sent({:job, n}, from: who, to: HelpDesk),
               sent({:given, n, _}, from: HelpDesk, to: who)
             )

      assert assert_leads_to(rec, sent({:given, n, worker}), sent({:done, n, worker}, from: worker))
      assert assert_leads_to(rec, sent({:given, _, worker}), exited(worker, :normal))

      # Clients end too, and nobody gave them a job.
      assert sentence(fn -> assert_causality rec, sent({:given, _, worker}) ~> exited(worker) end) =~
               ~r/ended: :normal without a cause of its own, a message matching {:given, _, worker} sent before it \(worker = /
    end

    test "is bound by a flow", %{rec: rec, clients: [first | _]} do
      assert_flow rec do
        sent {:job, 1}, from: who, to: HelpDesk
        sent {:given, 1, worker}, from: HelpDesk, to: who
        sent {:done, 1, _}, from: worker, to: HelpDesk
      end

      assert who == first
      assert is_pid(worker)
    end

    test "may have to be a certain one", %{rec: rec} do
      assert assert_leads_to(rec, sent({:job, n}, to: desk = HelpDesk), sent({:given, n, _}, from: desk))

      assert sentence(fn ->
               assert_leads_to rec, sent({:job, n}, to: desk = HelpDesk), sent({:given, n, _}, to: desk)
             end) =~
               ~r/no message matching {:given, n, _} was sent to desk after it \(n = 1, desk = HelpDesk\)/
    end

    test "of the test is the test's own", %{rec: rec, clients: [first | _]} do
      who = first
      assert assert_leads_to(rec, sent({:job, 1}, from: who), sent({:given, 1, _}, to: who))
      assert assert_leads_to(rec, sent({:job, 1}, from: ^who), sent({:given, 1, _}, to: ^who))
      assert_raise Error, fn -> assert_leads_to rec, sent({:job, 1}, from: :nobody), sent({:given, 1, _}) end
    end

    test "that nothing else could be is a mistake" do
      assert refused("assert_sent rec, {:job, _}, from: who") =~
               "undefined variable \"who\": only where an expectation has several steps"

      assert refused("assert_leads_to rec, sent({:job, n}, from: who), sent({:given, n, _})") =~
               "undefined variable \"who\": it stands for a process, and nothing else here is to be the same one"
    end
  end

  test "a guard may stand behind its step", %{rec: rec} do
    assert assert_leads_to(rec, sent({:job, n}) when n > 1, sent({:given, m, _}) when m == n)

    assert_flow rec do
      sent({:job, n}, to: HelpDesk) when n > 2
      handled({:done, m, _}, by: HelpDesk) when m == n
    end

    assert {n, m} == {3, 3}
  end

  test "what cannot be said together is a compile error" do
    assert refused("assert_causality rec, sent(:a) ~> sent(:b), strict: true, shared: true") =~
             "with strict: true each cause has an effect of its own"

    assert refused("assert_causality rec, sent(:a) ~> sent(:b), shared: maybe") =~
             "shared: must be true or false"

    assert refused("assert_leads_to rec, sent(:a), sent(:b), before: :c") =~ "`:c` is no step"

    assert refused("assert_leads_to rec, sent(:a), sent({:b, n}), before: sent({:c, m}) when m > n") =~
             "undefined variable \"n\""
  end

  defp refused(code) do
    env = %{__ENV__ | function: {:test, 1}}
    quoted = Code.string_to_quoted!("fn rec -> #{code} end")
    assert_raise(CompileError, fn -> Code.eval_quoted(quoted, [], env) end).description
  end
end
