#!/usr/bin/env bash
# Runs the fuzz targets. One line per target with its number of runs; fails on any crash.
#
#   run.sh ci     replays the seeds, then 20 s per target
#   run.sh soak   10,000,000 runs per target; what it learns is kept in .local/fuzz/
#
# No sanitizer: the decoders have no unsafe code, a panic or an overflow ends a run anyhow,
# memory is bounded by -rss_limit_mb, and so the pinned stable toolchain will do. A crashing
# input is left in artifacts/TARGET/; see it fail again with `run.sh replay TARGET FILE`.
set -euo pipefail
cd "$(dirname "$0")"
repo=$(cd ../.. && pwd)
cargo_fuzz_version=0.13.2
targets="abi bencode json_rpc keystore_json krpc lsd magnet metainfo nat_pmp pcp peer_messages pex piece_layers tracker_http tracker_udp tron_http tron_transaction typed_data_json upnp voucher"

mode=${1:-}
case "$mode" in
ci | soak | replay) ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

if [ ! -x "$repo/.local/bin/cargo-fuzz" ]; then
    cargo install --quiet --locked --root "$repo/.local" --version "$cargo_fuzz_version" cargo-fuzz
fi
export PATH="$repo/.local/bin:$PATH"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fuzz() { # fuzz COMMAND ARGUMENT…
    local command=$1
    shift
    cargo fuzz "$command" --fuzz-dir . --sanitizer none "$@"
}

if [ "$mode" = replay ]; then
    fuzz run "$2" "$3"
    exit
fi

if ! fuzz build >"$scratch/build" 2>&1; then
    cat "$scratch/build" >&2
    exit 1
fi

failed=0
run_one() { # run_one TARGET WHAT ARGUMENT…
    local target=$1 what=$2 log="$scratch/$1.$2" runs
    shift 2
    if ! fuzz run "$target" "$@" >"$log" 2>&1; then
        echo "fuzz $target $what: FAILED"
        grep -m1 -A8 'panicked at' "$log" >&2 || grep -v '^#' "$log" | tail -40 >&2
        grep 'Test unit written' "$log" >&2 || true
        failed=1
        return
    fi
    runs=$(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/\1 runs in \2 s/p' "$log" | tail -1)
    echo "fuzz $target $what: ${runs:-no count}"
}

bounds="-max_len=65536 -timeout=10 -rss_limit_mb=512 -print_final_stats=0"
for target in $targets; do
    # A first folder takes new inputs, so that the committed seeds stay as they are.
    dictionary="dictionaries/$target"
    [ -f "$dictionary" ] && bounds_here="$bounds -dict=$dictionary" || bounds_here=$bounds
    # shellcheck disable=SC2086
    case "$mode" in
    ci)
        mkdir -p "$scratch/corpus/$target"
        run_one "$target" replay "corpus/$target" -- $bounds -runs=0
        run_one "$target" ci "$scratch/corpus/$target" "corpus/$target" -- $bounds_here -max_total_time=20
        ;;
    soak)
        mkdir -p "$repo/.local/fuzz/$target"
        run_one "$target" soak "$repo/.local/fuzz/$target" "corpus/$target" -- $bounds_here -runs=10000000
        ;;
    esac
done
exit "$failed"
