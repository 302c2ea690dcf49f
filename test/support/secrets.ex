defmodule BeamScope.Test.Secrets do
  @moduledoc """
  Plants secrets in terms of random shapes, sends them every way that a recording sees, and looks for them wherever they could have
  got to: in the memory of the operating system's process that is not the virtual machine's own, in files, and in everything that is
  printed.

  Runs in a virtual machine of its own (`run/1` there): all that the VM allocates lies in one region (a super carrier), so that
  what is in memory beside it is the library's.

  Secrets are unique, and have a mark in common that nothing else has: whoever finds the mark found one of them. It is looked for
  as bytes, backwards (integers), as a charlist is recorded, and as the digits that integers are printed with.
  """

  import BeamScope.Assertions
  require BeamScope
  alias BeamScope.Native

  defmodule Card do
    @moduledoc false
    defstruct [:holder, :pan]
  end

  defmodule Vault do
    @moduledoc false
    use GenServer
    def init(first), do: {:ok, %{recent: [first], all: Map.new(1..100, &{&1, &1}), n: 0, first: first}}

    def handle_call({:crash, shape}, _from, _state),
      do: raise(ArgumentError, message: inspect(shape) |> String.slice(0, 0))

    def handle_call({:stop, shape}, _from, state), do: {:stop, {:shutdown, shape}, shape, state}

    def handle_call({_put, shape}, _from, state),
      do: {:reply, {:was, hd(state.recent), shape}, put(state, shape)}

    def handle_cast(shape, state), do: {:noreply, put(state, shape), {:continue, {:later, shape}}}
    def handle_info(shape, state), do: {:noreply, put(state, shape)}
    def handle_continue({:later, shape}, state), do: {:noreply, %{state | first: shape}}

    defp put(state, shape) do
      n = state.n + 1

      %{
        state
        | recent: [shape | Enum.take(state.recent, 9)],
          all: Map.put(state.all, rem(n, 150), shape),
          n: n
      }
    end
  end

  defmodule Door do
    @moduledoc false
    @behaviour :gen_statem
    def callback_mode, do: :handle_event_function
    def init(shape), do: {:ok, :awaiting_token, shape}

    def handle_event({:call, from}, shape, state, data),
      do: {:next_state, next(state), shape, [{:reply, from, data}]}

    def handle_event(_, shape, _state, _data), do: {:keep_state, shape}
    defp next(:awaiting_token), do: :open
    defp next(:open), do: :awaiting_token
  end

  @doc "What recordings of secrets are to hide: rules of every kind."
  def rules do
    [
      :pin_code,
      ~r/^x-.*-key$/i,
      {Card, :pan},
      BeamScope.pattern(<<"sk_live_", _::binary>>),
      BeamScope.pattern({:login, _, _}),
      BeamScope.pattern(%{kind: :card})
    ]
  end

  @doc """
  Plants so many secrets, records what happens to them, and says what was found where: `%{place => {forms, bytes}}`. Besides the
  forms of secrets `:open` is one: a text that is no secret, and is there to be found.
  """
  def run(%{count: count, redact: redact, dir: dir, mark: mark, open: open}) do
    Process.put(:open_text, open)
    :rand.seed(:exsss, {count, 2, 3})
    {:ok, _} = Application.ensure_all_started(:logger)
    Logger.configure(level: :none)
    searched = mark |> marks() |> Map.put(:open, open)
    table = :ets.new(:beam_scope_secrets, [:public, :named_table])
    to = Path.join(dir, "to.beamscope")

    {deeds, rec} =
      BeamScope.record(
        [
          redact: redact,
          ets: [table],
          pdict: true,
          calls: [{__MODULE__, :handed, 2}, {Map, :put, 3}],
          meta: %{run: 1, password: secret(mark, 0)},
          limits: [events: 10_000_000, bytes: 512 * 1024 * 1024],
          to: to
        ],
        fn -> deeds(count, mark, table) end
      )

    {:ok, in_memory} =
      BeamScope.start(self(), level: :full, redact: redact, limits: [bytes: 256 * 1024 * 1024], pdict: true)

    deeds(div(count, 4), mark, table)
    {:ok, in_memory} = BeamScope.stop(in_memory)

    :ets.delete(table)
    :erlang.garbage_collect()
    memory = memory(searched)
    found = [memory | printed([rec, in_memory], dir, searched)] |> Map.new()
    sizes = for rec <- [rec, in_memory], do: BeamScope.info(rec).events
    BeamScope.close(rec)
    BeamScope.close(in_memory)
    %{found: found, deeds: deeds, events: sizes}
  end

  # ---- planting ----

  @doc "The secret of a number: the mark and what makes it unique."
  def secret(mark, n), do: mark <> (<<n::40>> |> Base.encode32(padding: false, case: :lower))

  @names ~w(Ada Bo Cy)

  # What is hidden, in many kinds.
  defp value(secret) do
    case :rand.uniform(7) do
      1 -> secret
      2 -> String.to_charlist(secret)
      3 -> :binary.decode_unsigned(secret)
      4 -> %{inner: [secret, {:x, secret}], n: 1}
      5 -> [secret | String.to_charlist(secret)]
      6 -> String.duplicate(secret, 1 + :rand.uniform(20))
      7 -> {secret, [a: secret]}
    end
  end

  @keys [
    :password,
    :user_password_hash,
    "token",
    "Authorization",
    ~c"cookie",
    :pin_code,
    "X-Shop-Key",
    :secret_key_base,
    "set-cookie",
    :api_key
  ]

  defp key, do: Enum.random(@keys)

  # A term with a secret in it that some rule hides.
  defp planted(secret) do
    case :rand.uniform(10) do
      1 -> %{key() => value(secret), :name => Enum.random(@names)}
      2 -> Map.new(1..40, &{&1, &1}) |> Map.put(key(), value(secret))
      3 -> [{:user, 1}, {key(), value(secret)}]
      4 -> [{"host", "h"}, {key(), value(secret)}, {"accept", "*"}]
      5 -> {key(), value(secret)}
      6 -> %Card{holder: Enum.random(@names), pan: value(secret)}
      7 -> {:note, "sk_live_" <> secret}
      8 -> {:login, Enum.random(@names), value(secret)}
      9 -> %{kind: :card, number: value(secret)}
      10 -> %{req_headers: [{"authorization", value(secret)}], req_cookies: %{"sid" => secret}}
    end
  end

  defp shape(secret, 0), do: planted(secret)

  defp shape(secret, depth) do
    inner = shape(secret, depth - 1)

    case :rand.uniform(8) do
      1 -> [1, inner, :two]
      2 -> {:ok, inner, "text"}
      3 -> %{"nested" => inner, 7 => :seven}
      4 -> Map.new(1..35, &{{:k, &1}, "v"}) |> Map.put(:deep, inner)
      5 -> [:a | inner]
      6 -> {inner, inner}
      7 -> [name: inner]
      8 -> inner
    end
  end

  # ---- what is done with it ----

  @doc "A function whose calls are recorded."
  def handed(_what, shape), do: {:got, shape}

  @doc false
  def deeds(count, mark, table) do
    {:ok, vault} = GenServer.start(Vault, shape(secret(mark, 1), 1))
    {:ok, door} = :gen_statem.start(Door, shape(secret(mark, 2), 1), [])
    {:ok, agent} = Agent.start(fn -> nil end)
    plain = spawn(fn -> swallow() end)

    for n <- 3..count do
      secret = secret(mark, n)
      deed(rem(n, 16), shape(secret, :rand.uniform(4) - 1), secret, {vault, door, agent, plain, table})
    end

    for pid <- [vault, door, agent, plain], do: ended(pid)
    count
  end

  defp deed(0, shape, _, {vault, _, _, _, _}) do
    GenServer.call(vault, {:put, Process.get(:open_text)})
    GenServer.call(vault, {:put, shape})
  end

  defp deed(1, shape, _, {vault, _, _, _, _}), do: GenServer.cast(vault, shape)
  defp deed(2, shape, _, {vault, _, _, _, _}), do: send(vault, shape)
  defp deed(3, shape, _, {_, door, _, _, _}), do: :gen_statem.call(door, shape)
  defp deed(4, shape, _, {_, door, _, _, _}), do: :gen_statem.cast(door, shape)
  defp deed(5, shape, _, {_, _, agent, _, _}), do: Agent.update(agent, fn _ -> shape end)
  defp deed(6, shape, _, {_, _, _, plain, _}), do: send(plain, shape)
  defp deed(7, shape, _, _), do: ended(spawn(fn -> exit({:shutdown, shape}) end))
  defp deed(8, shape, _, _), do: ended(spawn(__MODULE__, :handed, [:spawned, shape]))
  defp deed(9, shape, _, {_, _, _, _, table}), do: :ets.insert(table, {:erlang.unique_integer(), shape})

  defp deed(10, _, secret, {_, _, _, _, table}) do
    :ets.insert(table, {:password, secret})
    :ets.update_element(table, :password, {2, secret})
  end

  defp deed(11, shape, secret, _) do
    Process.put(:shape, shape)
    Process.put(:api_key, secret)
    Process.put(:api_key, secret <> "again")
    Process.delete(:api_key)
    Process.delete(:shape)
  end

  defp deed(12, shape, _, _), do: handed(:called, shape)
  defp deed(13, _, secret, _), do: Map.put(%{a: 1}, :password, secret)
  defp deed(14, shape, _, _), do: Task.await(Task.async(fn -> shape end))

  defp deed(15, shape, _, _) do
    {:ok, vault} = GenServer.start(Vault, shape)
    GenServer.call(vault, {Enum.random([:crash, :stop]), shape})
  catch
    :exit, _ -> :ok
  end

  defp swallow do
    receive do
      :stop -> :ok
      _ -> swallow()
    end
  end

  defp ended(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
  end

  # ---- looking ----

  @doc "The forms in which a mark can stand."
  def marks(mark) do
    wire = Native.encode_term(String.to_charlist(mark), %{bytes: 1024, depth: 8, redact: []})
    backwards = mark |> String.to_charlist() |> Enum.reverse() |> List.to_string()

    %{
      bytes: mark,
      backwards: backwards,
      # Without the list's own head and end.
      charlist: binary_part(wire, 1, byte_size(wire) - 2),
      digits: digits(mark)
    }
  end

  # What integers that begin with the mark, and have eight bytes more, have in common in decimals.
  defp digits(mark) do
    low = Integer.to_string(:binary.decode_unsigned(mark <> String.duplicate("0", 8)))
    high = Integer.to_string(:binary.decode_unsigned(mark <> String.duplicate("z", 8)))
    binary_part(low, 0, :binary.longest_common_prefix([low, high]))
  end

  # All events as data, page by page: the external form has bytes as they are, in charlists too.
  defp look(place, {:pages, pages}, searched) do
    found = for page <- pages, {_, found} = look(place, :erlang.term_to_binary(page), searched), do: found

    {place,
     {found |> Enum.flat_map(&elem(&1, 0)) |> Enum.uniq() |> Enum.sort(),
      found |> Enum.map(&elem(&1, 1)) |> Enum.sum()}}
  end

  defp look(place, content, searched) do
    forms = for {form, bytes} <- searched, :binary.match(content, bytes) != :nomatch, do: form
    {place, {Enum.sort(forms), byte_size(content)}}
  end

  @doc """
  All memory of this operating system's process but the regions of the virtual machine, which are those where a text of now is found;
  `own` is how many.
  """
  def memory(searched) do
    canary = :rand.bytes(24)
    {:ok, mem} = :file.open("/proc/self/mem", [:read, :raw, :binary])
    regions = for {from, to} <- regions(), do: {from, to, scan(mem, from, to, searched, canary)}
    :file.close(mem)
    true = byte_size(canary) == 24
    {own, others} = Enum.split_with(regions, fn {_, _, found} -> :canary in found end)
    forms = others |> Enum.flat_map(fn {_, _, found} -> found end) |> Enum.uniq() |> Enum.sort()
    bytes = others |> Enum.map(fn {from, to, _} -> to - from end) |> Enum.sum()
    {:memory, {forms, %{bytes: bytes, own: length(own)}}}
  end

  defp regions do
    for line <- "/proc/self/maps" |> File.read!() |> String.split("\n", trim: true),
        [range, "rw" <> _ | _] <- [String.split(line)],
        not String.contains?(line, ["memfd", "/dev/"]) do
      [from, to] = String.split(range, "-")
      {String.to_integer(from, 16), String.to_integer(to, 16)}
    end
  end

  @piece 4 * 1024 * 1024
  @overlap 64

  defp scan(mem, from, to, searched, canary) do
    patterns = Map.merge(searched, %{canary: canary})

    # A region of the VM's is told by its first such text.
    Stream.iterate(from, &(&1 + @piece - @overlap))
    |> Enum.take_while(&(&1 < to))
    |> Enum.reduce_while([], fn at, found ->
      found = Enum.uniq(piece(mem, at, min(@piece, to - at), patterns) ++ found)
      {if(:canary in found, do: :halt, else: :cont), found}
    end)
  end

  defp piece(mem, at, size, patterns) do
    case :file.pread(mem, at, size) do
      {:ok, bytes} -> for {form, what} <- patterns, :binary.match(bytes, what) != :nomatch, do: form
      _ -> []
    end
  end

  # ---- files and what is printed ----

  defp printed(recs, dir, searched) do
    [first | _] = recs
    {:ok, _} = Application.ensure_all_started(:ex_unit)
    saved = Path.join(dir, "saved.beamscope")
    BeamScope.save!(first, saved)
    {:ok, loaded} = BeamScope.load(saved)

    files =
      for path <- Path.wildcard(Path.join(dir, "*.beamscope")),
          do: look({:file, Path.basename(path)}, File.read!(path), searched)

    exports = for rec <- recs, format <- BeamScope.Export.formats(), do: export(rec, format, dir, searched)
    texts = for rec <- [loaded | recs], {place, fun} <- questions(rec), do: apart(place, fun, searched)
    compared = apart(:compare, fn -> BeamScope.compare(first, loaded) end, searched)
    BeamScope.close(loaded)
    merged = Enum.group_by(exports ++ texts, &elem(&1, 0), &elem(&1, 1))

    files ++
      [compared] ++
      Enum.map(merged, fn {place, found} ->
        {place,
         {found |> Enum.flat_map(&elem(&1, 0)) |> Enum.uniq(), found |> Enum.map(&elem(&1, 1)) |> Enum.sum()}}
      end)
  end

  # Printing takes time: of long recordings all is searched as data, and so much as it is printed.
  @most 1_000

  defp export(rec, format, dir, searched) do
    path = Path.join(dir, "export.#{format}")
    BeamScope.export!(rec, format, path, limit: @most)
    look({:export, format}, File.read!(path), searched)
  end

  defp pages(rec, since) do
    Stream.unfold(since, fn
      :done ->
        nil

      since ->
        %{events: events, more: more} = BeamScope.events(rec, [limit: 1_000] ++ since)

        next =
          if more,
            do: [since: %{List.last(events).moment | seq: List.last(events).moment.seq + 1}],
            else: :done

        {events, next}
    end)
  end

  # By the end they are all dead.
  defp moments(rec, process),
    do: for(t <- BeamScope.history(rec, process, limit: 10).transitions, do: t.moment)

  # In a process of its own: what it took is given back.
  defp apart(place, fun, searched),
    do: Task.await(Task.async(fn -> look(place, text(fun), searched) end), :infinity)

  # As data, every part of it, and as it is printed.
  defp text(fun) do
    answer =
      try do
        fun.()
      rescue
        error -> {error, Exception.message(error)}
      end

    words(answer)
  end

  defp words({:pages, pages}), do: {:pages, pages}

  defp words(answer) do
    whole = [limit: :infinity, printable_limit: :infinity, width: 200]
    pieces = if is_list(answer), do: answer, else: [answer]

    IO.iodata_to_binary(
      for piece <- pieces,
          do: [
            if(is_binary(piece), do: piece, else: ""),
            inspect(piece, [{:structs, false} | whole]),
            inspect(piece, whole)
          ]
    )
  end

  defp questions(rec) do
    processes = BeamScope.processes(rec)
    {server, others} = Enum.split_with(processes, &(&1.module in [Vault, Door]))
    some = Enum.take(server, 6) ++ Enum.take(others, 20)
    [seen | _] = Enum.filter(server, &(&1.module == Vault))

    [
      {:info, fn -> BeamScope.info(rec) end},
      {:recording, fn -> rec end},
      {:rows, fn -> {:pages, pages(rec, [])} end},
      {:processes, fn -> processes end},
      {:tree, fn -> BeamScope.tree(rec) end},
      {:events, fn -> BeamScope.events(rec, limit: @most) end},
      {:messages, fn -> BeamScope.messages(rec, limit: @most) end},
      {:calls, fn -> BeamScope.calls(rec, limit: @most) end},
      {:history, fn -> for one <- some, do: BeamScope.history(rec, one, limit: 30) end},
      {:states,
       fn ->
         for one <- server |> Enum.take(6),
             moment <- moments(rec, one),
             do: BeamScope.state_at(rec, one, moment)
       end},
      {:mailbox, fn -> for one <- some, do: BeamScope.mailbox(rec, one, {:ms, 50}) end},
      {:table, fn -> BeamScope.table(rec, :beam_scope_secrets) end},
      {:dictionary, fn -> for one <- some, do: BeamScope.dictionary(rec, one) end},
      {:world,
       fn -> rec |> BeamScope.Replay.open!() |> BeamScope.Replay.at!(:end) |> BeamScope.Replay.world() end},
      # A golden execution is one of a test's length.
      {:golden, fn -> if BeamScope.info(rec).events.stored < 20_000, do: BeamScope.Golden.text(rec) end},
      {:inference, fn -> BeamScope.infer(rec) end},
      {:failed_state, fn -> assert_state(rec, seen, %{never: :so}) end},
      {:failed_message, fn -> assert_sent(rec, {:never, :sent}) end},
      {:failed_find, fn -> BeamScope.find_state!(rec, seen, %{recent: [:never | :_]}) end}
    ]
  end
end
