defmodule Files do
  @moduledoc false
  # The files that are exported of the sample: where it was recorded, and (as a script) where it was loaded by another system.

  @files [
    {:chrome, "sample.json", []},
    {:speedscope, "sample.speedscope.json", []},
    {:otlp, "sample.otlp.json", []},
    {:shiviz, "sample.shiviz", []},
    {:jsonl, "sample.jsonl", []},
    {:mermaid, "sample.mmd", [messages: :infinity]},
    {:plantuml, "sample.puml", [messages: :infinity]},
    {:mermaid, "cut.mmd", [messages: 3]},
    {:plantuml, "cut.puml", [messages: 3]}
  ]

  # Names that a system has never heard of are strings to it; this one has code of its own by that name.
  @known [Sample]

  def export(rec, dir) when @known != [] do
    for {format, file, opts} <- @files, do: BeamScope.export!(rec, format, Path.join(dir, file), opts)
  end
end

with [from, dir] <- System.argv(), do: from |> BeamScope.load!() |> Files.export(dir)
