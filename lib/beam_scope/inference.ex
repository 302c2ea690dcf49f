defmodule BeamScope.Inference do
  @moduledoc """
  Invariants found, not written: what held in all that a recording (or several) shows, as candidates for expectations.

      iex> defmodule Till do
      ...>   use GenServer
      ...>   def init(limit), do: {:ok, %{limit: limit, coins: [], count: 0}}
      ...>
      ...>   def handle_call({:put, coin}, _from, till),
      ...>     do: {:reply, :ok, %{till | coins: [coin | till.coins], count: till.count + 1}}
      ...> end
      iex> {:ok, till} = GenServer.start_link(Till, 100)
      iex> {_, rec} = BeamScope.record([trace: till], fn -> for c <- 1..10, do: GenServer.call(till, {:put, c}) end)
      iex> inference = BeamScope.infer(rec, only: [Till])
      iex> for c <- inference.candidates, c.template in [:constant, :equal, :reply], do: c.code
      [
        "always :till, %{limit: 100}",
        "always :till, %{count: count, coins: coins} when count == length(coins)",
        "leads_to received({:\\"$gen_call\\", {_, tag}, {:put, _}}, to: :till), sent({tag, :ok}, from: :till)"
      ]

  Printed, an inference is a summary and the code of a module of expectations (`BeamScope.Expectation`): paste it, keep what is
  meant, and delete what only happened to be so. `to_code/2` gives that code. Every line of it holds of the recordings that it was
  found in, as `BeamScope.check/3` sees it, unless events of them were lost.

  This is what Daikon does for programs with loops and procedures: Ernst, Perkins, Guo, McCamant, Pacheco, Tschantz and Xiao, "The Daikon
  system for dynamic detection of likely invariants", Science of Computer Programming 69 (2007).

  ## What is looked at

  The states of processes and what each message made of them (from level `:states` on), the messages that they receive and send (`:messages`
  and `:full`). A field is a key of a map or struct, or a place in a tuple, up to two levels deep; the state itself is one too. A
  *role* is a registered name, or all processes of a module that have none. Supervisors and tasks are left out unless `only:`
  names them.

  A field that is not in every state, or that was truncated or redacted in some, has no candidates; a state that is unknown (after a
  loss) is no observation.

  ## Templates

  | `template` | says | by chance, after `n` observations | shown from |
  |---|---|---|---|
  | `:constant` | a field is always this | 1/2ⁿ⁻¹ | 8 |
  | `:one_of` | a field is one of `k` ≤ 5 values | (k+1)·(k/(k+1))ⁿ | 15 for 2 |
  | `:range`, `:lower_bound`, `:upper_bound` | a whole number, or a size, of `r` different ones | (r/(r+1))ⁿ, or that so many lie on the bound | 49 for 10 |
  | `:type` | what a field is, or that or nil | 1/2ⁿ⁻¹ | 8 |
  | `:not_nil` | a field is never nil | 1/2ⁿ | 7 |
  | `:equal` | two fields, or a field and the length or size of another | 1/rⁿ, at least 1/2ⁿ | 7 |
  | `:difference`, `:sum` | two numbers differ, or add up, to the same | 1/2ⁿ⁻¹ | 8 |
  | `:order` | `a < b` or `a <= b` | qⁿ, `q` being how many pairs out of both ranges obey | |
  | `:key`, `:head` | a field is a key of a map, or the first of a list | 1/2ⁿ | 7 |
  | `:sorted` | a list is in order | 1/2ⁿ⁻¹ | 8 |
  | `:monotonic` | a number, or a size, never falls (or never grows) | 1/2ⁿ⁻¹ | 8 |
  | `:strictly_monotonic` | it grows (or falls) each time | 2/3ⁿ | 5 |
  | `:fixed` | nothing changes a field: it differs between processes at most | 1/2ⁿ | 7 |
  | `:unchanged` | a kind of message leaves a field, or all of the state, as it is | 1/2ⁿ | 7 |
  | `:step`, `:step_by` | a kind of message adds a constant, or what it says | 1/2ⁿ⁻¹ | 8 |
  | `:set_to` | a kind of message sets a field to what it says | 1/2ⁿ⁻¹ | 8 |
  | `:answered` | calls of a kind are answered | 1/2ⁿ | 7 |
  | `:reply` | and always alike: the same, `{:ok, _}`, an integer | 1/2ⁿ⁻¹ | 8 |
  | `:leads_to` | what is received leads to what is sent, with the same id | 1/(m+1) for each id that came `m` times | 7 ids |
  | `:caused` | each that is sent has one of its own that was received: at most one an id | the same | 7 ids |

  An answer, or what something leads to, that had not come when a recording ended may still come: where there was one younger than five
  seconds, its candidate says `within: 5_000`, else there is no time in it.

  Observations are changes: a state in which what a template speaks of stayed as it was, tests nothing. `chance` is the probability that
  so many observations would obey if nothing made them: as Daikon does it, against a *null model* in which all outcomes are
  equally likely. It knows nothing of what else is going on; a small one says that there was enough to look at, not that the
  property is meant. Shown is what has a chance of at most 1 % (`confidence: 0.99`). The last column says how many observations that takes.

  What follows from something stronger that is shown is left out: a constant has no type, of two equal fields one is told, `a < c` is
  not said beside `a < b` and `b < c`.

  Daikon's templates that a pattern's guard cannot say are not here (a list's elements, `a in list`); of a sorted list a guard sees the
  first four elements. That messages of a kind come at most once per id can be said, and is, where they have a cause
  (`:caused`).

  ## Bounds

  At most 64 roles; of each 64 fields, 2,048 pairs of fields, 32 kinds of messages handled, 16 kinds received and sent that may lead to
  each other. What was left out stands in `notes`. The time is that of one pass over the recording; memory does not grow with it.
  """

  alias BeamScope.{Error, Native, Recording}
  alias BeamScope.Inference.{Candidate, Code, Notes, Roles, Source}
  alias BeamScope.Recording.Query

  defstruct roles: [], candidates: [], notes: [], lost: 0, recordings: 0, confidence: 0.99

  @typedoc """
  A role: its `name` in the code (a text; no atom is made of it), `process` as `role` takes it (a name, or `[module: module]`), and how
  many processes, states and transitions there were.
  """
  @type role :: %{
          name: String.t(),
          process: term,
          processes: non_neg_integer,
          states: non_neg_integer,
          transitions: non_neg_integer
        }

  @type t :: %__MODULE__{
          roles: [role],
          candidates: [Candidate.t()],
          notes: [String.t()],
          lost: non_neg_integer,
          recordings: pos_integer,
          confidence: float
        }

  @doc false
  # See `BeamScope.infer/2`.
  @spec run(Recording.t() | [Recording.t()], keyword) :: {:ok, t} | {:error, Error.t()}
  def run(recordings, opts) do
    with {:ok, opts} <- options(opts),
         {:ok, recordings} <- recordings(recordings),
         {:ok, found} <- ask(recordings, opts),
         do: {:ok, new(found, length(recordings), opts)}
  end

  # ---- what is asked ----

  defp options(opts) do
    with :ok <- Query.known(opts, [:confidence, :only]),
         {:ok, confidence} <- confidence(Keyword.get(opts, :confidence, 0.99)),
         {:ok, only} <- only(List.wrap(Keyword.get(opts, :only, []))),
         do: {:ok, %{confidence: confidence, only: only}}
  end

  defp confidence(c) when is_number(c) and c >= 0 and c < 1, do: {:ok, c / 1}

  defp confidence(other),
    do:
      invalid(
        :confidence,
        other,
        "a number from 0.0 up to, but not including, 1.0: how sure it must be to be shown"
      )

  defp only(names) do
    if Enum.all?(names, &(is_atom(&1) and &1 not in [nil, true, false])),
      do: {:ok, names},
      else: invalid(:only, names, "a list of registered names and modules")
  end

  defp invalid(key, value, expected),
    do: {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected})}

  defp recordings(%Recording{} = rec), do: {:ok, [rec]}

  defp recordings([_ | _] = recs) do
    case Enum.find(recs, &(not is_struct(&1, Recording))) do
      nil -> {:ok, Enum.uniq_by(recs, & &1.native)}
      other -> {:error, Query.not_a_recording(other)}
    end
  end

  defp recordings(other), do: {:error, Query.not_a_recording(other)}

  # Each is brought up to now before all are read.
  defp ask([rec], opts), do: ask([], rec, opts)

  defp ask(recs, opts) do
    {before, [last]} = Enum.split(recs, -1)
    ask(before, last, opts)
  end

  defp ask(before, last, opts) do
    natives = Enum.map(before, & &1.native) ++ [last.native]
    asked = %{chance: 1.0 - opts.confidence, only: opts.only}

    with :ok <- Enum.reduce_while(before, :ok, &up_to_now/2),
         do: Query.ask(last, fn -> Native.infer(natives, asked) end)
  end

  defp up_to_now(rec, :ok) do
    case Query.ask(rec, fn -> Native.recording_info(rec.native) end) do
      {:ok, _info} -> {:cont, :ok}
      {:error, error} -> {:halt, {:error, error}}
    end
  end

  # ---- what was found ----

  defp new(found, recordings, opts) do
    roles = Roles.name(found.roles)
    names = Enum.map(roles, & &1.name)

    %__MODULE__{
      roles: roles,
      candidates: found.candidates |> Enum.flat_map(&Source.candidate(&1, names)) |> Candidate.distinct(),
      notes: Enum.map(found.notes, &Notes.text(&1, names)),
      lost: found.lost,
      recordings: recordings,
      confidence: opts.confidence
    }
  end

  @doc """
  The code of a module of expectations with all candidates, or with those that are left in the struct.

  Options: `module:` its name (`InferredExpectations`), an atom or a text; `comments: false` leaves out how often each was put to the
  test; `width:` of the lines (98).

      iex> {:ok, agent} = Agent.start_link(fn -> %{count: 0} end)
      iex> {_, rec} = BeamScope.record([trace: agent], fn -> for _ <- 1..9, do: Agent.update(agent, &%{&1 | count: &1.count + 1}) end)
      iex> inference = BeamScope.infer(rec, only: [BeamScope.InferenceTest])
      iex> grows = Enum.filter(inference.candidates, &(&1.template == :strictly_monotonic))
      iex> code = BeamScope.Inference.to_code(%{inference | candidates: grows}, module: Counts, comments: false)
      iex> String.split(code, "\\n")
      [
        "defmodule Counts do",
        "  use BeamScope.Expectation",
        "",
        "  role :inference_test, module: BeamScope.InferenceTest",
        "",
        "  expect \\"inference_test: count always grows\\" do",
        "    transition :inference_test, %{count: n} ~> %{count: m} when m > n, all: true",
        "  end",
        "end"
      ]
  """
  @spec to_code(t, keyword) :: String.t()
  def to_code(%__MODULE__{} = inference, opts \\ []), do: Code.module(inference, opts)

  defimpl Inspect do
    alias BeamScope.Terminal.{Inference, Style}

    def inspect(inference, opts), do: Inference.doc(inference, Style.from_inspect(opts))
  end
end
