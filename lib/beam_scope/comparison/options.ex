defmodule BeamScope.Comparison.Options do
  @moduledoc false
  # The options of `BeamScope.compare/3`, checked, and in the words of the core.

  alias BeamScope.{Error, Native}
  alias BeamScope.Golden.Roles
  alias BeamScope.Recording.Query

  @defaults [only: [], ignore: [], roles: [], ignore_messages: [], times: true]
  @cut_short [:events, :bytes, :ms, :rate]
  # Clocks are set in jumps, and a recording's start is rounded.
  @slack 1_000_000_000
  # Monotonic time begins here in every VM of 64 bits, whatever it measures from there on.
  @monotonic -576_460_752_303_423_488
  @days_400 400 * 86_400 * 1_000_000_000

  @doc "The options as a map."
  @spec validate(keyword) :: {:ok, map} | {:error, Error.t()}
  def validate(opts) do
    with :ok <- Query.known(opts, Keyword.keys(@defaults)) do
      opts = @defaults |> Keyword.merge(opts) |> Map.new()
      Enum.find_value(opts, &wrong/1) || patterns(opts)
    end
  end

  defp wrong({key, roles}) when key in [:only, :ignore] do
    unless is_list(roles) and Enum.all?(roles, &role?/1),
      do: invalid(key, roles, "a list of roles, such as [Counter, \"Sup/Worker 2\"]")
  end

  defp wrong({:roles, roles}) do
    given? = &match?({role, _} when is_atom(role) or is_binary(role), &1)

    unless is_list(roles) and Enum.all?(roles, given?),
      do: invalid(:roles, roles, "a list of {role, process} or {role, [process, process]}")
  end

  defp wrong({:ignore_messages, patterns}) when not is_list(patterns),
    do: invalid(:ignore_messages, patterns, "a list of patterns")

  defp wrong({:times, times}) when not is_boolean(times), do: invalid(:times, times, "true or false")
  defp wrong(_right), do: nil

  defp role?(role),
    do: is_binary(role) or (is_atom(role) and role not in [nil, true, false]) or is_tuple(role)

  defp invalid(key, value, expected),
    do: {:error, Error.new(:invalid_option, %{key: key, value: value, expected: expected})}

  defp patterns(opts) do
    Enum.reduce_while(opts.ignore_messages, {:ok, %{opts | ignore_messages: []}}, fn pattern, {:ok, opts} ->
      case Query.pattern(pattern) do
        {:ok, data} -> {:cont, {:ok, %{opts | ignore_messages: [data | opts.ignore_messages]}}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  @doc "A role as the core writes it."
  @spec text(term) :: String.t()
  def text(role) when is_binary(role), do: role
  def text(role), do: inspect(role)

  @doc "The name of a role that the user gave, or the owner's."
  @spec given_name(map, non_neg_integer, String.t()) :: term
  def given_name(%{roles: roles}, at, text) do
    case Enum.at(roles, at) do
      {role, _process} -> role
      nil -> text
    end
  end

  @doc "The options for `Native.compare/3`, but for what is to be looked at closely."
  @spec native(map, {BeamScope.Recording.t(), map}, {BeamScope.Recording.t(), map}) ::
          {:ok, map} | {:error, Error.t()}
  def native(opts, {_, info_a} = first, {_, info_b} = second) do
    {names, families} = Roles.system()

    with {:ok, given} <- given(opts.roles, first, second) do
      {:ok,
       %{
         given: given ++ [owner(first, second)],
         only: Enum.map(opts.only, &text/1),
         ignore: Enum.map(opts.ignore, &text/1),
         names: names,
         families: families,
         days: if(opts.times, do: Enum.flat_map([info_a, info_b], &days/1), else: []),
         monotonic: if(opts.times, do: [{@monotonic, @monotonic + @days_400}], else: []),
         messages: opts.ignore_messages,
         cut: {cut?(info_a), cut?(info_b)}
       }}
    end
  end

  defp given(roles, first, second) do
    Enum.reduce_while(roles, {:ok, []}, fn {role, who}, {:ok, given} ->
      [one, other] = if match?([_, _], who), do: who, else: [who, who]

      with {:ok, one} <- selector(first, one), {:ok, other} <- selector(second, other) do
        {:cont, {:ok, given ++ [%{text: text(role), first: one, second: other, unless_named: false}]}}
      else
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp selector(_rec, nil), do: {:ok, nil}
  # A pid that means nothing there is found by what it prints as.
  defp selector({rec, _info}, pid) when is_pid(pid), do: {:ok, of_pid(rec, pid)}
  defp selector(_rec, process), do: Query.selector(process)

  defp owner({a, info_a}, {b, info_b}),
    do: %{
      text: "caller",
      first: of_pid(a, info_a[:owner]),
      second: of_pid(b, info_b[:owner]),
      unless_named: true
    }

  defp of_pid(_rec, nil), do: nil
  defp of_pid(%{pid: recorder}, pid) when is_pid(pid) and is_pid(recorder), do: {:pid, pid}

  defp of_pid(rec, pid) do
    text = printed(pid)

    case Query.ask(rec, fn -> Native.processes(rec.native, :end) end) do
      {:ok, processes} -> Enum.find_value(processes, &(printed(&1.pid) == text && {:track, &1.track}))
      {:error, _} -> nil
    end
  end

  defp printed(%BeamScope.Opaque{text: text}), do: text
  defp printed(pid), do: inspect(pid)

  defp days(info) do
    case info[:started_at_unix_ns] do
      from when is_integer(from) and from > 0 -> [{from - @slack, from + (info[:duration_ns] || 0) + @slack}]
      _ -> []
    end
  end

  defp cut?(%{events: events} = info),
    do: info[:stop_reason] in @cut_short or Map.get(events, :evicted, 0) > 0
end
