defmodule BeamScope.Recorder.Redaction do
  @moduledoc """
  Which values never enter a recording: the rules of the option `redact:`, of `config :beam_scope, redact: …`, and the defaults.

  | rule | what it hides |
  |---|---|
  | `:password`, `"token"` | what belongs to a key that contains the word, whatever its case |
  | `~r/secret/i` | what belongs to a key that the expression matches |
  | `{Module, :field}` | that field of that module's structs |
  | `BeamScope.pattern(…)` | every value that matches, wherever it stands |

  Keys are atoms, binaries and charlists: of maps, structs, keyword lists, pairs of any kind (headers, rows of tables), and among the
  arguments of recorded calls, where what follows a key is its value.

  Rules are asked in the traced process before anything is written, so they are data, and what cannot be asked there in bounded time is
  refused when the recording starts: look-around, back references and other things of PCRE that take more than linear time; in
  patterns arithmetic on floats, parts of binaries that are not whole bytes, and sizes that are not written out.
  """

  alias BeamScope.{Error, Native, Pattern, Redacted, Truncated}

  # What nobody wants in a recording, as people of Phoenix, Plug and Ecto know it. Headers have hyphens.
  @defaults [
    :password,
    :passwd,
    :passphrase,
    :passcode,
    :secret,
    :token,
    :authorization,
    :cookie,
    :credential,
    :api_key,
    :"api-key",
    :apikey,
    :access_key,
    :private_key,
    :"private-key",
    :encryption_key,
    :signing_salt,
    :plug_session,
    :jwt,
    :credit_card,
    :card_number,
    :cvv
  ]

  # A rule is copied once, and walked at every term.
  @most_bytes 16 * 1024

  @options %{
    ?i => [:caseless],
    ?m => [:multiline],
    ?s => [:dotall],
    ?x => [:extended],
    ?u => [:unicode],
    ?U => [:ungreedy],
    ?r => [:ungreedy],
    ?f => [:firstline]
  }

  @typedoc "A rule; see the table above."
  @type rule :: atom() | String.t() | Regex.t() | {module(), atom()} | Pattern.t()

  @doc "The keys that are hidden unless somebody says `false`."
  @spec defaults() :: [atom() | String.t()]
  def defaults, do: @defaults

  @doc """
  The rules of a recording: those of its option, those of `config :beam_scope, redact: …`, and the defaults.

  `redact: false` in the option means none at all; in the configuration, that there are no defaults.
  """
  @spec rules([rule()] | false) :: {:ok, [rule()]} | {:error, Error.t()}
  def rules(false), do: {:ok, []}

  def rules(rules) do
    with {:ok, more} <- configured(Application.get_env(:beam_scope, :redact, [])),
         :ok <- check(rules ++ more) do
      {:ok, Enum.uniq(rules ++ more)}
    end
  end

  defp configured(false), do: {:ok, []}

  defp configured(rules) do
    if list?(rules) and Enum.all?(rules, &rule?/1),
      do: {:ok, rules ++ @defaults},
      else:
        {:error,
         Error.new(:invalid_rule, %{
           rule: rules,
           why: "config :beam_scope, redact: must be false or a list of rules"
         })}
  end

  defp list?(list), do: is_list(list) and not List.improper?(list)

  @doc "Whether a term can be a rule, by its looks."
  @spec rule?(term()) :: boolean()
  def rule?(%Regex{}), do: true
  def rule?(%Pattern{}), do: true
  def rule?({module, field}), do: is_atom(module) and is_atom(field)
  def rule?(rule), do: (is_atom(rule) and rule not in [nil, true, false]) or (is_binary(rule) and rule != "")

  defp check(rules), do: Enum.find_value(rules, :ok, &refusal/1)

  defp refusal({module, field} = rule) do
    if Code.ensure_loaded?(module) and not field?(module, field),
      do: refused(rule, "#{inspect(module)} is no struct with a field #{inspect(field)}")
  end

  defp refusal(%kind{} = rule) when kind in [Regex, Pattern] do
    data = data(rule)

    if :erlang.external_size(data) > @most_bytes,
      do: refused(rule, "it is larger than #{@most_bytes} bytes"),
      else: ask(rule, data)
  end

  defp refusal(_word), do: nil

  defp field?(module, field),
    do: function_exported?(module, :__struct__, 0) and is_map_key(module.__struct__(), field)

  defp ask(rule, data) do
    case Native.redaction_check([data]) do
      {:error, {_, why}} -> refused(rule, why)
      _ -> nil
    end
  end

  defp refused(rule, why), do: {:error, Error.new(:invalid_rule, %{rule: rule, why: why})}

  @doc "Rules as the native library takes them; one, or a list of them."
  @spec data([rule()] | rule()) :: term()
  def data(rules) when is_list(rules), do: Enum.map(rules, &data/1)
  # What it answers differs by release.
  def data(%Regex{} = regex),
    do: {:regex, Regex.source(regex), Regex |> apply(:opts, [regex]) |> options()}

  def data(%Pattern{data: data}), do: data
  def data({module, field}), do: {:field, module, field}
  def data(word), do: word

  # A string of letters or a list, by the release of Elixir. What ends a line matters to no key.
  defp options(letters) when is_binary(letters),
    do: letters |> String.to_charlist() |> Enum.flat_map(&Map.get(@options, &1, [:unknown]))

  defp options(options), do: Enum.reject(options, &match?({:newline, _}, &1))

  @doc """
  A term as a recording with these rules would hold it, if they hide something of it; else the term itself.

  For what enters a recording by another way than a tracer, such as `meta:`.
  """
  @spec hide(term(), [rule()]) :: term()
  def hide(term, rules) when rules == [] or term == %{}, do: term

  def hide(term, rules) do
    bytes = :erlang.external_size(term) * 4 + 1024
    hidden = Native.roundtrip(term, %{bytes: bytes, depth: 128, redact: data(rules)})
    if something_hidden?(hidden), do: hidden, else: term
  end

  defp something_hidden?(%Redacted{}), do: true
  defp something_hidden?([head | tail]), do: something_hidden?(head) or something_hidden?(tail)
  defp something_hidden?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> something_hidden?()
  defp something_hidden?(%Truncated{known: known}), do: something_hidden?(known)
  defp something_hidden?(map) when is_map(map), do: map |> Map.to_list() |> something_hidden?()
  defp something_hidden?(_), do: false
end
