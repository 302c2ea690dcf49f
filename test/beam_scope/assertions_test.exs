defmodule BeamScope.AssertionsTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  import BeamScope.Assertions

  alias BeamScope.{Error, Event, Transition}

  @moduletag :capture_log

  defmodule Server do
    @moduledoc "Adds up, and tells an echo."
    use GenServer

    def start_link(name), do: GenServer.start_link(__MODULE__, name, name: name)

    @impl true
    def init(Echo), do: {:ok, %{echoed: 0}}
    def init(_name), do: {:ok, %{count: 0, unit: "pieces"}}

    @impl true
    def handle_call({:add, n}, _from, state),
      do: {:reply, {:ok, state.count + n}, %{state | count: state.count + n}}

    def handle_call(:get, _from, state), do: {:reply, state.count, state}

    @impl true
    def handle_cast({:tell, n}, state) do
      send(Echo, {:echo, n, self()})
      {:noreply, state}
    end

    def handle_cast(:tick, state), do: {:noreply, state}
    def handle_cast({:grow, bytes}, state), do: {:noreply, Map.put(state, :big, String.duplicate("x", bytes))}
    def handle_cast(:crash, state), do: {:noreply, %{state | count: div(state.count, 0)}}

    @impl true
    def handle_info({:echo, n, from}, state) do
      send(from, {:echoed, n})
      {:noreply, %{state | echoed: state.echoed + 1}}
    end

    def handle_info(_other, state), do: {:noreply, state}
  end

  setup_all do
    start_supervised!(%{id: Till, start: {Server, :start_link, [Till]}})
    start_supervised!(%{id: Echo, start: {Server, :start_link, [Echo]}})

    {client, rec} =
      BeamScope.record([trace: [Till, Echo], calls: [{Base, :encode16, 1}]], fn -> happy_path() end)

    on_exit(fn -> BeamScope.close(rec) end)
    %{rec: rec, client: client}
  end

  defp happy_path do
    for n <- [1, 2, 2], do: {:ok, _} = GenServer.call(Till, {:add, n})
    GenServer.cast(Till, {:tell, 7})
    5 = GenServer.call(Till, :get)
    Base.encode16("a")
    :sys.get_state(Echo)
    :sys.get_state(Till)
    self()
  end

  # What a user reads, without what differs from run to run.
  defp failure(fun) do
    error = assert_raise(ExUnit.AssertionError, fun)
    assert Enum.all?(String.split(error.message, "\n"), &(String.length(&1) <= 95))
    {error, masked(error.message)}
  end

  defp message(fun), do: fun |> failure() |> elem(1)

  defp masked(text) do
    text
    |> String.replace(~r/<\d+\.\d+\.\d+>/, "<pid>")
    |> String.replace(~r/ *#\d+/, " #n")
    |> String.replace(~r/ *[\d.]+\s(µs|ms|s)\b/u, " T")
    # Columns are as wide as what stands in them.
    |> String.replace(~r/(\S)   +(?=\S)/, "\\1  ")
    |> String.replace(~r/ +$/m, "")
  end

  defp sentence(fun), do: fun |> message() |> String.split("\n\n") |> hd() |> flat()
  defp flat(text), do: text |> String.split() |> Enum.join(" ")

  describe "assert_state/4" do
    test "holds at the end or at a moment, and binds", %{rec: rec} do
      assert %{count: 5} = assert_state(rec, Till, %{count: n})
      assert n == 5
      assert_state rec, Till, %{count: 0}, at: :start
      sent = assert_sent rec, {:tell, 7}
      assert_state rec, Till, %{count: ^n, unit: <<"pie", _::binary>>}, at: sent
    end

    test "says what the state was, when it was the one expected, and what changed it", %{rec: rec} do
      {error, message} = failure(fn -> assert_state rec, Till, %{count: 3} end)

      assert message == """
             Till ended with %{count: 5, unit: "pieces"}; %{count: 3} was expected.

             It matched at #n ( T).

             The state differs (- expected, + actual)
               - count: 3
               + count: 5  … 1 unchanged

              #n T  CALL {:add, 1}  from <pid>  → {:ok, 1}
                   - count: 0
                   + count: 1  … 1 unchanged
              #n T  CALL {:add, 2}  from <pid>  → {:ok, 3}
                   - count: 1
                   + count: 3  … 1 unchanged
              #n T  CALL {:add, 2}  from <pid>  → {:ok, 5}
                   - count: 3
                   + count: 5  … 1 unchanged\
             """

      assert {error.left, error.right} == {{:%{}, [], [count: 3]}, %{count: 5, unit: "pieces"}}

      assert {error.context, Macro.to_string(error.expr)} ==
               {{:match, []}, "assert_state(rec, Till, %{count: 3})"}
    end

    test "says for what a guard does not hold", %{rec: rec} do
      message = message(fn -> assert_state rec, Till, %{count: c, unit: "pieces"} when c > 7 end)
      assert message =~ "%{count: c, unit: \"pieces\"} when c > 7 was\nexpected."
      assert message =~ "\n\nThe guard c > 7 does not hold for c = 5\n\n"
    end

    test "a process that nobody knows and a moment outside are errors of their own", %{rec: rec} do
      assert_raise Error, ~r/Tell does not appear in the recording. It has .*Till/, fn ->
        assert_state rec, Tell, _
      end

      assert_raise Error, ~r/lies outside the recording/, fn ->
        assert_state rec, Till, _, at: {:ms, 1.0e9}
      end

      other = Process.get(:no_such_key, :other)
      assert_raise Error, ~r/:other is not a recording/, fn -> assert_state other, Till, _ end
    end

    test "a process that has ended has no state" do
      {pid, rec} =
        BeamScope.record([], fn ->
          {:ok, pid} = Agent.start(fn -> 1 end)
          Agent.stop(pid)
          pid
        end)

      assert sentence(fn -> assert_state rec, pid, 1 end) =~
               ~r/<pid> was not alive at the end: it has no state\./

      BeamScope.close(rec)
    end
  end

  describe "assert_always, assert_never, assert_eventually" do
    test "speak of all states", %{rec: rec} do
      assert assert_always(rec, Till, %{count: c} when c >= 0)
      assert assert_never(rec, Till, %{count: c} when c > 5)

      assert %Transition{content: {:add, 2}, to: %{count: 3}} =
               assert_eventually(rec, Till, %{count: n} when n > 1)

      assert n == 3
    end

    test "name the first state that breaks the rule, and what led to it", %{rec: rec} do
      {error, message} = failure(fn -> assert_always rec, Till, %{count: c} when c < 5 end)

      assert message == """
             Till became %{count: 5, unit: "pieces"} by {:add, 2}; %{count: c} when c < 5 was expected of
             every state.

             The guard c < 5 does not hold for c = 5

              #n T  READ from the living process
                     = %{count: 0, unit: "pieces"}
              #n T  CALL {:add, 1}  from <pid>  → {:ok, 1}
                     - count: 0
                     + count: 1  … 1 unchanged
              #n T  CALL {:add, 2}  from <pid>  → {:ok, 3}
                     - count: 1
                     + count: 3  … 1 unchanged
             > #n T  CALL {:add, 2}  from <pid>  → {:ok, 5}
                     - count: 3
                     + count: 5  … 1 unchanged
              #n T  CAST {:tell, 7}  from <pid>
                     no difference\
             """

      assert error.right == %{count: 5, unit: "pieces"}

      assert sentence(fn -> assert_never rec, Till, %{count: 3} end) ==
               ~s(Till became %{count: 3, unit: "pieces"} by {:add, 2}; %{count: 3} was never to be.)
    end

    test "name the nearest state where none matches", %{rec: rec} do
      message = message(fn -> assert_eventually rec, Till, %{count: 4} end)
      assert message =~ "No state of Till matching %{count: 4} was seen; 7 others were.\n\n"

      assert message =~
               "The nearest is #n: the state differs (- expected, + actual)\n  - count: 4\n  + count: 5"

      assert message =~ "\n> #n T  CALL {:add, 2}  from <pid>  → {:ok, 5}\n"
    end

    test "take a span", %{rec: rec} do
      told = assert_sent rec, {:tell, _}
      assert_always rec, Till, %{count: 5}, since: told
      assert_never rec, Till, %{count: 5}, until: {:ms, 0.0}, allow_empty: true
    end
  end

  describe "assert_transition/4" do
    test "binds from the first that matches", %{rec: rec} do
      t = assert_transition rec, Till, %{count: n} ~> %{count: m} when m == n + 2, on: {:add, by}
      assert {n, m, by, t.content} == {1, 3, 2, {:add, 2}}
      assert_transition rec, Till, %{count: same} ~> %{count: same}, on: :get
      assert_transition rec, Till, %{count: x} ~> %{count: y} when y == x + k, on: {:add, k}, all: true
      assert_transition rec, Till, _ ~> _, on: {:add, _}, times: 3
    end

    test "says what it went to instead", %{rec: rec} do
      {error, message} =
        failure(fn ->
          assert_transition rec, Till, %{count: n} ~> %{count: m} when m == n + 3, on: {:add, _}
        end)

      assert hd(String.split(message, "\n\n")) == """
             Till went from %{count: 3, unit: "pieces"} to %{count: 5, unit: "pieces"} on {:add, 2};
             %{count: m} when m == n + 3 was expected.\
             """

      assert message =~ "The nearest is #n: the guard m == n + 3 does not hold for m = 5, n = 3"
      assert error.right == {%{count: 3, unit: "pieces"}, %{count: 5, unit: "pieces"}, {:add, 2}}
    end

    test "all: true names the first that does not", %{rec: rec} do
      sentence =
        sentence(fn ->
          assert_transition rec, Till, %{count: n} ~> %{count: m} when m == n + 1, on: {:add, _}, all: true
        end)

      assert sentence == """
             Till went from %{count: 1, unit: "pieces"} to %{count: 3, unit: "pieces"} on {:add, 2}; \
             %{count: m} when m == n + 1 was expected on every {:add, _}.\
             """
    end

    test "all: true needs a transition on such a message", %{rec: rec} do
      assert sentence(fn -> assert_transition rec, Till, _ ~> _, on: {:sub, _}, all: true end) =~
               "so this could not have failed."

      assert assert_transition(rec, Till, _ ~> _, on: {:sub, _}, all: true, allow_empty: true)
    end

    test "a message that none was on", %{rec: rec} do
      message = message(fn -> assert_transition rec, Till, %{count: 0} ~> %{count: 1}, on: {:sub, _} end)

      assert message =~
               "No transition of Till matching %{count: 0} ~> %{count: 1} on {:sub, _} was seen; 6 others were."

      assert message =~
               "The nearest is #n: the message differs (- expected, + actual)\n  - elem(0): :sub\n  + elem(0): :add"
    end
  end

  describe "assert_sent/3 and refute_sent/3" do
    test "know who sent what to whom, and how often", %{rec: rec, client: client} do
      event = assert_sent rec, {:add, by} when by > 1, from: ^client, to: Till
      assert {event.label, by} == {:call, 2}
      assert_sent rec, {:add, 2}, times: 2
      assert_sent rec, {:add, _}, times: 1..3
      assert_sent rec, {:nothing, _}, times: 0
      assert_sent rec, {:echo, 7, ^GenServer.whereis(Till)}, from: Till, to: Echo
      assert refute_sent(rec, {:error, _})
      assert refute_sent(rec, {:add, 1}, since: event)
    end

    test "a reply is told as the answer to its question", %{rec: rec} do
      {error, message} = failure(fn -> assert_sent rec, {:ok, 4}, from: Till end)

      assert message == """
             Till answered {:ok, 5} to the second {:add, 2}; {:ok, 4} was expected.

             The nearest is #n: the message differs (- expected, + actual)
               - elem(1): 4
               + elem(1): 5  … 1 unchanged

              #n T  <pid> → Till  CALL {:add, 2}
              #n T  Till → <pid>  REPLY {:ok, 3}  (to #n, T)
              #n T  <pid> → Till  CALL {:add, 2}
             > #n T  Till → <pid>  REPLY {:ok, 5}  (to #n, T)
              #n T  <pid> → Till  CAST {:tell, 7}
              #n T  <pid> → Till  CALL :get
              #n T  Till → Echo  INFO {:echo, 7, #PID<pid>}\
             """

      assert {error.left, error.right} == {{:ok, 4}, {:ok, 5}}
    end

    test "else that none was sent, and the nearest", %{rec: rec, client: client} do
      message = message(fn -> assert_sent rec, {:add, n} when n > 2, from: client, to: Till end)

      assert message =~
               ~r/^No message matching {:add, n} when n > 2 was sent from <pid> to Till; 6 others\s+were\.\n\n/

      assert message =~ "The nearest is #n: the guard n > 2 does not hold for n = 2"
    end

    test "numbers", %{rec: rec} do
      message = message(fn -> assert_sent rec, {:add, 2}, times: 1 end)

      assert message == """
             2 messages matching {:add, 2} were sent; 1 was expected.

              #n T  <pid> → Till  CALL {:add, 2}
              #n T  <pid> → Till  CALL {:add, 2}\
             """

      assert sentence(fn -> assert_sent rec, {:add, 1}, times: 2..4 end) ==
               "1 message matching {:add, 1} was sent; 2 to 4 were expected."

      assert_raise Error, ~r/option :times must be a number or a range/, fn ->
        assert_sent rec, :a, times: "x"
      end
    end

    test "a refutation names the first and how many", %{rec: rec} do
      {error, message} = failure(fn -> refute_sent rec, {:add, 2}, to: Till end)
      assert message =~ ~r/^<pid> sent {:add, 2} to Till; no message matching {:add, 2} was expected\.\n\n/
      assert message =~ "This is the first of 2."
      assert message =~ "> #n T  <pid> → Till  CALL {:add, 2}"
      assert {error.left, error.right} == {{:add, 2}, {:add, 2}}
    end

    test "what could not have failed fails", %{rec: rec} do
      assert message(fn -> refute_sent rec, {:error, _}, from: Echo, to: self() end) =~ """
             No message was sent from Echo to the test <pid> at all, so this could not have failed.
             """

      assert refute_sent(rec, {:error, _}, from: Echo, to: self(), allow_empty: true)
      {_, states} = BeamScope.record([trace: Till, level: :states], fn -> GenServer.call(Till, :get) end)

      assert message(fn -> refute_sent states, {:error, _} end) =~
               "At level :states messages are not recorded as such: use level: :messages or :full."

      assert sentence(fn -> assert_sent states, :get end) =~ "No message matching :get was sent."
      BeamScope.close(states)
    end
  end

  describe "assert_delivered/3" do
    test "sees what arrived", %{rec: rec} do
      assert %Event{kind: :receive} = assert_delivered(rec, {:echoed, n}, to: Till)
      assert n == 7
      refute_delivered rec, {:echoed, _}, to: Echo

      assert sentence(fn -> assert_delivered rec, {:echoed, 8}, to: Till end) =~
               "No message matching {:echoed, 8} was delivered to Till;"
    end
  end

  describe "assert_called/3" do
    test "is written as the call", %{rec: rec, client: client} do
      assert %Event{value: "61"} = assert_called(rec, Base.encode16(text), returns: code, by: client)
      assert {text, code} == {"a", "61"}
      assert_called rec, &Base.encode16/1, times: 1
      refute_called rec, Base.encode16(bytes) when byte_size(bytes) > 1
    end

    test "says what was returned instead", %{rec: rec} do
      {error, message} = failure(fn -> assert_called rec, Base.encode16("a"), returns: "62" end)
      assert message =~ ~r/^<pid> called Base.encode16\("a"\), which returned "61"; "62" was expected\.\n\n/

      assert message =~
               "The nearest is #n: what it returned differs (- expected, + actual)\n  - \"62\"\n  + \"61\""

      assert {error.left, error.right} == {"62", "61"}
    end

    test "says what it was called with instead, or that it was not recorded", %{rec: rec} do
      message = message(fn -> assert_called rec, Base.encode16("b") end)
      assert message =~ ~s|No call matching Base.encode16("b") was made; one other was.|
      assert message =~ "the list of arguments differs (- expected, + actual)\n  - [\"b\"]\n  + [\"a\"]"

      message = message(fn -> assert_called rec, Base.decode16(_) end)
      assert message =~ "No call matching Base.decode16(_) was made."
      assert message =~ "Functions are recorded when they were asked for: calls: [Base]."
      assert message(fn -> refute_called rec, Base.decode16(_) end) =~ "so this could not have failed."
    end

    test "a refutation tells the call", %{rec: rec} do
      assert sentence(fn -> refute_called rec, Base.encode16(_) end) =~
               ~s|called Base.encode16("a"); no call matching Base.encode16(_) was expected.|
    end
  end

  describe "assert_flow/3" do
    test "finds the steps in order, with gaps, and binds", %{rec: rec, client: client} do
      found =
        assert_flow rec do
          sent {:add, by}, from: ^client, to: Till
          sent {:ok, by}, from: Till
          handled {:add, more} when more > by, by: Till
          state Till, %{count: 5}
          sent {:tell, told}, to: Till
          sent {:echo, told, _}, from: Till, to: Echo
          transition Till, %{count: n} ~> %{count: m} when m == n, on: {:tell, _}
          received {:echoed, told}, to: Till
          called Base.encode16(text), returns: "61", by: client
        end

      assert {by, more, n, m, told, text} == {1, 2, 5, 5, 7, "a"}
      assert [%Event{}, %Event{}, %Transition{}, %Transition{} | _] = found
    end

    test "shows the step that did not come, those before it, and what came instead", %{
      rec: rec,
      client: client
    } do
      {error, message} =
        failure(fn ->
          assert_flow rec do
            sent {:add, 2}, from: ^client, to: Till
            sent {:ok, 2}, from: Till
            sent {:tell, _}, to: Till
          end
        end)

      assert message =~ """
             Till answered {:ok, 3} to the first {:add, 2}; {:ok, 2} was expected.

             The nearest is #n: the message differs (- expected, + actual)
               - elem(1): 2
               + elem(1): 3  … 1 unchanged

             ✓ 1. sent {:add, 2} from <pid> to Till #n
             ✗ 2. sent {:ok, 2} from Till
             · 3. sent {:tell, _} to Till

             """

      assert message =~ "> #n T  Till → <pid>  REPLY {:ok, 3}"
      assert {error.left, error.right} == {{:ok, 2}, {:ok, 3}}
    end

    test "says what variables of earlier steps had come to mean", %{rec: rec} do
      {error, message} =
        failure(fn ->
          assert_flow rec do
            sent {:tell, t}, to: Till
            sent {:echo, x, _} when x > t, from: Till, to: Echo
          end
        end)

      assert message =~ "No message matching {:echo, x, _} when x > t was sent from Till to Echo (t = 7)."
      assert message =~ "The nearest is #n: the guard x > t does not hold for x = 7, t = 7"
      assert error.context == {:match, [{{:t, nil}, 7}]}
    end

    test "says that a step came too early", %{rec: rec} do
      message =
        message(fn ->
          assert_flow rec do
            sent {:tell, _}, to: Till
            sent {:add, 1}, to: Till
          end
        end)

      assert message =~ ~r/^(The test )?<pid> sent {:add, 1} to Till, but that was before step 1 \( #n\)\.\n/
    end

    test "what is sent while a message is handled stands before or after that; the state, after both", %{
      rec: rec
    } do
      assert_flow rec do
        handled {:tell, n}, by: Till
        sent {:echo, n, _}, from: Till, to: Echo
        handled {:echo, n, _}, by: Echo
        state Echo, %{echoed: 1}
      end

      assert_flow rec do
        sent {:echo, n, _}, from: Till, to: Echo
        handled {:tell, n}, by: Till
      end

      assert sentence(fn ->
               assert_flow rec do
                 state Echo, %{echoed: 1}
                 handled {:echo, _, _}, by: Echo
               end
             end) =~ ~r/^Echo went from %{echoed: 0} to %{echoed: 1} on .*, but that was before step 1/

      assert sentence(fn ->
               assert_flow rec do
                 handled {:tell, _}, by: Till
                 handled :get, by: Till
                 sent {:echo, _, _}, from: Till
               end
             end) =~ "but that was before step 2"
    end

    test "takes a span", %{rec: rec} do
      told = assert_sent rec, {:tell, _}

      assert message(fn ->
               assert_flow rec, since: told do
                 sent {:add, 2}
                 sent {:tell, _}
               end
             end) =~ "No message matching {:add, 2} was sent"
    end
  end

  describe "assert_leads_to/4" do
    test "holds where each is followed", %{rec: rec} do
      assert assert_leads_to(rec, sent({:tell, n}), sent({:echoed, n}), within: 5_000)
      assert assert_leads_to(rec, sent({:add, _}), handled({:add, _}, by: Till))
    end

    test "names the first that is not, with what it would have had to be", %{rec: rec} do
      message = message(fn -> assert_leads_to rec, sent({:add, n}, to: Till), sent({:ok, n}, from: Till) end)

      assert flat(message) =~
               "sent {:add, 2} to Till, and no message matching {:ok, n} was sent from Till after it (n = 2). " <>
                 "Of 3 that were looked at, this is the first without."

      assert message =~ "- elem(1): 2\n  + elem(1): 3"
    end

    test "fails where the first never happened", %{rec: rec} do
      message = message(fn -> assert_leads_to rec, sent({:sub, n}), sent({:ok, n}) end)
      assert message =~ "No message matching {:sub, n} was sent, so this could not have failed."
      assert assert_leads_to(rec, sent({:sub, n}), sent({:ok, n}), allow_empty: true)
    end
  end

  describe "assert_causality/3" do
    test "holds where each effect has its cause", %{rec: rec} do
      assert assert_causality(rec, sent({:tell, n}) ~> sent({:echoed, n}), strict: true)
      assert assert_causality(rec, sent({:add, _}) ~> sent({:ok, n} when is_integer(n)), strict: true)
    end

    test "names the effect without a cause, and with strict: the cause without an effect", %{rec: rec} do
      assert sentence(fn -> assert_causality rec, sent({:add, n}) ~> sent({:ok, n}) end) =~
               "Till answered {:ok, 3} to the first {:add, 2} without a cause of its own, " <>
                 "a message matching {:add, n} sent before it (n = 3)."

      assert sentence(fn -> assert_causality rec, sent({:add, _}) ~> sent({:tell, _}), strict: true end) =~
               "sent {:add, 2} to Till without an effect of its own, a message matching {:tell, _} sent after it."
    end

    test "fails where there was no effect", %{rec: rec} do
      assert sentence(fn -> assert_causality rec, sent({:add, n}) ~> sent({:never, n}) end) ==
               "No message matching {:never, n} was sent, so this could not have failed."
    end
  end

  describe "refute_crash/3" do
    test "holds where nothing crashed, and needs no crash to have been seen", %{rec: rec} do
      assert refute_crash(rec)
      assert refute_crash(rec, Till)
      assert_raise Error, ~r/Tell does not appear/, fn -> refute_crash rec, Tell end
    end

    test "tells who crashed on what" do
      {_, rec} =
        BeamScope.record([], fn ->
          {:ok, pid} = GenServer.start(Server, Other, name: Other)
          monitor = Process.monitor(pid)
          GenServer.cast(pid, :crash)
          assert_receive {:DOWN, ^monitor, _, _, _}, 5_000
        end)

      message = message(fn -> refute_crash rec end)
      assert message =~ ~r/^Other crashed on :crash: .*badarith.* nothing was to crash\.\n/s
      assert message(fn -> refute_crash rec, Other end) =~ "Other crashed on :crash"
      BeamScope.close(rec)
    end
  end

  # A server of its own for each test that goes on counting.
  defp tray(_context) do
    start_supervised!(%{id: Tray, start: {Server, :start_link, [Tray]}})
    :ok
  end

  describe "what cannot be said" do
    setup :tray

    test "a truncated value that decides fails, and says how to keep more" do
      {_, rec} =
        BeamScope.record([trace: Tray, budget: [bytes: 256], level: :full], fn ->
          GenServer.cast(Tray, {:grow, 5_000})
          :sys.get_state(Tray)
        end)

      {other, shorter} = {String.duplicate("x", 4_999) <> "y", String.duplicate("x", 4_999)}

      keep_more =
        "Record with a larger budget, such as budget: [bytes: 262_144], or match a part of the term\nthat is kept."

      message = message(fn -> assert_state rec, Tray, %{big: ^other} end)

      assert message =~
               "It cannot be said whether the state of Tray at the end matches %{big: ^other}: it was\ntruncated,"

      assert message =~ keep_more
      message = message(fn -> assert_never rec, Tray, %{big: ^other} end)
      assert message =~ "It cannot be said that no state of Tray matching %{big: ^other} was seen: "
      assert message =~ "truncated, and what decides was cut off.\n\n" <> keep_more

      assert message(fn -> assert_eventually rec, Tray, %{big: ^other} end) =~
               "It cannot be said whether a state of Tray"

      assert_never rec, Tray, %{big: ^shorter}
      assert_always rec, Tray, %{count: 0}
      BeamScope.close(rec)
    end

    test "a redacted one says what keeps it out" do
      {_, rec} = BeamScope.record([redact: [:unit], trace: Tray], fn -> GenServer.call(Tray, :get) end)
      message = message(fn -> assert_state rec, Tray, %{unit: "pounds"} end)
      assert message =~ "it was\nredacted, and what decides is not there."
      assert message =~ "The recording's redact: option says what is kept out; redact: false keeps all."
      BeamScope.close(rec)
    end

    test "where events were lost, a never cannot be said, and a violation that was seen still can" do
      rec = BeamScope.start!(Tray, level: :full, limits: [events: 40])
      for _ <- 1..100, do: GenServer.call(Tray, {:add, 0})
      wait_until_stopped(rec)

      for never <- [
            fn -> assert_never rec, Tray, %{count: -1} end,
            fn -> assert_always rec, Tray, %{count: _} end,
            fn -> refute_sent rec, {:error, _} end,
            fn -> refute_crash rec, Tray end
          ] do
        message = message(never)

        assert message =~
                 ~r/^It cannot be said that .*: [\d,]+ events\s+(of Tray )?were\s+lost\s+between\s+T\s+and T\./

        assert message =~ "The recording had stopped at its limit of events: raise limits: [events: …]"
      end

      assert sentence(fn -> assert_never rec, Tray, %{unit: "pieces"} end) =~ "was never to be."
      assert_sent rec, {:ok, _}, from: Tray
      BeamScope.close(rec)
    end

    defp wait_until_stopped(rec, tries \\ 200) do
      cond do
        BeamScope.info(rec).status == :stopped -> :ok
        tries == 0 -> flunk("the recording does not stop")
        true -> Process.sleep(10) && wait_until_stopped(rec, tries - 1)
      end
    end
  end

  describe "a recording that still runs" do
    setup :tray

    test "is asked up to now" do
      rec = BeamScope.start!(Tray, level: :full)

      for _ <- 1..50 do
        {:ok, n} = GenServer.call(Tray, {:add, 1})
        assert_state rec, Tray, %{count: ^n}
        assert_sent rec, {:ok, ^n}, from: Tray
      end

      BeamScope.close(rec)
    end
  end

  describe "what an assertion does" do
    setup :tray

    # assert_raise/2 would print the failure, for which ExUnit starts a process.
    defp fails?(fun) do
      fun.()
      false
    rescue
      ExUnit.AssertionError -> true
    end

    test "leaves no trace in the recording of a test that is recorded itself" do
      rec = BeamScope.start!([self(), Tray], level: :full)
      GenServer.call(Tray, :get)
      # What is sent here is what there is: the question, and the answer.
      assert_sent rec, _, from: self(), times: 1
      refute_sent rec, :never, from: self()
      await_state rec, Tray, %{count: 0}, 1_000
      assert fails?(fn -> await_sent rec, :never, 1 end)
      assert fails?(fn -> assert_flow(rec, do: sent(:never)) end)
      assert_sent rec, _, from: self(), times: 1
      assert_delivered rec, _, to: self(), times: 1
      BeamScope.close(rec)
    end
  end

  describe "await_*" do
    setup :tray

    setup do
      rec = BeamScope.start!([Tray, Echo], level: :full)
      on_exit(fn -> BeamScope.close(rec) end)
      %{live: rec, count: GenServer.call(Tray, :get)}
    end

    defp later(ms, fun) do
      spawn(fn ->
        Process.sleep(ms)
        fun.()
      end)
    end

    test "waits for what comes, and takes what came before", %{live: rec, count: count} do
      next = count + 100
      later(60, fn -> GenServer.call(Tray, {:add, 100}) end)
      began = System.monotonic_time(:millisecond)
      assert %Transition{} = await_state(rec, Tray, %{count: ^next, unit: unit}, 5_000)
      assert unit == "pieces"
      assert (System.monotonic_time(:millisecond) - began) in 50..1_000
      assert %Transition{} = await_state(rec, Tray, %{count: ^next}, 0)
      assert %Event{label: :reply} = await_sent(rec, {:ok, ^next}, [from: Tray], 1_000)
      await_delivered rec, {:add, 100}, to: Tray, timeout: 1_000
      await_transition rec, Tray, %{count: ^count} ~> %{count: ^next}, [on: {:add, _}], 1_000
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "waits for so many", %{live: rec} do
      later(20, fn -> for _ <- 1..3, do: GenServer.cast(Tray, :tick) end)
      await_delivered rec, :tick, times: 3, timeout: 5_000
      assert_delivered rec, :tick, times: 3
    end

    test "waits for all steps of a flow", %{live: rec} do
      later(30, fn ->
        GenServer.call(Tray, {:add, 5})
        GenServer.cast(Tray, {:tell, 5})
      end)

      await_flow rec, 5_000 do
        sent {:ok, n}, from: Tray
        sent {:echo, n, _}, from: Tray, to: Echo
      end

      assert n == 5

      message =
        message(fn ->
          await_flow rec, since: :start, timeout: 20 do
            sent {:ok, 5}, from: Tray
            sent {:echo, 6, _}, from: Tray
          end
        end)

      assert message =~ "Waited T."
      assert message =~ "✗ 2. sent {:echo, 6, _} from Tray"
    end

    test "says in time what was seen instead", %{live: rec, count: count} do
      wanted = count + 1
      began = System.monotonic_time(:millisecond)
      {error, message} = failure(fn -> await_state rec, Tray, %{count: ^wanted}, 60 end)
      assert (System.monotonic_time(:millisecond) - began) in 60..2_000
      assert message =~ "No state of Tray matching %{count: ^wanted} was seen; 2 others were.\n\nWaited T."
      assert message =~ "- count: #{wanted}\n  + count: #{count}"
      assert error.context == {:match, [{{:wanted, nil}, wanted}]}
      assert sentence(fn -> await_sent rec, :never, 0 end) =~ "No message matching :never was sent"
    end

    test "waits for a process that is not there yet, and says if it did not come", %{live: rec} do
      assert sentence(fn -> await_state rec, Nobody, _, 20 end) =~ "Nobody does not appear in the recording."
    end

    test "does not wait for what cannot come any more", %{live: rec} do
      BeamScope.stop!(rec)
      message = message(fn -> await_sent rec, :never, 60_000 end)
      assert message =~ "The recording has stopped, so that nothing more can come."
    end

    test "has ExUnit's own timeout, and refuses one that is none", %{live: rec} do
      assert message(fn -> await_sent rec, :never end) =~
               "Waited #{Application.fetch_env!(:ex_unit, :assert_receive_timeout)} ms." |> masked()

      assert_raise Error, ~r/option :timeout must be milliseconds/, fn -> await_sent rec, :never, :soon end
    end
  end

  describe "colours" do
    test "are there where ANSI is on, and never count as width", %{rec: rec} do
      on = Application.get_env(:elixir, :ansi_enabled, false)
      on_exit(fn -> Application.put_env(:elixir, :ansi_enabled, on) end)
      Application.put_env(:elixir, :ansi_enabled, true)
      error = assert_raise(ExUnit.AssertionError, fn -> assert_state rec, Till, %{count: 3} end)
      assert error.message =~ IO.ANSI.format_fragment([:red], true) |> IO.iodata_to_binary()
      Application.put_env(:elixir, :ansi_enabled, false)
      plain = assert_raise(ExUnit.AssertionError, fn -> assert_state rec, Till, %{count: 3} end)
      refute plain.message =~ "\e["
      assert error.message |> String.replace(~r/\e\[\d+m/, "") |> masked() == masked(plain.message)
    end
  end

  describe "the exception" do
    test "comes from the line of the assertion", %{rec: rec} do
      line = __ENV__.line + 1
      fun = fn -> assert_state rec, Till, %{count: 3} end

      trace =
        try do
          fun.()
        rescue
          ExUnit.AssertionError -> __STACKTRACE__
        end

      assert [{__MODULE__, _, _, [file: file, line: ^line]} | _] = trace
      assert List.to_string(file) =~ "assertions_test.exs"
    end

    test "is BeamScope's own where ExUnit is not there" do
      error = BeamScope.Expect.Failure.exception(message: "Counter did not.")
      assert is_struct(error, ExUnit.AssertionError)
      assert Exception.message(Error.new(:assertion_failed, "Counter did not.")) == "Counter did not."
    end
  end

  describe "ExUnit" do
    test "prints them with its own diff", %{rec: rec} do
      limit = %{high: 9}

      for {fun, left, right} <- [
            {fn -> assert_state rec, Till, %{count: 3, unit: "pieces"} end, ["3"], ["5"]},
            {fn -> assert_state rec, Till, %{count: ^limit.high} end, ["^limit.high"], ["5"]},
            {fn -> assert_state rec, Till, %{count: c} when c > limit.high end, ["c > limit.high"], []},
            {fn -> assert_state rec, Till, %{count: c} when hd(c) == 1 end, [], []},
            {fn -> assert_sent rec, {:ok, <<_::8, _::binary>>}, from: Till end, [], []},
            {fn -> assert_transition rec, Till, %{count: n} ~> %{count: m} when m == n + 3, on: {:add, _} end,
             ["m == n + 3"], []},
            {fn -> assert_called rec, Base.encode16("a"), returns: "62" end, ["2"], ["1"]}
          ] do
        error = assert_raise(ExUnit.AssertionError, fun)
        {deleted, inserted} = coloured(error)
        assert left -- deleted == []
        assert right -- inserted == []
      end
    end

    # What ExUnit would paint on either side.
    defp coloured(error) do
      paint = fn
        :diff_enabled?, _ -> true
        :diff_delete, doc -> Inspect.Algebra.concat(["<-", doc, "->"])
        :diff_insert, doc -> Inspect.Algebra.concat(["<+", doc, "+>"])
        _kind, text -> text
      end

      test = %ExUnit.Test{name: :test, case: __MODULE__, module: __MODULE__, tags: %{file: "", line: 1}}
      text = ExUnit.Formatter.format_test_failure(test, [{:error, error, []}], 1, 200, paint)
      {painted(~r/<-(.*?)->/s, text), painted(~r/<\+(.*?)\+>/s, text)}
    end

    defp painted(regex, text), do: regex |> Regex.scan(text) |> Enum.map(&Enum.at(&1, 1))
  end
end
