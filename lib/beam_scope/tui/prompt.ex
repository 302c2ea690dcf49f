defmodule BeamScope.Tui.Prompt do
  @moduledoc """
  The line at the bottom where something is typed.
  """

  # Longer than anything one types, shorter than what a slip of the mouse can paste.
  @longest 300

  @enforce_keys [:kind]
  defstruct [:kind, text: "", last: ""]

  @type kind :: :search | :place | :process
  @type t :: %__MODULE__{kind: kind, text: String.t(), last: String.t()}

  @doc "A prompt that asks for something; `last` is what was typed there before, which the arrow up brings back."
  @spec new(kind, String.t(), String.t()) :: t
  def new(kind, text, last), do: %__MODULE__{kind: kind, text: text, last: last}

  @doc "What a key makes of it: a prompt, the text once it is finished, or the end of it."
  @spec update(t, BeamScope.Tui.Keys.key()) :: t | :cancel | {:done, kind, String.t()}
  def update(prompt, {:char, char}) do
    if byte_size(prompt.text) < @longest, do: %{prompt | text: prompt.text <> char}, else: prompt
  end

  def update(%{text: ""}, :backspace), do: :cancel
  def update(prompt, :backspace), do: %{prompt | text: String.slice(prompt.text, 0..-2//1)}
  def update(prompt, :up), do: %{prompt | text: prompt.last}
  def update(prompt, :ctrl_u), do: %{prompt | text: ""}
  def update(%{text: ""}, :enter), do: :cancel
  def update(%{kind: kind, text: text}, :enter), do: {:done, kind, text}
  def update(_prompt, :escape), do: :cancel
  def update(prompt, _key), do: prompt

  @doc "What stands before the text, and after it as long as there is none."
  @spec words(t) :: {String.t(), String.t()}
  def words(%{kind: :search}),
    do: {"/", "crash, changed KEY, state PATTERN, handled PATTERN, kind KIND, or a message: {:pay, 4}"}

  def words(%{kind: :place}), do: {"go to: ", "start, end, #1234 (event), 12.5 (ms), 3s"}
  def words(%{kind: :process}), do: {"process: ", "a part of its name"}
end
