defmodule BeamScope.Packaging.BootstrapTest do
  # Runs priv/bootstrap.sh on machines made of a PATH: a directory with links to what such a machine has, and small
  # scripts in the place of what it would call.
  use ExUnit.Case, async: true

  @script Path.expand("../../priv/bootstrap.sh", __DIR__)
  @basics ~w(sh true echo env id uname locale tr cat dirname sed readlink basename)

  setup do
    bin = Path.join(System.tmp_dir!(), "beam_scope_boot_#{System.unique_integer([:positive])}")
    File.mkdir_p!(bin)
    on_exit(fn -> File.rm_rf!(bin) end)
    for name <- @basics, path = System.find_executable(name), do: File.ln_s!(path, Path.join(bin, name))
    %{bin: bin}
  end

  describe "with everything there" do
    setup :everything

    test "the command gets its arguments as they were, and its status is the answer", %{bin: bin} do
      assert {"[a b][c]\n", 7} =
               boot(bin, ["sh", "-c", ~S(printf '[%s]' "$@"; echo; exit 7), "x", "a b", "c"])
    end

    test "nothing is said and nothing is installed", %{bin: bin} do
      script(bin, "apt-get", "echo apt-get was called; exit 1")
      assert {"done\n", 0} = boot(bin, ["echo", "done"])
    end

    test "the command sees an encoding in which Elixir does not complain", %{bin: bin} do
      assert {"UTF-8\n", 0} = boot(bin, ["locale", "charmap"], [{"LC_ALL", "C"}])
    end

    test "without a command it says how it is used", %{bin: bin} do
      assert {text, 1} = boot(bin, [])
      assert text =~ "usage: sh priv/bootstrap.sh"
    end
  end

  describe "Rust" do
    setup :everything

    test "missing: says which version and where to get it", %{bin: bin} do
      File.rm!(Path.join(bin, "cargo"))
      File.rm!(Path.join(bin, "rustc"))
      {us, answer} = :timer.tc(fn -> boot(bin, ["true"]) end)
      assert {text, 1} = answer
      assert text =~ "Rust 1.91 or newer is needed, found: none"
      assert text =~ "rustup.rs"
      assert us < 1_000_000
    end

    test "too old, no rustup: says so", %{bin: bin} do
      rust(bin, "1.63.0")
      assert {text, 1} = boot(bin, ["true"])
      assert text =~ "found: 1.63.0"
    end

    test "too old, with rustup: is updated", %{bin: bin} do
      rust(bin, "1.90.0")
      script(bin, "rustup", ~s{[ "$*" = "update stable" ] && echo 'echo "rustc 1.95.0 (x)"' >"#{bin}/rustc"})
      assert {text, 0} = boot(bin, ["echo", "done"])
      assert text =~ "done\n"
    end

    test "too old by the user's own default: stable is used for this command alone", %{bin: bin} do
      script(
        bin,
        "rustc",
        ~s/[ "$RUSTUP_TOOLCHAIN" = stable ] && echo "rustc 1.92.0 (x)" || echo "rustc 1.80.1 (x)"/
      )

      script(bin, "rustup", "exit 0")
      assert {text, 0} = boot(bin, ["sh", "-c", "echo uses $RUSTUP_TOOLCHAIN"])
      assert text =~ "uses stable"
    end

    test "too old, and rustup cannot help: says so", %{bin: bin} do
      rust(bin, "1.90.0")
      script(bin, "rustup", "echo no network; exit 1")
      assert {text, 1} = boot(bin, ["true"])
      assert text =~ "found: 1.90.0"
    end

    test "versions are compared as numbers", %{bin: bin} do
      for {version, status} <- [{"1.100.0", 0}, {"2.0.0", 0}, {"1.91.0-nightly", 0}, {"1.9.0", 1}] do
        rust(bin, version)
        {_text, got} = boot(bin, ["true"])
        assert {version, got} == {version, status}
      end
    end
  end

  describe "Erlang and Elixir" do
    setup :everything

    test "missing without apt: says what to install", %{bin: bin} do
      forget_elixir(bin)
      assert {text, 1} = boot(bin, ["true"])
      assert text =~ "missing: Elixir 1.14 or newer on Erlang/OTP 25 or newer"
    end

    test "missing with apt, as root: installs and runs the command", %{bin: bin} do
      forget_elixir(bin)
      script(bin, "id", "echo 0")
      log = Path.join(bin, "apt.log")
      ln = System.find_executable("ln")
      links = for name <- ~w(erl mix elixir), do: "#{ln} -sf #{System.find_executable(name)} #{bin}/#{name}\n"
      script(bin, "apt-get", ~s{echo "$@" >>#{log}\ncase "$*" in *update*) exit;; esac\n#{links}})

      assert {text, 0} = boot(bin, ["echo", "done"])
      assert text =~ "done\n"
      assert [update, install] = log |> File.read!() |> String.split("\n", trim: true)
      assert update =~ "update"
      assert install =~ ~r/install -y .*elixir .*erlang-inets .*erlang-runtime-tools .*gcc libc6-dev/
    end

    test "missing with apt, not root and without sudo: says the command", %{bin: bin} do
      forget_elixir(bin)
      script(bin, "id", "echo 1000")
      script(bin, "apt-get", "exit 1")
      assert {text, 1} = boot(bin, ["true"])
      assert text =~ "as root, run: apt-get install elixir"
    end

    test "the packages are too old: says so after installing", %{bin: bin} do
      script(bin, "elixir", "printf 1.12.2")
      script(bin, "id", "echo 0")
      script(bin, "apt-get", "exit 0")
      assert {text, 1} = boot(bin, ["true"])
      assert text =~ "Elixir 1.14 or newer on Erlang/OTP 25 or newer is needed, found: 1.12.2"
    end

    test "a C linker is missing: it is named", %{bin: bin} do
      File.rm!(Path.join(bin, "cc"))
      assert {text, 1} = boot(bin, ["true"])
      assert text =~ "missing: a C linker"
    end
  end

  # A machine's PATH with all that the script looks for; Rust and the linker are stand-ins, Elixir is real.
  defp everything(%{bin: bin}) do
    rust(bin, "1.95.0")
    script(bin, "cc", "echo /usr/lib/crt1.o")
    for name <- ~w(erl mix elixir), do: File.ln_s!(System.find_executable(name), Path.join(bin, name))
    :ok
  end

  defp rust(bin, version) do
    script(bin, "rustc", ~s{echo "rustc #{version} (0123abc 2025-01-01)"})
    script(bin, "cargo", ~s(echo "cargo #{version}"))
  end

  defp forget_elixir(bin), do: for(name <- ~w(erl mix elixir), do: File.rm!(Path.join(bin, name)))

  defp script(bin, name, body) do
    path = Path.join(bin, name)
    File.rm(path)
    File.write!(path, "#!#{System.find_executable("sh")}\n#{body}\n")
    File.chmod!(path, 0o755)
  end

  defp boot(bin, command, env \\ []) do
    env = [{"PATH", bin}, {"HOME", bin}, {"CARGO_HOME", bin}, {"RUSTUP_TOOLCHAIN", nil}] ++ env
    System.cmd(Path.join(bin, "sh"), [@script | command], env: env, stderr_to_stdout: true)
  end
end
