#!/usr/bin/env bash
# Plants each bug of this folder in a copy of the workspace and expects the simulation to find it.
#
#   test/sim/planted/run.sh [seeds=300]
#
# One line a bug: its name, the seed that found it, what the world said. Fails if a bug stays
# unfound or no longer applies, or if the tree without any bug fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

readonly SEEDS=${1:-300}
readonly BUGS=$PWD/test/sim/planted
# One folder for all bugs, so that only what a bug changes is built again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/planted
readonly TREE=$CARGO_TARGET_DIR/tree
readonly LOG=$CARGO_TARGET_DIR/log
# The same seeds each time, so that the record in docs/testing.md can be repeated.
export SIM_SEEDS=$SEEDS SIM_FIRST_SEED=0 RUST_BACKTRACE=0
unset SIM_SEED

# Fresh times, not those of the originals: cargo would take a file that an interrupted run left
# changed for unchanged.
rm -rf "$TREE"
mkdir -p "$TREE"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar -c --null -T - | tar -xm -C "$TREE"
cd "$TREE"

# A bug that needs another world says so: a line `# test: adversaries` (`dht`, `lying_node`) above its patch.
world=swarms
build() { cargo test --quiet --locked -p shoal-sim --test "$world" --no-run >"$LOG" 2>&1; }
simulate() (
  # Its worlds are of a thousand nodes each.
  [ "$world" != dht ] || export SIM_SEEDS=$((SEEDS / 75 + 1))
  # A leak or an endless loop ends as a failure, not as a machine without memory.
  ulimit -v 3000000
  timeout --kill-after=10 600 cargo test --quiet --locked -p shoal-sim --test "$world" >"$LOG" 2>&1
)
fail() {
  tail -n 30 "$LOG" >&2
  printf '%s\n' "$1" >&2
  exit 1
}

for world in adversaries dht lying_node swarms; do
  build || fail 'the workspace does not build'
  simulate || fail 'the simulation fails without any planted bug'
done
printf '%-24s %-6s passes %s seeds\n' 'no bug' - "$SEEDS"

unfound=0
for bug in "$BUGS"/*.patch; do
  name=$(basename "$bug" .patch)
  world=$(sed -n 's/^# test: //p' "$bug")
  world=${world:-swarms}
  patch -p1 --fuzz=0 --quiet --no-backup-if-mismatch <"$bug" >"$LOG" 2>&1 ||
    fail "$name: this planted bug no longer applies; make it fit the sources"
  build || fail "$name: this planted bug no longer builds"
  status=0
  simulate || status=$?
  found=$(sed -n 's/^seed \([0-9]*\) failed: \(.*\)$/\1 \2/p' "$LOG" | head -n 1)
  if [ "$status" -ne 0 ] && [ -n "$found" ]; then
    printf '%-24s %-6s %.160s\n' "$name" "${found%% *}" "${found#* }"
  else
    printf '%-24s %-6s %s\n' "$name" - "NOT FOUND in $SEEDS seeds (status $status)"
    unfound=$((unfound + 1))
  fi
  patch -p1 --reverse --fuzz=0 --quiet --no-backup-if-mismatch <"$bug"
done
[ "$unfound" -eq 0 ] || { printf '%s\n' "$unfound planted bugs stay unfound" >&2; exit 1; }
