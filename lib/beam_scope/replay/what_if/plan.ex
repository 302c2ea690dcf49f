defmodule BeamScope.Replay.WhatIf.Plan do
  @moduledoc """
  What the recording has to say: the state at the cursor, and what was handled from there on, in *groups*: a message with the continue
  steps that followed it.

  A group is a map of `kind`, `message` (as recorded), `run` (what the edited life gets), `edit` (`nil`, `:skipped`, `:replaced`, `:inserted`),
  `seq`, `began`, `began_ns`, `done_ns`, `derived?` (the process sent it itself, in a step that is run, too) and `recorded`: an outcome for the message and one
  for each continue step, `%{state:, reply:, sends:, result:, message:, kind:, moment:, answers:}`.
  """

  alias BeamScope.{Error, Event, Moment, Recording.Query, Replay, Terminal, Unknown}
  alias BeamScope.Replay.WhatIf.Edit

  # The runtime's own errands (loading code, logging) depend on what was loaded and logged before, not on the messages.
  @errands [
    :code_server,
    :logger,
    Logger,
    :logger_proxy,
    :logger_std_h_default,
    :error_logger,
    :standard_error
  ]

  @doc "The plan, or why there is none."
  @spec read(Replay.t(), BeamScope.selector(), pos_integer) :: {:ok, map} | {:error, Error.t()}
  def read(%Replay{recording: rec, moment: moment}, selector, limit) do
    with {:ok, process} <- process(rec, selector, moment),
         :ok <- gen_server(process),
         {:ok, state} <- state(rec, process, moment),
         {:ok, transitions} <- transitions(rec, process, moment, limit + 1) do
      {run, stop} = runnable(transitions, limit)
      context = context(rec, process)
      seen = seen(rec, process, run)

      plan = %{
        process: process,
        module: callbacks(process, run),
        state: state,
        groups: groups(run, seen, context)
      }

      {:ok, plan |> Map.merge(context) |> Map.put(:stop, stop) |> waiting(rec, run)}
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
      {[first | _], _} -> {run, why_not(first)}
      {[], [_ | _]} -> {run, "there are more messages than limit: #{limit}, which were not run"}
      {[], []} -> {run, nil}
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
    # Sends are recorded with states at this level alone.
    sends? = BeamScope.info(rec).level == :full

    %{
      sends?: sends?,
      pid: process.pid,
      names: names(processes, process),
      own_names: Enum.filter(process.names, &is_atom/1)
    }
  end

  # Not those that bore its name before it did, or after it: whoever sends to that name means this one.
  defp names(processes, %{pid: own, names: own_names}) do
    for %{pid: pid, name: name} <- processes,
        is_atom(name) and name != nil,
        pid == own or name not in own_names,
        into: %{},
        do: {pid, name}
  end

  defp seen(_rec, _process, []), do: []

  defp seen(rec, process, [first | _] = run) do
    range = [since: first.began, until: until(List.last(run), process), limit: :infinity]

    case Query.events(rec, [process: process, kind: [:send, :send_to_dead, :receive]] ++ range) do
      {:ok, events} -> Enum.to_list(events)
      {:error, error} -> raise(error)
    end
  end

  # One that stops replies, and is done with `terminate/2`, after its last state was seen.
  defp until(%{result: :ok, moment: moment}, _process), do: moment
  defp until(_last, %{exited_at: nil}), do: :end
  defp until(_last, %{exited_at: moment}), do: moment

  @doc "Whom a message went to, as it is compared and shown: a name where there is one."
  @spec to(term, map) :: term
  def to(to, names), do: Map.get(names, to, to)

  @doc "Whether what was sent there is no errand of the runtime."
  @spec told?(term) :: boolean
  def told?(to), do: to not in @errands

  # ---- groups ----

  defp groups(run, events, context) do
    run
    |> Enum.reduce({[], events}, fn transition, {groups, events} ->
      {mine, events} = take(transition, events)
      {add(groups, transition, recorded(transition, mine, context)), events}
    end)
    |> elem(0)
    |> Enum.reverse()
    |> derive(context, [])
  end

  # Those of one transition; events and transitions are both in order. All that is left is the last one's.
  defp take(%{began: began, moment: moment, result: result}, events) do
    events
    |> Enum.drop_while(&(&1.moment.seq <= began.seq))
    |> Enum.split_while(&(result != :ok or &1.moment.seq <= moment.seq))
  end

  defp add([group | groups], %{kind: :continue} = t, outcome),
    do: [%{group | recorded: group.recorded ++ [outcome], done_ns: t.moment.at_ns} | groups]

  defp add(groups, t, outcome) do
    [
      %{
        kind: t.kind,
        message: t.message,
        run: t.message,
        edit: nil,
        derived?: false,
        seq: t.moment.seq,
        began: t.began.seq,
        began_ns: t.began.at_ns,
        done_ns: t.moment.at_ns,
        recorded: [outcome]
      }
      | groups
    ]
  end

  defp recorded(t, events, %{sends?: sends?} = context) do
    {reply, sends} = t.message |> tag() |> replied(Enum.filter(events, &(&1.kind != :receive)))
    sends = if failed?(t.result), do: Enum.filter(sends, &(&1.moment.seq <= t.moment.seq)), else: sends

    %{
      state: t.to,
      result: t.result,
      reply: if(sends?, do: reply, else: :unknown),
      sends: if(sends?, do: sends(sends, context), else: :unknown),
      message: t.message,
      kind: t.kind,
      moment: t.moment,
      answers: answers(events)
    }
  end

  @doc """
  Whether a process that ends so is logged: what handlers of logs send then is not to be told from what `terminate/2` does, and none of
  it is compared.
  """
  @spec failed?(term) :: boolean
  def failed?(:ok), do: false
  def failed?({:stop, reason}) when reason in [:normal, :shutdown], do: false
  def failed?({:stop, {:shutdown, _}}), do: false
  def failed?(_result), do: true

  defp sends(events, context) do
    for %{to: to, to_name: name, message: message} <- events,
        to = name || to(to, context.names),
        told?(to),
        do: %{to: to, message: message}
  end

  defp tag({:"$gen_call", {_pid, tag}, _}), do: tag
  defp tag(_message), do: nil

  defp replied(nil, sends), do: {nil, sends}

  defp replied(tag, sends) do
    {replies, others} = Enum.split_with(sends, &match?({^tag, _}, &1.message))
    reply = for %{message: {_, reply}} <- replies, do: {:ok, reply}
    {List.first(reply), others}
  end

  # The calls of this step that were answered in it: whom, what, and with what.
  defp answers(events) do
    for %Event{kind: :send, message: {:"$gen_call", {_, tag}, request}} = call <- events,
        %Event{kind: :receive, message: {^tag, reply}} <- events,
        do: {call.to, request, reply}
  end

  # What the process sent itself comes of the steps before it, if those are run, too.
  defp derive([], _context, _waiting), do: []

  defp derive([group | groups], context, waiting) do
    derived? = group.message in waiting

    own =
      for %{to: to, message: message} <- sent(group),
          to in context.own_names or own?(to, context),
          do: message

    waiting = (waiting -- [group.message]) ++ own
    [%{group | derived?: derived?} | derive(groups, context, waiting)]
  end

  defp sent(group), do: for(%{sends: sends} when is_list(sends) <- group.recorded, send <- sends, do: send)

  defp own?(to, context), do: to == context.pid

  # What waited when the recorded process ended by itself would have come next.
  defp waiting(%{stop: nil, sends?: true} = plan, rec, [_ | _] = run) do
    last = List.last(run)

    if last.result == :ok,
      do: plan,
      else: %{
        plan
        | groups:
            plan.groups ++ for(message <- left(rec, plan.process, last.moment), do: unhandled(message, last))
      }
  end

  defp waiting(plan, _rec, _run), do: plan

  defp left(rec, process, moment), do: rec |> BeamScope.mailbox(process, moment) |> Enum.to_list()

  defp unhandled(message, last) do
    %{kind: Edit.kind(message), message: message, run: message, edit: nil, derived?: false, recorded: []}
    |> Map.merge(%{
      seq: last.moment.seq,
      began: last.moment.seq,
      began_ns: last.moment.at_ns,
      done_ns: last.moment.at_ns
    })
  end
end
