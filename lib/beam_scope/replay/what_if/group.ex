defmodule BeamScope.Replay.WhatIf.Group do
  @moduledoc """
  A message and the continue steps that followed it: what is edited, and run, as one.

    * `kind`, `message` – as recorded; `run` – what the edited life gets; `from` – who sent it, as far as known
    * `edit` – `nil`, `:skipped`, `:replaced` or `:inserted`
    * `began`, `seq` – the numbers between which the message was handled; `began_ns`, `done_ns` – the time of the whole group
    * `recorded` – what came of it in the recorded life, and then of each continue step: `%{state:, reply:, sends:, result:, message:, kind:, moment:,
      answers:}`; empty where that life did not handle it
    * `origin` – the `seq` of the group in which the process sent it itself: it comes if the edited life sends it there; `claimed?` – it has
  """

  defstruct [:kind, :message, :run, :from, :edit, :seq, :began, :origin] ++
              [began_ns: 0, done_ns: 0, recorded: [], claimed?: false]

  @type t :: %__MODULE__{
          kind: atom,
          message: term,
          run: term,
          from: term,
          edit: nil | :skipped | :replaced | :inserted,
          seq: non_neg_integer | nil,
          began: non_neg_integer | nil,
          began_ns: non_neg_integer,
          done_ns: non_neg_integer,
          recorded: [map],
          origin: non_neg_integer | nil,
          claimed?: boolean
        }

  @doc "One of a message that the recorded life did not handle, at a time of it."
  @spec new(term, keyword) :: t
  def new(message, fields),
    do: struct!(%__MODULE__{kind: kind(message), message: message, run: message}, fields)

  defp kind({:"$gen_call", {_, _}, _}), do: :call
  defp kind({:"$gen_cast", _}), do: :cast
  defp kind(_message), do: :info
end
