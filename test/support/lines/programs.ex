defmodule BeamScope.Test.Lines.Programs do
  @moduledoc false
  # Compiles a module from its text, in a peer whose `BeamScope.Line` gathers what probes tell, and runs it as it is and instrumented.

  alias BeamScope.Lines.Instrument
  alias BeamScope.Test.Lines.{Double, Outcome, Peer, Remote}

  @doc "A peer for these, linked to the caller."
  def peer do
    peer = Peer.start()
    :ok = Peer.call(peer, __MODULE__, :prepare, [Double.binary(:collect)])
    :ok = Peer.call(peer, Remote, :quiet, [])
    peer
  end

  @doc "Puts the double of `BeamScope.Line` there."
  def prepare(double) do
    {:module, BeamScope.Line} = :code.load_binary(BeamScope.Line, ~c"double", double)
    Code.put_compiler_option(:ignore_module_conflict, true)
    Code.put_compiler_option(:debug_info, true)
    :ok
  end

  @doc """
  `{[original outcome], [{instrumented outcome, [probe]}]}` of a function called with each of some lists of arguments; a probe is
  `{line, exact?, [{name, value}]}`.
  """
  def elixir(text, function, inputs) do
    [{module, binary} | _] = Code.compile_string(text, "program.ex")
    both(module, binary, function, inputs)
  end

  @doc "The same of the text of a module of Erlang."
  def erlang(text, function, inputs) do
    {:ok, module, binary} = text |> erlang_forms() |> :compile.noenv_forms([:binary, :debug_info])
    both(module, binary, function, inputs)
  end

  @doc "The forms of a text, records expanded or not as the compiler is given them."
  def erlang_forms(text) do
    {:ok, tokens, _} = text |> to_charlist() |> :erl_scan.string()

    tokens
    |> Enum.chunk_while([], fn token, form -> ended(token, [token | form]) end, fn [] -> {:cont, []} end)
    |> Enum.map(fn tokens ->
      {:ok, form} = :erl_parse.parse_form(tokens)
      form
    end)
  end

  defp ended({:dot, _}, form), do: {:cont, Enum.reverse(form), []}
  defp ended(_token, form), do: {:cont, form}

  @doc "The same of object code."
  def both(module, binary, function, inputs) do
    {:ok, %{binary: instrumented, table: table}} = Instrument.module(module, binary, :all, 0)
    load(module, binary)
    originals = for arguments <- inputs, do: outcome(module, function, arguments)
    load(module, instrumented)

    told =
      for arguments <- inputs do
        Process.put(BeamScope.Line, [])
        outcome = outcome(module, function, arguments)
        {outcome, BeamScope.Line |> Process.get() |> Enum.reverse() |> Enum.map(&probe(&1, table.sites))}
      end

    {originals, told}
  end

  defp load(module, binary) do
    :code.purge(module)
    {:module, ^module} = :code.load_binary(module, ~c"program", binary)
  end

  # A function's arguments in a stacktrace are values that may be compared.
  defp outcome(module, function, arguments), do: Outcome.of({module, function, arguments})

  defp probe([site | values], sites) do
    [id | names] = Tuple.to_list(site)
    %{line: line, exact: exact} = Map.fetch!(sites, id)
    # What is told without a name is the subject of a clause.
    {line, exact, for({name, value} <- Enum.zip(names, values), name != :_, do: {name, value})}
  end
end
