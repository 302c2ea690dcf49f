defmodule BeamScope.WhatIf do
  @moduledoc """
  What would have become of a process, had one message not come, been another, or come besides: the answer to `BeamScope.Replay.what_if/4`.

    * `process` – whose life it is; `module` – whose callbacks were run
    * `edit` – as it was given; `start` – the state that both lives began with
    * `steps` – what both lives handled, in order, each `%{message:, kind:, run:, edit:, moment:, recorded:, edited:, same?:}`: `message` is the
      recorded one (or the inserted one), `run` what the edited life handled in its place, `edit` `:skipped`, `:replaced`, `:inserted` or
      `nil`, and `recorded` and `edited` are outcomes, `nil` where that life had none
    * an outcome is `%{state:, reply:, sends:, result:}`: `reply` `{:ok, term}` or `nil`, `sends` a list of `%{to:, message:}`, `result` as that of a
      `BeamScope.Transition`. `reply` and `sends` are `:unknown` where the recording did not record what is sent
    * `first_difference` – the first step that is not the same in both, or `nil`; `same?` of a step is `:unknown` where the recording was cut
    * `final` – `{recorded, edited}`, the states at the end; `ended` – `{recorded, edited}`, what each life ended with, or `nil`
    * `diff` – a `%BeamScope.Diff{}` of the final states
    * `sends` – `%{recorded_only: [...], edited_only: [...]}`: what only one of them sent; replies have `reply?: true`
    * `side_effects` – what running it may have done besides, in words
    * `not_run` – what was not run, or not as it was, in words

  It prints as a short story: where the lives part and what differs there, what differs at the end, and what only one of them sent.
  """

  alias BeamScope.{Diff, Error, Event, Process, Recording.Query, Replay}
  alias BeamScope.Replay.WhatIf.{Check, Compare, Edit, Life, Peer, Plan, Setup, SideEffects}

  defstruct [:process, :module, :edit, :start, :first_difference, :final, :ended, :diff, :sends] ++
              [steps: [], side_effects: [], not_run: []]

  @type outcome :: %{
          state: term,
          reply: {:ok, term} | nil | :unknown,
          sends: [%{to: term, message: term}] | :unknown,
          result: term
        }
  @type step :: %{
          message: term,
          kind: atom,
          run: term,
          edit: nil | :skipped | :replaced | :inserted,
          moment: BeamScope.Moment.t() | nil,
          recorded: outcome | nil,
          edited: outcome | nil,
          same?: boolean | :unknown
        }
  @type t :: %__MODULE__{
          process: Process.t(),
          module: module,
          edit: Edit.t(),
          start: term,
          steps: [step],
          first_difference: step | nil,
          final: {recorded :: term, edited :: term},
          ended: {recorded :: term, edited :: term},
          diff: Diff.t(),
          sends: %{recorded_only: [map], edited_only: [map]},
          side_effects: [String.t()],
          not_run: [String.t()]
        }

  @timeout 10_000
  @limit 1_000

  @doc """
  A request as the message that `GenServer.call/2` sends, to insert or to put in another's place. The reply goes nowhere, and is recorded.

      iex> {:"$gen_call", {caller, _tag}, {:pay, 5}} = BeamScope.WhatIf.call({:pay, 5})
      iex> caller == self()
      true
  """
  @spec call(term) :: tuple
  def call(request), do: {:"$gen_call", {self(), [:alias | make_ref()]}, request}

  @doc """
  A request as the message that `GenServer.cast/2` sends.

      iex> BeamScope.WhatIf.cast(:reset)
      {:"$gen_cast", :reset}
  """
  @spec cast(term) :: tuple
  def cast(request), do: {:"$gen_cast", request}

  @doc false
  @spec run(Replay.t(), BeamScope.selector(), Edit.t(), keyword) :: {:ok, t} | {:error, Error.t()}
  def run(%Replay{} = cursor, process, edit, opts) do
    with :ok <- Query.known(opts, [:force, :timeout, :limit]),
         {:ok, timeout} <- positive(opts, :timeout, @timeout),
         {:ok, limit} <- positive(opts, :limit, @limit),
         {:ok, plan} <- Plan.read(cursor, process, limit),
         :ok <- Check.code(plan.module),
         {:ok, groups} <- Edit.apply(plan.groups, edit, cursor.recording, plan.process),
         {:ok, plan} <- Check.rebuildable(%{plan | groups: groups}),
         :ok <- Check.forced(opts, plan),
         %{} = life <- Peer.with_peer(timeout, &live(&1, plan, 2 * limit)),
         do: {:ok, result(life, edit)}
  end

  defp positive(opts, key, default) do
    case Keyword.get(opts, key, default) do
      n when is_integer(n) and n > 0 -> {:ok, n}
      other -> Query.invalid(key, other, "a positive integer")
    end
  end

  defp live(peer, plan, limit) do
    {table, notes} = Setup.start(peer, plan)
    life = Life.run(peer, plan, table, limit)
    %{life | notes: notes ++ life.notes}
  end

  # ---- what came of it ----

  defp result(life, edit) do
    %__MODULE__{
      process: life.plan.process,
      module: life.plan.module,
      edit: edit,
      start: life.plan.state,
      steps: life.steps,
      first_difference: Enum.find(life.steps, &(&1.same? == false)),
      final: {life.recorded, life.edited},
      ended: {last_result(life.steps), life.ended},
      diff: Diff.diff(life.recorded, life.edited),
      sends: Compare.sends(life.steps),
      side_effects: SideEffects.of(life.plan.module),
      not_run: List.wrap(life.plan.stop) ++ life.notes ++ calls(life) ++ limits(life)
    }
  end

  defp last_result(steps) do
    Enum.find_value(steps, fn
      %{recorded: %{result: result}} when result != :ok -> result
      _ -> nil
    end)
  end

  defp calls(life) do
    told(life.unanswered, "had no answer in the recording and failed as if nobody were there") ++
      told(life.answered, "got the answer of the recording")
  end

  defp told(calls, what) do
    for {to, calls} <- Enum.group_by(calls, & &1.to),
        do: "#{count(calls)} to #{BeamScope.Terminal.Term.text(to, 40)} #{what}"
  end

  defp count(calls), do: BeamScope.Terminal.Style.count(length(calls), "call")

  defp limits(life) do
    unknown =
      if life.plan.sends?,
        do: [],
        else: ["what the recorded life sent is not known at this level: record at :full to compare it"]

    if Enum.any?(life.plan.groups, &from_runtime?(&1, life.plan)),
      do: unknown ++ [from_runtime()],
      else: unknown
  end

  # Nobody is known to have sent it, where all sends are recorded; or it says itself what it is.
  defp from_runtime?(%{kind: :info, from: nil, edit: nil}, %{sends?: true}), do: true

  defp from_runtime?(%{message: message}, _plan),
    do: match?({label, _} when label in [:down, :exit, :reply], Event.classify(message))

  defp from_runtime,
    do: "messages of timers, monitors and tasks came as recorded, whatever the edited life started or stopped"
end

defimpl Inspect, for: BeamScope.WhatIf do
  alias BeamScope.Terminal.Style

  def inspect(life, opts) do
    style = opts |> Style.from_inspect() |> Style.nested()
    life |> BeamScope.Terminal.WhatIf.lines(style) |> Style.to_doc(style)
  end
end
