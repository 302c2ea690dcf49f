defmodule BeamScope.Sink do
  @moduledoc """
  Where a recording goes while it is recorded: `BeamScope.start(target, to: …)`.

  A recording on its way out is a sequence of binaries, the *pieces*. One after the other they are a file that `BeamScope.load/1`
  opens; so is every beginning of them that ends with a whole piece. A sink keeps pieces in order, whatever it keeps them in:

  | `to:` | |
  |---|---|
  | `"path"` | a file, `BeamScope.Sink.File` |
  | `{BeamScope.Sink.File, path: "path", sync: :chunk}` | the same with its options |
  | `{BeamScope.Sink.Mnesia, name: :monday}` | rows of a Mnesia table |
  | `{MyApp.Bucket, …}` | a module of your own with this behaviour |

  All callbacks run in one process of the recording's own, which is not recorded. They may be slow: meanwhile the recording grows in
  memory, up to its limit of bytes. A sink that fails is asked no more; the recording goes on in memory, says so in
  `BeamScope.info/1`, and can still be saved.

  ## Example

      defmodule MyApp.Pieces do
        @behaviour BeamScope.Sink
        def open(opts), do: {:ok, {opts[:agent], 0}}
        def write(piece, {agent, n}), do: {Agent.update(agent, &[piece | &1]), {agent, n + 1}}
        def close(_state), do: :ok
        def read(opts), do: {:ok, Agent.get(opts[:agent], &Enum.reverse/1)}
      end
  """

  @typedoc "What a sink remembers between two calls."
  @type state :: term

  @doc "Gets ready to take pieces. What was kept under the same name must not be lost: refuse, unless the options say otherwise."
  @callback open(opts :: keyword) :: {:ok, state} | {:error, term}

  @doc "Keeps a piece, after those before it. The recording goes on in memory after an error."
  @callback write(piece :: binary, state) :: {:ok, state} | {:error, term}

  @doc "Nothing more comes."
  @callback close(state) :: :ok | {:error, term}

  @doc "The pieces that were kept under these options, in order: what `BeamScope.load({module, opts})` reads."
  @callback read(opts :: keyword) :: {:ok, Enumerable.t()} | {:error, term}

  @doc "A file that has all pieces and nothing else, if there is one: then memory lets go of what was written."
  @callback path(state) :: Path.t() | nil

  @optional_callbacks path: 1

  @doc false
  @spec normal(term) :: {:ok, {module, keyword}} | :error
  def normal(path) when is_binary(path) and path != "", do: {:ok, {BeamScope.Sink.File, path: path}}

  def normal({module, opts}) when is_atom(module) and is_list(opts) do
    if Keyword.keyword?(opts) and Code.ensure_loaded?(module) and function_exported?(module, :open, 1),
      do: {:ok, {module, opts}},
      else: :error
  end

  def normal(_other), do: :error
end
