defmodule BeamScope.Test.Probed do
  @moduledoc "A module as instrumentation leaves it, its probes written by hand; and its table."

  alias BeamScope.Line

  @first 4_000_000

  def increment(count, by) do
    Line.line({4_000_000, :count, :by}, count, by)
    sum = count + by
    Line.line({4_000_001, :sum}, sum)
    sum
  end

  def secret(password, note) do
    Line.line({4_000_002, :password, :note}, password, note)
    note
  end

  def nothing do
    Line.line({4_000_003})
    :ok
  end

  # 32 variables, of which the first is large.
  def many(large) do
    Line.line(
      {4_000_004, :large, :v2, :v3, :v4, :v5, :v6, :v7, :v8, :v9, :v10, :v11, :v12, :v13, :v14, :v15, :v16,
       :v17, :v18, :v19, :v20, :v21, :v22, :v23, :v24, :v25, :v26, :v27, :v28, :v29, :v30, :v31, :v32},
      large,
      large,
      large,
      large,
      5,
      6,
      7,
      8,
      9,
      10,
      11,
      12,
      13,
      14,
      15,
      16,
      17,
      18,
      19,
      20,
      21,
      22,
      23,
      24,
      25,
      26,
      27,
      28,
      29,
      30,
      31,
      32
    )

    :ok
  end

  # What no instrumentation writes: sites that are none, too few and too many values.
  def nonsense do
    Line.line(:no_tuple)
    Line.line({})
    Line.line({-1})
    Line.line({4_000_000, :a})
    Line.line({4_000_000}, 1)
    Line.line({4_294_967_296})
    Line.mark({:odd, :a})
    Line.mark({:odd})
    :ok
  end

  def loop(0), do: :ok

  def loop(n) do
    Line.line({4_000_005, :n}, n)
    loop(n - 1)
  end

  # As the instrumentation tells them: in the forms, in the source, the how-many-eth, on which line.
  defp named(names), do: for(name <- names, do: {name, name, 1, 0})

  def table do
    %{
      module: __MODULE__,
      md5: __MODULE__.module_info(:md5),
      first_id: @first,
      next_id: @first + 10,
      sites: %{
        @first => %{function: {:increment, 2}, line: 9, variables: named([:count, :by])},
        (@first + 1) => %{function: {:increment, 2}, line: 11, variables: named([:sum])},
        (@first + 2) => %{function: {:secret, 2}, line: 16, variables: named([:password, :note])},
        (@first + 3) => %{function: {:nothing, 0}, line: 21, variables: named([])},
        (@first + 4) => %{
          function: {:many, 1},
          line: 26,
          variables: named([:large | for(n <- 2..32, do: :"v#{n}")])
        },
        (@first + 5) => %{function: {:loop, 1}, line: 80, variables: named([:n])}
      }
    }
  end
end

defmodule BeamScope.Test.Probed.Other do
  @moduledoc "Another one."

  def run(x) do
    BeamScope.Line.line({5_000_000, :x}, x)
    BeamScope.Test.Probed.increment(x, 1)
  end

  defp named(names), do: for(name <- names, do: {name, name, 1, 0})

  def table do
    %{
      module: __MODULE__,
      first_id: 5_000_000,
      next_id: 5_000_001,
      sites: %{5_000_000 => %{function: {:run, 1}, line: 96, variables: named([:x])}}
    }
  end
end

defmodule BeamScope.Test.Probed.Loader do
  @moduledoc "Stands in for `BeamScope.Lines.Loader`, for modules that have their probes already; tells the test's process."

  def acquire(modules, owner) do
    told({:acquire, modules, owner})
    {:ok, for({module, _} <- modules, do: module.table())}
  end

  def release(owner) do
    told({:release, owner})

    if :persistent_term.get({__MODULE__, :stays}, false),
      do: {:still_running, [BeamScope.Test.Probed]},
      else: :ok
  end

  def status(_module), do: :original

  def listen(pid), do: :persistent_term.put({__MODULE__, :to}, pid)
  def stay(stays?), do: :persistent_term.put({__MODULE__, :stays}, stays?)

  defp told(what) do
    case :persistent_term.get({__MODULE__, :to}, nil) do
      nil -> :ok
      pid -> send(pid, what)
    end
  end
end
