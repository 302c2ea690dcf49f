defmodule BeamScopeFaults.Stage do
  @moduledoc """
  Makes an interleaving happen, every time: processes stop at points of their own and go on when the driver says so.

  A system calls `hold/1` where a race would be decided, and `tell/1` where the driver has to know how far it is. The driver
  starts the system with `start/2` and its clients with `client/2`, waits with `held/1` or `rest/0`, and lets go with
  `go/2`. There is no time in it: `rest/0` returns when every process that was started is waiting and none has run since.
  """

  @driver __MODULE__.Driver

  # ---- in the system ----

  @doc "Stops here until the driver says `go/2`; without a driver it does not stop."
  @spec hold(term) :: :ok
  def hold(point) do
    case Process.whereis(@driver) do
      nil ->
        :ok

      driver ->
        send(driver, {:held, self(), point})

        receive do
          {:go, ^point} -> :ok
        end
    end
  end

  @doc "Tells the driver that this point was reached, and goes on."
  @spec tell(term) :: :ok
  def tell(point) do
    with driver when is_pid(driver) <- Process.whereis(@driver), do: send(driver, {:told, point})
    :ok
  end

  # ---- in the driver ----

  @doc "Makes the calling process the driver."
  @spec open() :: :ok
  def open do
    true = Process.register(self(), @driver)
    Process.put(:before, MapSet.new(Process.list()))
    :ok
  end

  @doc "Starts a system under a supervisor."
  @spec start([term], keyword) :: pid
  def start(children, opts \\ []) do
    {:ok, supervisor} = Supervisor.start_link(children, Keyword.put_new(opts, :strategy, :one_for_one))
    supervisor
  end

  @doc "Starts a client with a name. What it comes to is told by `result/1`; a call that fails is `{:failed, reason}`."
  @spec client(atom, (() -> term)) :: pid
  def client(name, fun) do
    driver = self()

    {pid, _} =
      spawn_monitor(fn ->
        Process.register(self(), name)
        send(driver, {:result, name, outcome(fun)})
      end)

    pid
  end

  defp outcome(fun) do
    fun.()
  catch
    :exit, reason -> {:failed, reason}
  end

  @doc "What a client came to; whatever is held meanwhile goes on."
  @spec result(atom) :: term
  def result(name) do
    receive do
      {:result, ^name, result} ->
        result

      {:held, pid, point} ->
        go(pid, point)
        result(name)
    end
  end

  @doc "Waits until somebody is held at a point."
  @spec held(term) :: pid
  def held(point) do
    receive do
      {:held, pid, ^point} -> pid
    end
  end

  @doc "Everybody who is held, the latest first, each with its point."
  @spec all_held() :: [{pid, term}]
  def all_held do
    receive do
      {:held, pid, point} -> all_held() ++ [{pid, point}]
    after
      0 -> []
    end
  end

  @doc "Waits until a point was told."
  @spec told(term) :: :ok
  def told(point) do
    receive do
      {:told, ^point} -> :ok
    end
  end

  @doc "Lets somebody go on who is held."
  @spec go(pid, term) :: :ok
  def go(pid, point) do
    send(pid, {:go, point})
    :ok
  end

  @doc "Waits until somebody is held at a point, and lets it go on."
  @spec pass(term) :: :ok
  def pass(point), do: point |> held() |> go(point)

  @doc "Waits until every process that was started waits, and none has run between two looks at all of them."
  @spec rest() :: :ok
  def rest, do: rest(look())

  defp rest(before) do
    :erlang.yield()
    now = look()

    if now == before and Enum.all?(now, &match?({_pid, [status: :waiting, reductions: _]}, &1)),
      do: :ok,
      else: rest(now)
  end

  defp look do
    for pid <- Process.list(),
        pid != self(),
        not MapSet.member?(Process.get(:before), pid),
        info = Process.info(pid, [:status, :reductions]),
        do: {pid, info}
  end

  @doc "Ends every process that was started since `open/0`, its supervisors first."
  @spec close() :: :ok
  def close do
    started = for {pid, _} <- look(), do: {pid, Process.monitor(pid)}
    {supervisors, others} = Enum.split_with(started, fn {pid, _} -> supervisor?(pid) end)
    for all <- [supervisors, others], do: end_all(all)
    :ok
  end

  defp supervisor?(pid) do
    with {:dictionary, dictionary} <- Process.info(pid, :dictionary),
         do: match?({:supervisor, _, _}, dictionary[:"$initial_call"])
  end

  defp end_all(all) do
    for {pid, _} <- all do
      Process.unlink(pid)
      Process.exit(pid, :kill)
    end

    for {_, monitor} <- all do
      receive do
        {:DOWN, ^monitor, _, _, _} -> :ok
      end
    end
  end
end
