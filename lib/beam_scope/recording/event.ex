defmodule BeamScope.Event do
  @moduledoc """
  Something that happened to a process.

  Every event has `moment`, `at_ns` (nanoseconds since the start), `kind`, and whom it happened to: `track`, `pid`, `name`.
  `lost_before` counts the events of this process that were lost between its previous event and this one; `flags` holds
  `:truncated` or `:redacted` where a term of the event was; `partner` is the number (`moment.seq`) of the other end of a
  message, where both ends were seen. The rest depends on the kind, and is `nil` elsewhere:

  | kind | fields |
  |---|---|
  | `:send`, `:send_to_dead`, `:receive` | `from`, `from_track`, `from_name`, `to`, `to_track`, `to_name`, `message`, `label`, `content` |
  | `:spawn`, `:spawned` | `child` or `parent`, `mfa` |
  | `:exit` | `reason` |
  | `:link`, `:unlink`, `:getting_linked`, `:getting_unlinked` | `other` |
  | `:register`, `:unregister` | `registered` |
  | `:call`, `:return`, `:exception` | `mfa` (arguments for a call, arity else), `value`, `class`, `reason` |
  | `:state` | `point`, `message`, `before`, `after`, `handler`, and the process's `module` |
  | `:note`, `:baseline` | `text`, `detail` |
  | `:system` | `what` (`:sample`, `:long_gc`, …), `detail`; it happened to no process, so `pid` is `nil`: see `BeamScope.system/2` |
  | `:gc` | `what` (`:gc_minor_start`, …), `detail`: sizes in words |
  | `:running` | `what` (`:in` or `:out`), `mfa`: where in its code, or 0 |
  | `:line` | a place in instrumented code (`lines:`): `mfa`, `line`, `variables`: what each holds, `[{name, value}]`; `what`, the number of the place, and `value`, the list of values, as they were recorded |
  | `:mark` | a place that `BeamScope.line/1` marks: `mfa`, `line`, `label`, `variables`, `value` |

  With `stack: true` calls, lines and marks have `stack`: `[{module, function, arity, [file: path, line: n]}]`, the innermost first.

  `label` tells `:call`, `:cast`, `:reply`, `:info`, `:exit`, `:down`, `:system` and `:io` messages apart and `content` is
  what such a message carries: see `classify/1`.
  """

  alias BeamScope.{Event, Moment}

  defstruct [
    :moment,
    :at_ns,
    :kind,
    :track,
    :pid,
    :name,
    :partner,
    :from,
    :from_track,
    :from_name,
    :to,
    :to_track,
    :to_name,
    :message,
    :label,
    :content,
    :child,
    :parent,
    :mfa,
    :value,
    :class,
    :reason,
    :other,
    :registered,
    :point,
    :before,
    :after,
    :module,
    :handler,
    :text,
    :what,
    :detail,
    :line,
    :variables,
    :stack,
    lost_before: 0,
    flags: []
  ]

  @type label :: :call | :cast | :reply | :info | :exit | :down | :system | :io
  @type t :: %Event{
          moment: Moment.t(),
          at_ns: non_neg_integer,
          kind: atom,
          track: non_neg_integer,
          pid: pid,
          label: label | term | nil,
          content: term,
          line: pos_integer | nil,
          variables: [{atom, term}] | nil,
          stack: [{module, atom, arity, keyword}] | nil
        }

  @messages [:send, :send_to_dead, :receive]

  @doc false
  @spec from_native(map) :: t
  def from_native(map) do
    event = Kernel.struct(Event, map)
    kind_fields(%{event | moment: %Moment{seq: map.seq, at_ns: map.at_ns}}, map)
  end

  defp kind_fields(%Event{kind: kind} = event, _map) when kind in @messages do
    {label, content} = classify(event.message)
    ends(%{event | label: label, content: content})
  end

  defp kind_fields(%Event{kind: kind} = event, map) when kind in [:register, :unregister],
    do: %{event | registered: Map.get(map, :registered, map[:name])}

  defp kind_fields(%Event{kind: :mark, what: site} = event, _map), do: stacked(marked(event, site))
  defp kind_fields(%Event{kind: kind} = event, _map) when kind in [:line, :call], do: stacked(event)
  defp kind_fields(event, _map), do: event

  defp marked(event, site) when is_tuple(site) and tuple_size(site) > 0 do
    [place | names] = Tuple.to_list(site)

    case place do
      {module, function, arity, line, label} ->
        placed(%{event | mfa: {module, function, arity}, line: line, label: label, what: nil}, names)

      _cut ->
        event
    end
  end

  defp marked(event, _cut), do: event

  # A label that was computed is the first of the values.
  defp placed(%Event{label: label} = event, names) do
    case {label == BeamScope.Line.Spot.computed(), variables(names, event.value)} do
      {true, [{:label, label} | variables]} -> %{event | label: label, variables: variables}
      {_, variables} -> %{event | variables: variables}
    end
  end

  @doc false
  @spec variables([atom], term) :: [{atom, term}] | nil
  def variables(names, values) when is_list(values) and length(names) == length(values),
    do: Enum.zip(names, values)

  def variables(_names, _cut), do: nil

  defp stacked(%Event{stack: nil} = event), do: event
  defp stacked(event), do: %{event | stack: event.stack |> frames() |> Enum.reject(&probe?/1)}

  # Before OTP 26 the caller alone, in a form of its own.
  defp frames({module, function, arity, {file, line}}),
    do: [{module, function, arity, [file: file, line: line]}]

  defp frames(frames) when is_list(frames), do: frames
  defp frames(_none), do: []

  defp probe?({module, _, _, _}), do: module == BeamScope.Line
  defp probe?(_other), do: false

  # Both ends of a message are filled in, whichever of them this event happened to.
  defp ends(%Event{kind: :receive} = e), do: %{e | to: e.pid, to_track: e.track, to_name: e.name}
  defp ends(e), do: %{e | from: e.pid, from_track: e.track, from_name: e.name}

  @doc """
  What kind of message a term is, by its shape, and what it carries.

      iex> BeamScope.Event.classify({:"$gen_call", {self(), make_ref()}, {:echo, "hi"}})
      {:call, {:echo, "hi"}}
      iex> BeamScope.Event.classify({:"$gen_cast", :reset})
      {:cast, :reset}
      iex> BeamScope.Event.classify({make_ref(), 3})
      {:reply, 3}
      iex> BeamScope.Event.classify(:tick)
      {:info, :tick}
  """
  @spec classify(term) :: {label, term}
  def classify({:"$gen_call", {_from, _tag}, content}), do: {:call, content}
  def classify({:"$gen_cast", content}), do: {:cast, content}
  def classify({:DOWN, ref, _type, object, reason}) when is_reference(ref), do: {:down, {object, reason}}
  def classify({:DOWN, %BeamScope.Opaque{kind: :reference}, _, object, reason}), do: {:down, {object, reason}}
  def classify({:EXIT, from, reason}), do: {:exit, {from, reason}}
  def classify({:system, {_from, _tag}, content}), do: {:system, content}
  def classify({:io_request, _from, _ref, content}), do: {:io, content}
  def classify({:io_reply, _ref, content}), do: {:io, content}
  def classify({:notify, content}), do: {:cast, content}

  # gen_event labels its calls with a pid or module; the tag of a call is a reference or an alias.
  def classify({label, {from, tag}, content} = message)
      when (is_pid(label) or is_atom(label)) and is_pid(from) do
    if tag?(tag), do: {:call, content}, else: {:info, message}
  end

  def classify({tag, content} = message), do: if(tag?(tag), do: {:reply, content}, else: {:info, message})
  def classify(message), do: {:info, message}

  @doc """
  The tag that a call carries and its reply answers, or `nil`.

      iex> ref = make_ref()
      iex> BeamScope.Event.tag({:"$gen_call", {self(), [:alias | ref]}, :get}) == BeamScope.Event.tag({[:alias | ref], 3})
      true
  """
  @spec tag(term) :: reference | nil
  def tag({_label, {from, tag}, _content}) when is_pid(from), do: reference(tag)
  def tag({tag, _content}), do: reference(tag)
  def tag(_message), do: nil

  defp tag?(tag), do: reference(tag) != nil

  defp reference(ref) when is_reference(ref), do: ref
  defp reference([:alias | ref]) when is_reference(ref), do: ref
  defp reference([[:alias | ref] | _]) when is_reference(ref), do: ref
  defp reference(%BeamScope.Opaque{kind: :reference} = ref), do: ref
  defp reference([:alias | %BeamScope.Opaque{kind: :reference} = ref]), do: ref
  defp reference(_), do: nil
end

defimpl Inspect, for: BeamScope.Event do
  alias BeamScope.Terminal.{Events, Style}

  def inspect(event, opts),
    do: Style.to_doc([Events.line(event)], opts |> Style.from_inspect() |> Style.nested())
end
