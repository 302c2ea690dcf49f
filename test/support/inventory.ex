defmodule BeamScope.Test.Inventory do
  @moduledoc """
  All that a virtual machine holds that a recorder could leave behind: processes, threads, tables, atoms, terms, descriptors, bytes, and what
  `BeamScope.Test.Leftovers` looks for.
  """

  alias BeamScope.Test.Leftovers

  @type t :: map

  @doc "Loads all modules of applications: what loads code later makes atoms."
  def load_code(apps) do
    for app <- apps do
      _ = Application.load(app)
      for module <- Application.spec(app, :modules) || [], do: Code.ensure_loaded(module)
    end

    # Where functions begin is read from there: with it come the names of variables and of the compiler's options.
    for app <- [:kernel, :stdlib, :elixir, :beam_scope],
        module <- Application.spec(app, :modules),
        path = :code.which(module),
        is_list(path) do
      :beam_lib.chunks(path, [:debug_info])
    end

    :ok
  end

  @doc "Lets garbage go, everywhere."
  def settle_down do
    Process.sleep(200)
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    Process.sleep(200)
  end

  @doc "What there is now."
  @spec take() :: t
  def take do
    %{
      processes: processes(),
      threads: threads(),
      tables: Enum.sort(:ets.all()),
      ports: length(Port.list()),
      # The mark that flags may be set says nothing of whether they are, and is the next hub's to erase.
      terms:
        for({key, _} <- :persistent_term.get(), key != {BeamScope.Recorder.Hub, :classic_flags}, do: key)
        |> Enum.sort(),
      atoms: :erlang.system_info(:atom_count),
      descriptors: descriptors(),
      engine: Map.take(BeamScope.Native.engine_info(), ~w(drainers rings pool_bytes recordings held_bytes)a),
      tracing: Leftovers.find(),
      meta: metas(),
      rss: rss()
    }
  end

  @doc "Waits for what there is to be no more than there was; says in words what is more after so many milliseconds."
  @spec settle(t, pos_integer, pos_integer) :: [String.t()]
  def settle(before, ms, rss_slack) do
    settle_down()

    case compare(before, take(), rss_slack) do
      [] -> []
      more when ms <= 0 -> more
      _more -> settle(before, ms - 600, rss_slack)
    end
  end

  @doc "What is more than it was."
  @spec compare(t, t, pos_integer) :: [String.t()]
  def compare(before, now, rss_slack) do
    lists =
      for key <- [:processes, :threads, :tables, :terms, :meta, :descriptors],
          more = now[key] -- before[key],
          more != [],
          do: "#{length(more)} #{key} left: #{inspect(more, limit: 12, printable_limit: 200)}"

    atoms = now.atoms - before.atoms
    bytes = now.rss - before.rss

    lists ++
      said(now.ports > before.ports, "#{now.ports - before.ports} ports left") ++
      said(atoms > 0, "#{atoms} atoms left: #{inspect(atoms(before.atoms, now.atoms), limit: 20)}") ++
      said(bytes > rss_slack, "#{div(bytes, 1024)} KB more resident") ++
      said(now.tracing != Leftovers.none(), "tracing left: #{inspect(now.tracing, limit: 12)}") ++
      Enum.map(now.tracing.sessions, &holders/1) ++
      for {key, n} <- now.engine, n != 0, do: "the engine still has #{n} #{key}"
  end

  # A handle has its weak form inside; of a process' memory messages and dictionary can be looked into, the rest cannot.
  defp holders(session) do
    traced = for pid <- Process.list(), session in List.wrap(sessions(pid)), do: pid

    holding =
      for pid <- Process.list(),
          {:messages, messages} <- [Process.info(pid, :messages)],
          {:dictionary, dictionary} <- [Process.info(pid, :dictionary)],
          within?({messages, dictionary}, session),
          do: {pid, Process.info(pid, [:registered_name, :current_function])}

    "the session #{inspect(session)} has flags on #{inspect(traced, limit: 8)}; messages or dictionaries that hold it: " <>
      inspect(holding, limit: 8)
  end

  defp sessions(pid), do: apply(:trace, :session_info, [pid])

  defp within?(session, session), do: true
  defp within?([head | tail], session), do: within?(head, session) or within?(tail, session)
  defp within?(tuple, session) when is_tuple(tuple), do: within?(Tuple.to_list(tuple), session)
  defp within?(map, session) when is_map(map), do: within?(Map.to_list(map), session)
  defp within?(_other, _session), do: false

  defp said(true, text), do: [text]
  defp said(false, _text), do: []

  defp processes do
    for pid <- Process.list(),
        pid != self(),
        [{:initial_call, call}, {:registered_name, name}] <- [about(pid)] do
      {pid, name, translated(pid, call)}
    end
  end

  defp about(pid), do: Process.info(pid, [:initial_call, :registered_name])

  defp translated(pid, {:proc_lib, :init_p, _}), do: :proc_lib.translate_initial_call(pid)
  defp translated(_pid, call), do: call

  # By name and how many: numbers are used again.
  defp threads do
    for tid <- ls("/proc/self/task"),
        {:ok, name} <- [File.read("/proc/self/task/#{tid}/comm")],
        do: String.trim(name)
  end

  # What they lead to; the one that reads is among them, and what the VM opened.
  defp descriptors do
    for fd <- ls("/proc/self/fd"),
        {:ok, target} <- [File.read_link("/proc/self/fd/#{fd}")],
        not self?(target),
        do: target
  end

  defp self?(target), do: String.starts_with?(target, "/proc/")

  defp ls(dir) do
    case File.ls(dir) do
      {:ok, names} -> names
      {:error, _} -> []
    end
  end

  @doc "Resident memory in bytes, if it can be told."
  def rss do
    case File.read("/proc/self/statm") do
      {:ok, text} -> text |> String.split() |> Enum.at(1) |> String.to_integer() |> Kernel.*(4096)
      {:error, _} -> 0
    end
  end

  # Functions with any trace pattern, of all modules; ours and everybody's.
  defp metas do
    for {module, _} <- :code.all_loaded(),
        {function, arity} <- functions(module),
        mfa = {module, function, arity},
        traced?(mfa),
        do: mfa
  end

  defp functions(module) do
    module.module_info(:functions)
  rescue
    _ -> []
  end

  defp traced?(mfa) do
    match?({:all, list} when is_list(list), :erlang.trace_info(mfa, :all)) and
      Enum.any?(elem(:erlang.trace_info(mfa, :all), 1), fn
        {what, on} -> what in [:traced, :meta, :call_count, :call_time] and on not in [false, :undefined]
      end)
  rescue
    _ -> false
  end

  # The newest atoms, from the external form of an index.
  defp atoms(from, to) do
    for index <- from..(min(to, from + 40) - 1)//1 do
      :erlang.binary_to_term(<<131, 75, index::24>>)
    end
  rescue
    _ -> []
  end
end
