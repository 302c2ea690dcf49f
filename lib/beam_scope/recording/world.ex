defmodule BeamScope.World do
  @moduledoc """
  Everything that was so at a moment: the answer to `BeamScope.Replay.world/2`. It prints as the supervision tree with state and
  mailbox of each process; use it with `Enum` for its members.

    * `moment`, `event` – where it is taken: just after this event
    * `members` – the processes alive, each `%{process: %BeamScope.Process{}, state: state, mailbox: %BeamScope.Mailbox{}, waiting: n}`,
      where `state` is `{:ok, term}`, `{:unknown, why}` (events were lost) or `:none` (no state was seen), and `waiting` how many
      messages the mailbox had, of which `mailbox` has the oldest
    * `tree` – who started whom
    * `tables` – the ETS tables that were followed, by what they were asked for as: `%BeamScope.Table{}`; a member has `dictionary`, its
      process dictionary, where those were followed, else `nil`
    * `in_flight` – messages that were sent and had not arrived, the oldest first: `%{sent: seq, from:, from_track:, from_name:, to:,
      to_track:, to_name:, message:}`; `in_flight_count` – how many those were. Known of receivers whose receives are recorded
  """

  alias BeamScope.{Event, Mailbox, Moment, Process, Tree}
  alias BeamScope.Recording.Dictionary
  alias BeamScope.Table.Reader

  defstruct [:moment, :event, :tree, members: [], tables: %{}, in_flight: [], in_flight_count: 0]

  @type member :: %{
          process: Process.t(),
          state: {:ok, term} | {:unknown, String.t()} | :none,
          mailbox: Mailbox.t(),
          waiting: non_neg_integer,
          dictionary: map | nil
        }
  @type t :: %__MODULE__{
          moment: Moment.t(),
          event: Event.t(),
          tree: Tree.t(),
          members: [member],
          tables: %{term => BeamScope.Table.t()},
          in_flight: [map],
          in_flight_count: non_neg_integer
        }

  @doc """
  The member that a pid, a name, a track or a `%BeamScope.Process{}` stands for, or `nil`.
  """
  @spec member(t, BeamScope.selector()) :: member | nil
  def member(%__MODULE__{members: members}, %{track: track}),
    do: Enum.find(members, &(&1.process.track == track))

  def member(%__MODULE__{members: members}, who) do
    Enum.find(members, fn %{process: process} ->
      who in [process.track, process.pid] or who in process.names
    end) || Enum.find(members, &Process.runs?(&1.process, who))
  end

  @doc false
  @spec from_native(map, BeamScope.Replay.t()) :: t
  def from_native(map, %{event: event, recording: rec}) do
    moment = %Moment{seq: map.seq, at_ns: map.at_ns}
    dictionaries = Dictionary.all(rec, moment)
    states = if map.states == [], do: Enum.map(map.processes, fn _ -> {:unknown, nil} end), else: map.states

    members =
      for {process, state, mailbox} <- Enum.zip([map.processes, states, map.mailboxes]) do
        process = Process.from_native(process)

        %{
          process: process,
          state: state(state),
          mailbox: %Mailbox{
            messages: mailbox.messages,
            exact: mailbox.exact,
            process: process,
            moment: moment
          },
          waiting: mailbox.count,
          dictionary: dictionary(dictionaries[process.track])
        }
      end

    %__MODULE__{
      moment: moment,
      event: event,
      tree: Tree.from_native(map.tree, moment),
      members: members,
      tables:
        for(
          table <- Reader.followed(rec),
          {:ok, found} <- [Reader.read(rec, table, moment)],
          into: %{},
          do: {table, found}
        ),
      in_flight: Enum.map(map.flights, &flight/1),
      in_flight_count: map.in_flight
    }
  end

  defp dictionary({:ok, known}), do: known
  defp dictionary(_unknown), do: nil

  defp state({:unknown, nil}), do: :none
  defp state(known), do: known

  defp flight(map), do: map |> Map.put(:sent, map.seq) |> Map.delete(:seq)
end

defimpl Enumerable, for: BeamScope.World do
  def reduce(%{members: members}, acc, fun), do: Enumerable.List.reduce(members, acc, fun)
  def count(%{members: members}), do: {:ok, length(members)}
  def member?(%{members: members}, member), do: {:ok, Enum.member?(members, member)}
  def slice(_world), do: {:error, __MODULE__}
end

defimpl Inspect, for: BeamScope.World do
  alias BeamScope.Terminal.{Style, World}

  def inspect(world, opts),
    do: opts |> Style.from_inspect() |> then(&Style.to_doc(World.lines(world, &1), &1))
end
