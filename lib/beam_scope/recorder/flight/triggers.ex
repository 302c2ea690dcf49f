defmodule BeamScope.Recorder.Flight.Triggers do
  @moduledoc """
  What freezes a flight recorder by itself: the entries of `freeze_on:`.

  What triggers is told as `{kind, text}`: `kind` becomes part of the file's name, `text` of the line in the log. Terms in the text come out of
  the recording, so what is redacted there is redacted here.
  """

  alias BeamScope.{Error, Event, Native, Pattern}
  alias BeamScope.Recorder.Facts
  alias BeamScope.Recorder.Flight.{Latencies, Mailboxes}
  alias BeamScope.Recording.Query
  alias BeamScope.Terminal.Term

  @batch 1_000
  # A function without arguments is asked at every so-manieth poll.
  @ask_every 3
  @width 120

  @type trigger :: term
  @type found :: {atom, String.t()}
  @type t :: %{
          lives: [map],
          exits: [term],
          names: %{pid => atom},
          mailboxes: Mailboxes.t() | nil,
          functions: [(() -> term)],
          telemetry: [term],
          polls: non_neg_integer
        }

  @doc "Whether something can be an entry of `freeze_on:`."
  @spec valid?(term) :: boolean
  def valid?(:crash), do: true
  def valid?({:exit, _pattern}), do: true
  def valid?({:state, _process, _pattern}), do: true
  def valid?({:message, _pattern}), do: true

  def valid?({:latency, {m, f, a}, ms}),
    do: is_atom(m) and is_atom(f) and (a == :_ or is_integer(a)) and is_integer(ms) and ms > 0

  def valid?({:mailbox, n}), do: is_integer(n) and n > 0
  def valid?({:telemetry, [_ | _] = event}), do: Enum.all?(event, &is_atom/1)
  def valid?(fun), do: is_function(fun, 0) or is_function(fun, 1)

  @doc "What `valid?/1` accepts, in words."
  @spec expected() :: String.t()
  def expected,
    do:
      ":crash, {:exit, pattern}, {:state, process, pattern}, {:message, pattern}, {:latency, {m, f, a}, ms}, {:mailbox, n}, " <>
        "{:telemetry, event} or a function of none or one argument"

  @doc "The functions that have to be recorded for them."
  @spec calls([trigger]) :: [mfa]
  def calls(triggers), do: for({:latency, mfa, _ms} <- triggers, do: mfa)

  @doc "Opens them: standing queries, handlers."
  @spec open([trigger], map) :: {:ok, t} | {:error, Error.t()}
  def open(triggers, %{data: data, members: members}) do
    start = %{
      lives: [],
      exits: for(trigger <- triggers, trigger == :crash or match?({:exit, _}, trigger), do: trigger),
      names: Map.new(members, &{&1, Facts.name(&1)}),
      mailboxes: Mailboxes.new(for({:mailbox, n} <- triggers, do: n)),
      functions: Enum.filter(triggers, &is_function(&1, 0)),
      telemetry: [],
      polls: 0
    }

    Enum.reduce_while(triggers, {:ok, start}, fn trigger, {:ok, opened} ->
      case open_one(trigger, data, opened) do
        {:ok, opened} ->
          {:cont, {:ok, opened}}

        {:error, error} ->
          close(opened)
          {:halt, {:error, error}}
      end
    end)
  end

  defp open_one({:telemetry, event}, _data, opened) do
    id = {__MODULE__, self(), event}

    with true <- Code.ensure_loaded?(:telemetry),
         :ok <- apply(:telemetry, :attach, [id, event, &__MODULE__.telemetry/4, %{to: self(), id: id}]) do
      {:ok, %{opened | telemetry: [id | opened.telemetry]}}
    else
      _ -> {:error, Error.new(:no_telemetry, event)}
    end
  end

  defp open_one({:state, process, pattern} = trigger, data, opened),
    do: live(trigger, data, opened, kind: :state, process: process, match: pattern)

  defp open_one({:message, pattern} = trigger, data, opened),
    do: live(trigger, data, opened, kind: [:send, :send_to_dead, :receive, :state], match: pattern)

  defp open_one({:latency, mfa, ms}, data, opened),
    do: live(Latencies.new(mfa, ms), data, opened, kind: [:call, :return, :exception], call: mfa)

  defp open_one(fun, data, opened) when is_function(fun, 1), do: live(fun, data, opened, [])
  defp open_one(_other, _data, opened), do: {:ok, opened}

  defp live(trigger, data, opened, filters) do
    with {:ok, query} <- Query.build(filters, [:kind, :process, :match, :call]),
         {:ok, live} <- Native.live_open(data, query) do
      {:ok, %{opened | lives: opened.lives ++ [%{trigger: trigger, live: live}]}}
    else
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, Error.from_native(reason)}
    end
  end

  @doc "Closes them."
  @spec close(t) :: :ok
  def close(%{telemetry: ids}), do: Enum.each(ids, &apply(:telemetry, :detach, [&1]))

  @doc false
  # Runs in whoever executes the event. A handler whose process was killed takes itself away.
  def telemetry(event, _measurements, _metadata, %{to: to, id: id}) do
    if Process.alive?(to), do: send(to, {:telemetry, event}), else: apply(:telemetry, :detach, [id])
  end

  # Lifecycle

  @doc "What an event triggers that somebody told of."
  @spec happened(t, term) :: {[found], t}
  def happened(state, {:exited, pid, reason}) do
    {name, names} = Map.pop(state.names, pid)
    who = Term.text(name || pid, 60)
    found = for trigger <- state.exits, exit?(trigger, reason), do: exited(trigger, who, reason)
    {found, %{state | names: names, mailboxes: Mailboxes.leave(state.mailboxes, pid)}}
  end

  def happened(state, {:spawned, _parent, pid, _mfa}),
    do: {[], %{state | names: Map.put_new(state.names, pid, nil)}}

  def happened(state, {:registered, pid, name}), do: {[], put_in(state.names[pid], name)}
  def happened(state, {:telemetry, event}), do: {[{:telemetry, "telemetry event #{inspect(event)}"}], state}
  def happened(state, _other), do: {[], state}

  defp exit?(:crash, reason), do: reason not in [:normal, :shutdown] and not match?({:shutdown, _}, reason)
  defp exit?({:exit, pattern}, reason), do: matches?(pattern, reason)

  defp exited(:crash, who, reason), do: {:crash, "#{who} crashed with #{Term.text(reason, @width)}"}
  defp exited(_exit, who, reason), do: {:exit, "#{who} ended with #{Term.text(reason, @width)}"}

  defp matches?(pattern, term), do: match?({:match, _}, Pattern.match(pattern, term))

  # Polls

  @doc "Whether any of them has to be asked: of what happens to processes the recorder tells."
  @spec polls?(t) :: boolean
  def polls?(state), do: state.lives != [] or state.mailboxes != nil or state.functions != []

  @doc "What has triggered since it was asked last."
  @spec poll(t) :: {[found], t}
  def poll(state) do
    {found, lives} = Enum.map_reduce(state.lives, [], &poll_live/2)
    {full, mailboxes} = Mailboxes.poll(state.mailboxes, Map.keys(state.names))

    full =
      for {pid, n} <- full, do: {:mailbox, "#{n} messages wait for #{Term.text(state.names[pid] || pid, 60)}"}

    {asked, functions} = ask(state.functions, rem(state.polls, @ask_every))
    found = Enum.concat(found) ++ full ++ asked

    {found,
     %{
       state
       | lives: Enum.reverse(lives),
         mailboxes: mailboxes,
         functions: functions,
         polls: state.polls + 1
     }}
  end

  defp poll_live(%{live: live, trigger: trigger} = one, lives) do
    {found, trigger} = read(live, trigger, [])
    {late, trigger} = if is_struct(trigger, Latencies), do: Latencies.late(trigger), else: {[], trigger}
    {found ++ late, if(trigger == :failed, do: lives, else: [%{one | trigger: trigger} | lives])}
  end

  # Bounded: what more there is comes with the next poll.
  defp read(live, trigger, found) do
    case Native.live_poll(live, @batch, true) do
      {:ok, %{events: events}} ->
        {new, trigger} = Enum.map_reduce(events, trigger, &event(&2, Event.from_native(&1)))
        {found ++ Enum.concat(new), trigger}

      {:error, _closed} ->
        {found, trigger}
    end
  end

  defp event({:state, _process, pattern} = trigger, event) do
    states = for state <- [event.after, event.before], state != nil, do: state
    came = Enum.any?(states, &matches?(pattern, &1))
    {if(came, do: [{:state, "#{who(event)} came to a state that matches"}], else: []), trigger}
  end

  defp event({:message, pattern} = trigger, event) do
    came = event.kind != :state or (event.message != nil and matches?(pattern, event.message))
    text = "#{who(event)} #{did(event.kind)} #{Term.text(event.message, @width)}"
    {if(came, do: [{:message, text}], else: []), trigger}
  end

  defp event(%Latencies{} = latencies, event), do: Latencies.event(latencies, event)

  defp event(fun, event) when is_function(fun, 1) do
    case call(fn -> fun.(event) end) do
      {:ok, nothing} when nothing in [nil, false] -> {[], fun}
      {:ok, answer} -> {[{:function, said(answer)}], fun}
      {:error, text} -> {[{:function, text}], :failed}
    end
  end

  defp event(:failed, _event), do: {[], :failed}

  defp who(event), do: Term.text(event.name || event.pid, 60)

  defp did(kind) when kind in [:send, :send_to_dead], do: "sent"
  defp did(:receive), do: "received"
  defp did(:state), do: "handles"

  defp ask(functions, 0) do
    answers = for fun <- functions, do: {fun, call(fun)}
    failed = for {fun, {:error, _}} <- answers, do: fun

    found =
      for {_fun, answer} <- answers, answer not in [{:ok, nil}, {:ok, false}] do
        case answer do
          {:ok, answer} -> {:function, said(answer)}
          {:error, text} -> {:function, text}
        end
      end

    {found, functions -- failed}
  end

  defp ask(functions, _other_polls), do: {[], functions}

  defp said(answer) when is_binary(answer), do: Term.text(answer, @width)
  defp said(answer), do: "a function of freeze_on: answered #{Term.text(answer, 60)}"

  # It is the user's, and must not end the flight recorder. One that fails is asked no more.
  defp call(fun) do
    {:ok, fun.()}
  rescue
    error -> {:error, "a function of freeze_on: failed and is not asked again: #{inspect(error.__struct__)}"}
  catch
    kind, _reason -> {:error, "a function of freeze_on: failed and is not asked again: #{kind}"}
  end
end
