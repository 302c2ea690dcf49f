defmodule Mix.Tasks.Compile.BeamScopeNative do
  @shortdoc "Builds the native library"
  @moduledoc """
  Builds the native library with cargo and places it where the running system finds it.

  The library goes to `priv/native` of the *built* application (under `_build`), so that read-only sources work and
  `mix release` carries it. Cargo's own target directory lies under `_build` too.

  | variable | meaning |
  |---|---|
  | `BEAM_SCOPE_NIF_PATH` | a library built elsewhere; cargo is not called |
  | `BEAM_SCOPE_SKIP_NATIVE` | `1`: build and place nothing (for linters) |
  | `CARGO_BUILD_TARGET`, `CARGO_TARGET_DIR` | as cargo has them |
  """
  use Mix.Task.Compiler

  # The interface between library and BeamScope.Native: raise it here, in native.ex and in abi.rs together.
  @abi 8
  @manifest "compile.beam_scope_native"
  @root __DIR__

  @impl true
  def run(_args) do
    cond do
      System.get_env("BEAM_SCOPE_SKIP_NATIVE") == "1" -> {:noop, []}
      File.read(manifest()) == {:ok, fingerprint()} and placed() != [] -> {:noop, []}
      true -> build()
    end
  end

  @impl true
  def manifests, do: [manifest()]

  @impl true
  def clean do
    File.rm_rf!(native_dir())
    File.rm_rf!(target_dir())
    File.rm(manifest())
    :ok
  end

  defp build do
    stop_recordings()
    library = given_library() || cargo()
    place(library, read_library(library))
    File.mkdir_p!(Path.dirname(manifest()))
    File.write!(manifest(), fingerprint())
    {:ok, []}
  end

  # -- what to build from ---------------------------------------------------------------------------------------------

  defp given_library do
    case System.get_env("BEAM_SCOPE_NIF_PATH") do
      path when path in [nil, ""] -> nil
      path -> Path.expand(path)
    end
  end

  defp read_library(path) do
    content =
      case File.read(path) do
        {:ok, content} -> content
        {:error, reason} -> fail("the library #{path} cannot be read (#{:file.format_error(reason)})", [])
      end

    if :binary.match(content, "beam_scope_nif abi #{@abi};") == :nomatch do
      fail("the library #{path} belongs to another version of BeamScope", [
        "build it from the sources of this version: cargo build --release --manifest-path #{cargo_toml()}",
        "or unset BEAM_SCOPE_NIF_PATH, so that it is built here"
      ])
    end

    content
  end

  defp cargo do
    if match?({:win32, _}, :os.type()) do
      fail("the native library does not build on Windows yet", [
        "use WSL 2",
        "or set BEAM_SCOPE_NIF_PATH to a library built elsewhere"
      ])
    end

    cargo =
      System.find_executable("cargo") ||
        fail("cargo is not installed, and BeamScope's library is written in Rust", [
          "install Rust 1.91 or newer: https://rustup.rs",
          "or set BEAM_SCOPE_NIF_PATH to a library built elsewhere"
        ])

    args = ~w(build --release --locked --package beam_scope_nif --manifest-path) ++ [cargo_toml()]

    options = [
      into: IO.stream(:stdio, :line),
      stderr_to_stdout: true,
      env: [{"CARGO_TARGET_DIR", target_dir()}]
    ]

    # From its own directory, so that cargo reads the configuration that lies beside the sources.
    case System.cmd(cargo, args, [cd: Path.join(@root, "native")] ++ options) do
      {_, 0} ->
        built_library()

      {_, status} ->
        fail("cargo failed with status #{status}; its own words are above", [
          "BeamScope needs Rust 1.91 or newer and a C linker (cargo --version, cc --version)",
          "the first build fetches crates; later ones work offline"
        ])
    end
  end

  defp built_library do
    triple = System.get_env("CARGO_BUILD_TARGET")
    triple = if triple in [nil, ""], do: "", else: Path.basename(triple, ".json")
    release = Path.join([target_dir(), triple, "release"])

    # A `build.target` in the user's own cargo configuration moves the library too.
    [release, Path.join([target_dir(), "*", "release"])]
    |> Enum.flat_map(&Path.wildcard(Path.join(&1, "libbeam_scope_nif.{so,dylib}")))
    |> List.first() ||
      fail("cargo built no library under #{release}", ["is the crate type cdylib allowed for this target?"])
  end

  # -- where it goes --------------------------------------------------------------------------------------------------

  # A library that a running system has mapped is never written to: the new one has a name of its own (its content's
  # digest) and arrives by rename; only then the old names go.
  defp place(_library, content) do
    own_priv()
    File.mkdir_p!(native_dir())
    name = "beam_scope_nif-#{digest(content)}.so"
    target = Path.join(native_dir(), name)

    unless File.exists?(target) do
      temporary = "#{target}.#{System.pid()}"
      File.write!(temporary, content)
      File.chmod!(temporary, 0o755)
      File.rename!(temporary, target)
    end

    for old <- File.ls!(native_dir()), old != name, do: File.rm!(Path.join(native_dir(), old))
  end

  # Mix links `priv` of the built application to the sources. They may be read-only, or shared by several builds: the
  # library needs a directory of its own. Mix copies into a real directory what it would have linked.
  defp own_priv do
    priv = Path.join(Mix.Project.app_path(), "priv")

    if match?({:ok, _}, :file.read_link(priv)) do
      File.rm!(priv)
      source = Path.join(@root, "priv")
      if File.dir?(source), do: File.cp_r!(source, priv)
    end
  end

  defp placed, do: Path.wildcard(Path.join(native_dir(), "beam_scope_nif-*.so"))
  defp native_dir, do: Path.join([Mix.Project.app_path(), "priv", "native"])
  defp manifest, do: Path.join(Mix.Project.manifest_path(), @manifest)
  defp cargo_toml, do: Path.join([@root, "native", "Cargo.toml"])

  defp target_dir do
    case System.get_env("CARGO_TARGET_DIR") do
      # Cargo runs in another directory, so a relative MIX_BUILD_PATH must be made absolute here.
      dir when dir in [nil, ""] -> Path.expand(Path.join(Mix.Project.build_path(), "native"))
      dir -> Path.expand(dir)
    end
  end

  # -- when to build --------------------------------------------------------------------------------------------------

  # Asking cargo would cost a process at every `mix compile`. Names, times and sizes tell as much.
  defp fingerprint do
    sources =
      for pattern <- ["native/**/*.{rs,toml,lock}", "native/.cargo/*", "lib/beam_scope/native.ex"],
          path <- Path.wildcard(Path.join(@root, pattern), match_dot: true),
          not String.contains?(path, "/target/"),
          do: stamp(path)

    variables =
      Enum.map(~w(CARGO_BUILD_TARGET CARGO_TARGET_DIR RUSTFLAGS BEAM_SCOPE_NIF_PATH), &System.get_env/1)

    digest(:erlang.term_to_binary({@abi, sources, variables, given_library() && stamp(given_library())}))
  end

  defp stamp(path) do
    case File.stat(path, time: :posix) do
      {:ok, stat} -> {path, stat.size, stat.mtime}
      {:error, reason} -> {path, reason}
    end
  end

  defp digest(data), do: data |> :erlang.md5() |> Base.encode16(case: :lower)

  # `recompile` in IEx is about to replace the module that recordings run through: they end first, and the shell says so.
  # Called by name, since neither module exists when this file is read for the first time.
  defp stop_recordings do
    native = BeamScope.Native

    if :erlang.module_loaded(native) and function_exported?(native, :before_reload, 0) do
      case apply(native, :before_reload, []) do
        0 -> :ok
        n -> Mix.shell().info("BeamScope: its library changed, so #{n} running recording(s) were stopped")
      end
    end
  end

  defp fail(what, advice) do
    Mix.raise(Enum.join(["BeamScope: " <> what | Enum.map(advice, &("  - " <> &1))], "\n"))
  end
end

defmodule BeamScope.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :beam_scope,
      version: @version,
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      # Scripts that tests run, and benches.
      test_ignore_filters: [&String.starts_with?(&1, ["test/support/", "test/bench/"])],
      compilers: [:beam_scope_native] ++ Mix.compilers(),
      start_permanent: false,
      deps: []
    ]
  end

  # :runtime_tools and :inets are not needed; only what every release carries.
  def application, do: [extra_applications: [:logger]]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]
end
