defmodule BeamScope.Lines.Loader.Held do
  @moduledoc """
  One module whose code was replaced, and the steps that bring the original back.

  | phase | runs | old code |
  |---|---|---|
  | `:instrumented` | the instrumented code, for its users | the original: who was inside goes on there, and its funs work |
  | `:restoring` | the instrumented code, which nobody wants any more | the original, still with a process inside |
  | `:leaving` | the original | the instrumented code, until nobody is inside and funs made by it had time to be done with |

  A step never waits and never kills: what cannot be done yet is tried again, at longer and longer intervals.
  """

  alias BeamScope.Lines.Loader.{Code, Patterns}

  @first_ms 2
  @longest_ms 5_000

  defstruct [
    :module,
    :md5,
    :file,
    :original,
    :functions,
    :table,
    # Every instrumented code of this module that may run.
    loaded: [],
    users: %{},
    phase: :instrumented,
    # Since when the original runs again, how long funs then have, and whether that is all that is waited for.
    restored_at: nil,
    grace_ms: 0,
    funs?: true,
    quiet?: false,
    prepared: nil,
    delay: @first_ms,
    due: 0
  ]

  @type functions :: :all | [{atom(), arity()}]
  @type t :: %__MODULE__{
          module: module(),
          md5: binary(),
          file: charlist(),
          original: binary(),
          functions: functions(),
          table: map(),
          loaded: [binary()],
          users: %{pid() => functions()},
          phase: :instrumented | :restoring | :leaving,
          restored_at: integer() | nil,
          grace_ms: non_neg_integer(),
          funs?: boolean(),
          quiet?: boolean(),
          prepared: term(),
          delay: pos_integer(),
          due: integer()
        }

  @doc "A module that is about to be instrumented."
  @spec new(BeamScope.Lines.Loader.Check.original(), functions(), map(), non_neg_integer()) :: t()
  def new(original, functions, made, grace_ms) do
    %__MODULE__{
      module: original.module,
      md5: original.md5,
      file: original.file,
      original: original.binary,
      functions: functions,
      table: made.table,
      grace_ms: grace_ms,
      funs?: Code.funs?(made.binary),
      loaded: [Code.md5_of(made.binary)]
    }
  end

  @doc """
  What nobody knows of any more though it is instrumented: all who knew were killed. `nil` where its original is no longer in its file.
  """
  @spec found(module(), binary()) :: t() | nil
  def found(module, md5) do
    with {:file, [_ | _] = file} <- :code.is_loaded(module),
         {^module, binary, _} <- :code.get_object_code(module),
         true <- Code.md5_of(binary) == md5,
         marked when is_binary(marked) <- Code.md5(module) do
      soon(%__MODULE__{
        module: module,
        md5: md5,
        file: file,
        original: binary,
        functions: [],
        table: %{},
        loaded: [marked],
        phase: :restoring
      })
    else
      _ -> nil
    end
  end

  @doc "Whether the instrumented code has all of these functions."
  @spec covers?(t(), functions()) :: boolean()
  def covers?(%{functions: :all}, _wanted), do: true
  def covers?(_held, :all), do: false
  def covers?(%{functions: functions}, wanted), do: wanted -- functions == []

  @doc """
  The functions of both.

      iex> BeamScope.Lines.Loader.Held.union([f: 1], [g: 0, f: 1])
      [f: 1, g: 0]
      iex> BeamScope.Lines.Loader.Held.union([f: 1], :all)
      :all
  """
  @spec union(functions(), functions()) :: functions()
  def union(:all, _), do: :all
  def union(_, :all), do: :all
  def union(a, b), do: :lists.usort(a ++ b)

  @doc "What runs: the original, code of ours, or what somebody else has loaded, or unloaded, meanwhile."
  @spec runs(t()) :: :original | :ours | :foreign
  def runs(%{md5: original, loaded: loaded, module: module}) do
    md5 = Code.md5(module)

    cond do
      md5 == original -> :original
      :lists.member(md5, loaded) -> :ours
      true -> :foreign
    end
  end

  @doc "One more user, or more for one that is there: instrumented it stays."
  @spec used(t(), pid(), functions()) :: t()
  def used(held, owner, wanted) do
    users = Map.update(held.users, owner, wanted, &union(&1, wanted))
    %{held | users: users, phase: :instrumented, prepared: nil, restored_at: nil, quiet?: false}
  end

  @doc "A user less. Without any, the original is wanted back at once."
  @spec left(t(), pid()) :: t()
  def left(held, owner) do
    case Map.delete(held.users, owner) do
      none when none == %{} -> soon(%{held | users: none, phase: :restoring})
      users -> %{held | users: users}
    end
  end

  @doc "The same, to be tried at once."
  @spec soon(t()) :: t()
  def soon(held), do: %{held | delay: @first_ms, due: now()}

  @doc """
  Goes on with the restoring as far as it goes: `:done` where the original runs and nothing of ours is left, or where somebody else has loaded
  something: that is never loaded over.
  """
  @spec step(t()) :: :done | {:wait, t()}
  def step(held), do: step(runs(held), held)

  defp step(:foreign, _held), do: :done

  defp step(:original, held) do
    held = %{held | phase: :leaving, prepared: nil, restored_at: held.restored_at || now()}

    case grace_left(held) do
      0 ->
        leave(held)

      ms ->
        if Code.inside?(held.module), do: later(held), else: {:wait, %{held | quiet?: true, due: now() + ms}}
    end
  end

  defp step(:ours, held) do
    case prepared(held) do
      {:ok, held} -> restore(held)
      :error -> later(held)
    end
  end

  defp leave(held), do: if(Code.soft_purge(held.module), do: :done, else: later(%{held | quiet?: false}))

  @doc "Milliseconds that funs made by the instrumented code still have, once the original runs again."
  @spec grace_left(t()) :: non_neg_integer()
  def grace_left(%{funs?: true, restored_at: at, grace_ms: ms}) when is_integer(at),
    do: max(at + ms - now(), 0)

  def grace_left(_held), do: 0

  # Made ready before the old original is removed: in between its funs have no code.
  defp prepared(%{prepared: nil} = held) do
    case Code.prepare(held.module, held.file, held.original) do
      {:ok, prepared} -> {:ok, %{held | prepared: prepared}}
      {:error, _} -> :error
    end
  end

  defp prepared(held), do: {:ok, held}

  defp restore(held) do
    patterns = patterns(held.module)

    case Code.soft_purge(held.module) && Code.finish(held.prepared) do
      :ok ->
        again(held.module, patterns, nil)
        step(%{held | phase: :leaving, prepared: nil})

      # A process is inside the original from before.
      false ->
        later(held)

      # Somebody has loaded it meanwhile, or made its directory sticky.
      {:error, _} ->
        later(%{held | prepared: nil})
    end
  end

  # To put the original back is worth more than what somebody counts in instrumented code.
  defp patterns(module) do
    case Patterns.read(module) do
      {:ok, patterns} -> patterns
      {:counted, _} -> []
    end
  end

  @doc "After each load, which was done for an owner or for nobody: patterns as they were, and recordings are told."
  @spec again(module(), Patterns.t(), pid() | nil) :: :ok
  def again(module, patterns, owner) do
    Patterns.set(patterns)
    BeamScope.Recorder.Hub.reloaded(module, owner)
  end

  defp later(held),
    do: {:wait, %{held | due: now() + held.delay, delay: min(2 * held.delay, @longest_ms)}}

  @doc "Milliseconds, as `due` counts them."
  @spec now() :: integer()
  def now, do: :erlang.monotonic_time(:millisecond)
end
