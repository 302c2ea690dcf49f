defmodule BeamScope.Tui.ViewTest do
  use ExUnit.Case, async: true

  alias BeamScope.Replay
  alias BeamScope.Terminal.Style
  alias BeamScope.Test.Shop
  alias BeamScope.Tui.{Model, Timeline, View}

  @moduletag :capture_log
  @sizes [{1, 1}, {2, 2}, {5, 3}, {20, 5}, {30, 4}, {40, 12}, {75, 11}, {76, 12}, {80, 24}, {200, 70}]

  @keys [:up, :down, :left, :right, :home, :end, :page_up, :page_down, :tab, :back_tab, :enter, :escape] ++
          [:backspace, :ctrl_l, :ctrl_u, :delete] ++
          for(key <- ~w(m M s S c C n N g G : # / f a p i ? j k h l), do: {:char, key}) ++ [{:char, " "}]
  @typed [
    "crash",
    "changed balance",
    "state %{balance: 3}",
    "{:pay, 2}",
    "kind exit",
    "12",
    "end",
    "日本",
    "{:"
  ]

  defp model(rec) do
    model = Model.new(Replay.open!(rec), "日本 shop.beamscope")
    %{model | timeline: model.rec |> Timeline.density(model.info) |> Timeline.crashes(model.rec)}
  end

  defp assert_fits(model, {columns, rows} = size) do
    lines = View.texts(model, size, %Style{})
    assert length(lines) == rows
    for line <- lines, do: assert(Style.width(line) <= columns, "#{inspect(size)}: #{inspect(line)}")
    lines
  end

  test "whatever is pressed, at whatever size, all of it fits" do
    rec = Shop.reloaded(Shop.recorded(:view_till))
    :rand.seed(:exsss, ExUnit.configuration()[:seed])

    Enum.reduce(1..600, model(rec), fn _, model ->
      model = keys() |> Enum.reduce(model, &Model.update(&2, &1)) |> Model.refresh()
      assert_fits(model, Enum.random(@sizes))
      %{model | done?: false}
    end)
  end

  defp keys do
    case :rand.uniform(4) do
      1 -> for(char <- String.graphemes(Enum.random(@typed)), do: {:char, char}) ++ [:enter]
      _ -> for _ <- 1..:rand.uniform(4), do: Enum.random(@keys)
    end
  end

  test "every pane and overlay fits at every size" do
    rec = Shop.recorded(:view_till_b)
    crash = rec |> model() |> Model.update({:char, "c"}) |> Model.refresh()

    for focus <- Model.panes(),
        overlay <- [nil, :help, :info],
        size <- @sizes,
        do: assert_fits(%{crash | focus: focus, overlay: overlay}, size)
  end

  test "wide terminals have all panes, narrow ones that in focus" do
    model = model(Shop.recorded(:view_till_c))
    wide = model |> assert_fits({100, 30}) |> Enum.join("\n")

    for title <- ["process", "Last change of", "State of", "Mailbox of", "On their way"],
        do: assert(wide =~ title)

    narrow = %{model | focus: :flight} |> assert_fits({60, 20}) |> Enum.join("\n")
    assert narrow =~ "▸ On their way"
    refute narrow =~ "State of"
  end

  test "what a recording does not have is said where it would stand" do
    rec = Shop.recorded(:view_till_d, level: :messages)
    text = rec |> model() |> assert_fits({100, 40}) |> Enum.join("\n")
    assert text =~ "This recording has no states"

    rec = Shop.recorded(:view_till_e, level: :states)
    model = rec |> model() |> Model.update({:char, "c"}) |> Model.refresh()
    text = model |> assert_fits({160, 40}) |> Enum.join("\n")
    assert text =~ "This recording has no messages"
  end

  test "losses and damage stand in the heading" do
    rec = Shop.recorded(:view_till_f)
    path = Shop.path()
    BeamScope.save!(rec, path)
    File.write!(path, binary_part(File.read!(path), 0, File.stat!(path).size - 40))
    [heading | _] = path |> BeamScope.load!() |> model() |> assert_fits({120, 30})
    assert heading =~ "DAMAGED"
    File.rm!(path)

    model = model(rec)
    lossy = put_in(model.info.events.dropped, 1_234)
    assert lossy |> assert_fits({120, 30}) |> hd() =~ "1,234 lost"
  end

  test "of ten thousand processes only those on the screen are drawn" do
    {_, rec} =
      BeamScope.record([level: :messages, limits: [events: 200_000]], fn ->
        pids = for _ <- 1..10_000, do: spawn(fn -> receive do: (:stop -> :ok) end)
        for pid <- pids, do: send(pid, :stop)
      end)

    spawns = BeamScope.events(rec, kind: :spawn, order: :desc, limit: 1)
    model = Model.new(Replay.open!(rec, at: hd(Enum.to_list(spawns))), "many")
    assert length(model.tree) > 9_000
    end_of = Enum.reduce(1..20, model, fn _, model -> Model.update(model, :page_down) end) |> Model.refresh()
    assert end_of.row >= 200
    {us, lines} = :timer.tc(fn -> View.texts(end_of, {120, 40}, %Style{}) end)
    assert length(lines) == 40
    # Some milliseconds; all of them would take a second.
    assert us < 500_000
  end

  test "a state of megabytes costs what is seen of it" do
    {:ok, agent} = Agent.start_link(fn -> nil end)

    {_, rec} =
      BeamScope.record([trace: agent, level: :full, budget: [bytes: 300_000]], fn ->
        Agent.update(agent, fn _ -> %{text: String.duplicate("日", 100_000), list: Enum.to_list(1..20_000)} end)
      end)

    model = rec |> model() |> Model.update({:char, "G"}) |> Model.refresh()
    assert_fits(%{model | focus: :state}, {80, 24})
  end
end
