defmodule BeamScope.Golden.Parties do
  @moduledoc false
  # Who is who at the ends of a message.

  alias BeamScope.Golden.{Canon, Mark, Roles}

  @doc "A role, a pid of nobody known, a name, or `nil` for the runtime."
  @spec party(term, term, map) :: term
  def party(who, name, at) do
    cond do
      role = at.roles.by_pid[who] || at.roles.by_name[name] -> role
      name != nil -> name
      who in [nil, :clock_service, :system, :undefined] -> nil
      true -> who
    end
  end

  @doc "Whether a role is one of those whose doings depend on the order of their messages, as the user says."
  @spec unordered?(term, term, map) :: boolean
  def unordered?(who, name, at), do: at.opts.unordered != [] and party(who, name, at) in at.opts.unordered

  @doc "What senders are sorted by."
  @spec order(term, map) :: term
  def order(who, at) do
    case Canon.who(who, %{at.canon | anonymous?: true}) do
      {%Mark{kind: :pid, args: [role]}, _canon} -> Roles.order(role)
      {other, _canon} -> Roles.order(other)
    end
  end
end
