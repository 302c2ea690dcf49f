defmodule BeamScope.Test.Lines.Library do
  @moduledoc false
  # The standard libraries, instrumented into files.

  alias BeamScope.Lines.Instrument

  # Room for the sites of each, so that modules need not wait for one another for their numbers.
  @room 8_192
  # More object code than this comes from tables that something generated, and takes seconds each to compile.
  @giant [:unicode_util, :elixir_parser, :erl_parse, String.Tokenizer.Security, String.Unicode]

  @doc "All modules of some applications with the files of their object code."
  def modules(applications) do
    for application <- applications,
        file <- application |> :code.lib_dir() |> Path.join("ebin/*.beam") |> Path.wildcard() |> Enum.sort(),
        do: {file |> Path.basename(".beam") |> String.to_atom(), file}
  end

  def giant, do: @giant

  @doc """
  Instruments modules into a directory: `%{made: [{module, own file, file}], refused: [{module, error}], sites: n, ranges: [{module, first, next}]}`.
  """
  def instrument(modules, directory) do
    File.mkdir_p!(directory)

    modules
    |> Enum.with_index()
    |> Task.async_stream(fn {module, n} -> one(module, directory, n * @room) end, timeout: :infinity)
    |> Enum.map(&elem(&1, 1))
    |> Enum.reduce(%{made: [], refused: [], sites: 0, ranges: []}, fn
      {module, {:error, error}}, sum -> %{sum | refused: [{module, error} | sum.refused]}
      {module, {:ok, made, count}}, sum -> add(sum, module, made, count)
    end)
  end

  defp one({module, file}, directory, first_id) do
    case Instrument.module(module, File.read!(file), :all, first_id) do
      {:ok, %{binary: binary, table: %{next_id: next}}} when next <= first_id + @room ->
        target = Path.join(directory, "#{module}.beam")
        File.write!(target, binary)
        {module, {:ok, {module, to_charlist(file), target}, {first_id, next}}}

      {:error, error} ->
        {module, {:error, error}}
    end
  end

  @doc """
  Compiles those modules again, without probes, that another release's compiler has made: what differs then, differs by the probes.
  `[{module, own file, file}]`
  """
  def recompile(modules, directory) do
    File.mkdir_p!(directory)

    modules
    |> Enum.filter(fn {_, file} -> release(info(file)[:version]) != release(this_compiler()) end)
    |> Task.async_stream(&compiled_again(&1, directory), timeout: :infinity)
    |> Enum.map(&elem(&1, 1))
  end

  defp compiled_again({module, file}, directory) do
    {:ok, {_, [debug_info: {:debug_info_v1, backend, data}]}} =
      :beam_lib.chunks(to_charlist(file), [:debug_info])

    {:ok, forms} = backend.debug_info(:erlang_v1, module, data, [])
    auto = if backend == :elixir_erl, do: [:no_auto_import], else: []

    inlining =
      for option <- info(file)[:options], option == :inline or match?({:inline, _}, option), do: option

    options = [:binary, :return_errors | auto] ++ inlining
    {:ok, ^module, binary} = :compile.noenv_forms(forms, [{:source, info(file)[:source]} | options])
    target = Path.join(directory, "#{module}.beam")
    File.write!(target, binary)
    {module, to_charlist(file), target}
  end

  # Of a release the compiler has two numbers: 8.2.3 is one of 8.2.
  defp release(version), do: version |> to_string() |> String.split(".") |> Enum.take(2)

  @doc "The modules that ask for functions to be put into those that call them."
  def inlining(modules), do: for({module, file} <- modules, inlines?(file), into: MapSet.new(), do: module)

  defp inlines?(file) do
    {:ok, {_, [compile_info: info, debug_info: debug_info]}} =
      :beam_lib.chunks(to_charlist(file), [:compile_info, :debug_info])

    Enum.any?(
      List.wrap(info[:options]) ++ attributes(debug_info),
      &(&1 == :inline or match?({:inline, _}, &1))
    )
  end

  defp attributes({:debug_info_v1, :erl_abstract_code, {forms, _options}}) when is_list(forms),
    do: for({:attribute, _, :compile, options} <- forms, option <- List.wrap(options), do: option)

  defp attributes(_elixir), do: []

  defp info(file) do
    {:ok, {_, [compile_info: info]}} = :beam_lib.chunks(to_charlist(file), [:compile_info])
    info
  end

  defp this_compiler do
    Application.load(:compiler)
    Application.spec(:compiler, :vsn)
  end

  defp add(sum, module, made, {first, next}) do
    %{
      sum
      | made: [made | sum.made],
        sites: max(sum.sites, next),
        ranges: [{module, first, next} | sum.ranges]
    }
  end
end
