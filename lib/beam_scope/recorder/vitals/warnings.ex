defmodule BeamScope.Recorder.Vitals.Warnings do
  @moduledoc """
  What the virtual machine's monitor told, as events: bounded a second, and counted. Pure, the names of processes aside.
  """

  # Of each kind, in the time between two samples.
  @shown 50
  # So many of all kinds together are a storm: more are not even looked at.
  @storm 2_000

  defstruct shown: %{}, hidden: %{}, total: 0, seen: %{}, paused: false, names: nil

  @type t :: %__MODULE__{}
  @type event :: {atom(), map()}

  @doc "Nothing was told yet."
  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "How many of each kind were told since the start."
  @spec seen(t()) :: %{atom() => pos_integer()}
  def seen(%__MODULE__{seen: seen}), do: seen

  @doc "One more; answers the event to write, that it is only counted, or that it is one too many."
  @spec add(t(), pid() | port(), atom(), term()) :: {:write, event(), t()} | {:count, t()} | {:storm, t()}
  def add(warnings, who, what, info) do
    shown = Map.get(warnings.shown, what, 0)
    total = warnings.total + 1
    warnings = %{warnings | total: total, seen: Map.update(warnings.seen, what, 1, &(&1 + 1))}

    if shown < @shown do
      warnings = known(warnings)

      {:write, {what, detail(warnings, who, what, info)},
       %{warnings | shown: Map.put(warnings.shown, what, shown + 1)}}
    else
      warnings = %{warnings | hidden: Map.update(warnings.hidden, what, 1, &(&1 + 1))}
      if total == @storm, do: {:storm, %{warnings | paused: true}}, else: {:count, warnings}
    end
  end

  @doc "The next second: what was not shown in the last one, as events."
  @spec turn(t()) :: {t(), [event()]}
  def turn(%__MODULE__{hidden: hidden} = warnings) when hidden == %{},
    do: {%{new() | seen: warnings.seen}, []}

  def turn(%__MODULE__{hidden: hidden, paused: paused, seen: seen}),
    do: {%{new() | seen: seen}, [{:not_shown, %{counts: hidden, paused: paused}}]}

  @doc """
  Which processes have a long queue now, and whose queue became long (`true`) or short again (`false`), as samples saw it.

      iex> a = self()
      iex> {long, changes} = BeamScope.Recorder.Vitals.Warnings.queues(MapSet.new(), [{a, 0, 120, 0}], 100)
      iex> {_, shorter} = BeamScope.Recorder.Vitals.Warnings.queues(long, [{a, 0, 10, 0}], 100)
      iex> {changes == [{a, true}], shorter == [{a, false}]}
      {true, true}
  """
  @spec queues(MapSet.t(), [tuple()], pos_integer()) :: {MapSet.t(), [{pid(), boolean()}]}
  def queues(long, looked_at, limit) do
    became =
      Enum.flat_map(looked_at, fn {pid, _, queue, _} ->
        case MapSet.member?(long, pid) do
          false when queue >= limit -> [{pid, true}]
          true when queue <= div(limit, 10) -> [{pid, false}]
          _ -> []
        end
      end)

    alive = for {pid, _, _, _} <- looked_at, into: MapSet.new(), do: pid
    long = MapSet.intersection(long, alive)

    {Enum.reduce(became, long, fn
       {pid, true}, long -> MapSet.put(long, pid)
       {pid, false}, long -> MapSet.delete(long, pid)
     end), became}
  end

  # A process that is told of may be inside a NIF for long: it is not asked for its name. Who bears one is looked up once a second.
  defp known(%{names: nil} = warnings) do
    %{
      warnings
      | names: for(name <- Process.registered(), who = :erlang.whereis(name), into: %{}, do: {who, name})
    }
  end

  defp known(warnings), do: warnings

  defp detail(warnings, who, what, info) do
    about = %{name: warnings.names[who]}
    about |> Map.merge(who(who)) |> Map.merge(info(what, info))
  end

  defp who(pid) when is_pid(pid), do: %{pid: pid}
  defp who(port), do: port(port)

  # A port's name may be a whole command line: only the command is kept.
  defp port(port) when is_port(port) do
    name =
      case :erlang.port_info(port, :name) do
        {:name, name} -> BeamScope.Recorder.Vitals.Observer.command(name)
        :undefined -> nil
      end

    %{port: inspect(port), port_name: name}
  end

  defp port(other), do: %{port: inspect(other, limit: 3)}

  defp info(what, port) when what in [:busy_port, :busy_dist_port], do: port(port)
  defp info(:long_message_queue, on), do: %{long: on}

  defp info(_what, info) do
    case Map.new(info) do
      %{timeout: ms} = info -> info |> Map.delete(:timeout) |> Map.put(:ms, ms)
      info -> info
    end
  end
end
