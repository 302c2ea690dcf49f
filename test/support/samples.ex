defmodule BeamScope.Samples do
  @moduledoc "Answers of the core made by hand, in the shapes that the native functions give."

  defmodule Secretive do
    @moduledoc "A struct that hides a field when inspected."
    @derive {Inspect, only: [:name]}
    defstruct name: "n", password: "hunter2"
  end

  defmodule Fussy do
    @moduledoc "A struct whose Inspect implementation raises on what it does not expect."
    defstruct [:list]

    defimpl Inspect do
      def inspect(%{list: list}, _opts) when is_list(list), do: "ok"
    end
  end

  def pid(n), do: :erlang.list_to_pid(~c"<0.#{n}.0>")
  def ref(n), do: :erlang.list_to_ref(~c"#Ref<0.1.2.#{n}>")

  def event(seq, kind, fields) do
    Map.merge(
      %{seq: seq, at_ns: seq * 1_204_000, kind: kind, track: 1, pid: pid(100), name: CounterServer}
      |> Map.merge(defaults()),
      Map.new(fields)
    )
  end

  defp defaults, do: %{lost_before: 0, partner: nil, flags: []}

  @doc "A call and its reply between two servers, and what else may come by."
  def conversation do
    tag = [:alias | ref(9)]

    [
      event(1, :send,
        to: pid(101),
        to_track: 2,
        to_name: EchoServer,
        message: {:"$gen_call", {pid(100), tag}, {:echo, "hi"}}
      ),
      event(2, :receive,
        track: 2,
        pid: pid(101),
        name: EchoServer,
        from: pid(100),
        from_name: CounterServer,
        partner: 1,
        message: {:"$gen_call", {pid(100), tag}, {:echo, "hi"}}
      ),
      event(3, :send,
        track: 2,
        pid: pid(101),
        name: EchoServer,
        to: ref(9),
        to_track: 1,
        to_name: CounterServer,
        message: {tag, "hi"}
      ),
      event(4, :send, to: EchoServer, to_name: EchoServer, message: {:"$gen_cast", :reset}),
      event(5, :send, to: pid(102), message: :tick, lost_before: 3),
      event(6, :receive, from: :clock_service, message: {:timeout, ref(4), :tick}),
      event(7, :receive, from: pid(102), message: {:DOWN, ref(5), :process, pid(102), :killed}),
      event(8, :receive, from: pid(102), message: {:EXIT, pid(102), {:badarith, [{Counter, :div, 2, []}]}}),
      event(9, :send_to_dead, to: pid(102), message: :hello),
      event(10, :spawn, child: pid(103), mfa: {:proc_lib, :init_p, [:a, :b]}),
      event(11, :spawned, pid: pid(103), name: nil, parent: pid(100), mfa: {:proc_lib, :init_p, [:a, :b]}),
      event(12, :exit, reason: {:shutdown, :done}),
      event(13, :register, registered: CounterServer),
      event(14, :call, mfa: {Base, :encode16, ["a"]}),
      event(15, :return, mfa: {Base, :encode16, 1}, value: "61"),
      event(16, :exception, mfa: {Base, :decode16!, 1}, class: :error, reason: %ArgumentError{message: "odd"}),
      event(17, :link, other: pid(104)),
      event(18, :state, point: :handled, message: {:"$gen_cast", :reset}, before: %{count: 3}),
      event(19, :state, point: :loop, after: %{count: 0}, flags: [:truncated]),
      event(20, :note, text: "level changed", detail: :full)
    ]
  end

  def process(track, fields \\ []) do
    Map.merge(
      %{
        track: track,
        pid: pid(100 + track),
        name: nil,
        names: [],
        module: nil,
        behaviour: nil,
        initial_call: nil,
        parent: pid(100),
        parent_track: 0,
        ancestors: [],
        links: [],
        spawned_at: %{seq: track, at_ns: track * 1_000_000},
        exited_at: nil,
        exit_reason: nil,
        known: :spawned,
        restart_of: nil
      },
      Map.new(fields)
    )
  end

  def tree do
    [
      %{
        process: process(0, name: My.Supervisor, module: My.Supervisor, behaviour: :supervisor),
        restarts: 0,
        children: [
          %{
            process: process(1, name: CounterServer, module: Counter, behaviour: :gen_server),
            restarts: 2,
            children: []
          },
          %{
            process:
              process(2,
                name: EchoServer,
                behaviour: :gen_server,
                exited_at: %{seq: 9, at_ns: 5_000_000},
                exit_reason: :boom
              ),
            restarts: 0,
            children: [%{process: process(3, initial_call: {Echo, :loop, 1}), restarts: 0, children: []}]
          }
        ]
      }
    ]
  end

  def transition(seq, kind, fields) do
    Map.merge(
      %{
        seq: seq,
        at_ns: seq * 1_204_000,
        began_seq: seq,
        began_ns: seq * 1_204_000,
        track: 1,
        kind: kind,
        message: nil,
        from_process: nil,
        from: :unknown,
        to: :unknown,
        diff: nil,
        result: :ok,
        reply: nil,
        handler: nil
      },
      Map.new(fields)
    )
  end

  def transitions do
    [
      transition(2, :init, to: {:ok, %{count: 0}}),
      transition(5, :call,
        message: {:"$gen_call", {pid(99), [:alias | ref(1)]}, :increment},
        from_process: pid(99),
        from: {:ok, %{count: 0}},
        to: {:ok, %{count: 1}},
        reply: {:ok, 1}
      ),
      transition(9, :gap, lost: 12),
      transition(11, :info, message: :tick, from_process: :clock_service, to: {:ok, %{count: 7}}),
      transition(14, :end,
        message: {:"$gen_cast", :boom},
        from_process: pid(99),
        from: {:ok, %{count: 7}},
        result: {:crash, :error, {:badarith, [{Counter, :handle_cast, 2, []}]}}
      )
    ]
  end
end
