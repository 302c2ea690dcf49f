defmodule BeamScope.Packaging.ProjectsTest do
  # BeamScope as others have it: a dependency of projects that lie somewhere else. Each project is built and run by
  # its own `mix`, without Hex, on the release that runs this suite.
  use ExUnit.Case, async: false

  @moduletag :packaging
  @moduletag timeout: 20 * 60_000

  @root Path.expand("../..", __DIR__)

  # Records an Agent and prints the last count, so that the library, the recorder and the store have all worked.
  @use_it """
  {:ok, agent} = Agent.start_link(fn -> %{count: 0} end, name: ScratchCounter)
  {_, rec} = BeamScope.record([trace: ScratchCounter], fn ->
    Agent.update(agent, &%{&1 | count: &1.count + 1})
  end)
  {:ok, found} = BeamScope.find_state(rec, ScratchCounter, %{count: 1})
  IO.puts("found " <> inspect(found.to))
  """
  @found "found %{count: 1}\n"

  setup_all do
    dir = Path.join(System.tmp_dir!(), "beam_scope_projects_#{System.pid()}")
    File.rm_rf!(dir)
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)

    # The sources as they would be checked out, and cargo's work shared, so that not every project compiles every crate.
    sources = copy_sources(Path.join(dir, "beam_scope"))
    target = System.get_env("CARGO_TARGET_DIR") || Path.join(dir, "cargo")
    %{dir: dir, sources: sources, target: target}
  end

  test "a path dependency", %{dir: dir, sources: sources, target: target} do
    app = project(dir, "path_app", ~s({:beam_scope, path: "#{sources}"}))
    assert mix(app, ["run", "-e", @use_it], cargo: target) =~ @found
  end

  test "a git dependency", %{dir: dir, sources: sources, target: target} do
    repository = Path.join(dir, "repository")
    File.cp_r!(sources, repository)
    git(repository, ~w(init -q))
    git(repository, ~w(add -A))
    git(repository, ~w(-c user.name=t -c user.email=t@localhost commit -qm all))

    app = project(dir, "git_app", ~s({:beam_scope, git: "file://#{repository}"}))
    mix(app, ["deps.get"], cargo: target)
    assert mix(app, ["run", "-e", @use_it], cargo: target) =~ @found
  end

  test "an umbrella whose sources are read-only; all that is built lies under _build", %{
    dir: dir,
    sources: sources
  } do
    read_only = Path.join(dir, "read_only")
    File.cp_r!(sources, read_only)
    {_, 0} = System.cmd("chmod", ["-R", "a-w", read_only])
    on_exit(fn -> System.cmd("chmod", ["-R", "u+w", read_only]) end)
    before = listing(read_only)

    umbrella = Path.join(dir, "umbrella")
    write(umbrella, "mix.exs", umbrella_file())

    app =
      project(Path.join(umbrella, "apps"), "part", ~s({:beam_scope, path: "#{read_only}"}), umbrella_paths())

    assert mix(umbrella, ["run", "-e", @use_it]) =~ @found
    # Root may write anywhere: what counts is that nothing was.
    assert listing(read_only) == before
    assert File.dir?(Path.join(umbrella, "_build/dev/native/release"))
    refute File.exists?(Path.join(app, "_build"))
  end

  test "marks in the source come and go with `config :beam_scope, inline:`", %{
    dir: dir,
    sources: sources,
    target: target
  } do
    app = project(dir, "marked_app", ~s({:beam_scope, path: "#{sources}"}))

    write(app, "lib/marked.ex", """
    defmodule Marked do
      require BeamScope
      def run(x), do: {BeamScope.line(:here), x}
    end
    """)

    ask = """
    {_, rec} = BeamScope.record([], fn -> {:ok, 1} = Marked.run(1) end)
    IO.puts("marks " <> inspect(for mark <- BeamScope.events(rec, kind: :mark), do: mark.variables))
    """

    assert mix(app, ["run", "-e", ask], cargo: target) =~ "marks [[x: 1]]\n"
    write(app, "config/config.exs", "import Config\nconfig :beam_scope, inline: false\n")
    assert mix(app, ["run", "-e", ask], cargo: target) =~ "marks []\n"
  end

  test "a release, started from another directory", %{dir: dir, sources: sources, target: target} do
    app = project(dir, "release_app", ~s({:beam_scope, path: "#{sources}"}))
    mix(app, ["release", "--quiet"], cargo: target, env: [{"MIX_ENV", "prod"}])

    # The library is the release's own: neither the project nor the sources are asked.
    File.rename!(Path.join(app, "_build/prod/rel/release_app"), Path.join(dir, "moved"))
    File.rm_rf!(app)
    start = "{:ok, _} = Application.ensure_all_started(:beam_scope)\n" <> @use_it

    {text, status} =
      System.cmd(Path.join(dir, "moved/bin/release_app"), ["eval", start],
        cd: "/",
        env: clean_env(),
        stderr_to_stdout: true
      )

    assert {status, text =~ @found, text} == {0, true, text}
  end

  describe "without cargo" do
    setup %{dir: dir} do
      bin = Path.join(dir, "no_cargo_bin")
      File.rm_rf!(bin)
      File.mkdir_p!(bin)

      for path <- String.split(System.get_env("PATH"), ":") |> Enum.reverse(),
          name <- ls(path),
          name not in ~w(cargo rustc rustup) do
        link = Path.join(bin, name)
        File.rm(link)
        File.ln_s!(Path.join(path, name), link)
      end

      %{path: [{"PATH", bin}]}
    end

    test "the error says what to do", %{dir: dir, sources: sources, path: path} do
      app = project(dir, "no_cargo_app", ~s({:beam_scope, path: "#{sources}"}))
      {text, status} = try_mix(app, ["compile"], env: path)
      assert status != 0
      assert text =~ "cargo is not installed"
      assert text =~ "rustup.rs"
      assert text =~ "BEAM_SCOPE_NIF_PATH"
    end

    test "BEAM_SCOPE_NIF_PATH takes a library built elsewhere",
         %{dir: dir, sources: sources, path: path} = context do
      maker = project(dir, "maker_app", ~s({:beam_scope, path: "#{sources}"}))
      mix(maker, ["compile"], cargo: context.target)
      [library | _] = Path.wildcard(Path.join(context.target, "release/libbeam_scope_nif.{so,dylib}"))

      app = project(dir, "given_app", ~s({:beam_scope, path: "#{sources}"}))
      assert mix(app, ["run", "-e", @use_it], env: [{"BEAM_SCOPE_NIF_PATH", library} | path]) =~ @found
    end

    test "a library of another version is refused by name", %{dir: dir, sources: sources, path: path} do
      library = Path.join(dir, "foreign.so")
      File.write!(library, "another library")
      app = project(dir, "foreign_app", ~s({:beam_scope, path: "#{sources}"}))
      {text, status} = try_mix(app, ["compile"], env: [{"BEAM_SCOPE_NIF_PATH", library} | path])
      assert status != 0
      assert text =~ "belongs to another version of BeamScope"
    end
  end

  # Projects

  defp project(dir, name, dependency, paths \\ "") do
    app = Path.join(dir, name)
    module = Macro.camelize(name)

    write(app, "mix.exs", """
    defmodule #{module}.MixProject do
      use Mix.Project

      def project, do: [app: :#{name}, version: "1.0.0", elixir: "~> 1.14", #{paths}deps: [#{dependency}]]
      def application, do: [extra_applications: [:logger]]
    end
    """)

    write(app, "lib/#{name}.ex", "defmodule #{module} do\nend\n")
    app
  end

  defp umbrella_file do
    """
    defmodule Umbrella.MixProject do
      use Mix.Project

      def project, do: [apps_path: "apps", version: "1.0.0", deps: []]
    end
    """
  end

  defp umbrella_paths do
    ~s(build_path: "../../_build", deps_path: "../../deps", lockfile: "../../mix.lock", )
  end

  defp write(dir, name, text) do
    path = Path.join(dir, name)
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, text)
  end

  defp copy_sources(to) do
    {list, 0} = System.cmd("git", ~w(ls-files -z --cached --others --exclude-standard), cd: @root)

    for name <- String.split(list, "\0", trim: true), File.regular?(Path.join(@root, name)) do
      File.mkdir_p!(Path.dirname(Path.join(to, name)))
      File.cp!(Path.join(@root, name), Path.join(to, name))
    end

    to
  end

  defp listing(dir) do
    for path <- Path.wildcard(Path.join(dir, "**"), match_dot: true), do: {path, File.lstat!(path).mtime}
  end

  # Running things

  defp mix(dir, args, opts \\ []) do
    {text, status} = try_mix(dir, args, opts)
    if status != 0, do: flunk("mix #{hd(args)} in #{Path.basename(dir)} ended with #{status}:\n#{text}")
    text
  end

  defp try_mix(dir, args, opts) do
    env = clean_env() ++ [{"CARGO_TARGET_DIR", opts[:cargo]}] ++ Keyword.get(opts, :env, [])
    System.cmd("mix", args, cd: dir, env: env, stderr_to_stdout: true)
  end

  defp clean_env do
    for name <-
          ~w(MIX_ENV MIX_BUILD_PATH MIX_TARGET BEAM_SCOPE_SKIP_NATIVE BEAM_SCOPE_NIF_PATH BEAM_SCOPE_PROFILE),
        do: {name, nil}
  end

  defp git(dir, args), do: {_, 0} = System.cmd("git", args, cd: dir, stderr_to_stdout: true)

  defp ls(path) do
    case File.ls(path) do
      {:ok, names} -> names
      {:error, _} -> []
    end
  end
end
