# Which tests are recorded, and what of them. All of it passes; at the end nothing may be left.
ExUnit.start(seed: 0)

defmodule Counter do
  use GenServer

  def start_link(opts \\ []), do: GenServer.start_link(__MODULE__, opts, Keyword.take(opts, [:name]))

  # A server replies, then goes on with its new state: with the second reply, that is there.
  def add(server, n) do
    :ok = GenServer.call(server, {:add, n})
    GenServer.call(server, :sync)
  end

  @impl true
  def init(opts) do
    if callers = opts[:callers], do: Process.put(:"$callers", callers)
    {:ok, %{count: 0}}
  end

  @impl true
  def handle_call({:add, n}, _from, state), do: {:reply, :ok, %{state | count: state.count + n}}
  def handle_call(:sync, _from, state), do: {:reply, :ok, state}
  @impl true
  def handle_cast(:crash, state), do: {:stop, :shutdown, state}
end

defmodule Outside do
  # Runs a function in a process that no test has started.
  def start do
    Process.register(spawn(&loop/0), __MODULE__)
  end

  def run(fun) do
    send(__MODULE__, {:run, self(), fun})
    receive do: ({:ran, result} -> result)
  end

  defp loop do
    receive do: ({:run, from, fun} -> send(from, {:ran, fun.()}))
    loop()
  end
end

Outside.start()
{:ok, _} = Outside.run(fn -> DynamicSupervisor.start_link(name: Shared.Workers, strategy: :one_for_one) end)
{:ok, _} = Outside.run(fn -> Counter.start_link(name: :shared_counter) end)

defmodule Template do
  use ExUnit.CaseTemplate

  using do
    quote do
      use BeamScope.Case, dir: "of/template"
      import Template
    end
  end

  # Before the recording starts, and its callback after the recording was freed.
  setup do
    early = start_supervised!({Agent, fn -> 1 end})
    test = self()

    on_exit(fn ->
      for rec <- [Process.get(:rec) || :persistent_term.get({Template, test}, nil)], rec != nil do
        {:error, %{reason: :closed}} = BeamScope.state_at(rec, test, :end)
        :persistent_term.erase({Template, test})
      end
    end)

    %{early: early}
  end

  def remember(rec), do: :persistent_term.put({Template, self()}, rec)

  def counts(rec, process),
    do: Enum.dedup(for(%{to: %{count: n}} <- BeamScope.history(rec, process), do: n))

  def pids(rec), do: for(process <- BeamScope.processes(rec), do: process.pid)

  def eventually(check, tries \\ 100) do
    check.() || (tries > 0 && Process.sleep(10) && eventually(check, tries - 1))
  end
end

defmodule TagsTest do
  use Template, async: true

  @tag :record
  test "a bare tag", %{rec: rec} do
    remember(rec)
    assert self() in pids(rec)
    assert rec.level == :full
  end

  @tag record: :shared_counter
  test "a name", %{rec: rec} do
    remember(rec)
    assert [0, 1] = counts_of_shared(rec)
  end

  @tag record: [:shared_counter]
  test("a list of names", %{rec: rec}, do: assert([_, _] = counts_of_shared(rec)))

  @tag record: [trace: [:shared_counter], level: :states, meta: %{ticket: 7}, calls: [{Counter, :add, 2}]]
  test "options", %{rec: rec} do
    assert [_, _] = counts_of_shared(rec)
    assert rec.level == :states and rec.meta == %{ticket: 7}
    assert [%{kind: :call, mfa: {Counter, :add, _}}, %{kind: :return}] = Enum.to_list(BeamScope.calls(rec))
  end

  @tag record: false
  test("not this one", context, do: refute(is_map_key(context, :rec)))

  test "no tag", context do
    refute is_map_key(context, :rec)
    {_, rec} = BeamScope.record([trace: :shared_counter], fn -> Counter.add(:shared_counter, 1) end)
    assert [_, _] = counts(rec, :shared_counter)
    BeamScope.close(rec)
  end

  describe "a block" do
    @describetag record: :shared_counter

    test("has the tag", %{rec: rec}, do: assert([_, _] = counts_of_shared(rec)))

    @tag record: false
    test("may be without", context, do: refute(is_map_key(context, :rec)))
  end

  defp counts_of_shared(rec) do
    Counter.add(:shared_counter, 1)
    counts(rec, :shared_counter)
  end
end

defmodule BeforeTest do
  # The other order, and twice.
  use BeamScope.Case
  use ExUnit.Case, async: true
  use BeamScope.Case

  @moduletag record: [trace: [Counter, {:via, Registry, {Names, 1}}, {:tree, Later.Supervisor}]]
  import Template

  test "a name that comes later is known from its first state on", %{rec: rec} do
    start_supervised!({Counter, name: Counter})
    Counter.add(Counter, 2)
    assert counts(rec, Counter) == [0, 2]
    assert [%{known: :spawned}] = for(%{name: Counter} = process <- BeamScope.processes(rec), do: process)

    assert BeamScope.stop!(rec) |> BeamScope.info() |> Map.fetch!(:notes) |> Enum.reject(&(&1 =~ "fallback")) ==
             []
  end

  test "of a registry that comes later, too", %{rec: rec} do
    start_supervised!({Registry, keys: :unique, name: Names})
    via = {:via, Registry, {Names, 1}}
    start_supervised!(%{id: 1, start: {Counter, :start_link, [[name: via]]}})
    Counter.add(via, 2)
    assert counts(rec, via) == [0, 2]
  end

  test "and what it supervises", %{rec: rec} do
    child = %{id: 1, start: {Counter, :start_link, [[name: Counter]]}}

    start_supervised!(%{
      id: 2,
      start: {Supervisor, :start_link, [[child], [strategy: :one_for_one, name: Later.Supervisor]]}
    })

    Counter.add(Counter, 2)
    assert counts(rec, Counter) == [0, 2]
  end

  test "restarts are followed", %{rec: rec} do
    start_supervised!({Counter, name: Counter})
    old = Process.whereis(Counter)
    Counter.add(Counter, 1)
    GenServer.cast(Counter, :crash)
    assert eventually(fn -> Process.whereis(Counter) not in [nil, old] end)
    Counter.add(Counter, 5)
    assert counts(rec, Counter) == [0, 1, 0, 5]
  end

  test "a supervisor of the system's starts one for the test, and again", %{rec: rec} do
    {:ok, old} = DynamicSupervisor.start_child(Shared.Workers, {Counter, name: Counter})
    Counter.add(Counter, 1)
    GenServer.cast(Counter, :crash)
    assert eventually(fn -> Process.whereis(Counter) not in [nil, old] end)
    Counter.add(Counter, 5)
    assert counts(rec, Counter) == [0, 1, 0, 5]
    DynamicSupervisor.terminate_child(Shared.Workers, Process.whereis(Counter))
  end

  test "one started by others is in when it says that it works for the test", %{rec: rec} do
    test = self()
    start = &DynamicSupervisor.start_child(Shared.Workers, {Counter, callers: &1})
    {:ok, ours} = Outside.run(fn -> start.([test]) end)
    {:ok, theirs} = Outside.run(fn -> start.(nil) end)
    assert eventually(fn -> ours in pids(rec) end)
    Counter.add(ours, 1)
    Counter.add(theirs, 1)
    assert List.last(counts(rec, ours)) == 1
    assert [] = for(%{kind: :state, pid: ^theirs} <- BeamScope.events(rec), do: theirs)
    for pid <- [ours, theirs], do: DynamicSupervisor.terminate_child(Shared.Workers, pid)
  end
end

defmodule EarlyTest do
  use Template, async: false
  @moduletag :record

  test "what an earlier setup started below the test's supervisor is in", %{rec: rec, early: early} do
    remember(rec)
    Agent.update(early, &(&1 + 1))
    assert BeamScope.state_at!(rec, early, :end) == 2
  end

  test "exit callbacks run as they would", %{rec: rec} do
    remember(rec)
    {:ok, log} = Outside.run(fn -> Agent.start_link(fn -> [] end) end)
    :persistent_term.put(:log, log)
    for n <- 1..3, do: on_exit(n, fn -> Agent.update(log, &[n | &1]) end)
    on_exit(2, fn -> Agent.update(log, &[:two | &1]) end)
  end

  test "the callbacks of the test before ran in order" do
    assert Agent.get(:persistent_term.get(:log), & &1) == [1, :two, 3]
  end
end

ExUnit.after_suite(fn _ ->
  # The hub ends after the last recording, whose session has ended then.
  idle? = Template.eventually(fn -> Process.whereis(BeamScope.Recorder.Hub) == nil end)

  sessions =
    if function_exported?(:trace, :session_info, 1), do: apply(:trace, :session_info, [:all]), else: []

  ours = for {name, _} <- sessions, String.starts_with?(to_string(name), "beam_scope"), do: name
  {:traced, pattern} = :erlang.trace_info({:gen_server, :loop, if(sessions == [], do: 7, else: 4)}, :traced)
  flags = for pid <- Process.list(), match?({:flags, [_ | _]}, :erlang.trace_info(pid, :flags)), do: pid

  left =
    {ours, idle?, pattern in [false, :undefined], flags, BeamScope.recordings(), File.exists?("tmp"),
     File.exists?("of")}

  IO.puts("LEFT: #{inspect(left)}")
end)
