defmodule BeamScope.StreamsTest do
  # States are recorded by what changed in them. What is rebuilt must be what was there: each record carries a fingerprint of its
  # state, taken by an independent walk in the callback, and is compared with that of what was rebuilt.
  use ExUnit.Case, async: false

  alias BeamScope.{Native, Truncated}
  alias BeamScope.Recorder.{Generations, Profile, Session}

  # The fallback records what callbacks are given and return: those are not remembered.
  @moduletag :raw
  @moduletag skip: Profile.wanted(nil) == :fallback && "states are recorded as a whole under the fallback"

  defmodule Server do
    use GenServer
    def init(state), do: {:ok, state}
    def handle_call({:change, change}, _from, state), do: {:reply, :ok, change.(state)}
    def handle_call({:sleep, change}, _from, state), do: {:reply, :ok, change.(state), :hibernate}
  end

  defmodule Machine do
    @behaviour :gen_statem
    def callback_mode, do: :handle_event_function
    def init(data), do: {:ok, :idle, data}

    def handle_event({:call, from}, {:change, change}, state, data),
      do: {:next_state, if(state == :idle, do: {:busy, 1}, else: :idle), change.(data), [{:reply, from, :ok}]}
  end

  @limits [events: 10_000_000, bytes: 1_000_000_000, ms: 600_000]

  # Shapes of states, and how the i-th call changes them.
  defp shapes do
    big = Map.new(1..2_000, &{"key#{&1}", {&1, "value number #{&1} of this map", [1, 2, 3]}})
    tree = Enum.reduce(1..1_000, :gb_trees.empty(), &:gb_trees.insert(&1, {&1, "v"}, &2))
    structs = Map.new(1..500, &{&1, %{id: &1, name: "item number #{&1}", tags: [:a, :b], ref: make_ref()}})

    [
      map: {big, &(&2 |> Map.put(key(&1), {&1, :x}) |> Map.delete(key(&1 + 7)) |> Map.put({:new, &1}, &1))},
      small: {%{a: 1, b: [1, 2], c: %{}}, &%{&2 | a: &1, b: [&1 | Enum.take(&2.b, 30)], c: note(&2.c, &1)}},
      list: {Enum.to_list(1..2_000), &[&1 | &2]},
      improper: {[1, 2, 3 | :end], &[&1, {&1, "a binary that is worth a reference, as it is long"} | &2]},
      queue:
        {:queue.from_list(Enum.to_list(1..2_000)),
         &(&2 |> :queue.drop() |> then(fn q -> :queue.in(&1, q) end))},
      tree: {tree, &:gb_trees.update(rem(&1 * 7, 1_000) + 1, &1, &2)},
      structs: {structs, &Map.update!(&2, rem(&1 * 11, 500) + 1, fn one -> %{one | name: "n#{&1}"} end)},
      appended: {"", &(&2 <> "part #{&1},")},
      rebuilt: {Map.new(1..100, &{&1, &1}), &Map.new(&2, fn {key, value} -> {key, value + rem(&1, 2)} end)}
    ]
  end

  defp key(i), do: "key#{rem(i * 13, 2_000) + 1}"
  defp note(notes, i), do: Map.put(notes, rem(i, 50), "a note that is long enough to be remembered: #{i}")

  defp recorded(state, change, n, opts) do
    {gc, opts} = Keyword.pop(opts, :gc, 0)
    {server, opts} = Keyword.pop(opts, :server, Server)
    pid = start(server, state)
    {:ok, rec} = BeamScope.start(pid, [level: :states, check: true, limits: @limits] ++ opts)

    for i <- 1..n do
      if gc > 0 and rem(i, gc) == 0, do: :erlang.garbage_collect(pid, type: kind(div(i, gc)))
      how = if server == Server and rem(i, 97) == 0, do: :sleep, else: :change
      :ok = :gen_statem.call(pid, {how, &change.(i, &1)})
    end

    BeamScope.stop(rec)
    on_exit(fn -> BeamScope.close(rec) end)
    rec
  end

  defp kind(n), do: if(rem(n, 4) == 0, do: :major, else: :minor)

  defp start(Server, state), do: elem(GenServer.start_link(Server, state), 1)
  defp start(Machine, data), do: elem(:gen_statem.start_link(Machine, data, []), 1)

  for shape <- ~w(map small list improper queue tree structs appended rebuilt)a, gc <- [0, 13, 1] do
    test "#{shape}: what is rebuilt is what was there, with a garbage collection every #{gc} calls" do
      {state, change} = shapes()[unquote(shape)]
      budgets = if unquote(gc) == 1, do: [100_000], else: [500, 4_096, 100_000]

      for budget <- budgets do
        rec = recorded(state, change, 250, gc: unquote(gc), budget: [bytes: budget])
        found = Native.recording_check(rec.native)
        assert found.wrong == 0, inspect(found)
        assert found.unchecked == 0
        lost = BeamScope.info(rec).events.dropped
        if budget == 100_000, do: assert(found.checked + lost > 200, inspect(found))
      end
    end
  end

  test "a gen_statem's data are what they were" do
    {state, change} = shapes()[:structs]
    rec = recorded(state, change, 250, gc: 13, budget: [bytes: 100_000], server: Machine)
    assert %{wrong: 0, checked: checked} = Native.recording_check(rec.native)
    assert checked > 200
  end

  test "without the guard of garbage collections the check finds what is wrong" do
    {state, change} = shapes()[:list]
    rec = recorded(state, change, 250, gc: 13, memo: :unguarded)
    assert %{wrong: wrong} = Native.recording_check(rec.native)
    assert wrong > 0
  end

  test "a state that is old stays known over minor collections" do
    assert Generations.learn()

    {:ok, pid} =
      GenServer.start_link(Server, Map.new(1..10_000, &{&1, {&1, "value number #{&1} of this map"}}))

    for _ <- 1..3, do: :erlang.garbage_collect(pid, type: :minor)
    {:ok, rec} = BeamScope.start(pid, level: :states, check: true, limits: @limits)
    change = fn i -> :ok = GenServer.call(pid, {:change, &Map.put(&1, i, {i, :changed})}) end
    for i <- 1..400, do: change.(i)

    for i <- 1..20 do
      :erlang.garbage_collect(pid, type: :minor)
      change.(i)
    end

    BeamScope.stop(rec)
    on_exit(fn -> BeamScope.close(rec) end)
    assert %{wrong: 0} = Native.recording_check(rec.native)
    last = rec |> BeamScope.history(pid, limit: :infinity, diff: false) |> Enum.take(-20)
    assert Enum.count(last, &(map_size(&1.to) == 10_000)) == 20
  end

  test "literals of purged code do not come back as what stood in their place" do
    {:ok, pid} = GenServer.start_link(Server, %{})
    {:ok, rec} = BeamScope.start(pid, level: :states, check: true, limits: @limits)

    for i <- 1..40 do
      load_literals(i)

      GenServer.call(
        pid,
        {:change, fn _ -> %{literal: apply(BeamScope.StreamsTest.Literals, :term, []), n: i} end}
      )

      GenServer.call(pid, {:change, fn _ -> %{n: i} end})
      :code.delete(BeamScope.StreamsTest.Literals)
      :code.purge(BeamScope.StreamsTest.Literals)
    end

    BeamScope.stop(rec)
    assert %{wrong: 0, checked: checked} = Native.recording_check(rec.native)
    assert checked >= 80
    BeamScope.close(rec)
  end

  defp load_literals(i) do
    items = for n <- 1..20, do: {n, "literal #{i} #{n}", [i, n]}
    term = :erl_parse.abstract(items)

    forms = [
      {:attribute, 1, :module, BeamScope.StreamsTest.Literals},
      {:attribute, 1, :export, [term: 0]},
      {:function, 1, :term, 0, [{:clause, 1, [], [], [term]}]}
    ]

    {:ok, module, binary} = :compile.forms(forms)
    {:module, ^module} = :code.load_binary(module, ~c"nofile", binary)
  end

  test "a state larger than its budget becomes known bit by bit, and then stays known" do
    {state, _} = shapes()[:map]
    change = &Map.put(&2, key(&1), {&1, :x})
    # The server has not slept yet: that would be a new beginning.
    rec = recorded(state, change, 90, budget: [bytes: 2_000])
    [%{process: process} | _] = Enum.map(BeamScope.processes(rec), &%{process: &1.pid})
    states = rec |> BeamScope.history(process, diff: false) |> Enum.map(& &1.to)
    known = for %Truncated{kind: :map, known: known} <- states, do: map_size(known)
    # A garbage collection of the whole heap is a new beginning as well.
    assert known != [] and Enum.count(Enum.zip(known, tl(known)), fn {a, b} -> b < a end) <= 3
    assert is_map(List.last(states)) and not is_struct(List.last(states))
    assert map_size(List.last(states)) == 2_000
  end

  test "every state of a large one can be asked for, and what changed in it" do
    {state, change} = shapes()[:structs]
    rec = recorded(state, change, 300, budget: [bytes: 100_000])
    [process] = for %{pid: pid} <- BeamScope.processes(rec), do: pid
    transitions = rec |> BeamScope.history(process) |> Enum.filter(&(&1.kind == :call))
    expected = Enum.scan(1..300, state, &change.(&1, &2))

    for {transition, expected} <- Enum.zip(transitions, expected) do
      assert transition.to == expected
      assert length(BeamScope.Diff.changes(transition.diff)) == 1
    end

    path = Path.join(System.tmp_dir!(), "beam_scope_streams_#{System.unique_integer([:positive])}.rec")
    :ok = BeamScope.save(rec, path)
    {:ok, loaded} = BeamScope.load(path)
    File.rm!(path)

    assert length(BeamScope.history(loaded, process, diff: false).transitions) ==
             length(BeamScope.history(rec, process, diff: false).transitions)
  end

  test "two recordings of one process at once are right, each for itself" do
    {state, change} = shapes()[:small]
    {:ok, pid} = GenServer.start_link(Server, state)
    opts = [level: :states, check: true, limits: @limits]
    {:ok, first} = BeamScope.start(pid, opts)
    for i <- 1..100, do: GenServer.call(pid, {:change, &change.(i, &1)})
    {:ok, second} = BeamScope.start(pid, [budget: [bytes: 1_000]] ++ opts)
    for i <- 1..100, do: GenServer.call(pid, {:change, &change.(i, &1)})
    {:ok, _} = BeamScope.set_level(first, :messages)
    for i <- 1..100, do: GenServer.call(pid, {:change, &change.(i, &1)})
    {:ok, _} = BeamScope.set_level(first, :full)
    for i <- 1..100, do: GenServer.call(pid, {:change, &change.(i, &1)})

    for rec <- [first, second] do
      BeamScope.stop(rec)
      assert %{wrong: 0, checked: checked} = Native.recording_check(rec.native)
      assert checked > 150
      BeamScope.close(rec)
    end
  end

  test "where the layouts of terms are not known, states are recorded as a whole, and that is said" do
    script = """
    {:ok, agent} = Agent.start_link(fn -> %{count: 0, map: Map.new(1..50, &{&1, &1})} end)
    {:ok, rec} = BeamScope.start(agent, level: :states)
    Agent.update(agent, &%{&1 | count: 1})
    BeamScope.stop(rec)
    info = BeamScope.info(rec)
    IO.inspect({info.events.truncated, map_size(BeamScope.state_at!(rec, agent, :end).map), length(info.notes)})
    IO.puts(info.notes)
    """

    paths = for path <- :code.get_path(), path = to_string(path), path =~ "beam_scope", do: ["-pa", path]
    elixir = System.find_executable("elixir")
    options = [env: [{"BEAM_SCOPE_NO_RAW", "1"}], stderr_to_stdout: true]
    {said, 0} = System.cmd(elixir, List.flatten(paths) ++ ["-e", script], options)
    assert said =~ "{0, 50, 1}"
    assert said =~ "the layouts of terms in this virtual machine are not those that are known"
  end

  unless Session.sessions?() do
    test "where the literals cannot be watched, states are recorded as a whole, and that is said" do
      tracer = spawn_link(fn -> Process.sleep(:infinity) end)
      collector = BeamScope.Recorder.Guards.collector()
      1 = :erlang.trace(collector, true, [:call, {:tracer, tracer}])
      {:ok, pid} = GenServer.start_link(Server, %{a: 1})
      {:ok, rec} = BeamScope.start(pid, level: :states)
      :erlang.trace(collector, false, [:all])

      assert Enum.any?(
               BeamScope.info(rec).notes,
               &(&1 =~ "another tool traces the process that frees literals")
             )

      BeamScope.close(rec)
    end
  end
end
