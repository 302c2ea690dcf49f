defmodule BeamScope.Replay.WhatIf.Compare do
  @moduledoc """
  Whether a step is the same in both lives: `true`, `false`, or `:unknown` where the recording does not say (it was cut, or sends were not recorded).
  """

  alias BeamScope.{Diff, Unknown}

  @doc """
  Compares the outcomes of a step. Where one life has none its state stands still, it sends nothing and answers nobody.
  """
  @spec step(map | nil, map | nil, recorded_state :: term, edited_state :: term) :: boolean | :unknown
  def step(recorded, edited, recorded_state, edited_state) do
    recorded = recorded || still(recorded_state)
    edited = edited || still(edited_state)

    all([
      terms(recorded.state, edited.state),
      told(recorded.reply, edited.reply),
      told(recorded.sends, edited.sends),
      terms(recorded.result, edited.result)
    ])
  end

  defp still(state), do: %{state: state, reply: nil, sends: [], result: :ok}

  defp all(verdicts) do
    cond do
      false in verdicts -> false
      :unknown in verdicts -> :unknown
      true -> true
    end
  end

  # At a level that records states alone, that nothing is known of sends is no doubt about each step: the result says it once.
  defp told(:unknown, _edited), do: true
  defp told(_recorded, :unknown), do: true
  defp told(recorded, edited), do: terms(recorded, edited)

  @doc "Whether two terms are the same, as far as the recording holds the first."
  @spec terms(term, term) :: boolean | :unknown
  def terms(%Unknown{}, _edited), do: :unknown
  def terms(same, same), do: true

  def terms(recorded, edited) do
    case recorded |> Diff.diff(edited) |> Diff.changes() do
      [] -> true
      changes -> if Enum.all?(changes, &match?({_, {:unknown, _}}, &1)), do: :unknown, else: false
    end
  end

  @doc "What only one of the lives sent, replies included, in order."
  @spec sends([map]) :: %{recorded_only: [map], edited_only: [map]}
  def sends(steps) do
    # Where the recording does not say what was sent, nothing is known to be sent in one life only.
    steps = Enum.reject(steps, &match?(%{recorded: %{sends: :unknown}}, &1))
    {recorded, edited} = {all_sends(steps, :recorded), all_sends(steps, :edited)}
    %{recorded_only: recorded -- edited, edited_only: edited -- recorded}
  end

  defp all_sends(steps, life) do
    for %{^life => %{sends: sends} = outcome} = step <- steps, send <- sends ++ reply(step, outcome), do: send
  end

  defp reply(%{message: {:"$gen_call", {pid, _}, _}}, %{reply: {:ok, reply}}),
    do: [%{to: pid, message: reply, reply?: true}]

  defp reply(_step, _outcome), do: []
end
