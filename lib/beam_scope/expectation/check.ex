defmodule BeamScope.Expectation.Check do
  @moduledoc false
  # Expectations against what is recorded.

  alias BeamScope.{Error, Recording, Verdict}
  alias BeamScope.Expect.{Aside, Assertion, Failure}
  alias BeamScope.Expectation.{Judge, Reporter, Suite, Watch}
  alias BeamScope.Recording.Query

  @doc "The verdict. What happened before the call is in it."
  @spec run(Recording.t(), module, keyword) :: {:ok, Verdict.t()} | {:error, Error.t()}
  def run(%Recording{} = rec, module, opts) do
    with :ok <- Query.known(opts, [:roles]) do
      Aside.run(rec, fn -> ask(rec, module, opts) end)
    end
  end

  def run(other, _module, _opts), do: {:error, Query.not_a_recording(other)}

  defp ask(rec, module, opts) do
    with {:ok, suite} <- Suite.load(module, Keyword.get(opts, :roles, [])) do
      Assertion.flush(rec)
      Judge.check(rec, suite)
    end
  end

  @doc "A watch on a recording that runs."
  @spec watch(Recording.t(), module, keyword) :: {:ok, pid} | {:error, Error.t()}
  def watch(%Recording{} = rec, module, opts) do
    leader = Process.group_leader()

    with :ok <- Query.known(opts, [:roles, :on_violation]),
         {:ok, action} <- Reporter.action(Keyword.get(opts, :on_violation, :log)) do
      Aside.run(rec, fn ->
        with {:ok, suite} <- Suite.load(module, Keyword.get(opts, :roles, [])),
             do: Watch.start(rec, suite, action, leader)
      end)
    end
  end

  def watch(other, _module, _opts), do: {:error, Query.not_a_recording(other)}

  @doc "The verdict where all holds, else the failure of a test."
  @spec run!(Recording.t(), module, keyword, Macro.t()) :: {Verdict.t()}
  def run!(rec, module, opts, expr) do
    case run(rec, module, opts) do
      {:ok, verdict} -> {hold!(verdict, expr)}
      {:error, error} -> raise error
    end
  end

  defp hold!(verdict, expr) do
    if Verdict.ok?(verdict),
      do: verdict,
      else: raise(Failure.exception(message: Verdict.text(verdict), expr: expr))
  end
end
