defmodule BeamScope.Lines.Loader.Code do
  @moduledoc """
  Loads code without ever killing a process.

  `:code.load_binary/3` purges old code first, and whoever is still inside it is killed (read in `code_server` of OTP 25, 27 and 29).
  `:code.prepare_loading/1` with `:code.finish_loading/1` do not: they refuse with `:not_purged`, and the virtual machine looks and loads in one
  step, so that nobody comes in between. Prepared code must never be finished twice: that ends the code server, and
  with it the node.

  Nothing here calls a module that could be instrumented itself: a process inside `Enum` could never purge `Enum`.
  """

  @mark :beam_scope_lines

  @typedoc "Code that is ready to be loaded, once."
  @type prepared :: term()

  @doc "The MD5 of the code that runs, or `nil` where the module is not loaded. It is not loaded for that."
  @spec md5(module()) :: binary() | nil
  def md5(module) do
    :erlang.get_module_info(module, :md5)
  rescue
    ArgumentError -> nil
  end

  @doc "The MD5 that this code has once it runs, or `nil` where it is no code."
  @spec md5_of(binary()) :: binary() | nil
  def md5_of(binary) do
    :code.module_md5(binary)
  rescue
    ArgumentError -> nil
  end

  @doc """
  The same code with a mark that says of which original it is. Attributes are no part of the MD5. Whoever finds the mark in a running module
  knows what to put back, even when all who knew were killed.
  """
  @spec mark(binary(), binary()) :: binary()
  def mark(binary, original_md5) do
    {:ok, _module, chunks} = :beam_lib.all_chunks(binary)
    {:value, {_, attributes}} = :lists.keysearch(~c"Attr", 1, chunks)
    marked = [{@mark, [original_md5]} | :erlang.binary_to_term(attributes)]
    chunk = {~c"Attr", :erlang.term_to_binary(marked)}
    {:ok, binary} = :beam_lib.build_module(:lists.keyreplace(~c"Attr", 1, chunks, chunk))
    binary
  end

  @doc "The loaded modules with a mark, each with the MD5 of its original. Looks at every module of the node: some milliseconds."
  @spec marked() :: [{module(), binary()}]
  def marked do
    for {module, _file} <- :code.all_loaded(), md5 = mark_of(module), do: {module, md5}
  end

  defp mark_of(module) do
    case :lists.keyfind(@mark, 1, :erlang.get_module_info(module, :attributes)) do
      {@mark, [md5]} -> md5
      _ -> nil
    end
  rescue
    # Removed meanwhile.
    ArgumentError -> nil
  end

  @doc """
  Makes code ready: what takes time is done here, and nothing is changed. `file` is what `:code.which/1` says afterwards.
  """
  @spec prepare(module(), charlist(), binary()) :: {:ok, prepared()} | {:error, atom()}
  def prepare(module, file, binary) do
    case :code.prepare_loading([{module, file, binary}]) do
      {:ok, prepared} -> {:ok, prepared}
      {:error, [{_module, why} | _]} -> {:error, why}
    end
  end

  @doc "Makes prepared code the one that runs; what ran before is old code then. Refused where there is old code already."
  @spec finish(prepared()) :: :ok | {:error, atom()}
  def finish(prepared) do
    case :code.finish_loading(prepared) do
      :ok -> :ok
      {:error, [{_module, why} | _]} -> {:error, why}
    end
  end

  @doc """
  Whether a module has no old code any more; removes it where no process is inside. Funs do not count as inside, for the virtual machine: one
  that was made by removed code raises a `BadFunctionError` when it is called. Asks every process of the node.
  """
  @spec soft_purge(module()) :: boolean()
  def soft_purge(module), do: not :erlang.check_old_code(module) or :code.soft_purge(module)

  @doc """
  Whether code makes funs. A process that is outside, in `Enum.map/2` for example, may be about to call one of them, and the virtual machine does not
  know.
  """
  @spec funs?(binary()) :: boolean()
  def funs?(binary) do
    case :beam_lib.chunks(binary, [~c"FunT"]) do
      {:ok, {_, [{_, <<n::32, _::binary>>}]}} -> n > 0
      _ -> false
    end
  end

  @doc "Whether any process is inside old code of a module. Asks until one is."
  @spec inside?(module()) :: boolean()
  def inside?(module),
    do: :erlang.check_old_code(module) and :lists.any(&inside?(&1, module), :erlang.processes())

  @doc """
  The processes inside old code of a module. Asks every process, one after another.
  """
  @spec inside(module()) :: [pid()]
  def inside(module) do
    if :erlang.check_old_code(module),
      do: :lists.filter(&inside?(&1, module), :erlang.processes()),
      else: []
  end

  defp inside?(pid, module) do
    :erlang.check_process_code(pid, module)
  rescue
    ArgumentError -> false
  end
end
