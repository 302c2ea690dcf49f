defmodule BeamScope.Expect.StoryTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Expect.Story
end
