defmodule BeamScope.Test.Lines.Pure do
  @moduledoc false
  # Modules whose functions may be called with anything, and those of their functions that may not, with the reason.

  @erlang [
            :lists,
            :maps,
            :string,
            :gb_trees,
            :gb_sets,
            :queue,
            :orddict,
            :ordsets,
            :dict,
            :sets,
            :array,
            :proplists,
            :sofs
          ] ++
            [
              :base64,
              :uri_string,
              :io_lib,
              :io_lib_format,
              :io_lib_fread,
              :io_lib_pretty,
              :erl_scan,
              :erl_parse,
              :erl_pp
            ] ++
            [
              :erl_lint,
              :erl_anno,
              :erl_internal,
              :erl_bits,
              :erl_expand_records,
              :erl_eval,
              :calendar,
              :unicode_util,
              :unicode
            ] ++
            [
              :filename,
              :re,
              :rand,
              :json,
              :math,
              :binary,
              :eval_bits,
              :ms_transform,
              :otp_internal,
              :random
            ] ++
            [
              :erl_features,
              :erl_error,
              :erl_stdlib_errors,
              :edlin_expand,
              :log_mf_h,
              :cerl,
              :cerl_trees,
              :cerl_clauses
            ] ++
            [
              :core_lib,
              :core_lint,
              :core_pp,
              :core_scan,
              :rec_env,
              :beam_digraph,
              :beam_ssa,
              :beam_types,
              :beam_bounds,
              :v3_kernel_pp
            ] ++
            [
              :beam_utils,
              :beam_opcodes,
              :beam_dict,
              :beam_call_types,
              :erl_bifs,
              :sys_core_alias,
              :sys_core_bsm,
              :sys_core_fold_lists
            ] ++
            [
              :sys_core_inline,
              :beam_ssa_pp,
              :beam_block,
              :beam_clean,
              :beam_jump,
              :beam_z,
              :beam_flatten,
              :beam_trim,
              :beam_a
            ]

  @elixir [
            Access,
            Atom,
            Base,
            Bitwise,
            Calendar,
            Calendar.ISO,
            Calendar.UTCOnlyTimeZoneDatabase,
            Code.Formatter,
            Code.Identifier
          ] ++
            [
              Code.Normalizer,
              Code.Fragment,
              Collectable,
              Date,
              Date.Range,
              DateTime,
              Duration,
              Enum,
              Enumerable,
              Exception,
              Float,
              Function
            ] ++
            [
              Inspect,
              Inspect.Algebra,
              Inspect.Opts,
              Inspect.Error,
              Integer,
              JSON,
              JSON.Encoder,
              Kernel,
              Kernel.Utils,
              Keyword,
              List,
              List.Chars
            ] ++
            [
              Macro,
              Macro.Env,
              Map,
              MapSet,
              Module.Types.Helpers,
              NaiveDateTime,
              OptionParser,
              Path,
              Range,
              Record,
              Regex,
              Stream
            ] ++
            [
              Stream.Reducers,
              String,
              String.Chars,
              String.Break,
              String.Tokenizer,
              String.Unicode
            ] ++
            [
              Time,
              Tuple,
              URI,
              Version,
              Version.Parser,
              Module.Types.Expr,
              Module.Types.Pattern,
              Module.Types.Descr,
              Module.Types.Unify
            ] ++
            [Kernel.Typespec, Kernel.Error, Protocol, HashDict, HashSet, Dict, Set, Behaviour, Module, Code] ++
            [
              :elixir_utils,
              :elixir_tokenizer,
              :elixir_interpolation,
              :elixir_bitstring,
              :elixir_quote
            ] ++
            [
              :elixir_aliases,
              :elixir_rewrite,
              :elixir_erl_var,
              :elixir_erl_clauses,
              :elixir_clauses,
              :elixir_fn,
              :elixir_map
            ] ++
            [
              :elixir_parser,
              :elixir_env,
              :elixir_erl_for,
              :elixir_erl_try
            ]

  @implementations [Enumerable, Collectable, Inspect, String.Chars, List.Chars, JSON.Encoder]
  @implementors [
                  Atom,
                  BitString,
                  Date,
                  Date.Range,
                  DateTime,
                  Float,
                  Function,
                  Integer,
                  List,
                  Map,
                  MapSet,
                  NaiveDateTime,
                  Range,
                  Regex
                ] ++
                  [
                    Stream,
                    Time,
                    Tuple,
                    URI,
                    Version,
                    Version.Requirement,
                    Any,
                    Macro.Env,
                    HashDict,
                    HashSet,
                    Inspect.Error
                  ]

  @reasons %{
    random: "draws numbers, seeded by time when nobody has",
    clock: "tells the time of day or the local time zone",
    effect: "changes something outside of its process",
    evaluates: "runs code or loads modules that it is given by name",
    files: "looks at the file system",
    code: "looks at object code, which is the very thing that differs",
    table: "makes tables, or reads those of the machine",
    waits: "waits for a message or for time",
    grows:
      "takes time or memory without an end that can be stopped, inside one function of the virtual machine",
    native: "is replaced by a function of the virtual machine when it is loaded"
  }

  @excluded %{
    {:lists, :seq} => :grows,
    {:string, :chars} => :grows,
    {:string, :copies} => :grows,
    {Integer, :pow} => :grows,
    {Bitwise, :<<<} => :grows,
    {Bitwise, :bsl} => :grows,
    {Kernel, :**} => :grows,
    {:math, :pow} => :native,
    {:rand, :uniform} => :random,
    {:rand, :uniform_real} => :random,
    {:rand, :normal} => :random,
    {:rand, :bytes} => :random,
    {:rand, :shuffle} => :random,
    {:rand, :seed} => :random,
    {:rand, :seed_s} => :random,
    {:rand, :export_seed} => :random,
    {:rand, :splitmix64_next} => :grows,
    {:rand, :jump} => :random,
    {:rand, :mwc59_seed} => :random,
    {:random, :uniform} => :random,
    {:random, :seed} => :random,
    {Enum, :random} => :random,
    {Enum, :shuffle} => :random,
    {Enum, :take_random} => :random,
    {:calendar, :local_time} => :clock,
    {:calendar, :universal_time} => :clock,
    {:calendar, :now_to_local_time} => :clock,
    {:calendar, :local_time_to_universal_time} => :clock,
    {:calendar, :local_time_to_universal_time_dst} => :clock,
    {:calendar, :universal_time_to_local_time} => :clock,
    {Date, :utc_today} => :clock,
    {Time, :utc_now} => :clock,
    {DateTime, :utc_now} => :clock,
    {DateTime, :now} => :clock,
    {DateTime, :now!} => :clock,
    {NaiveDateTime, :utc_now} => :clock,
    {NaiveDateTime, :local_now} => :clock,
    {Calendar, :put_time_zone_database} => :effect,
    {Calendar, :get_time_zone_database} => :effect,
    {Inspect.Opts, :default_inspect_fun} => :effect,
    {Kernel, :send} => :effect,
    {Kernel, :spawn} => :effect,
    {Kernel, :spawn_link} => :effect,
    {Kernel, :spawn_monitor} => :effect,
    {Kernel, :exit} => :effect,
    {Kernel, :make_ref} => :random,
    {Kernel, :self} => :random,
    {Kernel, :node} => :random,
    {Kernel, :apply} => :evaluates,
    {Kernel.Utils, :announce_struct} => :effect,
    {Function, :info} => :code,
    {Function, :capture} => :evaluates,
    {Exception, :format_mfa} => :code,
    {Exception, :blame} => :code,
    {Exception, :blame_mfa} => :code,
    {Path, :wildcard} => :files,
    {Path, :safe_relative} => :files,
    {Path, :safe_relative_to} => :files,
    {Path, :absname} => :files,
    {Path, :expand} => :files,
    {:filename, :absname} => :files,
    {:filename, :find_src} => :files,
    {:filename, :find_file} => :files,
    {:filename, :find_source} => :files,
    {:filename, :safe_relative_path} => :files,
    {:filename, :basedir} => :files,
    {Record, :extract} => :files,
    {Record, :extract_all} => :files,
    {Stream, :resource} => :effect,
    {Stream, :timer} => :waits,
    {Stream, :interval} => :waits,
    {URI, :default_port} => :effect,
    {Module, :create} => :evaluates,
    {Module, :eval_quoted} => :evaluates,
    {Code, :_} => :evaluates,
    {Module, :_} => :table,
    {Kernel.Typespec, :_} => :table,
    {Protocol, :_} => :evaluates,
    {Version, :compile_requirement} => :table,
    {Regex, :recompile} => :code,
    {Regex, :recompile!} => :code,
    {Regex, :version} => :code,
    {:re, :internal_run} => :native,
    {:erl_eval, :_} => :evaluates,
    {:erl_parse, :parse_and_scan} => :evaluates,
    {:elixir_parser, :parse_and_scan} => :evaluates,
    {:io_lib, :write} => :grows,
    {:io_lib, :print} => :grows,
    {:elixir_aliases, :ensure_loaded} => :evaluates,
    {:elixir_env, :trace} => :evaluates,
    {:ms_transform, :format_error} => :effect,
    {:erl_features, :_} => :effect,
    {:erl_internal, :add_predefined_functions} => :evaluates,
    {Macro, :expand} => :evaluates,
    {Macro, :expand_once} => :evaluates,
    {Macro, :expand_literals} => :evaluates,
    {Macro, :struct_info!} => :evaluates,
    {Macro, :struct!} => :evaluates
  }

  @doc "Those of the modules that this release has."
  def modules do
    implementations =
      for protocol <- @implementations, type <- @implementors, do: Module.concat(protocol, type)

    Enum.filter(@erlang ++ @elixir ++ implementations, &(:code.which(&1) |> is_list()))
  end

  @doc "Their exported functions with at most four arguments, save those that are left out."
  def functions do
    for module <- modules(),
        {:module, ^module} = Code.ensure_loaded(module),
        {name, arity} <- Enum.sort(module.module_info(:exports)),
        arity <= 4,
        name not in [:module_info, :__info__],
        why(module, name) == nil,
        do: {module, name, arity}
  end

  @doc "Why a function is left out, or nil."
  def why(module, name), do: @reasons[@excluded[{module, name}] || @excluded[{module, :_}]]
end
