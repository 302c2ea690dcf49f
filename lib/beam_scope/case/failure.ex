defmodule BeamScope.Case.Failure do
  @moduledoc false
  # Lets a failure go on with what there is to say about the recording.

  alias BeamScope.Case.{Recorded, Run, Told}

  @assertion ExUnit.AssertionError
  @several ExUnit.MultiError
  # By name: neither needs to be there.
  @assertions BeamScope.Assertions

  @typedoc "What was caught."
  @type t :: {kind :: atom, reason :: term, Exception.stacktrace()}

  @doc "A test or its setup failed: the failure goes on, out of `wrapper`, a function of the test module's."
  @spec go_on(t, mfa, map) :: no_return
  def go_on({kind, reason, stack}, wrapper, options) do
    failure = {kind, reason, unwrapped(stack, wrapper)}

    case Run.current() || of_own(wrapper, options) do
      nil -> raise_again(failure)
      run -> failure |> told(run) |> raise_again()
    end
  end

  defp of_own({_module, :__ex_unit__, 2}, _options), do: nil
  defp of_own({module, name, 1}, options), do: Run.of_own(module, name, options)

  @doc "A callback of a test that had passed failed."
  @spec of_callback(t, Run.t()) :: no_return
  def of_callback({kind, reason, stack}, run) do
    failure = {kind, reason, Enum.reject(stack, &of_callbacks?/1)}
    failure |> told(run) |> raise_again()
  end

  defp of_callbacks?({module, _, _, _}), do: module == BeamScope.Case.Callbacks
  defp of_callbacks?(_), do: false

  defp raise_again({kind, reason, stack}), do: :erlang.raise(kind, reason, stack)

  defp told(failure, run) do
    if Run.failed?(run), do: with_text(failure, run), else: failure
  end

  # Assertions of ours say themselves what went on.
  defp with_text({:error, %{__struct__: @assertion} = error, stack}, run) do
    {:error, %{error | message: joined(error.message, Told.text(run, ours?(error)))}, stack}
  end

  defp with_text({:error, %{__struct__: @several, errors: errors}, stack}, run),
    do: {:error, several(errors ++ [recorded(run)]), stack}

  defp with_text({_, _, stack} = failure, run), do: {:error, several([failure, recorded(run)]), stack}

  defp several(errors), do: struct!(@several, errors: errors)
  defp recorded(run), do: {:error, %Recorded{message: Told.text(run)}, []}

  defp joined(message, text) when is_binary(message),
    do: String.trim_trailing(message, "\n") <> "\n\n" <> text <> "\n"

  defp joined(_none, text), do: text <> "\n"

  # The expression of an assertion is the call of its macro.
  defp ours?(%{expr: {name, _, arguments}}) when is_atom(name) and is_list(arguments) do
    Code.ensure_loaded?(@assertions) and
      List.keymember?(apply(@assertions, :__info__, [:macros]), name, 0)
  end

  defp ours?(_error), do: false

  # To wrap a function made two of one: the inner one has another name, the outer one another place.
  defp unwrapped(stack, {module, name, arity}) do
    inner = "#{name} (overridable "

    Enum.flat_map(stack, fn
      {^module, ^name, ^arity, _} = outer ->
        if Enum.any?(stack, &inner?(&1, module, inner)), do: [], else: [outer]

      frame ->
        if inner?(frame, module, inner), do: [put_elem(frame, 1, name)], else: [frame]
    end)
  end

  defp inner?({module, function, _, _}, module, inner) when is_atom(function),
    do: function |> Atom.to_string() |> String.starts_with?(inner)

  defp inner?(_frame, _module, _inner), do: false
end
