defmodule BeamScope.Replay.WhatIf.Peer do
  @moduledoc """
  A second virtual machine for as long as a function takes: without a name, without distribution, reached over standard input and output.

  The function runs in a process of its own, which is linked to the peer and traps exits: a peer that ends (a callback may halt it) is an error and
  takes nobody with it. A watcher ends that process when the caller ends, whatever the caller dies of; the link ends the peer, and a peer
  whose standard input is closed halts.
  """

  alias BeamScope.Error
  alias BeamScope.Replay.WhatIf.Sink

  @boot_ms 30_000

  @doc "What `fun` returns, given a peer that it can `call/5`, or an error. The time to start the peer is not part of `timeout`."
  @spec with_peer(pos_integer, (map -> result)) :: result | {:error, Error.t()} when result: term
  def with_peer(timeout, fun) do
    caller = self()
    {pid, monitor} = spawn_monitor(fn -> exit({:shutdown, {__MODULE__, run(caller, timeout, fun)}}) end)

    receive do
      {:DOWN, ^monitor, _, ^pid, {:shutdown, {__MODULE__, result}}} -> result
      {:DOWN, ^monitor, _, ^pid, reason} -> {:error, Error.new(:peer, reason)}
    end
  end

  defp run(caller, timeout, fun) do
    Process.flag(:trap_exit, true)
    watch(caller, self())
    Process.group_leader(self(), Sink.start())

    case start() do
      {:ok, pid} -> run_in(pid, timeout, fun)
      {:error, error} -> {:error, error}
    end
  catch
    {:beam_scope_peer, error} -> {:error, error}
  end

  defp run_in(pid, timeout, fun) do
    peer = %{pid: pid, until: now() + timeout, timeout: timeout}
    alone!(peer)
    fun.(peer)
  after
    stop(pid)
  end

  # Nothing else: this process may be killed and cannot do it itself.
  defp watch(caller, worker) do
    spawn(fn ->
      caller = Process.monitor(caller)
      worker_monitor = Process.monitor(worker)

      receive do
        {:DOWN, ^caller, _, _, _} -> Process.exit(worker, :kill)
        {:DOWN, ^worker_monitor, _, _, _} -> :ok
      end
    end)
  end

  defp start do
    case :peer.start_link(options()) do
      {:ok, pid} -> {:ok, pid}
      {:ok, pid, _node} -> {:ok, pid}
      {:error, reason} -> {:error, Error.new(:peer, reason)}
    end
  catch
    _, reason -> {:error, Error.new(:peer, reason)}
  end

  # Flags from the environment could give it a name, or start what is not wanted.
  defp options do
    base = %{
      connection: :standard_io,
      wait_boot: @boot_ms,
      args: ~w(-kernel logger_level none -start_epmd false +S 1:1)c ++ boot(),
      env: for(name <- ~w(ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS)c, do: {name, []})
    }

    case executable() do
      nil -> base
      path -> Map.put(base, :exec, String.to_charlist(path))
    end
  end

  # A release has no boot file where Erlang looks for one, but beside that which it was booted with.
  defp boot do
    with {:ok, [[boot | _] | _]} <- :init.get_argument(:boot),
         clean = boot |> List.to_string() |> Path.dirname() |> Path.join("start_clean"),
         true <- File.regular?(clean <> ".boot") do
      [~c"-boot", String.to_charlist(clean)] ++ boot_variables()
    else
      _ -> []
    end
  end

  defp boot_variables do
    case :init.get_argument(:boot_var) do
      {:ok, variables} -> Enum.flat_map(variables, &[~c"-boot_var" | &1])
      :error -> []
    end
  end

  # That of this very release; what is first in the PATH may be another.
  defp executable do
    root = List.to_string(:code.root_dir())
    erts = "erts-#{:erlang.system_info(:version)}"
    [Path.join(root, "bin/erl"), Path.join([root, erts, "bin/erl"])] |> Enum.find(&File.regular?/1)
  end

  defp alone!(peer) do
    paths = for path <- :code.get_path(), do: path |> Path.expand() |> String.to_charlist()
    true = call(peer, :code, :set_path, [paths])
    {:ok, _} = call(peer, :application, :ensure_all_started, [:elixir])

    with false <- call(peer, :erlang, :is_alive, []),
         :nonode@nohost <- call(peer, :erlang, :node, []) do
      :ok
    else
      other -> throw({:beam_scope_peer, Error.new(:peer, "it is distributed, as #{inspect(other)}")})
    end
  end

  @doc """
  Calls a function there, within the time left. Arguments and result must hold no pids. `doing` says in the error what took too long.
  """
  @spec call(map, module, atom, [term], String.t() | nil) :: term
  def call(peer, module, function, args, doing \\ nil) do
    :peer.call(peer.pid, module, function, args, max(peer.until - now(), 1))
  catch
    :exit, {:timeout, _} -> throw({:beam_scope_peer, Error.new(:timeout, too_long(peer, doing))})
    _class, reason -> throw({:beam_scope_peer, Error.new(:peer, ended(reason, doing))})
  end

  defp too_long(peer, doing),
    do:
      "the peer was ended after #{peer.timeout} ms" <> if(doing, do: ", while it handled #{doing}", else: "")

  defp ended(reason, nil), do: reason
  defp ended(reason, doing), do: "it ended while it handled #{doing} (#{inspect(reason, limit: 5)})"

  defp stop(pid) do
    :peer.stop(pid)
  catch
    _, _ -> :ok
  end

  defp now, do: System.monotonic_time(:millisecond)
end
