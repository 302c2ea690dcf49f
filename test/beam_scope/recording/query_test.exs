defmodule BeamScope.Recording.QueryTest do
  use ExUnit.Case, async: true
  doctest BeamScope.Recording.Query

  alias BeamScope.Error
  alias BeamScope.Recording.Query

  @allowed [:kind, :process, :from, :to, :match, :since, :until, :limit, :order, :call]

  test "filters become the core's query" do
    assert {:ok, query} =
             Query.build(
               [
                 kind: :send,
                 from: A,
                 to: self(),
                 match: %{a: :_},
                 since: {:ms, 2},
                 limit: :infinity,
                 call: {M, :f}
               ],
               @allowed
             )

    assert %{kinds: [:send], from: {:name, A}, since: {:ns, 2_000_000}, limit: nil, mfa: {M, :f, :_}} = query
    assert query.to == {:pid, self()}
    assert {:pattern, {:map, [{:a, :any}]}, nil} = query.match
  end

  test "misspelled filters are refused with a suggestion" do
    assert {:error, %Error{reason: :unknown_option, detail: %{suggestion: :match}}} =
             Query.build([mach: 1], @allowed)

    assert {:error, %Error{reason: :unknown_option, detail: %{suggestion: nil}}} =
             Query.build([zzz: 1], @allowed)
  end

  test "values out of range are refused" do
    for bad <- [
          [kind: :sent],
          [kind: []],
          [limit: 0],
          [limit: -1],
          [order: :up],
          [process: nil],
          [process: "name"],
          [from: {:a, 1}],
          [since: 5],
          [call: "x"],
          [match: &is_atom/1],
          :no_list
        ] do
      assert {:error, %Error{reason: reason} = error} = Query.build(bad, @allowed)
      assert reason in [:invalid_option, :invalid_moment]
      assert is_binary(Exception.message(error))
    end
  end

  test "what is no recording is refused, and the usual slip is named" do
    assert {:error, %Error{reason: :invalid_recording} = error} =
             Query.ask({:ok, %BeamScope.Recording{id: 1, native: nil}}, fn -> :ok end)

    assert Exception.message(error) =~ "{:ok, rec} = "
    assert {:error, %Error{reason: :invalid_recording}} = Query.ask(nil, fn -> :ok end)
  end

  test "errors of the core are typed" do
    rec = %BeamScope.Recording{id: 4, native: make_ref()}
    assert {:error, %Error{reason: :closed, detail: 4}} = Query.ask(rec, fn -> {:error, {:closed, "x"}} end)

    assert {:error, %Error{reason: :unknown_state}} =
             Query.ask(rec, fn -> {:error, {:unknown_state, nil}} end)
  end
end
