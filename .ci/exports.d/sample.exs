# A small system with something of everything, recorded and exported; and what is expected of the exports, as BeamScope's own
# questions tell it.

[dir] = System.argv()
Logger.configure(level: :none)

alias BeamScope.Exporters.Json
alias BeamScope.Terminal.{Events, Processes}

for file <- ~w(counter_echo two_workers), do: Code.require_file("priv/demo/#{file}.ex")

defmodule Sample do
  @moduledoc false

  @doc "Names and messages that a grammar might stumble over."
  def nasty do
    [
      ~S("quoted" 'too' \n \\ \t),
      "a;b#c%%d\ne\r\tf",
      "<b>bold</b> [[link]] **x** __y__ ~~z~~ //i// {{w}}",
      "end",
      :and,
      "%{init: 1} $var %date% @startuml !include &amp; &#35; `code`",
      "+ - -> --> ->> |x| grüße 🙂 \u202E",
      {:"Elixir.Odd name; #1", <<255, 0, 7>>},
      String.duplicate("long ", 100)
    ]
  end

  def work do
    for n <- [1, 2, 2], do: CounterServer.add(n)
    for parcel <- ~w(a bc), do: WorkerA.give(parcel)
    WorkerA.report()
    for message <- nasty(), do: send(self(), message)
    for _ <- nasty(), do: receive(do: (_ -> :ok))
    failing()
    door()
    helper()
    catch_exit(fn -> GenServer.call(EchoServer, :unknown) end)
  end

  def failing, do: catch_exit(fn -> raises(:planned) end)
  def raises(why), do: exit(why)

  defp door do
    {:ok, door} = BeamScope.Test.Market.Door.start_link([])
    :gen_statem.call(door, :turn)
    :gen_statem.cast(door, :knock)
    :gen_statem.stop(door)
  end

  # One that ends badly, is told of, and written to when it is gone; one that is in the middle of a call at the end.
  defp helper do
    {pid, ref} = spawn_monitor(fn -> exit(:boom) end)
    receive(do: ({:DOWN, ^ref, _, _, _} -> :ok))
    send(pid, :late)
    spawn(fn -> waits() end)
    Process.send_after(self(), :tick, 1)
    receive(do: (:tick -> :ok))
  end

  def waits, do: receive(do: (:never -> :ok))

  defp catch_exit(fun) do
    fun.()
  catch
    :exit, _ -> :ok
  end
end

{:ok, _} = CounterEcho.start(:normal, [])
{:ok, _} = TwoWorkers.start(:normal, [])
targets = [CounterServer, EchoServer, WorkerA, WorkerB]

calls = [
  CounterServer,
  {EchoServer, :echo, 1},
  {Sample, :failing, 0},
  {Sample, :raises, 1},
  {Sample, :waits, 0}
]

{_, rec} = BeamScope.record([trace: targets, level: :full, calls: calls], &Sample.work/0)

BeamScope.save!(rec, Path.join(dir, "sample.bsr"))

all = BeamScope.events(rec, limit: :infinity).events
processes = Enum.to_list(BeamScope.processes(rec))

Code.require_file("files.exs", __DIR__)
Files.export(rec, dir)

# What is expected, worked out anew from the events.

by_kind = fn kinds -> Enum.filter(all, &(&1.kind in List.wrap(kinds))) end
handled? = &(&1.kind not in [:read, :gap, :changed])

histories =
  for process <- processes, do: Enum.filter(BeamScope.history(rec, process, limit: :infinity), handled?)

name = fn process ->
  label = Processes.label(process)
  if process.name, do: "#{label} #{Processes.who(process.pid)}", else: label
end

names = Map.new(processes, &{&1.track, name.(&1)})
tracks = Map.new(processes, &{&1.pid, &1.track})

aliases =
  for %{label: :call, kind: :send} = e <- all, into: %{}, do: {BeamScope.Event.tag(e.message), e.track}

party = fn track, pid, name ->
  track = track || Map.get(tracks, pid) || Map.get(aliases, pid)

  cond do
    track -> Map.fetch!(names, track)
    pid in [nil, :undefined, :clock_service, :system] -> "the runtime"
    true -> Processes.who(pid, name)
  end
end

text = fn line ->
  line = Enum.map_join(line, fn span -> if is_binary(span), do: span, else: elem(span, 1) end)
  [line] |> BeamScope.Terminal.Style.fit(120) |> hd()
end

steps =
  for e <- all,
      e.kind in [:send, :send_to_dead, :spawn, :exit] or (e.kind == :receive and e.partner == nil) do
    case e do
      %{kind: :spawn} ->
        [names[e.track], party.(nil, e.child, nil), "spawns #{Processes.who(e.child)}"]

      %{kind: :exit} ->
        [names[e.track], names[e.track], "ended: #{Processes.reason(e.reason, 200)}"]

      _ ->
        [
          party.(e.from_track, e.from, e.from_name),
          party.(e.to_track, e.to, e.to_name),
          text.(Events.message(e.label, e.message, e.content))
        ]
    end
  end

# How deep calls are among calls and messages, by stacks of all that is open.
open_handled = fn track, seq ->
  Enum.any?(Enum.concat(histories), &(&1.track == track and &1.began.seq < seq and &1.moment.seq > seq))
end

{depths, _} =
  Enum.reduce(all, {[], %{}}, fn
    %{kind: :call} = e, {depths, open} ->
      n = Map.get(open, e.track, 0)
      {[n + if(open_handled.(e.track, e.moment.seq), do: 1, else: 0) | depths], Map.put(open, e.track, n + 1)}

    %{kind: kind} = e, {depths, open} when kind in [:return, :exception] ->
      {depths, Map.update!(open, e.track, &(&1 - 1))}

    _, acc ->
      acc
  end)

crash? = &(&1.reason not in [:normal, :shutdown] and not match?({:shutdown, _}, &1.reason))
spawned = MapSet.new(by_kind.(:spawned), & &1.pid)

expected = %{
  kinds: BeamScope.info(rec).by_kind,
  tracks: all |> Enum.map(&names[&1.track]) |> Enum.uniq(),
  slices: %{
    call: length(by_kind.(:call)),
    handled: histories |> Enum.concat() |> length(),
    message: length(by_kind.([:send, :send_to_dead, :receive])),
    messages: Enum.count(by_kind.(:receive), & &1.partner),
    spawns: Enum.count(by_kind.(:spawn), &(&1.child in spawned)),
    depths: depths |> Enum.frequencies() |> Enum.sort() |> Enum.map(&Tuple.to_list/1),
    crashes: Enum.count(by_kind.(:exit), crash?)
  },
  diagram: %{participants: steps |> Enum.flat_map(&Enum.take(&1, 2)) |> Enum.uniq(), steps: steps}
}

File.write!(Path.join(dir, "expected.json"), Json.encode(expected))
