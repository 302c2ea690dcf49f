defmodule BeamScope.Export.Words do
  @moduledoc false
  # How exports call things: as BeamScope prints them everywhere, so that nothing truncated or redacted looks whole.

  alias BeamScope.{Event, Moment, Process, Transition}
  alias BeamScope.Export.Source
  alias BeamScope.Terminal.{Events, Processes, Style, Term}

  # Of a term inside a name; tools that show names cut them, too.
  @short 120

  @doc "What to call a process: name or module, and its pid, which tells its lives apart."
  @spec process(Process.t()) :: String.t()
  def process(%Process{name: nil} = process), do: Processes.label(process)
  def process(%Process{pid: pid} = process), do: "#{Processes.label(process)} #{Processes.who(pid)}"

  @doc "The same by its track, which the recording may not know yet."
  @spec track(Source.t(), non_neg_integer) :: String.t()
  def track(%Source{processes: processes}, track) do
    case processes do
      %{^track => process} -> process(process)
      _ -> "track #{track}"
    end
  end

  @doc "A pid as recordings print it."
  @spec pid(term) :: String.t()
  def pid(pid), do: Processes.who(pid)

  @doc "A term in at most `width` columns."
  @spec term(term, pos_integer) :: String.t()
  def term(term, width \\ @short), do: Term.text(term, width)

  @doc "A message: its label and what it carries."
  @spec message(Event.t() | Transition.t()) :: String.t()
  def message(%Event{label: label, message: message, content: content}),
    do: label |> Events.message(message, content) |> plain() |> cut()

  def message(%Transition{kind: kind, message: nil, content: nil}), do: kind |> to_string() |> String.upcase()

  def message(%Transition{kind: kind, content: content}),
    do: "#{kind |> to_string() |> String.upcase()} #{Term.text(content, @short)}"

  @doc "One line for what happened, without who and when."
  @spec event(Event.t()) :: String.t()
  def event(%Event{} = event) do
    [[_moment, _time, _who, what]] = Events.columns([event])
    plain(what)
  end

  @doc "A call's function with its arity."
  @spec function(Event.t()) :: String.t()
  def function(%Event{mfa: mfa}), do: mfa |> arity() |> Events.mfa()

  @doc "A call's arguments."
  @spec arguments(Event.t()) :: String.t() | nil
  def arguments(%Event{kind: :call, mfa: {_m, _f, args}}) when not is_integer(args), do: term(args, 400)
  def arguments(_event), do: nil

  @doc "Module, function and arity; `:_` where arguments were cut so far that their number is not known."
  @spec arity(term) :: {module, atom, arity | :_} | term
  def arity({m, f, args}) when is_list(args), do: {m, f, if(List.improper?(args), do: :_, else: length(args))}
  def arity({m, f, %BeamScope.Truncated{kind: :list, size: n}}) when n > 0, do: {m, f, n}
  def arity({m, f, n}) when is_integer(n), do: {m, f, n}
  def arity({m, f, _cut}), do: {m, f, :_}
  def arity(other), do: other

  @doc "Nanoseconds as microseconds with all their digits, as JSON."
  @spec us(non_neg_integer) :: {:raw, iodata}
  def us(ns) do
    case rem(ns, 1_000) do
      0 ->
        {:raw, Integer.to_string(div(ns, 1_000))}

      rest ->
        {:raw,
         [Integer.to_string(div(ns, 1_000)), ?., rest |> Integer.to_string() |> String.pad_leading(3, "0")]}
    end
  end

  @doc "What a recording is called: by its time, which it has wherever it is loaded."
  @spec title(Source.t()) :: String.t()
  def title(%Source{info: info}) do
    case started(info) do
      0 -> "BeamScope recording"
      ns -> "BeamScope recording of #{ns |> DateTime.from_unix!(:nanosecond) |> DateTime.truncate(:second)}"
    end
  end

  @doc "When a recording began, in nanoseconds since 1970; 0 where that is not known."
  @spec started(BeamScope.Info.t()) :: non_neg_integer
  def started(%{extra: extra}), do: Map.get(extra, :started_at_unix_ns) || 0

  @doc "The number of a moment."
  @spec seq(%{:moment => Moment.t(), optional(any) => any}) :: non_neg_integer
  def seq(%{moment: %Moment{seq: seq}}), do: seq

  defp cut(text), do: [text] |> Style.fit(@short) |> hd()

  defp plain(line) do
    Enum.map_join(line, fn
      {_role, text} -> text
      text -> text
    end)
  end
end
