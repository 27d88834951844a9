#!/usr/bin/env bash
# Makes get.svg: a real `shoal get` in a real terminal of 80 columns, caught in the middle.
# Needs tmux, python3 and util-linux (unshare); to look at the result, rsvg-convert.
#
#   docs/images/capture.sh [SHOAL]     SHOAL is target/debug/shoal unless given
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ "${IN_SCENE:-}" != yes ]; then
  shoal=$(realpath "${1:-$here/../../target/debug/shoal}")
  # A /srv of its own, gone with the namespace, so that the picture shows nobody's folders.
  IN_SCENE=yes exec unshare --user --map-root-user --mount bash "$0" "$shoal"
fi

mount -t tmpfs tmpfs /srv
export HOME=/srv/ann SHOAL_STATE_DIR=/srv/seed/state
mkdir -p /srv/ann/torrents /srv/seed/data /srv/bin
cp "$1" /srv/bin/shoal
export PATH=/srv/bin:$PATH
cd /srv/ann

mkdir "/srv/seed/data/Birdsong"
for name in dawn harbour night; do
  head -c 9M /dev/urandom >"/srv/seed/data/Birdsong/$name.flac"
done
head -c 120M /dev/urandom >/srv/seed/data/tide-pools.mkv
for name in 'Birdsong' tide-pools.mkv; do
  shoal create "/srv/seed/data/$name" -o "torrents/$name.torrent" >/dev/null 2>&1
done
shoal seed torrents --data /srv/seed/data --listen 127.0.0.1:6900 --up 16M --no-discovery >/srv/seed/log 2>&1 &
seeder=$!
tm() { tmux -L "shoal-capture-$seeder" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null || true; kill "$seeder" 2>/dev/null || true' EXIT
until grep -q 'listening on' /srv/seed/log; do sleep 0.1; done

unset SHOAL_STATE_DIR
tm new-session -d -x 80 -y 12 "env TERM=tmux-256color LC_ALL=C.UTF-8 \
  PS1='\[\e[1;32m\]ann@debian\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ ' bash --norc --noprofile"
tm set -g status off
sleep 0.5
tm send-keys 'shoal get torrents -o media --peer 127.0.0.1:6900 --exit' Enter
# The first torrent is complete, the second about half way.
until tm capture-pane -p | grep -q 'Birdsong: complete'; do sleep 0.1; done
until tm capture-pane -p | grep -qE '█.* (5[5-9]|6[0-9])\.'; do sleep 0.1; done
tm capture-pane -e -p | python3 "$here/ansi_to_svg.py" >"$here/get.svg"
