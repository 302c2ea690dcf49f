defmodule BeamScope.InferenceTest do
  # Not async: on OTP 25 and 26 a process has one tracer.
  use ExUnit.Case, async: false
  doctest BeamScope.Inference

  alias BeamScope.{Error, Inference}
  alias BeamScope.Test.Market
  alias BeamScope.Test.Market.{Door, Shop, Stall, Store, Worker}

  setup do
    on_exit(fn -> BeamScope.clear() end)
  end

  # ---- systems at work ----

  defp stall(opts \\ []) do
    {:ok, stall} = Stall.start_link([name: :market_stall] ++ opts)

    {_, rec} =
      BeamScope.record([trace: stall], fn ->
        for n <- 1..20 do
          GenServer.call(stall, {:sell, n})
          GenServer.call(stall, :count)
          GenServer.call(stall, {:stock, n})
          GenServer.cast(stall, {:take, rem(n, 3) + 1})
          GenServer.cast(stall, :toggle)
          GenServer.cast(stall, {:give, rem(n + 1, 3) + 1})
        end

        GenServer.call(stall, :count)
      end)

    GenServer.stop(stall)
    rec
  end

  defp shop(opts \\ []) do
    {:ok, store} = Store.start_link(name: :market_store)
    {:ok, shop} = Shop.start_link([name: :market_shop, store: :market_store] ++ opts)

    {_, rec} =
      BeamScope.record([trace: [shop, store]], fn ->
        for id <- 1..25, do: GenServer.cast(shop, {:order, id, "thing"})
        :sys.get_state(shop)
        GenServer.call(store, :flush)
      end)

    Enum.each([shop, store], &GenServer.stop/1)
    rec
  end

  defp workers do
    {_, rec} =
      BeamScope.record([trace: []], fn ->
        for id <- [:a, :b, :c] do
          {:ok, worker} = Worker.start_link(id)

          for n <- 1..12 do
            GenServer.call(worker, {:push, n})
            GenServer.call(worker, {:push, -n})
            GenServer.call(worker, :pop)
          end

          GenServer.stop(worker)
        end
      end)

    rec
  end

  defp door do
    {:ok, door} = Door.start_link([])

    {_, rec} =
      BeamScope.record([trace: door], fn ->
        for _ <- 1..20 do
          :gen_statem.call(door, :turn)
          :gen_statem.cast(door, :knock)
        end

        :gen_statem.call(door, :turn)
      end)

    :gen_statem.stop(door)
    rec
  end

  # ---- from recordings to a module and back ----

  defp compile(inference) do
    module = Module.concat(__MODULE__, "Found#{System.unique_integer([:positive])}")
    code = Inference.to_code(inference, module: module)
    [{^module, _}] = Code.compile_string(code)
    module
  end

  defp verdicts(rec, module) do
    for one <- BeamScope.check(rec, module).expectations, into: %{}, do: {one.name, one}
  end

  # Everything that is proposed is held by what it was found in.
  defp assert_held(recs, inference) do
    module = compile(inference)

    for rec <- recs, {name, one} <- verdicts(rec, module) do
      assert one.verdict == :held, "#{name} is #{one.verdict}: #{one.sentence}\n#{one.report}"
    end

    module
  end

  defp broken(rec, module), do: for({name, %{verdict: :broken}} <- verdicts(rec, module), do: name)

  defp infer(rec, only), do: BeamScope.infer(rec, only: only)
  defp codes(inference), do: Enum.map(inference.candidates, & &1.code)
  defp names(inference), do: Enum.map(inference.candidates, & &1.name)

  describe "what is found is held" do
    test "a server with a struct" do
      rec = stall()
      inference = infer(rec, [:market_stall])
      codes = codes(inference)

      for code <- [
            ~s(always :market_stall, %{name: "stall"}),
            ~s(always :market_stall, %{status: status} when status in [:open, :closed]),
            "always :market_stall, %{count: count, sold: sold} when count == length(sold)",
            "always :market_stall, %{sold: sold, last: last} when sold == [] or hd(sold) == last",
            "always :market_stall, %{stock: stock, picked: picked} when picked == nil or is_map_key(stock, picked)",
            "always :market_stall, %{free: free, used: used} when free + used == 20",
            "transition :market_stall, %{count: n} ~> %{count: m} when m >= n, all: true",
            "transition :market_stall, %{count: n} ~> %{count: m} when m == n + 1, on: {:sell, _}, all: true",
            "transition :market_stall, %{free: n} ~> %{free: m} when m == n - by, on: {:take, by}, all: true",
            "transition :market_stall, %{used: n} ~> %{used: m} when m == n - by, on: {:give, by}, all: true",
            "transition :market_stall, _ ~> %{last: last}, on: {:sell, last}, all: true",
            "transition :market_stall, state ~> state, on: :count, all: true",
            ~s(leads_to received({:"$gen_call", {_, tag}, {:sell, _}}, to: :market_stall\), ) <>
              "sent({tag, {:ok, _}}, from: :market_stall)",
            ~s(leads_to received({:"$gen_call", {_, tag}, :count}, to: :market_stall\), ) <>
              "sent({tag, reply} when is_integer(reply), from: :market_stall)"
          ] do
        assert code in codes, "#{code} is not among\n#{Enum.join(codes, "\n")}"
      end

      assert_held([rec], inference)
    end

    test "messages between roles" do
      rec = shop()
      inference = infer(rec, [:market_shop, :market_store])
      codes = codes(inference)

      ends =
        {"received({:order, id, _}, to: :market_shop)",
         "sent({:ship, _, id}, from: :market_shop, to: :market_store)"}

      assert "leads_to #{elem(ends, 0)}, #{elem(ends, 1)}" in codes
      assert "causality #{elem(ends, 0)} ~> #{elem(ends, 1)}" in codes
      # A record, by position.
      assert "always :market_store, {:store, _, _}" in codes
      assert "always :market_store, {_, elem_1, elem_2} when elem_1 == length(elem_2)" in codes
      assert_held([rec], inference)
    end

    test "processes of a module" do
      rec = workers()
      inference = infer(rec, [Worker])
      assert [%{name: "worker", process: [module: Worker], processes: 3}] = inference.roles
      codes = codes(inference)
      assert "transition :worker, %{id: id} ~> %{id: id}, all: true" in codes

      assert "always :worker, %{waiting: waiting, queue: {queue, queue_2}} when waiting == length(queue) + length(queue_2)" in codes or
               "always :worker, %{queue: {queue, queue_2}, waiting: waiting} when waiting == length(queue) + length(queue_2)" in codes

      assert_held([rec], inference)
    end

    test "a gen_statem" do
      rec = door()
      inference = infer(rec, [Door])
      codes = codes(inference)

      assert "always :door, {elem_0, _} when elem_0 in [:closed, :open]" in codes or
               "always :door, {elem_0, _} when elem_0 in [:open, :closed]" in codes

      assert "transition :door, {_, %{turns: n}} ~> {_, %{turns: m}} when m == n + 1, on: :turn, all: true" in codes
      assert "transition :door, state ~> state, on: :knock, all: true" in codes
      assert_held([rec], inference)
    end

    test "of several recordings, in each of them" do
      recs = [stall(), stall()]
      inference = infer(recs, [:market_stall])
      assert inference.recordings == 2
      assert [%{processes: 2}] = inference.roles
      assert_held(recs, inference)
      one = infer(hd(recs), [:market_stall])
      assert names(one) -- names(inference) == []
      before = Map.new(one.candidates, &{&1.name, &1.observations})

      for c <- inference.candidates, n = before[c.name] do
        assert c.observations > n, c.name
      end
    end

    test "of a recording that was loaded from a file" do
      path = Path.join(System.tmp_dir!(), "beam_scope_infer_#{System.unique_integer([:positive])}")
      on_exit(fn -> File.rm(path) end)
      live = stall()
      :ok = BeamScope.save(live, path)
      {:ok, loaded} = BeamScope.load(path)
      assert codes(infer(loaded, [:market_stall])) == codes(infer(live, [:market_stall]))
      # Atoms have other numbers there.
      both = infer([live, loaded], [:market_stall])
      assert names(infer(live, [:market_stall])) -- names(both) == []
      assert_held([live, loaded], both)
    end

    test "with a smaller confidence more is found, and it holds too" do
      rec = stall()
      inference = BeamScope.infer(rec, only: [:market_stall], confidence: 0.0)
      assert length(inference.candidates) > length(infer(rec, [:market_stall]).candidates)
      assert_held([rec], inference)
    end

    test "at level :states there are no messages, but all of the states" do
      {:ok, stall} = Stall.start_link(name: :market_stall)
      {:ok, rec} = BeamScope.start(stall)
      for n <- 1..20, do: GenServer.call(stall, {:sell, n})
      {:ok, rec} = BeamScope.stop(rec)
      inference = infer(rec, [:market_stall])

      assert "always :market_stall, %{count: count, sold: sold} when count == length(sold)" in codes(
               inference
             )

      refute Enum.any?(inference.candidates, &(&1.template in [:reply, :answered, :leads_to]))
      assert_held([rec], inference)
    end
  end

  describe "what a fault breaks" do
    setup do
      rec = stall()
      %{module: assert_held([rec], infer(rec, [:market_stall]))}
    end

    for {fault, expected} <- [
          count: ["count is the same as the length of sold", "{:sell, _} adds 1 to count"],
          reply: ["{:sell, _} is answered with {:ok, _}"],
          picked: ["picked is a key of stock, or nil"],
          sum: ["free and used make 20", "{:take, by} adds it to used"],
          name: ["name is always \"stall\"", ":count leaves the state as it was"],
          status: ["status is one of :open, :closed"]
        ] do
      test "#{fault}", %{module: module} do
        broken = broken(stall(fault: unquote(fault)), module)

        for name <- unquote(expected) do
          assert "market_stall: #{name}" in broken, "#{name} is not among #{inspect(broken)}"
        end
      end
    end

    test "and nothing else does", %{module: module} do
      assert broken(stall(), module) == []
      broken = broken(stall(fault: :reply), module)

      assert broken -- ["market_stall: fault is always nil"] == [
               "market_stall: {:sell, _} is answered with {:ok, _}"
             ]
    end
  end

  describe "what a fault between processes breaks" do
    test "an order that is lost, or shipped twice" do
      rec = shop()
      module = assert_held([rec], infer(rec, [:market_shop, :market_store]))
      lost = broken(shop(fault: :lost), module)
      leads = "market_shop: {:order, id, _} leads to {:ship, _, id}"
      caused = "market_shop: each {:ship, _, id} has a {:order, id, _} of its own"
      assert leads in lost
      refute caused in lost
      twice = broken(shop(fault: :twice), module)
      assert caused in twice
      refute leads in twice
    end
  end

  describe "the code" do
    test "is a module that can be pasted, as the formatter would have it" do
      inference = infer(stall(), [:market_stall])
      code = Inference.to_code(inference, module: "MyApp.Stall")

      assert code =~
               ~r/\Adefmodule MyApp.Stall do\n  use BeamScope.Expectation\n\n  role :market_stall, :market_stall\n\n  # \d+ obs/

      assert {:ok, _} = Code.string_to_quoted(code)
      {formatter, _} = Code.eval_file(".formatter.exs")
      options = Keyword.take(formatter, [:locals_without_parens]) ++ [line_length: 98]
      assert code |> Code.format_string!(options) |> IO.iodata_to_binary() == code
    end

    test "makes no atoms" do
      inference = infer(stall(), [:market_stall])
      made = fn -> {Inference.to_code(inference), inspect(inference, limit: :infinity)} end
      # Modules that are loaded the first time bring theirs.
      made.()
      before = :erlang.system_info(:atom_count)
      made.()
      assert :erlang.system_info(:atom_count) == before
    end

    test "has the roles that are left" do
      inference = infer(shop(), [:market_shop, :market_store])
      of_store = Enum.filter(inference.candidates, &(&1.role == "market_store"))
      code = Inference.to_code(%{inference | candidates: of_store})
      assert code =~ "role :market_store, :market_store"
      refute code =~ "market_shop"
      assert_raise Error, ~r/unknown option/, fn -> Inference.to_code(inference, name: X) end
    end

    test "prints itself: a summary, then the code" do
      inference = infer(stall(), [:market_stall])
      printed = inspect(inference, limit: :infinity, width: 98)
      assert printed =~ ~r/\A\d+ likely invariants from 1 recording, each at least 99 % not by chance\n/
      assert printed =~ "market_stall  :market_stall  1 process, "
      assert printed =~ Inference.to_code(inference)
      few = inspect(inference, limit: 3)
      assert few =~ "more are not shown"
      assert [_, code] = String.split(few, "\n\ndefmodule", parts: 2)
      assert {:ok, _} = Code.string_to_quoted("defmodule" <> code)
    end

    test "nothing found prints as that" do
      {_, rec} = BeamScope.record([], fn -> :ok end)
      inference = BeamScope.infer(rec, only: [:nobody_is_called_so])
      assert inspect(inference) == "0 likely invariants from 1 recording, each at least 99 % not by chance"
    end
  end

  describe "roles" do
    test "of one name are told apart" do
      {:ok, a} = Stall.start_link(name: MyApp.Stall)
      {:ok, b} = Stall.start_link(name: Other.Stall)
      {:ok, c} = Stall.start_link(name: :stall!)

      {_, rec} =
        BeamScope.record([trace: [a, b, c]], fn ->
          for stall <- [a, b, c], n <- 1..10, do: GenServer.call(stall, {:sell, n})
        end)

      inference = infer(rec, [Stall])

      assert inference.roles |> Enum.map(& &1.process) |> Enum.sort() ==
               Enum.sort([MyApp.Stall, Other.Stall, :stall!])

      assert length(Enum.uniq_by(inference.roles, & &1.name)) == 3
      assert Enum.all?(inference.roles, &(&1.name =~ ~r/^[a-z_][a-z0-9_]*$/))
      assert_held([rec], inference)
    end

    test "supervisors are left out unless they are asked for" do
      {:ok, supervisor} =
        Supervisor.start_link([{Worker, :a}], strategy: :one_for_one, name: :market_supervisor)

      {_, rec} =
        BeamScope.record([trace: {:tree, supervisor}], fn ->
          [{_, worker, _, _}] = Supervisor.which_children(supervisor)
          for n <- 1..10, do: GenServer.call(worker, {:push, n})
        end)

      assert "worker" in Enum.map(BeamScope.infer(rec).roles, & &1.name)
      refute "market_supervisor" in Enum.map(BeamScope.infer(rec).roles, & &1.name)
      assert ["market_supervisor"] = Enum.map(infer(rec, :market_supervisor).roles, & &1.name)
    end
  end

  describe "what is not known" do
    test "what does not fit into the budget is said, and has no candidates" do
      {:ok, agent} =
        Agent.start_link(fn -> %{big: String.duplicate("x", 2_000), n: 0} end, name: :market_agent)

      {_, rec} =
        BeamScope.record([trace: agent, budget: [bytes: 256]], fn ->
          for _ <- 1..12, do: Agent.update(agent, &%{&1 | n: &1.n + 1})
        end)

      inference = infer(rec, [:market_agent])
      assert Enum.any?(inference.notes, &(&1 =~ "big of market_agent was cut or redacted"))
      refute Enum.any?(codes(inference), &(&1 =~ "big"))
      assert_held([rec], inference)
    end

    test "secrets are no candidates" do
      {:ok, agent} = Agent.start_link(fn -> %{password: "hunter2", n: 0} end, name: :market_agent)

      {_, rec} =
        BeamScope.record([trace: agent], fn ->
          for _ <- 1..12, do: Agent.update(agent, &%{&1 | n: &1.n + 1})
        end)

      inference = infer(rec, [:market_agent])
      refute inspect(inference, limit: :infinity) =~ "hunter2"
      refute Enum.any?(codes(inference), &(&1 =~ "password"))
      assert_held([rec], inference)
    end
  end

  describe "mistakes" do
    test "are told by name" do
      rec = workers()
      assert_raise Error, ~r/unknown option :confidance/, fn -> BeamScope.infer(rec, confidance: 0.9) end

      for confidence <- [1, 1.0, -0.1, :high] do
        assert_raise Error, ~r/confidence/, fn -> BeamScope.infer(rec, confidence: confidence) end
      end

      assert_raise Error, ~r/only/, fn -> BeamScope.infer(rec, only: ["x"]) end

      for other <- [[], nil, [rec, :no], {:ok, rec}],
          do: assert_raise(Error, fn -> BeamScope.infer(other) end)

      BeamScope.close(rec)
      assert_raise Error, ~r/closed/, fn -> BeamScope.infer(rec) end
    end
  end

  test "the market's parts do what the tests think" do
    assert Code.ensure_loaded?(Market.Stall)
  end
end
