#!/usr/bin/env bash
# Installs, once, what the tests need beside a Rust toolchain: other people's BitTorrent clients and
# nodes of the DHT, and the tools that check the repository. Everything but the Debian packages lands
# in .local/, which git ignores. Quick when all is there: a stamp file holds a digest of this script
# and of what it builds.
#
#   test/setup/peers.sh            install what is missing
#   test/setup/peers.sh --check    only say what is missing; exit 1 if anything is
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly LIBTORRENT=2.1.1
readonly TORF=4.3.1
readonly CARGO_DENY=0.20.2
readonly CARGO_FUZZ=0.13.2
# command:package
readonly DEBIAN=(
  transmission-daemon:transmission-daemon
  transmission-remote:transmission-cli
  aria2c:aria2
  mktorrent:mktorrent
  opentracker:opentracker
  rtorrent:rtorrent
  openssl:openssl
  tmux:tmux
  ip:iproute2
  setpriv:util-linux
  unshare:util-linux
  strace:strace
  miniupnpd:miniupnpd-nftables
  nft:nftables
  node:nodejs
  npm:npm
)
# Nodes of the DHT. Their lock files pin them and all they depend on.
readonly NPM=test/interop/peers/npm
# What compiles the contracts, and another chain to run them on. Likewise.
readonly CONTRACTS=contracts
readonly MAINLINE=test/interop/peers/mainline

local_dir=$PWD/.local
stamp=$local_dir/peers.stamp
venv=$local_dir/venv
tools=$local_dir

say() { printf 'setup: %s\n' "$*"; }

missing_packages() {
  local entry
  for entry in "${DEBIAN[@]}"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null || echo "${entry#*:}"
  done
}

has_libtorrent() {
  local version
  version=$("$venv/bin/python" -c 'import libtorrent; print(libtorrent.__version__)' 2>/dev/null) \
    && [ "${version#"$LIBTORRENT"}" != "$version" ]
}

has_torf() {
  [ "$("$venv/bin/python" -c 'import torf; print(torf.__version__)' 2>/dev/null)" = "$TORF" ]
}

has_tool() { # name version
  [ -x "$tools/bin/$1" ] && grep -q "\"$1 $2 " "$tools/.crates2.json" 2>/dev/null
}

npm_digest() { sha256sum "$1/package-lock.json" | cut -c1-64; } # folder with the lock file

has_npm() { # its folder in .local, folder with the lock file
  [ "$(cat "$local_dir/$1/digest" 2>/dev/null)" = "$(npm_digest "$2")" ]
}

mainline_digest() { sha256sum "$MAINLINE"/Cargo.* "$MAINLINE"/src/* | sha256sum | cut -c1-64; }

has_mainline() {
  [ -x "$tools/bin/dht-mainline" ] \
    && [ "$(cat "$local_dir/dht-mainline.digest" 2>/dev/null)" = "$(mainline_digest)" ]
}

install_npm() { # its folder in .local, folder with the lock file
  rm -rf "${local_dir:?}/$1"
  mkdir -p "$local_dir/$1"
  cp "$2"/package*.json "$local_dir/$1/"
  (cd "$local_dir/$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
  npm_digest "$2" >"$local_dir/$1/digest"
}

install_mainline() {
  cargo build --quiet --locked --manifest-path "$MAINLINE/Cargo.toml" --target-dir "$1"
  mkdir -p "$tools/bin"
  cp -f "$1/debug/dht-mainline" "$tools/bin/"
  mainline_digest >"$local_dir/dht-mainline.digest"
}

install_packages() {
  local policy=/usr/sbin/policy-rc.d ours=no failed=0
  say "apt packages: $*"
  # Some of these packages start a service as they are installed: exit status 101 forbids it.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    ours=yes
  fi
  {
    apt-get update -qq \
      && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
  } >"$local_dir/apt.log" 2>&1 </dev/null || failed=$?
  [ "$ours" = no ] || rm -f "$policy"
  if [ "$failed" != 0 ]; then
    tail -n 20 "$local_dir/apt.log" >&2
    say "apt-get failed with status $failed" >&2
    exit 1
  fi
}

main() {
  mkdir -p "$local_dir"
  local digest packages
  digest=$({
    sha256sum test/setup/peers.sh
    npm_digest "$NPM"
    npm_digest "$CONTRACTS"
    mainline_digest
  } | sha256sum | cut -c1-64)
  mapfile -t packages < <(missing_packages)

  if [ "${1:-}" = --check ]; then
    local complete=0
    [ "${#packages[@]}" = 0 ] || { say "missing Debian packages: ${packages[*]}"; complete=1; }
    has_libtorrent || { say "missing: libtorrent $LIBTORRENT in .local/venv"; complete=1; }
    has_torf || { say "missing: torf $TORF in .local/venv"; complete=1; }
    has_tool cargo-deny "$CARGO_DENY" || { say "missing: cargo-deny $CARGO_DENY in .local/bin"; complete=1; }
    has_tool cargo-fuzz "$CARGO_FUZZ" || { say "missing: cargo-fuzz $CARGO_FUZZ in .local/bin"; complete=1; }
    has_npm npm "$NPM" || { say "missing: npm packages in .local/npm"; complete=1; }
    has_npm contracts "$CONTRACTS" || { say "missing: npm packages in .local/contracts"; complete=1; }
    has_mainline || { say "missing: the node of crate mainline in .local/bin"; complete=1; }
    return "$complete"
  fi

  if [ "${#packages[@]}" = 0 ] && [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && [ -x "$venv/bin/python" ] \
    && has_npm npm "$NPM" && has_npm contracts "$CONTRACTS"; then
    say "everything is there"
    return
  fi

  if [ "${#packages[@]}" != 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      say "these programs are missing and only root may install them:" >&2
      say "    sudo apt-get install --no-install-recommends ${packages[*]}" >&2
      say "(the packages start services of their own; stop those, the tests run their own)" >&2
      exit 1
    fi
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" = 0 ] || { say "still missing after apt-get: ${packages[*]}" >&2; exit 1; }
  fi

  if ! has_libtorrent; then
    say "Python environment with libtorrent $LIBTORRENT in .local/venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || { say "python3 has no venv module: install python3-venv" >&2; exit 1; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check "libtorrent==$LIBTORRENT"
    has_libtorrent || { say "libtorrent does not load from .local/venv" >&2; exit 1; }
  fi
  if ! has_torf; then
    say "torf $TORF in .local/venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "torf==$TORF"
    has_torf || { say "torf does not load from .local/venv" >&2; exit 1; }
  fi

  has_npm npm "$NPM" || { say 'npm packages in .local/npm'; install_npm npm "$NPM"; }
  has_npm contracts "$CONTRACTS" || { say 'npm packages in .local/contracts'; install_npm contracts "$CONTRACTS"; }

  local target=$local_dir/tool-target tool version entry
  has_mainline || { say 'a node of crate mainline in .local/bin'; install_mainline "$target"; }
  for entry in "cargo-fuzz $CARGO_FUZZ" "cargo-deny $CARGO_DENY"; do
    read -r tool version <<<"$entry"
    has_tool "$tool" "$version" && continue
    say "$tool $version in .local/bin (a few minutes, once)"
    cargo install --quiet --locked --root "$tools" --target-dir "$target" "$tool@$version"
  done
  rm -rf "$target"
  echo "$digest" >"$stamp"
  say "done"
}

main "$@"
