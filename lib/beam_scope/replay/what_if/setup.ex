defmodule BeamScope.Replay.WhatIf.Setup do
  @moduledoc """
  What a life begins with in the peer: the state, who stands in for whom, and the environment.
  """

  alias BeamScope.{Error, Opaque}
  alias BeamScope.Replay.WhatIf.{Driver, Peer, StandIns}

  @doc "Begins it. The table knows who was named; the notes say what is not as it was."
  @spec start(map, map) :: {StandIns.t(), notes :: [String.t()]}
  def start(peer, plan) do
    notes = same_code(peer, plan.module)
    {:ok, state, table} = StandIns.pack(plan.state, %StandIns{}, "state")
    {:ok, own, table} = StandIns.pack(plan.process.pid, table, "process")
    {stubs, table} = stubs(plan, table)

    setup = %{
      module: plan.module,
      state: state,
      own: own,
      names: plan.own_names,
      stubs: stubs,
      # Not recorded as such; who was sent the exits of others as messages traps them.
      traps?: Enum.any?(plan.groups, &match?({:EXIT, _, _}, &1.message)),
      env: env(plan.module)
    }

    :ok = Peer.call(peer, Driver, :start, [:erlang.term_to_binary(setup)])
    {table, notes}
  end

  defp same_code(peer, module) do
    here = module.module_info(:md5)

    case Peer.call(peer, :code, :ensure_loaded, [module]) do
      {:module, ^module} ->
        if Peer.call(peer, module, :module_info, [:md5]) == here,
          do: [],
          else: ["the code of #{inspect(module)} on disk, which was run, is not the one that is loaded here"]

      {:error, _} ->
        throw({:beam_scope_peer, Error.new(:no_code, %{module: module, where: :peer})})
    end
  end

  # Every name that the recording knows, and whom it called: their answers are those of the recording, or none.
  defp stubs(plan, table) do
    asked = for group <- plan.groups, one <- group.recorded, {to, _, _} <- one.answers, do: to

    sent =
      for %{sends: sends} when is_list(sends) <- Enum.flat_map(plan.groups, & &1.recorded),
          %{to: to} <- sends,
          is_atom(to),
          do: to

    named = for {pid, name} <- plan.names, do: {pid, [name]}

    pids = for to <- asked, is_pid(to) or is_struct(to, Opaque), not is_map_key(plan.names, to), do: {to, []}

    known = Map.values(plan.names)
    sent = sent ++ plan.registered

    others =
      for name <- Enum.uniq(sent ++ asked),
          is_atom(name),
          name not in known,
          name not in plan.own_names,
          do: {nil, [name]}

    (named ++ Enum.uniq(pids))
    |> Enum.reject(&match?({pid, _} when pid == plan.process.pid, &1))
    |> Enum.map_reduce(table, fn {pid, names}, table ->
      {:ok, token, table} = StandIns.pack(pid, table, "process")
      {{token, names}, table}
    end)
    |> then(fn {stubs, table} -> {stubs ++ others, table} end)
  end

  # What the callbacks may ask `Application.get_env/2` for, of their own application: not what cannot live there.
  defp env(module) do
    case :application.get_application(module) do
      {:ok, app} ->
        [{app, for({key, value} <- Application.get_all_env(app), plain?(value), do: {key, value})}]

      :undefined ->
        []
    end
  end

  defp plain?(value), do: match?({:ok, ^value, _}, StandIns.pack(value, %StandIns{}, "env"))
end
