defmodule BeamScope.Tui.ScreenTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias BeamScope.Tui.Screen

  # What the keeper would get comes back to us.
  setup do
    port = Port.open({:spawn_executable, System.find_executable("cat")}, [:binary])
    %{screen: %Screen{port: port}}
  end

  defp painted(text \\ "") do
    receive do
      {_port, {:data, data}} -> painted(text <> data)
    after
      200 -> text
    end
  end

  test "paints all at first and after a resize, else what changed", %{screen: screen} do
    screen = Screen.paint(screen, ["one", "two"], {10, 2})
    assert painted() == "\e[2J\e[1;1H\e[2Kone\e[2;1H\e[2Ktwo\n"
    screen = Screen.paint(screen, ["one", "2"], {10, 2})
    assert painted() == "\e[2;1H\e[2K2\n"
    screen = Screen.paint(screen, ["one", "2"], {10, 2})
    assert painted() == ""
    screen = Screen.paint(screen, ["one", "2", ""], {10, 3})
    assert "\e[2J" <> _ = painted()
    Screen.paint(Screen.forget(screen), ["one", "2", ""], {10, 3})
    assert "\e[2J" <> _ = painted()
  end

  test "says so where something takes long, and paints over it", %{screen: screen} do
    screen = Screen.paint(screen, ["one", "two"], {10, 2})
    _ = painted()
    assert {^screen, :quick} = Screen.busy(screen, fn -> :quick end)
    assert painted() == ""

    {screen, :slow} =
      Screen.busy(screen, fn ->
        Process.sleep(500)
        :slow
      end)

    assert painted() =~ "\e[2;1H\e[2KLooking through"
    Screen.paint(screen, ["one", "two"], {10, 2})
    assert painted() == "\e[2;1H\e[2Ktwo\n"
  end

  test "a terminal that went away is no error", %{screen: screen} do
    Port.close(screen.port)
    screen = Screen.paint(screen, ["one"], {10, 1})
    assert screen.shown == ["one"]
  end

  test "what is no terminal is not taken for one" do
    capture_io(fn -> assert Screen.open() == {:error, :no_terminal} end)
  end
end
