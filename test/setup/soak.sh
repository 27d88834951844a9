#!/usr/bin/env bash
# The full counts: simulated swarms, fuzz targets, line coverage of the decoders. Takes hours.
# Its record (commit, date, figures) replaces the last section of docs/testing.md.
#
#   SIM_SEEDS=200 test/setup/soak.sh    fewer swarms per simulation test than the usual 2,000
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly HEADING='## Soak record'
export SIM_SEEDS=${SIM_SEEDS:-2000}
export SIM_FIRST_SEED=${SIM_FIRST_SEED:-$(date +%s)000}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
commit=$(git rev-parse --short=12 HEAD)
git diff --quiet HEAD || commit="$commit, with changes"

part() { printf '\n== %s\n' "$1"; }

part "Simulation: $SIM_SEEDS seeds a test from $SIM_FIRST_SEED"
cargo test -p shoal-sim -- --nocapture 2>&1 | tee "$log.sim"
simulation=$(sed -n 's/^test result: ok\. \([1-9][0-9]*\) passed.* finished in \(.*\)$/\1 tests in \2/p' "$log.sim")
rm -f "$log.sim"

part 'Fuzzing: 10,000,000 runs a target'
test/fuzz/run.sh soak | tee "$log"
fuzzing=$(sed -n 's/^fuzz /- /p' "$log")

part 'Line coverage of the decoders'
test/fuzz/coverage.sh | tee "$log"
coverage=$(sed 's/^/    /' "$log")

text=
[ ! -e docs/testing.md ] || text=$(sed "/^$HEADING\$/,\$d" docs/testing.md)
cat >docs/testing.md <<TEXT
$text

$HEADING

By \`make soak\` at $commit, $(date -u +%F), $(nproc) cores.

Simulation, $SIM_SEEDS seeds a test from $SIM_FIRST_SEED:

$(sed 's/^/- /' <<<"$simulation")

Fuzzing:

$fuzzing

Lines that unit tests and fuzz seeds reach:

$coverage
TEXT
printf '\nwritten to docs/testing.md\n'
