defmodule BeamScope.Exporter do
  @moduledoc """
  What a format of `BeamScope.export/4` is: a module that turns a recording into the text of a file, piece by piece.

      defmodule Senders do
        @behaviour BeamScope.Exporter
        alias BeamScope.Export.{End, Source}

        @impl true
        def options, do: [prefix: {"", "a string", &is_binary/1}]

        @impl true
        def stream(source) do
          source
          |> Source.events(kind: :send)
          |> Stream.map(fn
            %End{more: more} -> if more, do: "… and more\\n", else: ""
            event -> [source.options.prefix, inspect(event.from), "\\n"]
          end)
        end
      end

      BeamScope.export(rec, Senders, "senders.txt", prefix: "- ")

  `stream/1` is asked once, and its stream is run once, in the process that called `BeamScope.export/4`. Each piece is written as
  it comes, so that a stream which keeps little needs little memory, however long the recording. What it raises ends the export
  and leaves no file behind: a `BeamScope.Error` becomes `{:error, error}`, anything else goes on.

  `BeamScope.Export.Source` is what it is given: the recording and the questions that exporters ask of it.
  """

  alias BeamScope.Export.Source

  @typedoc "An option's default, what it must be in words, and whether a value is that."
  @type option :: {default :: term, expected :: String.t(), valid? :: (term -> boolean)}

  @doc "The options that this format takes beside the filters."
  @callback options() :: [{atom, option}]

  @doc "The text of the file, as a stream of iodata."
  @callback stream(Source.t()) :: Enumerable.t()
end
