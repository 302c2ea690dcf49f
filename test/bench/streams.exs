# Are states that are recorded by what changed in them what they were? Each record has a fingerprint of its state, taken in the
# callback by an independent walk; here it is compared with that of what was rebuilt.
#
#     MIX_ENV=test mix run test/bench/streams.exs              # a million captures, none may be wrong
#     MIX_ENV=test mix run test/bench/streams.exs 100000       # fewer
#     MIX_ENV=test mix run test/bench/streams.exs 100000 unguarded   # without the guard of collections: some must be wrong

defmodule StreamsBench do
  use GenServer

  @round 20_000

  def init(state), do: {:ok, state}
  def handle_call({:change, change}, _from, state), do: {:reply, :ok, change.(state)}
  def handle_call({:sleep, change}, _from, state), do: {:reply, :ok, change.(state), :hibernate}

  def shapes do
    structs = Map.new(1..300, &{&1, %{id: &1, name: "item number #{&1}", tags: [:a, :b]}})
    tree = Enum.reduce(1..300, :gb_trees.empty(), &:gb_trees.insert(&1, {&1, "v"}, &2))

    [
      small: {%{a: 1, b: [1, 2], c: %{}}, &%{&2 | a: &1, b: [&1 | Enum.take(&2.b, 30)], c: note(&2.c, &1)}},
      map:
        {Map.new(1..200, &{"key#{&1}", {&1, [1, 2]}}),
         &(&2 |> Map.put(key(&1), {&1, :x}) |> Map.delete(key(&1 + 7)))},
      queue:
        {:queue.from_list(Enum.to_list(1..200)), &(&2 |> :queue.drop() |> then(fn q -> :queue.in(&1, q) end))},
      structs: {structs, &Map.update!(&2, rem(&1 * 11, 300) + 1, fn one -> %{one | name: "n#{&1}"} end)},
      tree: {tree, &:gb_trees.update(rem(&1 * 7, 300) + 1, &1, &2)},
      binary: {"", &binary_part(&2 <> "part #{&1},", 0, min(byte_size(&2) + 5, 400))}
    ]
  end

  defp key(i), do: "key#{rem(i * 13, 200) + 1}"
  defp note(notes, i), do: Map.put(notes, rem(i, 20), "a note that is long enough to be remembered: #{i}")

  def run(captures, opts) do
    rounds = max(div(captures, @round), 1)

    for n <- 1..rounds, reduce: %{checked: 0, wrong: 0, incomplete: 0, lost: 0} do
      sum ->
        {name, {state, change}} = Enum.at(shapes(), rem(n, length(shapes())))
        gc = Enum.at([0, 1, 13, 101], rem(n, 4))
        {found, lost} = round(state, change, gc, opts)

        IO.puts(
          "#{n}/#{rounds} #{name}, a collection every #{gc} calls: #{found.checked} checked, #{found.wrong} wrong"
        )

        sum
        |> Map.update!(:checked, &(&1 + found.checked))
        |> Map.update!(:wrong, &(&1 + found.wrong))
        |> Map.update!(:incomplete, &(&1 + found.incomplete))
        |> Map.update!(:lost, &(&1 + lost))
    end
  end

  defp round(state, change, gc, opts) do
    {:ok, pid} = GenServer.start_link(__MODULE__, state)
    limits = [events: 10_000_000, bytes: 2_000_000_000, ms: 600_000]

    {:ok, rec} =
      BeamScope.start(pid, [level: :states, check: true, limits: limits, budget: [bytes: 32_768]] ++ opts)

    for i <- 1..@round do
      if gc > 0 and rem(i, gc) == 0,
        do: :erlang.garbage_collect(pid, type: if(rem(div(i, gc), 4) == 0, do: :major, else: :minor))

      GenServer.call(pid, {if(rem(i, 97) == 0, do: :sleep, else: :change), &change.(i, &1)})
    end

    BeamScope.stop(rec)
    found = BeamScope.Native.recording_check(rec.native)
    lost = BeamScope.info(rec).events.dropped
    BeamScope.close(rec)
    GenServer.stop(pid)
    {found, lost}
  end
end

{captures, guarded?} =
  case System.argv() do
    [n, "unguarded"] -> {String.to_integer(n), false}
    [n] -> {String.to_integer(n), true}
    [] -> {1_000_000, true}
  end

sum = StreamsBench.run(captures, if(guarded?, do: [], else: [memo: :unguarded]))
IO.puts("OTP #{System.otp_release()}: #{inspect(sum)}")
if sum.wrong > 0 == guarded?, do: System.halt(1)
