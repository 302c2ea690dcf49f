defmodule BeamScope.Replay.WhatIf.SideEffects do
  @moduledoc """
  What running callbacks can do to the world, in words. Of the module's own code it is read which such functions it calls; what those that it
  calls do is not looked at.
  """

  @doing [
    {"reads or writes files", [File, File.Stream, :file, :disk_log, :dets]},
    {"uses sockets", [:gen_tcp, :gen_udp, :gen_sctp, :socket, :ssl, :httpc, :inet]},
    {"runs programs or opens ports", [System, Port, :os]},
    {"uses ETS, persistent terms or counters", [:ets, :persistent_term, :counters, :atomics, Registry]},
    {"uses a database", [:mnesia]},
    {"starts processes", [Task, Task.Supervisor, DynamicSupervisor, Supervisor, Agent, :proc_lib, :timer]},
    {"asks for the time", [DateTime, NaiveDateTime, Date, Time, :calendar]},
    {"uses randomness", [:rand, :crypto, :random]}
  ]
  @functions [
    {"starts processes", [:spawn, :spawn_link, :spawn_monitor, :spawn_opt]},
    {"asks for the time",
     [:now, :system_time, :monotonic_time, :timestamp, :localtime, :universaltime, :date, :time]},
    {"runs programs or opens ports", [:open_port]},
    {"sets timers", [:send_after, :start_timer]}
  ]

  @doc "The sentences."
  @spec of(module) :: [String.t()]
  def of(module) do
    [
      "The callbacks are the real ones: files, sockets, programs, databases, ETS tables of their own, time, randomness and the processes they start are " <>
        "used for real, in a second virtual machine on this computer.",
      "What is sent to recorded pids and names goes nowhere; it is recorded. Timers are not waited for, and what is printed or logged is dropped."
    ] ++ own(module, calls(module))
  end

  defp own(module, :unknown), do: ["What the code of #{inspect(module)} calls could not be read."]

  defp own(module, calls) do
    case for {what, [_ | _] = functions} <- found(calls), do: "#{what} (#{Enum.join(functions, ", ")})" do
      [] -> ["The code of #{inspect(module)} itself calls nothing of that kind; what it calls may."]
      found -> ["The code of #{inspect(module)} itself #{Enum.join(found, "; ")}."]
    end
  end

  defp found(calls) do
    by_module = for {what, modules} <- @doing, {m, f, a} <- calls, m in modules, do: {what, mfa(m, f, a)}

    by_name =
      for {what, names} <- @functions, {:erlang, f, a} <- calls, f in names, do: {what, mfa(:erlang, f, a)}

    Enum.group_by(by_module ++ by_name, &elem(&1, 0), &elem(&1, 1)) |> Enum.sort()
  end

  defp mfa(m, f, a), do: Exception.format_mfa(m, f, a)

  defp calls(module) do
    with {^module, binary, _file} <- :code.get_object_code(module),
         {:ok, {_, [imports: imports]}} <- :beam_lib.chunks(binary, [:imports]) do
      # Every `use GenServer` has that one.
      imports -- [{Supervisor, :child_spec, 2}]
    else
      _ -> :unknown
    end
  end
end
