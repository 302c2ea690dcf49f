defmodule BeamScope.Comparison do
  @moduledoc """
  Two executions side by side: the answer of `BeamScope.compare/3`. The first is what is expected, the second what came.

      comparison = BeamScope.compare(good, bad)
      comparison.first.role                     # who did something else first
      comparison.first.divergence.kind          # and in what
      BeamScope.Comparison.view(comparison, Counter)

  It is enumerable, over `%BeamScope.Comparison.Role{}`: those that parted first, in the order in which they did; then those of
  which something is unknown; then the others. It prints itself: who did something else first and what, who followed, who is
  there in one execution only, what ended otherwise, what got slower.

  ## Who is who

  A process's *role* is the name that `roles:` gives it; else its registered name (a `:via` or `:global` one too); else, if it was
  started again, that of the one before it; else its parent's role and its id there, or its module, numbered by order of birth from
  the second on: `"MyApp.Sup/Worker 2"`. Children that are alike are matched by what they were started with first, so that another
  order of starting is no difference. Who owns the recording is `"caller"`. Incarnations of one process are one role, one after
  the other. These are the roles of `BeamScope.Golden`, and the system's own processes are left out as they are there.

  ## What is compared

  Of a server: the messages it handled, from whom, what it did meanwhile (sends, answers, calls of traced functions), the state
  it was left in, how it ended. Of any other process: what it did, and, apart from that and by sender, what came to it, since when a
  message came does not say when it was read.

  What is another in every run does not count: pids (but for their roles), references, ports, numbers in the names of local
  functions, stacktraces, and points in time: whole numbers that are a time of day within one of the recordings, give or take a
  second, in nano-, micro-, milli- or seconds; monotonic times (within 400 days of a VM's start) in nano-, micro- or milliseconds;
  `DateTime`, `NaiveDateTime` and `{mega, second, micro}` likewise. Two such numbers are held to be the same although they differ;
  `times: false` compares them. Messages of timers that changed nothing are left out, as are normal ends, and the protocols by which
  processes are started and looked at.

  ## Orders

  Messages of one sender have the order in which it sent them. Of two senders' the order may be another, unless one was sent because of
  the other, through however many processes: then its place is compared (kind `:order`). Where messages came in another order that was
  free, the state behind the last of them must be the same (else `:state`); what was answered meanwhile may differ, at whoever got it
  as well. How many there were is told in `reordered`.

  ## What is not known

  A term that was truncated or redacted, a state or messages that were lost: neither the same nor different, and counted in
  `unknown`. Behind a loss, stories are taken up again where four messages in a row are the same. A recording that a limit ended is
  unknown from its end on. `same?/1` is true only where nothing is unknown.

  ## What comes first

  Of several roles that parted, the one whose divergence happened before the others' in either execution (Lamport's order: by
  messages and by each process's own steps) is told first; where neither is before the other, the one that was earlier in its own
  recording, in proportion to how long that is.

  ## Times

  `shifts` of a role: how long it took to handle a message (`:handling`), how long calls of traced functions took (`:calls`), both in
  nanoseconds, and how many messages waited when one was taken up (`:mailbox`). Each is `%{measure:, n:, median:, p:, effect:,
  significant?:}`, pairs being first and second: a Mann–Whitney U test (1947; normal approximation, corrected for ties and
  continuity) with Vargha and Delaney's effect size (2000), the probability that one of the second is larger than one of the first.
  Significant is `p < 0.01` with at least a medium effect (0.64 or more, 0.36 or less). The test takes observations for independent,
  which those of one process are not quite. Times never make two executions different.

  ## Bounds

  At most 200 roles are told and 64 divergences with their terms; `left_out` says how many roles more there were. Fingerprints of 64 bits
  that are equal are taken for equal terms.

  Fields: `roles`; `first`, the role that parted first, or `nil`; `counts`, how many roles there are of each verdict; `left_out`; `lost`, events
  lost in either recording; `unclear`, how many messages `ignore_messages:` could not decide; `recordings`, which keeps both alive.
  """

  alias BeamScope.{Align, Diff, Error, Moment, Native, Recorder, Recording}
  alias BeamScope.Align.Step
  alias BeamScope.Comparison.{Options, Role}
  alias BeamScope.Golden.Difference
  alias BeamScope.Recorder.Profile
  alias BeamScope.Recording.Query

  @enforce_keys [:recordings]
  defstruct [
    :recordings,
    :first,
    :options,
    roles: [],
    counts: %{},
    left_out: 0,
    lost: {0, 0},
    unclear: 0,
    fallback?: false
  ]

  @type t :: %__MODULE__{
          roles: [Role.t()],
          first: Role.t() | nil,
          counts: %{Role.verdict() => non_neg_integer},
          left_out: non_neg_integer,
          lost: {non_neg_integer, non_neg_integer},
          unclear: non_neg_integer,
          fallback?: boolean,
          recordings: {Recording.t(), Recording.t()}
        }

  defmodule Role do
    @moduledoc """
    What was found out about one role.

      * `role` – a name as it was registered, or a text
      * `verdict` – `:same`, `:different`, `:unknown`, `:only_first`, `:only_second`
      * `divergence` – where its stories part, or `nil`: `%{kind:, expected:, actual:, diff:}`. `kind` is `:handled`, `:received`,
        `:sent`, `:called`, `:state`, `:ended`, `:order` or `:role`; `expected` and `actual` are `nil` where there is nothing, else
        `%{step: %BeamScope.Align.Step{}, moment: %BeamScope.Moment{}, track:, sent_seq:, ended:}`, the step saying message and
        sender, `sent_seq` the event that sent it; `diff` is a `%BeamScope.Diff{}`, or `nil`
      * `ends` – the last states, where they differ: `%{first:, second:, diff:}`
      * `tally` – `{first, second}` of `%{processes:, messages:, sends:, calls:, crashes:, restarts:, lost:}`
      * `unknown`, `reordered` – how much could not be compared; how many messages came in another order that was free
      * `vague?` – whether some order was held to be free because there was too much to look at
      * `shifts` – see `BeamScope.Comparison`
    """
    @enforce_keys [:role, :verdict]
    defstruct [
      :role,
      :verdict,
      :divergence,
      :ends,
      :tally,
      unknown: 0,
      reordered: 0,
      vague?: false,
      shifts: []
    ]

    @type verdict :: :same | :different | :unknown | :only_first | :only_second
    @type side :: %{
            step: Step.t(),
            moment: Moment.t(),
            track: non_neg_integer,
            sent_seq: non_neg_integer | nil,
            ended: {:crash | :stop, term} | nil
          }
    @type t :: %__MODULE__{
            role: term,
            verdict: verdict,
            divergence: nil | %{kind: atom, expected: side | nil, actual: side | nil, diff: Diff.t() | nil},
            ends: nil | %{first: term, second: term, diff: Diff.t()},
            unknown: non_neg_integer,
            reordered: non_neg_integer,
            vague?: boolean,
            shifts: [map]
          }
  end

  @doc false
  # See `BeamScope.compare/3`.
  @spec run(Recording.t(), Recording.t(), keyword) :: {:ok, t} | {:error, Error.t()}
  def run(a, b, opts) do
    with {:ok, opts} <- Options.validate(opts),
         {:ok, found} <- ask(a, b, opts, nil),
         do: {:ok, new(found, {a, b}, opts)}
  end

  # Both are brought up to now before either is read.
  defp ask(a, b, opts, focus) do
    with {:ok, info_a} <- Query.ask(a, fn -> Recorder.info(a) end),
         {:ok, info_b} <- Query.ask(b, fn -> Recorder.info(b) end),
         :ok <- same_level(info_a[:level], info_b[:level]),
         {:ok, asked} <- Options.native(opts, {a, info_a}, {b, info_b}),
         {:ok, answer} <-
           Query.ask(b, fn -> Native.compare(a.native, b.native, Map.put(asked, :focus, focus)) end),
         do: {:ok, Map.put(answer, :fallback?, Enum.any?([info_a, info_b], &Profile.fallback?(&1[:profile])))}
  end

  # What one of them did not look for would be missing in it.
  defp same_level(level, level), do: :ok
  defp same_level(a, b) when nil in [a, b], do: :ok
  defp same_level(a, b), do: {:error, Error.new(:different_levels, %{first: a, second: b})}

  @doc """
  Whether both did the same, for sure: nothing is different, missing or unknown.

      iex> BeamScope.Comparison.same?(%BeamScope.Comparison{recordings: {nil, nil}, counts: %{same: 3, unknown: 1}})
      false
  """
  @spec same?(t) :: boolean
  def same?(%__MODULE__{unclear: 0} = comparison), do: verdict(comparison) == :same
  def same?(%__MODULE__{}), do: false

  @doc "`:same`, `:different`, or `:unknown` where nothing differs of what is known, or there is nothing to compare."
  @spec verdict(t) :: :same | :different | :unknown
  def verdict(%__MODULE__{counts: counts, lost: lost}) do
    count = &Map.get(counts, &1, 0)

    cond do
      count.(:different) + count.(:only_first) + count.(:only_second) > 0 -> :different
      count.(:unknown) > 0 or lost != {0, 0} or count.(:same) == 0 -> :unknown
      true -> :same
    end
  end

  @doc "What was found about a role, or `nil`."
  @spec role(t, term) :: Role.t() | nil
  def role(%__MODULE__{roles: roles}, role), do: Enum.find(roles, &(&1.role == role))

  @doc """
  What a role did in both, side by side: a `BeamScope.Align` of `BeamScope.Align.Step`s, around the place where its stories part.

  At most 400 steps of each: 20 messages before that place, 40 behind it. What was free to come in another order stands as out of order
  here. Reads both recordings again. Raises `BeamScope.Error` where there is no such role.
  """
  @spec view(t, term) :: Align.t()
  def view(%__MODULE__{recordings: {a, b}} = comparison, role) do
    case ask(a, b, comparison.options, Options.text(role)) do
      {:ok, %{steps: {expected, actual}}} ->
        parties = parties(comparison.roles)

        Difference.align(
          Enum.map(expected, &step(&1, role, parties)),
          Enum.map(actual, &step(&1, role, parties))
        )

      {:error, error} ->
        raise error
    end
  end

  # ---- what was found ----

  defp new(found, recordings, opts) do
    named = Enum.map(found.roles, &{&1.text, named(&1, opts)})
    parties = Map.new(named)
    roles = Enum.zip_with(found.roles, named, fn role, {_text, name} -> role(role, name, parties) end)

    %__MODULE__{
      roles: roles,
      first: Enum.find(roles, &(&1.divergence != nil)),
      counts: found.counts,
      left_out: found.left_out,
      lost: found.lost,
      unclear: found.unclear,
      fallback?: found.fallback?,
      recordings: recordings,
      options: opts
    }
  end

  defp named(%{key: {:name, name}}, _opts), do: name
  defp named(%{key: {:given, at}, text: text}, opts), do: Options.given_name(opts, at, text)
  defp named(%{text: text}, _opts), do: text

  defp parties(roles), do: Map.new(roles, &{Options.text(&1.role), &1.role})

  defp role(found, name, parties) do
    %Role{
      role: name,
      verdict: found.verdict,
      divergence: divergence(found.divergence, name, parties),
      ends: ends(found.ends),
      tally: found.tally,
      unknown: found.unknown,
      reordered: found.reordered,
      vague?: found.vague,
      shifts: found.shifts
    }
  end

  defp divergence(nil, _name, _parties), do: nil

  defp divergence(found, name, parties) do
    %{
      kind: found.kind,
      expected: side(found.expected, name, parties),
      actual: side(found.actual, name, parties),
      diff: found.diff && Diff.new(found.diff)
    }
  end

  defp ends(nil), do: nil
  defp ends(ends), do: %{ends | diff: Diff.new(ends.diff)}

  defp side(nil, _name, _parties), do: nil

  defp side(told, name, parties) do
    %{
      step: step(told, name, parties),
      moment: %Moment{seq: told.seq, at_ns: told.at_ns},
      track: told.track,
      sent_seq: told.sent_seq,
      ended: told.ended
    }
  end

  @sent [:ask, :tell, :send, :answer]

  defp step(%{what: what} = told, name, parties) do
    party = told.party && Map.get(parties, told.party, told.party)
    step = %Step{what: what, role: name, message: bare(told.message), seq: told.seq, state: told.state}

    cond do
      what in @sent -> %{step | to: party}
      what == :returned -> %{step | what: :invoke, reply: told.reply}
      what == :raised -> %{step | what: :invoke, reply: {:error, bare(told.reply)}}
      what == :invoke -> step
      true -> %{step | from: party, reply: told.reply}
    end
  end

  defp bare({:ok, term}), do: term
  defp bare(nil), do: nil

  defimpl Enumerable do
    def count(%{roles: roles}), do: {:ok, length(roles)}
    def member?(%{roles: roles}, role), do: {:ok, role in roles}
    def slice(%{roles: roles}), do: Enumerable.List.slice(roles)
    def reduce(%{roles: roles}, acc, fun), do: Enumerable.List.reduce(roles, acc, fun)
  end

  defimpl Inspect do
    alias BeamScope.Terminal.{Comparison, Style}

    def inspect(comparison, opts) do
      style = Style.from_inspect(opts)
      comparison |> Comparison.lines(style) |> Style.to_doc(style)
    end
  end
end
