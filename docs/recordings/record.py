#!/usr/bin/env python3
"""Records the terminal: runs real transfers in terminals of 80x24 and of 60 columns, and writes
what is seen at telling moments to `get.txt`, `create.txt` and `seed.txt` beside this file.

    docs/recordings/record.py [SHOAL]      SHOAL is target/debug/shoal unless given

Needs tmux, util-linux (unshare), iproute2 and, for peers that are not ours, aria2. It runs in a
network of its own with addresses for examples (RFC 5737), and a /srv of its own.
"""
import os
import random
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60
FILM, RATES = "tide-pools.mkv", {11: "2200k", 12: "900k", 13: "300k"}


def enter_scene():
    """Starts again in namespaces of our own."""
    shoal = os.path.realpath(sys.argv[1] if sys.argv[1:] else HERE + "/../../target/debug/shoal")
    os.environ["IN_SCENE"] = "yes"
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid",
                          "--fork", "--mount-proc", "--kill-child", sys.executable, __file__, shoal])


def run(*words, **options):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def start(*words):
    with open("/srv/peers.log", "a") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class Terminal:
    """A terminal with a shell in it, drawn by tmux."""

    def __init__(self, name, columns, rows):
        self.name, self.size, self.frames = name, "%dx%d" % (columns, rows), []
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "env TERM=tmux-256color LC_ALL=C.UTF-8 PS1='$ ' bash --norc --noprofile")
        self.tmux("set", "-g", "status", "off")
        self.until(r"^\$ $")

    def tmux(self, *words):
        return subprocess.run(["tmux", "-L", "rec-" + self.name, "-f", "/dev/null", *words],
                              check=True, capture_output=True, text=True).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p").rstrip("\n") + "\n"

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def until(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen().rstrip("\n") + " ", re.M):
            if time.monotonic() > end:
                sys.exit("no %r on\n%s\n%s" % (pattern, self.screen(), open("/srv/peers.log").read()))
            time.sleep(0.1)

    def keep(self, what):
        self.frames.append("-- %s (%s)\n\n%s\n" % (what, self.size, self.screen()))

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))
        self.size = "%dx%d" % (columns, rows)
        time.sleep(1)  # Live lines are drawn four times a second.

    def close(self):
        self.tmux("kill-server")
        return "".join(self.frames)


def prepare():
    run("mount", "-t", "tmpfs", "tmpfs", "/srv")
    open("/srv/peers.log", "w").close()
    run("ip", "link", "set", "lo", "up")
    for last in [*RATES, 20, 21, 50]:
        run("ip", "addr", "add", "192.0.2.%d/32" % last, "dev", "lo")
    os.makedirs("/srv/bin")
    shutil.copy(sys.argv[1], "/srv/bin/shoal")
    os.environ.update(PATH="/srv/bin:" + os.environ["PATH"], HOME="/srv/ann")
    os.makedirs("/srv/ann/Birdsong")
    os.makedirs("/srv/seed")
    chance = random.Random(7)
    with open("/srv/seed/" + FILM, "wb") as film:
        for _ in range(160):
            film.write(chance.randbytes(1 << 20))
    for name in ["dawn.flac", "harbour.flac", "night at the pond.flac"]:
        with open("/srv/ann/Birdsong/" + name, "wb") as song:
            song.write(chance.randbytes(9 << 20))
    os.chdir("/srv/ann")
    run("shoal", "create", "/srv/seed/" + FILM, "-o", "film.torrent")


def shoal(state, *words):
    return start("env", "SHOAL_STATE_DIR=/srv/state-" + state, "shoal", *words)


def start_peers():
    """Three seeds of ours, one of somebody else's, and one who downloads like us."""
    for last, rate in RATES.items():
        shoal(str(last), "seed", "film.torrent", "--data", "/srv/seed", "--no-discovery",
              "--listen", "192.0.2.%d:6881" % last, "--up", rate)
    if shutil.which("aria2c"):
        start("aria2c", "--no-conf", "--enable-dht=false", "--seed-ratio=0", "--dir=/srv/seed",
              "--check-integrity", "--interface=192.0.2.20", "--listen-port=6881",
              "--max-overall-upload-limit=500K", "--file-allocation=none", "film.torrent")
    shoal("other", "get", "film.torrent", "-o", "/srv/other", "--no-discovery", "--down", "400k",
          "--listen", "192.0.2.21:6881", "--peer", "192.0.2.12:6881")


def peers():
    return "--peer " + ",".join("192.0.2.%d:6881" % last for last in [*RATES, 20, 21])


GET = "shoal get film.torrent -o media --listen 192.0.2.50:6881 --peers --exit"


def record_create():
    # Nothing but a hole, which is fast to make and takes a while to be hashed.
    with open("/srv/ann/disk-image-of-the-old-laptop.img", "wb") as image:
        image.truncate(12 << 30)
    wide = Terminal("create", 80, 12)
    wide.type("shoal create disk-image-of-the-old-laptop.img")
    wide.until(r" [34]\d\.\d %")
    wide.keep("A large file is hashed")
    wide.resize(60, 12)
    wide.keep("The window became smaller")
    wide.tmux("send-keys", "C-c")
    wide.until(r"stopped(.*\n)+\$ ")
    wide.keep("Ctrl-C")
    wide.resize(80, 12)
    wide.type("clear")
    wide.until(r"^\$ $")
    wide.type("shoal create Birdsong")
    wide.until(r"^torrent .*\n(.*\n)*\$ ")
    wide.keep("A torrent file is made")
    wide.type("shoal show Birdsong.torrent")
    wide.until(r"pond.flac")
    wide.keep("What it says")
    return wide.close()


def record_get():
    wide = Terminal("get", 80, 24)
    # The addresses stand in a file, so that the picture is about something else.
    wide.type("peers=$(cat ../seed/peers); clear")
    wide.type(GET + " $peers")
    wide.until(r"flags")
    wide.until(r"^%s +([5-9]|1\d)\.\d %%" % re.escape(FILM))
    wide.keep("A few seconds after the start")
    wide.until(r"^%s +(4\d)\.\d %%" % re.escape(FILM))
    wide.keep("Nearly half of it is there")
    wide.resize(60, 18)
    wide.keep("The window became smaller")
    wide.tmux("send-keys", "C-c")
    wide.until(r"go on with(.*\n)+\$ ")
    wide.keep("Ctrl-C")
    out = wide.close()

    narrow = Terminal("get60", 60, 18)
    narrow.type("peers=$(cat ../seed/peers); clear")
    narrow.type(GET + " $peers")
    narrow.until(r"^%s +(7\d)\.\d %%" % re.escape(FILM))
    narrow.keep("The same command goes on")
    narrow.until(r"complete(.*\n)+\$ ")
    narrow.keep("Done")
    return out + narrow.close()


def record_seed():
    wide = Terminal("seed", 80, 16)
    wide.type("shoal seed film.torrent --data media --listen 192.0.2.50:6881 --up 2M --peers")
    wide.until(r"listening")
    shoal("later", "get", "film.torrent", "-o", "/srv/later", "--no-discovery",
          "--listen", "192.0.2.21:6882", "--peer", "192.0.2.50:6881")
    wide.until(r"seeding +\D+[\d.]+ MiB/s(.*\n)+.*flags")
    wide.until(r"([3-9]|\d\d)\.\d MiB sent")
    wide.keep("Somebody downloads from us")
    wide.tmux("send-keys", "C-c")
    wide.until(r"go on with(.*\n)+\$ ")
    wide.keep("Ctrl-C")
    return wide.close()


def main():
    if os.environ.get("IN_SCENE") != "yes":
        enter_scene()
    prepare()
    scenes = {"create.txt": record_create()}
    start_peers()
    with open("/srv/seed/peers", "w") as file:
        file.write(peers())
    scenes["get.txt"] = record_get()
    scenes["seed.txt"] = record_seed()
    for name, frames in scenes.items():
        with open(os.path.join(HERE, name), "w") as file:
            file.write(re.sub(r" +\n", "\n", frames).rstrip("\n") + "\n")


main()
