defmodule BeamScope.Test.Lines.Arguments do
  @moduledoc false
  # Arguments for functions, drawn with the process's seed: mostly such as their specifications ask for, now and then any term.

  alias BeamScope.Test.Lines.Funs

  @deep 5

  @doc "`%{{function, arity} => {argument types, types of variables}}` of a module's specifications."
  def specifications(module) do
    case Code.Typespec.fetch_specs(module) do
      {:ok, specs} ->
        for {name_arity, clauses} <- specs, into: %{}, do: {name_arity, Enum.map(clauses, &clause/1)}

      :error ->
        %{}
    end
  end

  @doc "The types of a module by name and number of parameters; read once in a process."
  def types(module) do
    with nil <- Process.get({__MODULE__, module}) do
      types = read_types(module)
      Process.put({__MODULE__, module}, types)
      types
    end
  end

  defp read_types(module) do
    case Code.Typespec.fetch_types(module) do
      {:ok, types} ->
        for {_, {name, type, vars}} <- types, into: %{}, do: {{name, length(vars)}, {type, vars}}

      :error ->
        %{}
    end
  end

  defp clause({:type, _, :bounded_fun, [fun, constraints]}) do
    {types, _} = clause(fun)
    {types, for({:type, _, :constraint, [_, [{:var, _, v}, type]]} <- constraints, into: %{}, do: {v, type})}
  end

  defp clause({:type, _, :fun, [{:type, _, :product, types}, _result]}), do: {types, %{}}

  @doc "Arguments for a function. `known` has a module's specifications and types."
  def draw(module, {_, arity} = name_arity, known) do
    case known.specs[name_arity] do
      [_ | _] = clauses ->
        {types, variables} = Enum.random(clauses)

        for type <- types do
          if :rand.uniform(12) == 1, do: any(3), else: type(type, context(module, variables, known))
        end

      _ ->
        for _ <- 1..arity//1, do: any(3)
    end
  end

  defp context(module, variables, known),
    do: %{module: module, variables: variables, types: known.types, depth: @deep}

  # Terms of a type

  defp type(_type, %{depth: depth}) when depth <= 0, do: any(0)
  defp type({:ann_type, _, [_, type]}, context), do: type(type, context)

  defp type({:var, _, name}, context) do
    case context.variables do
      %{^name => {:var, _, ^name}} -> any(2)
      %{^name => type} -> type(type, deeper(context))
      _ -> any(2)
    end
  end

  defp type({tag, _, value}, _context) when tag in [:atom, :integer, :char], do: value
  defp type({:op, _, :-, {:integer, _, n}}, _context), do: -n

  defp type({:remote_type, _, [{:atom, _, module}, {:atom, _, name}, arguments]}, context),
    do: named(module, name, arguments, context)

  defp type({:user_type, _, name, arguments}, context), do: named(context.module, name, arguments, context)
  defp type({:type, _, :union, types}, context), do: type(Enum.random(types), context)
  defp type({:type, _, :list, [type]}, context), do: list(type, 0, context)
  defp type({:type, _, :nonempty_list, [type]}, context), do: list(type, 1, context)

  defp type({:type, _, :maybe_improper_list, [type, tail]}, context),
    do: list(type, 1, context) ++ type(tail, deeper(context))

  defp type({:type, _, :tuple, types}, context) when is_list(types),
    do: types |> Enum.map(&type(&1, deeper(context))) |> List.to_tuple()

  defp type({:type, _, :map, fields}, context) when is_list(fields) do
    for {:type, _, kind, [key, value]} <- fields,
        kind == :map_field_exact or :rand.uniform(3) > 1,
        _ <- 1..if(literal?(key), do: 1, else: Enum.random(1..4)),
        into: %{},
        do: {type(key, deeper(context)), type(value, deeper(context))}
  end

  defp type({:type, _, :fun, [{:type, _, :product, types}, _]}, _context), do: fun(length(types))
  defp type({:type, _, :fun, _}, _context), do: fun(Enum.random(0..3))
  defp type({:type, _, :range, [from, to]}, context), do: between(type(from, context), type(to, context))
  defp type({:type, _, nil, []}, _context), do: []
  defp type({:type, _, name, _}, _context), do: basic(name)
  defp type(_other, _context), do: any(2)

  defp literal?({tag, _, _}) when tag in [:atom, :integer], do: true
  defp literal?(_), do: false

  defp between(from, to) when is_integer(from) and is_integer(to) and from <= to,
    do: Enum.random(Enum.uniq([from, to, min(from + 1, to), from + div(to - from, 2)]))

  defp between(_, _), do: 0

  defp deeper(context), do: %{context | depth: context.depth - 1}

  defp list(type, least, context) do
    for _ <- 1..(least + Enum.random([0, 1, 2, 3, 3, 4, 7]))//1, do: type(type, deeper(context))
  end

  # A type that says nothing of what its values must fulfil has values made by hand.
  defp named(module, name, arguments, context) do
    case made(module, name) do
      [] -> unfold(module, name, arguments, context)
      values -> Enum.random(values)
    end
  end

  defp unfold(module, name, arguments, context) do
    types = if module == context.module, do: context.types, else: types(module)

    case types[{name, length(arguments)}] do
      {type, vars} ->
        names = for {:var, _, name} <- vars, do: name
        variables = names |> Enum.zip(Enum.map(arguments, &settled(&1, context))) |> Map.new()
        type(type, %{deeper(context) | module: module, types: types, variables: variables})

      nil ->
        any(2)
    end
  end

  # What a parameter stands for belongs to where it was given.
  defp settled({:var, _, name}, context), do: Map.get(context.variables, name, {:type, 0, :term, []})

  defp settled({:user_type, at, name, arguments}, context),
    do: {:remote_type, at, [{:atom, at, context.module}, {:atom, at, name}, arguments]}

  defp settled(type, _context), do: type

  defp made(:gb_trees, name) when name in [:tree, :iter],
    do: Enum.map(pairs(), &:gb_trees.from_orddict/1) |> iterators(name, &:gb_trees.iterator/1)

  defp made(:gb_sets, name) when name in [:set, :iter],
    do: Enum.map(lists(), &:gb_sets.from_list/1) |> iterators(name, &:gb_sets.iterator/1)

  defp made(:maps, name) when name in [:iterator, :iterator_order],
    do: Enum.map(pairs(), &:maps.iterator(Map.new(&1)))

  defp made(:queue, :queue), do: Enum.map(lists(), &:queue.from_list/1)
  defp made(:dict, :dict), do: Enum.map(pairs(), &:dict.from_list/1)
  defp made(:orddict, :orddict), do: pairs()
  defp made(:sets, :set), do: Enum.flat_map(lists(), &[:sets.from_list(&1), :sets.from_list(&1, version: 2)])
  defp made(:ordsets, :ordset), do: Enum.map(lists(), &:ordsets.from_list/1)
  defp made(:array, :array), do: Enum.flat_map(lists(), &[:array.from_list(&1), :array.from_list(&1, :none)])

  defp made(:rand, name) when name in [:state, :export_state],
    do: [:rand.seed_s(:exsss, 1), :rand.seed_s(:exro928ss, 2), :rand.export_seed_s(:rand.seed_s(:exrop, 3))]

  defp made(:sofs, name) when name in [:a_set, :set_of_sets, :external_set],
    do: [:sofs.set([1, 2, :a]), :sofs.empty_set()]

  defp made(:sofs, name) when name in [:relation, :binary_relation, :a_function, :family, :ordset, :anyset],
    do: [
      :sofs.relation([{1, :a}, {2, :b}, {1, :b}]),
      :sofs.family([{:a, [1, 2]}, {:b, [3]}]),
      :sofs.a_function([{1, 2}, {3, 4}])
    ]

  defp made(:uri_string, :uri_string), do: texts()
  defp made(:unicode, _), do: texts()
  defp made(:io, :format), do: ["~p ~w~n", ~c"~10.3.0f~s", "~-10ts|~tp", "~b ~x", "", ~c"~i~e", "~*c"]

  defp made(:erl_parse, name) when name in [:abstract_expr, :abstract_clause, :abstract_form],
    do: expressions()

  defp made(:calendar, name) when name in [:date, :datetime, :time, :datetime1970], do: calendar(name)
  defp made(String, name) when name in [:t, :grapheme, :codepoint, :pattern], do: texts()
  defp made(Path, :t), do: ["/a/b.ex", "a/../b", "", "~x", "a//b/", "*.ex", "/"]
  defp made(Regex, :t), do: [~r/a/, ~r/(?<x>[a-z]+)(\d*)/u, ~r/^$/m, ~r/,\s*/]

  defp made(URI, :t),
    do: Enum.map(["http://u@h.org:80/p/q?x=1&y=%20#f", "/only/path", "mailto:a@b", "//h"], &URI.parse/1)

  defp made(Version, name) when name in [:t, :version],
    do: ["1.2.3", "1.0.0-rc.1", "x", Version.parse!("2.0.1+b")]

  defp made(Version, :requirement),
    do: ["~> 1.2", ">= 1.0.0 and < 2.0.0", "== 1", "or", Version.parse_requirement!("~> 2.0")]

  defp made(Range, :t), do: [1..3, 3..1//-1, 0..10//3, 1..0//1, -5..5]
  defp made(MapSet, _), do: Enum.map(lists(), &MapSet.new/1)

  defp made(Enumerable, :t),
    do:
      Enum.concat([
        lists(),
        pairs(),
        Enum.map(pairs(), &Map.new/1),
        [1..7, 9..1//-2, MapSet.new([1, :a, "b"])]
      ])

  defp made(Enum, :t), do: made(Enumerable, :t)
  defp made(Collectable, :t), do: [[], %{}, "", MapSet.new()]
  defp made(Date, :t), do: [~D[2024-02-29], ~D[1999-12-31], ~D[-0001-01-01]]
  defp made(Date.Range, :t), do: [Date.range(~D[2024-02-27], ~D[2024-03-02])]
  defp made(Time, :t), do: [~T[00:00:00], ~T[23:59:59.999999], ~T[12:30:15.5]]
  defp made(NaiveDateTime, :t), do: [~N[2024-02-29 12:00:00], ~N[1969-12-31 23:59:59.123]]
  defp made(DateTime, :t), do: [~U[2024-02-29 12:00:00Z], ~U[1970-01-01 00:00:00.000001Z]]
  defp made(Calendar, :date), do: [~D[2024-02-29], ~N[2024-02-29 12:00:00]]
  defp made(Calendar, :time), do: [~T[12:30:15.5], ~U[2024-02-29 12:00:00Z]]
  defp made(Calendar, :naive_datetime), do: [~N[2024-02-29 12:00:00], ~U[2024-02-29 12:00:00Z]]
  defp made(Calendar, :datetime), do: [~U[2024-02-29 12:00:00Z]]
  defp made(Calendar, :calendar), do: [Calendar.ISO, Calendar.ISO, Enum]

  defp made(Calendar, name) when name in [:time_zone, :zone_abbr, :time_zone_database],
    do: ["Etc/UTC", "Europe/Paris", Calendar.UTCOnlyTimeZoneDatabase]

  defp made(Macro, name) when name in [:t, :input, :output], do: quoted()
  defp made(Macro.Env, :t), do: [__ENV__]
  defp made(Inspect.Opts, :t), do: [%Inspect.Opts{}, %Inspect.Opts{limit: 2, width: 10}]
  defp made(Inspect.Algebra, :t), do: documents()
  defp made(Inspect.Algebra, :doc), do: documents()
  defp made(_module, _name), do: []

  defp iterators(values, :iter, iterator), do: Enum.map(values, iterator)
  defp iterators(values, _name, _iterator), do: values

  defp calendar(:date), do: [{2024, 2, 29}, {1970, 1, 1}, {2023, 2, 29}, {0, 12, 31}]
  defp calendar(:time), do: [{0, 0, 0}, {23, 59, 59}, {24, 0, 0}]
  defp calendar(_), do: for(date <- calendar(:date), time <- calendar(:time), do: {date, time})

  defp documents do
    import Inspect.Algebra
    nested = concat(["a", break(), nest(concat("b", line()), 2), string("é")])
    ["x", empty(), nested, group(nested), fold_doc(["a", "b", "c"], &glue/2)]
  end

  defp quoted do
    [
      quote(do: a + b * 2),
      quote(do: fn x, y when x > y -> %{x | z: 1} end),
      quote(do: case(x, do: ({:ok, y} -> y))),
      quote(do: [a: 1, b: "c#{d}"]),
      {:unquote, [], [1]},
      quote(do: Foo.Bar.baz(&1, <<x::8>>)),
      :atom,
      [1, {2, 3}]
    ]
  end

  defp expressions do
    for text <- [
          "X + 1",
          "case X of {a, Y} -> Y; _ -> [1 | Z] end",
          "fun(A) -> A end",
          "<<X:8/binary, 1>>",
          "\#{a => 1}",
          "try f() catch _:_ -> ok after g() end"
        ] do
      {:ok, tokens, _} = :erl_scan.string(to_charlist(text <> "."))
      {:ok, [expression]} = :erl_parse.parse_exprs(tokens)
      expression
    end
  end

  # Terms of the basic types

  defp basic(name) when name in [:integer, :number], do: integer()
  defp basic(:non_neg_integer), do: Enum.random([0, 0, 1, 2, 3, 5, 8, 20])
  defp basic(:pos_integer), do: Enum.random([1, 1, 2, 3, 5, 8, 20])
  defp basic(:neg_integer), do: Enum.random([-1, -2, -20])
  defp basic(name) when name in [:byte, :char], do: Enum.random([?a, ?0, ?\s, 0, 255, ?\n])
  defp basic(:arity), do: Enum.random(0..4)
  defp basic(:float), do: float()
  defp basic(name) when name in [:atom, :module, :node], do: atom()
  defp basic(:boolean), do: Enum.random([true, false])
  defp basic(name) when name in [:binary, :nonempty_binary], do: Enum.random(texts())
  defp basic(:bitstring), do: Enum.random([<<1::3>>, "", <<5, 6::4>> | texts()])

  defp basic(name) when name in [:string, :nonempty_string],
    do: charlist()

  defp basic(name) when name in [:iolist, :iodata], do: [Enum.random(texts()), [?a | Enum.random(texts())]]
  defp basic(name) when name in [:list, :nonempty_list], do: Enum.random(lists())
  defp basic(:tuple), do: Enum.random(lists()) |> Enum.take(4) |> List.to_tuple()
  defp basic(:map), do: pairs() |> Enum.random() |> Map.new()
  defp basic(name) when name in [:function, :fun], do: fun(Enum.random(0..3))
  defp basic(:timeout), do: 0
  defp basic(:mfa), do: {Enum, :map, 2}
  defp basic(_), do: any(2)

  # Any term

  defp any(size) when size <= 0, do: leaf()

  defp any(size) do
    case :rand.uniform(12) do
      1 -> Enum.random(lists())
      2 -> Enum.random(pairs())
      3 -> for(_ <- 1..Enum.random(1..3), do: any(size - 1)) |> List.to_tuple()
      4 -> for _ <- 1..Enum.random(1..3), into: %{}, do: {any(size - 2), any(size - 1)}
      5 -> [any(size - 1) | leaf()]
      6 -> for _ <- 1..Enum.random(1..4), do: any(size - 1)
      _ -> leaf()
    end
  end

  defp leaf do
    case :rand.uniform(9) do
      n when n <= 3 -> integer()
      4 -> float()
      5 -> Enum.random(texts())
      6 -> atom()
      7 -> Enum.random([[], {}, %{}, <<1::3>>])
      8 -> fun(Enum.random(0..3))
      9 -> charlist()
    end
  end

  # Either small or beyond any memory: what takes a gigabyte is neither.
  defp integer,
    do:
      Enum.random([0, 1, -1, 2, 3, 7, 10, -10, 64, 255, 256, 2024, -2_147_483_649, 18_446_744_073_709_551_616])

  defp float, do: Enum.random([0.0, -0.0, 1.0, -1.5, 3.14159, 1.0e10, 1.0e-10, 1.7976931348623157e308])

  defp atom,
    do:
      Enum.random([:a, :ok, nil, true, false, :"with space", Enum, :lists, :undefined, :nonode@nohost, :stop])

  defp fun(arity), do: Enum.random(Funs.all(arity))

  defp charlist do
    text = Enum.random(texts())
    if String.valid?(text), do: String.to_charlist(text), else: :binary.bin_to_list(text)
  end

  defp lists do
    [
      [],
      [1, 2, 3],
      [3, 1, 2, 1, 1.0],
      [:a, :b, :a],
      ["b", "a", "c"],
      [[1], [2, [3]], []],
      [{:a, 1}, {:b, 2}, {:a, 3}],
      [nil, false, :stop, 0],
      Enum.to_list(1..40),
      ~c"charlist"
    ]
  end

  defp pairs do
    [
      [],
      [a: 1],
      [a: 1, b: 2, c: nil],
      [{1, :x}, {2, :y}, {3, [:z]}],
      [{"k", "v"}, {"l", %{}}],
      for(n <- 1..40, do: {n, n * n})
    ]
  end

  defp texts do
    [
      "",
      "a",
      "Hello, World",
      "naïve café — ½",
      "👩‍👩‍👧 e\u0301",
      <<255, 254, ?a>>,
      "1.2.3",
      "42",
      "-0x1F",
      "3.5e10",
      "2024-02-29",
      "23:59:59.999",
      "2024-02-29T12:00:00+02:00",
      "http://user@host.org:8080/p/a?q=1&r=%41#f",
      "foo_bar/BazQuux.ex",
      "%{a: 1, b: [2]}",
      "x, y,,z",
      "  padded\t\n",
      "PT1H30M",
      "QmFzZTY0IQ==",
      "6D6F",
      "--flag=1 -v \"quoted arg\"",
      String.duplicate("long ", 30)
    ]
  end
end
