defmodule BeamScope.NativeTracerTest do
  # Classic trace flags are the VM's: one test at a time.
  use ExUnit.Case, async: false

  alias BeamScope.{Native, Truncated}
  alias BeamScope.Test.Tracing

  @kinds [:send, :send_to_dead, :receive, :spawn, :spawned, :exit, :link, :unlink, :getting_linked] ++
           [:getting_unlinked, :register, :unregister, :call, :return, :exception, :state]

  defmodule Counter do
    use GenServer
    def init(n), do: {:ok, n}
    def handle_call(:bump, _from, n), do: {:reply, n + 1, n + 1}
    def handle_info(:timeout, n), do: {:noreply, n + 100}
    def twice(n), do: n * 2
    def fail(n), do: :erlang.error({:failed, n})
  end

  defp kinds(rows, pid), do: for(%{kind: kind, pid: ^pid} <- rows, do: kind)
  defp of(rows, kind), do: for(%{kind: ^kind} = row <- rows, do: row)

  describe "probes" do
    alias BeamScope.Line

    # With patterns of their own, since nothing but the library is asked here.
    defp probes(config, fun) do
      Tracing.record(Map.merge(%{kinds: [:line, :mark]}, config), [:call], fn trace, rec ->
        for name <- [:line, :mark], arity <- 1..5, do: Tracing.pattern({Line, name, arity}, true)
        pid = spawn_link(fn -> receive do: ({:go, from} -> send(from, {:went, fun.(rec)})) end)
        trace.(pid)
        send(pid, {:go, self()})
        assert_receive {:went, _}
        pid
      end)
      |> elem(0)
    end

    test "are told apart by the numbers of the recording, which may change while it runs" do
      rows =
        probes(%{lines: [{10, 20}, {18, 30}, {5, 5}, {40, 41}]}, fn rec ->
          for id <- [5, 9, 10, 19, 25, 29, 30, 39, 40, 41, 0xFFFFFFFF], do: Line.line({id})
          # What was written is told apart when it is drained.
          Native.recording_flush(rec, 1_000)
          Native.recording_update(rec, %{lines: [{0xFFFFFFFF - 1, 0xFFFFFFFF}, {0, 6}]})
          for id <- [5, 9, 10, 40, 0xFFFFFFFE, 0xFFFFFFFF], do: Line.line({id, :v}, id)
          Native.recording_flush(rec, 1_000)
          Native.recording_update(rec, %{lines: []})
          Line.line({5})
        end)

      assert [10, 19, 25, 29, 40, 5, 0xFFFFFFFE] == for(%{terms: [id, _]} <- of(rows, :line), do: id)
      assert [[5], [0xFFFFFFFE]] == for(%{terms: [_, [_] = values]} <- of(rows, :line), do: values)
    end

    test "have a site that is whole, and values within the budget, however small that is" do
      site = {{__MODULE__, :a_function, 2, 1234, "a label of some length that is in the source"}, :a, :b, :c}
      large = Map.new(1..100, &{&1, &1})

      assert [%{terms: [^site, [%Truncated{kind: :map}, 2, %Truncated{kind: :list}]], flags: flags}] =
               probes(%{budget_bytes: 32}, fn _ -> Line.mark(site, large, 2, Enum.to_list(1..100)) end)
               |> of(:mark)

      assert flags == 1 or :truncated in List.wrap(flags)
    end

    test "of other shapes are no events" do
      assert [] ==
               probes(%{lines: [{0, 100}]}, fn _ ->
                 Line.line([1])
                 Line.line({1, :a})
                 Line.line({1}, 2)
                 Line.line({1.0})
                 Line.line({:atom})
                 Line.mark(Tuple.duplicate(:x, 40))
               end)
    end

    test "cost nothing where their kinds are not wanted" do
      assert [] == probes(%{kinds: [:call], lines: [{0, 100}]}, fn _ -> {Line.line({1}), Line.mark({1})} end)
    end
  end

  describe "events" do
    test "of a process's life come in order with their terms" do
      parent = self()

      {rows, pid} =
        Tracing.record(%{kinds: @kinds}, [:send, :receive, :procs], fn trace ->
          pid =
            spawn(fn ->
              receive do: (:go -> :ok)
              Process.register(self(), :native_tracer_test)
              send(parent, {:hello, self()})
              child = spawn_link(fn -> :ok end)
              send(:native_tracer_test, :self)
              Process.unregister(:native_tracer_test)
              monitor = Process.monitor(child)
              receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
              send(child, :too_late)
              exit(:bye)
            end)

          trace.(pid)
          send(pid, :go)
          monitor = Process.monitor(pid)
          receive do: ({:DOWN, ^monitor, _, _, :bye} -> pid)
        end)

      assert kinds(rows, pid) -- [:receive, :receive, :receive, :getting_unlinked] ==
               [:register, :send, :spawn, :link, :send, :unregister, :send_to_dead, :exit]

      assert [%{terms: [^parent, {:hello, ^pid}]} | _] = of(rows, :send)
      assert [%{terms: [child, {:erlang, :apply, [_, []]}]}] = of(rows, :spawn)
      assert [%{terms: [^child, :too_late]}] = of(rows, :send_to_dead)
      assert [%{terms: [:native_tracer_test]}] = of(rows, :register)
      assert [%{terms: [:bye]}] = of(rows, :exit)
      assert Enum.map(rows, & &1.seq) == Enum.to_list(0..(length(rows) - 1))
      assert rows == Enum.sort_by(rows, & &1.at_ns)
    end

    test "of receives carry the sender" do
      me = self()

      {rows, _} =
        Tracing.record(%{kinds: @kinds}, [:receive], fn trace ->
          pid = spawn(fn -> receive do: (:end -> :ok) end)
          trace.(pid)
          send(pid, {:from, me})
          spawn(fn -> send(pid, :other) end)
          send(pid, :end)
          Tracing.await_end(pid)
        end)

      assert [{:from, ^me}, sender] =
               rows |> of(:receive) |> Enum.find(&match?([{:from, _}, _], &1.terms)) |> Map.get(:terms)

      assert sender == me
    end

    test "of calls, returns and exceptions" do
      mfa = {Counter, :twice, 1}

      {rows, _} =
        Tracing.record(%{kinds: @kinds, calls: [{Counter, :_, :_}]}, [:call], fn trace ->
          pid =
            spawn(fn ->
              receive do: (:go -> :ok)
              Counter.twice(21)
              catch_error(Counter.fail(:x))
            end)

          Tracing.pattern({Counter, :twice, 1}, [{:_, [], [{:return_trace}]}])
          Tracing.pattern({Counter, :fail, 1}, [{:_, [], [{:exception_trace}]}])
          trace.(pid)
          send(pid, :go)
          Tracing.await_end(pid)
        end)

      {m, f, a} = mfa
      assert [%{terms: [^m, ^f, [21]]}, %{terms: [^m, :fail, [:x]]}] = of(rows, :call)
      assert [%{terms: [^m, ^f, ^a, 42]}] = of(rows, :return)
      assert [%{terms: [^m, :fail, 1, :error, {:failed, :x}]}] = of(rows, :exception)
    end
  end

  describe "receive timeouts" do
    defp timeouts(config) do
      {rows, _} =
        Tracing.record(Map.put(config, :kinds, @kinds), [:receive], fn trace ->
          pid =
            spawn(fn ->
              receive do: (:go -> :ok)

              for _ <- 1..5 do
                receive do
                  :never -> :ok
                after
                  1 -> :ok
                end
              end

              receive do: (:timeout -> :ok)
            end)

          trace.(pid)
          send(pid, :go)
          Process.sleep(50)
          send(pid, :timeout)
          Tracing.await_end(pid)
        end)

      for %{terms: [:timeout | sender]} <- of(rows, :receive), do: sender
    end

    test "are no events, and a real message of that name is one" do
      me = self()
      assert timeouts(%{}) == [[me]]
    end

    test "are events when they are asked for" do
      assert [[:clock_service], [:clock_service] | _] = timeouts(%{keep_receive_timeouts: true})
    end
  end

  describe "points" do
    test "take only the arguments they name, by path" do
      point = %{
        mfa: {:gen_server, :reply, 2},
        point: :step,
        behaviour: :gen_server,
        fields: [message: [1, {:elem, 2}], before: [2, :hd], after: [2, :tl], action: [9]],
        when: nil
      }

      never = %{point | when: {2, :other}, fields: [message: [1]]}
      me = self()

      {rows, _} =
        Tracing.record(%{kinds: @kinds, points: [point, never]}, [:call], fn trace ->
          pid =
            spawn(fn ->
              receive do: (:go -> :ok)
              :gen_server.reply({me, :tag}, [:a, :b])
            end)

          Tracing.pattern({:gen_server, :reply, 2}, true)
          trace.(pid)
          send(pid, :go)
          Tracing.await_end(pid)
        end)

      # behaviour is the highest bit of those that are there; the action's path does not fit.
      assert [%{point: 4, fields: fields, terms: [:tag, :a, [:b], :gen_server]}] = of(rows, :state)
      assert fields == 1 + 2 + 4 + 256
      assert of(rows, :call) == []
    end
  end

  describe "redaction at points" do
    test "takes a gen_statem's state for a name, not for a key" do
      server = %{
        mfa: {:gen_server, :reply, 2},
        point: :loop,
        behaviour: :gen_server,
        fields: [after: [2]],
        when: nil
      }

      machine = %{server | mfa: {:gen_statem, :reply, 2}, behaviour: :gen_statem}
      me = self()

      {rows, _} =
        Tracing.record(%{kinds: @kinds, points: [server, machine], redact: [:token]}, [:call], fn trace ->
          pid =
            spawn(fn ->
              receive do: (:go -> :ok)
              :gen_server.reply({me, :tag}, {:token, "s3cret"})
              :gen_statem.reply({me, :tag}, {:awaiting_token, %{token: "s3cret", n: 1}})
            end)

          Tracing.pattern({:gen_server, :reply, 2}, true)
          Tracing.pattern({:gen_statem, :reply, 2}, true)
          trace.(pid)
          send(pid, :go)
          Tracing.await_end(pid)
        end)

      redacted = %BeamScope.Redacted{kind: :binary, size: 6}

      assert [%{terms: [{:token, ^redacted}, _]}, %{terms: [{:awaiting_token, %{token: ^redacted, n: 1}}, _]}] =
               of(rows, :state)
    end
  end

  describe "the tracer survives" do
    test "huge and deep terms, on dirty schedulers too" do
      deep = Enum.reduce(1..100_000, [], fn _, acc -> [acc] end)
      huge = Map.new(1..10_000, &{&1, :binary.copy("x", 100)})
      panics = Native.engine_info().panics

      {rows, pid} =
        Tracing.record(
          %{kinds: @kinds, budget_bytes: 2000, calls: [{:re, :run, :_}]},
          [:send, :receive, :call],
          fn trace ->
            pid =
              spawn(fn ->
                receive do: (:go -> :ok)
                for term <- [deep, huge, {deep, huge}, :binary.copy("x", 10_000_000)], do: send(self(), term)
                # A BIF that runs dirty, with the call traced there.
                :erlang.garbage_collect()
                :re.run(:binary.copy("a", 200_000), "(a+)+b", [])
                receive do: (:end -> :ok)
              end)

            Tracing.pattern({:re, :run, 3}, true)
            trace.(pid)
            send(pid, :go)
            send(pid, :end)
            Tracing.await_end(pid)
            pid
          end
        )

      assert [_, _, _, %{terms: [^pid, %Truncated{kind: :binary, size: 10_000_000}]} | _] = of(rows, :send)
      assert [%{terms: [:re, :run, _]} | _] = of(rows, :call)
      assert Native.engine_info().panics == panics
    end

    test "and stays in place, whatever is asked of it" do
      Tracing.record(%{kinds: [:send]}, [:send, :receive, :procs, :call], fn trace ->
        pid = spawn(fn -> receive do: (:end -> :ok) end)
        trace.(pid)
        for n <- 1..100, do: send(pid, n)
        Process.sleep(20)
        assert Tracing.flags(pid) != []
        send(pid, :end)
        Tracing.await_end(pid)
      end)
    end

    test "a recording that is closed: its flags go away by themselves" do
      pid = spawn(fn -> receive do: (:end -> :ok) end)

      Tracing.record(%{kinds: [:receive], leave: true}, [:receive], fn trace ->
        trace.(pid)
        send(pid, 1)
        Process.sleep(10)
        assert Tracing.flags(pid) != []
      end)

      send(pid, 2)
      Process.sleep(20)
      if Tracing.sessions?(), do: assert(Tracing.flags(pid) == [])
      send(pid, :end)
    end
  end

  describe "panics in the callbacks" do
    test "are counted and reach neither the tracee nor the VM" do
      before = Native.engine_info().panics

      Tracing.record(%{kinds: [:receive, :send, :call], panic: true}, [:send, :receive, :call], fn trace ->
        pid =
          spawn(fn ->
            receive do: (:go -> :ok)
            send(self(), :to_myself)
            Process.put(:result, Enum.sum(1..100))
            receive do: ({:ask, from} -> send(from, {:answer, Process.get(:result)}))
          end)

        trace.(pid)
        send(pid, :go)
        send(pid, {:ask, self()})
        assert_receive {:answer, 5050}, 1000
      end)

      assert Native.engine_info().panics > before
    end
  end

  describe "own processes" do
    # Whose an alias is, is read from memory.
    @tag :raw
    test "say and hear nothing that becomes an event" do
      {rows, _} =
        Tracing.record(%{kinds: @kinds, own: [self()]}, [:send, :receive], fn trace ->
          {:ok, pid} = GenServer.start(Counter, 1)
          trace.(pid)
          assert GenServer.call(pid, :bump) == 2
          :sys.get_state(pid)
          me = self()
          spawn(fn -> send(me, GenServer.call(pid, :bump)) end)
          assert_receive 3
          GenServer.stop(pid)
        end)

      assert [%{terms: [{:"$gen_call", _, :bump}, _]}] = of(rows, :receive)
      assert [%{terms: [_, {_, 3}]}] = of(rows, :send)
    end

    test "that ended leave room for others" do
      for _ <- 1..1000 do
        pid = spawn(fn -> receive do: (:end -> :ok) end)
        assert Native.own_add(pid)
        send(pid, :end)
        Tracing.await_end(pid)
      end
    end

    test "are never traced" do
      pid = spawn(fn -> receive do: (:end -> :ok) end)
      assert Native.own_add(pid)

      {rows, _} =
        Tracing.record(%{kinds: @kinds}, [:receive, :procs], fn trace ->
          trace.(pid)
          send(pid, :end)
          Tracing.await_end(pid)
        end)

      assert rows == []
      Native.own_remove(pid)
    end
  end

  describe "limits" do
    test "stop the recording and say so once" do
      {_rows, info} =
        Tracing.record(%{kinds: [:receive], max_events: 5, notify: self()}, [:receive], fn trace, rec ->
          pid = spawn(fn -> receive do: (:end -> :ok) end)
          trace.(pid)
          for n <- 1..100, do: send(pid, n)
          assert_receive {:beam_scope, _, {:limit, :events}}, 1000
          send(pid, :end)
          Tracing.await_end(pid)
          refute_receive {:beam_scope, _, {:limit, _}}, 30
          Native.recording_info(rec)
        end)

      assert %{status: :stopped, stop_reason: :events, events: %{stored: 5}} = info
      assert info.events.offered == info.events.stored + info.events.dropped
    end
  end

  describe "lifecycle notifications" do
    test "reach whom they were promised" do
      Tracing.record(
        %{kinds: @kinds, notify: self(), lifecycle_notify: true},
        [:procs, :set_on_spawn],
        fn trace ->
          pid =
            spawn(fn ->
              receive do: (:go -> :ok)
              Process.register(self(), :native_tracer_notify)
              spawn(fn -> :ok end)
            end)

          trace.(pid)
          send(pid, :go)
          assert_receive {:beam_scope, _, {:registered, ^pid, :native_tracer_notify}}, 1000
          assert_receive {:beam_scope, _, {:spawned, ^pid, child, {:erlang, :apply, _}}}, 1000
          assert_receive {:beam_scope, _, {:exited, ^child, :normal}}, 1000
          Tracing.await_end(pid)
        end
      )
    end
  end

  describe "freeing" do
    test "a recording that nobody holds is gone, and the engine rests" do
      spawn(fn -> {:ok, _rec, _route} = Native.recording_open(Tracing.config(%{kinds: [:send]})) end)
      |> Tracing.await_end()

      assert Tracing.eventually(fn -> match?(%{recordings: 0, drainers: 0}, Native.engine_info()) end)
    end

    test "injected records come back, and a stopped recording takes none" do
      {:ok, rec, _} = Native.recording_open(Tracing.config(%{kinds: [:baseline, :note]}))
      assert :ok = Native.recording_inject(rec, :baseline, self(), [%{name: :me}])
      assert :ok = Native.recording_inject(rec, :note, self(), ["text", {:detail, 1}])
      assert Native.recording_flush(rec, 1000)

      assert [%{kind: :baseline, terms: [%{name: :me}]}, %{kind: :note, terms: ["text", {:detail, 1}]}] =
               Native.recording_rows(rec)

      assert :ok = Native.recording_stop(rec, :requested)
      assert {:error, {:stopped, _}} = Native.recording_inject(rec, :note, self(), ["late"])
      assert %{stop_reason: :requested, meta: %{any: {:term, _}}} = Native.recording_info(rec)
      assert :ok = Native.recording_close(rec)
    end
  end
end
