defmodule BeamScopeBench.Report do
  @moduledoc "The figures as a table and as JSON."

  @fields ~w(workload mode ns_per_op ratio events_per_op events dropped bytes_per_event peak_rss_mb)a

  @doc "One table for each workload, in the order measured."
  def table(rows) do
    rows
    |> Enum.chunk_by(& &1.workload)
    |> Enum.map_join("\n", fn rows -> Enum.join([head(hd(rows)) | Enum.map(rows, &line/1)], "\n") <> "\n" end)
  end

  defp head(%{workload: workload}) do
    columns = ~w(ns/op ratio events/op events dropped queued B/event) ++ ["peak MB"]
    String.pad_trailing(workload, 16) <> Enum.map_join(columns, &String.pad_leading(&1, 11))
  end

  defp line(row) do
    cells = [
      number(row.ns_per_op),
      row.ratio && "×" <> fixed(row.ratio, 2),
      fixed(row.events_per_op, 1),
      number(row.events),
      number(row.dropped),
      number(row.queued),
      fixed(row.bytes_per_event, 1),
      number(row.peak_rss_mb)
    ]

    note = if row[:stopped], do: "  stopped: #{row.stopped}", else: ""

    "  " <>
      String.pad_trailing(row.mode, 14) <> Enum.map_join(cells, &String.pad_leading(&1 || "–", 11)) <> note
  end

  defp fixed(nil, _), do: nil
  defp fixed(number, places), do: :erlang.float_to_binary(number * 1.0, decimals: places)

  defp number(nil), do: nil
  defp number(number) when is_float(number), do: number |> round() |> number()

  defp number(number) when number >= 1_000,
    do: number(div(number, 1_000)) <> "," <> String.pad_leading("#{rem(number, 1_000)}", 3, "0")

  defp number(number), do: "#{number}"

  @doc "A list of objects with the fields users may rely on."
  def json(rows) do
    objects =
      for row <- rows, do: "  {" <> Enum.map_join(@fields, ", ", &~s("#{&1}": #{value(row[&1])})) <> "}"

    "[\n" <> Enum.join(objects, ",\n") <> "\n]\n"
  end

  defp value(nil), do: "null"
  defp value(number) when is_float(number), do: :erlang.float_to_binary(number, decimals: 3)
  defp value(number) when is_integer(number), do: Integer.to_string(number)
  # Names of workloads and modes: nothing to escape.
  defp value(text) when is_binary(text), do: ~s("#{text}")

  @doc "What the figures were measured on."
  def machine do
    os = :os.type() |> Tuple.to_list() |> Enum.join("/")

    "Erlang/OTP #{System.otp_release()} (erts #{:erlang.system_info(:version)}, #{:erlang.system_info(:emu_flavor)}), " <>
      "Elixir #{System.version()}, #{:erlang.system_info(:schedulers_online)} schedulers on #{os}#{cpu()}, " <>
      "load before #{load()}"
  end

  defp cpu do
    with {:ok, text} <- File.read("/proc/cpuinfo"), [_, name] <- Regex.run(~r/model name\s*: (.+)/, text) do
      ", " <> String.trim(name)
    else
      _ -> ""
    end
  end

  defp load do
    case File.read("/proc/loadavg") do
      {:ok, text} -> text |> String.split() |> hd()
      _ -> "unknown"
    end
  end
end
