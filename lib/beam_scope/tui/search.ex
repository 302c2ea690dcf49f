defmodule BeamScope.Tui.Search do
  @moduledoc """
  What is typed at the search prompt, and the way to where it is so.

    * `crash` – a callback failed, or a process ended for another reason than an orderly one
    * `changed KEY` – what is there in the state changed: `changed balance`, `changed account.owner`, `changed "total"`
    * `state PATTERN` – the state matches: `state %{balance: n} when n > 10`
    * `handled PATTERN` – this message was handled
    * `kind KIND` or `kind KIND PATTERN` – an event of this kind, as `kind send`, `kind exit`, `kind send {:pay, _}`
    * `PATTERN` – a message that matches: `{:pay, 4}`; a bare word is the message itself or how a tuple begins
  """

  alias BeamScope.{Error, Event, Pattern, Replay}
  alias BeamScope.Recording.Query
  alias BeamScope.Terminal.Processes

  @type t :: :crash | keyword

  # Exits that one search looks at.
  @exits 1_000

  @doc """
  What a text asks for.

      iex> BeamScope.Tui.Search.parse("changed account.owner")
      {:ok, [changed: [:account, :owner]]}
      iex> BeamScope.Tui.Search.parse("kind send")
      {:ok, [kind: :send]}
  """
  @spec parse(String.t()) :: {:ok, t} | {:error, String.t()}
  def parse(text) do
    case text |> String.trim() |> String.split(~r/\s+/, parts: 2) do
      [""] -> {:error, "Nothing to search for"}
      ["crash"] -> {:ok, :crash}
      ["changed", path] -> tag(:changed, path(path))
      ["state", pattern] -> tag(:state, pattern(pattern))
      ["handled", pattern] -> tag(:handled, pattern(pattern))
      ["message", pattern] -> tag(:match, pattern(pattern))
      ["kind", rest] -> kind(rest)
      _ -> tag(:match, pattern(text))
    end
  end

  defp tag(key, {:ok, value}), do: {:ok, [{key, value}]}
  defp tag(_key, error), do: error

  defp kind(text) do
    [name | pattern] = String.split(text, ~r/\s+/, parts: 2)

    case {Enum.find(Query.kinds(), &(Atom.to_string(&1) == name)), pattern} do
      {nil, _} ->
        {:error, "No kind of event is called #{name}: " <> Enum.join(Query.kinds(), ", ")}

      {kind, []} ->
        {:ok, [kind: kind]}

      {kind, [pattern]} ->
        with {:ok, match} <- tag(:match, pattern(pattern)), do: {:ok, [kind: kind] ++ match}
    end
  end

  # Typed by hand by whom this system belongs to, as in IEx: so words become atoms.
  defp quoted(text) do
    case Code.string_to_quoted(text) do
      {:ok, quoted} -> {:ok, quoted}
      {:error, _} -> {:error, "That is no Elixir pattern"}
    end
  end

  defp path(text) do
    with {:ok, quoted} <- quoted(text) do
      case steps(quoted) do
        [_ | _] = path ->
          {:ok, path}

        _ ->
          {:error, ~s(Give a key, or a path of them: changed balance, changed account.owner, changed "total")}
      end
    end
  end

  defp steps({name, _, context}) when is_atom(name) and is_atom(context), do: [name]

  defp steps({{:., _, [left, name]}, _, []}) when is_atom(name),
    do: with([_ | _] = path <- steps(left), do: path ++ [name])

  defp steps(list) when is_list(list),
    do: if(Enum.all?(list, &literal?/1), do: Enum.map(list, &literal/1))

  defp steps({:__aliases__, _, names}), do: [Module.concat(names)]
  defp steps(other), do: if(literal?(other), do: [other])

  defp literal?({:__aliases__, _, _}), do: true
  defp literal?(term), do: not (is_tuple(term) and tuple_size(term) == 3)

  defp literal({:__aliases__, _, names}), do: Module.concat(names)
  defp literal(term), do: term

  defp pattern(text) do
    with {:ok, quoted} <- quoted(text), do: quoted |> meant() |> compiled()
  end

  # A bare word would be a variable, which matches everything: nobody searches for that.
  defp meant({word, _, context}) when is_atom(word) and is_atom(context) and word != :_,
    do: quote(do: message when message == unquote(word) when elem(message, 0) == unquote(word))

  defp meant(quoted), do: quoted

  defp compiled(quoted) do
    {pattern, _} = quoted |> Pattern.compile(__ENV__) |> Code.eval_quoted([], __ENV__)
    {:ok, pattern}
  rescue
    error -> {:error, error |> Exception.message() |> String.split("\n") |> hd()}
  end

  @doc "The next place in a direction where it is so, of one process or of all."
  @spec run(Replay.t(), t, BeamScope.selector() | nil, :forward | :backward) ::
          {:ok, Replay.t()} | {:error, Error.t()}
  def run(cursor, :crash, process, direction) do
    crash = Replay.seek(cursor, [crash: true] ++ of(process), direction)
    nearest(crash, bad_exit(cursor, process, direction, @exits), direction)
  end

  def run(cursor, filters, process, direction), do: Replay.seek(cursor, filters ++ of(process), direction)

  @doc "The filter for a process, or none."
  @spec of(BeamScope.selector() | nil) :: keyword
  def of(nil), do: []
  def of(process), do: [process: process]

  defp nearest({:ok, a}, {:ok, b}, :forward), do: {:ok, Enum.min_by([a, b], & &1.moment.seq)}
  defp nearest({:ok, a}, {:ok, b}, :backward), do: {:ok, Enum.max_by([a, b], & &1.moment.seq)}
  defp nearest({:ok, a}, _, _), do: {:ok, a}
  defp nearest(_, {:ok, b}, _), do: {:ok, b}
  defp nearest(error, _, _), do: error

  defp bad_exit(_cursor, _process, _direction, 0), do: :none

  defp bad_exit(cursor, process, direction, left) do
    with {:ok, found} <- Replay.seek(cursor, [kind: :exit] ++ of(process), direction) do
      if bad?(found), do: {:ok, found}, else: bad_exit(found, process, direction, left - 1)
    end
  end

  # Where a callback failed, that was the crash; that the process ended for it is not another one.
  defp bad?(%Replay{event: %Event{reason: reason, track: track}} = exit) do
    not Processes.normal?(reason) and
      match?({:error, _}, Replay.seek(exit, [crash: true, process: track], :backward))
  end
end
