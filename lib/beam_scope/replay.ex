defmodule BeamScope.Replay do
  @moduledoc """
  A cursor that walks through a recording, live or loaded, forward and back like through a film.

      {:ok, cursor} = BeamScope.Replay.open(rec, at: :end)
      {:ok, cursor} = BeamScope.Replay.seek(cursor, [crash: true], :backward)   # the last crash
      {:ok, cursor} = BeamScope.Replay.seek(cursor, [process: Cart, changed: :total], :backward)
      BeamScope.Replay.world(cursor)                                            # everything that was so then

  A cursor stands just after an event: `moment` is that event's, `event` the event itself. Cursors are plain data: keep several, hold
  them side by side, give their moments to `BeamScope.state_at/3` and every other question.

  A step back costs what a step forward costs: nothing is replayed from the start. All functions run on dirty schedulers.
  `{:error, %BeamScope.Error{reason: :not_found}}` says that there is nothing in that direction; the forms with `!` raise it.

  `mix beam_scope.replay FILE` does all of this with the keyboard, for a recording in a file.
  """

  alias BeamScope.{Error, Event, Moment, Native, Recording, Transition, WhatIf, World}
  alias BeamScope.Recording.Query

  @enforce_keys [:recording, :moment, :event]
  defstruct [:recording, :moment, :event]

  @type t :: %__MODULE__{recording: Recording.t(), moment: Moment.t(), event: Event.t()}

  @typedoc "What a step passes over: to the next event, the next message that was handled, the next change of a state, or the next line."
  @type by :: :event | :message | :state | :line

  @doc """
  A cursor at a moment of a recording: its first event, unless `at:` says otherwise.

      iex> {_, rec} = BeamScope.record([], fn -> send(self(), :hello) end)
      iex> {:ok, cursor} = BeamScope.Replay.open(rec)
      iex> cursor.moment == cursor.event.moment
      true
  """
  @spec open(Recording.t(), at: BeamScope.moment()) :: {:ok, t} | {:error, Error.t()}
  def open(rec, opts \\ []) do
    with :ok <- Query.known(opts, [:at]), do: locate(rec, Keyword.get(opts, :at, :start))
  end

  @doc "`open/2` that raises `BeamScope.Error`."
  @spec open!(Recording.t(), at: BeamScope.moment()) :: t
  def open!(rec, opts \\ []), do: bang(open(rec, opts))

  @doc "The cursor at another moment: at the last event that had happened by then."
  @spec at(t, BeamScope.moment()) :: {:ok, t} | {:error, Error.t()}
  def at(%__MODULE__{recording: rec}, moment), do: locate(rec, moment)

  @doc "`at/2` that raises `BeamScope.Error`."
  @spec at!(t, BeamScope.moment()) :: t
  def at!(cursor, moment), do: bang(at(cursor, moment))

  @doc """
  One step forward.

    * `by:` `:event` (the default), `:message` (to where the next message was handled), `:state` (to where the next state was another
      than the one before), `:line` (to the next line of instrumented code, or the next mark)
    * `process:` only of this process; a name stands for all that bore it

  ## Example

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> for _ <- 1..3, do: Agent.update(agent, &(&1 + 1)) end)
      iex> step = &BeamScope.Replay.next!(&1, by: :state, process: agent)
      iex> cursor = rec |> BeamScope.Replay.open!() |> step.() |> step.()
      iex> BeamScope.state_at!(rec, agent, cursor.moment)
      2
  """
  @spec next(t, by: by, process: BeamScope.selector()) :: {:ok, t} | {:error, Error.t()}
  def next(cursor, opts \\ []), do: step(cursor, opts, :asc)

  @doc "`next/2` that raises `BeamScope.Error`."
  @spec next!(t, by: by, process: BeamScope.selector()) :: t
  def next!(cursor, opts \\ []), do: bang(next(cursor, opts))

  @doc "One step back. Options as for `next/2`."
  @spec prev(t, by: by, process: BeamScope.selector()) :: {:ok, t} | {:error, Error.t()}
  def prev(cursor, opts \\ []), do: step(cursor, opts, :desc)

  @doc "`prev/2` that raises `BeamScope.Error`."
  @spec prev!(t, by: by, process: BeamScope.selector()) :: t
  def prev!(cursor, opts \\ []), do: bang(prev(cursor, opts))

  defp step(%__MODULE__{} = cursor, opts, order) do
    with :ok <- Query.known(opts, [:by, :process]) do
      case Keyword.get(opts, :by, :event) do
        :event -> seek_event(cursor, Keyword.delete(opts, :by), order)
        :message -> seek_transition(cursor, %{check: :message}, opts[:process], order)
        :state -> seek_transition(cursor, %{check: :state}, opts[:process], order)
        :line -> seek_event(cursor, [kind: [:line, :mark]] ++ Keyword.delete(opts, :by), order)
        other -> Query.invalid(:by, other, ":event, :message, :state or :line")
      end
    end
  end

  @doc """
  The nearest moment in a direction at which something is so.

  About states and the messages that made them:

    * `state:` a pattern: the state after it matches – `seek(cursor, [process: Cart, state: %{count: 2}], :forward)`
    * `changed:` a key, or a path of keys and positions: what is there was changed – `[changed: :balance]`,
      `[changed: [:account, :balance]]`
    * `handled:` a pattern: this message was handled
    * `crash: true`: a callback failed

  About events: the filters `kind:`, `from:`, `to:`, `match:` and `call:` of `BeamScope.events/2`. All of these take `process:`.

  The error `:not_found` says how many could not be decided, because what decides was truncated or redacted.

      iex> {:ok, agent} = Agent.start_link(fn -> %{n: 0, last: nil} end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn ->
      ...>   for n <- 1..3, do: Agent.update(agent, &%{&1 | n: n})
      ...>   Agent.update(agent, &%{&1 | last: :done})
      ...> end)
      iex> cursor = BeamScope.Replay.open!(rec, at: :end)
      iex> cursor = BeamScope.Replay.seek!(cursor, [process: agent, changed: :n], :backward)
      iex> BeamScope.Replay.transition!(cursor).to
      %{n: 3, last: nil}
  """
  @spec seek(t, keyword, :forward | :backward) :: {:ok, t} | {:error, Error.t()}
  def seek(cursor, filters, direction \\ :forward)

  def seek(%__MODULE__{} = cursor, filters, direction) when direction in [:forward, :backward] do
    order = if direction == :forward, do: :asc, else: :desc

    if Keyword.keyword?(filters) and
         Enum.any?([:state, :changed, :handled, :crash], &Keyword.has_key?(filters, &1)),
       do: seek_state(cursor, filters, order),
       else: seek_event(cursor, filters, order)
  end

  def seek(%__MODULE__{}, _filters, other), do: Query.invalid(:direction, other, ":forward or :backward")

  @doc "`seek/3` that raises `BeamScope.Error`."
  @spec seek!(t, keyword, :forward | :backward) :: t
  def seek!(cursor, filters, direction \\ :forward), do: bang(seek(cursor, filters, direction))

  defp seek_state(cursor, filters, order) do
    with :ok <- Query.known(filters, [:state, :changed, :handled, :crash, :process]),
         {:ok, state} <- pattern(filters, :state),
         {:ok, message} <- pattern(filters, :handled) do
      changed = if Keyword.has_key?(filters, :changed), do: List.wrap(filters[:changed])
      check = if filters[:crash], do: :crash

      seek_transition(
        cursor,
        %{check: check, state: state, message: message, changed: changed},
        filters[:process],
        order
      )
    end
  end

  defp pattern(filters, key) do
    case Keyword.fetch(filters, key) do
      {:ok, pattern} -> Query.pattern(pattern)
      :error -> {:ok, nil}
    end
  end

  defp seek_transition(%{recording: rec, moment: moment} = cursor, test, process, order) do
    ask = fn who ->
      Native.next_transition(rec.native, Map.merge(test, %{process: who, from: moment.seq, order: order}))
    end

    case of(rec, process, ask) do
      {:ok, %{transitions: %{seq: seq}}} -> go(cursor, seq)
      {:ok, %{transitions: nil, unknown: unknown}} -> not_found(order, unknown)
      {:error, error} -> {:error, error}
    end
  end

  # By kind alone the core needs no partner of any message, so nothing is read but the way there.
  defp seek_event(%{recording: rec, moment: moment} = cursor, filters, order) do
    case Keyword.split(filters, [:process, :kind]) do
      {known, []} ->
        with {:ok, query} <- Query.build(Keyword.delete(known, :process), [:kind]) do
          how = %{from: moment.seq, order: order, kinds: query[:kinds]}

          case of(rec, known[:process], &Native.next_event(rec.native, Map.put(how, :process, &1))) do
            {:ok, seq} when is_integer(seq) -> go(cursor, seq)
            {:ok, nil} -> not_found(order, 0)
            {:error, error} -> {:error, error}
          end
        end

      {_, _filters} ->
        query_event(cursor, filters, order)
    end
  end

  defp query_event(%{moment: %{seq: 0}}, _filters, :desc), do: not_found(:desc, 0)

  defp query_event(%{recording: rec, moment: %{seq: seq}} = cursor, filters, order) do
    edge =
      if order == :asc,
        do: [since: %Moment{seq: seq + 1, at_ns: 0}],
        else: [until: %Moment{seq: seq - 1, at_ns: 0}]

    with :ok <- Query.known(filters, [:process, :kind, :from, :to, :match, :call]),
         {:ok, found} <- Query.events(rec, filters ++ edge ++ [limit: 1, order: order]) do
      case found.events do
        [event] -> {:ok, stand(cursor.recording, event)}
        [] -> not_found(order, found.unknown)
      end
    else
      # Past the last event there is nothing.
      {:error, %Error{reason: :outside_recording}} -> not_found(order, 0)
      error -> error
    end
  end

  defp of(rec, nil, ask), do: Query.ask(rec, fn -> ask.(nil) end)
  defp of(rec, process, ask), do: Query.ask_process(rec, process, ask)

  defp not_found(order, unknown) do
    where = if order == :asc, do: "from here to the end", else: "from the start to here"

    more =
      if unknown > 0,
        do: ", but #{unknown} could not be decided: what decides was truncated or redacted",
        else: ""

    {:error, Error.new(:not_found, where <> more)}
  end

  defp go(%{recording: rec}, seq) do
    moment = %Moment{seq: seq, at_ns: 0}

    case Query.events(rec, since: moment, until: moment, limit: 1) do
      {:ok, %{events: [event]}} -> {:ok, stand(rec, event)}
      {:ok, %{events: []}} -> {:error, Error.new(:outside_recording, moment)}
      {:error, error} -> {:error, error}
    end
  end

  defp stand(rec, event), do: %__MODULE__{recording: rec, moment: event.moment, event: event}

  defp locate(rec, moment) do
    with {:ok, _} <- Query.moment(rec, moment),
         {:ok, %{events: []}} <- Query.events(rec, until: moment, order: :desc, limit: 1),
         {:ok, %{events: []}} <- Query.events(rec, limit: 1) do
      {:error, Error.new(:not_found, "the recording has no events")}
    else
      {:ok, %{events: [event]}} -> {:ok, stand(rec, event)}
      {:error, error} -> {:error, error}
    end
  end

  @doc """
  What the cursor's event completed, as a `%BeamScope.Transition{}` with state before, message and state after; the error
  `:not_found` where it completed nothing.
  """
  @spec transition(t) :: {:ok, Transition.t()} | {:error, Error.t()}
  def transition(%__MODULE__{recording: rec, moment: %{seq: seq} = moment, event: event}) do
    case Query.history(rec, event.track, since: moment, until: moment) do
      {:ok, history} -> completed(Enum.filter(history, &(&1.moment.seq == seq and &1.result != :pending)))
      {:error, error} -> {:error, error}
    end
  end

  defp completed([]), do: {:error, Error.new(:not_found, "this event completed no transition")}
  defp completed(transitions), do: {:ok, List.last(transitions)}

  @doc "`transition/1` that raises `BeamScope.Error`."
  @spec transition!(t) :: Transition.t()
  def transition!(cursor), do: bang(transition(cursor))

  @doc """
  Everything that was so at the cursor: a `%BeamScope.World{}` with the processes alive, who started them, their states and
  mailboxes, and the messages on their way.

    * `states:` whether states are wanted (`true`)
    * `messages:` how many messages of each mailbox, and how many on their way, at most (100); all are counted

  The first one of a recording follows every mailbox through it once (some seconds for ten million events); from then on each costs
  what it shows.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> Agent.update(agent, &(&1 + 1)) end)
      iex> world = rec |> BeamScope.Replay.open!(at: :end) |> BeamScope.Replay.world()
      iex> BeamScope.World.member(world, agent).state
      {:ok, 1}
  """
  @spec world(t, states: boolean, messages: pos_integer) :: World.t()
  def world(%__MODULE__{recording: rec} = cursor, opts \\ []) do
    with :ok <- Query.known(opts, [:states, :messages]),
         {:ok, found} <-
           Query.ask(rec, fn -> Native.world(rec.native, {:seq, cursor.moment.seq}, Map.new(opts)) end) do
      World.from_native(found, cursor)
    else
      {:error, error} -> raise(error)
    end
  end

  @doc """
  What would have become of a process, had one message not come, been another, or come besides?

  From the state at the cursor the messages that the recording has of it are run through its real callbacks, with the edit, and the two
  lives are compared: a `%BeamScope.WhatIf{}`, which prints as a short story.

      {:ok, cursor} = BeamScope.Replay.open(rec, at: before)
      BeamScope.Replay.what_if(cursor, Cart, {:skip, poison}, force: true)
      BeamScope.Replay.what_if(cursor, Cart, {:replace, transition, BeamScope.WhatIf.cast({:add, 3})}, force: true)
      BeamScope.Replay.what_if(cursor, Cart, {:insert, :after, 42, :tick}, force: true)

  ## Edits

    * `{:skip, which}`, `{:replace, which, message}`, `{:insert, :before | :after, which, message}`, where `which` is one that the process handled
      after the cursor: a transition, an event, a moment or its number
    * `{:insert, message}` at the cursor
    * `:none` changes nothing: a server that does the same whenever it is told the same has the same life again

  Messages are whole, as they lie in a mailbox: `BeamScope.WhatIf.call/1` and `cast/1` make such.

  ## What is run, and where

  Only gen_servers and Agents. The callbacks run in a second virtual machine (`:peer`, over standard input and output, without name or distribution)
  that has this node's code paths and starts no application. Recorded pids and names lead to stand-ins there, never to the processes they
  name: what is sent to them is recorded and goes nowhere; calls get the answer that the recording has for that request in that step, or fail. But the code is the real one: **what
  it does to files, sockets, databases and programs it does for real.** Therefore `force: true` is needed, and the error without it says
  what would be run and what it may do.

  A start state or message that holds what cannot be made again (local funs, ports, tables; what was truncated or redacted) is refused, and the
  error says where it stands. References and pids of the recording become others that are equal where those were.

    * `force:` must be `true`
    * `timeout:` for all of it, in milliseconds (10,000); the virtual machine is ended then
    * `limit:` how many messages at most (1,000)

  ## Example

      iex> {:ok, agent} = Agent.start_link(fn -> 1 end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn ->
      ...>   Agent.update(agent, Kernel, :+, [1])
      ...>   Agent.update(agent, Kernel, :*, [10])
      ...> end)
      iex> [_read, add, _multiply] = Enum.to_list(BeamScope.history(rec, agent))
      iex> cursor = BeamScope.Replay.open!(rec, at: add.began)
      iex> {:ok, life} = BeamScope.Replay.what_if(cursor, agent, {:skip, add}, force: true)
      iex> life.final
      {20, 10}
  """
  @spec what_if(t, BeamScope.selector(), BeamScope.Replay.WhatIf.Edit.t(), keyword) ::
          {:ok, WhatIf.t()} | {:error, Error.t()}
  def what_if(%__MODULE__{} = cursor, process, edit, opts \\ []), do: WhatIf.run(cursor, process, edit, opts)

  @doc "`what_if/4` that raises `BeamScope.Error`."
  @spec what_if!(t, BeamScope.selector(), BeamScope.Replay.WhatIf.Edit.t(), keyword) :: WhatIf.t()
  def what_if!(cursor, process, edit, opts \\ []), do: bang(what_if(cursor, process, edit, opts))

  defp bang({:ok, value}), do: value
  defp bang({:error, error}), do: raise(error)
end

defimpl Inspect, for: BeamScope.Replay do
  alias BeamScope.Terminal.{Events, Style}

  def inspect(cursor, opts) do
    line = [["#BeamScope.Replay<at ", Events.line(cursor.event), ">"] |> List.flatten()]
    Style.to_doc(line, opts |> Style.from_inspect() |> Style.nested())
  end
end
