defmodule BeamScope.Opaque do
  @moduledoc """
  A captured value that cannot live outside the process or VM it came from: a local fun, a port, a magic reference.

  It says what the value was, and is never a live handle. `kind` is `:fun`, `:port` or `:reference`; `text` is how the
  VM names it.

      iex> inspect(%BeamScope.Opaque{kind: :fun, text: "#Fun<counter.0.1234>"})
      "#opaque<fun, \\"#Fun<counter.0.1234>\\">"

  Where two recordings are compared (`BeamScope.compare/3`) it also stands for what is another in every run: a process by its
  role, a reference, a point in time.

      iex> inspect(%BeamScope.Opaque{kind: :pid, text: "pid(Counter)"})
      "pid(Counter)"
  """
  @enforce_keys [:kind, :text]
  defstruct [:kind, :text]
  @type t :: %__MODULE__{kind: atom, text: String.t()}
end

defmodule BeamScope.Truncated do
  @moduledoc """
  A captured value that was larger than the recording's budget.

  `kind` is the kind of term (`:list`, `:map`, `:tuple`, `:binary`, …), `size` its full size (elements, pairs or bytes; 0
  when that was not known either), and `known` the part that was captured: a shorter list, map, tuple or binary, or `nil`
  when nothing was. A truncated value never equals a whole one.

      iex> inspect(%BeamScope.Truncated{kind: :list, size: 12_000, known: [1, 2]})
      "#truncated<list, 12_000, known: [1, 2]>"
  """
  @enforce_keys [:kind, :size]
  defstruct [:kind, :size, :known]
  @type t :: %__MODULE__{kind: atom, size: non_neg_integer, known: term}
end

defmodule BeamScope.Redacted do
  @moduledoc """
  A value that the recording's `redact:` rules kept out. Its content never reached any buffer; only its kind and size did: bytes,
  elements or pairs, 0 where there is none to tell. It equals nothing when a question is asked, itself included: nobody knows
  whether two secrets are the same.

      iex> inspect(%BeamScope.Redacted{kind: :binary, size: 12})
      "#redacted<binary, 12>"
  """
  @enforce_keys [:kind, :size]
  defstruct [:kind, :size]
  @type t :: %__MODULE__{kind: atom, size: non_neg_integer}
end

defmodule BeamScope.Hidden do
  @moduledoc """
  Stands where a state is printed whose module has a `format_status` that failed on it: what may be shown of it nobody knows.

      iex> inspect(%BeamScope.Hidden{module: Vault})
      "#hidden<format_status of Vault failed>"
  """
  @enforce_keys [:module]
  defstruct [:module]
  @type t :: %__MODULE__{module: module}
end

defmodule BeamScope.Unknown do
  @moduledoc """
  Stands where a state is not known: before the first message of a process that was alive at the start and did not answer,
  or after a gap, until the next state was seen. `reason` says why, for example `:gap` or `:not_seen`.

      iex> inspect(%BeamScope.Unknown{reason: :gap})
      "#unknown<gap>"
  """
  defstruct reason: :not_seen
  @type t :: %__MODULE__{reason: atom}
end

defimpl Inspect, for: BeamScope.Opaque do
  import Inspect.Algebra

  # The VM's own texts begin with "#".
  @marks ["pid(", "ref()", "port()", "fun(", "time()", "stacktrace()"]

  def inspect(%{kind: kind, text: text}, opts) do
    if kind != :atom and String.starts_with?(text, @marks),
      do: text,
      else: concat(["#opaque<", to_string(kind), ", ", to_doc(text, opts), ">"])
  end
end

defimpl Inspect, for: BeamScope.Truncated do
  import Inspect.Algebra
  alias BeamScope.Terminal.Style

  def inspect(%{kind: kind, size: size, known: nil}, _opts),
    do: concat(["#truncated<", to_string(kind), Style.size(size), ">"])

  def inspect(%{kind: kind, size: size, known: known}, opts),
    do: concat(["#truncated<", to_string(kind), Style.size(size), ", known: ", to_doc(known, opts), ">"])
end

defimpl Inspect, for: BeamScope.Redacted do
  alias BeamScope.Terminal.Style
  def inspect(%{kind: kind, size: size}, _opts), do: "#redacted<#{kind}#{Style.size(size)}>"
end

defimpl Inspect, for: BeamScope.Hidden do
  def inspect(%{module: module}, _opts), do: "#hidden<format_status of #{Kernel.inspect(module)} failed>"
end

defimpl Inspect, for: BeamScope.Unknown do
  def inspect(%{reason: reason}, _opts), do: "#unknown<#{reason}>"
end
