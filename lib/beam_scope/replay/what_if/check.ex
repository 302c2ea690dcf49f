defmodule BeamScope.Replay.WhatIf.Check do
  @moduledoc """
  Whether a plan can be run, and may be.
  """

  alias BeamScope.{Error, Recording.Query}
  alias BeamScope.Replay.WhatIf.{SideEffects, StandIns}

  @doc "Whether the code of a module is here."
  @spec code(module) :: :ok | {:error, Error.t()}
  def code(module) do
    if Code.ensure_loaded?(module),
      do: :ok,
      else: {:error, Error.new(:no_code, %{module: module, where: :here})}
  end

  @doc """
  The plan, if everything that is to be run can be made again: looked at before anything is run.
  """
  # The table is not kept: what a message names may be made on the way to it.
  @spec rebuildable(map) :: {:ok, map} | {:error, Error.t()}
  def rebuildable(plan) do
    with :ok <- packs(plan.state, "state"),
         :ok <- Enum.reduce_while(plan.groups, :ok, &message/2),
         do: {:ok, %{plan | groups: Enum.map(plan.groups, &with_answers/1)}}
  end

  defp message(%{edit: :skipped}, :ok), do: {:cont, :ok}

  defp message(group, :ok) do
    root = if group.edit in [:inserted, :replaced], do: "message", else: "message (##{group.seq})"

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

  @doc "Whether `force: true` says that it is meant; the error tells what would be run."
  @spec forced(keyword, map) :: :ok | {:error, Error.t()}
  def forced(opts, plan) do
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
end
