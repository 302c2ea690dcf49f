defmodule BeamScope.Test.Lines.Outcome do
  @moduledoc false
  # What a call gave, in terms that mean the same in another virtual machine: processes and references are only said to be some,
  # a local function is known by where it stands, a stacktrace by module, function, arity, file and line.

  @doc "`{:returned, term}` or `{class, reason, stacktrace}` of `apply(module, function, arguments)`."
  def of({module, function, arguments}) do
    {:returned, plain(apply(module, function, arguments))}
  catch
    class, reason -> {class, plain(reason), stacktrace(__STACKTRACE__)}
  end

  @doc "A stacktrace down to this module."
  def stacktrace([{__MODULE__, _, _, _} | _]), do: []
  def stacktrace([{_, _, _, _} = frame | rest]), do: [frame(frame) | stacktrace(rest)]
  def stacktrace(_), do: []

  # The number in the name of a lifted function counts those of its function; nothing of the instrumentation makes one.
  # The code generator puts the sides of these as it has them at hand.
  defp frame({:erlang, function, [_, _] = arguments, location}) when function in [:+, :*, :band, :bor, :bxor],
    do: {:erlang, function, :lists.sort(plain(arguments)), place(location)}

  defp frame({module, function, arguments, location}) when is_list(arguments),
    do: {module, function, plain(arguments), place(location)}

  defp frame({module, function, arity, location}), do: {module, function, arity, place(location)}

  defp place(location), do: {found(location, :file), found(location, :line)}

  defp found([{key, value} | _], key), do: value
  defp found([_ | rest], key), do: found(rest, key)
  defp found(_, _key), do: nil

  @doc "A term without what is another in each virtual machine."
  def plain(pid) when is_pid(pid), do: :a_pid
  def plain(reference) when is_reference(reference), do: :a_reference
  def plain(port) when is_port(port), do: :a_port

  def plain(function) when is_function(function) do
    {:module, module} = :erlang.fun_info(function, :module)
    {:name, name} = :erlang.fun_info(function, :name)
    {:arity, arity} = :erlang.fun_info(function, :arity)
    {:a_fun, module, name, arity}
  end

  def plain([head | tail]), do: [plain(head) | plain(tail)]
  def plain(tuple) when is_tuple(tuple), do: :erlang.list_to_tuple(plain(:erlang.tuple_to_list(tuple)))

  def plain(map) when is_map(map),
    do: {:a_map, :lists.sort(plain(:maps.to_list(map)))}

  def plain(binary) when is_binary(binary) and byte_size(binary) > 11 do
    case :binary.match(binary, "#Function<") do
      :nomatch -> binary
      _ -> Regex.replace(~r/#Function<[0-9]+\.[0-9]+/, binary, "#Function<")
    end
  end

  def plain(other), do: other
end
