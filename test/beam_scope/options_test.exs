defmodule BeamScope.OptionsTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Options

  alias BeamScope.{Error, Options}

  defp error(options, form \\ :start) do
    assert {:error, %Error{} = error} = Options.validate(options, form)
    {error.reason, Exception.message(error)}
  end

  describe "defaults" do
    test "record keeps more than start" do
      {:ok, start} = Options.validate([], :start)
      {:ok, record} = Options.validate([], :record)
      assert %{level: :states, budget: %{bytes: 4096}, follow: :spawn} = start
      assert start.limits == %{events: 1_000_000, bytes: 256 * 1024 * 1024, ms: 60_000, rate: nil}
      assert %{level: :full, budget: %{bytes: 65_536}} = record
      assert record.limits == %{events: :infinity, bytes: 256 * 1024 * 1024, ms: :infinity, rate: nil}
      assert :password in start.redact and :secret in start.redact
    end

    test "start keeps within a budget unless a level is named" do
      assert {:ok, %{auto: true, level: :states, overhead: 0.05, recover: false, memory: nil}} =
               Options.validate([], :start)

      assert {:ok, %{auto: false, level: :states}} = Options.validate([level: :states], :start)
      assert {:ok, %{auto: false, level: :full}} = Options.validate([], :record)
      assert {:ok, %{auto: true, level: :full}} = Options.validate([level: :auto], :record)
      assert {:invalid_option, _} = error(overhead: 2.0)
      assert {:invalid_option, _} = error(overhead: 1)
      assert {:invalid_option, _} = error(memory: 5)
    end

    test "nested options replace only what they name" do
      {:ok, options} = Options.validate([limits: [events: 5]], :start)
      assert %{events: 5, ms: 60_000} = options.limits
    end

    test "redaction rules come on top, false switches them off" do
      {:ok, options} = Options.validate([redact: [:card, "x_"]], :start)
      assert [:card, "x_" | _] = options.redact
      assert :password in options.redact
      assert {:ok, %{redact: []}} = Options.validate([redact: false], :start)
    end
  end

  describe "mistakes" do
    test "regexes as redaction rules are refused: keys are matched by their text" do
      assert {:invalid_option, _} = error(redact: [~r/x/])
    end

    test "a misspelled option gets a suggestion" do
      assert {:unknown_option, message} = error(lvel: :full)
      assert message =~ "Did you mean :level?"
      assert {:unknown_option, message} = error(limits: [event: 1])
      assert message =~ "Did you mean :events?"
    end

    test "an unknown one gets the list" do
      assert {:unknown_option, message} = error(zzzzz: 1)
      assert message =~ ":level" and message =~ ":redact"
    end

    test "trace: is an option of record only" do
      assert {:unknown_option, _} = error(trace: self())
      assert {:ok, _} = Options.validate([trace: self()], :record)
    end

    test "ranges are named" do
      assert {:invalid_option, message} = error(limits: [ms: 0])
      assert message =~ ":limits → :ms must be an integer from 1 to" and message =~ ":infinity"
      assert {:invalid_option, message} = error(budget: [bytes: 1])
      assert message =~ "from 64 to"
      assert {:invalid_option, message} = error(level: :everything)
      assert message =~ "one of :off, :crashes, :states, :messages, :full"
    end

    test "wrong shapes are refused" do
      for options <- [
            [calls: [1]],
            [calls: [{Foo, :bar}]],
            [calls: :foo],
            [redact: [""]],
            [owner: :me],
            [meta: []],
            [profiles: [{Foo, :loop, 2, []}]],
            [profiles: [{Foo, :loop, 2, state: 3}]],
            [profiles: [{Foo, :loop, 2, stat: 1}]],
            [limits: [rate: {0, 1}]],
            [limits: 3],
            [follow: true],
            [force: 1]
          ] do
        assert {:invalid_option, _} = error(options)
      end
    end

    test "options that are no keyword list are refused" do
      assert {:invalid_option, message} = error(%{level: :full})
      assert message =~ "a keyword list"
    end

    test "good shapes pass" do
      assert {:ok, _} =
               Options.validate(
                 [
                   calls: [Enum, {Enum, :map, 2}, {Enum, :map, :_}],
                   profiles: [{Foo, :loop, 2, message: 1, state: 2}],
                   owner: self(),
                   limits: [rate: {10, 100}, ms: :infinity]
                 ],
                 :start
               )
    end
  end

  test "the documentation names every option" do
    for form <- [:start, :record], key <- [:level, :limits, :events, :redact, :profiles] do
      assert Options.docs(form) =~ "`:#{key}`"
    end
  end
end
