defmodule BeamScope.Tui.ModelTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias BeamScope.{Event, Replay}
  alias BeamScope.Terminal.{Processes, Style}
  alias BeamScope.Test.Shop
  alias BeamScope.Tui.{Model, View}

  @moduletag :capture_log

  setup_all do
    # What it logs is none of the output of a test.
    {rec, _} = with_log(fn -> Shop.recorded(:model_till) end)
    %{rec: Shop.reloaded(rec)}
  end

  setup %{rec: rec}, do: %{model: Model.new(Replay.open!(rec), "shop.beamscope")}

  # Text is typed, atoms are keys of their own.
  defp press(model, keys) do
    keys
    |> Enum.flat_map(fn
      text when is_binary(text) -> for char <- String.graphemes(text), do: {:char, char}
      key -> [key]
    end)
    |> Enum.reduce(model, &Model.update(&2, &1))
    |> Model.refresh()
  end

  defp seq(model), do: model.cursor.moment.seq
  defp selected(model), do: Processes.label(model.member.process)
  defp screen(model, size \\ {100, 30}), do: model |> View.texts(size, %Style{}) |> Enum.join("\n")

  test "steps over events, handled messages and changes of states, and back", %{model: model} do
    assert seq(press(model, [:right, "l"])) == 2
    assert seq(press(model, [:right, :right, :left])) == 1
    there = press(model, ["mmm"])
    assert {:ok, step} = Replay.transition(there.cursor)
    assert there.step.moment == step.moment
    assert seq(press(there, ["mM"])) == seq(there)
    assert {:ok, %{diff: %{same?: false}}} = Replay.transition(press(model, ["sss"]).cursor)
    assert press(model, [:left]).said == "No event before this"
    assert press(model, ["GM", "s"]).said =~ "No change of a state after this"
  end

  test "goes to start, end, a number and a time, and says what cannot be", %{model: model} do
    last = press(model, ["G"])
    {_, number, _} = last.ends
    assert seq(last) == number
    assert seq(press(last, [:home])) == 0
    assert seq(press(model, ["#12", :enter])) == 12
    assert seq(press(model, [":end", :enter])) == number
    middle = press(model, ["#40", :enter]).cursor.moment
    assert press(model, [":#{middle.at_ns / 1_000_000}ms", :enter]).cursor.moment.at_ns == middle.at_ns
    assert press(model, [":noon", :enter]).said =~ "is no moment"
    assert press(model, [":99s", :enter]).said =~ "outside the recording"
    assert seq(press(model, [":end", :escape])) == 0
    assert press(model, [":", :backspace]).prompt == nil
  end

  test "searches, and again ahead and back", %{model: model} do
    one = press(model, ["/handled {:pay, _}", :enter])
    assert one.step.content == {:pay, 1}
    assert press(one, ["nn"]).step.content == {:pay, 3}
    assert seq(press(one, ["nN"])) == seq(one)
    assert press(one, ["N"]).said =~ "n looks ahead"
    assert press(model, ["n"]).said =~ "Nothing was searched for yet"
    assert press(one, ["/", :up]).prompt.text == "handled {:pay, _}"
    assert press(model, ["/{:pay,", :enter]).said == "That is no Elixir pattern"
    assert press(model, ["/{:no_such_message_here}", :enter]).said =~ "N looks back"
  end

  test "a crash: what was handled, the state it was in, why it ended, what waited", %{model: model} do
    crash = press(model, ["c"])
    assert {:crash, :error, reason} = crash.step.result
    assert reason == :badarith or match?({:badarith, _stack}, reason)
    assert selected(crash) == ":model_till"
    assert {:ok, %{balance: 15}} = crash.state
    assert %Event{kind: :exit} = crash.ending
    text = screen(crash)
    assert text =~ "INFO {:divide, 0}" and text =~ ~r/✗ error [:{]+badarith/
    assert text =~ ":erlang.div(15, 0)"
    assert text =~ "balance: 15"

    gone = press(crash, [:enter, "/kind exit", :enter])
    assert gone.member == nil
    assert {:last, %{balance: 15}} = gone.state
    assert screen(gone) =~ "Last state of :model_till"

    before = press(crash, ["M"])
    assert before.member.waiting == 1
    assert screen(before) =~ "Mailbox of :model_till: 1 waiting"
    assert screen(before) =~ ~s(+ account.owner: "adam")
  end

  test "messages on their way", %{model: model} do
    sent = press(model, ["/kind send {:divide, 0}", :enter])
    assert screen(sent) =~ ~r/On their way: [1-9]/
    assert screen(sent) =~ "→ :model_till  INFO {:divide, 0}"
  end

  test "a process that was picked has the steps to itself, through its restart", %{model: model} do
    crash = press(model, ["c", :enter])
    assert crash.picked.label == ":model_till"
    assert screen(crash) =~ "only :model_till"

    later = Stream.iterate(crash, &press(&1, [:right])) |> Enum.find(&(&1.said != nil))
    assert later.said == "No event of :model_till after this"
    assert later.cursor.event.name == :model_till
    assert later.cursor.event.track != crash.cursor.event.track

    assert press(crash, ["a"]).picked == nil
    assert press(crash, ["p"]).picked == nil
  end

  test "arrows choose a process, Space folds its branch, f finds it by name", %{model: model} do
    there = press(model, ["c", "f:model", :enter])
    assert selected(there) == ":model_till"
    root = press(there, List.duplicate(:up, 5))
    assert root.row == 0
    folded = press(root, [" "])
    assert [%{fold: {:closed, n}}] = Enum.take(folded.tree, 1)
    assert length(folded.tree) == length(root.tree) - n
    assert press(folded, [" "]).tree == root.tree
    assert press(root, ["fnobody", :enter]).said =~ "No process that is shown has nobody"
    assert press(root, [:page_down]).row == length(root.tree) - 1
  end

  test "parts of the state unfold, and stay so from state to state", %{model: model} do
    state = press(model, ["c", :tab, :tab])
    assert state.focus == :state
    open = press(state, [:down, :enter])
    assert screen(open) =~ ~s(owner: "adam")
    assert open |> press(["M", "M"]) |> screen() =~ ~s(owner: "eve")
    refute screen(press(open, [:enter])) =~ ~r/^.*▸? *owner: "adam"$/m
    assert press(state, [:back_tab, :back_tab]).focus == :tree
  end

  test "help and account cover the panes until another key", %{model: model} do
    help = press(model, ["?"])
    assert screen(help) =~ "next, previous handled message"
    assert press(help, ["q"]).overlay == nil
    refute press(help, ["q"]).done?
    assert screen(press(model, ["i"])) =~ "offered"
    assert screen(press(help, [:end]), {100, 10}) =~ "the cursor, crashes, lost events"
    assert press(model, ["q"]).done?
    assert press(help, [:ctrl_c]).done?
    assert press(model, ["/", :ctrl_c]).done?
  end
end
