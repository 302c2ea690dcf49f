defmodule BeamScope.Lines.Loader.Refusal do
  @moduledoc "Why a module cannot be instrumented, in words that say what to do."

  alias BeamScope.Error

  @typedoc "Why."
  @type why ::
          :own
          | :preloaded
          | :sticky
          | :cover
          | :nif
          | :on_load
          | :no_file
          | :differs
          | :stripped
          | :encrypted
          | :old_code
          | {:counted, mfa()}
          | {:other_module, module()}
          | {:debug_info, term()}
          | {:compile, term()}

  @doc """
  The error of a module and the reason.

      iex> error = BeamScope.Lines.Loader.Refusal.new(:lists, :sticky)
      iex> {error.reason, error.detail}
      {:cannot_instrument, %{module: :lists, why: :sticky}}
  """
  @spec new(module(), why()) :: Error.t()
  def new(module, why), do: Error.new(:cannot_instrument, %{module: module, why: why})

  @doc """
  The words.

      iex> BeamScope.Lines.Loader.Refusal.text(:lists, :sticky)
      ":lists cannot be instrumented: it belongs to kernel, stdlib or compiler, which the virtual machine itself runs through. Record its calls: calls: [:lists]"
  """
  @spec text(module(), why()) :: String.t()
  def text(module, why), do: "#{inspect(module)} cannot be instrumented: #{words(module, why)}"

  defp words(_module, :own),
    do: "it belongs to BeamScope, which would record its own recording. Name modules of your own"

  defp words(module, :preloaded),
    do: "it is part of the virtual machine. Record its calls: calls: [#{inspect(module)}]"

  defp words(module, :sticky),
    do:
      "it belongs to kernel, stdlib or compiler, which the virtual machine itself runs through. Record its calls: calls: [#{inspect(module)}]"

  defp words(_module, :cover),
    do:
      "its coverage is counted, and the counts would be lost. Run without coverage (mix test without --cover, or :cover.stop())"

  defp words(_module, :nif),
    do:
      "it has native functions, which end with the code that loaded them. Name the modules that call it instead"

  defp words(_module, :on_load),
    do:
      "it runs code when it is loaded (@on_load), which would run again. Name the modules that call it instead"

  defp words(module, :no_file),
    do:
      "there is no file of its code on the code path (a module of a script or of IEx is only in memory). Compile it into a file: " <>
        "`mix compile`, or `c \"file.ex\", \".\"` in IEx; :code.which(#{inspect(module)}) says what is known of it"

  defp words(module, :differs),
    do:
      "the code that runs is not what is in its file, so that it could not be put back. Load the file first: " <>
        "`r #{inspect(module)}` in IEx, or :code.load_file(#{inspect(module)})"

  defp words(_module, :stripped),
    do:
      "it has no debug info, from which the instrumented code is made. Compile it with debug info; a release keeps it by " <>
        "strip_beams: [keep: [\"Dbgi\"]]"

  defp words(_module, :encrypted),
    do:
      "its debug info is encrypted. Give the key by :beam_lib.crypto_key_fun/1, or compile it without encryption"

  defp words(module, :old_code),
    do:
      "it was loaded anew before, and its old code is still there: a process may be inside. Remove that by " <>
        ":code.soft_purge(#{inspect(module)}), which answers false while there is one"

  defp words(_module, {:counted, {module, function, arity}}),
    do:
      "another tool counts or times the calls of #{Exception.format_mfa(module, function, arity)} and would lose its counts. " <>
        "Stop that tool first (cprof, eprof, tprof or a trace pattern with call_count or call_time)"

  defp words(_module, {:other_module, other}),
    do: "its file has the code of #{inspect(other)}. Compile it again"

  defp words(_module, {:debug_info, reason}),
    do:
      "its debug info cannot be read: #{inspect(reason, limit: 5, printable_limit: 100)}. Compile it again, with this release"

  defp words(_module, {:compile, errors}),
    do:
      "the compiler refuses its instrumented code, which is a fault of BeamScope's: please report it with " <>
        inspect(errors, limit: 5, printable_limit: 200)
end
