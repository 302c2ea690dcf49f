defmodule BeamScope.Lines.Runs do
  @moduledoc """
  From the lines of one process, in order, to the runs of functions they belong to.

  A line tells its place and nothing of the run. So a stack of open runs is kept, as the process has one: the first line of a function
  opens a run, and any other belongs to the innermost run that can be there next (`BeamScope.Lines.Order`); what was above it is over.
  Who called a run is the innermost one whose line has such a call left. One thing cannot be told: which of two nested runs of one
  function catches an exception, when both could.
  """

  alias BeamScope.Lines.{Order, Run, Step}

  defmodule Open do
    @moduledoc false
    # `calls`: what its line may still call.
    defstruct [:run, :path, :site, calls: [], tail: false]
  end

  @doc """
  The runs of one process, in the order in which they began. `tables` answers what is known of a place by its number; events are the
  process's `:line`, `:call`, `:return`, `:exception` and `:exit` events.
  """
  @spec of([BeamScope.Event.t()], [map]) :: [Run.t()]
  def of(events, tables) do
    state = %{stack: [], done: [], count: 0, tables: tables, first: first_lines(tables)}
    state = Enum.reduce(events, state, &event/2)

    state.stack
    |> Enum.map(& &1.run)
    |> Enum.concat(state.done)
    |> Enum.sort_by(& &1.number)
    |> Enum.map(&%{&1 | steps: &1.steps |> Enum.reverse() |> numbered()})
  end

  # A name that is bound again is another variable of the forms.
  defp numbered(steps) do
    {steps, _seen} =
      Enum.map_reduce(steps, %{}, fn step, seen ->
        {bindings, seen} = Enum.map_reduce(step.bindings, seen, &nth/2)
        {%{step | bindings: bindings}, seen}
      end)

    steps
  end

  defp nth(%{name: name, form: form} = binding, seen) do
    forms = Map.get(seen, name, [])
    forms = if form in forms, do: forms, else: forms ++ [form]
    {%{binding | nth: Enum.find_index(forms, &(&1 == form)) + 1}, Map.put(seen, name, forms)}
  end

  defp event(%{kind: :line} = event, state) do
    case place(event.what, state.tables) do
      {table, site} -> event |> lost(state) |> line(event, table, site)
      nil -> state
    end
  end

  defp event(%{kind: :return, mfa: mfa, value: value}, state), do: finish(state, mfa, {:returned, value})

  defp event(%{kind: :exception, mfa: mfa} = event, state),
    do: finish(state, mfa, {:exception, event.class, event.reason})

  defp event(%{kind: :exit, reason: reason}, state), do: exit(state, reason)
  defp event(_event, state), do: state

  defp place(id, tables) do
    Enum.find_value(tables, fn table ->
      case table.sites do
        %{^id => site} -> {table, site}
        _ -> nil
      end
    end)
  end

  defp lost(%{lost_before: 0}, state), do: state

  defp lost(%{lost_before: n}, state),
    do: %{state | stack: Enum.map(state.stack, &put_in(&1.run.lost, &1.run.lost + n))}

  # Lines

  defp line(state, event, _table, %{more: true} = site) do
    case state.stack do
      [top | rest] -> %{state | stack: [%{top | run: more(top.run, bindings(site, event))} | rest]}
      [] -> state
    end
  end

  defp line(state, event, table, site) do
    if entry?(site, table, state.first) do
      {parent, stack, done} = caller(state.stack, site.function, table.module, [])
      open(%{state | stack: stack, done: done ++ state.done}, parent, event, table, site, true)
    else
      go_on(state, event, table, site)
    end
  end

  # Where the beginning of a body was made by a macro, its first line is a later one.
  defp entry?(%{path: [{body, index}]}, table, first), do: index == first[{table.first_id, body}]
  defp entry?(_site, _table, _first), do: false

  defp first_lines(tables) do
    for table <- tables, {_, %{path: [{body, index}]}} <- table.sites, reduce: %{} do
      first -> Map.update(first, {table.first_id, body}, index, &min(&1, index))
    end
  end

  # Whose line has such a call left. Runs above it that cannot have called it are over: those with nothing left to do in peace.
  defp caller([], _function, _module, over), do: {nil, [], over}

  defp caller([top | rest], function, module, over) do
    case left(top, function, module) do
      {:tail, _calls} ->
        {parent(rest), rest, [top.run | over]}

      {:inside, calls} ->
        {top, [%{top | calls: calls} | rest], over}

      :none ->
        caller(rest, function, module, [over(top) | over])
    end
  end

  defp parent([]), do: nil
  defp parent([top | _]), do: top

  defp left(top, function, module) do
    same? = module == elem(top.run.function, 0)

    cond do
      same? and function in top.calls -> {how(top), List.delete(top.calls, function)}
      :any in top.calls -> {how(top), top.calls}
      true -> :none
    end
  end

  # Nothing of it comes after a call in the tail.
  defp how(%{tail: true, run: run, path: path}),
    do: if(Order.last?(path, run.table.bodies), do: :tail, else: :inside)

  defp how(_open), do: :inside

  defp over(%{run: %{ended: nil} = run, path: path}) do
    if Order.last?(path, run.table.bodies), do: run, else: %{run | ended: :left}
  end

  defp over(%{run: run}), do: run

  defp go_on(state, event, table, site) do
    case split(state.stack, table, site, []) do
      {over, top, rest} ->
        top = %{at(top, site) | run: step(top.run, event, site)}
        %{state | stack: [top | rest], done: over ++ state.done}

      nil ->
        open(state, parent(state.stack), event, table, site, false)
    end
  end

  defp split([], _table, _site, _over), do: nil

  defp split([top | rest], table, site, over) do
    if there?(top, table, site), do: {over, top, rest}, else: split(rest, table, site, [over(top) | over])
  end

  defp there?(%{run: run, path: path}, table, site) do
    {name, arity} = site.function

    run.function == {table.module, name, arity} and run.clause == site.clause and
      run.table.first_id == table.first_id and Order.next?(path, site.path, table.bodies)
  end

  defp open(state, parent, event, table, site, entered?) do
    {name, arity} = site.function

    run = %Run{
      number: state.count + 1,
      function: {table.module, name, arity},
      clause: site.clause,
      moment: event.moment,
      at_ns: event.at_ns,
      track: event.track,
      pid: event.pid,
      name: event.name,
      parent: parent && parent.run.number,
      depth: if(parent, do: parent.run.depth + 1, else: 0),
      entered: entered?,
      table: table
    }

    opened = at(%Open{run: step(run, event, site)}, site)
    %{state | stack: [opened | state.stack], count: state.count + 1}
  end

  defp at(open, site), do: %{open | path: site.path, site: site, calls: site.calls, tail: site.tail}

  defp step(run, event, site) do
    bindings = bindings(site, event)

    step = %Step{
      moment: event.moment,
      at_ns: event.at_ns,
      line: site.line,
      exact: site.exact,
      site: event.what,
      stack: Map.get(event, :stack),
      bindings: Enum.filter(bindings, & &1.name),
      values: for(%{name: name, value: value} when name != nil <- bindings, do: {name, value}),
      subject: bindings
    }

    %{run | steps: [step | run.steps]}
  end

  defp more(%{steps: [step | before]} = run, bindings) do
    named = Enum.filter(bindings, & &1.name)

    step = %{
      step
      | bindings: step.bindings ++ named,
        subject: step.subject ++ bindings,
        values: step.values ++ for(%{name: name, value: value} <- named, do: {name, value})
    }

    %{run | steps: [step | before]}
  end

  defp bindings(site, event) do
    for {{form, name, nth, line}, value} <- Enum.zip(site.variables, event.value || []),
        do: %{form: form, name: name, nth: nth, line: line, value: value}
  end

  # Ends

  defp finish(state, mfa, how) do
    case Enum.split_while(state.stack, &(&1.run.function != mfa)) do
      {_, []} ->
        state

      {above, [top | rest]} ->
        ended = %{top.run | ended: how}
        %{state | stack: rest, done: [ended | Enum.map(above, &over/1)] ++ state.done}
    end
  end

  # The stacktrace says in which runs the process was, the innermost first. Some are over already: those that it left on its way out,
  # when what it ended with ran instrumented code as well (`terminate/2`).
  defp exit(state, {_error, [_ | _] = trace} = reason) do
    {stack, trace} = mark(Enum.map(state.stack, & &1.run), trace, reason)
    {done, _trace} = mark(state.done, trace, reason)
    runs = Enum.zip_with(state.stack, stack, &%{&1 | run: &2})
    %{state | stack: runs, done: done}
  end

  defp exit(state, _reason), do: state

  defp mark(runs, trace, reason) do
    Enum.map_reduce(runs, trace, fn run, trace ->
      case Enum.split_while(trace, &(not here?(&1, run))) do
        {_, [frame | below]} -> {%{run | ended: {:exit, reason, line(frame)}}, below}
        {_, []} -> {run, trace}
      end
    end)
  end

  # On the line that it had come to: an expression may go on over some lines more.
  defp here?(frame, %{ended: ended} = run) when ended in [nil, :left] do
    line = line(frame)
    frame(frame) == run.function and (line == nil or line >= hd(run.steps).line)
  end

  defp here?(_frame, _run), do: false

  defp frame({module, name, arguments, _}) when is_list(arguments), do: {module, name, length(arguments)}
  defp frame({module, name, arity, _}), do: {module, name, arity}
  defp frame(_other), do: nil

  defp line({_, _, _, location}) when is_list(location),
    do: if(Keyword.keyword?(location), do: location[:line])

  defp line(_frame), do: nil
end
