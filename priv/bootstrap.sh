#!/bin/sh
# sh priv/bootstrap.sh CMD… — makes sure that what BeamScope is built with is there, then becomes CMD.
#
#   sh priv/bootstrap.sh mix test
#
# Erlang/OTP, Elixir and a C linker are installed with apt where they are missing (as root, or with sudo). On a
# system without apt it says what to install and exits 1. Rust is never installed, only brought up to date where
# rustup is: how one gets Rust is one's own choice. With everything there it costs a few tenths of a second.
set -eu

least_rust=1.91
least_elixir=1.14
least_otp=25

# elixir's own dependencies, and: runtime_tools (dbg, which the bench compares with), ssl and inets (the demo's web
# server and its client), gcc with libc6-dev (rustc calls `cc` to link). Neither erlang-dev nor headers are needed.
packages="elixir erlang-base erlang-crypto erlang-inets erlang-parsetools erlang-public-key erlang-runtime-tools
  erlang-ssl erlang-tools gcc libc6-dev"

say() { printf 'bootstrap: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# at_least 1.91 1.95.0: is the second at least the first? Looks at major and minor only.
at_least() {
  want_major=${1%%.*} want_rest=${1#*.} got_major=${2%%.*} got_rest=${2#*.}
  want_minor=${want_rest%%[!0-9]*} got_minor=${got_rest%%[!0-9]*}
  [ "$got_major" -gt "$want_major" ] || { [ "$got_major" -eq "$want_major" ] && [ "$got_minor" -ge "$want_minor" ]; }
}

# The version of cargo's toolchain, or nothing. `rustc 1.95.0-nightly (…)` and the like are all "rustc VERSION …".
rust_version() {
  rust_line=$(rustc --version 2>/dev/null) && cargo --version >/dev/null 2>&1 || return 0
  rust_line=${rust_line#rustc }
  printf '%s' "${rust_line%% *}"
}

rust_is_good() {
  rust=$(rust_version)
  case $rust in [0-9]*.[0-9]*) at_least "$least_rust" "$rust" ;; *) return 1 ;; esac
}

need_rust() {
  # A shell that has not read rustup's profile line since rustup was installed.
  if ! have cargo && [ -x "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin/cargo" ]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    export PATH
  fi
  rust_is_good && return
  had=${rust:-none}
  if have rustup; then
    say "Rust $least_rust or newer is needed, found: $had. Running: rustup update stable"
    rustup update stable >&2 || say "rustup could not update the stable toolchain"
    rust_is_good && return
    # A default or a directory override names an older toolchain: that choice stays, this command alone goes past it.
    RUSTUP_TOOLCHAIN=stable
    export RUSTUP_TOOLCHAIN
    rust_is_good && return
  fi
  fail "Rust $least_rust or newer is needed, found: $had." \
    "Get it from https://rustup.rs and run 'rustup update stable', or install rustc and cargo $least_rust or newer" \
    "from your system's packages; then run this again."
}

linker_is_good() {
  have cc || return 1
  # A gcc without the C library's start files cannot link anything.
  [ "$(uname -s)" != Linux ] || case $(cc -print-file-name=crt1.o 2>/dev/null) in /*) ;; *) return 1 ;; esac
}

# One start of Elixir answers for Erlang, for the applications around it and for Elixir's own version.
elixir_is_good() {
  have erl && have mix && have elixir || return 1
  elixir_version=$(elixir -e '
    apps = [:compiler, :crypto, :inets, :parsetools, :public_key, :runtime_tools, :ssl, :tools, :ex_unit, :mix]
    otp = System.otp_release()
    case Enum.filter(apps, &(:code.lib_dir(&1) == {:error, :bad_name})) do
      [] when otp >= "'$least_otp'" -> IO.write(System.version())
      [] -> IO.write(:stderr, "bootstrap: Erlang/OTP #{otp} is too old\n")
      missing -> IO.write(:stderr, "bootstrap: Erlang/OTP #{otp} lacks #{Enum.join(missing, ", ")}\n")
    end' </dev/null) || return 1
  [ -n "$elixir_version" ] && at_least "$least_elixir" "$elixir_version"
}

need_beam() {
  linker=yes beam=yes
  linker_is_good || linker=no
  elixir_is_good || beam=no
  [ "$linker$beam" != yesyes ] || return 0
  if ! have apt-get; then
    [ "$linker" = yes ] || say "missing: a C linker (cc, with the C library's development files)"
    [ "$beam" = yes ] || say "missing: Elixir $least_elixir or newer on Erlang/OTP $least_otp or newer, with crypto, inets," \
      "public_key, runtime_tools, ssl and tools (brew install elixir; dnf install elixir erlang; pacman -S elixir;" \
      "or asdf and mise)"
    exit 1
  fi
  package_line=$(printf '%s' "$packages" | tr -s '\n ' ' ')
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || fail "as root, run: apt-get install $package_line"
    as_root=sudo
  fi
  say "installing Erlang/OTP, Elixir and a C linker with apt (a minute or two)"
  apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300"
  # shellcheck disable=SC2086 # both are lists of words
  { $apt update && $apt install -y --no-install-recommends $packages; } </dev/null >&2 ||
    fail "apt could not install them. Run it yourself and see why: apt-get install $package_line"
  hash -r
  linker_is_good || fail "cc still cannot link: are gcc and libc6-dev installed, and is cc the one from there?"
  elixir_is_good || fail "Elixir $least_elixir or newer on Erlang/OTP $least_otp or newer is needed, found: ${elixir_version:-none}." \
    "This system's packages are too old: install Elixir from https://elixir-lang.org/install.html"
}

[ $# -gt 0 ] || fail "usage: sh priv/bootstrap.sh CMD…   for example: sh priv/bootstrap.sh mix test"

# Elixir warns, and prints badly, when the terminal's encoding is not UTF-8 (a bare container has none).
[ "$(locale charmap 2>/dev/null)" = UTF-8 ] || { LC_ALL=C.UTF-8; export LC_ALL; }

need_rust
need_beam
exec "$@"
