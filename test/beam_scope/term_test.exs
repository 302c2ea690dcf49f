defmodule BeamScope.TermTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Opaque
  doctest BeamScope.Truncated
  doctest BeamScope.Redacted
  doctest BeamScope.Unknown
end
