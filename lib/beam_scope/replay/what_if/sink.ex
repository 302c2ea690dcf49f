defmodule BeamScope.Replay.WhatIf.Sink do
  @moduledoc """
  An input and output device that takes everything and gives nothing. The peer's own goes to the group leader of whoever started it: neither
  is anything to be printed there, nor are that device's options to be changed (Elixir does so when it starts).
  """

  @doc "Starts one, for as long as the process that starts it lives."
  @spec start() :: pid
  def start do
    user = self()

    spawn(fn ->
      monitor = Process.monitor(user)
      loop(monitor)
    end)
  end

  defp loop(monitor) do
    receive do
      {:io_request, from, ref, request} ->
        send(from, {:io_reply, ref, reply(request)})
        loop(monitor)

      {:DOWN, ^monitor, _, _, _} ->
        :ok

      _ ->
        loop(monitor)
    end
  end

  defp reply(:getopts), do: [binary: true, encoding: :unicode]
  defp reply(request) when elem(request, 0) in [:get_line, :get_chars, :get_until, :get_password], do: :eof
  defp reply(request) when elem(request, 0) == :get_geometry, do: {:error, :enotsup}
  defp reply(_request), do: :ok
end
