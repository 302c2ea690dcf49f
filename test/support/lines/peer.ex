defmodule BeamScope.Test.Lines.Peer do
  @moduledoc false
  # A second virtual machine with this one's code path, reached over standard input and output, in which any module may be replaced.

  @long 600_000

  @doc "Starts one, linked to the caller. `stop/1` ends it."
  def start do
    options = %{
      connection: :standard_io,
      wait_boot: 60_000,
      args: ~w(-kernel logger_level none -start_epmd false -nostick +S 1:1)c,
      env: for(name <- ~w(ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS)c, do: {name, []}),
      exec: erl()
    }

    peer =
      case :peer.start_link(options) do
        {:ok, pid} -> pid
        {:ok, pid, _node} -> pid
      end

    # Protocols as they are in Elixir's own object code.
    paths =
      for path <- :code.get_path(),
          Path.basename(path) != "consolidated",
          do: path |> Path.expand() |> String.to_charlist()

    true = call(peer, :code, :set_path, [paths])
    {:ok, _} = call(peer, :application, :ensure_all_started, [:elixir])
    {:ok, _} = call(peer, :application, :ensure_all_started, [:compiler])
    peer
  end

  defp erl do
    root = List.to_string(:code.root_dir())
    erts = "erts-#{:erlang.system_info(:version)}"

    [Path.join(root, "bin/erl"), Path.join([root, erts, "bin/erl"])]
    |> Enum.find(&File.regular?/1)
    |> String.to_charlist()
  end

  def call(peer, module, function, arguments, timeout \\ @long),
    do: :peer.call(peer, module, function, arguments, timeout)

  def stop(peer), do: :peer.stop(peer)
end
