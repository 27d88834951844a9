#!/usr/bin/env bash
# Makes get.svg: a real `shoal get` in a real terminal of 80 columns, caught in the middle.
# Needs tmux, python3, iproute2 and util-linux (unshare); to look at the result, rsvg-convert.
#
#   docs/images/capture.sh [SHOAL]     SHOAL is target/debug/shoal unless given
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ "${IN_SCENE:-}" != yes ]; then
  shoal=$(realpath "${1:-$here/../../target/debug/shoal}")
  # A /srv and a network of its own, gone with the namespaces: the picture shows nobody's folders,
  # and addresses for examples (RFC 5737).
  IN_SCENE=yes exec unshare --user --map-root-user --mount --net --pid --fork --mount-proc \
    --kill-child bash "$0" "$shoal"
fi

mount -t tmpfs tmpfs /srv
ip link set lo up
export HOME=/srv/ann
mkdir -p /srv/ann/torrents /srv/seed/data /srv/bin
cp "$1" /srv/bin/shoal
export PATH=/srv/bin:$PATH
cd /srv/ann

mkdir "/srv/seed/data/Birdsong"
for name in dawn harbour night; do
  head -c 3M /dev/urandom >"/srv/seed/data/Birdsong/$name.flac"
done
head -c 120M /dev/urandom >/srv/seed/data/tide-pools.mkv
for name in 'Birdsong' tide-pools.mkv; do
  shoal create "/srv/seed/data/$name" -o "torrents/$name.torrent" >/dev/null 2>&1
done
peers=
for peer in 7:5M 31:3M 84:1M; do
  ip addr add "192.0.2.${peer%:*}/32" dev lo
  SHOAL_STATE_DIR=/srv/seed/${peer%:*} shoal seed torrents --data /srv/seed/data --no-discovery \
    --listen "192.0.2.${peer%:*}:6881" --up "${peer#*:}" >"/srv/seed/log${peer%:*}" 2>&1 &
  until grep -q 'listening on' "/srv/seed/log${peer%:*}"; do sleep 0.1; done
  peers=$peers${peers:+,}192.0.2.${peer%:*}:6881
done
tm() { tmux -L "shoal-capture-$$" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null || true' EXIT

tm new-session -d -x 80 -y 20 "env TERM=tmux-256color LC_ALL=C.UTF-8 peers='--peer $peers' \
  PS1='\[\e[1;32m\]ann@debian\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ ' bash --norc --noprofile"
tm set -g status off
sleep 0.5
tm send-keys 'shoal get torrents -o media --peers --exit $peers' Enter
# The first torrent is complete, the second about half way.
until tm capture-pane -p | grep -q 'Birdsong: complete'; do sleep 0.1; done
until tm capture-pane -p | grep -qE 'tide-pools.mkv +(5[5-9]|6[0-9])\.'; do sleep 0.1; done
tm capture-pane -e -p | python3 "$here/ansi_to_svg.py" >"$here/get.svg"
