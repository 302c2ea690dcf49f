defmodule BeamScope.Info do
  @moduledoc """
  How a recording stands: the answer to `BeamScope.info/1`.

    * `status` – `:running` or `:stopped`; `stop_reason` – `nil`, `:requested`, `:events`, `:bytes`, `:ms`, `:rate`,
      `:owner_down`, `:violation` (of an expectation), …
    * `events` – `%{offered: n, stored: n, dropped: n, truncated: n, redacted: n}`; offered = stored + dropped, always
    * `by_kind` – how many events of each kind
    * `losses` – where the dropped events were: `%{pid, from_ns, to_ns, count}`
    * `bytes` – memory held; `duration_ns`; `started_at`
    * `level`, `targets`, `profile` – what is captured and by which trace points; `notes` – what the recorder wants to say
    * `damage` – of a recording that was loaded from a damaged file: `%{cut_off: true | false, bytes: n, chunks: n}`, whether its
      end is missing, how many bytes at its end belong to nothing whole, and how many parts cannot be read, as far as known;
      else `nil`
    * `sink` – of a recording that was written while it was recorded (`to:`), once it has ended: `%{to:, bytes:, events:, error:}`
    * `governor` – of a recording with `level: :auto`: its `budget`, where it is (`at`: `{:level, level}`, or
      `{:sampled, level, share}` where one process in `share` is recorded at that level), how many processes are only `watched`, how
      many `steps` it took, the `last` of them with its reason and figures, and what is `unseen` of the watched processes
    * `code` – the commit, the versions and the modules that were recorded, once the recording has ended: see `BeamScope.Code`; with
      `lines:` also `instrumented`, from the start: by module the places in its code whose lines are recorded
    * `lines` – of a recording with `lines:`, how the code of each module stands: `:instrumented`, `:original` once it has come back, or
      `:still_running` where processes were still inside it at the end
    * `extra.keep` – of a flight recorder, what it keeps: `%{ms:, bytes:}`
    * `extra` – whatever else the recorder and the store report
  """

  defstruct [
    :id,
    :status,
    :stop_reason,
    :level,
    :profile,
    :owner,
    :started_at,
    :bytes,
    :duration_ns,
    :damage,
    :sink,
    :governor,
    :code,
    targets: [],
    events: %{offered: 0, stored: 0, dropped: 0, truncated: 0, redacted: 0},
    by_kind: %{},
    losses: [],
    lines: %{},
    notes: [],
    meta: %{},
    extra: %{}
  ]

  @type t :: %__MODULE__{
          status: :running | :stopped,
          stop_reason: atom,
          events: %{
            :offered => non_neg_integer,
            :stored => non_neg_integer,
            :dropped => non_neg_integer,
            :truncated => non_neg_integer,
            :redacted => non_neg_integer,
            optional(:evicted) => non_neg_integer
          }
        }

  @doc false
  @spec from_native(map) :: t
  def from_native(map) do
    known = Map.keys(%__MODULE__{}) -- [:__struct__, :extra]
    %{Kernel.struct(__MODULE__, Map.take(map, known)) | extra: Map.drop(map, known)}
  end
end

defimpl Inspect, for: BeamScope.Info do
  alias BeamScope.Terminal.{Info, Style}
  def inspect(info, opts), do: opts |> Style.from_inspect() |> then(&Style.to_doc(Info.lines(info, &1), &1))
end
