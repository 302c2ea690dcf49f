defmodule BeamScope.Native do
  @moduledoc false
  # The functions of the native library, one line each. Also the tracer module: `{BeamScope.Native, route_id}`.
  # No logic here: reloading this module ends every recording, so it should rarely change.

  # Loading a module runs its @on_load; at compile time the library is not where it will be.
  @compile {:autoload, false}
  @on_load :load_library

  # Raised together with `ABI` in native/beam_scope_nif/src/abi.rs and `@abi` in mix.exs.
  @abi 8

  @doc false
  def abi, do: @abi

  @doc false
  # A library that cannot be loaded must not make this module unloadable: each function says why instead.
  def load_library do
    # What a reload left behind would make load_nif fail: the library has no upgrade.
    :code.purge(__MODULE__)

    result =
      case BeamScope.Native.Loader.find() do
        {:ok, path} -> :erlang.load_nif(String.to_charlist(path), {@abi, BeamScope.Native.Samples.all()})
        {:error, _} = error -> error
      end

    BeamScope.Native.Loader.loaded(result)
  end

  @doc false
  def before_reload, do: BeamScope.Native.Loader.before_reload()

  # tracer: raw callbacks
  def enabled(_tag, _state, _tracee), do: missing()
  def enabled_garbage_collection(_tag, _state, _tracee), do: missing()
  def trace(_tag, _state, _tracee, _term, _opts), do: missing()

  # library
  def abi_version, do: missing()
  def self_check, do: missing()
  def old_heap_candidates(_size, _block, _sample), do: missing()
  def old_heap_remember(_place), do: missing()
  def roundtrip(_term, _options), do: missing()
  def encode_term(_term, _options), do: missing()
  def redaction_check(_rules), do: missing()
  def engine_info, do: missing()
  def stop_all(_reason), do: missing()
  def own_add(_pid), do: missing()
  def own_remove(_pid), do: missing()

  # recordings
  def recording_open(_config), do: missing()
  def recording_update(_rec, _changes), do: missing()
  def recording_add_members(_rec, _pids), do: missing()
  def recording_remove_members(_rec, _pids), do: missing()
  def recording_add_starters(_rec, _pids), do: missing()
  def recording_inject(_rec, _kind, _pid, _terms), do: missing()
  def recording_flush(_rec, _timeout_ms), do: missing()
  def recording_settle(_rec, _who, _except, _timeout_ms), do: missing()
  def recording_stop(_rec, _reason), do: missing()
  def recording_freeze(_rec, _timeout_ms), do: missing()
  def recording_close(_rec), do: missing()
  def recording_info(_rec), do: missing()
  def recording_load(_rec), do: missing()
  def recording_wake(_rec, _pid, _more), do: missing()
  def recording_rest(_rec, _rest), do: missing()
  def recording_noise(_rec, _most, _floor_ns), do: missing()
  def recording_noise_of_many(_rec, _most, _floor_ns), do: missing()
  def recording_unseen(_rec, _pids, _terms), do: missing()
  def recording_rows(_rec), do: missing()
  def recording_check(_rec), do: missing()

  # files
  def save(_rec, _path, _meta), do: missing()
  def load(_path), do: missing()
  def stream_begin(_rec, _meta), do: missing()
  def stream_next(_rec, _most_ms, _age_ms), do: missing()
  def stream_written(_rec, _path), do: missing()
  def stream_end(_rec, _meta), do: missing()

  # questions
  def query(_rec, _query), do: missing()
  def processes(_rec, _moment), do: missing()
  def knows(_rec, _process), do: missing()
  def tree(_rec, _moment), do: missing()
  def history(_rec, _process, _range), do: missing()
  def state_at(_rec, _process, _moment), do: missing()
  def find_state(_rec, _process, _pattern), do: missing()
  def live_open(_rec, _query), do: missing()
  def live_poll(_live, _limit, _keep), do: missing()
  def mailbox(_rec, _process, _moment), do: missing()
  def world(_rec, _moment, _wanted), do: missing()
  def next_event(_rec, _how), do: missing()
  def next_transition(_rec, _how), do: missing()

  # expectations
  def check(_rec, _checks), do: missing()
  def monitor_open(_rec, _checks), do: missing()
  def monitor_poll(_monitor), do: missing()
  def monitor_finish(_monitor), do: missing()

  # invariants
  def infer(_recs, _options), do: missing()
  def compare(_first, _second, _options), do: missing()

  # terms at hand
  def diff(_a, _b), do: missing()
  def match(_pattern, _term), do: missing()
  def align(_expected, _actual, _options), do: missing()

  # An exception as the error's reason is that exception; static analysis knows that a library replaces `nif_error/1`.
  defp missing, do: :erlang.nif_error(BeamScope.Native.Loader.missing())
end
