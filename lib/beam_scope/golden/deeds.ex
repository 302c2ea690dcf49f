defmodule BeamScope.Golden.Deeds do
  @moduledoc false
  # What a process did, and what came to one whose handling of it is not seen.

  alias BeamScope.Event
  alias BeamScope.Align.Step
  alias BeamScope.Golden.{Mark, Noise, Parties, Roles, Source}

  @sends [:send, :send_to_dead]

  @doc "The steps of what a process did."
  @spec effects([Event.t()], map) :: [Step.t()]
  def effects(events, at), do: events |> calls([]) |> Enum.flat_map(&effect(&1, at))

  defp effect({:invoke, call, result}, _at),
    do: [%Step{what: :invoke, message: call.mfa, reply: result, seq: call.moment.seq}]

  defp effect(%{kind: kind} = e, at) when kind in @sends do
    if Noise.left_out?(e, at) or at.unordered?, do: [], else: [sent(e, at)]
  end

  defp effect(%{kind: :exit} = e, at), do: exit(e, at)
  defp effect(_event, _at), do: []

  defp sent(%{label: :call} = e, at) do
    tag = Event.tag(e.message)
    # It has become what it is once the answer is there.
    {reply, seq} = Map.get(at.answers, {e.track, tag}, {nil, e.moment.seq})
    racing? = MapSet.member?(at.racing, tag) or Parties.unordered?(e.to, e.to_name, at)
    reply = if racing? and reply, do: {:ok, Mark.new(:any)}, else: reply
    %Step{what: :ask, message: e.content, to: Parties.party(e.to, e.to_name, at), reply: reply, seq: seq}
  end

  defp sent(e, at) do
    what = Map.get(%{cast: :tell, reply: :answer}, e.label, :send)

    %Step{
      what: what,
      message: result(e, at),
      to: e |> receiver(at) |> Parties.party(e.to_name, at),
      seq: e.moment.seq
    }
  end

  defp receiver(%{to: to}, _at) when is_pid(to), do: to

  defp receiver(e, at) do
    at.receivers[e.moment.seq] || (e.label == :reply && at.requests[Event.tag(e.message)]) || e.to
  end

  # A task's result is often an answer that it got: if that is a matter of chance, so is the result.
  defp result(%{content: content} = e, at) do
    life = at.source.tracks[e.track]

    if life != nil and Roles.task?(life.process) and Enum.any?(chances(life, at), &inside?(&1, content)),
      do: Mark.new(:any),
      else: content
  end

  defp chances(%{got: got}, at) do
    for %{label: :reply} = e <- got,
        MapSet.member?(at.racing, Event.tag(e.message)) or Parties.unordered?(e.from, e.from_name, at),
        not is_atom(e.content),
        do: e.content
  end

  defp inside?(part, part), do: true
  defp inside?(part, tuple) when is_tuple(tuple), do: inside?(part, Tuple.to_list(tuple))
  defp inside?(part, [head | tail]), do: inside?(part, head) or inside?(part, tail)
  defp inside?(part, map) when is_map(map), do: map |> Map.values() |> Enum.any?(&inside?(part, &1))
  defp inside?(_part, _term), do: false

  @doc "The step of an end; none for a normal one, which may come after the recording's."
  @spec exit(Event.t(), map) :: [Step.t()]
  def exit(%{reason: reason}, _at) when reason in [:normal, :shutdown], do: []
  def exit(%{reason: {:shutdown, _}}, _at), do: []
  def exit(e, _at), do: [%Step{what: :exit, message: e.reason, seq: e.moment.seq}]

  # Calls with their returns, as they nest.
  defp calls([], done), do: Enum.reverse(done)

  defp calls([%{kind: :call} = call | rest], done) do
    {result, rest} = returned(call, rest, 0, [])
    calls(rest, [{:invoke, call, result} | done])
  end

  defp calls([%{kind: kind} | rest], done) when kind in [:return, :exception], do: calls(rest, done)
  defp calls([event | rest], done), do: calls(rest, [event | done])

  defp returned(_call, [], _depth, seen), do: {nil, Enum.reverse(seen)}

  defp returned(call, [event | rest], depth, seen) do
    cond do
      event.kind == :call and mfa(event) == mfa(call) ->
        returned(call, rest, depth + 1, [event | seen])

      event.kind not in [:return, :exception] or mfa(event) != mfa(call) ->
        returned(call, rest, depth, [event | seen])

      depth > 0 ->
        returned(call, rest, depth - 1, [event | seen])

      true ->
        {outcome(event), Enum.reverse(seen, rest)}
    end
  end

  defp outcome(%{kind: :return, value: value}), do: {:ok, value}
  defp outcome(%{class: class, reason: reason}), do: {:error, {class, reason}}

  defp mfa(%{mfa: {m, f, args}}) when is_list(args), do: {m, f, length(args)}
  defp mfa(%{mfa: mfa}), do: mfa

  # ---- what came to a process whose handling is not seen ----

  @doc "The steps of what came to a process: none where its handling is seen."
  @spec arrivals(Source.life(), map) :: [Step.t()]
  def arrivals(%{server?: true, units: [%{acts: [_ | _]} | _]}, _at), do: []
  def arrivals(_life, %{unordered?: true}), do: []

  def arrivals(%{got: got}, at) do
    steps =
      for e <- got, not Noise.left_out?(e, at), not answer?(e, at) do
        %Step{
          what: :got,
          message: came(e, at),
          from: Parties.party(e.from, e.from_name, at),
          seq: e.moment.seq
        }
      end

    senders = steps |> Enum.map(& &1.from) |> Enum.uniq()
    order = if length(senders) > 1, do: :any
    # Stable: what one sender sent stays in its order.
    steps |> Enum.sort_by(&Parties.order(&1.from, at)) |> Enum.map(&%{&1 | order: order})
  end

  defp came(e, at) do
    cond do
      Parties.unordered?(e.from, e.from_name, at) -> Mark.new(:any)
      sender = at.roles.by_pid[e.from] && e.from_track -> result(%{e | track: sender}, at)
      true -> e.content
    end
  end

  # Answers stand beside the request.
  defp answer?(%{label: :reply, message: message, track: track}, at),
    do:
      Map.has_key?(at.requests, Event.tag(message)) and Map.has_key?(at.answers, {track, Event.tag(message)})

  defp answer?(_event, _at), do: false
end
