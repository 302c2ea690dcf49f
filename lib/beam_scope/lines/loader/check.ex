defmodule BeamScope.Lines.Loader.Check do
  @moduledoc """
  What may be instrumented: code that can be put back as it was, and that nothing of value hangs on.

  The reasons are those of `BeamScope.Lines.Loader.Refusal`. Modules of Elixir itself are allowed, `Enum` and `GenServer` too: nothing of
  BeamScope's way of an event runs through Elixir code, so nothing is recorded by recording it. They are dear, since everybody runs through them.
  """

  alias BeamScope.Error
  alias BeamScope.Lines.Loader.{Code, Refusal}

  @never [:kernel, :stdlib, :compiler]

  @typedoc "The code as it is and was: `file` is what `:code.which/1` says."
  @type original :: %{module: module(), md5: binary(), file: charlist(), binary: binary()}

  @doc """
  The original of a module, where it may be instrumented. Loads the module when it is not loaded yet, as a call of it would, and reads its file.
  """
  @spec original(module()) :: {:ok, original()} | {:error, Error.t()}
  def original(module) do
    with :ok <- foreign(module),
         {:ok, file} <- loaded(module),
         :ok <- refuse(module, :cover, covered?(module)),
         :ok <- refuse(module, :sticky, sticky?(module, file)),
         :ok <- refuse(module, :old_code, :erlang.check_old_code(module)),
         {:ok, binary} <- binary(module),
         :ok <- refuse(module, :nif, native?(module, binary)),
         :ok <- loadable(module, file, binary),
         :ok <- debug_info(module, binary) do
      {:ok, %{module: module, md5: Code.md5(module), file: file, binary: binary}}
    end
  end

  @doc "Whether a loaded module has these functions, private ones too; `:all` it has."
  @spec functions(module(), :all | [{atom(), arity()}]) :: :ok | {:error, Error.t()}
  def functions(_module, :all), do: :ok

  def functions(module, wanted) do
    case wanted -- :erlang.get_module_info(module, :functions) do
      [] -> :ok
      [{function, arity} | _] -> {:error, Error.new(:no_such_function, {module, function, arity})}
    end
  end

  defp refuse(module, why, true), do: {:error, Refusal.new(module, why)}
  defp refuse(_module, _why, false), do: :ok

  defp foreign(module) do
    with :ok <- refuse(module, :own, own?(:erlang.atom_to_binary(module))),
         do: refuse(module, :preloaded, :lists.member(module, :erlang.pre_loaded()))
  end

  defp own?("Elixir.BeamScope"), do: true
  defp own?("Elixir.BeamScope." <> _), do: true
  defp own?("Elixir.Mix.Tasks.BeamScope." <> _), do: true
  defp own?(_), do: false

  defp loaded(module) do
    with {:module, ^module} <- :code.ensure_loaded(module),
         {:file, file} <- :code.is_loaded(module) do
      # A module that is covered has an atom there.
      {:ok, if(is_list(file), do: file, else: [])}
    else
      _ -> {:error, Error.new(:no_such_module, module)}
    end
  end

  defp covered?(module), do: :code.is_loaded(module) == {:file, :cover_compiled} or counted?(module)

  # The coverage that the virtual machine counts itself, from OTP 27 on.
  defp counted?(module) do
    function_exported?(:code, :get_coverage_mode, 1) and
      apply(:code, :get_coverage_mode, [module]) not in [:none, false]
  rescue
    _ -> false
  end

  # Also where the node was started with `-nostick`: the code server and the loader itself run through these.
  defp sticky?(module, file), do: :code.is_sticky(module) or :lists.any(&in_application?(file, &1), @never)

  defp in_application?(file, application) do
    case :code.lib_dir(application) do
      directory when is_list(directory) -> :lists.prefix(directory ++ [?/], file)
      _ -> false
    end
  end

  defp binary(module) do
    case :code.get_object_code(module) do
      {^module, binary, _file} ->
        if Code.md5_of(binary) == Code.md5(module),
          do: {:ok, binary},
          else: {:error, Refusal.new(module, :differs)}

      :error ->
        {:error, Refusal.new(module, :no_file)}
    end
  end

  # Those that it has by now, and whoever could load some: only a module itself can, and it needs this atom for that.
  defp native?(module, binary),
    do: :erlang.get_module_info(module, :nifs) != [] or mentions?(binary, :load_nif)

  defp mentions?(binary, atom) do
    {:ok, {_module, [atoms: atoms]}} = :beam_lib.chunks(binary, [:atoms])
    :lists.keymember(atom, 2, atoms)
  end

  defp loadable(module, file, binary) do
    case Code.prepare(module, file, binary) do
      {:ok, _} -> :ok
      {:error, :on_load_not_allowed} -> {:error, Refusal.new(module, :on_load)}
      {:error, why} -> {:error, Error.new(:setup_failed, {module, why})}
    end
  end

  defp debug_info(module, binary) do
    case :beam_lib.chunks(binary, [:debug_info]) do
      {:ok, {_, [debug_info: {:debug_info_v1, _backend, data}]}} -> refuse(module, :stripped, empty?(data))
      {:ok, {_, [debug_info: :no_debug_info]}} -> {:error, Refusal.new(module, :stripped)}
      {:error, :beam_lib, {:missing_chunk, _, _}} -> {:error, Refusal.new(module, :stripped)}
      {:error, :beam_lib, {:key_missing_or_invalid, _, _}} -> {:error, Refusal.new(module, :encrypted)}
      _ -> {:error, Refusal.new(module, :stripped)}
    end
  end

  defp empty?(:none), do: true
  defp empty?({:none, _}), do: true
  defp empty?(_), do: false
end
