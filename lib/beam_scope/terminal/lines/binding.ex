defmodule BeamScope.Terminal.Lines.Binding do
  @moduledoc "A variable and what it became."

  alias BeamScope.Terminal.{Style, Term}

  @doc "Its name; one that is bound again is told from the one before by a number."
  @spec label(map) :: String.t()
  def label(%{name: name, nth: 1}), do: to_string(name)
  def label(%{name: name, nth: n}), do: "#{name}##{n}"

  @doc "Whether it is shown: not what the source says it does not use."
  @spec shown?(map) :: boolean
  def shown?(%{name: name}), do: not String.starts_with?(Atom.to_string(name), "_")

  @doc "Name and value, the value in at most so many columns."
  @spec line(map, pos_integer) :: Style.line()
  def line(binding, width),
    do: [{:name, label(binding)}, {:dim, " = "}, {:new, Term.text(binding.value, width)}]
end
