defmodule BeamScope.Test.Lines.Doctests do
  @moduledoc false
  # The examples of a module's documentation, and their evaluation one after the other.

  alias BeamScope.Test.Lines.Outcome

  @prompt ~r/^\s*(?:iex|\.\.\.)(?:\(\d+\))?> ?(.*)$/
  @first ~r/^\s*iex(?:\(\d+\))?>/

  # Of these modules examples act on the machine, or show what is another in each virtual machine.
  @left_out [
              System,
              File,
              File.Stat,
              IO,
              Code,
              Port,
              Process,
              Node,
              Agent,
              Task,
              Task.Supervisor,
              GenServer,
              Supervisor,
              Registry
            ] ++
              [
                DynamicSupervisor,
                PartitionSupervisor,
                Application,
                Config,
                Config.Provider,
                StringIO,
                Kernel.ParallelCompiler
              ]
  # So do these: clocks, numbers drawn at random, processes, files, what is printed with a number of a function's code.
  @effects ~r/now|today|\brandom|shuffle|take_random|System\.|File\.|Task\.|Process\.|Agent\.|spawn|self\(\)|make_ref|Path\.wildcard|exit\(|receive|Function\.info|phash|sleep|interval|timer|Code\.(ensure|load|require|compile|delete|prepend|append|put)/

  @doc "The examples of each piece of documentation of a module, as lists of source texts."
  def of(module) when module in @left_out, do: []

  def of(module) do
    case Code.fetch_docs(module) do
      {:docs_v1, _, _, _, moduledoc, _, docs} ->
        texts = [moduledoc | Enum.map(docs, &elem(&1, 3))]
        for %{"en" => text} <- texts, examples = examples(text), pure?(examples), do: examples

      _ ->
        []
    end
  end

  defp pure?(examples), do: examples != [] and not Enum.any?(examples, &(&1 =~ @effects))

  @doc false
  def examples(text) do
    text
    |> String.split("\n")
    |> Enum.chunk_while(nil, &line/2, &{:cont, &1, nil})
    |> Enum.reject(&is_nil/1)
  end

  # Code goes on until a line without a prompt: what is expected.
  defp line(line, current) do
    case {Regex.run(@prompt, line), Regex.match?(@first, line), current} do
      {nil, _, _} -> {:cont, current, nil}
      {[_, code], true, _} -> {:cont, current, code}
      {[_, _], false, nil} -> {:cont, nil}
      {[_, code], false, current} -> {:cont, current <> "\n" <> code}
    end
  end

  @doc "What each of some texts gives, with the variables of those before it."
  def evaluate(texts) do
    {outcomes, _} =
      Enum.map_reduce(texts, {[], __ENV__}, fn text, {binding, env} ->
        case Outcome.of({__MODULE__, :one, [text, binding, env, self()]}) do
          {:returned, _} ->
            receive do
              {:evaluated, value, binding, env} -> {Outcome.plain(value), {binding, env}}
            end

          failed ->
            {failed, {binding, env}}
        end
      end)

    outcomes
  end

  @doc false
  # The result goes by a message: what is made comparable is of no more use to the next.
  def one(text, binding, env, to) do
    {value, binding, env} =
      text
      |> Code.string_to_quoted!(file: "doc.exs")
      |> Code.eval_quoted_with_env(binding, %{env | file: "doc.exs"})

    send(to, {:evaluated, value, binding, env})
    :evaluated
  end
end
