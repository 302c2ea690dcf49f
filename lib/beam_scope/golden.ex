defmodule BeamScope.Golden do
  @moduledoc """
  Golden executions: what a recording tells, as a text that is the same in every run, to be kept in a file and
  compared with.

      # BeamScope golden execution, version 1
      # What the processes did, by role. BEAM_SCOPE_UPDATE=1 writes it anew; see BeamScope.Golden.

      level :full

      role Counter do
        start %{count: 0}
        call {:increment, 1}, from: "caller", reply: {:ok, 1}, state: %{count: 1}
        tell {:changed, 1}, to: Display
      end

      role "caller" do
        ask {:increment, 1}, to: Counter, reply: {:ok, 1}
      end

      # end

  In a test, `assert_recording` of `BeamScope.Assertions` does what `check/3` does. The file is meant to be
  read, to be reviewed in a pull request, and to be edited if need be; it is Elixir syntax, of which nothing is
  ever run.

  ## What is written

  One section for each *role*: a registered name (a `:via` or `:global` one too); else the supervisor's role and
  the child's id, as in `"MyApp.Sup/:worker"`; else the parent's role and the module, numbered by order of birth
  from the second on (`"MyApp.Pool/Worker 2"`), with the role of who asked for it where that is another process
  than the parent (`for …`). Who owns the recording, in a test the test, is `"caller"`. A process that was
  started again goes on in the section of the one before it.

  A section holds what the process handled (`call`, `cast`, `info`, …: the message, from whom, the answer, and
  the state after it where that is another than before) and what it did meanwhile: `ask` (a call, with the
  answer), `tell` (a cast), `send`, `answer` (to a call it did not answer at once), `invoke` (a function of
  `calls:`), and at last `exit`, unless it was a normal one. What came to a process whose handling cannot be
  seen, one that is no OTP behaviour, stands after what it did, as `got`. `BeamScope.Align.Step` has the list.

  ## What is not

  What is another in every run for no reason is taken out:

    * **pids, references, ports, local functions**: `pid(Counter)`, `ref(1)`, numbered within the role; see
      `BeamScope.Golden.Mark` for all marks
    * **times**: those of the events, and points in time in terms (`DateTime`, `System.system_time/0`,
      `:os.timestamp/0`, … in any unit) that lie within the recording: `time()`
    * **the order of what has no order**: sections of different roles are not ordered against each other, and
      see below
    * **parts that were not captured** are `truncated(:list, 12000)` and `redacted(:binary)`. They are equal to
      themselves here: a golden execution says what could be seen. A larger `budget:` cuts less
    * **stacktraces**, and how far a truncated term is known
    * messages of the runtime, timers mostly, that changed nothing: how many there were is how long it took
    * normal ends: whether a task ended before the recording did is chance
    * what systems do by themselves: loading code, logging, `IO`, system messages, the protocols by which
      processes are started, the states of OTP's and Elixir's own supervisors

  ## The order of messages at one server

  Messages of one sender have the order in which it sent them. Of two senders' messages a server handles one
  first, and that is a real order, but often one that could have been the other. A golden execution tells the
  two cases apart: if the second message was sent by someone who knew of the first (had sent it, or had been
  told of it, be it through others), the order is kept. Else the messages *raced*: they stand in an `unordered`
  block, sorted by sender, without the states between them and with `any()` in place of their answers; the state
  after the last of them stands behind the block.

      role Counter do
        start %{count: 0}
        unordered do
          call {:increment, 1}, from: "Task", reply: any()
          call {:increment, 1}, from: "Task 2", reply: any()
        end
        state %{count: 2}
        call :get, from: "caller", reply: 2
      end

  This takes a recording with messages and states, that is `:full`. If more of what a role does depends on the
  order (the state after a race, what it sends), name it in `unordered:`; if the order is what matters, say
  `order: :arrival`.

  What no rule can know needs your help: values drawn at random (`normalize:`), heartbeats and other messages
  whose number is chance although they change something (`ignore:`), and an end that comes while messages are
  still on their way: let the system come to rest before the recording ends, for instance by a last call.

  ## Options

  All functions take

    * `ignore:` – patterns (plain terms or `BeamScope.pattern/1`) of messages that are left out, whoever sent
      them
    * `normalize:` – a function that every term is put through, and every part of it, before it is written
    * `unordered:` – roles of which only the messages they got are written, sorted: not what they sent, answered
      and were in
    * `order:` – `:causal` as above, or `:arrival`: all messages in the order in which they were handled
    * `only:` – the roles to write; all by default
    * `roles:` – names of your own, as `[{role, process}]` with pids or registered names: for processes whose
      names are made up anew in every run, as in `roles: [{:counter, pid}]`
  """

  alias BeamScope.{Align, Error, Recording}
  alias BeamScope.Golden.{Difference, Reader, Story, Text}
  alias BeamScope.Recording.Query

  @canon [ignore: [], normalize: nil, unordered: [], order: :causal, only: nil, roles: []]
  @extension ".golden"

  @typedoc "What is different: see `compare/3`."
  @type difference :: %{
          path: Path.t(),
          sentence: String.t(),
          message: iodata,
          align: [{role :: term, Align.t()}],
          expected: String.t(),
          actual: String.t()
        }

  @doc """
  The text of a recording.

  The errors are those of a question, and `:golden_incomplete` for a recording that lost events or was stopped
  by a limit: it could not tell the same twice.

      iex> {:ok, agent} = Agent.start_link(fn -> 0 end, name: :golden_doc)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> Agent.get(agent, & &1) end)
      iex> {:ok, text} = BeamScope.Golden.text(rec, only: [:golden_doc])
      iex> text =~ "role :golden_doc do\\n  start 0\\n"
      true
  """
  @spec text(Recording.t(), keyword) :: {:ok, String.t()} | {:error, Error.t()}
  def text(rec, opts \\ []) do
    with {:ok, story} <- story(rec, opts), do: {:ok, Text.render(story)}
  end

  @doc """
  Writes the text of a recording to a file: whole, or not at all.
  """
  @spec write(Recording.t(), Path.t(), keyword) :: :ok | {:error, Error.t()}
  def write(rec, path, opts \\ []) do
    with {:ok, text} <- text(rec, opts), do: put(path, text)
  end

  @doc """
  Compares a recording with a file: `:ok`, or `{:different, difference}`.

  The difference has the `align`ments of the roles that differ, the one that went another way first in front;
  the `sentence` that says where; a `message` for people; and both texts. A file that is not there, is damaged
  (`:golden_damaged`), is of another version (`:golden_version`) or was written from a recording of another
  level (`:golden_level`) is an error.
  """
  @spec compare(Recording.t(), Path.t(), keyword) :: :ok | {:different, difference} | {:error, Error.t()}
  def compare(rec, path, opts \\ []) do
    with {:ok, expected} <- Reader.read(path),
         {:ok, actual} <- story(rec, opts),
         :ok <- same_level(expected, actual, path) do
      Difference.find(expected, actual, path)
    end
  end

  @doc """
  Compares a recording with the file of a name, or writes it: what `assert_recording` does.

  Options, besides those above:

    * `dir:` – where the files are; `"test/golden"`
    * `update?:` – write the file anew; by default if the environment variable `BEAM_SCOPE_UPDATE` is `1` or
      `true`
    * `ci?:` – a missing file is an error, `:golden_missing`; by default if `CI` is `1` or `true`

  A missing file is written: `{:new, path}`. Where it is to be updated and differs: `{:updated, path}`. A file
  of that name that is no golden execution, or one of a later version, is never written over.
  """
  @spec check(Recording.t(), String.t(), keyword) ::
          :ok | {:new, Path.t()} | {:updated, Path.t()} | {:different, difference} | {:error, Error.t()}
  def check(rec, name, opts \\ []) do
    {own, opts} = Keyword.split(opts, [:dir, :update?, :ci?])
    update? = Keyword.get_lazy(own, :update?, fn -> set?("BEAM_SCOPE_UPDATE") end)
    ci? = Keyword.get_lazy(own, :ci?, fn -> set?("CI") end)

    with {:ok, path} <- path(name, Keyword.get(own, :dir, "test/golden")) do
      cond do
        update? -> update(rec, path, opts)
        File.exists?(path) -> compare(rec, path, opts)
        ci? -> {:error, Error.new(:golden_missing, path)}
        true -> new(rec, path, opts)
      end
    end
  end

  @doc """
  The file of a name.

      iex> BeamScope.Golden.path("counter happy path", "test/golden")
      {:ok, "test/golden/counter_happy_path.golden"}
  """
  @spec path(String.t(), Path.t()) :: {:ok, Path.t()} | {:error, Error.t()}
  def path(name, dir) do
    if is_binary(name) and String.printable?(name) and Path.type(name) == :relative and
         ".." not in Path.split(name) and String.trim(name) != "" do
      {:ok, Path.join(dir, String.replace(name, ~r/[^\p{L}\p{N}_\-.\/]+/u, "_") <> @extension)}
    else
      expected = "a name for a file, such as \"counter_happy_path\""
      {:error, Error.new(:invalid_option, %{key: :name, value: name, expected: expected})}
    end
  end

  defp set?(variable), do: System.get_env(variable, "") in ["1", "true"]

  defp story(rec, opts) do
    with {:ok, opts} <- options(opts), do: Story.tell(rec, opts)
  end

  defp options(opts) do
    with :ok <- Query.known(opts, Keyword.keys(@canon)) do
      opts = @canon |> Keyword.merge(opts) |> Map.new()
      Enum.find_value(opts, &wrong/1) || {:ok, ready(opts)}
    end
  end

  defp ready(opts) do
    roles = Map.new(opts.roles, fn {role, process} -> {process, role} end)
    %{opts | ignore: List.wrap(opts.ignore), roles: roles}
  end

  defp wrong({:roles, roles}) do
    unless is_list(roles) and Enum.all?(roles, &match?({role, _} when is_atom(role) or is_binary(role), &1)),
      do: invalid(:roles, roles, "a list of {role, process}, roles being atoms or strings")
  end

  defp wrong({:normalize, fun}) when fun != nil and not is_function(fun, 1),
    do: invalid(:normalize, fun, "a function of one argument")

  defp wrong({:order, order}) when order not in [:causal, :arrival],
    do: invalid(:order, order, ":causal or :arrival")

  defp wrong({:unordered, roles}) when not is_list(roles), do: invalid(:unordered, roles, "a list of roles")

  defp wrong({:only, roles}) when roles != nil and not is_list(roles),
    do: invalid(:only, roles, "a list of roles")

  defp wrong(_right), do: nil

  defp invalid(key, value, expected),
    do: {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected})}

  defp same_level(%{level: level}, %{level: level}, _path), do: :ok

  defp same_level(%{level: expected}, %{level: actual}, path),
    do: {:error, Error.new(:golden_level, %{path: path, expected: expected, actual: actual})}

  defp new(rec, path, opts) do
    with :ok <- write(rec, path, opts), do: {:new, path}
  end

  defp update(rec, path, opts) do
    with {:ok, old} <- ours(path), {:ok, text} <- text(rec, opts) do
      cond do
        old == text -> :ok
        old == nil -> with(:ok <- put(path, text), do: {:new, path})
        true -> with(:ok <- put(path, text), do: {:updated, path})
      end
    end
  end

  # What may be written over: nothing, or a golden execution that this version or one before it wrote.
  defp ours(path) do
    case File.read(path) do
      {:ok, text} -> replaceable(text, Reader.version(text), path)
      {:error, :enoent} -> {:ok, nil}
      {:error, reason} -> {:error, Error.new(:file, "#{path}: #{:file.format_error(reason)}")}
    end
  end

  defp replaceable(text, {:ok, version}, path) do
    if version <= Text.version(),
      do: {:ok, text},
      else: {:error, Error.new(:golden_version, %{path: path, version: version, known: Text.version()})}
  end

  defp replaceable(_text, :error, path) do
    what = "its first line is not that of a golden execution, so it is not written over"
    {:error, Error.new(:golden_damaged, %{path: path, what: what})}
  end

  # By rename: who reads meanwhile, or comes after a crash, finds the old file or the new one.
  defp put(path, text) do
    temporary = "#{path}.#{System.pid()}.#{System.unique_integer([:positive])}"

    with :ok <- File.mkdir_p(Path.dirname(path)),
         :ok <- File.write(temporary, text),
         :ok <- File.rename(temporary, path) do
      :ok
    else
      {:error, reason} ->
        File.rm(temporary)
        {:error, Error.new(:file, "#{path}: #{:file.format_error(reason)}")}
    end
  end
end
