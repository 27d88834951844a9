#!/usr/bin/env bash
# Makes a torrent of sample content, seeds it in one process, downloads it in another by address,
# and compares every byte. Everything happens on this machine, in a folder that is removed after.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '    $ %s\n' "$*"; }
fail() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }

scratch=$(mktemp -d)
seeder=
cleanup() {
  status=$?
  if [ -n "$seeder" ]; then
    kill "$seeder" 2>/dev/null || true
    wait "$seeder" 2>/dev/null || true
  fi
  if [ "$status" != 0 ] && [ -s "$scratch/seed.log" ]; then
    printf '\nwhat the seed said:\n' >&2
    tail -n 20 "$scratch/seed.log" >&2
  fi
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
# What shoal remembers belongs to the demo, too.
export SHOAL_STATE_DIR=$scratch/state

say '1. Build the program'
show 'cargo build -p shoal'
cargo build -p shoal
target=$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
shoal=$target/debug/shoal

say '2. Make sample content: a folder of 64 MiB'
content="$scratch/Sample Collection"
mkdir -p "$content/photos/été" "$content/notes"
head -c 41943040 /dev/urandom >"$content/film.bin"
head -c 20971520 /dev/urandom >"$content/photos/album.bin"
head -c 4194305 /dev/urandom >"$content/photos/été/plage ☀.raw"
echo 'Every byte of this will be compared.' >"$content/notes/read me.txt"
: >"$content/notes/empty.txt"
(cd "$content" && find . -type f | sort | sed 's|^\./|    |')

say '3. Make a torrent of it'
show "shoal create 'Sample Collection' -o sample.torrent"
"$shoal" create "$content" -o "$scratch/sample.torrent"
"$shoal" show "$scratch/sample.torrent"

say '4. Seed it, in one process'
show 'shoal seed sample.torrent --data . --listen 127.0.0.1:0 --no-discovery'
"$shoal" seed "$scratch/sample.torrent" --data "$scratch" --listen 127.0.0.1:0 --no-discovery \
  >"$scratch/seed.log" 2>&1 &
seeder=$!
address=
for _ in $(seq 300); do
  address=$(sed -n 's/.*listening on \([0-9.]*:[0-9]*\).*/\1/p' "$scratch/seed.log" | head -n 1)
  [ -z "$address" ] || break
  kill -0 "$seeder" 2>/dev/null || fail 'the seed stopped'
  sleep 0.1
done
[ -n "$address" ] || fail 'the seed does not listen'
echo "    it listens on $address"

say '5. Download it, in another process, at 16 MiB a second so that you can watch'
show "shoal get sample.torrent -o download --peer $address --down 16M --exit"
"$shoal" get "$scratch/sample.torrent" -o "$scratch/download" --peer "$address" \
  --listen 127.0.0.1:0 --no-discovery --down 16M --exit

say '6. Compare'
show "diff -r 'Sample Collection' 'download/Sample Collection'"
diff -r "$content" "$scratch/download/Sample Collection" || fail 'the copy differs'
"$shoal" verify "$scratch/sample.torrent" --data "$scratch/download"

say 'Done: 64 MiB went from one shoal to another, and every byte is the same.'
cat <<TEXT

Go on with your own:
    $shoal get FILE.torrent -o DIR       download, from the peers that its trackers know
    $shoal seed FILE.torrent --data DIR  serve what you have
    $shoal create PATH -o FILE.torrent --tracker URL
    $shoal --help
TEXT
