defmodule BeamScope.Inference.Candidate do
  @moduledoc """
  A likely invariant that `BeamScope.infer/2` found.

    * `template` – what kind it is; `BeamScope.Inference` lists them
    * `role` – whose it is, the name of the role in the code
    * `name` – what it says, in words; the name of the expectation
    * `code` – the line that an expectation is made of
    * `observations` – how often it was put to the test
    * `chance` – the probability that it would hold so often by chance, by the null model of its template
    * `roles` – the roles that `code` speaks of
    * `remark` – what `code` cannot say, or `nil`
  """

  @enforce_keys [:template, :role, :name, :code, :observations, :chance]
  defstruct [:template, :role, :name, :code, :observations, :chance, roles: [], remark: nil]

  @type t :: %__MODULE__{
          template: atom,
          role: String.t(),
          name: String.t(),
          code: String.t(),
          observations: pos_integer,
          chance: float,
          roles: [String.t()],
          remark: String.t() | nil
        }

  @doc false
  # No two expectations of a module have the same name.
  @spec distinct([t]) :: [t]
  def distinct(candidates) do
    {candidates, _taken} = Enum.map_reduce(candidates, MapSet.new(), &rename/2)
    candidates
  end

  defp rename(candidate, taken) do
    names =
      Stream.concat([candidate.name], Stream.map(Stream.iterate(2, &(&1 + 1)), &"#{candidate.name} (#{&1})"))

    name = Enum.find(names, &(not MapSet.member?(taken, &1)))
    {%{candidate | name: name}, MapSet.put(taken, name)}
  end
end
