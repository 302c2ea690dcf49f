defmodule BeamScope.Line do
  @moduledoc """
  The probes: empty functions that are called where a line of instrumented code begins (`line`), and where source was marked by
  `BeamScope.line/1` (`mark`).

  They do nothing and answer `:ok`. While a recording wants them they have a call breakpoint, so that the virtual machine itself tells which
  calls belong to a process of the recording; all others pay for the call and a look at the breakpoint, some nanoseconds.

  The first argument is the *site*, a literal that costs no memory: `{id, name...}` of a line, `{{module, function, arity, line, label},
  name...}` of a mark, with a name for each of the other arguments, which are what the variables of these names hold. There are 0 to
  32 of them; code with more variables has more probes.
  """

  @most 32

  @doc "How many variables one probe can have."
  @spec most() :: pos_integer()
  def most, do: @most

  for n <- 0..@most do
    values = Macro.generate_unique_arguments(n, __MODULE__)
    ignored = for {name, meta, context} <- values, do: {:"_#{name}", meta, context}

    @doc false
    def line(_site, unquote_splicing(ignored)), do: :ok

    @doc false
    def mark(_site, unquote_splicing(ignored)), do: :ok
  end
end
