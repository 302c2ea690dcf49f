defmodule BeamScope.Source do
  @moduledoc """
  Source around something that was recorded: the answer to `BeamScope.source/3`. It prints as the lines, the one in question marked,
  with what happened beside it.

    * `file`, `line` – where; `first` – the number of the first of `lines`
    * `lines` – the source as it was in the recorded system, as far as that can be known
    * `from` – `{:commit, hash}` (`git show`), `:working_tree`, or `:file` where there is no git; `:recording` where the recording has
      the text itself, of a `:line`
    * `warning` – a sentence where what is shown may not be what ran, else `nil`
    * `function` – `{module, function, arity}`; `happened` – texts for what stands beside the line
  """

  alias BeamScope.{Error, Event, Recording, Transition}
  alias BeamScope.Code.{Functions, Git}
  alias BeamScope.Recording.Query
  alias BeamScope.Terminal.{Processes, Shown, Term}

  defstruct [:file, :line, :first, :from, :warning, :function, lines: [], happened: []]

  @type t :: %__MODULE__{
          file: Path.t(),
          line: pos_integer,
          first: pos_integer,
          lines: [String.t()],
          from: {:commit, String.t()} | :working_tree | :file | :recording,
          warning: String.t() | nil,
          function: mfa | nil,
          happened: [String.t()]
        }

  @around 6

  @doc false
  @spec find(Recording.t(), Event.t() | Transition.t(), keyword) :: {:ok, t} | {:error, Error.t()}
  def find(rec, what, opts) do
    with :ok <- Query.known(opts, [:around]),
         {:ok, info} <- BeamScope.Recorder.info(rec),
         {:ok, place} <- place(rec, what, info[:code]),
         {:ok, text, from, warning} <- text(place, info[:code]) do
      around = Keyword.get(opts, :around, @around)
      {first, lines} = cut(text, place.line, around)

      {:ok,
       %__MODULE__{
         file: place.file,
         line: place.line,
         first: first,
         lines: lines,
         from: from,
         warning: warning,
         function: place.function,
         happened: happened(what)
       }}
    end
  end

  # Where

  # Lines and marks say themselves where they are; a line stands in the source that was instrumented.
  defp place(_rec, %Event{kind: kind, line: line, mfa: {module, _, _} = mfa}, code)
       when kind in [:line, :mark] and is_integer(line) do
    table = get_in(code || %{}, [:instrumented, module]) || %{}

    case table[:file] || file(module, code) do
      nil -> none("the source of #{inspect(module)} is not known")
      file -> {:ok, %{module: module, function: mfa, file: file, line: line, text: table[:source]}}
    end
  end

  # A stacktrace knows better than anybody else.
  defp place(rec, what, code) do
    case stack(what) do
      {module, function, arity, file, line} ->
        {:ok,
         %{module: module, function: {module, function, arity}, file: full(file, module, code), line: line}}

      nil ->
        with {:ok, mfa} <- function(rec, what), do: beginning(mfa, code)
    end
  end

  defp stack(%Transition{result: {_, _class, reason}}), do: frame(reason)
  defp stack(%Transition{result: {_, reason}}), do: frame(reason)
  defp stack(%Event{reason: reason}), do: frame(reason)
  defp stack(_other), do: nil

  defp frame({_error, [_ | _] = stack}) do
    Enum.find_value(stack, fn
      {module, function, arity, location} when is_atom(module) and is_list(location) ->
        if Keyword.keyword?(location) and location[:file] && location[:line],
          do: {module, function, count(arity), to_string(location[:file]), location[:line]}

      _ ->
        nil
    end)
  end

  defp frame(_other), do: nil

  defp count(arguments) when is_list(arguments), do: length(arguments)
  defp count(arity), do: arity

  # Stacktraces name files as the compiler was given them.
  defp full(file, module, code) do
    source = get_in(code || %{}, [:modules, module, :source])

    cond do
      Path.type(file) == :absolute -> file
      is_binary(source) and String.ends_with?(source, "/" <> file) -> source
      root = get_in(code || %{}, [:git, :root]) -> Path.join(root, file)
      true -> file
    end
  end

  defp function(_rec, %Event{mfa: {module, function, arguments}}),
    do: {:ok, {module, function, count(arguments)}}

  defp function(rec, %{kind: kind, track: track}) do
    case Enum.find(BeamScope.processes(rec), &(&1.track == track)) do
      %{module: module, initial_call: call} when module != nil or call != nil ->
        {:ok, callback(kind, module || elem(call, 0))}

      _ ->
        none("it is not known whose code this process runs")
    end
  end

  defp callback(:call, module), do: {module, :handle_call, 3}
  defp callback(:cast, module), do: {module, :handle_cast, 2}
  defp callback(:continue, module), do: {module, :handle_continue, 2}
  defp callback(:init, module), do: {module, :init, 1}
  defp callback(:event, module), do: {module, :handle_event, 2}
  defp callback(_info, module), do: {module, :handle_info, 2}

  defp beginning({module, _, _} = mfa, code) do
    file = file(module, code)
    line = get_in(code || %{}, [:lines, mfa]) || current_line(mfa, code)

    cond do
      file == nil ->
        none("the source of #{inspect(module)} is not known")

      line == nil ->
        none(
          "#{Exception.format_mfa(module, elem(mfa, 1), elem(mfa, 2))} has no line: there is no debug information of that code"
        )

      true ->
        {:ok, %{module: module, function: mfa, file: file, line: line}}
    end
  end

  defp file(module, code) do
    known = get_in(code || %{}, [:modules, module, :source])
    known || loaded_source(module)
  end

  defp loaded_source(module) do
    source = Code.ensure_loaded?(module) && module.module_info(:compile)[:source]
    source && to_string(source)
  end

  # Of the code that is loaded now, if it is the code that was recorded.
  defp current_line({module, function, arity}, code) do
    md5 = get_in(code || %{}, [:modules, module, :md5])

    if Code.ensure_loaded?(module) and
         md5 in [nil, Base.encode16(module.module_info(:md5), case: :lower)] do
      module |> Functions.of() |> List.keyfind({function, arity}, 0, {nil, nil}) |> elem(1)
    end
  end

  # What it was

  defp text(%{text: text}, _code) when is_binary(text), do: {:ok, text, :recording, nil}
  defp text(place, code), do: text(place.file, code, place.module)

  defp text(file, %{git: %{root: root, commit: commit} = git}, _module) when is_binary(root) do
    relative = Path.relative_to(file, root)
    if Path.type(relative) == :relative, do: versioned(file, relative, git, commit), else: plain(file)
  end

  defp text(file, _code, _module), do: plain(file)

  defp versioned(file, relative, %{root: root, dirty: dirty, diff: diff}, commit) do
    cond do
      dirty and Git.diff(root) == diff and File.regular?(file) ->
        {:ok, File.read!(file), :working_tree,
         "the working tree had changes that were not committed; it has the same ones now"}

      match?({:ok, _}, Git.show(root, commit, relative)) ->
        {:ok, text} = Git.show(root, commit, relative)
        {:ok, text, {:commit, commit}, if(dirty, do: warning(commit))}

      true ->
        plain(file)
    end
  end

  defp warning(commit) do
    "the working tree had changes that were not committed and are not there any more: this is commit " <>
      "#{String.slice(commit, 0, 10)} without them"
  end

  defp plain(file) do
    case File.read(file) do
      {:ok, text} -> {:ok, text, :file, "the file as it is now: no commit is known that it was part of"}
      {:error, reason} -> none("#{file} cannot be read (#{:file.format_error(reason)})")
    end
  end

  defp none(text), do: {:error, Error.new(:no_source, text)}

  defp cut(text, line, around) do
    first = max(line - around, 1)
    {first, text |> String.split("\n") |> Enum.slice(first - 1, line + around - first + 1)}
  end

  # What happened beside it

  defp happened(%Transition{} = one) do
    [
      one.message && "#{one.kind |> to_string() |> String.upcase()} #{Term.text(one.message, 80)}",
      one.from_process && "from #{Processes.who(one.from_process, one.from_name)}",
      result(one)
    ]
    |> Enum.reject(&is_nil/1)
  end

  defp happened(%Event{kind: :call, mfa: {_, function, arguments}}) when is_list(arguments),
    do: ["#{function}(#{Enum.map_join(arguments, ", ", &Term.text(&1, 40))})"]

  defp happened(%Event{kind: kind, variables: [_ | _] = variables}) when kind in [:line, :mark],
    do: for({name, value} <- variables, do: "#{name} = #{Term.text(value, 60)}")

  defp happened(%Event{kind: :line}), do: []
  defp happened(%Event{kind: :mark, label: label}) when label != nil, do: [Term.text(label, 80)]

  defp happened(%Event{kind: :return, value: value}), do: ["→ #{Term.text(value, 80)}"]

  defp happened(%Event{kind: kind, reason: reason}) when reason != nil,
    do: ["#{kind}: #{Processes.reason(reason)}"]

  defp happened(%Event{kind: kind}), do: [to_string(kind)]

  defp result(%Transition{result: {:crash, _class, reason}}), do: "✗ #{Processes.reason(reason)}"
  defp result(%Transition{diff: %{same?: true}}), do: "state unchanged"
  defp result(%Transition{} = t), do: "→ #{Term.text(Shown.transition(t).to, 80)}"
end

defimpl Inspect, for: BeamScope.Source do
  alias BeamScope.Terminal.{Source, Style}

  def inspect(source, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(Source.lines(source, &1), &1))
end
