defmodule BeamScope.Recorder.Session.Ledger do
  @moduledoc """
  Who wants what traced, where all recordings share one tracer (OTP 25 and 26).

  A pure structure. Each change answers the *steps* that bring the virtual machine from the union of wants before to
  the union after.
  """

  alias BeamScope.Recorder.{Plan, Session}

  defstruct flags: %{}, new: %{}, patterns: %{}, receives: %{}

  @typedoc "A recording's id."
  @type id :: term()

  @type t :: %__MODULE__{
          flags: %{pid() => %{id() => [atom()]}},
          new: %{id() => [atom()]},
          patterns: %{Session.place() => %{id() => Plan.want()}},
          receives: %{id() => true}
        }

  @type step ::
          {:flags, pid() | :new, boolean(), [atom()]}
          | {:pattern, Session.place(), Plan.want() | :off}
          | {:receives, boolean()}

  @doc "A recording wants more flags of a process."
  @spec want_flags(t(), id(), pid(), [atom()]) :: {t(), [step()]}
  def want_flags(ledger, id, pid, flags) do
    before = union(ledger.flags[pid])
    ledger = put_in(ledger.flags[pid], merge(ledger.flags[pid], id, flags))
    {ledger, flag_steps(pid, before, union(ledger.flags[pid]))}
  end

  @doc "A recording wants some flags of a process no longer; `[:all]` for all of them."
  @spec drop_flags(t(), id(), pid(), [atom()]) :: {t(), [step()]}
  def drop_flags(ledger, id, pid, flags) do
    wants = Map.get(ledger.flags, pid, %{})
    left = if flags == [:all], do: [], else: Map.get(wants, id, []) -- flags
    after_ = if left == [], do: Map.delete(wants, id), else: Map.put(wants, id, left)
    flags = if after_ == %{}, do: Map.delete(ledger.flags, pid), else: Map.put(ledger.flags, pid, after_)
    {%{ledger | flags: flags}, flag_steps(pid, union(wants), union(after_))}
  end

  @doc "A child got its parent's flags from the virtual machine; nothing needs to be done but to know it."
  @spec adopt(t(), id(), pid(), [atom()]) :: t()
  def adopt(ledger, id, pid, flags),
    do: put_in(ledger.flags[pid], merge(ledger.flags[pid], id, flags))

  @doc "A process has ended: it has no flags to clear."
  @spec forget(t(), pid()) :: t()
  def forget(ledger, pid), do: %{ledger | flags: Map.delete(ledger.flags, pid)}

  @doc "A recording wants flags of all new processes, or none any more."
  @spec want_new(t(), id(), [atom()]) :: {t(), [step()]}
  def want_new(ledger, id, flags) do
    before = union(ledger.new)
    new = if flags == [], do: Map.delete(ledger.new, id), else: Map.put(ledger.new, id, flags)
    {%{ledger | new: new}, flag_steps(:new, before, union(new))}
  end

  @doc "A recording wants a pattern."
  @spec want_pattern(t(), id(), Session.place(), Plan.want()) :: {t(), [step()]}
  def want_pattern(ledger, id, mfa, want) do
    before = strongest(ledger.patterns[mfa])
    wants = Map.update(ledger.patterns[mfa] || %{}, id, want, &Plan.stronger(&1, want))
    ledger = put_in(ledger.patterns[mfa], wants)
    {ledger, pattern_steps(mfa, before, strongest(wants))}
  end

  @doc "A recording wants a pattern no longer."
  @spec drop_pattern(t(), id(), Session.place()) :: {t(), [step()]}
  def drop_pattern(ledger, id, mfa) do
    wants = Map.get(ledger.patterns, mfa, %{})
    left = Map.delete(wants, id)
    patterns = if left == %{}, do: Map.delete(ledger.patterns, mfa), else: Map.put(ledger.patterns, mfa, left)
    {%{ledger | patterns: patterns}, pattern_steps(mfa, strongest(wants), strongest(left))}
  end

  @doc "The places of patterns on a module."
  @spec on(t(), module()) :: [Session.place()]
  def on(ledger, module),
    do: for({place, _} <- ledger.patterns, match?({^module, _, _}, Session.function(place)), do: place)

  @doc "The steps that set all patterns on a module."
  @spec steps_on(t(), module()) :: [step()]
  def steps_on(ledger, module),
    do: for(place <- on(ledger, module), do: {:pattern, place, strongest(ledger.patterns[place])})

  @doc "A recording wants senders with its `receive` events, or not."
  @spec want_receives(t(), id(), boolean()) :: {t(), [step()]}
  def want_receives(ledger, id, on) do
    receives = if on, do: Map.put(ledger.receives, id, true), else: Map.delete(ledger.receives, id)
    steps = if receives == %{} == (ledger.receives == %{}), do: [], else: [{:receives, receives != %{}}]
    {%{ledger | receives: receives}, steps}
  end

  @doc "A recording wants nothing any more."
  @spec release(t(), id()) :: {t(), [step()]}
  def release(ledger, id) do
    mine = for {pid, %{^id => _}} <- ledger.flags, do: pid
    patterns = for {mfa, %{^id => _}} <- ledger.patterns, do: mfa
    {ledger, new} = want_new(ledger, id, [])
    {ledger, receives} = want_receives(ledger, id, false)
    {ledger, flags} = Enum.reduce(mine, {ledger, []}, &chain(&2, fn l -> drop_flags(l, id, &1, [:all]) end))
    {ledger, patterns} = Enum.reduce(patterns, {ledger, []}, &chain(&2, fn l -> drop_pattern(l, id, &1) end))
    {ledger, new ++ flags ++ receives ++ patterns}
  end

  @doc "The processes of which a recording wants anything."
  @spec wanted(t(), id()) :: [pid()]
  def wanted(ledger, id), do: for({pid, %{^id => _}} <- ledger.flags, do: pid)

  defp chain({ledger, steps}, change) do
    {ledger, more} = change.(ledger)
    {ledger, more ++ steps}
  end

  defp merge(wants, id, flags), do: Map.update(wants || %{}, id, Enum.uniq(flags), &Enum.uniq(flags ++ &1))

  defp union(nil), do: []
  defp union(wants), do: wants |> Map.values() |> Enum.concat() |> Enum.uniq() |> Enum.sort()

  defp flag_steps(who, before, now) do
    for {on, flags} <- [{true, now -- before}, {false, before -- now}],
        flags != [],
        do: {:flags, who, on, flags}
  end

  defp pattern_steps(_mfa, same, same), do: []
  defp pattern_steps(mfa, _before, nil), do: [{:pattern, mfa, :off}]
  defp pattern_steps(mfa, _before, want), do: [{:pattern, mfa, want}]

  defp strongest(nil), do: nil
  defp strongest(wants) when wants == %{}, do: nil
  defp strongest(wants), do: wants |> Map.values() |> Enum.reduce(&Plan.stronger/2)
end
