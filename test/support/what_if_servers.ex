defmodule BeamScope.WhatIfServers do
  @moduledoc """
  Servers for the tests of `BeamScope.Replay.what_if/4`. They are here, and not beside the tests, since the peer needs their code in a file.
  """

  defmodule Purse do
    @moduledoc "A server that does the same whenever it is told the same, in every way that a gen_server can."
    use GenServer

    def start(name, more \\ %{}), do: GenServer.start(__MODULE__, more, name: name)

    @impl true
    def init(more), do: {:ok, Map.merge(%{n: 0, log: [], owner: nil}, more)}

    @impl true
    def handle_call({:add, n}, _from, s), do: {:reply, s.n + n, %{s | n: s.n + n}}
    def handle_call({:then, n}, _from, s), do: {:reply, :ok, s, {:continue, {:add, n}}}
    def handle_call(:later, from, s), do: {:noreply, %{s | owner: from}}
    def handle_call({:idle, ms}, _from, s), do: {:reply, :ok, s, ms}
    def handle_call(:sleep, _from, s), do: {:reply, :ok, s, :hibernate}
    def handle_call(:close, _from, s), do: {:stop, :normal, :closed, s}

    def handle_call({:ask, whom, what}, _from, s),
      do: {:reply, :ok, %{s | log: [GenServer.call(whom, what) | s.log]}}

    def handle_call(:wrong, _from, _s), do: :wrong

    @impl true
    def handle_cast({:add, n}, s), do: {:noreply, %{s | n: s.n + n}}
    def handle_cast({:div, n}, s), do: {:noreply, %{s | n: div(s.n, n)}}
    def handle_cast(:answer, %{owner: nil} = s), do: {:noreply, s}

    def handle_cast(:answer, s) do
      GenServer.reply(s.owner, s.n)
      {:noreply, %{s | owner: nil}}
    end

    def handle_cast({:tell, whom}, s) do
      send(whom, {:purse, s.n})
      {:noreply, s}
    end

    def handle_cast({:to_self, what}, s) do
      send(self(), what)
      {:noreply, s}
    end

    def handle_cast({:watch, pid}, s), do: {:noreply, Map.put(s, Process.monitor(pid), pid)}

    def handle_cast({:wake, ms}, s) do
      Process.send_after(self(), :woken, ms)
      {:noreply, s}
    end

    def handle_cast({:work, ms}, s) do
      Process.sleep(ms)
      {:noreply, s}
    end

    def handle_cast({:stop, reason}, s), do: {:stop, reason, s}

    @impl true
    def handle_continue({:add, 0}, s), do: {:noreply, s}
    def handle_continue({:add, n}, s), do: {:noreply, %{s | n: s.n + n}, {:continue, {:add, n - 1}}}

    @impl true
    def handle_info({:DOWN, ref, _, _, _}, s), do: {:noreply, Map.delete(s, ref)}
    def handle_info(what, s), do: {:noreply, %{s | log: [what | s.log]}}

    @impl true
    def terminate(_reason, %{heir: heir, n: n}), do: send(heir, {:last, n})
    def terminate(_reason, _s), do: :ok
  end

  defmodule Dice do
    @moduledoc "A server that does something else each time."
    use GenServer

    @impl true
    def init(_), do: {:ok, nil}

    @impl true
    def handle_cast(:throw, _), do: {:noreply, {:rand.uniform(1_000_000_000), System.os_time()}}
  end

  defmodule Wild do
    @moduledoc "A server whose callbacks do what one would rather not run twice."
    use GenServer
    require Logger

    @impl true
    def init(_), do: {:ok, %{held: nil}}

    @impl true
    def handle_call(:node, _from, s), do: {:reply, {node(), Node.alive?(), System.pid()}, s}

    def handle_call({:seen, whom}, _from, s),
      do: {:reply, {Process.alive?(whom), Process.whereis(BeamScope.WhatIfServers.Real)}, s}

    def handle_call(:atom, _from, s),
      do: {:reply, :ok, Map.put(s, :made, String.to_atom("what_if_made_" <> System.pid()))}

    @impl true
    def handle_cast(:nothing, s), do: {:noreply, s}
    def handle_cast({:hold, term}, s), do: {:noreply, %{s | held: term}}
    def handle_cast(:fun, s), do: {:noreply, %{s | held: fn -> s end}}
    def handle_cast(:loop, s), do: handle_cast(:loop, s)
    def handle_cast(:halt, _s), do: System.halt(3)
    def handle_cast({:write, path}, s), do: {:noreply, %{s | held: File.write!(path, System.pid())}}

    def handle_cast({:pid_and_loop, path}, s),
      do: handle_cast(:loop, %{s | held: File.write!(path, System.pid())})

    @impl true
    def handle_info(:print, s) do
      IO.puts("printed by the edited life")
      Logger.error("logged by the edited life")
      {:noreply, s}
    end
  end
end
