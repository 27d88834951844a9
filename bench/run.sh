#!/usr/bin/env bash
# shoal beside other clients, downloading and uploading, interleaved. See bench/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

driver=${BENCH_DRIVER:-../shared/bench}
export BENCH_ROOT=${BENCH_ROOT:-$PWD/bench/.run}
runs=${RUNS:-5} only=${ONLY:-shoal,libtorrent-2.1.1,aria2} roles=${ROLES:-leech seed} gate=${GATE:-20}

fail() { printf 'bench: %s\n' "$*" >&2; exit 1; }
say() { printf '\n== %s\n' "$*"; }

[ -f "$driver/bench.py" ] || fail "no driver in $driver; BENCH_DRIVER names its folder"
driver=$(realpath "$driver")
mkdir -p "$BENCH_ROOT"/{logs,run,t,seed}
BENCH_ROOT=$(realpath "$BENCH_ROOT")

# Of what the driver's own setup installs, only what these runs need.
if [ ! -x "$BENCH_ROOT/btpeer" ]; then
  say 'Counterpart'
  command -v gcc >/dev/null || fail 'gcc is missing: apt-get install gcc libc6-dev'
  gcc -O2 -Wno-unused-result -o "$BENCH_ROOT/btpeer" "$driver/src/btpeer.c"
fi
# The driver makes its torrents with libtorrent, whoever takes part.
if [ ! -x "$BENCH_ROOT/lt21/bin/python" ]; then
  say 'libtorrent 2.1.1'
  python3 -m venv "$BENCH_ROOT/lt21"
  "$BENCH_ROOT/lt21/bin/pip" install --quiet --disable-pip-version-check libtorrent==2.1.1
fi
case ",$only," in
*,aria2,*) command -v aria2c >/dev/null || fail 'aria2 is missing: apt-get install aria2' ;;
esac

say 'shoal, release'
cargo build --release -p shoal
target=$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
cp -f "$target/release/shoal" "$BENCH_ROOT/shoal"

# What shoal remembers of an earlier run must not help it.
SHOAL_STATE_DIR=$BENCH_ROOT/state
export SHOAL_STATE_DIR
rm -rf "$SHOAL_STATE_DIR"

say 'Payload'
(cd "$driver" && PYTHONDONTWRITEBYTECODE=1 python3 bench.py gen)

for role in $roles; do
  say "Role $role, $runs runs of $only"
  (cd "$driver" && PYTHONDONTWRITEBYTECODE=1 python3 bench.py download --role "$role" \
    --counter ideal --runs "$runs" --only "$only" --gate "$gate" --nolimit)
done

say "Result at $(git rev-parse --short=12 HEAD)$(git diff --quiet HEAD || echo ', with changes'), $(nproc) cores"
python3 bench/table.py "$BENCH_ROOT/results.jsonl"
