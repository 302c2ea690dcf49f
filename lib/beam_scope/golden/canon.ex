defmodule BeamScope.Golden.Canon do
  @moduledoc false
  # Terms without what is another in every run: pids become roles, references and unknown pids numbers by first appearance,
  # points in time during the recording a mark. One role's terms are walked in the order in which they are written, so
  # that the numbers depend on nothing else.

  alias BeamScope.{Opaque, Redacted, Truncated, Unknown}
  alias BeamScope.Golden.{Mark, Print}

  defstruct roles: %{}, window: nil, normalize: nil, refs: %{}, others: %{}, anonymous?: false

  @type t :: %__MODULE__{}

  @doc """
  `roles` maps pids to roles; `window` is `%{from:, to:}` in nanoseconds of Unix time, with `offset` the VM's time offset or
  `nil`; `normalize` a function or `nil`.
  """
  @spec new(map, map, (term -> term) | nil) :: t
  def new(roles, window, normalize), do: %__MODULE__{roles: roles, window: window, normalize: normalize}

  @doc "The term as it is written, and the numbers given so far."
  @spec term(term, t) :: {term, t}
  def term(term, canon), do: term |> normalized(canon) |> walk(canon)

  @doc "The same of a process, which is no matter for `normalize`."
  @spec who(term, t) :: {term, t}
  def who(who, canon),
    do:
      walk(who, %{canon | normalize: nil})
      |> then(fn {who, new} -> {who, %{new | normalize: canon.normalize}} end)

  @doc "The same where order must not depend on numbers: all references are one."
  @spec anonymous(term, t) :: term
  def anonymous(term, canon), do: term |> term(%{canon | anonymous?: true}) |> elem(0)

  defp normalized(term, %{normalize: nil}), do: term
  defp normalized(term, %{normalize: fun}), do: fun.(term)

  # ---- what is marked ----

  defp walk(pid, canon) when is_pid(pid), do: pid(pid, canon)
  defp walk(%Opaque{kind: :pid} = pid, canon), do: pid(pid, canon)
  defp walk(ref, canon) when is_reference(ref), do: reference(ref, canon)
  defp walk(%Opaque{kind: :reference} = ref, canon), do: reference(ref, canon)
  defp walk(port, canon) when is_port(port), do: {Mark.new(:port), canon}
  defp walk(%Opaque{kind: :port}, canon), do: {Mark.new(:port), canon}
  defp walk(%Opaque{kind: :fun, text: text}, canon), do: {Mark.new(:fun, [module(text)]), canon}
  defp walk(fun, canon) when is_function(fun), do: {function(fun, :erlang.fun_info(fun, :type)), canon}
  defp walk(%Opaque{text: text}, canon), do: {Mark.new(:text, [text]), canon}

  # Where a cut falls depends on the sizes of pids and numbers: what is known of it is not the same in every run.
  defp walk(%Truncated{kind: kind, size: size}, canon), do: {Mark.new(:truncated, [kind, size]), canon}
  defp walk(%Redacted{kind: kind}, canon), do: {Mark.new(:redacted, [kind]), canon}
  defp walk(%Unknown{}, canon), do: {Mark.new(:unknown), canon}
  defp walk(%Mark{} = mark, canon), do: {mark, canon}
  defp walk(n, canon) when is_integer(n), do: if(clock?(n, canon), do: time(canon), else: {n, canon})

  defp walk(%MapSet{map: map}, canon) when is_map(map) and not is_struct(map),
    do: map |> Map.keys() |> members(canon)

  # Of a set that was cut, or hidden, that is what there is.
  defp walk(%MapSet{map: map}, canon) do
    {part, canon} = term(map, canon)
    {Mark.new(:set, [part]), canon}
  end

  defp walk(%module{} = struct, canon), do: struct(module, struct, canon)

  defp walk({mega, second, micro} = tuple, canon)
       when is_integer(mega) and mega > 1_000 and second in 0..999_999 and micro in 0..999_999 do
    if inside?(((mega * 1_000_000 + second) * 1_000_000 + micro) * 1_000, canon),
      do: time(canon),
      else: tuple(tuple, canon)
  end

  defp walk(tuple, canon) when is_tuple(tuple), do: tuple(tuple, canon)

  defp walk([{m, f, _, _} | _] = list, canon) when is_atom(m) and is_atom(f),
    do: if(stacktrace?(list), do: {Mark.new(:stacktrace), canon}, else: list(list, [], canon))

  defp walk(list, canon) when is_list(list), do: list(list, [], canon)
  defp walk(map, canon) when is_map(map), do: map |> Map.to_list() |> pairs(canon)
  defp walk(other, canon), do: {other, canon}

  defp pid(pid, canon) do
    case canon.roles do
      %{^pid => role} -> {Mark.new(:pid, [role]), canon}
      _ when canon.anonymous? -> {Mark.new(:pid, ["other"]), canon}
      _ -> number(:others, pid, canon, &Mark.new(:pid, ["other #{&1}"]))
    end
  end

  defp reference(_ref, %{anonymous?: true} = canon), do: {Mark.new(:ref, [0]), canon}
  defp reference(ref, canon), do: number(:refs, ref, canon, &Mark.new(:ref, [&1]))

  defp number(field, key, canon, mark) do
    known = Map.fetch!(canon, field)
    n = Map.get(known, key, map_size(known) + 1)
    {mark.(n), Map.put(canon, field, Map.put(known, key, n))}
  end

  # `#Fun<Elixir.Counter.3.105768164>`: the numbers change with every change of the module.
  defp module("#Fun<" <> rest),
    do: rest |> String.replace(~r/(\.\d+)+>$/, "") |> String.replace_prefix("Elixir.", "")

  defp module(text), do: text

  defp function(fun, {:type, :external}), do: fun
  defp function(fun, _local), do: Mark.new(:fun, [fun |> Function.info(:module) |> elem(1) |> inspect()])

  # ---- containers ----

  defp stacktrace?([{m, f, a, location} | rest]) when is_atom(m) and is_atom(f) and is_list(location),
    do: (is_integer(a) or is_list(a)) and stacktrace?(rest)

  defp stacktrace?(rest), do: rest == []

  defp tuple(tuple, canon) do
    {items, canon} = tuple |> Tuple.to_list() |> Enum.map_reduce(canon, &term/2)
    {List.to_tuple(items), canon}
  end

  defp list([item | rest], done, canon) do
    {item, canon} = term(item, canon)
    list(rest, [item | done], canon)
  end

  defp list([], done, canon), do: {Enum.reverse(done), canon}

  defp list(tail, done, canon) do
    {tail, canon} = term(tail, canon)
    {:lists.reverse(done, tail), canon}
  end

  # Numbers are given in the order in which pairs are written, which must not depend on the numbers themselves.
  defp pairs(pairs, canon) do
    {pairs, canon} =
      pairs
      |> in_order(canon, &elem(&1, 0))
      |> Enum.map_reduce(canon, fn {key, value}, canon ->
        {key, canon} = term(key, canon)
        {value, canon} = term(value, canon)
        {{key, value}, canon}
      end)

    {Map.new(pairs), canon}
  end

  defp members(members, canon) do
    {members, canon} = members |> in_order(canon, & &1) |> Enum.map_reduce(canon, &term/2)
    {Mark.new(:set, [members]), canon}
  end

  defp in_order(items, canon, key) do
    if Enum.all?(items, &plain?(key.(&1))) do
      Enum.sort_by(items, key)
    else
      Enum.sort_by(items, &{anonymous(key.(&1), canon), &1 |> anonymous(canon) |> Print.flat()})
    end
  end

  defp plain?(key), do: is_atom(key) or is_binary(key) or is_number(key)

  # A struct with an Inspect implementation of its own may hide fields: what it shows is what is written.
  defp struct(module, struct, canon) do
    cond do
      time?(module, struct, canon) ->
        time(canon)

      Inspect.impl_for(struct) == Inspect.Any ->
        {fields, canon} = struct |> Map.from_struct() |> Map.to_list() |> pairs(canon)
        {Map.put(fields, :__struct__, module), canon}

      true ->
        {fields, canon} = struct |> Map.from_struct() |> Map.to_list() |> pairs(canon)
        {Mark.new(:text, [shown(module, struct, Map.put(fields, :__struct__, module))]), canon}
    end
  end

  @inspect [limit: :infinity, printable_limit: :infinity, width: :infinity, safe: false] ++
             [charlists: :as_lists, custom_options: [sort_maps: true]]

  # Somebody else's code, given marks where it may want pids.
  defp shown(module, struct, marked) do
    inspect(marked, @inspect)
  rescue
    _ -> if contains_marks?(marked), do: "##{inspect(module)}<…>", else: inspect(struct)
  catch
    _, _ -> "##{inspect(module)}<…>"
  end

  defp contains_marks?(map), do: map |> Map.values() |> Enum.any?(&match?(%Mark{}, &1))

  # ---- time ----

  defp time(canon), do: {Mark.new(:time), canon}

  defp time?(DateTime, value, canon), do: value |> unix(&DateTime.to_unix(&1, :nanosecond)) |> inside?(canon)

  defp time?(NaiveDateTime, value, canon) do
    value |> unix(&(&1 |> DateTime.from_naive!("Etc/UTC") |> DateTime.to_unix(:nanosecond))) |> inside?(canon)
  end

  defp time?(Date, value, %{window: %{from: from, to: to}}) do
    date = &(&1 |> DateTime.from_unix!(:nanosecond) |> DateTime.to_date())
    value in [date.(from), date.(to)]
  end

  defp time?(_module, _value, _canon), do: false

  defp unix(value, fun) do
    fun.(value)
  rescue
    _ -> nil
  end

  # A number that is the time of day during the recording, in any unit, is no accident: the window is some seconds wide.
  defp clock?(n, %{window: %{from: from, to: to} = window}) do
    Enum.any?([1, 1_000, 1_000_000, 1_000_000_000], &(n * &1 >= from and n * &1 <= to)) or
      monotonic?(n, window)
  end

  defp clock?(_n, _canon), do: false

  defp monotonic?(n, %{offset: offset} = window) when is_integer(offset),
    do: Enum.any?([1, 1_000, 1_000_000], &(n * &1 + offset >= window.from and n * &1 + offset <= window.to))

  defp monotonic?(_n, _window), do: false

  defp inside?(nil, _canon), do: false
  defp inside?(_ns, %{window: nil}), do: false
  defp inside?(ns, %{window: %{from: from, to: to}}), do: ns >= from and ns <= to
end
