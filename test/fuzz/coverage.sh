#!/usr/bin/env bash
# Line coverage of the decoders by their unit tests and the fuzz seeds together; fails below
# 95 % of the lines of any of them. Needs llvm-profdata and llvm-cov of the compiler's LLVM
# version: `apt install llvm-NN`, NN as in `rustc -vV`.
set -euo pipefail
cd "$(dirname "$0")"
repo=$(cd ../.. && pwd)
version=$(cd "$repo" && rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
profdata=$(command -v "llvm-profdata-$version") || { echo "apt install llvm-$version" >&2; exit 2; }
cov=$(command -v "llvm-cov-$version")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Own target folder, so that the instrumented build evicts nothing.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$repo/target}/coverage"
export LLVM_PROFILE_FILE="$scratch/%p-%m.profraw"

# The tests; unoptimised, so that lines are not merged.
binary=$(cd "$repo" && CARGO_PROFILE_DEV_OPT_LEVEL=1 RUSTFLAGS="-Cinstrument-coverage" \
    cargo test -q -p shoal-wire --lib --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
"$binary" -q >"$scratch/tests" 2>&1 || { cat "$scratch/tests" >&2; exit 1; }
objects=("$binary")

# The seeds, replayed by the fuzz targets themselves.
export PATH="$repo/.local/bin:$PATH"
for target in bencode lsd metainfo nat_pmp pcp peer_messages piece_layers tracker_http tracker_udp upnp; do
    RUSTFLAGS="-Cinstrument-coverage" cargo fuzz run --fuzz-dir . --sanitizer none "$target" \
        "corpus/$target" -- -runs=0 >"$scratch/$target" 2>&1 || { cat "$scratch/$target" >&2; exit 1; }
    objects+=(-object "$(find "$CARGO_TARGET_DIR" -path "*/release/$target" -type f | head -1)")
done

"$profdata" merge -sparse "$scratch"/*.profraw -o "$scratch/all.profdata"
"$cov" export "${objects[@]}" -instr-profile="$scratch/all.profdata" -summary-only \
    >"$scratch/summary.json" 2>/dev/null
if [ "${1:-}" = show ]; then
    "$cov" show "${objects[@]}" -instr-profile="$scratch/all.profdata" 2>/dev/null
    exit
fi
python3 - "$scratch/summary.json" <<'PYTHON'
import json
import sys

low = []
for file in json.load(open(sys.argv[1]))["data"][0]["files"]:
    name = file["filename"].split("/core/wire/src/")
    if len(name) < 2 or "/tests" in name[1] or name[1].endswith("captures.rs"):
        continue
    lines = file["summary"]["lines"]
    print(f"{lines['percent']:6.2f} %  {lines['covered']:4} of {lines['count']:4} lines  {name[1]}")
    if lines["percent"] < 95:
        low.append(name[1])
sys.exit(f"below 95 %: {', '.join(low)}" if low else 0)
PYTHON
