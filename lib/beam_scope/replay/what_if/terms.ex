defmodule BeamScope.Replay.WhatIf.Terms do
  @moduledoc """
  In the peer: terms of the recording as terms of this node, and back.

  Between the two nodes a pid or reference is never sent as such: both nodes are `nonode@nohost`, so that the pid of one would be a
  living process of the other. What goes over is a *token*, `{mark, kind, id}`. Here each token stands for something that exists here
  and leads nowhere: a process that has ended, or a reference that nobody waits for. What the callbacks make themselves gets a token
  with a negative id when it is told.

  Nothing of `BeamScope` is needed here but this module and the driver.
  """

  alias BeamScope.Opaque

  @mark :"$beam_scope_stand_in"

  @type token :: {atom, :pid | :reference | :port, integer}

  @doc "The atom that tells a token from any other tuple."
  defmacro mark, do: @mark

  @doc "Makes the table; it belongs to the calling process."
  @spec new() :: :ok
  def new do
    :ets.new(__MODULE__, [:named_table, :public])
    :ok
  end

  @doc "A token stands for this pid from now on."
  @spec bind(token, pid) :: true
  def bind(token, pid), do: :ets.insert(__MODULE__, [{token, pid}, {pid, token}])

  @doc "The term of this node."
  @spec unpack(term) :: term
  def unpack({@mark, kind, _id} = token), do: real(token, kind)
  def unpack(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> unpack() |> List.to_tuple()
  def unpack([head | tail]), do: [unpack(head) | unpack(tail)]

  def unpack(map) when is_map(map),
    do: map |> Map.to_list() |> Map.new(fn {key, value} -> {unpack(key), unpack(value)} end)

  def unpack(other), do: other

  defp real(token, kind) do
    case :ets.lookup(__MODULE__, token) do
      [{_, term}] -> term
      [] -> tap(stand_in(kind), &:ets.insert(__MODULE__, [{token, &1}, {&1, token}]))
    end
  end

  defp stand_in(:reference), do: make_ref()

  defp stand_in(:pid) do
    {pid, monitor} = spawn_monitor(fn -> :ok end)
    receive do: ({:DOWN, ^monitor, _, _, _} -> pid)
  end

  @doc "The term as it goes over. `unknown` are atoms that the other side does not have and must not be made to have."
  @spec pack(term, %{atom => true}) :: term
  def pack(term, unknown \\ %{})

  def pack(term, _unknown) when is_pid(term), do: token(term, :pid)
  def pack(term, _unknown) when is_reference(term), do: token(term, :reference)
  def pack(term, _unknown) when is_port(term), do: token(term, :port)
  def pack(term, unknown) when is_atom(term), do: if(is_map_key(unknown, term), do: opaque(term), else: term)
  def pack([head | tail], unknown), do: [pack(head, unknown) | pack(tail, unknown)]

  def pack(term, unknown) when is_tuple(term),
    do: term |> Tuple.to_list() |> pack(unknown) |> List.to_tuple()

  def pack(term, unknown) when is_map(term) do
    term |> Map.to_list() |> Map.new(fn {key, value} -> {pack(key, unknown), pack(value, unknown)} end)
  end

  # The other side may not have the function, and makes of it what it can.
  def pack(term, unknown) when is_function(term) do
    info = Function.info(term)

    if info[:type] == :external,
      do: {@mark, :export, pack([info[:module], info[:name], info[:arity]], unknown)},
      else: %Opaque{kind: :fun, text: term |> :erlang.fun_to_list() |> List.to_string()}
  end

  def pack(term, _unknown), do: term

  defp opaque(atom), do: %Opaque{kind: :atom, text: Atom.to_string(atom)}

  defp token(term, kind) do
    case :ets.lookup(__MODULE__, term) do
      [{_, token}] ->
        token

      [] ->
        tap(
          {@mark, kind, -:ets.info(__MODULE__, :size) - 1},
          &:ets.insert(__MODULE__, [{&1, term}, {term, &1}])
        )
    end
  end

  @doc "The names of all atoms in a term that goes over."
  @spec atoms(term) :: [String.t()]
  def atoms(term), do: term |> atoms(%{}) |> Map.keys() |> Enum.map(&Atom.to_string/1)

  defp atoms(term, found) when is_atom(term), do: Map.put(found, term, true)
  defp atoms([head | tail], found), do: atoms(tail, atoms(head, found))
  defp atoms(term, found) when is_tuple(term), do: term |> Tuple.to_list() |> atoms(found)
  defp atoms(term, found) when is_map(term), do: term |> Map.to_list() |> atoms(found)

  defp atoms(_term, found), do: found
end
