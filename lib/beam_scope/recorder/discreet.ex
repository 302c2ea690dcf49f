defmodule BeamScope.Recorder.Discreet do
  @moduledoc """
  Keeps what BeamScope's own processes hold out of crash logs and of `:sys.get_status/1`.

  They hold users' options, and messages on their way to a user. When one of them crashes its log says where and of what kind the
  mistake was: `use BeamScope.Recorder.Discreet` after `use GenServer` gives it a `format_status/1` that leaves out state and
  message, and makes what its callbacks raise an exit without what an exception carries (terms, and arguments in its stack), so
  that no report, link or monitor has it either.
  """

  @callbacks [init: 1, handle_call: 3, handle_cast: 2, handle_info: 2, handle_continue: 2]

  @doc false
  defmacro __using__(_) do
    # A callback for Elixir from 1.17 on, for OTP always.
    callback? = {:format_status, 1} in GenServer.behaviour_info(:callbacks)

    quote do
      @before_compile BeamScope.Recorder.Discreet

      @doc false
      if unquote(callback?), do: @impl(true)
      def format_status(status), do: BeamScope.Recorder.Discreet.format(status)
    end
  end

  @doc false
  defmacro __before_compile__(env) do
    for {name, arity} = callback <- @callbacks, written?(env.module, callback) do
      arguments = Macro.generate_arguments(arity, __MODULE__)

      quote do
        defoverridable [{unquote(name), unquote(arity)}]
        @impl true
        def unquote(name)(unquote_splicing(arguments)) do
          super(unquote_splicing(arguments))
        catch
          kind, reason when kind != :throw ->
            exit(BeamScope.Recorder.Discreet.failed(kind, reason, __STACKTRACE__))
        end
      end
    end
  end

  # What `use GenServer` defines is not meant to be called.
  defp written?(module, callback) do
    case Module.get_definition(module, callback) do
      {:v1, :def, meta, _clauses} -> meta[:context] == nil
      _ -> false
    end
  end

  @doc "The exit reason in place of what a callback raised."
  @spec failed(:error | :exit, term(), Exception.stacktrace()) :: term()
  def failed(:error, reason, stack), do: reason({Exception.normalize(:error, reason, stack), stack})
  def failed(:exit, reason, _stack), do: reason(reason)

  @doc "The status without anything of a user's."
  @spec format(map()) :: map()
  def format(status), do: Map.new(status, &hide/1)

  defp hide({:reason, reason}), do: {:reason, reason(reason)}
  defp hide({:log, _}), do: {:log, []}
  defp hide({key, _}), do: {key, :hidden_by_beam_scope}

  @doc "An exit reason: its kind, and where it came from."
  @spec reason(term()) :: term()
  def reason({what, [{_, _, _, _} | _] = stack}), do: {kind(what), Enum.map(stack, &place/1)}
  def reason(reason), do: kind(reason)

  defp kind(%{__exception__: true, __struct__: module}), do: module
  defp kind(reason) when is_tuple(reason) and tuple_size(reason) > 0, do: kind(elem(reason, 0))
  defp kind(reason) when is_atom(reason), do: reason
  defp kind(_), do: :hidden_by_beam_scope

  defp place({module, function, arguments, where}) when is_list(arguments),
    do: {module, function, length(arguments), location(where)}

  defp place({module, function, arity, where}), do: {module, function, arity, location(where)}
  defp place(_), do: :hidden_by_beam_scope

  # Newer releases tell there how a built-in function was called wrongly.
  defp location(where), do: Keyword.take(where, [:file, :line])
end
