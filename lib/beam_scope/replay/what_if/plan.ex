defmodule BeamScope.Replay.WhatIf.Plan do
  @moduledoc """
  What the recording has to say: the state at the cursor, and what was handled from there on, as groups (see
  `BeamScope.Replay.WhatIf.Group`).
  """

  alias BeamScope.{Error, Moment, Recorder, Recorder.Profile, Recording.Query, Replay, Terminal, Unknown}
  alias BeamScope.Replay.WhatIf.{Group, Seen}

  @doc "The plan, or why there is none."
  @spec read(Replay.t(), BeamScope.selector(), pos_integer) :: {:ok, map} | {:error, Error.t()}
  def read(%Replay{recording: rec, moment: moment}, selector, limit) do
    with {:ok, process} <- process(rec, selector, moment),
         :ok <- gen_server(process),
         :ok <- by_loop(rec),
         {:ok, state} <- state(rec, process, moment),
         {:ok, transitions} <- transitions(rec, process, moment, limit + 1) do
      {run, stop} = runnable(transitions, limit)
      context = context(rec, process)

      groups =
        groups(run, Seen.events(rec, process, run), context) ++
          waiting(rec, process, stop, context, List.last(run))

      plan = %{process: process, module: callbacks(process, run), state: state, stop: stop}
      {:ok, plan |> Map.merge(context) |> Map.put(:groups, derive(groups, context, []))}
    end
  end

  # ---- who, and from which state ----

  defp process(rec, selector, moment) do
    with {:ok, history} <- Query.history(rec, selector, limit: 1, diff: false) do
      case Enum.filter(history.processes, &alive?(&1, moment.seq)) do
        [] ->
          {:error, Error.new(:not_found, "#{Terminal.Term.text(selector, 60)} did not live at the cursor")}

        alive ->
          {:ok, List.last(alive)}
      end
    end
  end

  defp alive?(%{spawned_at: from, exited_at: to}, seq),
    do: (from == nil or from.seq <= seq) and (to == nil or to.seq > seq)

  defp gen_server(%{behaviour: behaviour, module: module})
       when behaviour in [:gen_server, :agent] and module != nil,
       do: :ok

  defp gen_server(process), do: {:error, Error.new(:not_a_gen_server, process)}

  # What a callback was given and returned is told at other moments than what a loop has, and not all of it.
  defp by_loop(rec) do
    with {:ok, info} <- Recorder.info(rec) do
      if Profile.fallback?(info[:profile]),
        do:
          {:error,
           Error.new(
             :fallback,
             "the states of this recording come from callbacks (fallback), which is not enough to run a life again"
           )},
        else: :ok
    end
  end

  # An Agent says that its module is that of the function it began with. One that lived before the recording is known by what it handles:
  # its initial call is that function, while a gen_server's is an `init/1`.
  defp callbacks(%{behaviour: :agent}, _run), do: Agent.Server
  defp callbacks(%{initial_call: {module, :init, 1}}, _run), do: module

  defp callbacks(%{module: module}, run),
    do: if(run != [] and Enum.all?(run, &agents?(&1.message)), do: Agent.Server, else: module)

  defp agents?({:"$gen_call", _from, {what, _fun}}), do: what in [:get, :update, :get_and_update]
  defp agents?({:"$gen_cast", {:cast, _fun}}), do: true
  defp agents?(_message), do: false

  defp state(rec, process, moment) do
    case BeamScope.state_at(rec, process, moment) do
      {:ok, %Unknown{reason: reason}} -> {:error, Error.new(:unknown_state, reason)}
      other -> other
    end
  end

  defp transitions(rec, process, moment, limit) do
    case Query.history(rec, process, since: %Moment{seq: moment.seq + 1, at_ns: 0}, limit: limit, diff: false) do
      {:ok, history} -> {:ok, Enum.filter(history, &(&1.moment.seq > moment.seq))}
      {:error, %Error{reason: :outside_recording}} -> {:ok, []}
      error -> error
    end
  end

  # ---- how far ----

  defp runnable(transitions, limit) do
    {run, rest} = Enum.split_while(Enum.take(transitions, limit), &(why_not(&1) == nil))

    case {rest, Enum.drop(transitions, limit)} do
      {[first | _], _} ->
        {run, why_not(first)}

      {[], [next | _]} ->
        {run, why_not(next) || "there are more messages than limit: #{limit}, which were not run"}

      {[], []} ->
        {run, nil}
    end
  end

  defp why_not(%{kind: :end, result: {:stop, reason}, moment: moment}),
    do:
      "at ##{moment.seq} the recorded process was ended from outside (#{Terminal.Term.text(reason, 60)}), so that its life is no further known"

  defp why_not(%{kind: :gap, moment: moment}),
    do: "at ##{moment.seq} events were lost: from there on the messages are not known"

  defp why_not(%{kind: kind, moment: moment}) when kind in [:changed, :read, :init],
    do: "at ##{moment.seq} the state became another without a message, which cannot be done again"

  defp why_not(%{result: :pending, began: began}),
    do: "what was taken up at ##{began.seq} was not finished in the recording"

  defp why_not(_transition), do: nil

  # ---- whom it knows, and what it sent ----

  defp context(rec, process) do
    processes = Enum.to_list(BeamScope.processes(rec))
    info = BeamScope.info(rec)

    %{
      sends?: sends?(info),
      until_ns: info.duration_ns,
      pid: process.pid,
      names: names(processes, process),
      registered: registered(rec),
      own_names: Enum.filter(process.names, &is_atom/1)
    }
  end

  # Of a recording of this very system: an edit may make a process send where it did not, and to a name that nobody bears that fails.
  defp registered(%{pid: nil}), do: []
  defp registered(_rec), do: Elixir.Process.registered()

  # States and sends together are recorded at one level alone; a file does not always say which it was.
  defp sends?(%{level: nil, by_kind: %{send: sends}}), do: sends > 0
  defp sends?(%{level: level}), do: level == :full

  # Not those that bore its name before it did, or after it: whoever sends to that name means this one.
  defp names(processes, %{pid: own, names: own_names}) do
    for %{pid: pid, name: name} <- processes,
        is_atom(name) and name != nil,
        pid == own or name not in own_names,
        into: %{},
        do: {pid, name}
  end

  # ---- groups ----

  defp groups(run, events, context) do
    run
    |> Enum.reduce({[], events}, fn transition, {groups, events} ->
      {mine, events} = Seen.take(transition, events)
      {add(groups, transition, Seen.outcome(transition, mine, context)), events}
    end)
    |> elem(0)
    |> Enum.reverse()
  end

  defp add([group | groups], %{kind: :continue} = t, outcome),
    do: [%{group | recorded: group.recorded ++ [outcome], done_ns: t.moment.at_ns} | groups]

  defp add(groups, t, outcome) do
    began = [began: t.began.seq, began_ns: t.began.at_ns]
    done = [seq: t.moment.seq, done_ns: t.moment.at_ns]

    [
      Group.new(t.message, [kind: t.kind, from: t.from_process, recorded: [outcome]] ++ began ++ done)
      | groups
    ]
  end

  # What the process sent itself comes of the steps before it, if those are run, too.
  defp derive([], _context, _waiting), do: []

  defp derive([group | groups], context, waiting) do
    {origin, waiting} = origin(group.message, waiting)

    own =
      for %{to: to, message: message} <- sent(group),
          to in context.own_names or to == context.pid,
          do: {message, group.seq}

    [%{group | origin: origin} | derive(groups, context, waiting ++ own)]
  end

  defp origin(message, waiting) do
    case List.keytake(waiting, message, 0) do
      {{_, seq}, waiting} -> {seq, waiting}
      nil -> {nil, waiting}
    end
  end

  defp sent(group), do: for(%{sends: sends} when is_list(sends) <- group.recorded, send <- sends, do: send)

  # What waited when the recorded process ended by itself would have come next.
  defp waiting(rec, process, nil, %{sends?: true}, %{result: result, moment: %{seq: seq, at_ns: ns} = moment})
       when result != :ok do
    for message <- BeamScope.mailbox(rec, process, moment),
        do: Group.new(message, from: :unknown, seq: seq, began: seq, began_ns: ns, done_ns: ns)
  end

  defp waiting(_rec, _process, _stop, _context, _last), do: []
end
