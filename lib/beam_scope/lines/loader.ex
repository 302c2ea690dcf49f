defmodule BeamScope.Lines.Loader do
  @moduledoc """
  Loads instrumented code, and the original back, byte for byte, without killing anybody.

  It is one process for the node, started when it is first needed; it ends when nothing is instrumented any more. Recordings that want the
  same module share its instrumented code: the last one to leave restores the original. An owner that dies has left. A loader that is killed
  is followed by another that goes on (`BeamScope.Lines.Loader.Survivor`).

  How code is replaced (`BeamScope.Lines.Loader.Held`): the virtual machine has room for two codes of a module, the current one and an old one. While
  instrumented code is current the original is the old one, so that processes inside it go on and funs made by it work. To put the original back, the old
  one must go first, which it does only when no process is inside; then the original becomes current and the instrumented code old, and that goes in
  the same way. Only `soft_purge` is ever used. If somebody else loads the module meanwhile, that is left as it is and owners are told.

  What nobody can help, and users should know:

    * A process that never leaves a function (a loop that calls itself by a local name) stays in the code in which it began. What it does is not
      recorded by line, and its module cannot be restored before it ends: `release/1` says `:still_running`, `inside/1` says who.
    * To the virtual machine a fun is not inside: a process that is in `Enum.map/2` and has yet to call a fun of the module is none that it waits for. So
      instrumented code that makes funs is kept for `grace_ms:` after the original is back, and what goes on then ends well. A fun that is kept for
      longer (in a state, in ETS) raises `BadFunctionError` after that. A fun made by the *original* works before, during and after, except
      in the moment in which the original is loaded (some milliseconds, more where no processor is free), and while a second recording has had more functions of the
      module instrumented.
    * Who loads the module while it is instrumented, `recompile` for example, kills processes that are still inside the original, as it would kill
      those inside older code otherwise.

  An owner gets messages `{:beam_scope_lines, what}`:

  | what | when |
  |---|---|
  | `{:table, table}` | more functions of a module were instrumented for another owner: its lines have the ids of this table from now on |
  | `{:lost, module, why}` | its lines are recorded no longer: `:loaded`, somebody else has loaded or removed the module; `:stopped`, the application `:beam_scope` was stopped |
  """

  use GenServer
  use BeamScope.Recorder.Discreet

  alias BeamScope.Error
  alias BeamScope.Recorder.Hub
  alias BeamScope.Recorder.Own
  alias BeamScope.Lines.Loader.{Cache, Check, Code, Held, Maker, Patterns, Refusal, Survivor}

  @wait_ms 500
  @look_ms 1_000
  @grace_ms 30_000
  # Who wants other code of the module meanwhile waits so long at most.
  @patience_ms 1_000
  @ids 4_294_967_296
  @attempts 5

  @typedoc "What an owner wants of a module."
  @type wanted :: {module(), Held.functions()}

  @doc """
  Has functions of modules instrumented for an owner, until `release/1` or until it dies: all modules or none. Answers their tables, in the
  order asked; a module twice has one.

  Costs tens of milliseconds a module that is not instrumented yet, and about one millisecond for the load; one that was restored less than
  `grace_ms:` ago (30,000) and makes funs is waited for, a second at most. `instrument:` takes another function than `BeamScope.Lines.Instrument.module/4`.

  Errors: `:no_such_module`, `:no_such_function`, `:cannot_instrument` with the reason, `:still_running` where old code is in the way,
  `:setup_failed`, and those of the instrumentation.

      iex> {:error, error} = BeamScope.Lines.Loader.acquire([{:lists, :all}], self())
      iex> error.detail
      %{module: :lists, why: :sticky}
  """
  @spec acquire([wanted()], pid(), keyword()) :: {:ok, [map()]} | {:error, Error.t()}
  def acquire(wanted, owner, opts \\ []) when is_list(wanted) and is_pid(owner) do
    make = opts[:instrument] || (&BeamScope.Lines.Instrument.module/4)
    call({:acquire, gathered(wanted), owner, {make, opts[:grace_ms] || @grace_ms}})
  catch
    :exit, {reason, _} -> {:error, Error.new(:setup_failed, {:loader, reason})}
  end

  # Each module once, with all that is wanted of it.
  defp gathered(wanted) do
    for {module, _} <- :lists.uniq(fn {module, _} -> module end, wanted) do
      {module, Enum.reduce(for({^module, functions} <- wanted, do: functions), [], &Held.union/2)}
    end
  end

  @doc """
  An owner wants nothing any more. Where it was the last one, the original comes back; waits up to 500 ms for processes that are inside,
  and then names the modules that are not done: that goes on by itself. Where it answers `:ok` the original runs.
  """
  @spec release(pid()) :: :ok | {:still_running, [module()]}
  def release(owner) do
    if Process.whereis(__MODULE__), do: call({:release, owner}), else: :ok
  catch
    :exit, _ -> :ok
  end

  @doc """
  What runs of a module: `:still_running` while it is wanted back and a process is inside the code that is to go.

      iex> BeamScope.Lines.Loader.status(:lists)
      :original
  """
  @spec status(module()) :: :original | :instrumented | :still_running
  def status(module), do: ask({:status, module}, :original)

  @doc "The modules that are not as they were: those whose instrumented code is there, be it as old code."
  @spec modules() :: [module()]
  def modules, do: ask(:modules, [])

  @doc "The processes inside old code of a module: those for which a restoring waits. Asks every process."
  @spec inside(module()) :: [pid()]
  defdelegate inside(module), to: Code

  @doc """
  What is kept only for the sake of funs goes now, whatever becomes of these: see `grace_ms:`.

      iex> BeamScope.Lines.Loader.settle()
      :ok
  """
  @spec settle() :: :ok
  def settle, do: ask(:settle, :ok)

  @doc """
  Keeps the loader, and the instrumented code that it has made, for as long as a process lives: tests that instrument the same modules one after
  another need it made once. Nothing stays instrumented for that.
  """
  @spec keep(pid()) :: :ok
  def keep(pid), do: call({:keep, pid})

  # A loader that is not there has nothing; it is not started to say so.
  defp ask(request, nothing) do
    GenServer.call(__MODULE__, request, :infinity)
  catch
    :exit, _ -> nothing
  end

  # One that was killed is followed by another, which knows what that one did: to ask it again does no harm.
  defp call(request, attempts \\ @attempts) do
    GenServer.call(ensure(), request, :infinity)
  catch
    :exit, {reason, _} when reason != :calling_self and attempts > 0 -> call(request, attempts - 1)
  end

  defp ensure do
    case start(nil) do
      {:ok, pid} -> pid
      {:error, {:already_started, pid}} -> pid
      # One that was killed while it started.
      {:error, reason} -> exit({reason, {__MODULE__, :start, [nil]}})
    end
  end

  @doc false
  @spec start(Survivor.saved() | nil) :: {:ok, pid()} | {:error, term()}
  def start(saved), do: GenServer.start(__MODULE__, saved, name: __MODULE__, spawn_opt: [priority: :high])

  @doc false
  # Nobody's child: an application that ends kills whoever has its group leader. The library leaves out what it knows as ours.
  @spec settle_in() :: :ok
  def settle_in do
    Process.group_leader(self(), Process.whereis(:init))
    Process.delete(:"$callers")
    Own.add(self())
  end

  @doc false
  @spec move_out(pid()) :: :ok
  def move_out(pid), do: Own.remove(pid)

  # The process

  @impl true
  def init(saved) do
    settle_in()
    saved = saved || Survivor.take() || %{modules: found(), next_id: 0, survivor: nil}

    state = %{
      modules: %{},
      owners: %{},
      keepers: %{},
      waiting: [],
      cache: [],
      next_id: saved.next_id,
      survivor: nil,
      timer: nil,
      stoppable: running?()
    }

    {:ok, state, {:continue, {:adopt, saved}}}
  end

  # The loader before and its survivor may have been killed at once.
  defp found do
    for {module, md5} <- Code.marked(), held = Held.found(module, md5), into: %{}, do: {module, held}
  end

  @impl true
  def handle_continue({:adopt, saved}, state) do
    {survivor, %{modules: modules, next_id: next_id}} = Survivor.find(saved)
    state = %{state | survivor: survivor, next_id: next_id}
    state = :maps.fold(fn _module, held, state -> adopt(held, Held.runs(held), state) end, state, modules)
    # It may have been killed after a load and before the patterns were set.
    :maps.foreach(fn module, _ -> Hub.reloaded(module, nil) end, modules)
    Process.send_after(self(), :look, @look_ms)
    # Whoever started it asks next, unless it was to go on where another was killed.
    if modules != %{}, do: end_later()
    {:noreply, tick(state)}
  end

  # What was being loaded when the loader was killed is asked for again, by who waits for it.
  defp adopt(held, :original, state), do: put(state, Held.soon(%{held | users: %{}, phase: :leaving}))
  defp adopt(held, :foreign, state), do: forget(state, held, :loaded)

  defp adopt(%{users: users} = held, :ours, state) when users == %{},
    do: put(state, Held.soon(%{held | phase: :restoring}))

  defp adopt(held, :ours, state),
    do: :maps.fold(fn owner, _, state -> watch(state, owner) end, put(state, held), held.users)

  # Requests

  @impl true
  def handle_call({:acquire, wanted, owner, how}, _from, state) do
    before = for {module, %{users: %{^owner => _}}} <- state.modules, do: module

    case take_all(wanted, owner, how, state, []) do
      {:ok, tables, state} ->
        answer({:ok, tables}, watch(state, owner))

      {:error, error, state} ->
        {_, state} = leave(state, owner, &(not :lists.member(&1, before)))
        answer({:error, error}, state)
    end
  end

  def handle_call({:release, owner}, from, state) do
    {modules, state} = leave(state, owner, fn _ -> true end)
    waiting = %{from: from, modules: modules, until: Held.now() + @wait_ms}
    after_all(%{state | waiting: [waiting | state.waiting]})
  end

  def handle_call({:status, module}, _from, state) do
    answer(if(held = state.modules[module], do: status_of(held), else: :original), state)
  end

  def handle_call(:modules, _from, state), do: answer(Map.keys(state.modules), state)

  def handle_call(:settle, _from, state) do
    at_once = fn held, state -> put(state, Held.soon(%{held | grace_ms: 0})) end
    answer(:ok, :lists.foldl(at_once, state, Map.values(state.modules)))
  end

  def handle_call({:keep, pid}, _from, state),
    do: answer(:ok, put_in(state.keepers[Process.monitor(pid)], pid))

  defp status_of(%{phase: :instrumented}), do: :instrumented
  defp status_of(%{quiet?: true}), do: :original
  defp status_of(_held), do: :still_running

  defp answer(answer, state) do
    end_later()
    {:reply, answer, tick(state)}
  end

  @impl true
  def handle_info(:tick, state), do: after_all(state)

  def handle_info(:look, state) do
    Process.send_after(self(), :look, @look_ms)
    after_all(look(state))
  end

  def handle_info({:DOWN, monitor, :process, _, _}, %{survivor: {pid, monitor}} = state) do
    move_out(pid)
    {survivor, _} = Survivor.find(%{modules: state.modules, next_id: state.next_id, survivor: nil})
    {:noreply, %{state | survivor: survivor}}
  end

  def handle_info({:DOWN, monitor, :process, _, _}, %{keepers: keepers} = state)
      when is_map_key(keepers, monitor),
      do: after_all(%{state | keepers: Map.delete(keepers, monitor)})

  def handle_info({:DOWN, _, :process, owner, _}, state) do
    {_, state} = leave(state, owner, fn _ -> true end)
    after_all(state)
  end

  def handle_info(:end_if_idle, state) do
    if idle?(state), do: {:stop, :normal, state}, else: {:noreply, state, :hibernate}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, _state), do: move_out(self())

  defp after_all(state) do
    end_later()
    {:noreply, tick(state)}
  end

  # In a message to itself, so that requests that wait are served first.
  defp end_later, do: send(self(), :end_if_idle)

  defp idle?(state) do
    {:message_queue_len, waiting} = Process.info(self(), :message_queue_len)
    state.modules == %{} and state.keepers == %{} and state.waiting == [] and waiting == 0
  end

  # Taking

  defp take_all([], _owner, _how, state, tables), do: {:ok, :lists.reverse(tables), state}

  defp take_all([{module, functions} | rest], owner, how, state, tables) do
    case take(state.modules[module], {module, functions}, owner, how, state) do
      {:ok, held, state} -> take_all(rest, owner, how, put(state, held), [held.table | tables])
      {:error, error, state} -> {:error, error, state}
    end
  end

  defp take(nil, wanted, owner, how, state), do: fresh(wanted, owner, how, state)

  defp take(held, wanted, owner, how, state) do
    case {Held.runs(held), Held.covers?(held, elem(wanted, 1))} do
      {:ours, true} -> {:ok, Held.used(held, owner, elem(wanted, 1)), state}
      {:ours, false} -> more(held, wanted, owner, how, state)
      {:foreign, _} -> fresh(wanted, owner, how, forget(state, held, :loaded))
      {:original, _} -> once_more(held, wanted, owner, how, state)
    end
  end

  # The original is back, and what was instrumented is on its way out. The same code once more gives its funs their code back at once; any other takes
  # it from them, so they get some of the time that they were to have.
  defp once_more(held, {module, functions}, owner, {make, grace_ms}, state) do
    original = %{module: module, md5: held.md5, file: held.file, binary: held.original}

    with :ok <- Check.functions(module, functions),
         {:ok, made, state} <- made(original, functions, make, lost(state, held)) do
      unless :lists.member(Code.md5_of(made.binary), held.loaded),
        do: Process.sleep(min(Held.grace_left(held), @patience_ms))

      new = original |> Held.new(functions, made, grace_ms) |> Held.used(owner, functions)
      loaded(load(new, made, owner, state), new, held, state)
    else
      {:error, error} -> {:error, error, state}
      {:error, error, state} -> {:error, error, state}
    end
  end

  defp fresh({module, functions}, owner, {make, grace_ms}, state) do
    with {:ok, original} <- Check.original(module),
         :ok <- Check.functions(module, functions),
         {:ok, made, state} <- made(original, functions, make, state) do
      held = original |> Held.new(functions, made, grace_ms) |> Held.used(owner, functions)
      loaded(load(held, made, owner, state), held, nil, state)
    else
      {:error, error} -> {:error, error, state}
      {:error, error, state} -> {:error, error, state}
    end
  end

  # What was not loaded after all leaves what was held before.
  defp loaded(:ok, new, _before, state), do: {:ok, new, state}

  defp loaded({:error, error}, new, before, state) do
    tell(state, new.module, before)
    {:error, error, state}
  end

  # Others go on with what they have while more is made; then all of it is loaded, and the code before must go.
  defp more(held, {module, functions}, owner, {make, _grace_ms}, state) do
    union = Held.union(held.functions, functions)
    original = %{module: module, md5: held.md5, file: held.file, binary: held.original}

    with :ok <- Check.functions(module, functions),
         {:ok, made, state} <- made(original, union, make, state) do
      md5 = Code.md5_of(made.binary)
      new = %{held | functions: union, table: made.table, loaded: :lists.usort([md5 | held.loaded])}
      new = %{new | funs?: held.funs? or Code.funs?(made.binary)}
      done = load(new, made, owner, state)
      if done == :ok, do: tell_others(held, new.table)
      loaded(done, Held.used(new, owner, functions), held, state)
    else
      {:error, error} -> {:error, error, state}
      {:error, error, state} -> {:error, error, state}
    end
  end

  defp tell_others(held, table),
    do: for({owner, _} <- held.users, do: send(owner, {:beam_scope_lines, {:table, table}}))

  # The survivor is told first.
  defp load(%{module: module} = held, made, owner, state) do
    with {:ok, patterns} <- Patterns.read(module),
         {:ok, prepared} <- Code.prepare(module, held.file, made.binary),
         :ok <- tell(state, module, held),
         true <- Code.soft_purge(module),
         :ok <- Code.finish(prepared) do
      Held.again(module, patterns, owner)
    else
      {:counted, mfa} -> {:error, Refusal.new(module, {:counted, mfa})}
      false -> {:error, still_running(module)}
      {:error, :not_purged} -> {:error, still_running(module)}
      {:error, :sticky_directory} -> {:error, Refusal.new(module, :sticky)}
      {:error, why} -> {:error, Error.new(:setup_failed, {module, why})}
    end
  end

  defp still_running(module), do: Error.new(:still_running, [module])

  defp made(original, functions, make, state) do
    key = {original.module, original.md5, functions}

    case Cache.get(state.cache, key) do
      {made, cache} -> {:ok, made, %{state | cache: cache}}
      nil -> made_anew(key, original, make, state)
    end
  end

  defp made_anew({module, md5, functions} = key, original, make, state) do
    with {:ok, made} <- Maker.make(make, module, original.binary, functions, state.next_id),
         next when next <= @ids <- made.table.next_id do
      made = %{made | binary: Code.mark(made.binary, md5)}
      {:ok, made, %{state | next_id: next, cache: Cache.put(state.cache, key, made)}}
    else
      {:error, error} -> {:error, error, state}
      _ -> {:error, Error.new(:setup_failed, "there are no site ids left; stop the other recordings"), state}
    end
  end

  # Leaving

  defp watch(state, owner),
    do: %{state | owners: Map.put_new_lazy(state.owners, owner, fn -> Process.monitor(owner) end)}

  defp leave(state, owner, which) do
    mine = for {module, %{users: %{^owner => _}} = held} <- state.modules, which.(module), do: held
    state = :lists.foldl(&left(&1, owner, &2), state, mine)
    {for(%{module: module} <- mine, do: module), unwatch(state, owner)}
  end

  defp left(held, owner, state) do
    if Held.runs(held) == :foreign,
      do: forget(state, held, :loaded),
      else: put(state, Held.left(held, owner))
  end

  defp unwatch(state, owner) do
    if Enum.any?(state.modules, fn {_, held} -> is_map_key(held.users, owner) end) do
      state
    else
      {monitor, owners} = Map.pop(state.owners, owner)
      if monitor, do: Process.demonitor(monitor, [:flush])
      %{state | owners: owners}
    end
  end

  # What somebody else has loaded is theirs.
  defp forget(state, held, why), do: state |> orphan(held, why) |> drop(held)

  # Somebody else has loaded the original: what is left of ours is old code by now.
  defp lost(state, held) do
    state = orphan(state, held, :loaded)
    put(state, Held.soon(%{held | users: %{}, phase: :leaving}))
  end

  defp orphan(state, held, why) do
    for {owner, _} <- held.users, do: send(owner, {:beam_scope_lines, {:lost, held.module, why}})
    without = put_in(state.modules[held.module], %{held | users: %{}})
    :lists.foldl(&unwatch(&2, &1), without, Map.keys(held.users))
  end

  defp put(state, held) do
    tell(state, held.module, held)
    put_in(state.modules[held.module], held)
  end

  defp drop(state, held) do
    tell(state, held.module, nil)
    %{state | modules: Map.delete(state.modules, held.module)}
  end

  defp tell(%{survivor: {survivor, _}} = state, module, held),
    do: Survivor.told(survivor, module, held, state.next_id)

  # Restoring

  # Steps whose time has come; then who waits is told, and the next time is set.
  defp tick(state) do
    now = Held.now()

    due =
      for {_, %{phase: phase, due: due} = held} <- state.modules, phase != :instrumented, due <= now, do: held

    state = :lists.foldl(&step/2, state, due)
    schedule(%{state | waiting: waiting(state, Held.now())})
  end

  defp step(held, state) do
    case Held.step(held) do
      :done -> drop(state, held)
      {:wait, held} -> %{state | modules: Map.put(state.modules, held.module, held)}
    end
  end

  defp waiting(state, now), do: for(one <- state.waiting, not served?(one, state, now), do: one)

  defp served?(%{from: from, modules: modules, until: until}, state, now) do
    case for(module <- modules, unfinished?(state.modules[module]), do: module) do
      [] ->
        GenServer.reply(from, :ok)
        true

      left when now >= until ->
        GenServer.reply(from, {:still_running, left})
        true

      _ ->
        false
    end
  end

  defp unfinished?(nil), do: false
  defp unfinished?(held), do: held.phase != :instrumented and held.users == %{} and not held.quiet?

  defp schedule(state) do
    if state.timer, do: Process.cancel_timer(state.timer)
    steps = for {_, %{phase: phase, due: due}} <- state.modules, phase != :instrumented, do: due
    waits = for %{until: until} <- state.waiting, do: until
    %{state | timer: timer(steps ++ waits)}
  end

  defp timer([]), do: nil
  defp timer(times), do: Process.send_after(self(), :tick, max(:lists.min(times) - Held.now(), 0))

  # Looking

  # Somebody else may have loaded a module, and the application may have been stopped.
  defp look(state) do
    used = for {_, held} <- state.modules, held.users != %{}, do: held
    state = :lists.foldl(&look(Held.runs(&1), &1, &2), state, used)
    if state.modules != %{} and state.stoppable and not running?(), do: stopped(state), else: state
  end

  defp look(:ours, _held, state), do: state
  defp look(:original, held, state), do: lost(state, held)
  defp look(:foreign, held, state), do: forget(state, held, :loaded)

  defp stopped(state) do
    for {_, held} <- state.modules,
        {owner, _} <- held.users,
        do: send(owner, {:beam_scope_lines, {:lost, held.module, :stopped}})

    state = :lists.foldl(&elem(leave(&2, &1, fn _ -> true end), 1), state, Map.keys(state.owners))
    %{state | stoppable: false}
  end

  # A library without a process of its own is told nothing when it is stopped.
  defp running? do
    :lists.keymember(:beam_scope, 1, :application.which_applications(@wait_ms))
  catch
    :exit, _ -> true
  end
end
