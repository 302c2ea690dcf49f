defmodule BeamScope.Recorder.Behaviour do
  @moduledoc """
  Which OTP loop a process runs, judged from outside.

  It must be right before anything is sent: a system message to a process that runs no OTP loop would stay in its
  mailbox for ever, or worse, be handled. So where nothing is certain the answer is `nil`.
  """

  @loops [:gen_server, :gen_statem, :gen_event]
  # What of a loop is exported though no client calls it.
  @entries [:init_it, :wake_hib, :wakeup_from_hibernate, :enter_loop]
  @proc_lib_frames [:init_p, :init_p_do_apply, :wake_up]

  @typedoc "The loop's module, or `nil`."
  @type t :: :gen_server | :gen_statem | :gen_event | nil

  @doc """
  The behaviour by the current function, the stack and the initial call, in the order of their certainty.

  `facts` may hold `:current_function`, `:current_stacktrace` and the `:dictionary` keys that were read.
  """
  @spec of(keyword(), map()) :: t()
  def of(facts, dictionary) do
    by_function(facts[:current_function]) || by_stack(facts[:current_stacktrace] || []) ||
      if(hidden?(facts), do: by_initial_call(dictionary[:"$initial_call"]))
  end

  # Hibernation throws the stack away, and of a deep one only the top is shown. Elsewhere the stack has told already,
  # whatever the process's module declares: it may serve another loop.
  defp hidden?(facts) do
    stack = facts[:current_stacktrace] || []
    bottom? = Enum.any?(stack, &match?({:proc_lib, frame, _, _} when frame in @proc_lib_frames, &1))
    facts[:current_function] == {:erlang, :hibernate, 3} or (stack != [] and not bottom?)
  end

  @doc "The callback module that `$initial_call` names, or `nil`."
  @spec callback_module(map()) :: module() | nil
  def callback_module(%{"$initial_call": {:supervisor, module, 1}}), do: module
  def callback_module(%{"$initial_call": {module, :init, 1}}), do: module
  def callback_module(_), do: nil

  @doc "The behaviours that a module declares."
  @spec declared(module()) :: [module()]
  def declared(module) do
    if :erlang.module_loaded(module) do
      attributes = module.module_info(:attributes)
      for {key, list} <- attributes, key in [:behaviour, :behavior], behaviour <- list, do: behaviour
    else
      []
    end
  end

  @doc "Whether `$initial_call` says that this is a supervisor, static or dynamic."
  @spec supervisor?(map() | nil | :busy) :: boolean()
  def supervisor?(%{"$initial_call": {:supervisor, _, _}}), do: true
  def supervisor?(_), do: false

  @doc """
  Whether this is a task, by the initial call or by the stack: `proc_lib` starts it in older Elixirs, and its own
  `$initial_call` is what the task was given to do.
  """
  @spec task?(keyword()) :: boolean()
  def task?(facts) do
    match?({Task.Supervised, _, _}, facts[:initial_call]) or
      Enum.any?(facts[:current_stacktrace] || [], &match?({Task.Supervised, :invoke_mfa, _, _}, &1))
  end

  # An idle loop waits in a function of its own module. Functions that a *client* runs are of gen, or wait in gen.
  defp by_function({:gen_server, name, _}) when name in [:loop, :loop_hibernate], do: :gen_server

  defp by_function({:gen_statem, name, _}) when name in [:loop, :loop_receive, :loop_hibernate],
    do: :gen_statem

  defp by_function({:gen_event, name, _}) when name in [:fetch_msg, :loop], do: :gen_event
  defp by_function(_), do: nil

  # A busy one has the loop just above the frame of proc_lib, if the stack is shown that deep. A client of a server
  # can have one of the loop's module there too: a function that is exported for clients.
  defp by_stack(stack) do
    stack
    |> Enum.chunk_every(2, 1, :discard)
    |> Enum.find_value(fn
      [{loop, name, arity, _}, {:proc_lib, frame, _, _}] when loop in @loops and frame in @proc_lib_frames ->
        if name in @entries or not function_exported?(loop, name, frame_arity(arity)), do: loop

      _ ->
        nil
    end)
  end

  defp frame_arity(arguments) when is_list(arguments), do: length(arguments)
  defp frame_arity(arity), do: arity

  defp by_initial_call({:gen_event, :init_it, _}), do: :gen_event
  defp by_initial_call({:supervisor, _, 1}), do: :gen_server

  defp by_initial_call({module, :init, 1}) do
    declared = declared(module)

    cond do
      GenServer in declared or :gen_server in declared or :supervisor in declared -> :gen_server
      :gen_statem in declared -> :gen_statem
      true -> nil
    end
  end

  defp by_initial_call(_), do: nil
end
