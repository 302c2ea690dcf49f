defmodule BeamScope.Test.Instrumented do
  @moduledoc """
  Modules to instrument, made for one test from Erlang source and loaded from a file, and an instrumentation of the simplest kind: a call of
  `hit/1` before the body of each clause.
  """

  @source """
  -module(NAME).
  -export([add/2, twice/1, nap/1, adder/1, sit/1, loop/0, pass/2]).
  add(A, B) -> C = A + B, C.
  twice(X) -> Y = add(X, X), Y.
  nap(Ms) -> receive after Ms -> ok end, add(1, Ms).
  adder(N) -> fun(X) -> add(N, X) end.
  sit(From) -> From ! {sitting, self()}, receive go -> ok end, add(1, 1).
  pass(From, N) -> 'Elixir.BeamScope.Test.Instrumented':call_later(From, fun(X) -> X + N end).
  loop() -> receive stop -> ok; {add, From, A, B} -> From ! {sum, add(A, B)}, loop() end.
  """

  @doc "The source of `module!/3`, where none is given."
  def source, do: @source

  @doc "A function that was given a fun, as `Enum.map/2` is: it goes on after a message."
  def call_later(from, fun) do
    send(from, {:ready, self()})
    receive do: ({:go, n} -> fun.(n))
  end

  @doc "The probe."
  def hit(id) when is_integer(id), do: :ok

  @doc "A directory for code, which leaves the code path with the test."
  def directory! do
    directory =
      Path.join(System.tmp_dir!(), "beam_scope_lines_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(directory)
    :code.add_patha(String.to_charlist(directory))

    ExUnit.Callbacks.on_exit(fn ->
      :code.del_path(String.to_charlist(directory))
      File.rm_rf!(directory)
    end)

    directory
  end

  @doc "Compiles a module into a directory and loads it from there."
  def module!(directory, name, opts \\ []) do
    binary = compile(name, opts)
    file = Path.join(directory, "#{name}.beam")
    File.write!(file, binary)

    if opts[:load] != false do
      unload(name)
      {:module, ^name} = :code.load_abs(String.to_charlist(Path.rootname(file)))
    end

    ExUnit.Callbacks.on_exit(fn -> unload(name) end)
    name
  end

  @doc "The code of such a module."
  def compile(name, opts \\ []) do
    source =
      String.replace(
        opts[:source] || @source,
        "NAME",
        inspect(Atom.to_string(name)) |> String.replace("\"", "'")
      )

    {:ok, ^name, binary} = :compile.forms(forms(source), opts[:compile] || [:debug_info])
    binary
  end

  defp forms(source) do
    {:ok, tokens, _} = :erl_scan.string(String.to_charlist(source))

    tokens
    |> Enum.chunk_while([], &cut/2, fn [] -> {:cont, []} end)
    |> Enum.map(fn tokens ->
      {:ok, form} = :erl_parse.parse_form(tokens)
      form
    end)
  end

  defp cut({:dot, _} = dot, form), do: {:cont, Enum.reverse([dot | form]), []}
  defp cut(token, form), do: {:cont, [token | form]}

  defp unload(name) do
    :code.purge(name)
    if :erlang.module_loaded(name), do: :code.delete(name)
    :code.purge(name)
  end

  @doc "As `BeamScope.Lines.Instrument.module/4`."
  def instrument(module, binary, functions, first_id) do
    {:ok, {^module, [abstract_code: {_, forms}]}} = :beam_lib.chunks(binary, [:abstract_code])

    {forms, {next_id, sites}} =
      Enum.map_reduce(forms, {first_id, %{}}, fn
        {:function, line, f, a, clauses} = form, acc ->
          if functions == :all or {f, a} in functions do
            {clauses, acc} = Enum.map_reduce(clauses, acc, &probe(&1, {f, a}, &2))
            {{:function, line, f, a, clauses}, acc}
          else
            {form, acc}
          end

        form, acc ->
          {form, acc}
      end)

    {:ok, ^module, instrumented} = :compile.forms(forms, [])

    table = %{
      module: module,
      md5: :code.module_md5(binary),
      file: nil,
      sites: sites,
      first_id: first_id,
      next_id: next_id
    }

    {:ok, %{binary: instrumented, table: table}}
  end

  defp probe({:clause, line, args, guards, body}, fa, {id, sites}) do
    call =
      {:call, line, {:remote, line, {:atom, line, __MODULE__}, {:atom, line, :hit}}, [{:integer, line, id}]}

    {{:clause, line, args, guards, [call | body]}, {id + 1, Map.put(sites, id, %{function: fa})}}
  end
end
