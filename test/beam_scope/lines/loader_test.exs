defmodule BeamScope.Lines.LoaderTest do
  use ExUnit.Case, async: false

  alias BeamScope.{Error, Recorder}
  alias BeamScope.Lines.Loader
  alias BeamScope.Lines.Loader.{Cache, Refusal, Survivor}
  alias BeamScope.Test.Instrumented

  doctest Cache
  doctest Refusal
  doctest Loader
  doctest Loader.Held

  @a :lines_loader_a
  @b :lines_loader_b

  setup do
    # What other tests instrumented is kept for a while.
    Loader.settle()
    on_exit(&nothing_left/0)
    nothing_left()

    {:ok, directory: Instrumented.directory!()}
  end

  defp nothing_left,
    do: eventually(fn -> assert {Process.whereis(Loader), Process.whereis(Survivor)} == {nil, nil} end)

  defp acquire(wanted, owner \\ self()),
    do: Loader.acquire(wanted, owner, instrument: &Instrumented.instrument/4, grace_ms: 0)

  defp md5(module), do: Loader.Code.md5(module)

  defp eventually(check, tries \\ 300) do
    check.()
  rescue
    error in ExUnit.AssertionError ->
      if tries == 0, do: reraise(error, __STACKTRACE__)
      Process.sleep(10)
      eventually(check, tries - 1)
  end

  defp owner, do: spawn(fn -> Process.sleep(:infinity) end)

  defp stop(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, _, _}, 5_000
  end

  describe "acquire/3 and release/1" do
    test "load instrumented code, and the original back byte for byte, from where it was", %{
      directory: directory
    } do
      module = Instrumented.module!(directory, @a)
      before = {md5(module), :code.which(module), module.module_info(:compile)}

      assert {:ok, [%{module: ^module, sites: sites, md5: md5}]} = acquire([{module, :all}])
      assert {md5, map_size(sites)} == {elem(before, 0), 7}
      assert Loader.status(module) == :instrumented
      assert md5(module) != md5
      assert :code.which(module) == elem(before, 1)
      assert module.twice(4) == 8

      assert Loader.release(self()) == :ok
      assert {md5(module), :code.which(module), module.module_info(:compile)} == before
      refute :erlang.check_old_code(module)
      assert {Loader.status(module), module.twice(4)} == {:original, 8}
    end

    test "take all modules or none", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      md5 = md5(module)
      assert {:error, %Error{reason: :cannot_instrument}} = acquire([{module, :all}, {:lists, :all}])
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {md5, false} end)

      # What the owner had before, it keeps.
      {:ok, _} = acquire([{module, :all}])
      assert {:error, _} = acquire([{module, [add: 2]}, {:lists, :all}])
      assert Loader.status(module) == :instrumented
      assert Loader.release(self()) == :ok
    end

    test "two owners share the code; the last to leave restores it", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      [first, second] = [owner(), owner()]
      {:ok, [table]} = acquire([{module, :all}], first)
      instrumented = md5(module)
      assert {:ok, [^table]} = acquire([{module, [add: 2]}], second)
      assert md5(module) == instrumented

      assert Loader.release(first) == :ok
      assert md5(module) == instrumented
      assert Loader.release(second) == :ok
      assert md5(module) == original
      Enum.each([first, second], &stop/1)
    end

    test "more functions for a second owner: the first is told of the new table", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      second = owner()
      {:ok, [first_table]} = acquire([{module, [add: 2]}])
      {:ok, [table]} = acquire([{module, [twice: 1]}], second)
      assert_receive {:beam_scope_lines, {:table, ^table}}
      functions = fn table -> table.sites |> Map.values() |> Enum.map(& &1.function) |> Enum.sort() end
      assert functions.(first_table) == [add: 2]
      assert functions.(table) == [add: 2, twice: 1]
      assert MapSet.disjoint?(MapSet.new(Map.keys(first_table.sites)), MapSet.new(Map.keys(table.sites)))

      assert Loader.release(self()) == :ok
      assert Loader.status(module) == :instrumented
      assert Loader.release(second) == :ok
      assert {md5(module), :erlang.check_old_code(module)} == {original, false}
      stop(second)
    end

    test "more functions are refused while a process is inside the code that must go", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      me = self()
      sitting = spawn(fn -> module.sit(me) end)
      assert_receive {:sitting, ^sitting}
      {:ok, _} = acquire([{module, [add: 2]}])
      instrumented = md5(module)
      second = owner()

      assert {:error, %Error{reason: :still_running, detail: [^module]} = error} =
               acquire([{module, :all}], second)

      assert Exception.message(error) =~ "inside old code of :lines_loader_a"
      assert Loader.inside(module) == [sitting]
      assert {md5(module), Process.alive?(sitting)} == {instrumented, true}

      send(sitting, :go)
      eventually(fn -> assert {:ok, _} = acquire([{module, :all}], second) end)
      assert Loader.release(self()) == :ok
      assert Loader.release(second) == :ok
      stop(second)
    end

    test "an owner that dies has left", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      owner = owner()
      {:ok, _} = acquire([{module, :all}], owner)
      stop(owner)
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)

      # One that is dead already never had anything.
      acquire([{module, :all}], owner)
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
    end

    test "release of who has nothing is no error, and starts nothing" do
      assert Loader.release(self()) == :ok
      assert {Loader.modules(), Process.whereis(Loader)} == {[], nil}
    end
  end

  describe "a process inside" do
    test "the instrumented code: the original runs, and the rest goes when it has left", %{
      directory: directory
    } do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      {:ok, _} = acquire([{module, :all}])
      me = self()
      {sitting, monitor} = spawn_monitor(fn -> exit({:result, module.sit(me)}) end)
      assert_receive {:sitting, ^sitting}

      assert Loader.release(self()) == {:still_running, [module]}
      assert {Loader.status(module), md5(module)} == {:still_running, original}
      assert Loader.inside(module) == [sitting]
      # To instrument it again would need the room of the code in which that process is.
      assert {:error, %Error{reason: :still_running}} = acquire([{module, :all}])

      send(sitting, :go)
      assert_receive {:DOWN, ^monitor, :process, _, {:result, 2}}

      eventually(fn ->
        assert {Loader.status(module), :erlang.check_old_code(module)} == {:original, false}
      end)
    end

    test "the original from before: the instrumented code goes on until it has left", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      me = self()
      {sitting, monitor} = spawn_monitor(fn -> exit({:result, module.sit(me)}) end)
      assert_receive {:sitting, ^sitting}
      {:ok, [table]} = acquire([{module, :all}])
      instrumented = md5(module)

      assert Loader.release(self()) == {:still_running, [module]}

      assert {Loader.status(module), md5(module), Process.alive?(sitting)} ==
               {:still_running, instrumented, true}

      # It is there still: whoever wants it has it.
      assert {:ok, [^table]} = acquire([{module, :all}])
      assert Loader.status(module) == :instrumented
      assert Loader.release(self()) == {:still_running, [module]}

      send(sitting, :go)
      assert_receive {:DOWN, ^monitor, :process, _, {:result, 2}}
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
    end

    test "funs of the original work before, during and after", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      add_3 = module.adder(3)
      {:ok, _} = acquire([{module, :all}])
      assert add_3.(4) == 7
      assert Loader.release(self()) == :ok
      assert add_3.(4) == 7
    end

    test "a function outside goes on with the fun that it was given, while that has its time", %{
      directory: directory
    } do
      module = Instrumented.module!(directory, @a)
      original = md5(module)

      {:ok, _} =
        Loader.acquire([{module, :all}], self(), instrument: &Instrumented.instrument/4, grace_ms: 300)

      me = self()
      {pid, monitor} = spawn_monitor(fn -> exit({:result, module.pass(me, 3)}) end)
      assert_receive {:ready, ^pid}
      assert Loader.release(self()) == :ok
      assert {md5(module), Loader.status(module), Loader.modules()} == {original, :original, [module]}
      send(pid, {:go, 4})
      assert_receive {:DOWN, ^monitor, :process, _, {:result, 7}}
      eventually(fn -> assert {Loader.modules(), :erlang.check_old_code(module)} == {[], false} end)

      keep =
        &Loader.acquire([{module, &1}], self(),
          instrument: fn m, b, f, i -> Instrumented.instrument(m, b, f, i) end,
          grace_ms: 300
        )

      # The same code once more has funs made by it go on; other code waits until they had their time.
      {:ok, _} = keep.(:all)
      add_3 = module.adder(3)
      assert Loader.release(self()) == :ok
      {us, {:ok, _}} = :timer.tc(fn -> keep.(:all) end)
      assert us < 250_000
      assert add_3.(4) == 7
      assert Loader.release(self()) == :ok
      {us, {:ok, _}} = :timer.tc(fn -> keep.([{:adder, 1}]) end)
      assert us > 200_000
      assert Loader.release(self()) == :ok
    end

    test "funs of the instrumented code work until it is gone", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, _} = acquire([{module, :all}])
      add_3 = module.adder(3)
      assert add_3.(4) == 7
      assert Loader.release(self()) == :ok
      assert_raise BadFunctionError, fn -> add_3.(4) end
    end
  end

  describe "modules that the loader itself runs through" do
    test "come back like others" do
      # Not Enum or Process: Mix sits inside the one for as long as tests run, and whoever sleeps inside the other.
      modules = [GenServer, Map, Keyword, Access, String.Chars, Exception]
      Enum.each(modules, &Code.ensure_loaded!/1)
      before = for module <- modules, do: {module, md5(module), :code.which(module)}
      for module <- modules, do: :code.soft_purge(module)
      assert {:ok, tables} = acquire(for module <- modules, do: {module, :all})
      assert length(tables) == length(modules)
      assert Enum.map([3, 1, 2], &to_string/1) == ["3", "1", "2"]
      assert Loader.modules() == Enum.sort(modules)
      Loader.release(self())
      eventually(fn -> assert Loader.modules() == [] end)
      assert before == for(module <- modules, do: {module, md5(module), :code.which(module)})
      refute Enum.any?(modules, &:erlang.check_old_code/1)
    end
  end

  describe "what is refused, and why:" do
    defp refused(wanted) do
      assert {:error, %Error{} = error} = acquire([wanted])
      assert Exception.message(error) =~ ~r/\S/
      {error.reason, error.detail[:why], Exception.message(error)}
    end

    test "sticky modules, those of the virtual machine, BeamScope's own" do
      assert {:cannot_instrument, :sticky, text} = refused({:gen_server, :all})
      assert text =~ "calls: [:gen_server]"
      assert {:cannot_instrument, :preloaded, _} = refused({:erlang, :all})
      assert {:cannot_instrument, :own, _} = refused({BeamScope.Recorder.Server, :all})
      assert {:cannot_instrument, :own, _} = refused({BeamScope, :all})
    end

    test "modules and functions that are not there", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      assert {:error, %Error{reason: :no_such_module}} = acquire([{:lines_loader_nowhere, :all}])

      assert {:error, %Error{reason: :no_such_function, detail: {^module, :add, 3}}} =
               acquire([{module, [twice: 1, add: 3]}])
    end

    test "a module without a file, and one whose file differs", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      File.rename!(Path.join(directory, "#{@a}.beam"), Path.join(directory, "gone"))
      assert {:cannot_instrument, :no_file, text} = refused({module, :all})
      assert text =~ "mix compile"

      other = "-module(NAME).\n-export([add/2]).\nadd(A, B) -> A - B.\n"
      File.write!(Path.join(directory, "#{@a}.beam"), Instrumented.compile(@a, source: other))
      assert {:cannot_instrument, :differs, _} = refused({module, :all})
      assert module.add(1, 2) == 3
    end

    test "a module that is stripped, or whose debug info is encrypted", %{directory: directory} do
      Instrumented.module!(directory, @a, compile: [])
      assert {:cannot_instrument, :stripped, text} = refused({@a, :all})
      assert text =~ ~s(strip_beams: [keep: ["Dbgi"]])

      {:ok, {_, stripped}} = :beam_lib.strip(Instrumented.compile(@b))
      File.write!(Path.join(directory, "#{@b}.beam"), stripped)
      assert {:cannot_instrument, :stripped, _} = refused({@b, :all})
      :code.purge(@b) && :code.delete(@b)
      :code.purge(@b)

      Instrumented.module!(directory, @b,
        compile: [:debug_info, {:debug_info_key, String.to_charlist("secret")}]
      )

      assert {:cannot_instrument, :encrypted, _} = refused({@b, :all})
    end

    test "a module with native functions", %{directory: directory} do
      source =
        "-module(NAME).\n-export([init/0, f/0]).\ninit() -> erlang:load_nif(\"nowhere\", 0).\nf() -> nif.\n"

      Instrumented.module!(directory, @a, source: source)
      assert {:cannot_instrument, :nif, _} = refused({@a, :all})
    end

    test "a module that runs code when it is loaded", %{directory: directory} do
      source = "-module(NAME).\n-on_load(init/0).\n-export([f/0]).\ninit() -> ok.\nf() -> 1.\n"
      Instrumented.module!(directory, @a, source: source)
      assert {:cannot_instrument, :on_load, _} = refused({@a, :all})
    end

    test "a module whose coverage is counted", %{directory: directory} do
      Instrumented.module!(directory, @a, source: "-file(\"a.erl\", 1).\n" <> Instrumented.source())
      # Mix leaves out what a project does not name.
      if function_exported?(Mix, :ensure_application!, 1), do: apply(Mix, :ensure_application!, [:tools])
      apply(:cover, :start, [])
      {:ok, @a} = apply(:cover, :compile_beam, [String.to_charlist(Path.join(directory, "#{@a}.beam"))])
      assert {:cannot_instrument, :cover, text} = refused({@a, :all})
      assert text =~ ":cover.stop()"
      apply(:cover, :stop, [])
    end

    test "a module with old code", %{directory: directory} do
      Instrumented.module!(directory, @a)
      {:module, @a} = :code.load_file(@a)
      assert :erlang.check_old_code(@a)
      assert {:cannot_instrument, :old_code, text} = refused({@a, :all})
      assert text =~ ":code.soft_purge(:lines_loader_a)"
      assert :code.soft_purge(@a)
      assert {:ok, _} = acquire([{@a, :all}])
      assert Loader.release(self()) == :ok
    end

    test "a module whose calls are counted by another tool", %{directory: directory} do
      Instrumented.module!(directory, @a)
      1 = :erlang.trace_pattern({@a, :add, 2}, true, [:call_count])
      assert {:cannot_instrument, {:counted, {@a, :add, 2}}, text} = refused({@a, :all})
      assert text =~ "cprof"
      1 = :erlang.trace_pattern({@a, :add, 2}, false, [:call_count])
    end

    test "an instrumentation that fails leaves nothing", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      md5 = md5(module)
      make = fn _, _, _, _ -> raise ArgumentError, "a secret" end

      assert {:error, %Error{reason: :setup_failed} = error} =
               Loader.acquire([{module, :all}], self(), instrument: make, grace_ms: 0)

      refute Exception.message(error) =~ "a secret"
      refused = Error.new(:invalid_option, %{key: :lines, value: 1, expected: "else"})

      assert {:error, ^refused} =
               Loader.acquire([{module, :all}], self(), instrument: fn _, _, _, _ -> {:error, refused} end)

      assert {md5(module), Loader.status(module)} == {md5, :original}
    end
  end

  describe "somebody else loads the module" do
    test "another code is left as it is, and owners are told", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, _} = acquire([{module, :all}])
      Instrumented.module!(directory, @a, source: "-module(NAME).\n-export([add/2]).\nadd(A, B) -> A - B.\n")
      theirs = md5(module)
      assert_receive {:beam_scope_lines, {:lost, ^module, :loaded}}, 3_000
      assert Loader.release(self()) == :ok
      assert {md5(module), module.add(1, 2)} == {theirs, -1}
    end

    test "the original is theirs too, and what is left of ours goes", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      {:ok, _} = acquire([{module, :all}])
      # As `c/1`, `recompile` and the like do: they remove old code first, whoever is inside.
      :code.purge(module)
      {:module, ^module} = :code.load_file(module)
      assert_receive {:beam_scope_lines, {:lost, ^module, :loaded}}, 3_000
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
      assert {:ok, _} = acquire([{module, :all}])
      assert Loader.release(self()) == :ok
    end

    test "one that was removed stays removed", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, _} = acquire([{module, :all}])
      true = :code.soft_purge(module)
      true = :code.delete(module)
      assert Loader.release(self()) == :ok
      assert md5(module) == nil
      assert_receive {:beam_scope_lines, {:lost, ^module, :loaded}}
    end
  end

  describe "whatever dies" do
    test "a loader that is killed is followed by one that goes on", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      {:ok, [table]} = acquire([{module, :all}])
      instrumented = md5(module)
      loader = Process.whereis(Loader)
      stop(loader)
      eventually(fn -> assert Process.whereis(Loader) not in [nil, loader] end)
      assert {Loader.status(module), md5(module)} == {:instrumented, instrumented}
      assert {:ok, [^table]} = acquire([{module, [add: 2]}])
      # Ids go on where they were.
      b = Instrumented.module!(directory, @b)
      {:ok, [other]} = acquire([{b, :all}])
      assert other.first_id == table.next_id
      assert Loader.release(self()) == :ok
      assert md5(module) == original
    end

    test "one that is killed while it starts, too", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)

      for round <- 1..150 do
        owner = owner()
        {:ok, _} = acquire([{module, :all}], owner)
        first = Process.whereis(Loader)
        stop(first)
        # The next one, as soon as it has its name or a moment later; asked for by somebody, or not.
        if rem(round, 2) == 0, do: spawn(fn -> Loader.keep(self()) end)
        kill_next(first, rem(round, 7) * 5)
        eventually(fn -> assert Loader.status(module) == :instrumented end)
        stop(owner)
        eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
      end
    end

    defp kill_next(before, turns) do
      case Process.whereis(Loader) do
        next when next in [nil, before] ->
          kill_next(before, turns)

        next ->
          for _ <- 1..turns//1, do: :erlang.yield()
          Process.exit(next, :kill)
      end
    end

    test "an owner that dies after the loader is missed too", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      owner = owner()
      {:ok, _} = acquire([{module, :all}], owner)
      loader = Process.whereis(Loader)
      stop(loader)
      stop(owner)
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
    end

    test "a survivor that is killed is followed by one that knows as much", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      owner = owner()
      {:ok, _} = acquire([{module, :all}], owner)
      survivor = Process.whereis(Survivor)
      stop(survivor)
      eventually(fn -> assert Process.whereis(Survivor) not in [nil, survivor] end)
      Loader.status(module)
      stop(Process.whereis(Loader))
      eventually(fn -> assert Process.whereis(Loader) end)
      assert Loader.status(module) == :instrumented
      assert Loader.release(owner) == :ok
      assert md5(module) == original
      stop(owner)
    end

    test "loader and survivor are killed at once: the next loader puts back what they left", %{
      directory: directory
    } do
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      {:ok, _} = acquire([{module, :all}])
      survivor = Process.whereis(Survivor)
      loader = Process.whereis(Loader)
      :erlang.suspend_process(survivor)
      stop(loader)
      stop(survivor)
      assert {Process.whereis(Loader), md5(module) == original} == {nil, false}

      b = Instrumented.module!(directory, @b)
      {:ok, _} = acquire([{b, :all}])
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
      assert Loader.status(b) == :instrumented
      assert Loader.release(self()) == :ok
    end

    test "the application is stopped: originals come back, owners are told", %{directory: directory} do
      :ok = Application.ensure_started(:beam_scope)
      module = Instrumented.module!(directory, @a)
      original = md5(module)
      {:ok, _} = acquire([{module, :all}])
      ExUnit.CaptureLog.capture_log(fn -> Application.stop(:beam_scope) end)
      assert_receive {:beam_scope_lines, {:lost, ^module, :stopped}}, 3_000
      eventually(fn -> assert {md5(module), :erlang.check_old_code(module)} == {original, false} end)
      :ok = Application.start(:beam_scope)
    end
  end

  describe "trace patterns on the module" do
    test "of other tools are there again after each load", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      spec = [{:_, [], [{:return_trace}]}]
      1 = :erlang.trace_pattern({module, :add, 2}, spec, [:local])
      1 = :erlang.trace_pattern({module, :twice, 1}, true, [{:meta, self()}])

      facts = fn ->
        for fa <- [add: 2, twice: 1], do: :erlang.trace_info({module, elem(fa, 0), elem(fa, 1)}, :all)
      end

      before = facts.()
      {:ok, _} = acquire([{module, :all}])
      assert facts.() == before
      assert Loader.release(self()) == :ok
      assert facts.() == before
      :erlang.trace_pattern({module, :add, 2}, false, [:local])
      :erlang.trace_pattern({module, :twice, 1}, false, [:meta])
    end

    test "of another recording are there again: it goes on seeing calls", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, agent} = Agent.start_link(fn -> 0 end)
      {:ok, rec} = Recorder.start(agent, level: :full, calls: [module])
      run = fn n -> Agent.get(agent, fn _ -> module.add(n, 0) end) end
      assert run.(1) == 1
      {:ok, _} = acquire([{module, :all}])
      assert run.(2) == 2
      assert Loader.release(self()) == :ok
      assert run.(3) == 3
      {:ok, _} = Recorder.stop(rec)

      seen = for %{kind: :call, mfa: {^module, :add, [n, 0]}} <- calls(rec), do: n
      assert seen == [1, 2, 3]
      {:ok, info} = Recorder.info(rec)
      assert Enum.any?(info.notes, &(&1 =~ "the code of :lines_loader_a was replaced"))
      BeamScope.close(rec)
      assert BeamScope.Test.Leftovers.settle() == BeamScope.Test.Leftovers.none()
    end

    test "of a recording whose pattern was lost are set again when it is told", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, agent} = Agent.start_link(fn -> 0 end)
      {:ok, rec} = Recorder.start(agent, level: :full, calls: [module])
      {:ok, prepared} = Loader.Code.prepare(module, :code.which(module), Instrumented.compile(module))
      :ok = Loader.Code.finish(prepared)
      Recorder.Hub.reloaded(module, nil)
      # The hub has told it, and it has done so.
      :sys.get_state(rec.pid)
      assert Agent.get(agent, fn _ -> module.add(1, 2) end) == 3
      {:ok, _} = Recorder.stop(rec)
      assert [_] = for(%{kind: :call, mfa: {^module, :add, [1, 2]}} = event <- calls(rec), do: event)
      BeamScope.close(rec)
    end

    test "that a recording has removed meanwhile do not come back", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, agent} = Agent.start_link(fn -> 0 end)
      {:ok, rec} = Recorder.start(agent, level: :full, calls: [{module, :add, 2}])

      if Recorder.Session.sessions?() do
        %{session: session} = :sys.get_state(rec.pid)
        {:ok, 1} = Recorder.Session.pattern(session, {module, :twice, 1}, :plain)
        Recorder.Hub.reloaded(module, nil)
        :sys.get_state(rec.pid)
        assert Recorder.Session.Trace.patterned(session.handle, module) == [{module, :add, 2}]
      else
        # The loader leaves those of the hub to the hub.
        assert Recorder.Hub.ledger_on(module) == [{module, :add, 2}]
        assert {:ok, []} = Loader.Patterns.read(module)
        {:ok, _} = acquire([{module, :all}])
        assert {:traced, :local} = :erlang.trace_info({module, :add, 2}, :traced)
        assert Loader.release(self()) == :ok
        assert {:traced, :local} = :erlang.trace_info({module, :add, 2}, :traced)
      end

      BeamScope.close(rec)
      assert :erlang.trace_info({module, :add, 2}, :traced) == {:traced, false}
    end

    test "a recording says what it records no longer", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      {:ok, agent} = Agent.start_link(fn -> 0 end)
      {:ok, rec} = Recorder.start(agent, level: :states)
      {:ok, _} = acquire([{module, :all}], rec.pid)
      :code.soft_purge(module)
      :code.delete(module)
      notes = fn -> elem(Recorder.info(rec), 1).notes end

      eventually(fn ->
        assert "lines of :lines_loader_a are recorded no longer: somebody else has loaded or removed the module" in notes.()
      end)

      BeamScope.close(rec)
    end

    test "a recording of all new processes leaves the loader out, and nobody sees what it holds", %{
      directory: directory
    } do
      module = Instrumented.module!(directory, @a)
      {:ok, rec} = Recorder.start(:new, level: :messages)
      me = self()

      # As recorders do: the loader is started by a process of ours.
      recorder =
        spawn(fn ->
          BeamScope.Native.own_add(self())
          {:ok, _} = acquire([{module, :all}], me)
          send(me, :acquired)
        end)

      assert_receive :acquired, 5_000
      seen = spawn(fn -> Process.sleep(10) end)

      for name <- [Loader, Survivor],
          do: refute(inspect(:sys.get_status(name), limit: :infinity) =~ "lines_loader_a")

      ours = [Process.whereis(Loader), Process.whereis(Survivor)]
      assert Loader.release(self()) == :ok
      {:ok, _} = Recorder.stop(rec)
      assert seen in for(process <- BeamScope.processes(rec), do: process.pid)
      # Of their births the library is told too late, and their ends come when they are ours no longer.
      assert for(
               event <- BeamScope.events(rec),
               event.pid in ours,
               event.kind in [:send, :receive],
               do: event
             ) == []

      BeamScope.Native.own_remove(recorder)
      BeamScope.close(rec)
    end

    defp calls(rec), do: rec |> BeamScope.calls() |> Enum.to_list()
  end

  describe "what is made is kept" do
    test "while somebody asks for that, and no longer", %{directory: directory} do
      module = Instrumented.module!(directory, @a)
      me = self()

      make = fn m, b, f, i ->
        send(me, :made)
        Instrumented.instrument(m, b, f, i)
      end

      keeper = owner()
      :ok = Loader.keep(keeper)

      for _ <- 1..3 do
        {:ok, _} = Loader.acquire([{module, :all}], self(), instrument: make, grace_ms: 0)
        assert Loader.release(self()) == :ok
      end

      assert_received :made
      refute_received :made
      stop(keeper)
      eventually(fn -> assert Process.whereis(Loader) == nil end)
      {:ok, _} = Loader.acquire([{module, :all}], self(), instrument: make, grace_ms: 0)
      assert_received :made
      assert Loader.release(self()) == :ok
    end
  end
end
