defmodule BeamScope.Test.Leftovers do
  @moduledoc "What a recording could have left behind: law 6."

  import ExUnit.Assertions, only: [assert: 1]

  alias BeamScope.Recorder.{Hub, Profile, Session}

  @doc "Flags, patterns, sessions and processes of BeamScope that are on now; all empty when nothing is."
  def find do
    %{
      flags: flags(),
      patterns: patterns(),
      receives: receives(),
      sessions: sessions(),
      hub: hub(),
      system_monitor: :erlang.system_monitor(),
      wall_time: :erlang.statistics(:scheduler_wall_time) != :undefined
    }
  end

  @doc "The same, once the hub had its moment to end."
  def settle(tries \\ 100) do
    case find() do
      %{hub: nil} = found -> found
      found when tries == 0 -> found
      _ -> Process.sleep(10) && settle(tries - 1)
    end
  end

  @doc "What `find/0` answers when nothing is left."
  def none do
    %{
      flags: [],
      patterns: [],
      receives: true,
      sessions: [],
      hub: nil,
      system_monitor: :undefined,
      wall_time: false
    }
  end

  @doc "For `setup {BeamScope.Test.Leftovers, :none_after}`: recordings are cleared after each test, and nothing is left of them."
  def none_after(_context) do
    ExUnit.Callbacks.on_exit(fn ->
      BeamScope.clear()
      assert settle() == none()
    end)
  end

  defp flags do
    for pid <- [:new | Process.list()], match?({:flags, [_ | _]}, info(pid, :flags)), do: pid
  end

  defp patterns do
    mfas = for b <- Profile.behaviours(), {_, points} <- Profile.variants(b), %{mfa: mfa} <- points, do: mfa

    watched = for {mfa, _} <- BeamScope.Recorder.Guards.functions(), do: mfa

    # Of the probes, which are set for all arities together, some.
    probes = for {m, f, :_} <- BeamScope.Recorder.Plan.probes(), a <- [1, 3, 33], do: {m, f, a}

    for mfa <- Enum.uniq(mfas ++ watched ++ probes),
        traced?(mfa),
        do: mfa
  end

  defp traced?(mfa) do
    {:traced, on} = :erlang.trace_info(mfa, :traced)
    {:meta, meta} = :erlang.trace_info(mfa, :meta)
    on in [:local, :global] or meta not in [false, :undefined]
  end

  defp receives do
    {:match_spec, spec} = :erlang.trace_info(:receive, :match_spec)
    spec
  end

  defp sessions do
    if Session.sessions?() do
      for {name, _} = session <- apply(:trace, :session_info, [:all]), ours?(name), do: session
    else
      []
    end
  end

  defp ours?(name), do: String.starts_with?(to_string(name), "beam_scope")
  defp hub, do: Process.whereis(Hub)

  defp info(pid, item) do
    :erlang.trace_info(pid, item)
  rescue
    ArgumentError -> :undefined
  end
end
