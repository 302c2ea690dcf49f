defmodule BeamScope.Recorder.Vitals.Observer do
  @moduledoc """
  What observer shows of a system, as events: applications, ETS tables, ports, and the runtime system. Names and sizes only, never
  what a table or a port holds; of a port that runs a command, the command without its arguments.

  `observer_backend` is asked where there is one. It belongs to runtime_tools, which a release may leave out: then the same is asked
  of the runtime system itself.
  """

  @most 500
  @chunk 40
  # To list more of them takes too long.
  @countable 20_000
  @applications_ms 1_000

  @runtime [
    :otp_release,
    :version,
    :system_architecture,
    :schedulers,
    :schedulers_online,
    :logical_processors,
    :uptime
  ]

  @doc "The view at the `:start` or the `:end` of a recording."
  @spec view(:start | :end, :observer_backend | :own) :: [{atom(), map()}]
  def view(when_, by \\ by()) do
    [{:runtime, Map.merge(runtime(by), %{at: when_, by: by})}] ++
      chunked(:applications, when_, applications(), &(&1 |> elem(0))) ++
      chunked(:tables, when_, tables(by, length(:ets.all())), &(-elem(&1, 3))) ++
      chunked(:ports, when_, ports(by, :erlang.system_info(:port_count)), &(-elem(&1, 3) - elem(&1, 4)))
  end

  defp by, do: if(Code.ensure_loaded?(:observer_backend), do: :observer_backend, else: :own)

  @doc """
  The command of a port's name, without its path and arguments, which may hold secrets.

      iex> BeamScope.Recorder.Vitals.Observer.command(~c"/usr/bin/psql --password=hush")
      "psql"
  """
  @spec command(charlist() | String.t()) :: String.t()
  def command(name) do
    case name |> to_string() |> String.split(~r/\s/, parts: 2) do
      [first | _] -> first |> Path.basename() |> String.slice(0, 60)
      [] -> ""
    end
  end

  # A list is told in parts that fit an event each, the largest first; an empty one is told, too.
  defp chunked(what, when_, {:too_many, of}, _by), do: [{what, %{at: when_, of: of, list: []}}]

  defp chunked(what, when_, list, by) do
    of = length(list)

    case list |> Enum.sort_by(by) |> Enum.take(@most) |> Enum.chunk_every(@chunk) do
      [] -> [{what, %{at: when_, of: 0, list: []}}]
      chunks -> for(chunk <- chunks, do: {what, %{at: when_, of: of, list: chunk}})
    end
  end

  defp runtime(:observer_backend) do
    for {key, value} <- apply(:observer_backend, :sys_info, []),
        key in @runtime,
        into: %{},
        do: {key, text(value)}
  end

  defp runtime(:own) do
    for key <- @runtime, into: %{}, do: {key, text(own(key))}
  end

  defp own(:uptime), do: :wall_clock |> :erlang.statistics() |> elem(0)
  defp own(key), do: :erlang.system_info(key)

  defp text(value) when is_list(value), do: to_string(value)
  defp text(value), do: value

  # The controller of applications may be busy starting one.
  defp applications do
    for {app, _description, version} <- :application.which_applications(@applications_ms),
        do: {app, to_string(version)}
  catch
    :exit, _ -> []
  end

  defp tables(_by, count) when count > @countable, do: {:too_many, count}

  defp tables(:observer_backend, _count) do
    for table <- apply(:observer_backend, :get_table_list, [:ets, [sys_hidden: false, unread_hidden: false]]) do
      {table[:name], table[:owner], table[:size], table[:memory], table[:type], table[:protection]}
    end
  end

  defp tables(:own, _count) do
    word = :erlang.system_info(:wordsize)

    for table <- :ets.all(), info = info(table) do
      {info[:name], info[:owner], info[:size], info[:memory] * word, info[:type], info[:protection]}
    end
  end

  # Between the list and the question it may be gone.
  defp info(table) do
    case :ets.info(table) do
      :undefined -> nil
      info -> info
    end
  end

  defp ports(_by, count) when count > @countable, do: {:too_many, count}

  defp ports(:observer_backend, _count),
    do: for(port <- apply(:observer_backend, :get_port_list, []), do: port(port[:port_id], port))

  defp ports(:own, _count) do
    for port <- :erlang.ports(), info = :erlang.port_info(port), info != :undefined, do: port(port, info)
  end

  defp port(port, info),
    do:
      {inspect(port), command(info[:name]), info[:connected], info[:input], info[:output],
       info[:queue_size] || 0}
end
