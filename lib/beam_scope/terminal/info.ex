defmodule BeamScope.Terminal.Info do
  @moduledoc """
  The account of a recording: what it holds and what it lost.
  """

  alias BeamScope.Info
  alias BeamScope.Terminal.{Processes, Style, Table, Term}

  @doc "The account."
  @spec lines(Info.t(), Style.t()) :: [Style.line()]
  def lines(%Info{} = info, style) do
    rows = for {title, value} <- rows(info), {cell, n} <- wrapped(value, style), do: [title(title, n), cell]

    [[{:heading, "Recording #{info.id}"}, "  " | status(info)]] ++
      Table.lines(rows) ++ damage(info, style) ++ losses(info, style) ++ notes(info, style)
  end

  @titles 9
  defp wrapped(value, style), do: value |> Style.wrap(max(style.width - @titles, 10), 4) |> Enum.with_index()

  defp title(title, 0), do: [{:dim, title}]
  defp title(_title, _next_line), do: [""]

  defp status(%Info{status: :running}), do: [{:ok, "running"}]
  defp status(%Info{status: status, stop_reason: nil}), do: ["#{status}"]

  defp status(%Info{status: status, stop_reason: reason}) do
    role = if reason in [:requested, :closed], do: :dim, else: :warn
    ["#{status} ", {role, "(#{reason})"}]
  end

  defp rows(info) do
    Enum.reject(
      [
        {"level", value(info.level)},
        {"targets", value(info.targets)},
        {"profile", profile(info.profile)},
        {"keeps", keeps(info.extra[:keep])},
        {"time", [Style.time(info.duration_ns || 0)]},
        {"memory", [Style.bytes(info.bytes || 0)]},
        {"governor", governor(info.governor)},
        {"written", written(info.sink)},
        {"lines", lines(info.lines)},
        {"code", code(info.code)},
        {"events", events(info.events)},
        {"kinds", kinds(info.by_kind)}
      ],
      fn {_title, value} -> value in [nil, []] end
    )
  end

  # A flight recorder.
  defp keeps(%{ms: :infinity, bytes: bytes}), do: ["what came last, up to #{Style.bytes(bytes)}"]

  defp keeps(%{ms: ms, bytes: bytes}),
    do: ["the last #{Style.time(ms * 1_000_000)}, up to #{Style.bytes(bytes)}"]

  defp keeps(_no_ring), do: nil

  defp value(empty) when empty in [nil, []], do: nil
  defp value(value), do: Term.line(value, 200)

  defp code(%{git: git, otp: otp, elixir: elixir, modules: modules}) do
    runtime = "Erlang/OTP #{otp}, Elixir #{elixir}, #{Style.count(map_size(modules), "module")}"
    if git, do: [commit(git), changed(git), ", " <> runtime], else: [runtime]
  end

  defp code(_unknown), do: nil

  defp commit(%{commit: commit, branch: branch}),
    do: String.slice(commit, 0, 10) <> if(branch, do: " on #{branch}", else: "")

  defp changed(%{dirty: true}), do: {:warn, " with changes that are not committed"}
  defp changed(_git), do: ""

  defp governor(%{budget: budget, at: at, watched: watched, steps: steps}) do
    where =
      case at do
        {:level, level} -> "at #{inspect(level)}"
        {:sampled, level, share} -> "at #{inspect(level)} of one process in #{share}"
      end

    only =
      if watched > 0,
        do:
          ", #{Style.count(watched, "process", "processes")} only watched (states, names, links and children unseen)",
        else: ""

    ["#{where}#{only}, #{Style.count(steps, "step")}; budget #{Float.round(budget * 100, 1)} %"]
  end

  defp governor(_nobody), do: nil

  defp written(%{to: {_, _} = to, bytes: bytes, events: events}) do
    where = with {BeamScope.Sink.File, opts} <- to, do: opts[:path]
    ["#{Style.count(events, "event")} to #{text(where)}, #{Style.bytes(bytes)}"]
  end

  defp written(_nowhere), do: nil

  defp lines(none) when none == %{}, do: nil

  defp lines(lines),
    do: [
      lines
      |> Enum.sort()
      |> Enum.map_join(", ", fn {module, status} -> "#{inspect(module)} (#{text(status)})" end)
    ]

  defp profile(%{} = profile) when not is_struct(profile) and map_size(profile) > 0,
    do: [profile |> Enum.sort() |> Enum.map_join(", ", fn {loop, how} -> "#{text(loop)} by #{text(how)}" end)]

  defp profile(profile), do: value(profile)

  defp text(text) when is_binary(text) or is_atom(text), do: to_string(text)
  defp text(other), do: Term.text(other, 80)

  defp events(%{offered: offered, stored: stored, dropped: dropped} = events) do
    lost = if dropped > 0, do: {:error, Style.number(dropped) <> " dropped"}, else: {:ok, "0 dropped"}

    ["#{Style.number(offered)} offered = #{Style.number(stored)} stored + ", lost] ++
      evicted(events) ++ cut(events)
  end

  # Dropped after they had been stored: a ring buffer's oldest.
  defp evicted(%{evicted: n}) when n > 0, do: [" (#{Style.number(n)} of them the oldest, to make room)"]
  defp evicted(_events), do: []

  defp cut(events) do
    for {key, n} <- [truncated: events[:truncated] || 0, redacted: events[:redacted] || 0],
        n > 0,
        do: {:warn, "  #{Style.number(n)} #{key}"}
  end

  defp kinds(kinds) when map_size(kinds) == 0, do: nil

  defp kinds(kinds) do
    seen = for {kind, n} <- kinds, n > 0, do: {n, kind}
    [seen |> Enum.sort(:desc) |> Enum.map_join(", ", fn {n, kind} -> "#{kind} #{Style.number(n)}" end)]
  end

  defp damage(%Info{damage: nil}, _style), do: []

  defp damage(%Info{damage: %{cut_off: cut_off, bytes: bytes, chunks: chunks}}, style) do
    parts = [
      if(cut_off, do: "the file has no end: whoever wrote it was cut off, and what came later is not in it"),
      if(bytes > 0, do: "its last #{Style.bytes(bytes)} cannot be read"),
      if(chunks > 0, do: "#{Style.count(chunks, "part")} of it cannot be read")
    ]

    text = parts |> Enum.reject(&is_nil/1) |> Enum.join("; ")
    Style.wrap([{:error, "damaged"}, " ", text], style.width, 3)
  end

  defp losses(%Info{losses: losses}, style) do
    {shown, hidden} = Processes.split(losses, style.limit)
    Enum.map(shown, &loss/1) ++ Processes.more(hidden, "loss", "losses")
  end

  defp loss(%{count: count, from_ns: from, to_ns: to} = loss) do
    who = loss |> Map.get(:pid) |> Processes.who(loss[:name])

    [
      {:error, "lost"},
      " #{Style.count(count, "event")} of #{who} between #{Style.time(from)} and #{Style.time(to)}"
    ]
  end

  defp notes(%Info{notes: notes}, style) do
    Enum.flat_map(notes, &Style.wrap([{:warn, "note"}, " ", note(&1)], style.width, 3))
  end

  defp note(text) when is_binary(text), do: text
  defp note(other), do: Term.text(other, 200)
end
