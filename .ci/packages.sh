# The Debian packages that building, trying and testing need, and how they are installed.
# Sourced by ./quickstart and ./check, which have `set -euo pipefail`.
# shellcheck shell=bash disable=SC2034

build_packages=(
  ccache cmake doctest-dev g++ libcli11-dev libevent-dev libfmt-dev libsasl2-dev libssl-dev
  libtomlplusplus-dev ninja-build nlohmann-json3-dev pkg-config
)
# To run mcgate before a memcached and talk to it. libsasl2-modules holds SCRAM and PLAIN.
demo_packages=(libsasl2-modules memcached openssl python3 python3-pymemcache)
# clang-14, the default of Debian 12, cannot read the std::expected of libstdc++ 12.
test_packages=(
  clang-19 clang-format-19 clang-tidy-19 haproxy iproute2 libclang-rt-19-dev libmemcached-tools php-cli php-memcached
  python3-binary-memcached python3-cryptography python3-openssl python3-pylibmc sasl2-bin valgrind
)
# What tests/bench sets mcgate beside, and draws with.
bench_packages=(haproxy memcached nutcracker openssl python3-matplotlib stunnel4)

# die SENTENCE...: says it and ends the script.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs a command with its output in LOG, whose end is shown if it fails.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 && return
  tail -n 30 "$log" >&2
  return 1
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=120 "$@"
}

# install_missing PACKAGE...: installs those that are not there. The package lists are fetched only if apt
# cannot do with those it has.
install_missing() {
  local package missing=() as_root=() log
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die "this needs Debian's package manager (apt-get and dpkg-query), which is not here." \
      "See README.md for what to install by other means, and build with: cmake --preset release"
  fi
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "these packages are missing, and installing them needs root or sudo: ${missing[*]}"
    as_root=(sudo)
    [[ ${CI:-} == true ]] && as_root+=(-n)
    "${as_root[@]}" true || die "sudo refused; as root, run: apt-get install ${missing[*]}"
  fi

  echo "Installing: ${missing[*]}"
  log=$(mktemp)
  if ! apt_get install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    if ! { apt_get update && apt_get install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
      tail -n 15 "$log" >&2
      rm -f "$log"
      die "apt-get could not install: ${missing[*]}"
    fi
  fi
  rm -f "$log"

  # Debian starts a memcached of its own when the package comes in. Nobody asked for that one.
  if [[ " ${missing[*]} " == *" memcached "* && -d /run/systemd/system ]]; then
    "${as_root[@]}" systemctl disable --now --quiet memcached || true
  fi
}
