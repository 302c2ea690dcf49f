defmodule BeamScope.Test.Shop do
  @moduledoc "A till and a stock under a supervisor, one of which fails: a recording to walk through."

  defmodule Till do
    @moduledoc false
    use GenServer

    def start_link(name), do: GenServer.start_link(__MODULE__, nil, name: name)
    @impl true
    def init(_), do: {:ok, %{balance: 0, account: %{owner: "eve", log: []}, note: "日本"}}

    @impl true
    def handle_call({:pay, n}, _from, s),
      do: {:reply, :ok, %{put_in(s.account.log, [n | s.account.log]) | balance: s.balance + n}}

    @impl true
    def handle_cast({:rename, to}, s), do: {:noreply, put_in(s.account.owner, to)}
    @impl true
    def handle_info({:divide, n}, s), do: {:noreply, %{s | balance: div(s.balance, n)}}
  end

  @doc "The recording: five payments, a new owner, a division by zero that was waiting behind it, a restart, two payments."
  def recorded(name, opts \\ [level: :full]) do
    {_, rec} = BeamScope.record(opts, fn -> run(name) end)
    rec
  end

  defp run(name) do
    children = [%{id: :till, start: {Till, :start_link, [name]}}]
    {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)
    till = Process.whereis(name)
    for n <- 1..5, do: GenServer.call(name, {:pay, n})
    ref = Process.monitor(till)
    :sys.suspend(till)
    GenServer.cast(name, {:rename, "adam"})
    send(name, {:divide, 0})
    :sys.resume(till)
    receive do: ({:DOWN, ^ref, _, _, _} -> :ok)
    restarted(name, till)
    for n <- 1..2, do: GenServer.call(name, {:pay, n})
    Supervisor.stop(supervisor)
  end

  defp restarted(name, old) do
    case Process.whereis(name) do
      pid when is_pid(pid) and pid != old -> pid
      _ -> restarted(name, old)
    end
  end

  @doc "The same as a file wrote and gave it back."
  def reloaded(rec) do
    path = path()
    BeamScope.save!(rec, path)
    loaded = BeamScope.load!(path)
    File.rm!(path)
    loaded
  end

  @doc "A place for a file of our own."
  def path do
    name = "beam_scope_shop_#{System.pid()}_#{System.unique_integer([:positive])}.beamscope"
    Path.join(System.tmp_dir!(), name)
  end
end
