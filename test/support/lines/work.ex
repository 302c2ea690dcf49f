defmodule BeamScope.Test.Lines.Work do
  @moduledoc false
  # What the standard libraries are for: sources formatted and compiled, structures built, servers run. Each function gives a term.

  @doc "Text of Elixir, formatted, parsed, and written again from its tree."
  def text(text) do
    formatted = text |> Code.format_string!() |> IO.iodata_to_binary()
    {:ok, quoted} = Code.string_to_quoted(text, columns: true, token_metadata: true)

    {formatted, quoted, Macro.to_string(quoted),
     Code.Fragment.cursor_context(binary_part(text, 0, div(byte_size(text), 2)))}
  end

  @doc "What Elixir makes of a text: the checksum of the code of each module. Debug information has maps, in the order of this machine's atoms."
  def compiled(text, file),
    do: for({module, code} <- Enum.sort(Code.compile_string(text, file)), do: {module, :beam_lib.md5(code)})

  @doc "Forms of Erlang: checked, printed, read again, and compiled in several ways."
  def forms(forms) do
    printed = Enum.map(forms, fn form -> form |> :erl_pp.form() |> :lists.flatten() end)
    expanded = :erl_expand_records.module(forms, [])
    {:ok, _, core} = :compile.noenv_forms(forms, [:to_core, :binary])

    %{
      lint: :erl_lint.module(forms),
      printed: printed,
      read: Enum.map(printed, &read/1),
      expanded: expanded,
      core: core |> :core_pp.format() |> :erlang.iolist_to_binary(),
      plain: :compile.noenv_forms(forms, [:binary, :deterministic]),
      inlined: :compile.noenv_forms(forms, [:binary, :deterministic, :inline, inline_size: 40]),
      slow: :compile.noenv_forms(forms, [:binary, :deterministic, :no_ssa_opt, :no_type_opt, :no_copt])
    }
  end

  defp read(text) do
    with {:ok, tokens, _} <- :erl_scan.string(text), do: :erl_parse.parse_form(tokens)
  end

  @doc "What a structure holds after some steps of `{function, key}`, and what each step gave."
  def structure(kind, steps),
    do: Enum.map_reduce(steps, new(kind), fn step, held -> step(kind, step, held) end)

  defp new(:gb_trees), do: :gb_trees.empty()
  defp new(:gb_sets), do: :gb_sets.new()
  defp new(:queue), do: :queue.new()
  defp new(:array), do: :array.new(default: 0)
  defp new(:dict), do: :dict.new()
  defp new(:sets), do: :sets.new()
  defp new(:orddict), do: :orddict.new()
  defp new(MapSet), do: MapSet.new()
  defp new(:maps), do: %{}

  defp step(:gb_trees, {0, k}, t), do: {:gb_trees.lookup(k, t), :gb_trees.enter(k, k * 2, t)}
  defp step(:gb_trees, {1, k}, t), do: {:gb_trees.size(t), :gb_trees.delete_any(k, t)}

  defp step(:gb_trees, {_, k}, t),
    do: {:gb_trees.to_list(t), :gb_trees.balance(:gb_trees.map(fn _, v -> v + k end, t))}

  defp step(:gb_sets, {0, k}, s), do: {:gb_sets.is_member(k, s), :gb_sets.add_element(k, s)}
  defp step(:gb_sets, {1, k}, s), do: {:gb_sets.size(s), :gb_sets.del_element(k, s)}
  defp step(:gb_sets, {_, k}, s), do: {:gb_sets.to_list(s), :gb_sets.union(s, :gb_sets.from_list([k, k + 1]))}
  defp step(:queue, {0, k}, q), do: {:queue.len(q), :queue.in(k, q)}
  defp step(:queue, {1, k}, q), do: {:queue.is_empty(q), :queue.in_r(k, q)}
  defp step(:queue, {_, _}, q), do: :queue.out(q)
  defp step(:array, {0, k}, a), do: {:array.get(k, a), :array.set(k, k, a)}
  defp step(:array, {1, k}, a), do: {:array.sparse_to_orddict(a), :array.resize(k + 5, a)}
  defp step(:array, {_, k}, a), do: {:array.foldl(fn _, v, sum -> v + sum end, k, a), :array.reset(k, a)}
  defp step(:dict, {0, k}, d), do: {:dict.find(k, d), :dict.append(rem(k, 7), k, d)}
  defp step(:dict, {1, k}, d), do: {:lists.sort(:dict.to_list(d)), :dict.erase(k, d)}
  defp step(:dict, {_, k}, d), do: {:dict.size(d), :dict.update(k, &[k | List.wrap(&1)], [k], d)}
  defp step(:sets, {0, k}, s), do: {:sets.size(s), :sets.add_element(k, s)}
  defp step(:sets, {1, k}, s), do: {:lists.sort(:sets.to_list(s)), :sets.del_element(k, s)}
  defp step(:sets, {_, k}, s), do: {:sets.is_element(k, s), :sets.filter(&(rem(&1, 3) != rem(k, 3)), s)}
  defp step(:orddict, {0, k}, d), do: {d, :orddict.store(k, k, d)}
  defp step(:orddict, {1, k}, d), do: {:orddict.find(k, d), :orddict.erase(k, d)}
  defp step(:orddict, {_, k}, d), do: {length(d), :orddict.update_counter(k, 1, d)}
  defp step(MapSet, {0, k}, s), do: {Enum.sum(s), MapSet.put(s, k)}
  defp step(MapSet, {1, k}, s), do: {Enum.sort(s), MapSet.delete(s, k)}
  defp step(MapSet, {_, k}, s), do: {Enum.count(s), MapSet.symmetric_difference(s, MapSet.new([k, k + 1]))}
  defp step(:maps, {0, k}, m), do: {Map.get(m, k), Map.update(m, k, 1, &(&1 + 1))}
  defp step(:maps, {1, k}, m), do: Map.pop(m, k)
  defp step(:maps, {_, k}, m), do: {Enum.sort(m), :maps.filter(fn key, _ -> rem(key, 5) != rem(k, 5) end, m)}

  @doc "A graph, and what its shape is."
  def graph(edges) do
    graph = :digraph.new()
    for {a, b} <- edges, vertex <- [a, b], do: :digraph.add_vertex(graph, vertex)
    for {a, b} <- edges, do: :digraph.add_edge(graph, a, b)
    sorted = fn lists -> lists |> Enum.map(&Enum.sort/1) |> Enum.sort() end

    shape = {
      sorted.(:digraph_utils.components(graph)),
      sorted.(:digraph_utils.strong_components(graph)),
      :digraph_utils.is_acyclic(graph),
      :digraph_utils.is_tree(graph),
      Enum.sort(:digraph_utils.reachable([1], graph)),
      :digraph.get_short_path(graph, 1, 3) |> List.wrap() |> length()
    }

    :digraph.delete(graph)
    shape
  end

  @doc "Servers of several kinds under a supervisor, one of them killed on the way."
  def servers(steps) do
    {:ok, supervisor} = DynamicSupervisor.start_link(strategy: :one_for_one)
    {:ok, agent} = DynamicSupervisor.start_child(supervisor, {Agent, fn -> [] end})
    told = Enum.map(steps, fn step -> Agent.get_and_update(agent, &{length(&1), [step | &1]}) end)
    doubled = steps |> Task.async_stream(&(&1 * 2)) |> Enum.to_list()
    reference = Process.monitor(agent)
    Process.exit(agent, :kill)
    reason = receive(do: ({:DOWN, ^reference, _, _, reason} -> reason))
    children = DynamicSupervisor.count_children(supervisor).specs
    :ok = DynamicSupervisor.stop(supervisor)
    timeout = catch_exit(fn -> GenServer.call(:nobody_is_called_so, :question, 10) end)
    {told, doubled, reason, children, timeout, events(steps)}
  end

  defp events(steps) do
    {:ok, manager} = :gen_event.start_link()
    handlers = :gen_event.which_handlers(manager)
    Enum.each(steps, &:gen_event.notify(manager, &1))
    {handlers, :gen_event.stop(manager)}
  end

  defp catch_exit(fun) do
    fun.()
  catch
    :exit, reason -> reason
  end

  @doc "An archive made and read again, in memory, of each kind there is."
  def archive(texts) do
    files = for {text, n} <- Enum.with_index(texts), do: {~c"#{n}.txt", text}
    {:ok, {_, zip}} = :zip.create(~c"a.zip", files, [:memory])
    {:ok, unzipped} = :zip.unzip(zip, [:memory])
    Enum.sort(unzipped) == Enum.sort(files) and unzipped
  end

  @doc "Matches of an expression in texts, in every way."
  def matches(expression, options, texts) do
    case Regex.compile(expression, options) do
      {:ok, regex} ->
        for text <- texts, String.valid?(text) do
          {Regex.scan(regex, text), Regex.split(regex, text, include_captures: true),
           Regex.replace(regex, text, "<\\0>", global: true), Regex.named_captures(regex, text),
           :re.run(text, expression, [:global, {:capture, :all, :index}])}
        end

      error ->
        error
    end
  end
end
