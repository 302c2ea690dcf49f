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
  alias BeamScope.Replay.WhatIf.{Compare, Driver, Edit, Life, Peer, Plan, SideEffects, StandIns}

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
         :ok <- code(plan.module),
         {:ok, groups} <- Edit.apply(plan.groups, edit, cursor.recording, plan.process),
         {:ok, plan} <- rebuildable(%{plan | groups: groups}),
         :ok <- forced(opts, plan),
         %{} = life <- Peer.with_peer(timeout, &live(&1, plan, 2 * limit)),
         do: {:ok, result(life, edit)}
  end

  defp positive(opts, key, default) do
    case Keyword.get(opts, key, default) do
      n when is_integer(n) and n > 0 -> {:ok, n}
      other -> Query.invalid(key, other, "a positive integer")
    end
  end

  defp code(module),
    do:
      if(Code.ensure_loaded?(module),
        do: :ok,
        else: {:error, Error.new(:no_code, %{module: module, where: :here})}
      )

  # ---- can it be run ----

  # Everything that will be, before anything is. The table is not kept: what a message names may be made on the way to it.
  defp rebuildable(plan) do
    with :ok <- packs(plan.state, "state"),
         :ok <- Enum.reduce_while(plan.groups, :ok, &message/2),
         do: {:ok, %{plan | groups: Enum.map(plan.groups, &with_answers/1)}}
  end

  defp message(%{edit: :skipped}, :ok), do: {:cont, :ok}

  defp message(group, :ok) do
    root = if group.edit in [:inserted, :replaced], do: "message", else: "message of ##{group.seq}: message"

    case packs(group.run, root) do
      :ok -> {:cont, :ok}
      error -> {:halt, error}
    end
  end

  defp packs(term, root) do
    case StandIns.pack(term, %StandIns{}, root) do
      {:ok, _, _} -> :ok
      {:error, {path, what}} -> {:error, Error.new(:cannot_rebuild, %{path: path, value: what})}
    end
  end

  # An answer that was cut is none.
  defp with_answers(group) do
    whole? = fn answer -> packs(answer, "answer") == :ok end
    %{group | recorded: for(one <- group.recorded, do: %{one | answers: Enum.filter(one.answers, whole?)})}
  end

  defp forced(opts, plan) do
    case Keyword.get(opts, :force, false) do
      true -> :ok
      false -> {:error, Error.new(:needs_force, would_run(plan))}
      other -> Query.invalid(:force, other, "true or false")
    end
  end

  defp would_run(plan) do
    run = Enum.reject(plan.groups, &(&1.edit == :skipped))
    callbacks = run |> Enum.map(&callback(&1.kind)) |> Enum.uniq() |> Enum.sort()

    %{
      module: plan.module,
      callbacks: callbacks,
      messages: length(run),
      side_effects: SideEffects.of(plan.module)
    }
  end

  defp callback(:call), do: "handle_call/3"
  defp callback(:cast), do: "handle_cast/2"
  defp callback(:continue), do: "handle_continue/2"
  defp callback(_info), do: "handle_info/2"

  # ---- running it ----

  defp live(peer, plan, limit) do
    notes = same_code(peer, plan.module)
    {:ok, state, table} = StandIns.pack(plan.state, %StandIns{}, "state")
    {:ok, own, table} = StandIns.pack(plan.process.pid, table, "process")
    {stubs, table} = stubs(plan, table)

    setup = %{
      module: plan.module,
      state: state,
      own: own,
      names: plan.own_names,
      stubs: stubs,
      traps?: Enum.any?(plan.groups, &match?({:EXIT, _, _}, &1.message)),
      env: env(plan.module)
    }

    :ok = Peer.call(peer, Driver, :start, [:erlang.term_to_binary(setup)])
    life = Life.run(peer, plan, table, limit)
    %{life | notes: notes ++ life.notes}
  end

  defp same_code(peer, module) do
    here = module.module_info(:md5)

    case Peer.call(peer, :code, :ensure_loaded, [module]) do
      {:module, ^module} ->
        if Peer.call(peer, module, :module_info, [:md5]) == here,
          do: [],
          else: ["the code of #{inspect(module)} on disk, which was run, is not the one that is loaded here"]

      {:error, _} ->
        throw({:beam_scope_peer, Error.new(:no_code, %{module: module, where: :peer})})
    end
  end

  # Every name that the recording knows, and whom it called: their answers are those of the recording, or none.
  defp stubs(plan, table) do
    asked = for group <- plan.groups, one <- group.recorded, {to, _, _} <- one.answers, do: to

    sent =
      for %{sends: sends} when is_list(sends) <- Enum.flat_map(plan.groups, & &1.recorded),
          %{to: to} <- sends,
          is_atom(to),
          do: to

    named = for {pid, name} <- plan.names, do: {pid, [name]}

    pids =
      for to <- asked, not is_atom(to), to != plan.process.pid, not is_map_key(plan.names, to), do: {to, []}

    known = Map.values(plan.names)
    sent = sent ++ plan.registered

    others =
      for name <- Enum.uniq(sent ++ asked),
          is_atom(name),
          name not in known,
          name not in plan.own_names,
          do: {nil, [name]}

    (named ++ Enum.uniq(pids))
    |> Enum.reject(&match?({pid, _} when pid == plan.process.pid, &1))
    |> Enum.map_reduce(table, fn {pid, names}, table ->
      {:ok, token, table} = StandIns.pack(pid, table, "process")
      {{token, names}, table}
    end)
    |> then(fn {stubs, table} -> {stubs ++ others, table} end)
  end

  # What the callbacks may ask `Application.get_env/2` for, of their own application: not what cannot live there.
  defp env(module) do
    case :application.get_application(module) do
      {:ok, app} ->
        [{app, for({key, value} <- Application.get_all_env(app), plain?(value), do: {key, value})}]

      :undefined ->
        []
    end
  end

  defp plain?(value), do: match?({:ok, ^value, _}, StandIns.pack(value, %StandIns{}, "env"))

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
