defmodule BeamScope.Recorder.FlagsTest do
  # Garbage collections and scheduling as events.
  use ExUnit.Case, async: false

  import BeamScope.Test.Leftovers, only: [none_after: 1]

  alias BeamScope.Recorder.Hazards
  import BeamScope.Test.RecorderCase, only: [eventually: 1]

  @erts to_string(:erlang.system_info(:version))
  @gc if Hazards.crashes?(:garbage_collection, @erts), do: :refused, else: :works
  @running if Hazards.crashes?(:running, @erts), do: :refused, else: :works

  defmodule Keeper do
    use GenServer
    def init(_), do: {:ok, %{n: 0, kept: []}}

    # Makes garbage, and keeps some.
    def handle_call(:work, _from, state) do
      list = Enum.map(1..3_000, &{&1, state.n})
      {:reply, length(list), %{state | n: state.n + 1, kept: [hd(list) | Enum.take(state.kept, 50)]}}
    end

    def handle_call(:collect, _from, state) do
      :erlang.garbage_collect()
      {:reply, :ok, state}
    end
  end

  setup :none_after

  setup do
    {:ok, keeper} = GenServer.start(Keeper, nil)
    on_exit(fn -> Process.exit(keeper, :kill) end)
    %{keeper: keeper}
  end

  defp start!(target, options) do
    assert {:ok, rec} = BeamScope.start(target, options)
    rec
  end

  defp tags(rec, kind, pid),
    do: for(e <- BeamScope.events(rec, kind: kind, process: pid, limit: :infinity), do: e.what)

  if @gc == :refused do
    test "garbage collections are refused where they are known to crash", %{keeper: keeper} do
      assert {:error, %BeamScope.Error{reason: :known_crash} = error} =
               BeamScope.start(keeper, garbage_collection: true)

      assert Exception.message(error) =~ "11624"

      assert_raise BeamScope.Error, ~r/known|refused/, fn ->
        BeamScope.record([garbage_collection: true], fn -> :ok end)
      end

      assert BeamScope.Test.Leftovers.settle() == BeamScope.Test.Leftovers.none()
    end
  else
    # Begin and end take turns, from the first to the last.
    defp paired?([start, finish | rest]) do
      expected = start |> to_string() |> String.replace("_start", "_end")
      to_string(start) =~ "_start" and to_string(finish) == expected and paired?(rest)
    end

    defp paired?([]), do: true
    defp paired?(_), do: false

    for level <- [:crashes, :states, :messages, :full] do
      test "garbage collections are events with sizes at level #{level}", %{keeper: keeper} do
        rec = start!(keeper, level: unquote(level), garbage_collection: true)
        for _ <- 1..50, do: GenServer.call(keeper, :work)
        GenServer.call(keeper, :collect)
        BeamScope.stop(rec)
        tags = tags(rec, :gc, keeper)
        assert :gc_minor_start in tags and :gc_major_end in tags
        assert paired?(tags)
        [first | _] = Enum.to_list(BeamScope.events(rec, kind: :gc))
        assert first.detail[:heap_size] > 0 and is_integer(first.detail[:old_heap_size])
        assert inspect(first) =~ ~r/gc minor start heap [\d,]+ words/
        assert BeamScope.info(rec).by_kind.gc == length(tags)
      end
    end

    test "two recordings have them side by side, and one without goes on without", %{keeper: keeper} do
      one = start!(keeper, garbage_collection: true)
      two = start!(keeper, level: :full, garbage_collection: true)
      without = start!(keeper, level: :states)
      for _ <- 1..300, do: GenServer.call(keeper, :work)
      for rec <- [one, two, without], do: BeamScope.stop(rec)
      assert length(tags(one, :gc, keeper)) > 10 and length(tags(two, :gc, keeper)) > 10
      assert tags(without, :gc, keeper) == []
    end

    test "what is recorded of states by what changed in them stays right", %{keeper: keeper} do
      rec = start!(keeper, level: :states, garbage_collection: true, budget: [bytes: 1024], check: true)
      for _ <- 1..500, do: GenServer.call(keeper, :work)
      GenServer.call(keeper, :collect)
      for _ <- 1..20, do: GenServer.call(keeper, :work)
      BeamScope.stop(rec)
      transitions = for t <- BeamScope.history(rec, keeper, limit: :infinity), t.content == :work, do: t
      assert Enum.map(transitions, & &1.to.n) == Enum.to_list(1..520)
      assert {:ok, state} = BeamScope.state_at(rec, keeper, :end)
      assert state == :sys.get_state(keeper)
      assert length(tags(rec, :gc, keeper)) > 20
    end
  end

  if @running == :refused do
    test "scheduling is refused where it is known to crash", %{keeper: keeper} do
      assert {:error, %BeamScope.Error{reason: :known_crash} = error} = BeamScope.start(keeper, running: true)
      assert Exception.message(error) =~ "6448"
      assert BeamScope.Test.Leftovers.settle() == BeamScope.Test.Leftovers.none()
    end
  else
    test "when processes are scheduled are events with where they were", %{keeper: keeper} do
      rec = start!(keeper, level: :crashes, running: true)
      for _ <- 1..20, do: GenServer.call(keeper, :work)
      BeamScope.stop(rec)
      events = Enum.to_list(BeamScope.events(rec, kind: :running, process: keeper))
      assert length(events) >= 40
      # One comes in before it goes out.
      turns = events |> Enum.map(& &1.what) |> Enum.chunk_every(2, 2, :discard) |> Enum.uniq()
      assert turns in [[[:in, :out]], [[:out, :in]]]
      assert Enum.any?(events, &match?({:gen_server, :loop, _}, &1.mfa))
      assert inspect(hd(events)) =~ ~r/scheduled (in|out) :gen_server.loop/
    end

    test "and on dirty schedulers, while recordings come and go" do
      {:ok, busy} = Task.start(fn -> dirty() end)

      for _ <- 1..20 do
        rec = start!(busy, level: :crashes, running: true)
        assert eventually(fn -> length(tags(rec, :running, busy)) > 4 end)
        BeamScope.close(rec)
      end

      Process.exit(busy, :kill)
    end

    # Files are read on dirty schedulers.
    defp dirty do
      {:ok, _} = :file.read_file_info(~c".")
      :erlang.garbage_collect()
      dirty()
    end

    test "are subject to limits", %{keeper: keeper} do
      rec = start!(keeper, level: :crashes, running: true, limits: [events: 50])
      for _ <- 1..100, do: GenServer.call(keeper, :work)
      assert eventually(fn -> BeamScope.info(rec).stop_reason == :events end)
    end
  end

  test "a paused recording has neither", %{keeper: keeper} do
    wanted = for {option, :works} <- [garbage_collection: @gc, running: @running], do: {option, true}
    rec = start!(keeper, [level: :off] ++ wanted)
    for _ <- 1..20, do: GenServer.call(keeper, :work)
    assert tags_or_none(rec, keeper) == []
    {:ok, rec} = BeamScope.set_level(rec, :messages)
    GenServer.call(keeper, :collect)
    assert eventually(fn -> wanted == [] or tags_or_none(rec, keeper) != [] end)
  end

  defp tags_or_none(rec, _keeper), do: for(e <- BeamScope.events(rec, kinds: [:gc, :running]), do: e.what)
end
