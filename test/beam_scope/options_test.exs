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

    test "rules of all kinds pass" do
      require BeamScope
      rules = [:pin, "iban", ~r/^my_\w+$/iu, {URI, :userinfo}, BeamScope.pattern("sk_" <> _), {Not.There, :x}]
      assert {:ok, options} = Options.validate([redact: rules], :start)
      assert Enum.take(options.redact, 6) == rules
    end

    test "what is hidden in meta: is hidden there too" do
      {:ok, options} = Options.validate([meta: %{run: 7, token: "s3cret", f: &is_atom/1}], :start)
      assert %{run: 7, token: %BeamScope.Redacted{kind: :binary, size: 6}} = options.meta
      meta = %{run: 7, fun: fn -> :ok end}
      assert {:ok, %{meta: ^meta}} = Options.validate([meta: meta], :start)
      assert {:ok, %{meta: %{token: "x"}}} = Options.validate([meta: %{token: "x"}, redact: false], :start)
    end
  end

  describe "mistakes" do
    test "rules that cannot be asked in a traced process are refused, and named" do
      require BeamScope

      for {rule, words} <- [
            {~r/(?=a)b/, "look-around"},
            {~r/(a)\1/, "backreferences"},
            {~r/a/f, "firstline"},
            {{URI, :pasword}, "no struct with a field :pasword"},
            {{Enum, :field}, "no struct"},
            {BeamScope.pattern(x when x / 2 > 3), "in a guard"},
            {BeamScope.pattern(<<_::3, _::bits>>), "whole bytes"},
            {BeamScope.pattern(<<x::binary-size(2), _::binary>> when x == "ab"), "in a guard"}
          ] do
        assert {:invalid_rule, message} = error(redact: [rule])
        assert message =~ inspect(rule, printable_limit: 40) |> String.slice(0, 6)
        assert message =~ words
      end
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
