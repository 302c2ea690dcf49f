defmodule BeamScope.Test.Chaos.Recordings do
  @moduledoc """
  Those who record the world: owners, who start recordings with options drawn from `options/1` and end in some way or are killed; askers, who
  ask anything of any recording; and killers of what belongs to BeamScope itself.

  Whatever is asked, the answer is right or a `BeamScope.Error`: anything else is a problem.
  """

  alias BeamScope.Error
  alias BeamScope.Recorder.Hub
  alias BeamScope.Test.Chaos
  alias BeamScope.Test.Chaos.World

  @doc "Who acts, by name."
  def actors do
    [
      {"owners 1", &owners/1},
      {"owners 2", &owners/1},
      {"owners 3", &owners/1},
      {"asker 1", &asker/1},
      {"asker 2", &asker/1},
      {"killer", &killer/1},
      {"closer", &closer/1}
    ]
  end

  # New options of recordings go in here.
  defp options(context) do
    path = Path.join(context.dir, "to_#{:erlang.unique_integer([:positive])}.beamscope")

    [
      level: Enum.random([:off, :crashes, :states, :messages, :full, :full]),
      calls:
        Enum.random([
          [],
          [],
          [World.loaded()],
          [{:lists, :reverse, 2}, {World.loaded(), :f, 1}],
          [{:ets, :insert, 2}]
        ]),
      ets: Enum.random([[], [], World.tables()]),
      pdict: Enum.random([true, false, false]),
      follow: Enum.random([:spawn, :spawn, false]),
      budget: Enum.random([[], [bytes: 64, depth: 2], [bytes: 65_536, depth: 200]]),
      redact: Enum.random([[], false, [:text, "big"]]),
      keep_receive_timeouts: Enum.random([true, false]),
      to: Enum.random([nil, nil, nil, path]),
      meta: %{chaos: true},
      limits: [
        events: Enum.random([1_000, 100_000, 1_000_000]),
        bytes: Enum.random([1_048_576, 16 * 1_048_576, 64 * 1_048_576]),
        ms: Enum.random([50, 5_000, :infinity]),
        rate: Enum.random([nil, nil, {100_000, 100}])
      ]
    ]
  end

  # A recording that is to end, or a flight recorder: that has limits of its own.
  defp in_mode(1, options) do
    keep = [ms: Enum.random([200, 5_000]), bytes: Enum.random([1_048_576, 16 * 1_048_576])]
    Keyword.drop(options, [:to, :limits]) ++ [mode: :ring, keep: keep]
  end

  defp in_mode(_n, options), do: options

  defp target do
    case :rand.uniform(12) do
      1 -> {:all, [force: true]}
      2 -> {:new, []}
      3 -> {{:tree, :chaos_top}, []}
      4 -> {{:app, :logger}, []}
      5 -> {[:chaos_honest, World.anyone()], []}
      6 -> {Enum.random(World.names()), []}
      7 -> {:chaos_tally, []}
      8 -> {:chaos_honest, []}
      _ -> {for(_ <- 1..20, do: World.anyone()) |> Enum.uniq() |> List.delete(self()), []}
    end
  end

  @doc "Does all that can be done once, in peace: what is made once is made then."
  def rehearse(dir) do
    {:ok, server} = BeamScope.Servers.Tally.start_link(name: :chaos_tally)
    context = %{dir: dir}

    for calls <- [[World.loaded()], [{:lists, :reverse, 2}], [{:ets, :insert, 2}]] do
      options =
        Keyword.merge(options(context), level: :full, calls: calls, ets: World.tables(), pdict: true, to: nil)

      {:ok, rec} = BeamScope.start(server, options)
      BeamScope.Servers.Tally.add(server, 1)
      {:ok, _} = BeamScope.subscribe(rec)
      for level <- [:off, :crashes, :states, :messages, :full], do: BeamScope.set_level(rec, level)
      {:ok, _} = BeamScope.stop(rec)
      for {name, question} <- questions(context), do: act("the question #{name}", fn -> question.(rec) end)
      BeamScope.close(rec)
    end

    GenServer.stop(server)
  end

  # Owners

  defp owners(context) do
    Chaos.until(context, 20, fn ->
      seed = :rand.uniform(1_000_000_000)
      {pid, monitor} = spawn_monitor(fn -> owner(context, seed) end)

      receive do
        {:DOWN, ^monitor, _, _, _} -> :ok
      after
        :rand.uniform(1_500) ->
          Process.exit(pid, Enum.random([:kill, :shutdown]))
          Chaos.count(:owners_killed)
          receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
      end
    end)
  end

  defp owner(context, seed) do
    :rand.seed(:exsss, seed)
    {target, more} = target()

    act("an owner", fn ->
      if :rand.uniform(4) == 1, do: during(target, context, more), else: from_to(target, context, more)
    end)
  end

  defp during(target, context, _more) do
    options = [trace: if(target in [:all, :new], do: [], else: target)] ++ options(context)

    {_, rec} =
      BeamScope.record(options, fn ->
        for _ <- 1..5, do: World.settle()
        Process.sleep(:rand.uniform(200))
      end)

    Chaos.count(:recorded)
    finish(rec)
  end

  defp from_to(target, context, more) do
    with {:ok, rec} <- BeamScope.start(target, more ++ in_mode(:rand.uniform(3), options(context))) do
      Chaos.count(:started)
      for _ <- 1..:rand.uniform(6), do: change(rec, context)
      if :rand.uniform(3) > 1, do: BeamScope.stop(rec)
      finish(rec)
    end
  end

  defp change(rec, _context) do
    case :rand.uniform(5) do
      1 -> BeamScope.set_level(rec, Enum.random([:off, :crashes, :states, :messages, :full]))
      4 -> with({:ok, frozen} <- BeamScope.freeze(rec), do: finish(frozen))
      2 -> BeamScope.subscribe(rec, Enum.random([[], [kind: :send], [limit: 10]]))
      3 -> flush(:rand.uniform(100))
      _ -> Process.sleep(:rand.uniform(150))
    end
  end

  defp flush(ms) do
    receive do: (_ -> flush(0)), after: (ms -> :ok)
  end

  defp finish(rec) do
    account(rec)
    if :rand.uniform(2) == 1, do: BeamScope.close(rec)
  end

  # Askers

  defp asker(context) do
    Chaos.until(context, 10, fn ->
      case BeamScope.recordings() do
        [] -> Process.sleep(5)
        some -> ask(Enum.random(some), context)
      end
    end)
  end

  defp ask(rec, context) do
    {name, question} = Enum.random(questions(context))
    began = System.monotonic_time(:millisecond)
    act("the question #{name}", fn -> question.(rec) end)
    took = System.monotonic_time(:millisecond) - began
    if took > 30_000, do: Chaos.problem("the question #{name} took #{took} ms")
    Chaos.count(:asked)
  end

  defp questions(context) do
    path = Path.join(context.dir, "saved_#{:rand.uniform(3)}_#{:erlang.phash2(self())}.beamscope")

    [
      info: &account/1,
      inspect: &inspect(BeamScope.info(&1)),
      processes: &BeamScope.processes/1,
      tree: &BeamScope.tree(&1, at: {:ms, :rand.uniform(1_000)}),
      events: &BeamScope.events(&1, limit: 500),
      calls: &BeamScope.calls(&1, limit: 100),
      messages: &BeamScope.messages(&1, limit: 200, match: {:message, :_, :_, :_}),
      history: fn rec -> some(rec, &BeamScope.history(rec, &1, limit: 200)) end,
      state_at: fn rec -> some(rec, &BeamScope.state_at(rec, &1, {:ms, :rand.uniform(1_000)})) end,
      find_state: fn rec -> some(rec, &BeamScope.find_state(rec, &1, %{count: :_})) end,
      mailbox: fn rec -> some(rec, &BeamScope.mailbox(rec, &1)) end,
      dictionary: fn rec -> some(rec, &BeamScope.dictionary(rec, &1)) end,
      table: &BeamScope.table(&1, hd(World.tables())),
      level: &BeamScope.set_level(&1, Enum.random([:off, :states, :full])),
      save: fn rec -> with(:ok <- BeamScope.save(rec, path), do: reload(path)) end,
      stop: &BeamScope.stop/1
    ]
  end

  defp some(rec, question) do
    case rec |> BeamScope.processes() |> Enum.to_list() do
      [] -> :nobody
      some -> question.(Enum.random(some).pid)
    end
  end

  defp reload(path) do
    with {:ok, rec} <- BeamScope.load(path) do
      account(rec)
      BeamScope.events(rec, limit: 50)
      BeamScope.close(rec)
    end
  end

  # Killers

  defp killer(context) do
    Chaos.until(context, 150, fn ->
      case :rand.uniform(20) do
        n when n <= 8 -> kill(recorder(), :recorders_killed)
        n when n <= 12 -> kill(helper(), :helpers_killed)
        13 -> kill(Process.whereis(Hub), :hubs_killed)
        _ -> :ok
      end
    end)
  end

  defp kill(nil, _what), do: :ok

  defp kill(pid, what) do
    Process.exit(pid, :kill)
    Chaos.count(what)
  end

  defp recorder do
    case for(%{pid: pid} <- BeamScope.recordings(), is_pid(pid), Process.alive?(pid), do: pid) do
      [] -> nil
      some -> Enum.random(some)
    end
  end

  defp helper do
    with hub when is_pid(hub) <- Process.whereis(Hub),
         {:links, links} when links != [] <- Process.info(hub, :links),
         do: Enum.find(Enum.shuffle(links), &is_pid/1),
         else: (_ -> nil)
  end

  defp closer(context) do
    Chaos.until(context, 100, fn ->
      if :rand.uniform(30) == 1, do: act("clear", fn -> BeamScope.clear() end)

      with [_ | _] = some <- BeamScope.recordings(),
           do: act("close", fn -> some |> Enum.random() |> BeamScope.close() end)
    end)
  end

  # Accounts

  @doc "Every recording that is still there has its account right, and is closed. Recorders may just have started."
  def close_all(tries \\ 300) do
    account_for_all()
    act("clear", fn -> BeamScope.clear() end)

    cond do
      Process.whereis(Hub) == nil and not Enum.any?(Process.list(), &recorder?/1) and
          BeamScope.recordings() == [] ->
        :ok

      tries == 0 ->
        Chaos.problem(
          "recordings do not end: #{inspect(BeamScope.recordings())}, hub #{inspect(Process.whereis(Hub))}"
        )

      true ->
        Process.sleep(100) && close_all(tries - 1)
    end
  end

  # One whose hub was killed ends a little later.
  defp recorder?(pid) do
    with {:dictionary, words} <- Process.info(pid, :dictionary),
         do: words[:"$initial_call"] == {BeamScope.Recorder.Server, :init, 1},
         else: (nil -> false)
  end

  defp account_for_all do
    for rec <- BeamScope.recordings() do
      act("stop", fn -> BeamScope.stop(rec) end)
      act("the last info", fn -> account(rec) end)
    end
  end

  defp account(rec) do
    %{events: events, status: status} = BeamScope.info(rec)
    if status == :stopped, do: Chaos.count(:accounts)

    if status == :stopped and events.offered != events.stored + events.dropped,
      do: Chaos.problem("offered is not stored + dropped: #{inspect(events)}")
  end

  # What fails by a `BeamScope.Error` has said why.
  defp act(what, fun) do
    case fun.() do
      {:error, reason} when not is_struct(reason, Error) ->
        Chaos.problem("#{what} answered #{inspect(reason, limit: 10)}")

      {:error, %Error{} = error} ->
        refusal(what, error)

      other ->
        other
    end
  rescue
    error in Error -> refusal(what, error)
    error -> Chaos.problem("#{what} raised #{Exception.format(:error, error, Enum.take(__STACKTRACE__, 6))}")
  catch
    kind, reason ->
      Chaos.problem(
        "#{what}: #{Exception.format(kind, reason, Enum.take(__STACKTRACE__, 6)) |> String.slice(0, 1_500)}"
      )
  end

  # Nothing that is recorded may be damaged.
  defp refusal(what, %Error{reason: :store} = error),
    do: Chaos.problem("#{what}: #{Exception.message(error)}")

  defp refusal(_what, %Error{reason: reason}), do: Chaos.count(refused(reason))

  defp refused(reason), do: "refused (#{reason})"
end
