defmodule BeamScope.Lines.Instrument do
  @moduledoc """
  Makes instrumented code of a compiled module: the same functions, with a probe before each expression.

  It starts from the debug information in the module's object code (Elixir's `elixir_v1`, Erlang's `abstract_code`), so that neither
  sources nor the project are needed, compiles in memory, and loads nothing: that is for `BeamScope.Lines.Loader`.

  What is shown of a line and its variables afterwards comes from the *table* made here; the running code carries a number and the values.
  """

  alias BeamScope.Error
  alias BeamScope.Lines.Instrument.{Forms, Literals, Marks, Site, Texts}

  # Room for the text of a very long module; what is longer is read from its file when it is shown.
  @most_source 1_000_000

  @typedoc """
  What is known of instrumented code.

    * `module`, `md5` – of the original; `language`; `file` – as the compiler was given it, and `source`, its text, where it could be read; `texts`, what stands
      on its lines as far as debug information tells, where it could not
    * `functions` – `{name, arity} => %{lines: {first, last}, clauses: [line]}`
    * `sites` – by number, from `first_id` to before `next_id`; `bodies`, `constructs` – what their paths speak of
  """
  @type table :: %{
          module: module,
          md5: binary,
          language: :elixir | :erlang,
          file: Path.t() | nil,
          source: String.t() | nil,
          texts: %{pos_integer => String.t()},
          functions: %{{atom, arity} => map},
          sites: %{non_neg_integer => Site.t()},
          bodies: %{non_neg_integer => map},
          constructs: %{non_neg_integer => map},
          first_id: non_neg_integer,
          next_id: non_neg_integer
        }

  @doc """
  Instruments functions of a module, or all that it has, given its object code. Costs about as much as compiling the module, on the
  calling process.

      iex> {_, beam, _} = :code.get_object_code(BeamScope.Options)
      iex> {:ok, made} = BeamScope.Lines.Instrument.module(BeamScope.Options, beam, :all, 100)
      iex> made.table.first_id
      100
  """
  @spec module(module, binary, :all | [{atom, arity}], non_neg_integer) ::
          {:ok, %{binary: binary, table: table}} | {:error, Error.t()}
  def module(module, beam, functions, first_id) do
    with {:ok, info} <- debug_info(module, beam),
         {:ok, md5} <- md5(module, beam),
         {:ok, forms, language, texts} <- forms(module, info, wanted(functions)),
         :ok <- there(module, functions, forms) do
      {instrumented, gathered} = Forms.instrument(forms, language, wanted(functions), first_id)
      source = source(beam)
      text = text(source)
      gathered = %{gathered | sites: Literals.place(gathered.sites, gathered.bodies, text)}

      with {:ok, binary} <- compile(module, instrumented, language, beam) do
        about = %{
          module: module,
          md5: md5,
          language: language,
          file: source,
          source: text,
          texts: if(text, do: %{}, else: texts.()),
          functions: functions(forms, gathered.sites),
          first_id: first_id
        }

        {:ok, %{binary: binary, table: Map.merge(gathered, about)}}
      end
    end
  end

  defp wanted(:all), do: fn _ -> true end
  defp wanted(functions), do: MapSet.new(functions) |> then(fn set -> &(&1 in set) end)

  defp debug_info(module, beam) do
    case :beam_lib.chunks(beam, [:debug_info]) do
      {:ok, {^module, [debug_info: {:debug_info_v1, _backend, :none}]}} -> refused(module, :stripped)
      {:ok, {^module, [debug_info: {:debug_info_v1, _, _} = info]}} -> {:ok, info}
      {:ok, {^module, [debug_info: _]}} -> refused(module, :stripped)
      {:error, :beam_lib, {:key_missing_or_invalid, _, _}} -> refused(module, :encrypted)
      {:error, :beam_lib, _} -> refused(module, :stripped)
      {:ok, {other, _}} -> refused(module, {:other_module, other})
    end
  end

  defp md5(module, beam) do
    case :beam_lib.md5(beam) do
      {:ok, {^module, md5}} -> {:ok, md5}
      _ -> refused(module, :stripped)
    end
  end

  defp forms(module, {:debug_info_v1, :elixir_erl, {:elixir_v1, map, specs}}, wanted?) do
    marked = Map.update!(map, :definitions, &Marks.put(&1, wanted?))

    case :elixir_erl.debug_info(:erlang_v1, module, {:elixir_v1, marked, specs}, []) do
      {:ok, forms} -> {:ok, forms, :elixir, fn -> Texts.elixir(marked.definitions) end}
      {:error, :missing} -> refused(module, :stripped)
      {:error, reason} -> refused(module, {:debug_info, reason})
    end
  end

  defp forms(module, {:debug_info_v1, backend, data}, _wanted?) do
    case backend.debug_info(:erlang_v1, module, data, []) do
      {:ok, forms} -> {:ok, forms, :erlang, fn -> Texts.erlang(forms) end}
      {:error, :missing} -> refused(module, :stripped)
      {:error, reason} -> refused(module, {:debug_info, reason})
    end
  end

  defp there(_module, :all, _forms), do: :ok

  defp there(module, functions, forms) do
    has = for {:function, _, name, arity, _} <- forms, into: MapSet.new(), do: {name, arity}

    case Enum.find(functions, &(&1 not in has)) do
      nil -> :ok
      {name, arity} -> {:error, Error.new(:no_such_function, {module, name, arity})}
    end
  end

  # With the options that the original was compiled with, as far as they change what code does. Without the passes that make code faster
  # it would be made in half the time, but stacktraces would differ: who calls what never returns, has no frame after them.
  defp compile(module, forms, language, beam) do
    options = [:binary, :return_errors] ++ kept(language, beam)

    case :compile.noenv_forms(forms, options) do
      {:ok, ^module, binary} -> {:ok, binary}
      {:ok, ^module, binary, _warnings} -> {:ok, binary}
      {:error, errors, _warnings} -> refused(module, {:compile, errors})
    end
  end

  @kept [
    :inline,
    :inline_size,
    :inline_effort,
    :inline_list_funcs,
    # Stacktraces hang on these.
    :no_copt,
    :no_ssa_opt,
    :no_type_opt,
    :no_auto_import,
    :nowarn_bif_clash,
    :enable_feature,
    :disable_feature
  ]

  defp kept(language, beam) do
    compile = info(beam)
    given = for option <- compile[:options] || [], key(option) in @kept, do: option
    source = if compile[:source], do: [source: compile[:source]], else: []
    if(language == :elixir, do: [:no_auto_import], else: []) ++ given ++ source
  end

  defp key(option) when is_tuple(option), do: elem(option, 0)
  defp key(option), do: option

  defp info(beam) do
    case :beam_lib.chunks(beam, [:compile_info]) do
      {:ok, {_, [compile_info: info]}} -> info
      _ -> []
    end
  end

  defp source(beam) do
    case info(beam)[:source] do
      nil -> nil
      source -> to_string(source)
    end
  end

  defp text(nil), do: nil

  defp text(path) do
    with {:ok, %{size: size}} when size <= @most_source <- File.stat(path),
         {:ok, text} <- File.read(path),
         true <- String.valid?(text) do
      text
    else
      _ -> nil
    end
  end

  defp functions(forms, sites) do
    lines = sites |> Map.values() |> Enum.group_by(& &1.function, & &1.line)

    for {:function, at, name, arity, clauses} <- forms, is_map_key(lines, {name, arity}), into: %{} do
      all = [:erl_anno.line(at) | lines[{name, arity}]]
      heads = for clause <- clauses, do: :erl_anno.line(elem(clause, 1))
      {{name, arity}, %{lines: {Enum.min(all), Enum.max(all)}, clauses: heads}}
    end
  end

  defp refused(module, why), do: {:error, Error.new(:cannot_instrument, %{module: module, why: why})}
end
