defmodule BeamScope.Test.RecorderCase do
  @moduledoc "A recorder with a fake native library, and nothing left of it after each test."
  use ExUnit.CaseTemplate

  alias BeamScope.Recorder
  alias BeamScope.Test.{FakeNative, Leftovers}

  using do
    quote do
      import BeamScope.Test.RecorderCase
      alias BeamScope.{Error, Recorder}
      alias BeamScope.Test.{Counter, FakeNative, Leftovers}
    end
  end

  setup do
    collector = FakeNative.start()

    on_exit(fn ->
      Recorder.clear()
      assert Leftovers.settle() == Leftovers.none()
      Process.exit(collector, :kill)
    end)

    %{collector: collector}
  end

  @doc "Starts a recording into a collector."
  def record_into(collector, targets, options \\ []) do
    {meta, options} = Keyword.pop(options, :meta, %{})
    internal = Keyword.update!(FakeNative.options(collector), :meta, &Map.merge(&1, meta))
    Recorder.start(targets, internal ++ options)
  end

  @doc "The same, when it must work."
  def record_into!(collector, targets, options \\ []) do
    {:ok, recording} = record_into(collector, targets, options)
    recording
  end

  @doc "The trace messages so far."
  def trace(collector), do: FakeNative.seen(collector).trace

  @doc "The calls among them."
  def calls(collector), do: for({:trace, pid, :call, {m, f, a}} <- trace(collector), do: {pid, m, f, a})

  @doc "Waits for something to become true."
  def eventually(check, tries \\ 400) do
    cond do
      result = check.() -> result
      tries == 0 -> false
      true -> Process.sleep(5) && eventually(check, tries - 1)
    end
  end
end
