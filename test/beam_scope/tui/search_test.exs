defmodule BeamScope.Tui.SearchTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias BeamScope.{Event, Replay}
  alias BeamScope.Test.Shop
  alias BeamScope.Tui.{Place, Search}

  doctest Place
  doctest Search

  @moduletag :capture_log

  setup_all do
    # What it logs is none of the output of a test.
    {rec, _} = with_log(fn -> Shop.recorded(:search_till) end)
    %{rec: Shop.reloaded(rec)}
  end

  defp found(rec, text, direction \\ :forward, process \\ nil) do
    {:ok, search} = Search.parse(text)
    at = if direction == :forward, do: :start, else: :end
    Search.run(Replay.open!(rec, at: at), search, process, direction)
  end

  test "finds messages by a pattern, by a word, by their kind", %{rec: rec} do
    assert {:ok, %{event: %{kind: :send, content: {:pay, 4}}}} = found(rec, "{:pay, 4}")
    assert {:ok, %{event: %{content: {:pay, 1}}}} = found(rec, "pay")
    assert {:ok, %{event: %{content: {:pay, 3}}}} = found(rec, "message {:pay, n} when n > 2")
    assert {:ok, %{event: %{kind: :receive, content: {:pay, 2}}}} = found(rec, "kind receive {:pay, 2}")
    assert {:ok, %{event: %{kind: :exit}}} = found(rec, "kind exit")
    assert {:error, %{reason: :not_found}} = found(rec, "{:pay, 99}")
  end

  test "finds states, changes and what was handled", %{rec: rec} do
    {:ok, cursor} = found(rec, "state %{balance: n} when n > 3")
    assert Replay.transition!(cursor).to.balance == 6
    {:ok, cursor} = found(rec, "changed account.owner")
    assert Replay.transition!(cursor).to.account.owner == "adam"
    {:ok, cursor} = found(rec, "changed [:account, :log]", :backward, :search_till)
    assert Replay.transition!(cursor).to.account.log == [2, 1]
    {:ok, cursor} = found(rec, "handled {:divide, _}")
    assert {:crash, :error, reason} = Replay.transition!(cursor).result
    assert reason == :badarith or match?({:badarith, _stack}, reason)
  end

  test "a crash is found once: the exit that it led to is no other", %{rec: rec} do
    {:ok, crash} = found(rec, "crash")
    assert {:crash, :error, reason} = Replay.transition!(crash).result
    assert reason == :badarith or match?({:badarith, _stack}, reason)
    assert {:error, %{reason: :not_found}} = Search.run(crash, :crash, nil, :forward)
    {:ok, again} = found(rec, "crash", :backward)
    assert again.moment == crash.moment
  end

  test "a process that is no server and ends badly has crashed, too" do
    {pid, rec} =
      BeamScope.record([level: :full], fn ->
        {pid, ref} = spawn_monitor(fn -> exit(:broken) end)
        receive do: ({:DOWN, ^ref, _, _, _} -> pid)
      end)

    assert {:ok, %{event: %Event{kind: :exit, pid: ^pid, reason: :broken}}} = found(rec, "crash")
  end

  test "says what is wrong with what was typed" do
    assert {:error, "Nothing to search for"} = Search.parse("  ")
    assert {:error, "No kind of event is called sned: " <> _} = Search.parse("kind sned")
    assert {:error, "That is no Elixir pattern"} = Search.parse("{:pay,")
    assert {:error, "Give a key" <> _} = Search.parse("changed f(x)")
    assert {:error, why} = Search.parse("{:pay, n} when n > m")
    assert is_binary(why)
    assert {:error, _} = Search.parse("x when foo(x)")
    assert {:ok, [changed: ["total"]]} = Search.parse(~s(changed "total"))
    assert {:ok, [changed: [Shop.Key]]} = Search.parse("changed #{inspect(Shop.Key)}")
  end
end
