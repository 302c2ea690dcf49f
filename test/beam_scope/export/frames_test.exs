defmodule BeamScope.Export.FramesTest do
  use ExUnit.Case, async: true

  alias BeamScope.{Event, Moment, Transition}
  alias BeamScope.Export.{End, Frames}

  # What opens (`{:open, name}`) and closes (`{:close, name, time, how}`), for items in order.
  defp run(items) do
    {actions, _} = Enum.flat_map_reduce(items, Frames.new(), &Frames.step(&2, &1))

    Enum.map(actions, fn
      {:open, frame} -> {:open, name(frame)}
      {:close, frame, at_ns, {how, _}} -> {:close, name(frame), at_ns, how}
      {:close, frame, at_ns, :unfinished} -> {:close, name(frame), at_ns, :unfinished}
    end)
  end

  defp name(%{kind: :call, what: %{mfa: {_m, f, _a}}}), do: f
  defp name(%{kind: :handled, what: transition}), do: transition.content

  defp event(kind, n, f, args, track \\ 0) do
    %Event{kind: kind, track: track, at_ns: n, moment: %Moment{seq: n, at_ns: n}, mfa: {M, f, args}}
  end

  defp call(n, f, args \\ [1]), do: event(:call, n, f, args)
  defp return(n, f, arity \\ 1), do: event(:return, n, f, arity)
  defp exit_event(n), do: %Event{kind: :exit, track: 0, at_ns: n, moment: %Moment{seq: n, at_ns: n}}

  defp transition(began, moment, content) do
    began = %Moment{seq: began, at_ns: began}

    %Transition{
      track: 0,
      kind: :call,
      began: began,
      moment: %Moment{seq: moment, at_ns: moment},
      content: content
    }
  end

  test "a return ends its own call, whatever was called since and never returned" do
    assert run([call(1, :a), call(2, :b), call(3, :c), return(4, :a)]) == [
             {:open, :a},
             {:open, :b},
             {:open, :c},
             {:close, :c, 4, :unfinished},
             {:close, :b, 4, :unfinished},
             {:close, :a, 4, :return}
           ]
  end

  test "of a recursion the innermost call returns first" do
    assert [{:open, :f}, {:open, :f}, {:close, :f, 3, :return}, {:close, :f, 4, :exception}] =
             run([call(1, :f), call(2, :f), return(3, :f), event(:exception, 4, :f, 1)])
  end

  test "arity tells functions apart, and where arguments were cut it is what is known of it" do
    assert run([call(1, :f, [1, 2]), return(2, :f, 1)]) == [{:open, :f}]
    cut = %BeamScope.Truncated{kind: :list, size: 2}
    assert [{:open, :f}, {:close, :f, 2, :return}] = run([call(1, :f, cut), return(2, :f, 2)])
    assert run([call(1, :f, cut), return(2, :f, 3)]) == [{:open, :f}]
    unknown = %BeamScope.Truncated{kind: :list, size: 0}
    assert [{:open, :f}, {:close, :f, 2, :return}] = run([call(1, :f, unknown), return(2, :f, 7)])
  end

  test "a return whose call was not seen ends nothing, least of all what is around it" do
    assert run([return(1, :a)]) == []
    one = transition(2, 5, :one)
    # Below the message that is handled there is a call that never returns: the server's loop.
    assert run([call(1, :loop), {:begin, one}, return(3, :loop), {:end, one}]) ==
             [{:open, :loop}, {:open, :one}, {:close, :one, 5, :handled}]
  end

  test "a message that was taken up ends the one before, whose end was lost" do
    [one, two] = [transition(1, 1, :one), transition(3, 4, :two)]

    assert run([{:begin, one}, call(2, :a), {:begin, two}, {:end, two}]) == [
             {:open, :one},
             {:open, :a},
             {:close, :a, 3, :unfinished},
             {:close, :one, 3, :unfinished},
             {:open, :two},
             {:close, :two, 4, :handled}
           ]
  end

  test "an end closes what is open: a process' its own, the export's all" do
    assert [{:open, :a}, {:open, :b}, {:close, :a, 3, :unfinished}, {:close, :b, 9, :unfinished}] =
             run([call(1, :a), event(:call, 2, :b, [], 7), exit_event(3), %End{last_ns: 9}])
  end

  test "each frame knows the one around it" do
    {actions, _} =
      Enum.flat_map_reduce(
        [call(1, :a), call(2, :b), event(:call, 3, :c, [], 7)],
        Frames.new(),
        &Frames.step(&2, &1)
      )

    assert for({:open, frame} <- actions, do: {frame.id, frame.parent}) == [{1, nil}, {2, 1}, {3, nil}]
  end
end
