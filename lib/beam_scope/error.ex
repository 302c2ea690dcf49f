defmodule BeamScope.Error do
  @moduledoc """
  What went wrong, as data: returned in `{:error, error}` and raised by the functions that raise.

  `reason` is one of the atoms below and `detail` says what it is about. `message/1` adds what to do.

  | reason | detail | when |
  |---|---|---|
  | `:unknown_option` | `%{key:, suggestion:, known:}` | an option nobody knows, or a misspelled one |
  | `:invalid_option` | `%{key:, value:, expected:}` | a known option with a value out of its range |
  | `:invalid_rule` | `%{rule:, why:}` | a rule of `redact:` that cannot be asked in a traced process |
  | `:no_targets` | `nil` | an empty list of targets |
  | `:invalid_target` | the term | something that is no target at all |
  | `:unknown_name` | the name | no process is registered under it |
  | `:no_such_module` | the module | neither a registered name nor a module that can be loaded |
  | `:no_such_function` | `{m, f, a}` | a function to trace that its module does not have |
  | `:not_alive` | the pid | the process has ended |
  | `:remote_pid` | the pid | the process lives on another node |
  | `:not_a_supervisor` | the target | `{:tree, _}` of something that supervises nothing |
  | `:unknown_app` | the application | not loaded, or not started |
  | `:no_processes` | the target | the target is right, but nothing runs there |
  | `:already_traced` | `%{pid:, tracer:}` | another tool traces the process (OTP 25 and 26) |
  | `:pattern_in_use` | `{m, f, a}` | another tool has a trace pattern on a function that is needed (OTP 25 and 26) |
  | `:own_process` | the pid | a process of BeamScope itself |
  | `:needs_force` | the target, or what would be run | `:all`, or `BeamScope.Replay.what_if/4`, without `force: true` |
  | `:closed` | the recording's id | a recording used after `close/1` |
  | `:stopped` | the stop reason | a change to a recording that has ended |
  | `:outside_recording` | the moment | a moment that the recording does not hold |
  | `:unknown_state` | any | the state at that moment was not recorded |
  | `:no_such_process` | the process, or `%{process:, known:}` | it does not appear in the recording |
  | `:different_levels` | `%{first:, second:}` | two recordings of different levels cannot be compared |
  | `:no_such_role` | the role | neither of two recordings has it |
  | `:ambiguous_process` | text | a module that several processes of the recording run |
  | `:invalid_moment` | text | something that is no moment |
  | `:invalid_recording` | text | something that is no recording |
  | `:not_found` | any | nothing matched |
  | `:native_unavailable` | text | the native library is missing or cannot be loaded |
  | `:setup_failed` | any | the virtual machine refused a step of the set-up |
  | `:timeout` | any | an internal process did not answer in time |
  | `:file` | any | a file could not be written or read |
  | `:fallback` | text | states come from callbacks, and the question needs what loops tell |
  | `:no_such_table` | the table, or `%{table:, known:}` | no ETS table, or one that the recording does not follow |
  | `:no_lines` | `%{module:, known:}` | a recording that has no lines of the module |
  | `:no_source` | text | the source of what was recorded cannot be shown |
  | `:no_memory` | text | what is to be frozen has no room beside the other recordings, or the system gives no memory for an answer |
  | `:no_telemetry` | the event | `{:telemetry, event}` without the library `:telemetry` |
  | `:sink` | `%{sink:, reason:}` | what `to:` names cannot take a recording, or has none |
  | `:unknown_format` | `%{format:, known:}` | a format that `BeamScope.export/4` does not have |
  | `:assertion_failed` | text | an assertion of `BeamScope.Assertions` where ExUnit is not there |
  | `:no_expectations` | the module | no module that uses `BeamScope.Expectation` |
  | `:unknown_role` | `%{module:, role:, known:}` | a process was given for a role that the module does not declare |
  | `:unbound_role` | `%{module:, roles:}` | a role of which nobody has said who it is |
  | `:not_running` | text | live expectations of a recording to which nothing comes any more |
  | `:golden_missing` | the path | there is no golden execution, and `CI` does not let one be written |
  | `:golden_damaged` | `%{path:, what:}` | a file is no golden execution, or not a whole one |
  | `:golden_version` | `%{path:, version:, known:}` | another version of BeamScope wrote the golden execution |
  | `:golden_level` | `%{path:, expected:, actual:}` | the golden execution was recorded at another level |
  | `:golden_incomplete` | text | the recording lost events, so that it cannot be told the same twice |
  | `:not_a_gen_server` | the `%BeamScope.Process{}` | callbacks of another behaviour cannot be run again |
  | `:cannot_rebuild` | `%{path:, value:}` | a state or message that is to be run holds what cannot be made again |
  | `:cannot_instrument` | `%{module:, why:}` | a module whose lines cannot be recorded; see `t:BeamScope.Lines.Loader.Refusal.why/0` |
  | `:still_running` | the modules | a process is inside old code that must go before other code can be loaded |
  | `:no_code` | `%{module:, where:}` | the module whose callbacks are to be run is not there, or only in memory |
  | `:invalid_edit` | text | what is to be edited is no message that the process handled after the cursor |
  | `:known_crash` | `%{option:, erts:, why:, link:}` | an option that is known to crash this release of the virtual machine |
  | `:no_system` | the moment | no sample of the system by then, or a recording without `system: true` |
  | `:peer` | any | the virtual machine that callbacks are run in did not start, or ended |

  Functions of the data plane use further atoms of their own; `message/1` prints those plainly.

      iex> {:error, error} = BeamScope.Options.validate([levle: :full], :start)
      iex> error.reason
      :unknown_option
      iex> Exception.message(error)
      "unknown option :levle. Did you mean :level?"
  """

  @typedoc "Which kind of mistake it was; see the table above."
  @type reason ::
          :unknown_option
          | :invalid_option
          | :invalid_rule
          | :no_targets
          | :invalid_target
          | :unknown_name
          | :no_such_module
          | :no_such_function
          | :not_alive
          | :remote_pid
          | :not_a_supervisor
          | :unknown_app
          | :no_processes
          | :already_traced
          | :pattern_in_use
          | :own_process
          | :needs_force
          | :closed
          | :stopped
          | :outside_recording
          | :unknown_state
          | :no_such_process
          | :no_such_role
          | :different_levels
          | :ambiguous_process
          | :invalid_moment
          | :invalid_recording
          | :not_found
          | :native_unavailable
          | :setup_failed
          | :timeout
          | :file
          | :sink
          | :no_memory
          | :no_telemetry
          | :no_lines
          | :no_source
          | :no_such_table
          | :fallback
          | :unknown_format
          | :assertion_failed
          | :no_expectations
          | :unknown_role
          | :unbound_role
          | :not_running
          | :golden_missing
          | :golden_damaged
          | :golden_version
          | :golden_level
          | :golden_incomplete
          | :not_a_gen_server
          | :cannot_rebuild
          | :no_code
          | :invalid_edit
          | :known_crash
          | :cannot_instrument
          | :still_running
          | :no_system
          | :peer
          | atom()

  @type t :: %__MODULE__{reason: reason(), detail: term()}

  defexception [:reason, :detail]

  @doc "An error with its reason and what it is about."
  @spec new(reason(), term()) :: t()
  def new(reason, detail \\ nil) when is_atom(reason), do: %__MODULE__{reason: reason, detail: detail}

  @doc "The error of a native function, which answers `{:error, {reason, detail}}`."
  @spec from_native({reason(), term()} | reason()) :: t()
  def from_native({reason, detail}) when is_atom(reason), do: new(reason, detail)
  def from_native(reason) when is_atom(reason), do: new(reason)

  @impl true
  @spec message(t()) :: String.t()
  def message(%__MODULE__{reason: reason, detail: detail}), do: describe(reason, detail)

  defp describe(:unknown_option, %{key: key, suggestion: nil, known: known}),
    do: "unknown option #{inspect(key)}. Known options are #{list(known)}"

  defp describe(:unknown_option, %{key: key, suggestion: suggestion}),
    do: "unknown option #{inspect(key)}. Did you mean #{inspect(suggestion)}?"

  defp describe(:invalid_option, %{key: key, value: value, expected: expected}),
    do: "option #{option_name(key)} must be #{expected}, got: #{short(value)}"

  defp describe(:invalid_rule, %{rule: rule, why: why}),
    do: "the redaction rule #{short(rule)} cannot be used: #{why}"

  defp describe(:no_targets, _),
    do:
      "there is nothing to record: give at least one target, such as a pid, a registered name or {:app, app}"

  defp describe(:invalid_target, target) do
    "#{short(target)} is not a target. Targets are a pid, a registered name, {:via, module, name}, " <>
      "{:global, name}, {:tree, supervisor}, {:app, application}, :new, :all, or a list of these"
  end

  defp describe(:unknown_name, name) do
    "no process is registered as #{short(name)}. Start it first, or record {:tree, supervisor} or :new " <>
      "to catch it when it starts"
  end

  defp describe(:no_such_module, module) do
    "#{short(module)} is neither a registered name nor a module that can be loaded. Check its spelling" <>
      elixir_hint(module)
  end

  defp describe(:no_such_function, mfa) do
    "#{mfa(mfa)} matches no function, so nothing could be recorded. Check name and arity; " <>
      "`#{inspect(elem(mfa, 0))}.module_info(:functions)` lists what there is, private functions too"
  end

  defp describe(:not_alive, pid),
    do: "#{short(pid)} has ended. A target given by name is looked up when the recording starts"

  defp describe(:remote_pid, pid) do
    "#{short(pid)} lives on #{inspect(node(pid))}, and a recording sees its own node only. " <>
      "Start the recording there, for instance by :erpc.call/4"
  end

  defp describe(:not_a_supervisor, target),
    do: "#{short(target)} is not a supervisor. Give it without {:tree, _} to record this process alone"

  defp describe(:unknown_app, app),
    do:
      "the application #{inspect(app)} is not running. Start it by Application.ensure_all_started(#{inspect(app)})"

  defp describe(:no_processes, target),
    do: "#{short(target)} has no processes that could be recorded"

  defp describe(:already_traced, %{pid: pid, tracer: tracer}) do
    "#{short(pid)} is already traced by #{short(tracer)}, and before OTP 27 a process has one tracer only. " <>
      "Stop the other tool first (for dbg: `:dbg.stop()`), or run on OTP 27 or later"
  end

  defp describe(:pattern_in_use, mfa) do
    "another tool has a trace pattern on #{mfa(mfa)}, and before OTP 27 patterns are global. " <>
      "Stop the other tool first (for dbg: `:dbg.stop()`), or run on OTP 27 or later"
  end

  defp describe(:own_process, pid),
    do: "#{short(pid)} belongs to BeamScope, which does not record itself"

  defp describe(:needs_force, %{callbacks: callbacks, messages: n} = would) do
    messages = BeamScope.Terminal.Style.count(n, "message")

    "this runs the code of #{inspect(would.module)}: #{messages} through #{Enum.join(callbacks, ", ")}. " <>
      Enum.join(would.side_effects, " ") <> " Say `force: true` when that is meant"
  end

  defp describe(:needs_force, target) do
    "#{inspect(target)} records every process of the system, which can be too much for it. " <>
      "Say `force: true` when that is meant, or record {:app, app} or {:tree, supervisor}"
  end

  defp describe(:closed, id),
    do: "recording #{short(id)} was closed and its data freed. Make a new one, or save/2 before close/1"

  defp describe(:stopped, reason),
    do: "the recording has ended (#{short(reason)}). What it holds can be asked; start a new one to go on"

  defp describe(:outside_recording, %{moment: moment, last_ns: last_ns}) do
    "the moment #{short(moment)} lies outside the recording, whose last event is at " <>
      "{:ms, #{Float.round(last_ns / 1_000_000, 3)}}. Say :end for what was last"
  end

  defp describe(:outside_recording, nil),
    do: "that moment lies outside the recording. :start and :end are its bounds"

  defp describe(:outside_recording, moment),
    do: "the moment #{short(moment)} lies outside the recording. :start and :end are its bounds"

  defp describe(:unknown_state, detail),
    do: "the state at that moment is not known" <> because(detail)

  defp describe(:no_such_process, %{process: process, known: []}),
    do: "#{short(process)} does not appear in the recording. BeamScope.processes/1 lists who does"

  defp describe(:no_such_process, %{process: process, known: known}) do
    more = if length(known) > 12, do: " and #{length(known) - 12} more", else: ""

    "#{short(process)} does not appear in the recording. It has #{list(Enum.take(known, 12))}#{more}; " <>
      "BeamScope.processes/1 lists all, also those without a name"
  end

  defp describe(:no_such_process, process),
    do: "#{short(process)} does not appear in the recording. BeamScope.processes/1 lists who does"

  defp describe(:different_levels, %{first: first, second: second}),
    do:
      "one was recorded at level #{inspect(first)}, the other at #{inspect(second)}: what one did not look for would seem to be missing"

  defp describe(:no_such_role, role),
    do: "neither recording has a role #{role}. Roles are written as BeamScope.compare/3 prints them"

  defp describe(:not_found, detail), do: "nothing matched" <> because(detail)

  defp describe(:native_unavailable, detail),
    do: "BeamScope's native library is not available" <> because(detail)

  defp describe(:setup_failed, detail),
    do: "the recording could not be set up" <> because(detail) <> ". Nothing was left switched on"

  defp describe(:known_crash, %{option: option, erts: erts, why: why, link: link}) do
    "#{option}: true is refused on this virtual machine (erts #{erts}): #{why} (#{link}). " <>
      "Record without it, or on another release"
  end

  defp describe(:no_system, moment) do
    "the recording has no sample of the system by #{short(moment)}. Start it with system: true; the first sample is taken at once"
  end

  defp describe(:timeout, detail), do: "no answer in time" <> because(detail)

  defp describe(:cannot_instrument, %{module: module, why: why}),
    do: BeamScope.Lines.Loader.Refusal.text(module, why)

  defp describe(:still_running, modules) do
    "a process is inside old code of #{list(modules)}, and is not killed for this. Try again when it has left: " <>
      "BeamScope.Lines.Loader.inside/1 says who it is"
  end

  defp describe(:no_such_table, %{table: table, known: []}),
    do: "the recording follows no ETS table, #{short(table)} neither. Start it with ets: [#{short(table)}]"

  defp describe(:no_such_table, %{table: table, known: known}),
    do: "the recording does not follow the ETS table #{short(table)}. It follows #{list(known)}"

  defp describe(:no_such_table, table), do: "there is no ETS table #{short(table)}"

  defp describe(:no_lines, %{module: module, known: []}),
    do:
      "the recording has no lines. Give lines: [#{inspect(module)}] to record/2 or start/2: the code is instrumented while it is recorded"

  defp describe(:no_lines, %{module: module, known: known}) do
    "the recording has no lines of #{inspect(module)}, but of #{list(known)}. Give lines: [#{inspect(module)}] to record/2 or start/2"
  end

  defp describe(:no_source, detail), do: "its source cannot be shown" <> because(detail)

  defp describe(:sink, %{sink: {BeamScope.Sink.File, opts}, reason: reason}),
    do: "#{opts[:path]} cannot be used: #{BeamScope.Recorder.Writer.describe(reason)}"

  defp describe(:sink, %{sink: sink, reason: reason}),
    do: "#{short(sink)} cannot be used: #{BeamScope.Recorder.Writer.describe(reason)}"

  defp describe(:sink, detail), do: "what `to:` names cannot take a recording" <> because(detail)

  defp describe(:no_memory, detail),
    do:
      "there is no room for it" <>
        because(detail) <> ". Close a recording that is not needed any more, or keep less"

  defp describe(:no_telemetry, event),
    do: "{:telemetry, #{short(event)}} needs the library :telemetry, which is not there"

  defp describe(:file, detail), do: "the file could not be used" <> because(detail)

  defp describe(:unknown_format, %{format: format, known: known}) do
    "#{short(format)} is no format to export to. Formats are #{list(known)}, and modules that are a BeamScope.Exporter"
  end

  defp describe(:no_expectations, module) do
    "#{short(module)} is no module of expectations. Such a module says `use BeamScope.Expectation`" <>
      if(is_atom(module), do: elixir_hint(module), else: "")
  end

  defp describe(:unknown_role, %{module: module, role: role, known: []}),
    do: "#{inspect(module)} declares no roles, so there is none that #{short(role)} could be"

  defp describe(:unknown_role, %{module: module, role: role, known: known}),
    do: "#{inspect(module)} has no role #{short(role)}. Its roles are #{list(known)}"

  defp describe(:unbound_role, %{module: module, roles: [role | _] = roles}) do
    "#{inspect(module)} does not say who #{list(roles)} #{if match?([_], roles), do: "is", else: "are"}: " <>
      "give them as roles: [#{role}: pid]"
  end

  defp describe(:golden_missing, path) do
    "there is no golden execution #{path}, and with CI=true none is written. Run the test once without it and " <>
      "commit the file"
  end

  defp describe(:golden_damaged, %{path: path, what: what}),
    do: "#{path} cannot be read as a golden execution: #{what}. It was left as it is"

  defp describe(:golden_version, %{path: path, version: version, known: known}) do
    "#{path} is a golden execution of version #{version}, and this BeamScope reads version #{known}. It was left as it is" <>
      anew(version, known)
  end

  defp describe(:golden_level, %{path: path, expected: expected, actual: actual}) do
    "#{path} was recorded at level #{inspect(expected)}, this recording at #{inspect(actual)}. " <>
      "Record at the same level, or write it anew with BEAM_SCOPE_UPDATE=1"
  end

  defp describe(:golden_incomplete, text),
    do: "the recording is not complete (#{text}), so it cannot be told the same twice. Raise its limits:"

  defp describe(:not_a_gen_server, process) do
    "#{BeamScope.Terminal.Processes.label(process)} is #{process.behaviour || "of no known behaviour"}: only the callbacks of a gen_server " <>
      "or an Agent can be run again"
  end

  defp describe(:cannot_rebuild, %{path: path, value: value}) do
    "#{path} is #{BeamScope.Terminal.Term.text(value, 60)}, which cannot be made again: nothing was run" <>
      instead(value)
  end

  defp describe(:no_code, %{module: module, where: :here}),
    do:
      "the module #{inspect(module)} is not available here, so its callbacks cannot be run. Start from the project that it belongs to"

  defp describe(:no_code, %{module: module}) do
    "the module #{inspect(module)} is only in memory, and its callbacks are run in another virtual machine: it must be in a file on the " <>
      "code path (a module of a script or of IEx is not)"
  end

  defp describe(:peer, detail), do: "the virtual machine that the callbacks run in failed" <> because(detail)

  defp describe(reason, text)
       when reason in [
              :invalid_edit,
              :ambiguous_process,
              :assertion_failed,
              :not_running,
              :fallback,
              :invalid_moment,
              :invalid_recording
            ],
       do: text

  defp describe(reason, nil), do: plain(reason)
  defp describe(reason, detail), do: plain(reason) <> because(detail)

  defp instead(%BeamScope.Truncated{}), do: ". Record with a larger budget:"
  defp instead(%BeamScope.Redacted{}), do: ". The recording's redact: option says what is kept out"
  defp instead(_value), do: ""

  defp anew(version, known) when is_integer(version) and is_integer(known) and version < known,
    do: "; BEAM_SCOPE_UPDATE=1 writes it anew"

  defp anew(_version, _known), do: ""

  defp plain(reason), do: reason |> Atom.to_string() |> String.replace("_", " ")

  defp because(nil), do: ""
  defp because(text) when is_binary(text), do: ": " <> text
  defp because(detail), do: ": " <> short(detail)

  defp option_name(path) when is_list(path), do: Enum.map_join(path, " → ", &inspect/1)
  defp option_name(key), do: inspect(key)

  defp list(keys), do: Enum.map_join(keys, ", ", &inspect/1)

  defp mfa({module, function, arity}) when is_integer(arity),
    do: Exception.format_mfa(module, function, arity)

  defp mfa({module, :_, _}), do: inspect(module)

  defp mfa({module, function, _}),
    do: String.replace_suffix(Exception.format_mfa(module, function, 0), "/0", "")

  defp mfa(other), do: short(other)

  defp elixir_hint(module) do
    case Atom.to_string(module) do
      "Elixir." <> _ -> ", and that it is compiled"
      text -> if text =~ ~r/^[A-Z]/, do: ". An Elixir module is written without a colon", else: ""
    end
  end

  defp short(term), do: inspect(term, limit: 8, printable_limit: 120)
end

defimpl Inspect, for: BeamScope.Error do
  import Inspect.Algebra

  # At the prompt an error is for reading: what to do stands in its message.
  def inspect(%{reason: reason} = error, opts) do
    words = error |> text() |> BeamScope.Terminal.Style.clean() |> String.split(" ")
    text = Enum.reduce(words, fn word, text -> flex_glue(text, " ", word) end)
    concat(["#BeamScope.Error<", to_doc(reason, opts), ": ", group(nest(text, 2)), ">"])
  end

  # Exception.message/1 would inspect what it cannot print, and come here again.
  defp text(error) do
    BeamScope.Error.message(error)
  rescue
    _ -> Kernel.inspect(error.detail)
  end
end
