defmodule BeamScope.Terminal.Processes do
  @moduledoc """
  Processes by the name a person would use, alone and as a table.
  """

  alias BeamScope.{Opaque, Process, Processes}
  alias BeamScope.Terminal.{Style, Table, Term}

  @who_width 32

  @doc """
  What to call a process: its name, else its module with the pid, else the pid.

      iex> pid = :erlang.list_to_pid(~c"<0.99.0>")
      iex> BeamScope.Terminal.Processes.who(pid, Counter)
      "Counter"
      iex> BeamScope.Terminal.Processes.who(pid, nil)
      "<0.99.0>"
  """
  @spec who(term, term) :: String.t()
  def who(pid, name \\ nil)
  def who(pid, nil) when is_pid(pid), do: pid |> :erlang.pid_to_list() |> List.to_string()
  def who(nil, nil), do: "?"
  # A process of the system that a loaded recording was made in.
  def who(%Opaque{kind: :pid, text: "#PID" <> pid}, nil), do: pid
  def who(other, nil), do: Term.text(other, @who_width)
  def who(_pid, name), do: Term.text(name, @who_width)

  @doc "The same for a `%BeamScope.Process{}`, which may know more."
  @spec label(Process.t()) :: String.t()
  def label(%Process{name: nil, module: :erlang, pid: pid}), do: who(pid)

  def label(%Process{name: nil, module: nil, initial_call: {m, f, a}, pid: pid}) when is_integer(a),
    do: "#{Exception.format_mfa(m, f, a)} #{who(pid)}"

  def label(%Process{name: nil, module: module, pid: pid}) when module != nil,
    do: "#{Term.text(module, @who_width)} #{who(pid)}"

  def label(%Process{name: name, pid: pid}), do: who(pid, name)

  @doc "One process on one line."
  @spec line(Process.t()) :: Style.line()
  def line(%Process{} = process) do
    ["#BeamScope.Process<", {:name, label(process)}, " ", who(process.pid), kind(process)] ++
      ended(process) ++ [">"]
  end

  # `:erlang.apply/2` is how plain processes begin; it tells nothing.
  defp kind(%Process{module: :erlang} = process), do: kind(%{process | module: nil})
  defp kind(%Process{behaviour: :plain} = process), do: kind(%{process | behaviour: nil})
  defp kind(%Process{behaviour: nil, module: nil}), do: ""
  defp kind(%Process{behaviour: nil, module: module}), do: ", " <> Term.text(module, @who_width)
  defp kind(%Process{behaviour: behaviour, module: nil}), do: ", #{behaviour}"

  defp kind(%Process{behaviour: behaviour, module: module}),
    do: ", #{behaviour} #{Term.text(module, @who_width)}"

  @doc "How a process ended, as spans; empty while it lives."
  @spec ended(Process.t()) :: Style.line()
  def ended(%Process{exited_at: nil}), do: []

  def ended(%Process{exited_at: at, exit_reason: reason}) do
    role = if normal?(reason), do: :dim, else: :exit
    ["  ", {role, "✗ " <> Style.time(at.at_ns) <> " " <> reason(reason)}]
  end

  @doc "Whether an exit reason is one of an orderly end."
  @spec normal?(term) :: boolean
  def normal?(reason) when reason in [:normal, :shutdown], do: true
  def normal?({:shutdown, _}), do: true
  def normal?(_), do: false

  @doc "An exit reason in few words: of an error with a stacktrace, the error and where it was."
  @spec reason(term, pos_integer) :: String.t()
  def reason(reason, width \\ 60)

  def reason({error, [{m, f, a, _location} | _]}, width) when is_atom(m) and is_atom(f) do
    arity = if is_list(a), do: length(a), else: a
    where = if is_integer(arity), do: " in " <> Exception.format_mfa(m, f, arity), else: ""
    Term.text(error, width) <> where
  end

  def reason(reason, width), do: Term.text(reason, width)

  @doc "The table."
  @spec lines(Processes.t(), Style.t()) :: [Style.line()]
  def lines(%Processes{processes: processes}, style) do
    {shown, hidden} = split(processes, style.limit)
    head = for title <- ["track", "process", "pid", "behaviour", "spawned", "ended"], do: [{:dim, title}]
    rows = [head | Enum.map(shown, &row/1)]

    [[{:heading, Style.count(length(processes), "process", "processes")}]] ++
      Table.lines(rows, align: [:right], max: [nil, div(style.width, 2)]) ++
      more(hidden, "process", "processes")
  end

  defp row(process) do
    [
      [{:moment, "#{process.track}"}],
      [{:name, if(process.name, do: who(process.pid, process.name), else: unnamed(process))}],
      [who(process.pid)],
      [String.trim_leading(kind(process), ", ")],
      [{:time, spawned(process)}],
      tl([[] | ended(process)])
    ]
  end

  defp unnamed(%Process{initial_call: {:erlang, :apply, _}}), do: ""
  defp unnamed(%Process{initial_call: {m, f, a}}) when is_integer(a), do: Exception.format_mfa(m, f, a)
  defp unnamed(process), do: label(process)

  defp spawned(%Process{known: :spawned, spawned_at: %{at_ns: at_ns}}), do: Style.time(at_ns)
  defp spawned(%Process{known: :seen}), do: "only seen"
  defp spawned(_), do: "before"

  @doc "The part of a list to show, and how many are hidden."
  @spec split([item], pos_integer | :infinity) :: {[item], non_neg_integer} when item: term
  def split(items, :infinity), do: {items, 0}
  def split(items, limit), do: {Enum.take(items, limit), max(length(items) - limit, 0)}

  @doc "The line that says how much is hidden, if anything is."
  @spec more(non_neg_integer, String.t(), String.t() | nil) :: [Style.line()]
  def more(hidden, noun, plural \\ nil)
  def more(0, _noun, _plural), do: []

  def more(hidden, noun, plural),
    do: [
      [
        {:dim,
         "… #{Style.count(hidden, "more " <> noun, "more " <> (plural || noun <> "s"))} (inspect with limit: :infinity shows all)"}
      ]
    ]
end
