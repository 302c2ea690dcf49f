defmodule BeamScope.ExportTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false

  alias BeamScope.{Error, Export}
  alias BeamScope.Test.{ReadJson, Till}

  @moduletag :tmp_dir
  @moduletag :capture_log

  setup do
    on_exit(fn -> BeamScope.clear() end)
    echo = start_supervised!({Till, name: :export_echo}, id: :echo)
    till = start_supervised!({Till, name: :export_till, ask: echo}, id: :till)
    %{till: till, echo: echo}
  end

  defp record(context, fun, opts \\ []) do
    opts = [trace: [context.till, context.echo], level: :full, calls: [Till]] ++ opts
    {_, rec} = BeamScope.record(opts, fun)
    rec
  end

  defp export(rec, format, context, opts \\ []) do
    path = Path.join(context.tmp_dir, "#{format}.out")
    assert BeamScope.export(rec, format, path, opts) == :ok
    File.read!(path)
  end

  defp trace(rec, context, opts \\ []),
    do: rec |> export(:chrome, context, opts) |> ReadJson.read!() |> Map.fetch!("traceEvents")

  defp lines(rec, context, opts \\ []) do
    rec |> export(:jsonl, context, opts) |> String.split("\n", trim: true) |> Enum.map(&ReadJson.read!/1)
  end

  # Slices of a trace as a viewer draws them: by track, in the order of time, each within what is open. An end that meets nothing, or
  # a slice that outlives what it is in, fails.
  defp slices(trace) do
    trace
    |> Enum.filter(&(&1["ph"] in ["B", "E", "X"]))
    |> Enum.group_by(& &1["tid"])
    |> Map.new(fn {tid, events} -> {tid, nested(Enum.sort_by(events, & &1["ts"]))} end)
  end

  defp nested(events) do
    {done, []} = Enum.reduce(events, {[], []}, &nest/2)
    Enum.sort_by(done, & &1.from)
  end

  defp nest(%{"ph" => "B"} = e, {done, open}), do: {done, [slice(e, open) | open]}

  defp nest(%{"ph" => "E"} = e, {done, [slice | open]}) do
    slice = %{slice | to: ns(e["ts"]), args: Map.merge(slice.args, e["args"])}
    assert Enum.all?(done, &(&1.from < slice.from or &1.to <= slice.to))
    {[slice | done], open}
  end

  defp nest(%{"ph" => "X"} = e, {done, open}) do
    slice = slice(e, open)
    {[%{slice | to: slice.from + ns(e["dur"])} | done], open}
  end

  defp slice(e, open),
    do: %{name: e["name"], from: ns(e["ts"]), to: nil, args: e["args"], depth: length(open)}

  # Microseconds with three decimals are no exact numbers.
  defp ns(us), do: round(us * 1000)

  defp named(slices, name), do: slices |> Map.values() |> Enum.concat() |> Enum.filter(&(&1.name == name))

  describe "the system and collections" do
    @collections not BeamScope.Recorder.Hazards.crashes?(:garbage_collection)

    @tag skip: BeamScope.Recorder.Profile.wanted(nil) == :fallback && "the recorder's note makes it a process"
    test "are counters, instants and slices of a trace, and of every other format no obstacle", context do
      rec =
        record(
          context,
          fn -> for n <- 1..20, do: GenServer.call(context.till, {:sum, [n]}) && collect(context.till) end,
          system: [long_schedule: 1, every: 100],
          garbage_collection: @collections
        )

      trace = trace(rec, context)
      counters = for %{"ph" => "C", "name" => name} <- trace, uniq: true, do: name
      assert "memory" in counters and "run queue" in counters and "schedulers" in counters
      all = slices(trace) |> Map.values() |> Enum.concat()
      if @collections, do: assert(Enum.any?(all, &(&1.name == "major collection")))

      for format <- [:mermaid, :plantuml, :shiviz, :speedscope, :otlp, :jsonl],
          do: export(rec, format, context)

      system = for %{"kind" => "system"} = line <- lines(rec, context), do: line
      assert length(system) == BeamScope.info(rec).by_kind.system
      assert Enum.any?(system, &(&1["what"] == "sample")) and Enum.all?(system, &(&1["pid"] == nil))
    end

    defp collect(pid), do: :erlang.garbage_collect(pid)
  end

  describe "a Chrome trace" do
    test "nests calls within the messages they are made for, and numbers add up", context do
      rec = record(context, fn -> Till.sum(context.till, [1, 2]) end)
      slices = rec |> trace(context) |> slices()

      # The till and the echo each add up for one message: the call for the list, for its tail, for the end of it.
      assert [0, 0] = slices |> named("CALL {:sum, [1, 2]}") |> Enum.map(& &1.depth)
      assert [1, 1] = slices |> named("BeamScope.Test.Till.handle_call/3") |> Enum.map(& &1.depth)

      assert [2, 2, 3, 3, 4, 4] =
               slices |> named("BeamScope.Test.Till.add/1") |> Enum.map(& &1.depth) |> Enum.sort()

      assert Enum.all?(
               named(slices, "CALL {:sum, [1, 2]}"),
               &(&1.args["reply"] == "3" and &1.args["result"] == ":ok")
             )

      assert ["0", "0", "2", "2", "3", "3"] =
               slices |> named("BeamScope.Test.Till.add/1") |> Enum.map(& &1.args["returned"]) |> Enum.sort()
    end

    test "closes what had not ended, and says so", context do
      {pid, rec} = BeamScope.record([calls: [Till]], fn -> started(fn -> Till.waits() end) end)

      assert [%{args: %{"unfinished" => true}}] =
               rec |> trace(context) |> slices() |> named("BeamScope.Test.Till.waits/0")

      Process.exit(pid, :kill)
    end

    test "tells what was raised, and crashes", context do
      Process.flag(:trap_exit, true)

      rec =
        record(context, fn ->
          catch_throw(Till.throws(:away))
          catch_exit(GenServer.call(context.till, {:fail, "broken"}))
        end)

      trace = trace(rec, context)
      assert [%{args: %{"raised" => raised}}] = trace |> slices() |> named("BeamScope.Test.Till.throws/1")
      assert raised =~ "throw from BeamScope.Test.Till.throws/1: :away"

      assert [%{"name" => "crash: ended: " <> reason, "ph" => "i"}] =
               Enum.filter(trace, &(&1["cat"] == "crash"))

      assert reason =~ "broken"

      assert [%{args: %{"result" => "{:crash, " <> _}}] =
               trace |> slices() |> named(~S(CALL {:fail, "broken"}))
    end

    test "binds both ends of every arrow to a slice", context do
      rec =
        record(context, fn ->
          Till.sum(context.till, [1])
          started(fn -> :ok end)
        end)

      trace = trace(rec, context)
      flows = Enum.filter(trace, &(&1["ph"] in ["s", "f"]))
      received = rec |> BeamScope.events(kind: :receive) |> Enum.count(& &1.partner)
      assert received == 5
      assert length(flows) == 2 * (received + 1)

      for {_id, ends} <- Enum.group_by(flows, & &1["id"]) do
        assert [%{"ph" => "f", "bp" => "e"} = to, %{"ph" => "s", "bp" => "e"} = from] =
                 Enum.sort_by(ends, & &1["ph"])

        assert from["ts"] <= to["ts"]
        for e <- [from, to], do: assert([_] = Enum.filter(trace, &(&1["ph"] == "X" and same_place?(&1, e))))
      end
    end

    test "has no arrow of which one end is left out", context do
      rec = record(context, fn -> Till.sum(context.till, [1]) end)
      assert rec |> trace(context, kind: [:send]) |> Enum.filter(&(&1["ph"] in ["s", "f"])) == []
      assert rec |> trace(context, process: context.echo) |> Enum.filter(&(&1["ph"] in ["s", "f"])) == []
    end

    test "counts the messages that wait as mailbox/3 does", context do
      rec =
        record(context, fn ->
          for n <- 1..20, do: GenServer.cast(context.till, {:note, n})
          # What it picks out of the middle is gone once it takes up what was behind that.
          GenServer.cast(context.till, :pick)
          GenServer.cast(context.till, {:note, 21})
          send(context.till, {:picked, 1})
          Till.sum(context.till, [1])
          :sys.get_state(context.till)
        end)

      seqs = for e <- BeamScope.events(rec, process: context.till), into: %{}, do: {e.at_ns, e.moment.seq}
      name = "mailbox of :export_till #{pid_text(context.till)}"
      counters = rec |> trace(context) |> Enum.filter(&(&1["name"] == name))
      assert length(counters) >= 40
      assert Enum.max_by(counters, & &1["args"]["messages"])["args"]["messages"] > 1

      for %{"ts" => us, "args" => %{"messages" => n}} <- counters, seq = seqs[ns(us)] do
        assert length(BeamScope.mailbox(rec, context.till, %BeamScope.Moment{seq: seq, at_ns: 0}).messages) ==
                 n
      end
    end

    test "has what a server went on with, and the steps of a gen_statem", context do
      {:ok, door} = BeamScope.Test.Market.Door.start_link([])

      {_, rec} =
        BeamScope.record([trace: [context.till, door], level: :full], fn ->
          GenServer.call(context.till, :later)
          GenServer.call(context.till, {:sum, []})
          :gen_statem.call(door, :turn)
        end)

      slices = rec |> trace(context) |> slices()
      for name <- ["CALL :later", "CONTINUE :go_on", "CALL :turn"], do: assert([_] = named(slices, name))
    end

    test "has one track a life: a restarted server has another", context do
      {_, rec} =
        BeamScope.record([], fn ->
          for _ <- 1..2 do
            pid = started(fn -> Process.register(self(), :export_twice) && Till.waits() end)
            wait_for(fn -> Process.whereis(:export_twice) == pid end)
            kill(pid)
          end
        end)

      tracks =
        for %{"name" => "thread_name", "args" => %{"name" => ":export_twice" <> _ = name}, "tid" => tid} <-
              trace(rec, context),
            do: {tid, name}

      assert [{a, one}, {b, two}] = tracks
      assert a != b and one != two
    end
  end

  describe "what is missing is said" do
    test "of losses", context do
      {:ok, rec} = BeamScope.start(context.till, level: :full, limits: [events: 8])
      for n <- 1..20, do: GenServer.cast(context.till, {:note, n})
      wait_for(fn -> BeamScope.info(rec).status == :stopped end)
      BeamScope.stop!(rec)
      %{dropped: dropped} = BeamScope.info(rec).events
      assert dropped > 0
      said = ~r/#{dropped} events? of the recording (was|were) lost/
      for format <- Export.formats(), do: assert(plain(export(rec, format, context)) =~ said, "#{format}")
      assert Enum.any?(trace(rec, context), &(&1["cat"] == "loss" and &1["ph"] == "i"))
    end

    test "of limits", context do
      rec = record(context, fn -> for n <- 1..5, do: Till.sum(context.till, [n]) end)

      for format <- Export.formats() do
        assert plain(export(rec, format, context, limit: 7)) =~
                 ~r/cut by limit: after 7 events: there are more/,
               "#{format}"

        refute plain(export(rec, format, context)) =~ "cut by limit", "#{format}"
      end

      assert [_header | events] = lines(rec, context, limit: 7)
      assert length(events) == 8
    end

    test "of what match: could not decide", context do
      long = String.duplicate("a", 9_000)
      rec = record(context, fn -> send(self(), {:long, long}) end, budget: [bytes: 500])
      text = export(rec, :jsonl, context, kind: :send, match: {:long, long})

      assert %{"caveats" => [caveat]} =
               text |> String.split("\n", trim: true) |> List.last() |> ReadJson.read!()

      assert caveat =~ "1 further event could not be decided"
    end

    test "of steps that a diagram does not draw", context do
      rec = record(context, fn -> for n <- 1..5, do: Till.sum(context.till, [n]) end)
      drawn = rec |> BeamScope.messages() |> Enum.count()

      for format <- [:mermaid, :plantuml] do
        assert plain(export(rec, format, context, messages: 3)) =~
                 "#{drawn - 3} more messages, spawns and ends are not shown (messages: 3)"

        refute plain(export(rec, format, context, messages: :infinity)) =~ "not shown"
      end
    end
  end

  describe "pages" do
    test "of any size make the same file", context do
      rec = record(context, fn -> for n <- 1..3, do: Till.sum(context.till, [n, n]) end)

      for format <- Export.formats() do
        whole = export(rec, format, context)

        for page <- [2, 7, 40],
            do: assert(export(rec, format, context, page: page) == whole, "#{format}, #{page}")

        assert export(rec, format, context, page: 7, limit: 50) == export(rec, format, context, limit: 50)
      end
    end

    test "bound what is in memory", context do
      rec = record(context, fn -> for n <- 1..700, do: Till.sum(context.till, [n]) end)
      # As words: far less than all events are at once.
      words = 600_000
      assert {:killed, _} = within(words, fn -> BeamScope.events(rec, limit: :infinity) end)

      for format <- Export.formats() do
        path = Path.join(context.tmp_dir, "bounded")

        assert within(words, fn -> BeamScope.export(rec, format, path, page: 50) end) == {:ok, :ok},
               "#{format}"
      end
    end
  end

  test "a recording that was loaded exports as the live one did", context do
    rec =
      record(context, fn ->
        Till.sum(context.till, [1, 2])
        GenServer.cast(context.till, {:pass, context.echo})
        Till.sum(context.echo, [])
        started(fn -> :ok end)
      end)

    path = Path.join(context.tmp_dir, "saved.bsr")
    BeamScope.save!(rec, path)
    loaded = BeamScope.load!(path)

    for format <- Export.formats(),
        do: assert(export(loaded, format, context) == export(rec, format, context), "#{format}")
  end

  test "a recording that runs is exported up to the call", context do
    rec = BeamScope.start!(context.till, level: :messages)
    busy = started(fn -> busy(context.till) end)
    wait_for(fn -> BeamScope.info(rec).events.stored > 30 end)
    assert length(lines(rec, context, page: 2)) > 30
    kill(busy)
    BeamScope.close(rec)
  end

  describe "sequence diagrams" do
    test "have nothing of a message that their grammars would read", context do
      nasty = ~s(a;b#c%%d\ne "f" <b> [[g]] **h** \\n -> + end ~x $y @z)
      rec = record(context, fn -> send(self(), {nasty, :"odd name"}) end)
      mermaid = export(rec, :mermaid, context)
      assert ["sequenceDiagram", _title, _participant, arrow] = String.split(mermaid, "\n", trim: true)
      assert [_, text] = Regex.run(~r/^  p0-\)p0: (.*)$/, arrow)
      assert Regex.replace(~r/#\d+;/, text, "") =~ ~r/^[\w .,:\/=()\[\]{}'|*?!]*$/
      assert plain(arrow) =~ inspect(nasty)

      plantuml = export(rec, :plantuml, context)
      assert ["@startuml", _title, _participant, arrow, "@enduml"] = String.split(plantuml, "\n", trim: true)
      assert [_, text] = Regex.run(~r/^p0 ->> p0 : (.*)$/, arrow)
      assert Regex.replace(~r/<U\+[0-9A-F]{4,}>/, text, "") =~ ~r/^[A-Za-z0-9 .,:(){}\]'|?!]*$/
      assert plain(arrow) =~ inspect(nasty)
    end

    test "tell calls, replies, casts, spawns, ends and messages to nobody apart", context do
      rec =
        record(context, fn ->
          Till.sum(context.echo, [])
          GenServer.cast(context.echo, :hello)
          {pid, ref} = spawn_monitor(fn -> :ok end)
          assert_receive {:DOWN, ^ref, _, _, _}
          send(pid, :late)
        end)

      arrows =
        for line <- String.split(export(rec, :mermaid, context), "\n"),
            [_, arrow, text] <- [Regex.run(~r/^  p\d(\W+|-x)p\d: (.*)$/, line)],
            do: {arrow, plain(text)}

      assert [
               {"->>", "CALL {:sum, []}"},
               {"-->>", "REPLY 0"},
               {"-)", "CAST :hello"},
               {"->>", "spawns <" <> _},
               {"-)", "DOWN <" <> _},
               {"-x", "INFO :late"}
             ] = arrows

      assert plain(export(rec, :mermaid, context)) =~ ~r/Note over p2,p2: ended: :normal/
    end

    test "say that there is nothing to draw", context do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      assert export(rec, :mermaid, context) =~ "nothing was sent"
      assert export(rec, :plantuml, context) =~ "nothing was sent"
    end
  end

  test "ShiViz' clocks order what comes of one another, and nothing else", context do
    rec =
      record(context, fn ->
        Till.sum(context.till, [1])
        {pid, ref} = spawn_monitor(fn -> send(context.echo, :from_child) end)
        assert_receive {:DOWN, ^ref, _, ^pid, _}
        GenServer.cast(context.till, :apart)
        GenServer.cast(context.echo, :apart)
        Till.sum(context.echo, [])
      end)

    [regex, "" | rest] = rec |> export(:shiviz, context) |> String.split("\n")
    assert {:ok, regex} = Regex.compile(regex)
    log = Enum.join(rest, "\n")
    found = Regex.scan(regex, log, capture: ["event", "host", "clock"])
    assert length(found) * 2 == length(Enum.reject(rest, &(&1 == "")))
    clocks = for [event, host, clock] <- found, into: %{}, do: {seq(event), {host, ReadJson.read!(clock)}}
    past = past(rec)
    assert clocks |> Map.keys() |> Enum.sort() == past |> Map.keys() |> Enum.sort()

    for {a, {host, clock}} <- clocks, {b, {_, other}} <- clocks, a != b do
      before? = clock[host] <= Map.get(other, host, 0)
      assert before? == MapSet.member?(past[b], a), "##{a} and ##{b}"
    end
  end

  test "speedscope has the calls of each process, nested and closed", context do
    {pid, rec} =
      BeamScope.record([trace: context.till, calls: [Till], level: :full], fn ->
        GenServer.call(context.echo, {:sum, []})
        pid = started(fn -> Till.waits() end)
        wait_for(fn -> Process.info(pid, :current_function) == {:current_function, {Till, :waits, 0}} end)
        Till.add([1, 2])
        pid
      end)

    kill(pid)
    file = rec |> export(:speedscope, context) |> ReadJson.read!()
    frames = Enum.map(file["shared"]["frames"], & &1["name"])

    for profile <- file["profiles"] do
      assert profile["endValue"] >= List.last(profile["events"])["at"]

      [] =
        Enum.reduce(profile["events"], [], fn
          %{"type" => "O", "frame" => frame}, open -> [frame | open]
          %{"type" => "C", "frame" => frame}, [frame | open] -> open
        end)
    end

    # What waits has not ended, so it lasts until the end of the export.
    waits = Enum.find_index(frames, &(&1 =~ "waits"))

    [[began, ended]] =
      for %{"events" => [%{"frame" => ^waits} | _] = events} <- file["profiles"],
          do: Enum.map(events, & &1["at"])

    assert began < ended and ended == hd(file["profiles"])["endValue"]

    opened =
      for profile <- file["profiles"],
          %{"type" => "O", "frame" => n} <- profile["events"],
          do: Enum.at(frames, n)

    assert Enum.frequencies(opened) == %{"BeamScope.Test.Till.add/1" => 3, "BeamScope.Test.Till.waits/0" => 1}

    assert rec
           |> export(:speedscope, context, process: context.till)
           |> ReadJson.read!()
           |> get_in(["profiles"])
           |> hd()
           |> Map.get("name") =~ "no calls"
  end

  describe "OTLP" do
    test "has a request across processes as one trace, and links what was cast", context do
      rec =
        record(context, fn ->
          Till.sum(context.till, [1])
          GenServer.cast(context.till, {:pass, context.echo})
          Till.sum(context.till, [])
        end)

      spans = spans(rec, context)
      by_id = Map.new(spans, &{&1["spanId"], &1})
      assert map_size(by_id) == length(spans)
      assert Enum.all?(spans, &(&1["traceId"] =~ ~r/^[0-9a-f]{32}$/ and &1["spanId"] =~ ~r/^[0-9a-f]{16}$/))

      assert Enum.all?(
               spans,
               &(String.to_integer(&1["startTimeUnixNano"]) <= String.to_integer(&1["endTimeUnixNano"]))
             )

      # From the echo's message up to the caller's call.
      up = fn up, span ->
        [span["name"] | if(parent = by_id[span["parentSpanId"]], do: up.(up, parent), else: [])]
      end

      [at_echo | _] =
        for %{"name" => "CALL {:sum, [1]}"} = span <- spans, process(span) =~ "export_echo", do: span

      assert [
               "CALL {:sum, [1]}",
               "BeamScope.Test.Till.handle_call/3",
               "CALL {:sum, [1]}",
               "BeamScope.Test.Till.sum/2"
             ] = up.(up, at_echo)

      for span <- spans,
          parent = by_id[span["parentSpanId"]],
          do: assert(span["traceId"] == parent["traceId"])

      assert [%{"links" => [link]} = got] = Enum.filter(spans, &(&1["name"] == "CAST {:got, 3}"))
      assert got["parentSpanId"] == nil
      assert %{"name" => "BeamScope.Test.Till.handle_cast/2"} = sender = by_id[link["spanId"]]
      assert link["traceId"] == sender["traceId"] and link["traceId"] != got["traceId"]
    end

    test "marks what failed, and has the same ids each time", context do
      rec =
        record(context, fn ->
          catch_throw(Till.throws(:away))
          catch_exit(GenServer.call(context.till, {:fail, "broken"}))
        end)

      spans = spans(rec, context)

      failed =
        for %{"status" => %{"code" => 2}, "events" => [%{"name" => "exception"}]} = span <- spans,
            do: span["name"]

      assert Enum.sort(failed) == [
               "BeamScope.Test.Till.handle_call/3",
               "BeamScope.Test.Till.throws/1",
               ~S(CALL {:fail, "broken"})
             ]

      assert spans(rec, context) == spans

      assert export(rec, :otlp, context, service: "shop") =~
               ~S({"key":"service.name","value":{"stringValue":"shop"}})
    end
  end

  describe "JSON lines" do
    test "have a header, every event with its fields, and an end", context do
      rec = record(context, fn -> for _ <- 1..2, do: Till.sum(context.till, [1]) end)
      [header | rest] = lines(rec, context)
      {events, [the_end]} = Enum.split(rest, -1)
      all = BeamScope.events(rec, limit: :infinity)
      assert %{"type" => "recording", "version" => 1, "level" => "full"} = header
      assert %{"type" => "end", "events" => n, "caveats" => []} = the_end
      assert n == Enum.count(all)

      assert Enum.map(events, &{&1["seq"], &1["at_ns"], &1["kind"]}) ==
               Enum.map(all, &{&1.moment.seq, &1.at_ns, to_string(&1.kind)})

      send = Enum.find(events, &(&1["kind"] == "send" and &1["label"] == "call"))
      assert %{"text" => "{:sum, [1]}"} = send["content"]
      refute Map.has_key?(send["content"], "json")
      assert send["to_name"] == ":export_till"
      # The state before the second; what a callback's return makes of it is told by its history.
      assert Enum.any?(events, &(&1["kind"] == "state" and told?(&1["before"] || &1["after"])))
    end

    # It has a pid in it, so no JSON.
    defp told?(%{"text" => text} = state), do: text =~ "total: 1" and not is_map_key(state, "json")
    defp told?(nil), do: false

    test "have what is false or nil where it was that", context do
      {:ok, agent} = Agent.start_link(fn -> true end)

      {_, rec} =
        BeamScope.record([trace: agent], fn ->
          Agent.update(agent, fn true -> false end)
          Agent.get(agent, & &1)
          send(self(), nil)
        end)

      lines = lines(rec, context)

      assert Enum.any?(
               lines,
               &(&1["kind"] == "state" and
                   (&1["before"] || &1["after"]) == %{"text" => "false", "json" => false})
             )

      assert Enum.any?(lines, &(&1["kind"] == "send" and &1["content"] == %{"text" => "nil", "json" => nil}))
    end

    test "take nothing cut or hidden for whole", context do
      long = String.duplicate("x", 9_000)

      rec =
        record(context, fn -> send(self(), %{list: Enum.to_list(1..5_000), password: "hush", text: long}) end,
          budget: [bytes: 2_000]
        )

      text = export(rec, :jsonl, context, kind: :send)
      refute text =~ "hush"
      [_, event, _] = text |> String.split("\n", trim: true) |> Enum.map(&ReadJson.read!/1)
      refute Map.has_key?(event["message"], "json")
      assert event["message"]["text"] =~ "#redacted<binary"
      assert event["flags"] |> Enum.sort() == ["redacted", "truncated"]
      [_, event, _] = lines(rec, context, kind: :send, text: 20)
      assert String.length(event["message"]["text"]) <= 20
    end
  end

  describe "a format of one's own" do
    defmodule Senders do
      @behaviour BeamScope.Exporter
      alias BeamScope.Export.{End, Source}

      @impl true
      def options, do: [prefix: {"- ", "a string", &is_binary/1}]

      @impl true
      def stream(source) do
        source
        |> Source.events(kind: :send)
        |> Stream.map(fn
          %End{count: n} ->
            "#{n} in all\n"

          event ->
            if source.options.prefix == "boom",
              do: raise("planned"),
              else: [source.options.prefix, inspect(event.content), "\n"]
        end)
      end
    end

    test "is a module", context do
      rec = record(context, fn -> send(self(), :hello) end)
      assert export(rec, Senders, context) == "- :hello\n1 in all\n"
      assert export(rec, Senders, context, prefix: "* ") == "* :hello\n1 in all\n"

      assert {:error, %Error{reason: :invalid_option, detail: %{key: :prefix}}} =
               BeamScope.export(rec, Senders, "x", prefix: 1)
    end

    test "that raises leaves nothing behind", context do
      rec = record(context, fn -> send(self(), :hello) end)
      dir = Path.join(context.tmp_dir, "empty")
      File.mkdir!(dir)

      assert_raise RuntimeError, "planned", fn ->
        BeamScope.export(rec, Senders, Path.join(dir, "x"), prefix: "boom")
      end

      assert File.ls!(dir) == []
    end
  end

  describe "errors" do
    test "name the formats", context do
      rec = record(context, fn -> :ok end)

      for format <- [:pdf, String, "chrome", nil] do
        assert {:error, %Error{reason: :unknown_format} = error} = BeamScope.export(rec, format, "x")
        assert Exception.message(error) =~ ":chrome, :mermaid, :plantuml, :shiviz, :speedscope, :otlp, :jsonl"
      end

      assert_raise Error, ~r/no format/, fn -> BeamScope.export!(rec, :pdf, "x") end
    end

    test "of options and filters say what is wrong, and leave nothing behind", context do
      rec = record(context, fn -> :ok end)
      path = Path.join(context.tmp_dir, "errors/x")
      File.mkdir!(Path.dirname(path))

      for {opts, reason} <-
            [
              [{[kindd: :send], :unknown_option}],
              [{[order: :desc], :unknown_option}],
              [{[kind: :sent], :invalid_option}],
              [{[limit: 0], :invalid_option}],
              [{[page: 0], :invalid_option}],
              [{[messages: -1], :invalid_option}],
              [{[process: :export_nobody], :no_such_process}],
              [{[since: 5], :invalid_moment}]
            ]
            |> Enum.concat() do
        assert {:error, %Error{reason: ^reason}} = BeamScope.export(rec, :mermaid, path, opts)
        assert File.ls!(Path.dirname(path)) == []
      end

      assert {:error, %Error{reason: :invalid_option}} = BeamScope.export(rec, :jsonl, {:no, :path})
      assert {:error, %Error{reason: :invalid_recording}} = BeamScope.export({:ok, rec}, :jsonl, path)
      BeamScope.close(rec)
      assert {:error, %Error{reason: :closed}} = BeamScope.export(rec, :jsonl, path)
      assert File.ls!(Path.dirname(path)) == []
    end

    test "of the file system are told, and what was there stays", context do
      rec = record(context, fn -> :ok end)
      path = Path.join(context.tmp_dir, "nowhere/x")
      assert {:error, %Error{reason: :file, detail: detail}} = BeamScope.export(rec, :jsonl, path)
      assert detail =~ "nowhere/x: no such file or directory"
      # A directory stands in the place of the file.
      dir = Path.join(context.tmp_dir, "taken")
      File.mkdir_p!(Path.join(dir, "by"))
      assert {:error, %Error{reason: :file}} = BeamScope.export(rec, :jsonl, dir)
      assert File.ls!(context.tmp_dir) == ["taken"]
      old = Path.join(context.tmp_dir, "old")
      File.write!(old, "old")
      assert {:error, _} = BeamScope.export(rec, :jsonl, old, process: :export_nobody)
      assert File.read!(old) == "old"
      assert BeamScope.export!(rec, :jsonl, old) == :ok
      assert File.read!(old) =~ ~S("type":"recording")
    end
  end

  # Helpers

  defp spans(rec, context) do
    assert %{"resourceSpans" => [%{"scopeSpans" => [%{"spans" => spans}], "resource" => _}]} =
             rec |> export(:otlp, context) |> ReadJson.read!()

    spans
  end

  defp process(span),
    do: Enum.find_value(span["attributes"], &(&1["key"] == "beam.process" && &1["value"]["stringValue"]))

  defp started(fun) do
    test = self()

    pid =
      spawn(fn ->
        send(test, {:started, self()})
        fun.()
      end)

    assert_receive {:started, ^pid}
    pid
  end

  defp kill(pid) do
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^ref, _, _, _}
  end

  defp busy(till) do
    GenServer.cast(till, :busy)
    Process.sleep(1)
    busy(till)
  end

  defp wait_for(check) do
    unless check.() do
      Process.sleep(5)
      wait_for(check)
    end
  end

  defp same_place?(a, b), do: a["tid"] == b["tid"] and a["ts"] == b["ts"]
  defp pid_text(pid), do: pid |> :erlang.pid_to_list() |> to_string()
  defp seq(event), do: event |> String.trim_leading("#") |> Integer.parse() |> elem(0)

  # Without the escapes of diagrams.
  defp plain(text) do
    text = Regex.replace(~r/#(\d+);/, text, fn _, n -> <<String.to_integer(n)::utf8>> end)
    Regex.replace(~r/<U\+([0-9A-F]+)>/, text, fn _, n -> <<String.to_integer(n, 16)::utf8>> end)
  end

  # Which events came before each, by what the recording itself pairs.
  defp past(rec) do
    events = rec |> BeamScope.events(limit: :infinity) |> Enum.reject(&(&1.kind in [:baseline, :note]))
    births = for %{kind: :spawn} = e <- events, into: %{}, do: {e.child, e.moment.seq}
    ends = for %{kind: :exit} = e <- events, into: %{}, do: {e.pid, e.moment.seq}

    {past, _last} =
      Enum.reduce(events, {%{}, %{}}, fn e, {past, last} ->
        causes = [last[e.track] | causes(e, births, ends)] |> Enum.filter(&is_map_key(past, &1))
        before = Enum.reduce(causes, MapSet.new(causes), &MapSet.union(&2, past[&1]))
        {Map.put(past, e.moment.seq, before), Map.put(last, e.track, e.moment.seq)}
      end)

    past
  end

  defp causes(%{kind: :receive, label: :down, content: {pid, _}}, _births, ends), do: [ends[pid]]
  defp causes(%{kind: :receive, partner: partner}, _births, _ends), do: [partner]
  defp causes(%{kind: :spawned, pid: pid}, births, _ends), do: [births[pid]]
  defp causes(_event, _births, _ends), do: []

  # Runs in a process that is killed when it needs more words than that.
  defp within(words, fun) do
    test = self()
    options = [:monitor, {:max_heap_size, %{size: words, kill: true, error_logger: false}}]
    {pid, ref} = :erlang.spawn_opt(fn -> send(test, {:answer, self(), fun.()}) end, options)

    receive do
      {:answer, ^pid, answer} -> {:ok, answer}
      {:DOWN, ^ref, _, _, reason} -> {:killed, reason}
    after
      60_000 -> :late
    end
  end
end
